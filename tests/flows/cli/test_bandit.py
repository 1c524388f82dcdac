"""`recloop bandit` on a file, and on what a real scoring server logged: learned, judged, written, refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from components.bandit.policy_file import read_policy, write_policy
from components.data.ingest import land_batch
from components.data.warehouse import open_warehouse
from components.serving.exposures import ExposureLog, exposure
from components.serving.split import Variant, variant_of
from tests.bandit.worlds import HalvesWorld
from tests.data.landing import batch
from tests.serving.world import HOUR, ITEMS, NOW, World

ROOT = Path(__file__).resolve().parents[3]
DAY = timedelta(days=1)
LATER = "2027-02-01T00:00Z"


def recloop(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RECLOOP_")}
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", "--home", str(home), *map(str, arguments)], cwd=ROOT,
        env=plain | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.replace("│", "").split())


# --- a file --------------------------------------------------------------------------------------------


def write_lists(path: Path, *, context_matters: bool = True, **columns: Any) -> Path:
    log = HalvesWorld(context_matters=context_matters).draw(8_000, 1)
    plain = {
        "version": [log.arms[place] for place in log.arm], "reward": log.reward, "propensity": log.propensity,
        "context_length": log.context[:, 0], "context_days": log.context[:, 1], "user_id": log.cluster,
    }  # fmt: skip
    pd.DataFrame(plain | columns).to_csv(path, index=False)
    return path


def test_a_file_is_learned_judged_and_the_policy_written(tmp_path: Path) -> None:
    lists, policy = write_lists(tmp_path / "lists.csv"), tmp_path / "policy.json"
    done = recloop(tmp_path / "home", "bandit", "--exposures", lists, "--to", policy)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "8,000 lists of lists.csv: learned from 4,000, judged by 4,000 later ones\n\nPROMOTE\n"
        "· the bandit is better than version "
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    (bandit,) = [row for row in rows if row[:1] == ["bandit"]]
    assert float(bandit[1]) == pytest.approx(0.5, abs=0.04)
    (dealt,) = [row for row in rows if row[:1] == ["dealt"]]
    assert [int(dealt[at].rstrip("%,")) for at in (3, 6)] == pytest.approx([50, 50], abs=6)
    assert [row[1] for row in rows if row[:1] == ["version"] and row[1] in "12"] == ["1", "2"]
    assert "\nexploring  -0.00" in done.stdout
    saved = read_policy(policy)
    assert (saved.outcome, saved.policy.arms, saved.popular) == ("PROMOTE", ("1", "2"), ())
    drawn = done.stdout[done.stdout.index("policy  ") : done.stdout.index("dealt  ")]
    assert max(map(len, drawn.splitlines())) <= 80
    assert not (tmp_path / "home").exists()  # nothing but a file was read, and nothing is left of it

    told = json.loads(recloop(tmp_path / "home", "bandit", "--exposures", lists, "--json").stdout)
    assert told["verdict"]["outcome"] == "PROMOTE"
    assert [policy["name"] for policy in told["policies"]] == ["bandit", "1", "2"]


def test_a_shuffled_context_is_not_told_from_the_best_single_version(tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists.csv", context_matters=False)
    done = recloop(tmp_path / "home", "bandit", "--exposures", lists)
    assert "\nHOLD\n· the bandit is not told from version " in done.stdout


def test_what_no_list_of_the_log_could_have_shown_is_refused(tmp_path: Path) -> None:
    """A version that never answered, and a log that dealt versions without a draw."""
    lists = write_lists(tmp_path / "lists.csv")
    never = recloop(tmp_path / "home", "bandit", "--exposures", lists, "--versions", "1,2,7")
    assert never.returncode == 0
    assert "\nINVALID\n· not evaluable from this log: nothing is concluded" in never.stdout
    assert "· version 7: the target policy would take none of the logged actions" in never.stdout
    assert [line.split()[2:] for line in never.stdout.splitlines() if line.startswith("version 7")] == [
        ["–"] * 3
    ]
    sure = write_lists(tmp_path / "sure.csv", propensity=1.0)
    done = recloop(tmp_path / "home", "bandit", "--exposures", sure)
    assert "\nINVALID\n" in done.stdout
    assert "every propensity is 1: the log never drew" in done.stdout


def test_what_cannot_be_read_is_told_with_its_mend(tmp_path: Path) -> None:
    lists, home = write_lists(tmp_path / "lists.csv"), tmp_path / "home"
    bare = write_lists(tmp_path / "bare.csv", propensity=np.r_[0.0, np.full(7_999, 0.5)])
    assert "bare.csv: row 0: propensity 0.0 is not above 0" in refusal(
        recloop(home, "bandit", "--exposures", bare)
    )
    one = write_lists(tmp_path / "one.csv", version="1")
    assert "the log knows version 1 alone" in refusal(recloop(home, "bandit", "--exposures", one))
    assert "name two versions or more" in refusal(
        recloop(home, "bandit", "--exposures", lists, "--versions", "1")
    )
    assert "leave out --salt" in refusal(recloop(home, "bandit", "--exposures", lists, "--salt", "s"))
    assert "recloop serve --challenger" in refusal(recloop(home, "bandit"))


# --- what a server logged ------------------------------------------------------------------------------

VERSIONS: dict[Variant, str] = {"champion": "1", "challenger": "2"}
BEGIN = NOW + DAY


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two registered versions; 4,400 users, every second with ten events, each shown one list of one of them.

    Whoever has a history takes something of version 2's list in half of the cases and of version 1's in a tenth; who
    has one event it is the other way round.
    """
    home = tmp_path_factory.mktemp("bandit")
    uri = f"sqlite:///{home}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "mlflow" / "artifacts"))
    world = World(home=home, tracking_uri=uri, model_name="recloop")
    world.register("old", champion=True)
    world.register("new", first=2)
    world.go_online(("u0", "i05", NOW), ("u1", "i05", NOW), cut=NOW + HOUR)

    draws = np.random.default_rng(0).random(4_400)
    log = ExposureLog(home / "exposures")
    rows: list[dict[str, object]] = []

    def had(user: str, item: str, at: datetime) -> None:
        rows.append(
            {"event_id": f"e{len(rows)}", "user_id": user, "item_id": item, "event_type": "view",
             "timestamp": pd.Timestamp(at), "value": None}
        )  # fmt: skip

    for number, draw in enumerate(draws):
        user = f"u{number}"
        for event in range(10 if number % 2 else 1):
            had(user, ITEMS[5 + event], NOW - event * HOUR)
        variant = variant_of(user, share=0.5, salt="s")
        other: Variant = "champion" if variant == "challenger" else "challenger"
        at = BEGIN + number * timedelta(minutes=1)
        log.append(
            exposure(
                request_id=f"r{number}", user_id=user, shown_at=at, variant=variant, version=VERSIONS[variant],
                item_ids=["i00", "i01"], other=(VERSIONS[other], ["i02", "i03"]), share=0.5, salt="s",
            )
        )  # fmt: skip
        if draw < (0.5 if (number % 2 == 1) == (variant == "challenger") else 0.1):
            had(user, "i01", at + HOUR)
    log.close()
    land_batch(open_warehouse(f"sqlite:///{home}/warehouse.db"), batch(*rows))
    return home


