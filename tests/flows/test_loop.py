"""The whole loop, run as a user runs it: what it leaves in warehouse, files, Feast, MLflow and Prefect.

The demo runs once (see conftest); each test looks at one thing that must hold. The tests at the end move the
registry, and put it back.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from components.artifact import ArtifactRef, verified
from components.data.sources.poison import KINDS
from components.features.store.opening import open_store
from components.features.trainingset import load_training_set
from components.tokenizer.ids import SemanticIds, read_ids
from flows.cli.demo import POISONED_ROWS
from flows.settings import LOOPBACK, Settings
from tests.flows.conftest import Estate
from tests.flows.worlds import ROOT, Home

TRAINED_AND_COUNTED = ("mmgrec", "sasrec", "popularity", "recent_popularity", "random")
STAGES = {
    "check batch", "land batch", "open cycle", "take snapshots", "encode items", "check vectors",
    "store features", "training rows", "train mmgrec", "train sasrec", "count popularity", "bundle",
    "identify cold items",
    *(f"rank {arm}" for arm in TRAINED_AND_COUNTED), "judge", "draw report", "register", "promote",
}  # fmt: skip


def semantic_ids(home: Home, cycle: int) -> SemanticIds:
    outputs = home.outputs(cycle)
    identified = outputs.get("extend ids") or outputs["fit tokenizer"]
    return read_ids(Path(identified["ids"]["path"]) / "semantic_ids.parquet")


def test_every_event_received_is_accounted_for(finished: Home) -> None:
    source = pd.read_parquet(finished.data / "events.parquet")
    batches = finished.rows(
        "SELECT batch_id, state, received, accepted, quarantined, duplicates FROM batches ORDER BY batch_id"
    )
    assert [state for _, state, *_ in batches] == ["landed", "landed"]
    assert sum(received for _, _, received, *_ in batches) == len(source) + POISONED_ROWS
    for batch, _, received, accepted, quarantined, duplicates in batches:
        assert accepted + quarantined + duplicates == received
        assert finished.rows(f"SELECT count(*) FROM events WHERE batch_id = {batch}") == [(accepted,)]
    landed = finished.rows("SELECT user_id, item_id, occurred_at FROM events")
    micros = source["timestamp"].dt.as_unit("us").astype("int64")
    assert sorted(landed) == sorted(zip(source["user_id"], source["item_id"], micros, strict=True))


def test_what_would_be_erased_and_pruned_of_a_real_home_is_shown_and_stays(finished: Home) -> None:
    """The user with most events, in every place that a cycle fills; nothing is old enough to go."""
    [(user, events)] = finished.rows(
        "SELECT user_id, count(*) FROM events GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1"
    )
    planned = finished.recloop("erase", "--user", user, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    own = planned.stdout.split("\nback-test ")[0]  # another test may have walked this home's past
    words = [line.split(maxsplit=1) for line in own.splitlines()]
    counts = {name: int(count) for count, name in words if count.isdigit()}
    assert counts["events"] == events
    assert counts.keys() >= {"snapshot", "checked_batch", "feature_set", "training_set", "feature store"}
    assert finished.rows(f"SELECT count(*) FROM events WHERE user_id = '{user}'") == [(events,)]
    pruned = finished.recloop("prune", "--older-than", "1", "--dry-run")
    assert pruned.returncode == 0, pruned.stderr
    assert pruned.stdout.strip() == "0 entries, 0.0 MB would go; nothing was removed"


def test_each_poisoned_row_lies_in_quarantine_under_its_reason(finished: Home) -> None:
    """Poisoned rows are numbered -1, -2, … in the order of their kinds."""
    found = finished.rows("SELECT source_row, kind, reasons, state FROM quarantine ORDER BY source_row DESC")
    assert found == [(-1 - i, "event", reason, "open") for i, reason in enumerate(KINDS.values())]
    assert len(found) == POISONED_ROWS


@pytest.mark.parametrize(
    ("cycle", "beside"),
    [(0, {"fit tokenizer"}), (1, {"check tokenizer", "extend ids", "rank champion"})],
    ids=("first", "second"),
)
def test_every_stage_is_in_the_journal(finished: Home, cycle: int, beside: set[str]) -> None:
    assert finished.outputs(cycle).keys() == STAGES | beside


@pytest.mark.parametrize("cycle", [0, 1])
def test_great_expectations_wrote_a_page_for_each_check(finished: Home, cycle: int) -> None:
    for stage in ("check batch", "check vectors"):
        page = Path(finished.outputs(cycle)[stage]["data_docs"])
        assert "by Great Expectations" in page.read_text()
    assert finished.settings.data_docs.is_file()


@pytest.mark.parametrize("cycle", [0, 1])
def test_training_rows_are_what_each_user_had_done_before_the_cut(finished: Home, cycle: int) -> None:
    """Through Feast: one row a user, oldest event first, nothing of the replay window."""
    rows = load_training_set(ArtifactRef(**finished.outputs(cycle)["training rows"]["training_set"]))
    cut = finished.rows("SELECT train_cutoff FROM cycles ORDER BY as_of")[cycle][0]
    known = finished.rows(
        f"SELECT user_id, item_id, occurred_at / 1000000 FROM events WHERE occurred_at < {cut}"
    )
    told = [
        (user, item, at)
        for user, items, times in zip(rows.user_ids, rows.item_lists, rows.time_lists, strict=True)
        for item, at in zip(items, times, strict=True)
    ]
    assert sorted(told) == sorted(known)
    assert len(set(rows.user_ids)) == len(rows.user_ids)
    assert all(times == sorted(times) for times in rows.time_lists)
    assert rows.vectors.keys() == {"audio", "image", "metadata", "text"}
    assert all(np.isfinite(matrix).all() for matrix in rows.vectors.values())


def test_semantic_ids_are_only_ever_added(finished: Home) -> None:
    first, second = semantic_ids(finished, 0), semantic_ids(finished, 1)
    assert len(second) > len(first)
    assert second.item_ids[: len(first)].tolist() == first.item_ids.tolist()
    assert np.array_equal(second.codes[: len(first)], first.codes)
    fitted, extended = finished.outputs(0)["fit tokenizer"], finished.outputs(1)["extend ids"]
    assert extended["tokenizer"]["digest"] == fitted["tokenizer"]["digest"]
    assert extended["new_ids"] == len(second) - len(first)
    checked = finished.outputs(1)["check tokenizer"]
    assert checked["unhealthy"] == ""
    assert checked["num_new"] >= extended["new_ids"]


@pytest.mark.parametrize("cycle", [0, 1])
def test_health_of_the_ids_goes_with_the_version(finished: Home, cycle: int) -> None:
    """Measured once, at the fit: it stands in the bundle, in MLflow and on the card of every version on these IDs."""
    fitted, outputs = finished.outputs(0)["fit tokenizer"], finished.outputs(cycle)
    assert fitted["health"].keys() >= {"usage_1", "collisions_unspread", "co_interaction_2_z", "category_1"}
    assert json.loads(Path(fitted["tokenizer"]["path"], "health.json").read_text()) == fitted["health"]
    version = finished.mlflow.get_model_version(finished.settings.model_name, outputs["register"]["version"])
    logged = finished.mlflow.get_run(version.run_id).data.metrics
    assert logged["semantic IDs/codes used at level 1"] == fitted["health"]["usage_1"]
    assert f"| shared categories at depth 1 | {fitted['health']['category_1']:.4f} |" in version.description


@pytest.mark.parametrize("cycle", [0, 1])
def test_the_id_table_says_how_large_a_models_tables_must_be(finished: Home, cycle: int) -> None:
    outputs = finished.outputs(cycle)
    ids = (outputs.get("extend ids") or outputs["fit tokenizer"])["ids"]
    sizes = verified(ids["path"])["config"]["table_sizes"]
    codes = semantic_ids(finished, cycle).codes
    assert len(sizes) == codes.shape[1]
    assert len(set(sizes[:-1])) == 1  # the codebook's, at every level
    assert (codes < np.array(sizes)).all()


_REFIT = """
import json, sys
from dataclasses import asdict
from pydantic import TypeAdapter
from flows.carried import CarriedIds
from flows.features import EncodedItems, TrainingRows
from flows.semantic_ids import fit_tokenizer
from flows.snapshots import Snapshots
told = json.loads(sys.argv[1])
types = {"snapshots": Snapshots, "rows": TrainingRows, "encoded": EncodedItems, "previous": CarriedIds}
asked = {name: TypeAdapter(type_).validate_python(told.pop(name)) for name, type_ in types.items()}
print(json.dumps(asdict(fit_tokenizer.fn(**asked, **told).output)))
"""


def test_a_refit_tells_how_much_of_the_ids_before_is_left(finished: Home) -> None:
    """The stage alone, on what the second cycle had, against the ID table of the first."""
    first, second = finished.outputs(0), finished.outputs(1)
    carried = {name: first["fit tokenizer"][name] for name in ("encoders", "tokenizer", "ids", "name")}
    before = carried["ids"]
    asked = {
        "run": "refit",
        "snapshots": second["take snapshots"],
        "rows": second["training rows"],
        "encoded": second["encode items"],
        "name": carried["name"],
        "preset": "quick",
        "seed": 8,
        "previous": carried,
    }
    done = subprocess.run(
        [sys.executable, "-c", _REFIT, json.dumps(asked)],
        cwd=ROOT, env=finished.environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    output = json.loads(done.stdout.splitlines()[-1])
    health = output["health"]
    assert health["stability_common"] == len(semantic_ids(finished, 0))
    assert -1 <= health["stability_rand_1"] < 1
    assert "items with an ID before" in output["told"]
    assert verified(output["tokenizer"]["path"])["parents"]["previous_ids"] == before["digest"]


@pytest.mark.parametrize("cycle", [0, 1])
def test_what_was_replayed_is_what_is_registered(finished: Home, cycle: int, tmp_path: Path) -> None:
    """From the registered files back: bundle, the lists it gave, the evidence on those lists."""
    outputs = finished.outputs(cycle)
    version, tags = list(finished.version_tags().items())[cycle]
    assert version == outputs["register"]["version"]

    bundle = outputs["bundle"]["bundle"]
    assert verified(bundle["path"])["digest"] == tags["recloop.bundle"]
    uploaded = finished.download(version, tmp_path) / "artifacts"
    assert verified(uploaded / Path(bundle["path"]).name)["digest"] == tags["recloop.bundle"]

    lists = verified(outputs["rank mmgrec"]["lists"]["path"])
    assert lists["parents"]["arm"] == tags["recloop.bundle"]
    replayed = verified(outputs["judge"]["replay"]["path"])
    assert replayed["parents"]["mmgrec"] == lists["digest"]
    assert replayed["digest"] == tags["recloop.replay"]
    assert tags["recloop.verdict"] == outputs["judge"]["verdict"]
    assert tags["recloop.filter_seen"] == "true"
    assert tags["recloop.tokenizer"] == finished.outputs(0)["fit tokenizer"]["tokenizer"]["digest"]


@pytest.mark.parametrize("cycle", [0, 1])
def test_evidence_and_report_are_kept_beside_the_version(finished: Home, cycle: int) -> None:
    outputs, evidence = finished.outputs(cycle), finished.evidence(cycle)
    assert {arm["arm"] for arm in evidence["arms"]} >= set(TRAINED_AND_COUNTED)
    assert evidence["measured"]["outcome"] == outputs["judge"]["verdict"]
    report = Path(outputs["draw report"]["report"]["path"], "report.html").read_text(encoding="utf-8")
    items = pd.read_parquet(finished.data / "items.parquet")
    assert any(title in report for title in items["title"])  # titles for a person, not ids
    assert "data:image/jpeg;base64," in report  # and the items' own images
    run = finished.mlflow.get_model_version(
        finished.settings.model_name, outputs["register"]["version"]
    ).run_id
    assert {file.path for file in finished.mlflow.list_artifacts(run, "reports")} == {
        "reports/report.html", "reports/evidence.json", "reports/arms.csv",
    }  # fmt: skip


def test_what_is_served_over_http_is_what_is_recommended(finished: Home) -> None:
    """And an event that is posted changes the user's next list, without a retraining."""
    user = finished.rows("SELECT user_id FROM events GROUP BY user_id ORDER BY count(*) DESC")[0][0]
    told = finished.recloop("recommend", "--user", user, "-k", "5").stdout.splitlines()[-5:]
    with finished.running("serve", "--port", "0") as (child, lines):
        address = next(found[1] for line in lines if (found := re.search(r"at (http://\S+:\d+) ", line)))
        with httpx.Client(base_url=address, timeout=60) as client:
            while client.get("/ready").status_code != 200:
                assert child.poll() is None
                time.sleep(0.1)
            first = client.post("/v1/recommendations", json={"user_id": user, "k": 5}).json()
            assert [item["title"] for item in first["items"]] == [line.split(maxsplit=1)[1] for line in told]
            assert (first["model"]["version"], first["model"]["arm"]) == (finished.champion(), "mmgrec")
            liked = first["items"][0]["item_id"]
            event = {"user_id": user, "item_id": liked, "timestamp": time.time()}
            assert client.post("/v1/events", json=event).json()["is_known_item"] is True
            then = client.post("/v1/recommendations", json={"user_id": user, "k": 5}).json()
        assert liked not in [item["item_id"] for item in then["items"]]
        assert (first["features"]["stale"], then["features"]["stale"]) == (True, False)
        answer = finished.recloop("recommend", "--user", user, "-k", "5").stdout
        assert "STALE" not in answer
        assert [item["title"] for item in then["items"]] == [
            line.split(maxsplit=1)[1] for line in answer.splitlines()[-5:]
        ]
        child.terminate()
        assert child.wait(60) == 0


