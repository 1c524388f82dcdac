"""What the page rests on: the data's cut, what was counted out, seeds, digests."""

from __future__ import annotations

from components.evaluation.result import ReplayResult
from components.report.subject import Subject
from components.report.templates import Markup, render
from components.report.text import number

_COUNTS = {
    "window_events": "events in the window",
    "window_users": "users in the window",
    "users": "users with at least one request: the unit of every test",
    "requests": "lists asked of every arm",
    "positives": "items that users came to, over all requests",
    "uncovered_positives": "of these, items unknown at the cut: no arm can hit them, and they count",
    "repeats_removed": "items that the user already had, taken out of lists and truth alike",
    "groups_without_history": "first events of new users: not asked for, then history",
    "groups_without_positives": "moments with nothing new in them",
    "groups_beyond_limit": "requests beyond the limit a user",
}


def facts_list(facts: list[tuple[str, str, str]]) -> Markup:
    """Name, value and meaning."""
    return render("facts", facts=facts)


def provenance(result: ReplayResult, subject: Subject) -> Markup:
    rule = result.profile.primary
    found = result.satisfiability.detectable_effect
    return facts_list(
        [
            *([("Data", subject.data, "")] if subject.data else []),
            ("Cut", result.window.cut.isoformat(), "weights, features and popularity come from before it"),
            ("Window ends", result.window.window_end.isoformat(), "exclusive"),
            ("Mode", result.window.mode, "rolling: histories grow as events come; batch: one list a user"),
            *(
                (name.replace("_", " ").capitalize(), f"{getattr(result.window, name):,}", meaning)
                for name, meaning in _COUNTS.items()
            ),
            (
                "Seen items",
                "filtered" if result.window.filter_seen else "kept",
                "out of lists and truth alike",
            ),
            *_weights(result),
            *_champion(result, subject),
            *([("Tokenizer", subject.ids, "")] if subject.ids else []),
            *(
                [("Health of its codes", subject.baseline, "of a baseline, for which it is no condition")]
                if subject.baseline
                else []
            ),
            *_start(subject),
            *_attempt(result),
            ("Detectable effect", number(found), "by this profile on this window"),
            (
                "Bootstrap",
                f"{rule.resamples:,} resamples of users, seed {rule.seed}",
                f"interval: {rule.interval}",
            ),
            ("Gate profile", f"{result.profile.name} {result.gate_hash}", "name and digest"),
            (
                "User by user",
                "users.parquet beside evidence.json; per_user/replay.parquet of a cycle's run in MLflow",
                "one row a user and arm with every metric; in MLflow a digest stands for the user",
            ),
            ("Data digest", result.data_digest, "of requests, histories, truth and candidates"),
            ("Replay digest", result.digest, "of the reproducible part of the evidence"),
            *((f"Artifact of {arm}", digest, "digest") for arm, digest in sorted(result.digests.items())),
        ]
    )


def _weights(result: ReplayResult) -> list[tuple[str, str, str]]:
    """Where event types weigh differently: what was true, and what the arms were taught."""
    told = result.window.event_weights
    if not told:
        return []
    meaning = (
        "other types weigh 1. Weight 0 is history alone, in no truth; moments of such events count among those with "
        "nothing new. Weights count in training and popularity; here every true item counts once"
    )
    return [("Event weights", told.replace(",", ", "), meaning)]


def _champion(result: ReplayResult, subject: Subject) -> list[tuple[str, str, str]]:
    if not result.champion:
        return []
    named = f"{subject.champion}; {result.compared}" if subject.champion else result.compared
    return [("Champion compared", named, "what stood for it")]


def _start(subject: Subject) -> list[tuple[str, str, str]]:
    """Where a warm start was asked for: what became of it."""
    if not subject.start:
        return []
    meaning = (
        "a warm start was asked for: the challenger alone begins at the champion's weights, where it can; it then "
        "takes fewer epochs, and carries on whatever those weights hold"
    )
    return [("Training", subject.start, meaning)]


def _attempt(result: ReplayResult) -> list[tuple[str, str, str]]:
    """Trying many challengers on one window is peeking: each spends some of the window's alpha."""
    alpha = ("Alpha, one-sided", f"{result.alpha_one_sided:.4g}", "chance of promoting what is no better")
    if result.attempt is None:
        return [alpha]
    return [("Attempt on this window", f"{result.attempt.number}", "each has its share of the alpha"), alpha]
