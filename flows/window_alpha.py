"""The alpha of a replay window: what a challenger may use of it, spent before it is judged, or only foreseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from components.data import alpha
from components.evaluation.alpha_spending import Attempt
from components.evaluation.contenders import Contender
from flows.judging import JudgedReplay
from flows.replay_window import ReplayWindow
from flows.warehouse import warehouse


def spend_alpha(
    window: ReplayWindow, contenders: Sequence[Contender], challenger: str, champion: str | None
) -> alpha.AlphaEntry | None:
    """The challenger's entry in the window's ledger, written now if it is new there.

    None for the champion's own artifact, which tries nothing.
    """
    return _asked(alpha.spend_alpha, window, contenders, challenger, champion)


def foreseen_attempt(
    window: ReplayWindow, contenders: Sequence[Contender], challenger: str, champion: str | None
) -> Attempt | None:
    """What `spend_alpha` would give now; writes nothing."""
    return attempt_of(_asked(alpha.foresee_alpha, window, contenders, challenger, champion))


def attempt_of(entry: alpha.AlphaEntry | None) -> Attempt | None:
    """The part of an entry that the verdict depends on."""
    return Attempt(number=entry.attempt, alpha_one_sided=entry.alpha_one_sided) if entry else None


def note_verdict(spent: alpha.AlphaEntry | None, window: ReplayWindow, judged: JudgedReplay) -> None:
    """What came of it, in the same ledger; the same replay again is noted once."""
    if spent:
        alpha.record_verdict(
            warehouse(), spent, profile=window.profile.hash, verdict=judged.verdict,
            replay=judged.replay.digest,
        )  # fmt: skip


def _asked(
    ask: Callable[..., alpha.AlphaEntry], window: ReplayWindow, contenders: Sequence[Contender],
    challenger: str, champion: str | None,
) -> alpha.AlphaEntry | None:  # fmt: skip
    by_name = {contender.name: contender.artifact for contender in contenders}
    if by_name.get(champion or "") == by_name[challenger]:
        return None
    profile = window.profile
    return ask(
        warehouse(), window=window.snapshots.window.digest, challenger=by_name[challenger].digest,
        shares=profile.alpha_shares, profile=profile.hash,
    )  # fmt: skip