def test_alias_ledger_and_verdicts_agree(finished: Home) -> None:
    """The first cycle has nobody to beat but popularity, so it is promoted; the second on its evidence."""
    verdicts = {
        finished.outputs(c)["register"]["version"]: finished.outputs(c)["judge"]["verdict"] for c in (0, 1)
    }
    assert verdicts["1"] == "PROMOTE"
    promoted = [version for version, verdict in verdicts.items() if verdict == "PROMOTE"]
    assert [(action, version) for action, version, _ in finished.ledger()] == [
        ("promote", version) for version in promoted
    ]
    assert finished.champion() == promoted[-1]


def test_prefect_shows_both_cycles_with_their_sub_flows(finished: Home) -> None:
    runs = finished.flow_runs()
    assert Counter(flow for flow, _ in runs) == {
        "retraining-cycle": 2, "ingest": 2, "features": 2, "replay-window": 2,
    }  # fmt: skip
    assert {run.state_name for _, run in runs} == {"Completed"}
    assert all(finished.states_of(run) == ["PENDING", "RUNNING", "COMPLETED"] for _, run in runs)
    assert [run.parent_task_run_id is None for flow, run in runs] == [
        flow == "retraining-cycle" for flow, _ in runs
    ]
    mine = {run.id for _, run in runs}
    shown = Counter(a.key for a in finished.artifacts() if a.flow_run_id in mine)
    once_a_cycle = (
        "data-docs", "batch", "modality-health", "arms", "verdict", "replay-report", "model-version", "cycle",
    )  # fmt: skip
    assert {key: shown[key] for key in once_a_cycle} == dict.fromkeys(once_a_cycle, 2)