def test_what_the_server_logged_is_learned_and_dealt(home: Path, tmp_path: Path) -> None:
    """Who had ten events gets version 2, who had one gets version 1, and the lists are of these versions."""
    policy = tmp_path / "policy.json"
    learned = ("bandit", "--within-days", "1", "--as-of", LATER, "--to", policy)
    done = recloop(home, *learned, "--event-type", "view")
    assert done.returncode == 0, done.stderr
    # of the first 2,200, a list a minute, those of the last day before the others had no outcome yet
    assert done.stdout.startswith(
        "4,400 lists of live test s, versions 1 and 2: learned from 761, judged by 2,200 later ones\n\nPROMOTE\n"
    )
    assert read_policy(policy).policy.context_names == (
        "history_length", "days_since_last_event", "popular_share",
    )  # fmt: skip
    for user, version, title in (("u0", "1", "Film i00 old"), ("u1", "2", "Film i02 new")):
        said = recloop(home, "recommend", "--user", user, "--bandit", policy, "--as-of", "2026-11-30T12:00Z")
        assert said.returncode == 0, said.stderr
        assert f"by version {version} of recloop" in said.stdout
        assert "dealt by policy.json (PROMOTE when it was learned) with probability 0.9" in said.stdout
        assert f"  1  {title}\n" in said.stdout
    asked = ("recommend", "--user", "u1", "--as-of", "2026-11-30T12:00Z")
    told = json.loads(recloop(home, *asked, "--bandit", policy, "--json").stdout)["dealt"]
    assert {name: told[name] for name in ("by", "outcome", "version")} == {
        "by": "policy.json", "outcome": "PROMOTE", "version": "2",
    }  # fmt: skip
    assert told["context"]["history_length"] == 10
    # the very figure that a log must note, and not two digits of it
    context = np.array([list(told["context"].values())])
    assert told["probability"] == read_policy(policy).policy.probabilities(context)[0, 1]
    assert json.loads(recloop(home, *asked, "--json").stdout)["dealt"] is None
    without = recloop(home, *asked).stdout
    assert "by version 1 of recloop" in without
    assert "dealt by" not in without


