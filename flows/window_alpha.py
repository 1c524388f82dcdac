"""The alpha of a replay window: what an attempt may use of it, spent before anybody is judged, or only foreseen.

An attempt is one challenger, or several of one cycle together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.artifact import digest_of
from components.data import alpha
from components.evaluation.alpha_spending import Attempt
from components.evaluation.contenders import Contender
from flows.judging import JudgedReplay
from flows.replay_window import ReplayWindow
from flows.warehouse import warehouse


@dataclass(frozen=True, kw_only=True)
class SharedAlpha:
    """An attempt on a window, and whose it is."""

    entry: alpha.AlphaEntry | None  # None where nobody tries anything
    among: tuple[str, ...]  # the challengers that try: not one that is the champion's own artifact

    def attempt(self, alpha_one_sided: float) -> Attempt:
        """The part of the entry that a verdict depends on, at the alpha that one of them is judged at."""
        assert self.entry is not None
        return Attempt(number=self.entry.attempt, alpha_one_sided=alpha_one_sided, together=len(self.among))


def spend_alpha(
    window: ReplayWindow, contenders: Sequence[Contender], challengers: Sequence[str], champion: str | None
) -> SharedAlpha:
    """The challengers' one entry in the window's ledger, written now if it is new there.

    One challenger stands there by the digest of its artifact, several by the digest of all of theirs: in another
    company the same arm is another attempt.
    """
    return _asked(alpha.spend_alpha, window, contenders, challengers, champion)


def foreseen_alpha(
    window: ReplayWindow, contenders: Sequence[Contender], challengers: Sequence[str], champion: str | None
) -> SharedAlpha:
    """What `spend_alpha` would give now; writes nothing."""
    return _asked(alpha.foresee_alpha, window, contenders, challengers, champion)


def note_verdict(spent: SharedAlpha, window: ReplayWindow, judged: JudgedReplay) -> None:
    """What came of a challenger, in the same ledger; the same replay again is noted once."""
    if spent.entry and judged.challenger in spent.among:
        alpha.record_verdict(
            warehouse(), spent.entry, profile=window.profile.hash, verdict=judged.verdict,
            replay=judged.replay.digest,
        )  # fmt: skip


def _asked(
    ask: Callable[..., alpha.AlphaEntry], window: ReplayWindow, contenders: Sequence[Contender],
    challengers: Sequence[str], champion: str | None,
) -> SharedAlpha:  # fmt: skip
    by_name = {contender.name: contender.artifact for contender in contenders}
    among = tuple(name for name in challengers if by_name.get(champion or "") != by_name[name])
    if not among:
        return SharedAlpha(entry=None, among=())
    digests = sorted(by_name[name].digest for name in among)
    profile = window.profile
    entry = ask(
        warehouse(), window=window.snapshots.window.digest,
        challenger=digests[0] if len(digests) == 1 else digest_of(digests),
        shares=profile.alpha_shares, profile=profile.hash,
    )  # fmt: skip
    return SharedAlpha(entry=entry, among=among)
