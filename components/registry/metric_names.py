"""How figures are called in MLflow, and what each means: words a person knows, in the letters that MLflow takes.

MLflow draws one section of charts for what stands before a slash. It takes no @ and no percent sign, so NDCG@10 is
written "NDCG at 10". docs/reference/mlflow.md shows the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from components.measures import MEANINGS, meaning_of, name_of

REPLAY, IDS, LEAD, ARM, TRAINING, COST = "replay", "semantic IDs", "lead", "arms", "training", "cost"

_IDS = {  # figure of the tokenizer's health -> name, meaning; {} is the level, or how many codes from the first on
    r"usage_(\d+)": ("codes used at level {}", "share of the codes of this level that an item has"),
    r"perplexity_(\d+)": ("evenness at level {}", "exp(entropy of the codes) over their number; 1 is even"),
    r"collisions": ("items in collision", "share of items that share all codes with another"),
    r"largest_collision": ("largest collision", "items that share one tuple of codes, at most; 1 is none"),
    r"collisions_unspread": ("items in collision before moving", "the same if each had its nearest codes"),
    r"moved": ("items moved", "share of items given a free last code since theirs was taken"),
    r"reconstruction_error": (
        "quantisation error",
        "variance of item vectors that the codes leave unexplained",
    ),
    r"co_interaction_(\d+)": (
        "shared by items of one user at depth {}",
        "of two items of one user, how often their first codes agree",
    ),
    r"category_(\d+)": (
        "shared categories at depth {}",
        "overlap of the categories of two items whose first codes agree (Jaccard)",
    ),
    r"stability_common": ("items of both versions", "items that the ID table before held too"),
    r"stability_identical": ("IDs kept", "share of those whose codes stayed"),
    r"stability_rand_(\d+)": (
        "groups kept at depth {}",
        "agreement of the groups that the first codes make, before and after (adjusted Rand index)",
    ),
}
_VARIANTS = {  # what may follow a figure
    "_permuted": (" by chance", "the same with codes dealt at random"),
    "_z": (" above chance", "standard deviations between found and dealt at random"),
}
_COST = {
    "seconds": ("seconds", "wall time of the cycle"),
    "peak_mb": ("peak memory MiB", "resident memory of the process and its children, at most"),
    "energy_joules": ("energy joules", "of the processor, where the machine tells"),
    "money": ("money", "hours by RECLOOP_COST_PER_HOUR"),
}
_OTHERS = {
    rf"{LEAD}/over .+ (low|high)": "bound of the interval of that lead",
    rf"{LEAD}/over .+": "challenger minus this arm on the primary metric, mean over users",
    rf"{TRAINING}/.+ loss": "loss of each training step; lower is better",
    rf"{TRAINING}/.+ validation NDCG at 10": "NDCG@10 on events held out of the training",
    r"feast\..+": "written by Feast when the training rows were read",
}


def replay_metric(metric: str) -> str:
    """ndcg@10 as "replay/NDCG at 10"."""
    return f"{REPLAY}/{_shown(metric)}"


def arm_metric(arm: str, metric: str) -> str:
    """The same figure of any arm, beside those of the others."""
    return f"{ARM}/{arm} {_shown(metric)}"


def ids_metric(figure: str) -> str:
    """A figure of the tokenizer's health; one that is not known here keeps its name."""
    return f"{IDS}/{_ids(figure)[0]}"


def ids_meaning(figure: str) -> str:
    return _ids(figure)[1]


def cost_metric(figure: str) -> str:
    return f"{COST}/{_COST[figure][0]}"


def lead_metric(arm: str, bound: str = "") -> str:
    """The challenger's lead over an arm, or the `low` or `high` bound of its interval."""
    return f"{LEAD}/over {arm} {bound}".rstrip()


def curve_metric(arm: str, figure: str) -> str:
    """One curve of a training."""
    shown = {"validation_ndcg": f"validation {_shown('ndcg@10')}"}.get(figure, figure)
    return f"{TRAINING}/{arm} {shown}"


def meaning(name: str) -> str:
    """What a metric of that name in MLflow means; "" for one that is not known here."""
    return next((told for pattern, told in _known() if re.fullmatch(pattern, name)), "")


def meanings_table(names: Iterable[str]) -> str:
    """Markdown: each of these metrics that is known, with its meaning."""
    rows = [f"| {name} | {told} |" for name in sorted(names) if (told := meaning(name))]
    return "\n".join(["| metric | what it says |", "| --- | --- |", *rows]) if rows else ""


def _known() -> Iterator[tuple[str, str]]:
    """Pattern of a metric's name → its meaning; the first that fits."""
    for stem in MEANINGS:
        shown = re.escape(_shown(stem))
        for at in ("10", "50"):
            told = meaning_of(f"{stem}@{at}")
            yield f"{REPLAY}/{shown} at {at}", told
            yield f"({ARM}/.+ |[^/]+/){shown} at {at}", f"{told}; of this arm"
    for name, told in _IDS.values():
        pattern = f"{IDS}/{name.format(r'[0-9]+')}"
        yield pattern, told
        yield from ((pattern + more, what) for more, what in _VARIANTS.values())
    yield from ((f"{COST}/{name}", told) for name, told in _COST.values())
    yield from _OTHERS.items()


def _ids(figure: str) -> tuple[str, str]:
    stem, more, told = figure, "", ""
    for suffix, (shown, what) in _VARIANTS.items():
        if figure.endswith(suffix):
            stem, more, told = figure.removesuffix(suffix), shown, what
    for pattern, (name, what) in _IDS.items():
        if found := re.fullmatch(pattern, stem):
            return name.format(*found.groups()) + more, told or what
    return figure, ""


def _shown(metric: str) -> str:
    """NDCG at 10: a plain space for the hard one, no @ and no brackets."""
    return re.sub(r"[()]", "", name_of(metric).replace("\u00a0", " ").replace("@", " at "))