@pytest.mark.parametrize("cycle", [0, 1])
def test_no_run_was_ever_taken_for_dead(finished: Home, cycle: int) -> None:
    """Prefect's page of a cycle shows how long it took, and its history no crash."""
    (_, run) = [(flow, run) for flow, run in finished.flow_runs() if flow == "retraining-cycle"][cycle]
    assert finished.states_of(run) == ["PENDING", "RUNNING", "COMPLETED"]
    (told,) = finished.rows("SELECT summary FROM cycles ORDER BY as_of")[cycle]
    took = json.loads(told)["told"]["seconds"]
    assert run.total_run_time.total_seconds() == pytest.approx(took, abs=3.0)


def test_the_log_of_a_cycle_says_what_each_stage_gave_and_the_verdict(finished: Home) -> None:
    _, run = finished.flow_runs()[0]
    lines = finished.log_of(run)
    verdict = finished.outputs(0)["judge"]["verdict"]
    assert any(line.startswith(f"{verdict}: version 1") for line in lines)
    everything = [line for _, one in finished.flow_runs() for line in finished.log_of(one)]
    assert any(line.startswith("land batch:") and "accepted" in line for line in everything)
    assert any(line.startswith(f"verdict: {verdict}") for line in everything)


@pytest.mark.parametrize("cycle", [0, 1])
def test_the_run_of_a_cycle_ends_in_mlflow_with_what_was_asked(finished: Home, cycle: int) -> None:
    version = finished.mlflow.get_model_version(
        finished.settings.model_name, finished.outputs(cycle)["register"]["version"]
    )
    run = finished.mlflow.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["challenger"] == "mmgrec"
    assert run.data.params["source"] == str(finished.data)
    assert run.data.params["preset"] == "quick"


