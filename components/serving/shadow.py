"""The other version scores the same requests behind the answers, and both lists are noted as one exposure.

It never delays an answer: its queue is bounded and drops what does not fit, and its thread steps back behind
others. An exposure whose other list was dropped is noted without it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from components.serving.batching import Batcher, Overloaded, Stopped
from components.serving.config import Batching, Trial
from components.serving.exposures import ExposureLog, exposure
from components.serving.loaded import LoadedVersion
from components.serving.metrics import ServerMetrics
from components.serving.ranking import rank
from components.serving.scoring import Listed, score_again
from components.serving.split import Variant

_LOG = logging.getLogger(__name__)
_NICENESS = 10
_AT_ONCE = 4  # few: a batch that is being scored cannot step back


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A list that a user got."""

    request_id: str
    user_id: str
    shown_at: datetime
    variant: Variant
    listed: Listed
    other: LoadedVersion | None


class Shadow:
    """Notes exposures, each with the list of the version that did not answer."""

    def __init__(self, log: ExposureLog, trial: Trial, batching: Batching, metrics: ServerMetrics) -> None:
        self._log, self._trial, self._metrics = log, trial, metrics
        self._batcher: Batcher[Shown, Sequence[str]] = Batcher(
            self._score,
            name="shadow",
            window_seconds=0.0,
            max_batch=_AT_ONCE,
            max_waiting=batching.max_waiting,
            niceness=_NICENESS,
        )

    @property
    def num_waiting(self) -> int:
        return self._batcher.num_waiting

    def note(self, shown: Shown) -> None:
        """Returns at once."""
        try:
            self._batcher.put(shown, lambda other: self._write(shown, other))
        except (Overloaded, Stopped):
            self._metrics.exposures.labels("dropped").inc()

    def stop(self, *, timeout_seconds: float) -> bool:
        is_done = self._batcher.stop(timeout_seconds=timeout_seconds)
        self._log.close()
        return is_done

    def _score(self, batch: Sequence[Shown]) -> list[Sequence[str] | BaseException]:
        lists: list[Sequence[str] | BaseException] = []
        for shown in batch:
            try:
                lists.append(_other_list(shown))
            except Exception as error:  # the other version's fault; the exposure is noted all the same
                lists.append(error)
        return lists

    def _write(self, shown: Shown, other: Sequence[str] | BaseException) -> None:
        answered = shown.other is not None and not isinstance(other, BaseException)
        try:
            self._log.append(
                exposure(
                    request_id=shown.request_id,
                    user_id=shown.user_id,
                    shown_at=shown.shown_at,
                    variant=shown.variant,
                    version=shown.listed.ask.version.version,
                    item_ids=[place.item_id for place in shown.listed.places],
                    other=(shown.other.version, other) if answered else None,  # type: ignore[union-attr, arg-type]
                    share=self._trial.share,
                    salt=self._trial.salt,
                )
            )
        except OSError as error:
            _LOG.warning("an exposure could not be noted: %s", error)
            self._metrics.exposures.labels("failed").inc()
            return
        outcome = "noted" if answered or shown.other is None else "without_other"
        self._metrics.exposures.labels(outcome).inc()


def _other_list(shown: Shown) -> list[str]:
    if shown.other is None:
        return []
    ask = score_again(shown.listed, shown.other)
    assert ask.history is not None
    return [place.item_id for place in rank(shown.other, [(ask.history, ask.query)])[0]]
