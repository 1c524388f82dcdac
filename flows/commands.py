"""What the commands do, beyond the demo: each loads, calls, and prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from flows.closing import arms_table, closing_box
from flows.console import console
from flows.request import CycleRequest
from flows.settings import Settings, load_settings
from flows.summary import arm_figures

if TYPE_CHECKING:
    from components.data.batch import Batch

_ANY_AGE_DAYS = 36_500.0  # a century: nothing is refused


class BadRequest(Exception):
    """What was asked for contradicts itself; the message says what to ask instead."""


class NothingRegistered(Exception):
    """This home has no registry yet: nothing can be served, promoted or brought back."""


def validate(source: str, *, since: datetime | None, as_of: datetime | None) -> None:
    """Check a batch and print what was found; lands nothing."""
    from components.data import queries
    from components.data.contracts.batch_check import ContractConfig, check_batch
    from flows.state import warehouse

    settings = load_settings()
    batch = _arrived(source, settings, since, as_of)
    now = as_of or _end_of(batch.events)
    checked = check_batch(
        batch,
        as_of=now,
        known_items=queries.item_ids(warehouse()),
        gx_root=settings.gx_root,
        config=ContractConfig(),
    )
    console.print(
        f"{len(batch.events):,} events and {len(batch.items):,} items received, as of {now:%Y-%m-%d %H:%M}Z; "
        f"{len(checked.quarantined):,} would be quarantined"
    )
    _print_reasons(_count(checked.quarantined["reasons"]))
    console.print(f"Data Docs: {checked.data_docs}")


def ingest(source: str, *, since: datetime | None, as_of: datetime | None) -> None:
    """Check a batch and land it."""
    from components.data import ingest as landing
    from components.data import queries
    from components.data.contracts.batch_check import ContractConfig, TooMuchBad, check_batch
    from flows.state import warehouse

    settings = load_settings()
    batch = _arrived(source, settings, since, as_of)
    try:
        checked = check_batch(
            batch,
            as_of=as_of or _end_of(batch.events),
            known_items=queries.item_ids(warehouse()),
            gx_root=settings.gx_root,
            config=ContractConfig(),
        )
    except TooMuchBad as breaker:
        landing.stop_batch(warehouse(), breaker.checked, str(breaker))
        raise
    result = landing.land_batch(warehouse(), checked)
    known = "this batch had landed before, nothing changed: " if result.repeated else ""
    console.print(
        f"{known}{result.received:,} events = {result.accepted:,} accepted + {result.quarantined:,} quarantined "
        f"+ {result.duplicates:,} duplicates; {result.items_new:,} new items, {result.items_updated:,} updated"
    )
    _print_reasons(queries.quarantine_reasons(warehouse(), batch_id=result.batch_id))
    console.print(f"Data Docs: {result.data_docs}")


def retrain(
    source: str,
    *,
    since: datetime | None,
    as_of: datetime | None,
    train_cutoff: datetime | None,
    **settings_of_cycle: Any,
) -> None:
    """One cycle. Without `--train-cutoff` it trains up to where the last cycle's replay ended."""
    from flows.source import open_source
    from flows.state import warehouse

    settings = load_settings()
    now = as_of or _end_of(open_source(source, settings).read(settings, since=since, until=None).events)
    cut = train_cutoff or _last_as_of(now)
    if cut is None:
        raise BadRequest(
            "there is no earlier cycle to go on from. Say where training ends and the replay begins: "
            "--train-cutoff 1998-01-01T00:00Z"
        )
    request = cycle_request(source=source, since=since, as_of=now, train_cutoff=cut, **settings_of_cycle)
    from flows.servers import running_servers

    warehouse()  # a database that cannot be opened is told before servers are started
    with running_servers(settings, lambda text: console.print(f"[dim]{text}[/dim]")):
        from flows.cycle import run_cycle

        console.print(closing_box("cycle", run_cycle(request)))