@pytest.mark.parametrize("cycle", [0, 1])
def test_the_run_of_a_cycle_tells_what_it_read_made_and_cost(
    finished: Home, cycle: int, tmp_path: Path
) -> None:
    outputs = finished.outputs(cycle)
    version = finished.mlflow.get_model_version(finished.settings.model_name, outputs["register"]["version"])
    run = finished.mlflow.get_run(version.run_id)
    data = {d.tags[0].value: d.dataset.digest for d in run.inputs.dataset_inputs if d.tags}
    frozen = outputs["take snapshots"]
    assert data == {
        "training": frozen["train"]["digest"][:12], "evaluation": frozen["window"]["digest"][:12],
    }  # fmt: skip
    replayed = outputs["judge"]["replay"]["digest"]
    assert run.data.params["replay.digest"] == replayed[:12]
    assert run.data.tags["recloop.replay.digest"] == replayed  # short to read, whole on demand
    assert run.data.params["gate.primary.metric"] == "ndcg@10"
    assert run.data.params["train.mmgrec.name"] == "mmgrec"
    assert run.data.metrics["cost/seconds"] > 0
    assert run.data.metrics["cost/peak memory MiB"] > 100
    table = finished.mlflow.download_artifacts(run.info.run_id, "per_user/replay.json", str(tmp_path))
    users = pd.read_json(table, orient="split")
    assert set(users["arm"]) >= set(TRAINED_AND_COUNTED)
    known = set(pd.read_parquet(finished.data / "events.parquet")["user_id"].astype(str))
    assert not known & set(users["user"])  # a digest stands in place of a person's id


