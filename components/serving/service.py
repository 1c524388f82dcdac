"""Everything behind the routes, put together from a configuration, started and stopped in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch

from components.data.moments import utc_now
from components.features.store.availability import available_since
from components.features.store.live import make_ready
from components.features.store.opening import OpenStore, open_store
from components.registry import tracking
from components.registry.versions import CHAMPION, RegisteredVersion
from components.serving.batching import Batcher, Overloaded, Stopped
from components.serving.config import ServerConfig
from components.serving.exposures import ExposureLog
from components.serving.follower import Follower
from components.serving.intake import Intake, Taken
from components.serving.loaded import LoadedVersion, load_version
from components.serving.messages import PostedEvent, TakenEvent
from components.serving.metrics import ServerMetrics
from components.serving.new_items import latest_new_items
from components.serving.page import item_images
from components.serving.recommending import Recommending
from components.serving.refusals import RequestRefused, not_ready, overloaded
from components.serving.scoring import FeatureReading
from components.serving.shadow import Shadow
from components.serving.split import Variant
from components.serving.spool import EventSpool

_EVENTS_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class FollowedVersion:
    """How one alias stands."""

    target: str
    wanted: str | None
    serving: str | None
    bundle: str | None
    read_seconds_ago: float | None
    problem: str


@dataclass(frozen=True, kw_only=True)
class Readiness:
    is_ready: bool
    model: str
    champion: FollowedVersion
    challenger: FollowedVersion | None

    def to_dict(self, *, with_problems: bool) -> dict[str, Any]:
        """As JSON; a problem names paths and addresses, which are not for everybody."""
        told = asdict(self)
        for followed in filter(None, (told["champion"], told["challenger"])):
            if not with_problems:
                followed["problem"] = "send a key to read it" if followed["problem"] else ""
        return {"ready": told.pop("is_ready"), **told}


class Service:
    """One server's parts. `now` is the clock that ages are measured against."""

    def __init__(self, config: ServerConfig, *, now: Callable[[], datetime] = utc_now) -> None:
        tracking.configure(config.tracking_uri)
        torch.set_num_threads(config.threads)
        self.config, self.metrics, self._now = config, ServerMetrics(), now
        self.images: Mapping[str, tuple[Path, str]] = item_images(config.images)
        self.champion = self._follow(CHAMPION, "champion")
        trial = config.trial
        self.challenger = self._follow(trial.challenger, "challenger") if trial.challenger else None
        self._reading = FeatureReading(
            store=_store(config), max_age=timedelta(hours=config.max_feature_age_hours)
        )
        self._shadow = self._note_exposures()
        self.recommending = Recommending(
            config,
            champion=self.champion,
            challenger=self.challenger,
            reading=self._reading,
            shadow=self._shadow,
            metrics=self.metrics,
            images=self.images,
            now=now,
        )
        self._spool = EventSpool(config.events_spool) if config.events_spool is not None else None
        self._intake = self._take_events()

    def start(self) -> None:
        for follower in filter(None, (self.champion, self.challenger)):
            follower.start()

    def stop(self) -> None:
        """Answer what waits, note what is to be noted, and end."""
        seconds = self.config.drain_seconds
        for follower in filter(None, (self.champion, self.challenger)):
            follower.stop(timeout_seconds=seconds)
        self.recommending.stop(timeout_seconds=seconds)
        if self._intake is not None:
            self._intake.stop(timeout_seconds=seconds)
        if self._shadow is not None:  # last: what was just answered is still to be noted
            self._shadow.stop(timeout_seconds=seconds)
        if self._spool is not None:
            self._spool.close()

    async def take_event(self, posted: PostedEvent) -> TakenEvent:
        """Raises RequestRefused."""
        if self._intake is None:
            raise RequestRefused(
                404, "events_not_taken", "this server takes no events: RECLOOP_EVENTS_SPOOL names no folder"
            )
        try:
            taken = await self._intake.ask(posted)
        except Overloaded:
            self.metrics.events.labels("overloaded").inc()
            raise overloaded() from None
        except Stopped:
            raise not_ready("the server is stopping") from None
        except RequestRefused:
            self.metrics.events.labels("refused").inc()
            raise
        self.metrics.events.labels("new" if taken.is_new else "repeated").inc()
        champion = self.champion.current
        return TakenEvent(
            event_id=taken.event_id,
            is_new=taken.is_new,
            is_known_item=champion is not None and posted.item_id in champion.place,
        )

    def readiness(self, *, at: float) -> Readiness:
        """How it stands at a moment of the monotonic clock."""
        champion = _followed(self.champion, at)
        lately = champion.read_seconds_ago is not None and (
            champion.read_seconds_ago <= self.config.alias_max_age_seconds
        )
        return Readiness(
            is_ready=champion.serving is not None and lately,
            model=self.config.model_name,
            champion=champion,
            challenger=_followed(self.challenger, at) if self.challenger else None,
        )

    def _follow(self, target: str, variant: Variant) -> Follower:
        def load(registered: RegisteredVersion) -> LoadedVersion:
            since = available_since(self.config.feast_home)
            return load_version(
                registered,
                artifacts=self.config.artifacts,
                available_since=since,
                compute=self.config.compute,
            )

        follower = Follower(
            model_name=self.config.model_name,
            target=target,
            load=load,
            poll_seconds=self.config.poll_seconds,
            is_current=self._knows_new_items,
            on_swap=lambda old, new: self.metrics.swapped(variant, old, new),
        )
        self.metrics.watch_follower(variant, lambda: follower.following)
        return follower

    def _knows_new_items(self, loaded: LoadedVersion) -> bool:
        """Whether it was told of the newest items that batch scoring identified for it."""
        found = latest_new_items(self.config.artifacts, loaded.digest)
        return loaded.new_items == (found.digest if found else None)

    def _note_exposures(self) -> Shadow | None:
        if self.config.exposures is None:
            return None
        log = ExposureLog(self.config.exposures)
        shadow = Shadow(log, self.config.trial, self.config.batching, self.metrics)
        self.metrics.watch_queue("shadow", lambda: shadow.num_waiting)
        return shadow

    def _take_events(self) -> Batcher[PostedEvent, Taken] | None:
        if self._spool is None:
            return None
        intake = Intake(store=_store(self.config), spool=self._spool)
        batcher: Batcher[PostedEvent, Taken] = Batcher(
            lambda posted: intake.take(posted, now=self._now()),
            name="events",
            window_seconds=0.0,
            max_batch=_EVENTS_AT_ONCE,
            max_waiting=self.config.batching.max_waiting,
        )
        self.metrics.watch_queue("events", lambda: batcher.num_waiting)
        return batcher


def _store(config: ServerConfig) -> OpenStore:
    """A store of its own for each thread: Feast keeps one connection a store."""
    store = open_store(config.feast_home)
    make_ready(store)
    return store


def _followed(follower: Follower, at: float) -> FollowedVersion:
    following = follower.following
    loaded = following.loaded
    return FollowedVersion(
        target=follower.target,
        wanted=following.wanted,
        serving=loaded.version if loaded else None,
        bundle=loaded.digest if loaded else None,
        read_seconds_ago=None if following.read_at is None else round(at - following.read_at, 3),
        problem=following.problem,
    )