def cycle_request(**fields: Any) -> CycleRequest:
    """The request, or BadRequest in the words of its checks."""
    try:
        return CycleRequest(**fields)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors()]
        raise BadRequest("; ".join(told)) from None


def replay(
    challenger: str,
    champion: str | None,
    *,
    start: datetime | None,
    end: datetime | None,
    profile: str,
    mode: Literal["rolling", "batch"],
    filter_seen: bool,
) -> None:
    """Replay registered versions on a window of the warehouse; prints the verdict and moves nothing."""
    settings = load_settings()
    with registry() as model_name:  # a version that is not there is told before servers are started
        from components.registry import tracking, versions

        versions.get_version(model_name, challenger)
        versions.get_version(model_name, champion) if champion else versions.require_champion(model_name)
    from flows.servers import running_servers

    with running_servers(settings, lambda text: console.print(f"[dim]{text}[/dim]")):
        from flows.comparison import compare_versions

        tracking.configure(settings.mlflow_tracking_uri)
        evidence, report, tracked = compare_versions(
            challenger, champion, start, end, profile, mode, filter_seen
        )
    console.print(f"\n[bold]{evidence['measured']['outcome']}[/bold]")
    for reason in evidence["measured"]["reasons"]:
        console.print(f"· {reason}", markup=False)
    console.print(arms_table(arm_figures(evidence)))
    console.print(f"replay report  {report}", markup=False)
    if tracked:
        console.print(f"MLflow run     {tracked}", markup=False)


def replay_logged(path: Path, *, target_policy: Path | None, profile: Literal["small", "production"]) -> None:
    """Judge a policy from logged propensities; prints a box for every log and moves nothing."""
    from flows.logged_source import logs_at, read_log

    for log in logs_at(path):  # a row that is amiss is told before servers are started
        read_log(log, target_policy)
    from flows.servers import running_servers

    with running_servers(load_settings(), lambda text: console.print(f"[dim]{text}[/dim]")):
        from flows.logged_closing import logged_box
        from flows.logged_replay import logged_replay

        for judged in logged_replay(path, target_policy, profile):
            console.print(logged_box(judged.source, judged.evidence, judged.report, judged.mlflow))


def promote(version: str, *, expect_champion: str | None, reason: str, force: bool) -> None:
    """Promote by hand. Without `--expect-champion`, whoever is champion now is the one that is replaced."""
    with registry() as model_name:
        from components.registry import promotion, versions
        from flows.state import warehouse

        target = versions.get_version(model_name, version)
        current = versions.champion(model_name)
        expected = current.version if current else None
        if expect_champion is not None:
            expected = None if expect_champion == "none" else expect_champion
        result = promotion.promote(
            warehouse(),
            model_name=model_name,
            version=version,
            expected_champion=expected,
            verdict=target.verdict or "none",
            actor=_actor(),
            reason=reason,
            evidence={},
            force=force,
        )
    _tell(result, version)


def rollback(*, reason: str) -> None:
    """Bring the previous champion back."""
    with registry() as model_name:
        from components.registry import promotion
        from flows.state import warehouse

        result = promotion.rollback(warehouse(), model_name=model_name, actor=_actor(), reason=reason)
    _tell(result)


class NotMoved(Exception):
    """The promotion was refused, and says why."""