@pytest.mark.parametrize("cycle", [0, 1])
def test_a_version_tells_who_started_it_and_begins_its_card_with_the_verdict(
    finished: Home, cycle: int
) -> None:
    outputs = finished.outputs(cycle)
    version = finished.mlflow.get_model_version(finished.settings.model_name, outputs["register"]["version"])
    assert version.tags["recloop.started_by"] == finished.settings.actor
    verdict = outputs["judge"]["verdict"]
    assert version.description.startswith(f"## mmgrec: {verdict}\n\n- {outputs['judge']['reason'][:20]}")
    assert version.description.index("| lead |") < version.description.index(
        version.tags["recloop.snapshot"][:12]
    )
    if verdict == "PROMOTE":
        assert version.tags["recloop.smoke_test"].startswith("passed")
    links = dict(re.findall(r"\[([^]]+)\]\(([^)]+)\)", version.description))
    page, report = links["replay report"].split("/reports/")
    assert page == f"http://{LOOPBACK}:{finished.settings.docs_port}"
    assert (finished.settings.reports / report).is_file()
    ui, flow_run = links["Prefect run"].split("/runs/flow-run/")
    assert ui == finished.settings.prefect_ui_url
    assert flow_run in {str(run.id) for _, run in finished.flow_runs()}
    assert "`recloop ui`" in version.description


def test_a_version_leads_back_to_the_feature_service_that_it_was_trained_on(
    finished: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Feast's own integration wrote it into each cycle's run, and finds it again from the version."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", finished.settings.mlflow_tracking_uri)
    store = open_store(finished.settings.feast_home, ties_runs=True)
    users = pd.read_parquet(finished.data / "events.parquet")["user_id"].astype(str)
    for cycle in (0, 1):
        number = finished.outputs(cycle)["register"]["version"]
        version = finished.mlflow.get_model_version(finished.settings.model_name, number)
        run = finished.mlflow.get_run(version.run_id)
        told = {name: value for name, value in run.data.tags.items() if name.startswith("feast.")}
        assert (told["feast.feature_service"], told["feast.feature_views"]) == (
            "recommender_v1",
            "user_sequence",
        )
        assert told["feast.retrieval_type"] == "historical"
        assert "user_sequence:item_ids" in told["feast.feature_refs"].split(",")
        assert not set(users) & set(re.split(r"\W+", " ".join(told.values())))  # no person's id
        assert run.info.status == "FINISHED"
        uri = f"models:/{finished.settings.model_name}/{number}"
        assert store.feast.mlflow.resolve_features(uri) == "recommender_v1"


def test_links_of_artifacts_are_addresses(finished: Home) -> None:
    """Not paths of this machine, which a browser does not open from a page."""
    mine = {run.id for _, run in finished.flow_runs()}
    links = {a.key: a.data for a in finished.artifacts() if a.flow_run_id in mine and a.type == "markdown"}
    for key, part in {"data-docs": "/data-docs/validations/", "replay-report": "/reports/"}.items():
        assert f"http://{LOOPBACK}:{finished.settings.docs_port}{part}" in str(links[key])


def test_the_pages_of_the_last_demo_are_opened(finished: Home) -> None:
    """`make ui` after `make demo DATA=…` opens the home that the demo's last line names."""
    code = "from flows.local.demo_home import enter_last_demo; print(enter_last_demo().home)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env=finished.environ | {"RECLOOP_HOME": str(finished.settings.home.parent)},
    )  # fmt: skip
    assert done.stdout.strip() == str(finished.settings.home)
    assert "recloop ui --demo" in (ROOT / "Makefile").read_text()


def test_the_same_command_again_does_nothing(finished: Home) -> None:
    def state() -> dict[str, Any]:
        return {
            "journal": finished.journal(),
            "batches": finished.rows("SELECT * FROM batches"),
            "cycles": finished.rows("SELECT * FROM cycles"),
            "versions": finished.version_tags(),
            "flow runs": [run.id for _, run in finished.flow_runs()],
            "artifacts": sorted(path.name for path in finished.settings.artifacts.glob("*/*")),
        }

    before = state()
    again = finished.recloop(*finished.demo)
    assert again.returncode == 0, again.stderr
    assert state() == before


def test_recommend_prints_titles_and_notes_who_was_served_what(finished: Home) -> None:
    titles = dict(finished.rows("SELECT item_id, title FROM items"))
    answer = finished.recloop("recommend", "--user", "u00001", "-k", "5")
    assert answer.returncode == 0, answer.stderr
    served = finished.rows(
        "SELECT item_id, model_version FROM recommendations WHERE user_id = 'u00001' ORDER BY rank"
    )
    assert {version for _, version in served} == {finished.champion()}
    lines = answer.stdout.splitlines()[-5:]
    assert [line.split(maxsplit=1) for line in lines] == [
        [str(rank), titles[item]] for rank, (item, _) in enumerate(served, start=1)
    ]
    seen = {item for (item,) in finished.rows("SELECT item_id FROM events WHERE user_id = 'u00001'")}
    assert not seen & {item for item, _ in served}


