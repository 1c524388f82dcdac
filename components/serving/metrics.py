"""What the server tells Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values

from components.serving.follower import Following
from components.serving.loaded import LoadedVersion

# Importing Feast sets PROMETHEUS_MULTIPROC_DIR; counters would then lie in files that all servers of a process
# share, and that outlive it. Which import comes first must not decide it.
values.ValueClass = values.MutexValue

_LATENCY = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds
_BATCH = (1, 2, 4, 8, 16, 32, 64)
_AGE = (60, 600, 3_600, 6 * 3_600, 86_400, 2 * 86_400, 7 * 86_400, 30 * 86_400)  # seconds


class ServerMetrics:
    """Counters and gauges of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter("recloop_requests", "Requests answered", ["path", "status"], registry=own)
        self.seconds = Histogram(
            "recloop_request_seconds", "Time to answer", ["path"], registry=own, buckets=_LATENCY
        )
        self.batch_size = Histogram(
            "recloop_batch_size", "Requests scored together", registry=own, buckets=_BATCH
        )
        self.scoring_seconds = Histogram(
            "recloop_scoring_seconds", "Time to score a batch", registry=own, buckets=_LATENCY
        )
        self.feature_age = Histogram(
            "recloop_feature_age_seconds", "Age of the features behind a list", registry=own, buckets=_AGE
        )
        self.stale = Counter("recloop_stale_answers", "Lists made from stale features", registry=own)
        self.fallbacks = Counter(
            "recloop_fallback_answers", "Lists made without features", ["reason"], registry=own
        )
        self.events = Counter("recloop_events", "Events posted", ["outcome"], registry=own)
        self.swaps = Counter("recloop_version_swaps", "Versions swapped in", ["variant"], registry=own)
        self.exposures = Counter("recloop_exposures", "Exposures noted", ["outcome"], registry=own)
        self.waiting = Gauge("recloop_queue_waiting", "Requests that wait", ["queue"], registry=own)
        self.load_failures = Gauge(
            "recloop_version_load_failures", "Loads that failed since the start", ["variant"], registry=own
        )
        self.alias_age = Gauge(
            "recloop_alias_age_seconds", "Since the alias was last read", ["variant"], registry=own
        )
        self.lags = Gauge(
            "recloop_version_lags", "1 while the wanted version does not serve", ["variant"], registry=own
        )
        self.version = Gauge(
            "recloop_version_info", "1 for the version that serves, 0 for one that did",
            ["variant", "name", "version", "bundle"], registry=own,
        )  # fmt: skip

    def watch_queue(self, name: str, num_waiting: Callable[[], int]) -> None:
        self.waiting.labels(name).set_function(num_waiting)

    def watch_follower(self, variant: str, following: Callable[[], Following]) -> None:
        """Load failures, the age of what is known of the alias, and whether what it names serves."""
        self.load_failures.labels(variant).set_function(lambda: following().failures)
        self.alias_age.labels(variant).set_function(lambda: _age(following()))
        self.lags.labels(variant).set_function(lambda: float(bool(following().problem)))

    def swapped(self, variant: str, old: LoadedVersion | None, new: LoadedVersion) -> None:
        if old is not None:
            self.version.labels(variant, old.name, old.version, old.digest).set(0)
        self.version.labels(variant, new.name, new.version, new.digest).set(1)
        self.swaps.labels(variant).inc()

    def listed(self, *, age: timedelta | None, is_stale: bool, fallback: str | None) -> None:
        if age is not None:
            self.feature_age.observe(age.total_seconds())
        if is_stale:
            self.stale.inc()
        if fallback is not None:
            self.fallbacks.labels(fallback).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)


def _age(following: Following) -> float:
    return float("inf") if following.read_at is None else time.monotonic() - following.read_at