def recommend(user: str, *, k: int, max_age_days: float | None) -> None:
    """The champion's list for one user, from the features that are online; noted in the warehouse."""
    settings = load_settings()
    with registry() as model_name:  # asked first: without a champion there is no need to load torch and Feast
        from components.registry import versions

        champion = versions.require_champion(model_name)
        bundle = versions.download_bundle(model_name, champion.version, settings.artifacts)
    from components.data import cycles, queries
    from components.data.recommendations import record_list
    from components.features.store.opening import open_store
    from components.serving.online import recommend_users
    from components.serving.scorer import load_scorer
    from flows.state import warehouse

    as_of = max((cycle.as_of for cycle in cycles.cycles(warehouse())), default=_now())
    answer = recommend_users(
        open_store(settings.feast_home),
        load_scorer(bundle.path),
        [user],
        as_of=as_of,
        max_age=timedelta(days=_ANY_AGE_DAYS if max_age_days is None else max_age_days),
        k=k,
        known_users=queries.user_ids(warehouse()),
        refuse_stale=max_age_days is not None,
    )
    record_list(
        warehouse(),
        user_id=user,
        item_ids=answer["item_id"].tolist(),
        scores=answer["score"].tolist(),
        model_version=champion.version,
    )
    history = queries.user_history(warehouse(), user, before=as_of, limit=5)
    titles = queries.titles(warehouse(), history["item_id"].tolist())
    console.print(
        f"user {user}, by version {champion.version} of {model_name}, features as of {as_of:%Y-%m-%d %H:%M}Z",
        markup=False,
    )
    seen = "; ".join(titles.get(item, item) for item in history["item_id"])
    console.print(f"last seen: {seen}\n", style="dim", markup=False)
    for row in answer.itertuples():
        console.print(f"{row.rank:>3}  {row.title}", markup=False)


@contextmanager
def registry() -> Iterator[str]:
    """Point MLflow's client at the registry: its server if that answers, else the local database itself.

    Raises NothingRegistered where the registry would be this home's own and no run has made it yet.
    """
    from flows.servers import mlflow_address

    settings = load_settings()
    if (address := mlflow_address(settings)) is None:
        raise NothingRegistered(
            f"there is no champion and no other version under {settings.home}: no model has been registered there "
            "yet. `recloop demo` or `recloop retrain` trains, registers and promotes one; another --home may hold it."
        )
    from components.registry import tracking

    tracking.configure(address)
    yield settings.model_name


def _tell(result: Any, wanted: str | None = None) -> None:
    if not result.moved and result.champion != wanted:
        raise NotMoved(result.reason)
    console.print(result.reason)
    if result.tokenizer:
        console.print(f"tokenizer {result.tokenizer[:12]}, ID table {result.id_table[:12]}")


def _actor() -> str:
    import getpass

    return getpass.getuser()


def _now() -> datetime:
    from datetime import UTC

    return datetime.now(UTC)


def _last_as_of(now: datetime) -> datetime | None:
    from components.data import cycles
    from flows.state import warehouse

    earlier = [cycle.as_of for cycle in cycles.cycles(warehouse()) if cycle.as_of < now]
    return earlier[-1] if earlier else None


def _arrived(source: str, settings: Settings, since: datetime | None, as_of: datetime | None) -> Batch:
    """The batch; events from `as_of` on have not arrived yet, and it is said how many they are."""
    from flows.source import open_source

    opened = open_source(source, settings)
    if as_of is not None and (later := len(opened.read(settings, since=as_of, until=None).events)):
        console.print(
            f"{later:,} events are not earlier than --as-of {as_of:%Y-%m-%dT%H:%M:%S%z}: they are left for a "
            "later batch. Pass a later --as-of to take them now."
        )
    return opened.read(settings, since=since, until=as_of)


def _end_of(events: Any) -> datetime:
    """The first whole second after the last readable event: "now", for data of any year.

    Never later than the clock, so an event of tomorrow is in the future and not the data's end. Without any
    readable time it is the clock: what is amiss is for the contracts to say.
    """
    from components.data.timestamps import read_timestamps

    now = _now()
    moments = read_timestamps(events["timestamp"]).moments
    past = moments[moments <= now]
    return now if past.empty else past.max().floor("s").to_pydatetime() + timedelta(seconds=1)


def _count(reasons: Any) -> dict[str, int]:
    from collections import Counter

    return dict(Counter(code for codes in reasons for code in codes.split("|")).most_common())


def _print_reasons(reasons: dict[str, int]) -> None:
    for reason, count in reasons.items():
        console.print(f"  {count:>6,}  {reason}")