def test_recommend_tells_how_old_its_features_are_and_refuses_where_asked(finished: Home) -> None:
    """The world ends long before the clock: flagged, with the --as-of that would not be; refused with a limit."""
    told = finished.recloop("recommend", "--user", "u00002", "-k", "3").stdout
    bundle, feature_set, as_of = finished.rows(
        "SELECT bundle, feature_set, features_as_of FROM recommendations JOIN recommendation_runs USING (run) "
        "WHERE user_id = 'u00002' AND NOT is_batch ORDER BY scored_at DESC LIMIT 1"
    )[0]
    assert bundle == finished.version_tags()[str(finished.champion())]["recloop.bundle"]
    # of whichever cycle of this home was stored last: other tests add some
    encoded = finished.rows("SELECT output FROM stage_journal WHERE stage = 'encode items'")
    assert feature_set in {json.loads(output)["feature_set"]["digest"] for (output,) in encoded}
    assert f"(bundle {bundle[:12]})" in told
    assert (
        f"features {feature_set[:12]}, events until {datetime.fromtimestamp(as_of / 1e6, UTC):%Y-%m-%d %H:%M}Z"
        in told
    )
    assert "STALE" in told
    advised = told.split("--as-of ")[1].split()[0]
    then = finished.recloop("recommend", "--user", "u00002", "-k", "3", "--as-of", advised)
    assert then.returncode == 0, then.stderr
    assert "STALE" not in then.stdout
    assert then.stdout.splitlines()[-3:] == told.splitlines()[-3:]
    refused = finished.recloop("recommend", "--user", "u00002", "--max-age-days", "1")
    assert refused.returncode == 1
    assert "and 24 hours are accepted" in " ".join(refused.stderr.split())


def test_status_tells_who_is_champion(finished: Home) -> None:
    told = finished.recloop("status")
    assert told.returncode == 0, told.stderr
    assert f"version {finished.champion()}" in told.stdout
    assert finished.version_tags()[str(finished.champion())]["recloop.bundle"][:12] in told.stdout
    scripted = json.loads(finished.recloop("status", "--json").stdout)
    assert scripted["champion"]["version"] == finished.champion()
    assert [cycle["verdict"] for cycle in scripted["cycles"]] == [
        finished.outputs(cycle)["judge"]["verdict"] for cycle in (0, 1)
    ]
    assert scripted["warehouse"]["events"] == finished.rows("SELECT count(*) FROM events")[0][0]


def test_the_front_page_says_what_happened_and_every_link_of_it_opens(finished: Home) -> None:
    with finished.running("ui") as (child, lines):
        address = next(
            found[1] for line in lines if (found := re.search(r"Where it stands\s+(http\S+)", line))
        )
        # as a browser asks: Prefect gives its pages to nobody else
        with httpx.Client(timeout=60, headers={"Accept": "text/html"}, follow_redirects=True) as client:
            page = client.get(address).text
            assert f"version {finished.champion()}, mmgrec" in page
            told = [page.index(f">{finished.outputs(cycle)['judge']['verdict']}<") for cycle in (0, 1)]
            assert told
            assert f"{finished.rows('SELECT count(*) FROM events')[0][0]:,} events of" in page
            links = set(re.findall(r'href="(http[^"#]+)', page))
            assert {link.split("/")[3] for link in links if str(finished.settings.docs_port) in link} == {
                "data-docs", "reports",
            }  # fmt: skip
            for report in finished.settings.reports.glob("*.html"):
                assert f"/reports/{report.name}" in page
            assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
        child.send_signal(signal.SIGTERM)
        child.wait(60)


def test_an_identical_challenger_is_held(finished: Home) -> None:
    champion, ledger = finished.champion(), finished.ledger()
    done = finished.recloop("replay", "--challenger", "1", "--champion", "1")
    assert done.returncode == 0, done.stderr
    (latest,) = finished.rows(
        "SELECT output FROM stage_journal WHERE stage = 'judge' ORDER BY finished_at DESC LIMIT 1"
    )
    evidence = json.loads(Path(json.loads(latest[0])["replay"]["path"], "evidence.json").read_text())
    assert evidence["measured"]["outcome"] == "HOLD"
    leads = {(c["metric"], c["baseline"]): c["delta"] for c in evidence["comparisons"]}
    assert leads["ndcg@10", "champion"] == 0.0
    assert (finished.champion(), finished.ledger()) == (champion, ledger)


