"""The page that `recloop ui` opens first: the standing of a home, each part with the page that holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from components.report.front import CycleLine, Fact, Front, Link, render_front
from flows.cli.standing import Standing, standing
from flows.cli.status import settled_by, when
from flows.settings import Settings, load_settings
from flows.summary import CycleSummary

_MONITORED = {"ok": "passed", "warn": "unproven", "drift": "failed"}


def front_page(engines: Mapping[str, str]) -> str:
    """The page as of now; `engines` are title → address of what runs."""
    settings = load_settings()
    found = standing()
    return render_front(
        Front(
            home=str(settings.home),
            at=when(datetime.now(UTC)),
            facts=tuple(_facts(found, settings)),
            cycles=tuple(_cycle(cycle, settings) for cycle in reversed(found.cycles)),
            reports=tuple(_reports(settings)),
            engines=tuple(Link(text=title, url=url) for title, url in engines.items()),
        )
    )


def _facts(found: Standing, settings: Settings) -> Iterator[Fact]:
    yield from _registry(found, settings)
    if served := found.served:
        yield Fact(
            name="Lists", value=f"of version {served.run.model_version}",
            note=f"scoring run {served.run.run}, served since {when(served.at)}",
        )  # fmt: skip
    else:
        yield Fact(name="Lists", value="none", note="recloop score makes everybody's")
    yield _monitoring(found, settings)
    counts, fresh = found.counts, found.freshness
    yield Fact(
        name="Data", value=f"{counts.events:,} events of {counts.users:,} users, {counts.items:,} items",
        note=f"last event {when(fresh.last_event_at)}, last of {counts.batches} batches {when(fresh.last_landing_at)}",
        links=_local("Data Docs", settings.data_docs, settings),
    )  # fmt: skip
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in found.quarantine.items())
    yield Fact(
        name="Quarantine", value=f"{counts.quarantined:,} rows", note=reasons,
        tone="unproven" if counts.quarantined else "passed",
    )  # fmt: skip


def _registry(found: Standing, settings: Settings) -> Iterator[Fact]:
    registry = found.registry
    if registry.trouble or registry.is_empty:
        yield Fact(
            name="Champion", value=registry.trouble or "none yet", tone="failed" if registry.trouble else ""
        )
        return
    if champion := registry.champion:
        tags = champion.tags
        yield Fact(
            name="Champion", value=f"version {champion.version}, {tags.get('recloop.arm', 'of an unknown arm')}",
            note=f"trained before {tags.get('recloop.train_end', '')[:16]}Z, verdict {champion.verdict}",
            links=(Link(text="in MLflow", url=settings.version_url(champion.version)),),
        )  # fmt: skip
    else:
        yield Fact(name="Champion", value="none", note="no version has been promoted", tone="unproven")
    for approval in registry.approvals:
        version = approval.version.version
        yield Fact(
            name="Approved", value=f"version {version} by {approval.approver}", note="waits to be acted on",
            tone="unproven", links=(Link(text="in MLflow", url=settings.version_url(version)),),
        )  # fmt: skip
    if registry.drift and registry.drift.state != "agree":
        yield Fact(name="Ledger", value=settled_by(registry), tone="failed")


def _monitoring(found: Standing, settings: Settings) -> Fact:
    if not (look := found.monitored):
        return Fact(name="Drift", value="never looked at", note="recloop monitor looks")
    return Fact(
        name="Drift", value=look.status, tone=_MONITORED.get(look.status, "not-evaluable"),
        note=f"version {look.version} on events until {when(look.as_of)}",
        links=_local("monitoring", settings.monitoring / "index.html", settings),
    )  # fmt: skip


def _cycle(cycle: CycleSummary, settings: Settings) -> CycleLine:
    peak = max((stage.peak_mb for stage in cycle.stages), default=0.0)
    cost = f"{cycle.seconds:.0f} s, {peak / 1000:.1f} GB"
    if rate := settings.cost_per_hour:
        cost += f", {rate * cycle.seconds / 3600:.3g} money"
    links = [
        link
        for what, where in cycle.addresses.items()
        for link in ([Link(text=what, url=where)] if "://" in where else _local(what, Path(where), settings))
    ]
    champion = cycle.champion_after
    return CycleLine(
        as_of=when(datetime.fromisoformat(cycle.as_of)), verdict=cycle.verdict, reason=_deciding(cycle),
        version=cycle.version, became=f"then champion: {champion or 'none'}", ndcg=cycle.challenger.ndcg,
        cost=cost, links=tuple(links),
    )  # fmt: skip


def _deciding(cycle: CycleSummary) -> str:
    """One reason: of a promotion what was found against the champion, else the first; the report holds them all."""
    against = [text for text in cycle.reasons if text.startswith("better than champion")]
    return against[0] if cycle.verdict == "PROMOTE" and against else cycle.reasons[0]


def _reports(settings: Settings) -> Iterator[Link]:
    if settings.reports.is_dir():
        for path in sorted(settings.reports.glob("*.html"), reverse=True):
            yield Link(text=path.stem, url=settings.page_url(path))


def _local(text: str, page: Path, settings: Settings) -> tuple[Link, ...]:
    """A page of this home, if it is there and served."""
    is_served = any(page.is_relative_to(folder) for folder in settings.page_folders.values())
    return (Link(text=text, url=settings.page_url(page)),) if is_served and page.is_file() else ()
