"""What the scoring server is told: where things lie, who may ask, how much, and what runs beside the champion."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from pydantic import SecretStr

from components.compute import ON_CPU, Compute

SHORTEST_KEY = 16  # characters


class ServerConfigError(ValueError):
    """A setting of the server contradicts another or lies out of range; the message says which and what to set."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request, and one key, may ask for."""

    max_body_bytes: int = 131_072
    max_history: int = 512  # items of a history in a request
    max_k: int = 100
    max_exclude: int = 200
    rate_per_second: float = 500.0  # of one key, or of all callers where there are no keys; 0: no limit
    burst: int = 1000  # requests that a key may send at once

    def __post_init__(self) -> None:
        counts = (self.max_body_bytes, self.max_history, self.max_k, self.burst)
        if min(counts) < 1 or self.max_exclude < 0 or self.rate_per_second < 0:
            raise ServerConfigError(
                "limits of a server are positive; only the rate may be 0, which is no limit"
            )


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How requests that arrive together are scored together."""

    window_ms: float = 2.0  # that the first of a batch waits for others
    max_batch: int = 32
    max_waiting: int = 256  # requests; the next one is told to come again

    def __post_init__(self) -> None:
        if self.window_ms < 0 or self.max_batch < 1 or self.max_waiting < 1:
            raise ServerConfigError("window_ms is not negative, max_batch and max_waiting are at least 1")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A second version beside the champion: in the shadow only, or with a share of the users."""

    challenger: str | None = None  # an alias or a version number; None: the champion alone
    share: float = 0.0  # of the users who get the challenger's list; 0: shadow only
    salt: str = "live"  # another one deals the users anew

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ServerConfigError(f"share is {self.share}; a share of users lies between 0 and 1")
        if self.share and self.challenger is None:
            raise ServerConfigError("a share of users is dealt to a challenger, and none is named")


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """One scoring server. Without keys it answers this machine only."""

    model_name: str
    tracking_uri: str
    artifacts: Path  # bundles are fetched to it
    feast_home: Path
    host: str = "127.0.0.1"
    port: int = 8000
    keys: tuple[SecretStr, ...] = ()
    allowed_hosts: tuple[
        str, ...
    ] = ()  # names that a Host header may hold; empty: any, or loopback without keys
    poll_seconds: float = 2.0  # between two looks at the alias
    alias_max_age_seconds: float = 30.0  # an alias not read for longer: not ready
    max_feature_age_hours: float = 48.0  # older features are stale
    events_spool: Path | None = None  # folder that posted events are kept in; None: events are not taken
    exposures: Path | None = None  # folder of what was shown to whom; None: not noted
    images: Path | None = None  # folder of <item_id>.jpg and the like, for the page
    threads: int = 1  # of torch, for one batch
    compute: Compute = ON_CPU  # what versions rank on
    drain_seconds: float = 10.0  # that a stop waits for requests under way
    limits: Limits = field(default_factory=Limits)
    batching: Batching = field(default_factory=Batching)
    trial: Trial = field(default_factory=Trial)

    def __post_init__(self) -> None:
        if not self.keys and not is_loopback(self.host):
            raise ServerConfigError(
                f"host {self.host} is open to other machines, and no API key is set. Set RECLOOP_API_KEYS (or a "
                "file of keys), or serve on 127.0.0.1."
            )
        if any(len(key.get_secret_value()) < SHORTEST_KEY for key in self.keys):
            raise ServerConfigError(
                f"an API key is shorter than {SHORTEST_KEY} characters. Make one with: "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        if min(self.poll_seconds, self.alias_max_age_seconds, self.max_feature_age_hours) <= 0:
            raise ServerConfigError(
                "poll_seconds, alias_max_age_seconds and max_feature_age_hours are positive"
            )
        if self.trial.challenger is not None and self.exposures is None:
            raise ServerConfigError(
                f"{self.trial.challenger} is to run beside the champion, and no folder is named in which the lists of "
                "both are noted. Set RECLOOP_EXPOSURES."
            )
        if self.threads < 1:
            raise ServerConfigError(f"threads is {self.threads}; at least one is needed")

    @property
    def hosts(self) -> frozenset[str] | None:
        """Names that a Host header may hold, lower case and without a port; None: any."""
        if self.allowed_hosts:
            return frozenset(name.lower() for name in self.allowed_hosts)
        return frozenset({"127.0.0.1", "localhost", "[::1]"}) if is_loopback(self.host) else None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_keys(joined: SecretStr | None, file: Path | None = None) -> tuple[SecretStr, ...]:
    """API keys from a setting, separated by commas, and from a file, one a line; # begins a comment.

    Raises ServerConfigError for a file that cannot be read.
    """
    found = joined.get_secret_value().split(",") if joined is not None else []
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ServerConfigError(
                f"{file}: the file of API keys cannot be read ({type(error).__name__})"
            ) from None
        found += [line for line in lines if not line.lstrip().startswith("#")]
    return tuple(SecretStr(key.strip()) for key in found if key.strip())