def latest_evidence(home: Home) -> dict[str, Any]:
    ((output,),) = home.rows(
        "SELECT output FROM stage_journal WHERE stage = 'judge' ORDER BY finished_at DESC LIMIT 1"
    )
    return json.loads(Path(json.loads(output)["replay"]["path"], "evidence.json").read_text())


def test_a_champion_that_has_seen_the_window_makes_the_replay_invalid(finished: Home) -> None:
    """Version 2 learned past the cut of version 1, where the window begins."""
    done = finished.recloop("replay", "--challenger", "1", "--champion", "2")
    assert done.returncode == 0, done.stderr
    evidence = latest_evidence(finished)
    assert evidence["measured"]["outcome"] == "INVALID"
    (reason, *_) = evidence["measured"]["reasons"]
    assert reason.startswith("champion was trained past the cut")
    assert "Begin the window at" in reason


def test_modes_and_gate_are_settings_and_alpha_is_spent_on_the_ledger(finished: Home, tmp_path: Path) -> None:
    own = tmp_path / "shop.yaml"
    own.write_text("name: shop\nprimary: {effect_of_interest: 0.03}\nlatency: null\n")
    asked = ("--challenger", "2", "--champion", "1", "--mode", "batch", "--keep-seen", "--profile", str(own))
    done = finished.recloop("replay", *asked)
    assert done.returncode == 0, done.stderr
    evidence = latest_evidence(finished)
    assert (evidence["plan"]["mode"], evidence["plan"]["filter_seen"]) == ("batch", False)
    gate = evidence["profile"]
    assert (gate["name"], gate["primary"]["effect_of_interest"], gate["latency"]) == ("shop", 0.03, None)
    assert {"repeat", "novel"} <= evidence["slice_users"].keys()
    assert "identify cold items" in done.stdout
    replayed = {run.info.run_name: run for run in finished.replay_runs()}
    tracked = replayed[f"2 with 1: {evidence['measured']['outcome']}"]
    assert tracked.info.status == "FINISHED"
    assert {file.path for file in finished.mlflow.list_artifacts(tracked.info.run_id, "replay")} == {
        "replay/evidence.json", "replay/report.html",
    }  # fmt: skip
    assert {arm["arm"] for arm in evidence["arms"]} == {
        "challenger", "champion", "popularity", "recent_popularity", "random",
    }  # fmt: skip
    bundle = finished.version_tags()["2"]["recloop.bundle"]
    entries = finished.rows(
        f"SELECT entry, attempt, verdict FROM alpha_ledger WHERE challenger_digest = '{bundle}' ORDER BY id"
    )
    assert {attempt for _, attempt, _ in entries} == {1}  # nobody else was tried on its windows
    assert entries[0] == ("spent", 1, None)
    assert entries[-1] == ("judged", 1, evidence["measured"]["outcome"])
    assert evidence["attempt"]["number"] == 1


def test_a_batch_too_bad_stops_the_run_with_one_message(estate: Estate, world: Path, tmp_path: Path) -> None:
    """A fifth of the events speak of unknown items, and a twentieth is the limit."""
    spoiled = tmp_path / "spoiled"
    spoiled.mkdir()
    events = pd.read_parquet(world / "events.parquet")
    events.loc[::5, "item_id"] = "no-such-item"
    events.to_parquet(spoiled / "events.parquet")
    pd.read_parquet(world / "items.parquet").to_parquet(spoiled / "items.parquet")

    home = estate.home("spoiled", spoiled)
    done = home.recloop(*home.demo)
    assert done.returncode == 1
    assert "TooMuchBad" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr  # it is in Prefect's UI, for those who want it
    assert home.rows("SELECT state FROM batches") == [("stopped",)]
    assert home.rows("SELECT * FROM events") == []
    assert {(flow, run.state_name) for flow, run in home.flow_runs()} == {
        ("retraining-cycle", "Failed"), ("ingest", "Failed"),
    }  # fmt: skip


def test_why_an_item_is_listed_is_told_by_what_the_user_had(finished: Home) -> None:
    """One line for each thing they had, with its weight, and where its semantic ID agrees."""
    had = [item for (item,) in finished.rows("SELECT DISTINCT item_id FROM events WHERE user_id = 'u00001'")]
    known = semantic_ids(finished, 1).item_ids
    asked = next(item for item in known if item not in had)
    # no other test runs it in a process that loads its engines
    told = finished.recloop_afresh("explain", "--user", "u00001", "--item", asked, "--show", "100")
    assert told.returncode == 0, told.stderr
    assert f"for user u00001, by version {finished.champion()}" in told.stdout
    assert "items with the prefix: " in told.stdout
    rows = [line.split() for line in told.stdout.splitlines() if re.match(r"[+-]\d+\.\d{4} ", line)]
    assert {row[3] for row in rows} == set(had)
    weights = [float(row[0]) for row in rows]
    assert weights == sorted(weights, reverse=True)
    assert any(weights)


