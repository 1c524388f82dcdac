"""From a request to its answer: which version, which features, which list, and what is noted of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from components.serving.batching import Batcher, Overloaded, Stopped
from components.serving.config import ServerConfig
from components.serving.follower import Follower
from components.serving.loaded import History, LoadedVersion
from components.serving.messages import (
    FeatureFacts,
    ListedItem,
    ModelFacts,
    RecommendationRequest,
    Recommendations,
)
from components.serving.metrics import ServerMetrics
from components.serving.page import image_path
from components.serving.ranking import Query
from components.serving.refusals import RequestRefused, bad_request, not_ready, overloaded
from components.serving.scoring import Ask, FeatureReading, Listed, score
from components.serving.shadow import Shadow, Shown
from components.serving.split import Variant, variant_of


class Recommending:
    """Answers requests. One worker thread scores; what runs beside it is noted by the shadow."""

    def __init__(
        self,
        config: ServerConfig,
        *,
        champion: Follower,
        challenger: Follower | None,
        reading: FeatureReading,
        shadow: Shadow | None,
        metrics: ServerMetrics,
        images: Mapping[str, object],
        now: Callable[[], datetime],
    ) -> None:
        self._config, self._metrics, self._now, self._images = config, metrics, now, images
        self.champion, self.challenger = champion, challenger
        self._reading, self._shadow = reading, shadow
        batching = config.batching
        self._batcher: Batcher[Ask, Listed] = Batcher(
            self._score,
            name="scoring",
            window_seconds=batching.window_ms / 1000,
            max_batch=batching.max_batch,
            max_waiting=batching.max_waiting,
        )
        metrics.watch_queue("scoring", lambda: self._batcher.num_waiting)

    async def answer(self, asked: RecommendationRequest) -> Recommendations:
        """Raises RequestRefused."""
        variant, version = self._serving(asked)
        ask = self._ask(asked, version)
        try:
            listed = await self._batcher.ask(ask)
        except Overloaded:
            raise overloaded() from None
        except Stopped:
            raise not_ready("the server is stopping") from None
        shown_at, request_id = self._now(), uuid.uuid4().hex
        if self._shadow is not None and asked.user_id is not None and asked.variant is None:
            self._shadow.note(
                Shown(
                    request_id=request_id,
                    user_id=asked.user_id,
                    shown_at=shown_at,
                    variant=variant,
                    listed=listed,
                    other=self._other(version),
                )
            )
        return self._told(request_id, variant, listed)

    def stop(self, *, timeout_seconds: float) -> bool:
        return self._batcher.stop(timeout_seconds=timeout_seconds)

    def _score(self, asks: Sequence[Ask]) -> list[Listed | BaseException]:
        self._metrics.batch_size.observe(len(asks))
        with self._metrics.scoring_seconds.time():
            return [*score(asks, self._reading, now=self._now())]

    def _serving(self, asked: RecommendationRequest) -> tuple[Variant, LoadedVersion]:
        """The version that answers, read once."""
        champion = self.champion.current
        challenger = self.challenger.current if self.challenger is not None else None
        wanted = asked.variant
        if wanted == "challenger" and challenger is None:
            raise RequestRefused(404, "no_challenger", "no second version is loaded beside the champion")
        trial = self._config.trial
        if wanted is None and trial.share and asked.user_id is not None and challenger is not None:
            wanted = variant_of(asked.user_id, share=trial.share, salt=trial.salt)
        if wanted == "challenger" and challenger is not None:
            return "challenger", challenger
        if champion is None:
            raise not_ready(self.champion.following.problem)
        return "champion", champion

    def _other(self, version: LoadedVersion) -> LoadedVersion | None:
        """The version beside the one that answered; None if there is none, or it is the same."""
        if self.challenger is None or (challenger := self.challenger.current) is None:
            return None
        other = self.champion.current if challenger.digest == version.digest else challenger
        return None if other is None or other.digest == version.digest else other

    def _ask(self, asked: RecommendationRequest, version: LoadedVersion) -> Ask:
        self._refuse_excess(asked)
        for name in asked.categories:
            if not version.knows_category(name):
                raise bad_request("categories: one of them is not known to this version")
        seen = version.excludes_seen if asked.exclude_seen is None else asked.exclude_seen
        # by the minute, so that requests of one minute are scored together
        minute = self._now().replace(second=0, microsecond=0) if asked.only_available else None
        return Ask(
            version=version,
            query=Query(
                k=asked.k,
                exclude_seen=seen,
                exclude=frozenset(asked.exclude),
                categories=frozenset(asked.categories),
                available_at=asked.available_at or minute,
            ),
            user_id=asked.user_id,
            history=_history(asked),
            refuse_stale=asked.refuse_stale,
        )

    def _refuse_excess(self, asked: RecommendationRequest) -> None:
        limits = self._config.limits
        for name, number, most in (
            ("k", asked.k, limits.max_k),
            ("history", len(asked.history or ()), limits.max_history),
            ("exclude", len(asked.exclude), limits.max_exclude),
        ):
            if number > most:
                raise bad_request(f"{name}: {number} asked for, at most {most} are taken")

    def _told(self, request_id: str, variant: Variant, listed: Listed) -> Recommendations:
        version, features = listed.ask.version, listed.features
        fallback = version.fallback_of(features.history.item_ids)
        self._metrics.listed(age=features.age, is_stale=features.is_stale, fallback=fallback)
        given = listed.ask.history.item_ids if listed.ask.history is not None else ()
        facts = version.bundle.facts
        return Recommendations.model_construct(
            request_id=request_id,
            user_id=listed.ask.user_id,
            items=[
                ListedItem.model_construct(
                    rank=rank,
                    item_id=place.item_id,
                    title=version.titles[place.item_id],
                    score=place.score,
                    image=image_path(place.item_id, self._images),
                )
                for rank, place in enumerate(listed.places, start=1)
            ],
            model=ModelFacts.model_construct(
                name=version.name,
                version=version.version,
                variant=variant,
                arm=facts.arm,
                bundle=version.digest,
                feature_set=facts.feature_set,
                trained_until=facts.train_end,
            ),
            features=FeatureFacts.model_construct(
                source=features.source,
                feature_set=features.feature_set,
                as_of=features.as_of.isoformat() if features.as_of else None,
                age_seconds=None if features.age is None else features.age / timedelta(seconds=1),
                stale=features.is_stale,
                num_events=features.num_events,
            ),
            fallback=fallback,
            unknown_items=version.unknown(given),
        )


def _history(asked: RecommendationRequest) -> History | None:
    if asked.history is None:
        if asked.user_id is None:
            raise bad_request("give user_id, or history, or both")
        if asked.times is not None:
            raise bad_request("times: they belong to a history, and none is given")
        return None
    times = range(len(asked.history)) if asked.times is None else asked.times
    if len(times) != len(asked.history):
        raise bad_request(f"times: {len(times)} for {len(asked.history)} items; give one an item, or none")
    if any(later < earlier for earlier, later in pairwise(times)):
        raise bad_request("times: they descend somewhere; give the history oldest first")
    return History(item_ids=asked.history, times=times)
