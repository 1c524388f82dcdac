"""Every paired comparison that a replay makes: the challenger against each rival, on the whole and in slices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.evaluation import alpha_spending, statistics
from components.evaluation.comparison import Comparison, Pairing, compare_pairs
from components.evaluation.scores import WHOLE, ReplayScores
from components.evaluation.sequential_gate import at_every_look
from components.evaluation.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Contrasts:
    rivals: tuple[str, ...]  # champion first, then those that must be beaten, then the rest
    whole: tuple[Comparison, ...]
    slices: tuple[Comparison, ...]  # against the champion alone where there is one

    @property
    def against(self) -> str | None:
        """The rival that matters most: the champion, else the first that must be beaten; None without rivals."""
        return self.rivals[0] if self.rivals else None

    @property
    def every(self) -> tuple[Comparison, ...]:
        return (*self.whole, *self.slices)

    def of(self, metric: str) -> Comparison | None:
        """Over the whole, against that rival."""
        return next((c for c in self.whole if (c.baseline, c.metric) == (self.against, metric)), None)


def contrast(scores: ReplayScores, trial: Trial) -> Contrasts:
    """All that a gate reads at once, at the alpha that is left to the challenger."""
    rivals = trial.rivals(scores.arms)
    whole = _compare_all(scores, trial, rivals, (WHOLE,))
    return Contrasts(
        rivals=rivals,
        whole=tuple(
            at_every_look(c, scores, trial.champion, trial.profile, trial.alpha_one_sided) for c in whole
        ),
        slices=_compare_all(
            scores, trial, (trial.champion,) if trial.champion else rivals, scores.slices[1:]
        ),
    )


def compare(
    scores: ReplayScores,
    challenger: str,
    baseline: str,
    *,
    metric: str = "ndcg@10",
    slice_: str = WHOLE,
    alpha_one_sided: float = 0.025,
    resamples: int = 10_000,
    seed: int = 7,
) -> Comparison:
    """One paired comparison; `contrast` makes all that a gate reads at once."""
    pairing = _pairing(scores, challenger, baseline, metric, slice_)
    return compare_pairs([pairing], alpha_one_sided=alpha_one_sided, resamples=resamples, seed=seed)[0]


def adjusted_p(found: Contrasts, trial: Trial) -> dict[str, float]:
    """Holm over secondary metrics against the one arm that matters, Benjamini-Hochberg over its slices."""
    profile = trial.profile
    mine = [c for c in found.every if c.baseline == found.against and c.n]
    secondary = [c for c in mine if c.slice == WHOLE and c.metric in profile.secondary]
    explored = [c for c in mine if c.slice != WHOLE and c.metric == profile.primary.metric]
    holm = statistics.adjusted([c.p for c in secondary], "holm")
    bh = statistics.adjusted([c.p for c in explored], "bh")
    return {
        f"{c.metric} of {c.slice} against {c.baseline}": float(p)
        for c, p in zip([*secondary, *explored], [*holm, *bh], strict=True)
    }


def _compare_all(
    scores: ReplayScores, trial: Trial, rivals: Iterable[str], slices: Iterable[str]
) -> tuple[Comparison, ...]:
    primary, alpha = trial.profile.primary, trial.alpha_one_sided
    return compare_pairs(
        [_pairing(scores, trial.challenger, r, m, s) for s in slices for r in rivals for m in scores.metrics],
        alpha_one_sided=alpha,
        # a later challenger's thinner tail needs more resamples beyond it than the profile asks for
        resamples=max(primary.resamples, alpha_spending.resamples_for(alpha)),
        seed=primary.seed,
        kind=primary.interval,
        power=primary.power,
    )


def _pairing(scores: ReplayScores, challenger: str, baseline: str, metric: str, slice_: str) -> Pairing:
    return Pairing(
        challenger=challenger,
        baseline=baseline,
        metric=metric,
        slice=slice_,
        challenger_values=scores.of(challenger, metric, slice_),
        baseline_values=scores.of(baseline, metric, slice_),
    )