def test_outcomes_of_another_type_leave_nothing_to_learn(home: Path) -> None:
    done = recloop(home, "bandit", "--within-days", "1", "--as-of", LATER, "--event-type", "buy")
    assert "\nHOLD\n" in done.stdout
    assert "0 rounds were rewarded" in done.stdout


def test_a_test_that_is_not_there_or_not_over_is_told(home: Path) -> None:
    assert "There are: salt s, versions 1,2" in refusal(recloop(home, "bandit", "--versions", "1,9"))
    assert "--within-days" in refusal(recloop(home, "bandit", "--as-of", BEGIN.isoformat()))


def test_a_policy_that_cannot_be_dealt_by_is_refused(home: Path, tmp_path: Path) -> None:
    """One of somebody's own context, one of a version that is not registered, and a history without a user."""
    policy = tmp_path / "policy.json"
    recloop(home, "bandit", "--exposures", write_lists(tmp_path / "lists.csv"), "--to", policy)
    asked = ("recommend", "--user", "u1", "--bandit", policy)
    assert "its context is length, days, of a file of your own and not made of a user's events" in refusal(
        recloop(home, *asked)
    )
    like_ours = {"context_length": "context_history_length", "context_days": "context_days_since_last_event"}
    named = pd.read_csv(tmp_path / "lists.csv").rename(columns=like_ours).assign(context_popular_share=0.1)
    named.to_csv(tmp_path / "named.csv", index=False)
    recloop(home, "bandit", "--exposures", tmp_path / "named.csv", "--to", policy)
    assert "popular_share, of a file of your own" in refusal(recloop(home, *asked))
    assert "name one with --user" in refusal(
        recloop(home, "recommend", "--history", "i01", "--bandit", policy)
    )
    assert "there is no such file" in refusal(
        recloop(home, "recommend", "--user", "u1", "--bandit", "none.json")
    )
    recloop(home, "bandit", "--within-days", "1", "--as-of", LATER, "--to", policy)
    saved = read_policy(policy)
    write_policy(replace(saved, policy=replace(saved.policy, arms=("8", "9"))), policy)
    assert "answer, and recloop has 1, 2" in refusal(recloop(home, *asked))


def test_a_shadow_hides_no_test_and_a_salt_that_dealt_before_is_told(home: Path) -> None:
    """After the others: it adds a list before the test, by another share, and one in the shadow after it."""
    log = ExposureLog(home / "exposures")
    for at, share in ((BEGIN - DAY, 0.1), (BEGIN + 9 * DAY, 0.0)):
        log.append(
            exposure(
                request_id=f"of-{share}", user_id="u0", shown_at=at, variant="champion", version="1",
                item_ids=["i00", "i01"], other=("2", ["i02", "i03"]), share=share, salt="s",
            )
        )  # fmt: skip
    log.close()
    asked = ("bandit", "--within-days", "1", "--as-of", LATER)
    told = " ".join(recloop(home, *asked).stdout.split())
    assert "4,400 lists of live test s, versions 1 and 2: learned from 761" in told
    assert "! salt s dealt these users before, among versions 1 and 2: what came of that" in told
    assert json.loads(recloop(home, *asked, "--json").stdout)["verdict"]["outcome"] == "PROMOTE"
