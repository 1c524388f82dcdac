"""The pages of a finished home, opened as a reader opens them: each says what happened, and asks nothing abroad."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from components.measures import MEANINGS
from flows.cli.demo import POISONED_ROWS
from tests.accessibility import faults_of
from tests.browsing import SCREENS, Seen, chromium, needs_chromium, opened
from tests.flows.conftest import free_ports
from tests.flows.worlds import Home

CYCLE = 1  # the second: it has a champion to beat, and a spoiled batch
PATIENCE_MS = 90_000
ENDS = (("light", 1400), ("dark", 390))

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(finished: Home) -> Iterator[str]:
    """The front page of `recloop ui` on the finished home."""
    docs, approvals = map(str, free_ports(2))
    ports = {"RECLOOP_DOCS_PORT": docs, "RECLOOP_APPROVALS_PORT": approvals}
    with finished.running("ui", **ports) as (child, lines):
        yield next(found[1] for line in lines if (found := re.search(r"Where it stands\s+(\S+)", line)))
        child.terminate()
        child.wait(60)


@pytest.fixture(scope="module")
def told(finished: Home) -> dict[str, Any]:
    return finished.outputs(CYCLE)


def served(site: str, finished: Home, page: Path) -> str:
    """The address under which `site` serves a page of the home."""
    return site.rstrip("/") + finished.settings.page_url(page).partition(f":{finished.settings.docs_port}")[2]


def check_of_the_batch(told: dict[str, Any]) -> Path:
    return Path(told["check batch"]["data_docs"])


def is_ours_and_sound(seen: Seen) -> None:
    assert (seen.abroad, seen.told, faults_of(seen.page)) == ([], [], [])
    assert seen.fits


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_the_front_page(
    browser: Browser, site: str, finished: Home, told: dict[str, Any], scheme: str, width: int
) -> None:
    with opened(browser, site, scheme=scheme, width=width) as seen:
        assert f"version {finished.champion()}, mmgrec" in seen.text
        assert f"{POISONED_ROWS} rows" in seen.text
        latest = seen.page.locator("#cycles tbody tr").first.inner_text()
        assert told["judge"]["verdict"] in latest
        assert f"version {told['register']['version']}" in latest
        is_ours_and_sound(seen)
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.className") == "skip"


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_data_docs_of_a_spoiled_batch(
    browser: Browser, site: str, finished: Home, told: dict[str, Any], scheme: str, width: int
) -> None:
    received = told["land batch"]["result"]["received"]
    kept = finished.rows("SELECT source_row, reasons FROM quarantine ORDER BY source_row DESC")
    page = check_of_the_batch(told)
    with opened(browser, served(site, finished, page), scheme=scheme, width=width) as seen:
        line = seen.page.locator(".outcome").inner_text()
        assert line == f"Accepted – {POISONED_ROWS} of {received:,} events quarantined"
        rows = seen.page.locator("#rows ~ table").first.locator("tbody tr").all()
        shown = [tuple(row.locator("td").all_inner_texts()) for row in rows]
        assert shown == [(str(row), reasons.replace("|", " ")) for row, reasons in kept]
        is_ours_and_sound(seen)


@pytest.mark.parametrize(("scheme", "width"), ENDS)
def test_data_docs_front_page_and_the_report(
    browser: Browser, site: str, finished: Home, told: dict[str, Any], scheme: str, width: int
) -> None:
    index = served(site, finished, finished.settings.data_docs)
    with opened(browser, index, scheme=scheme, width=width) as seen:
        # items, events and vectors of two batches, and of those that other tests have brought
        checked = len([*finished.settings.gx_root.rglob("uncommitted/validations/**/*.json")])
        assert seen.page.locator("tbody tr").count() == checked >= 6
        assert f"{POISONED_ROWS} of " in seen.text
        is_ours_and_sound(seen)
    (report,) = finished.settings.reports.glob(f"*-{told['judge']['replay']['digest'][:8]}.html")
    with opened(browser, served(site, finished, report), scheme=scheme, width=width) as seen:
        assert seen.page.locator(".outcome").inner_text().startswith(told["judge"]["verdict"])
        assert (seen.abroad, seen.told, seen.fits) == ([], [], True)  # for axe see tests/report


def run_of(finished: Home, told: dict[str, Any]) -> Any:
    version = finished.mlflow.get_model_version(finished.settings.model_name, told["register"]["version"])
    return finished.mlflow.get_run(version.run_id)


@pytest.mark.parametrize(("scheme", "width"), ENDS)
def test_mlflows_page_of_a_run(
    browser: Browser, finished: Home, told: dict[str, Any], scheme: str, width: int
) -> None:
    run, judged = run_of(finished, told), told["judge"]
    address = f"{finished.settings.mlflow_tracking_uri}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    with opened(browser, address, scheme=scheme, width=width) as seen:
        seen.page.get_by_text("Finished", exact=True).first.wait_for(timeout=PATIENCE_MS)
        seen.page.get_by_text(MEANINGS["ndcg"].format(k=10)).first.wait_for(timeout=PATIENCE_MS)
        name = f"until {finished_day(finished)}: {judged['verdict']}, version {told['register']['version']}"
        assert name in seen.text
        assert judged["reason"] in seen.text
        if width > 1000:
            links = seen.page.get_by_role("link")
            assert links.filter(has_text="replay report").count() == 1
            assert links.filter(has_text="Prefect run").count() == 1
        assert seen.abroad == []


def finished_day(finished: Home) -> str:
    (moment,) = finished.rows("SELECT as_of FROM cycles ORDER BY as_of")[CYCLE]
    return str(finished.rows(f"SELECT date({moment} / 1000000, 'unixepoch')")[0][0])


def test_mlflow_shows_the_report_within_the_run(
    browser: Browser, finished: Home, told: dict[str, Any]
) -> None:
    run = run_of(finished, told)
    address = (
        f"{finished.settings.mlflow_tracking_uri}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        "/artifacts/reports/report.html"
    )
    with opened(browser, address) as seen:
        frame = seen.page.frame_locator("iframe").first
        frame.locator(".outcome").wait_for(timeout=PATIENCE_MS)
        assert frame.locator(".outcome").inner_text().startswith(told["judge"]["verdict"])
        frame.locator(".main-svg").first.wait_for(timeout=PATIENCE_MS)  # and its figures are drawn
        assert seen.abroad == []


@pytest.mark.parametrize(("scheme", "width"), ENDS)
def test_mlflows_page_of_a_version(
    browser: Browser, finished: Home, told: dict[str, Any], scheme: str, width: int
) -> None:
    version, judged = told["register"]["version"], told["judge"]
    evidence = finished.evidence(CYCLE)
    ndcg = next(m["mean"] for m in evidence["arms"] if (m["arm"], m["metric"]) == ("mmgrec", "ndcg@10"))
    with opened(browser, finished.settings.version_url(version), scheme=scheme, width=width) as seen:
        seen.page.get_by_role("heading", name=f"mmgrec: {judged['verdict']}").wait_for(timeout=PATIENCE_MS)
        text = seen.text
        places = [
            text.index(part)
            for part in (
                judged["reason"],
                "interval",
                "replay report",
                f"{ndcg:.4f}",
                "in short; whole in the tags",
            )
        ]
        assert places == sorted(places)
        assert seen.abroad == []


def test_every_metric_of_a_run_is_explained(finished: Home, told: dict[str, Any]) -> None:
    run = run_of(finished, told)
    note = run.data.tags["mlflow.note.content"]
    assert not [name for name in run.data.metrics if f"| {name} | " not in note]
    evidence = finished.evidence(CYCLE)
    means = {(mean["arm"], mean["metric"]): mean["mean"] for mean in evidence["arms"]}
    for arm in ("mmgrec", "champion", "popularity"):
        assert run.data.metrics[f"arms/{arm} NDCG at 10"] == pytest.approx(means[arm, "ndcg@10"])
    lead = run.data.metrics["lead/over champion"]
    assert run.data.metrics["lead/over champion low"] < lead < run.data.metrics["lead/over champion high"]
    assert lead == pytest.approx(means["mmgrec", "ndcg@10"] - means["champion", "ndcg@10"], abs=1e-6)
    assert (run.data.tags["mlflow.user"], run.data.tags["mlflow.source.name"]) == (
        finished.settings.actor,
        "recloop retrain",
    )


def cycle_run(finished: Home) -> Any:
    return [run for flow, run in finished.flow_runs() if flow == "retraining-cycle"][CYCLE]


def test_prefects_graph_of_a_cycle_is_whole(finished: Home) -> None:
    """Every task but the first takes something of another, and every result but the last is taken."""
    edges = finished.edges_of(cycle_run(finished))
    assert [task for task, makers in edges.items() if not makers] == ["settle-request"]
    taken = set().union(*edges.values())
    assert edges.keys() - taken == {"promote-on-verdict"}
    for task, makers in {
        "open-cycle": {"ingest"},
        "take-snapshots": {"ingest"},
        "check-tokenizer": {"take-snapshots", "open-cycle"},
        "extend-ids": {"features", "check-tokenizer", "open-cycle"},
        "bundle-challenger": {"train-mmgrec", "extend-ids", "features", "take-snapshots"},
        "replay-window": {"bundle-challenger", "train-sasrec", "count-popularity", "identify-cold-items", "open-cycle"},
        "register-version": {"bundle-challenger", "replay-window"},
        "promote-on-verdict": {"register-version", "replay-window"},
    }.items():  # fmt: skip
        assert makers <= edges[task], task


def test_names_in_prefect_are_a_persons(finished: Home) -> None:
    """Neither a path of this machine nor a digest stands in the name of a run or a task."""
    names = [run.name for _, run in finished.flow_runs()]
    assert f"retrain mmgrec on {finished.data.name} until {finished_day(finished)}" in names
    assert f"ingest {finished.data.name} until {finished_day(finished)}" in names
    names += [task for _, run in finished.flow_runs() for task, _ in finished.tasks_of(run)]
    assert not [name for name in names if "/" in name or re.search(r"-[0-9a-f]{3,}$", name)]


def test_every_task_says_in_the_log_what_came_out(finished: Home, told: dict[str, Any]) -> None:
    lines = [line for _, run in finished.flow_runs() for line in finished.log_of(run)]
    for stage in told:
        (said, *_) = [line for line in reversed(lines) if line.startswith(f"{stage}: ")]
        assert not re.fullmatch(r"[0-9a-f]+", said.removeprefix(f"{stage}: ")), (
            said
        )  # a digest alone says nothing
    assert any(re.search(r"train mmgrec: \d+ steps, loss [\d.]+ to [\d.]+", line) for line in lines)


@pytest.mark.parametrize(("scheme", "width"), ENDS)
def test_prefects_page_of_a_cycle(
    browser: Browser, finished: Home, told: dict[str, Any], scheme: str, width: int
) -> None:
    run = cycle_run(finished)
    with opened(browser, finished.settings.flow_run_url(str(run.id)), scheme=scheme, width=width) as seen:
        seen.page.get_by_text(run.name).first.wait_for(timeout=PATIENCE_MS)
        seen.page.get_by_text(f"take snapshots: {told['take snapshots']['train_events']:,} events").wait_for(
            timeout=PATIENCE_MS
        )
        if width > 1000:
            seen.page.get_by_text("Artifacts", exact=True).last.click()
            seen.page.get_by_text(f"{told['judge']['verdict']}: version").first.wait_for(timeout=PATIENCE_MS)
        assert seen.abroad == []


def test_links_of_artifacts_open(finished: Home, site: str, told: dict[str, Any]) -> None:
    runs = {run.id for _, run in finished.flow_runs()}
    mine = [one for one in finished.artifacts() if one.flow_run_id in runs]
    assert not [one.key for one in mine if not one.description]
    links = {link for one in mine for link in re.findall(r"\]\((http[^)]+)\)", str(one.data))}
    assert {part for link in links for part in ("/data-docs/", "/reports/", "/#/models/") if part in link} == {
        "/data-docs/", "/reports/", "/#/models/",
    }  # fmt: skip
    for link in links:
        here = re.sub(r"http://127\.0\.0\.1:\d+/(?=data-docs|reports)", site, link)  # it runs on another port
        with urllib.request.urlopen(here, timeout=30) as answer:
            assert answer.status == 200, link