_FOUND = re.compile(
    r"^(?P<what>\S.*?) {2,}(?P<recorded>\S.*?) {2,}(?P<found>\S.*?) {2,}"
    r"(?P<verdict>same lists|same|differs|missing|erased|other code|other commit)\b"
)


def verdicts(told: str) -> dict[str, str]:
    """What `recloop verify` looked at → its verdict."""
    found = (_FOUND.match(line) for line in told.splitlines())
    return {match["what"]: match["verdict"] for match in found if match}


MADE_AGAIN = {f"{what}, made again" for what in ("snapshot", "feature set", "training set", "bundle")}


def test_an_untouched_home_verifies_to_the_byte(finished: Home) -> None:
    """Data from the warehouse, tokenizer, IDs and arm by the recorded seed; and nothing that is stored is written."""

    def state() -> dict[str, Any]:
        files = (path for path in finished.settings.artifacts.rglob("*") if path.is_file())
        tables = ("snapshots", "day_partitions", "stage_journal", "superseded")
        return {str(path): path.stat().st_mtime_ns for path in files} | {
            table: finished.rows(f"SELECT * FROM {table}") for table in tables
        }

    before = state()
    done = finished.recloop("verify", "--retrain")
    found = verdicts(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert found.keys() >= MADE_AGAIN | {
        "bundle in the registry", "bundle", "tags", "batch 1", "rows of batch 2", "snapshot", "feature set",
        "training set", "tokenizer", "id table", "arm", "tokenizer, fitted again", "id table, extended again",
        "arm, trained again",
    }  # fmt: skip
    found.pop("commit")  # of a working copy that is being worked on
    assert set(found.values()) == {"same"}
    assert state() == before


def copy_of(home: Home, folder: Path) -> Home:
    """The same home elsewhere, on the same servers."""
    shutil.copytree(home.settings.home, folder)
    kept = ("prefect_port", "mlflow_port", "prefect_api_url", "mlflow_tracking_uri", "model_name")
    own = {name: getattr(home.settings, name) for name in kept}
    return Home(data=home.data, settings=Settings(home=folder, **own))


def test_a_flipped_byte_is_named_and_what_is_gone_is_missing(finished: Home, tmp_path: Path) -> None:
    home = copy_of(finished, tmp_path / "copy")
    path = Path(home.outputs(0)["fit tokenizer"]["tokenizer"]["path"])
    weights = home.settings.artifacts / "tokenizer" / path.name / "tokenizer.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    for folder in (home.settings.artifacts / "checked_batch").iterdir():
        shutil.rmtree(folder)
    done = home.recloop("verify")
    found = verdicts(done.stdout)
    assert done.returncode == 1
    assert {what for what, verdict in found.items() if verdict == "differs"} == {"tokenizer"}
    assert "tokenizer.safetensors:SHA-256is" in "".join(done.stdout.split())  # a path may be broken in two
    assert [found[f"batch {number}"] for number in (1, 2)] == ["missing", "missing"]
    assert {found[what] for what in MADE_AGAIN} == {"same"}


def test_what_an_erasure_changed_does_not_count_as_different(finished: Home, tmp_path: Path) -> None:
    home = copy_of(finished, tmp_path / "copy")
    assert home.recloop("erase", "--user", "u00001").returncode == 0
    done = home.recloop("verify", "--retrain")
    found = verdicts(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    erased = {what for what, verdict in found.items() if verdict == "erased"}
    assert erased >= {
        "rows of batch 1",
        "snapshot",
        "feature set",
        "snapshot, made again",
        "arm, trained again",
    }
    assert "differs" not in found.values()
    assert "its day files are those that the erasure left" in " ".join(done.stdout.split())


def test_the_champion_moves_only_when_asked_rightly_and_comes_back(finished: Home) -> None:
    champion, ledger = str(finished.champion()), finished.ledger()
    (other,) = finished.version_tags().keys() - {champion}

    refused = finished.recloop(
        "promote", "--version", other, "--expect-champion", other, "--reason", "mistaken"
    )
    assert refused.returncode == 1
    assert (finished.champion(), finished.ledger()) == (champion, ledger)

    forced = finished.recloop("promote", "--version", other, "--reason", "a drill", "--force")
    assert forced.returncode == 0, forced.stderr
    assert finished.champion() == other

    back = finished.recloop("rollback", "--reason", "the drill is over")
    assert back.returncode == 0, back.stderr
    assert finished.champion() == champion
    assert finished.ledger() == [*ledger, ("promote", other, champion), ("rollback", champion, other)]
