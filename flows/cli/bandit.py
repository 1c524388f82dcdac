"""`recloop bandit`: which version answers whom, learned from one part of a log and judged by the later one."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.experiment import WITHIN_DAYS, AsOf, EventType, Salt
from flows.cli.options import Json, file_to_write

if TYPE_CHECKING:
    from rich.table import Table

    from components.bandit.judging import BanditResult
    from flows.version_bandit import BanditRounds


def bandit(
    exposures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="a log of your own (CSV or parquet: version, reward, propensity, context_…; optional user_id, shown, "
            "settled); "
            "default: what `recloop serve` logged",
        ),
    ] = None,
    versions: Annotated[
        str | None, typer.Option(metavar="V,V", help="versions to choose between; default: all of the log")
    ] = None,
    salt: Salt = None,
    within_days: Annotated[
        float, typer.Option(min=0.001, help="attribution window: an outcome counts so long after a list")
    ] = WITHIN_DAYS,
    event_type: EventType = None,
    as_of: AsOf = None,
    profile: Annotated[
        Literal["small", "production"], typer.Option(help="how sure, from how many lists on")
    ] = "small",
    learn_share: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="first part of the lists, that is learned from")
    ] = 0.5,
    explore: Annotated[
        float, typer.Option(min=0, max=1, help="share of lists dealt evenly, so that the next log tells too")
    ] = 0.05,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="write the policy for `recommend --bandit`, whatever the verdict",
            parser=file_to_write,
            metavar="FILE",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn from a log which version should answer whom, and judge it on a later part of the log.

    It moves nothing, and says so where the bandit is not told from the best single version.
    """
    named = _versions(versions)
    if exposures is not None and (salt or event_type or as_of or within_days != WITHIN_DAYS):
        raise typer.BadParameter(
            "a file says itself what came of its lists: leave out --salt, --within-days, --event-type, --as-of"
        )
    from components.bandit.policy_file import write_policy
    from components.evaluation.typed_json import to_json
    from flows.local.console import console, leave_stdout, say_json, warning_line
    from flows.version_bandit import learn_and_judge, rounds_of_file, rounds_of_home

    if exposures is not None:
        rounds = rounds_of_file(exposures, named)
    else:
        rounds = rounds_of_home(
            salt, named, within=timedelta(days=within_days), event_types=tuple(event_type or ()),
            as_of=as_of or datetime.now(UTC),
        )  # fmt: skip
    told = learn_and_judge(rounds, named, profile=profile, learn_share=learn_share, explore=explore)
    if to is not None:
        write_policy(told.saved, to)
    if as_json:
        leave_stdout()
    if rounds.doubt:
        warning_line(rounds.doubt)
    if as_json:
        say_json(to_json(told.result))
        return
    _say(rounds, told.result)
    if to is not None:
        console.print(f"policy  {to}: recloop recommend --user ID --bandit {to}", markup=False)


def _versions(text: str | None) -> tuple[str, ...]:
    names = tuple(name for piece in (text or "").split(",") if (name := piece.strip()))
    if len(names) == 1 or len(set(names)) < len(names):
        raise typer.BadParameter(f"{text!r}: name two versions or more, each once, with commas between")
    return names


def _say(rounds: BanditRounds, result: BanditResult) -> None:
    from flows.cli.arms_table import COLOURS
    from flows.local.console import console

    outcome = result.verdict.outcome
    console.print(
        f"{rounds.about}: learned from {result.learned_rounds:,}, judged by {result.judged_rounds:,} later ones",
        markup=False,
    )
    console.print(f"\n[bold {COLOURS[outcome]}]{outcome}[/]")
    for reason in result.verdict.reasons:
        console.print(f"· {reason}", markup=False)
    console.print()
    console.print(_table(result))
    shares = zip(result.arms, result.policies[0].share, strict=True)
    dealt = ", ".join(f"version {arm} {share:.0%}" for arm, share in shares)
    console.print(f"\ndealt      {dealt} of the lists", markup=False)
    if math.isfinite(result.exploring):
        console.print(
            f"exploring  {result.exploring:+.4f} of the bandit's reward a list; --explore says how much"
        )


def _table(result: BanditResult) -> Table:
    """A row a policy: its reward a list, and what the bandit has over it; 70 columns at most."""
    from rich.markup import escape
    from rich.table import Table

    from components.bandit.verdict import deciding

    level = f"{100 * (1 - 2 * result.profile.alpha_one_sided):g} %"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("policy")
    for title in ("a list", level, "bandit minus it"):
        table.add_column(title, justify="right", no_wrap=True)
    leads = {lead.version: deciding(lead.estimates, result.profile) for lead in result.leads}
    for policy in result.policies:
        found, lead = deciding(policy.estimates, result.profile), leads.get(policy.name)
        row = (
            policy.name if lead is None else f"version {policy.name}",
            f"{found.value:.4f}",
            _interval(found.lower, found.upper, ".4f"),
            "" if lead is None else _span(lead.delta, lead.delta_lower, lead.delta_upper),
        )
        if (
            not policy.support.mean_weight > 0
        ):  # no list of the log is one of its: what is predicted is no estimate
            row = (row[0], "–", "–", "–")
        table.add_row(*map(escape, row))  # names of versions may be of a file
    logged = _interval(result.logged_lower, result.logged_upper, ".4f")
    table.add_row("the log", f"{result.logged_mean:.4f}", logged, "")
    return table


def _span(value: float, lower: float, upper: float) -> str:
    return f"{value:+.4f} {_interval(lower, upper, '+.4f')}" if math.isfinite(value) else "–"


def _interval(lower: float, upper: float, form: str) -> str:
    return f"[{lower:{form}}, {upper:{form}}]" if math.isfinite(lower + upper) else "–"
