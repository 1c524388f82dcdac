"""The benchmark's protocol, bookkeeping and table; what it measures is measured by `make bench`."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.recommender.arm import Ranked
from components.recommender.baselines.popularity import fit_popularity
from tests.benchmarks import peers
from tests.benchmarks.__main__ import fault_of
from tests.benchmarks.accuracy import UnknownArm, run_arms
from tests.benchmarks.arms import ARMS
from tests.benchmarks.cold_items import content_scores, split_cold
from tests.benchmarks.datasets import Dataset, open_dataset
from tests.benchmarks.leave_one_out import LeaveOneOut, TooShort, from_lists, hit_rate, ndcg, places
from tests.benchmarks.results import ArmRun, is_done, read_runs, write_part, write_run
from tests.benchmarks.semantic_codes import Codes, random_codes, semantic_codes, training_edges
from tests.benchmarks.standing import UsersDiffer, best, comparisons, rows_of
from tests.benchmarks.surroundings import shared_folder
from tests.benchmarks.table import BEGIN, END, MarkersMissing, between_markers, write_table
from tests.benchmarks.targets import targets
from tests.benchmarks.warm import Chain, compared

# --- the protocol --------------------------------------------------------------------------------------


def three_users() -> LeaveOneOut:
    """ann trains on a, b; bob on c; cat has two events and is left out, and so is item z, hers alone."""
    return from_lists("three", ["ann", "bob", "cat"], [["a", "b", "c", "d"], ["c", "a", "b"], ["a", "z"]])


def test_last_is_test_and_the_one_before_is_validation() -> None:
    data = three_users()
    assert data.user_ids.tolist() == ["ann", "bob"]
    assert data.item_ids.tolist() == ["a", "b", "c", "d"]
    assert data.item_ids[data.test_items].tolist() == ["d", "b"]
    assert data.item_ids[data.validation_items].tolist() == ["c", "a"]
    training = data.training()
    assert training.item_ids[training.items].tolist() == ["a", "b", "c"]
    assert training.offsets.tolist() == [0, 2, 3]
    histories = data.histories()
    seen = [
        data.item_ids[histories.items[a:b]].tolist()
        for a, b in zip(histories.start, histories.end, strict=True)
    ]
    assert seen == [["a", "b", "c"], ["c", "a"]]


def test_warm_starts_are_cut_by_time_and_asked_after_it() -> None:
    """220 events, two a second: three tenths in eleven windows are six each. Step 10 trains on all but the last six."""
    items = [f"i{number % 7}" for number in range(110)]
    events = from_lists("two", ["ann", "bob"], [items, items], [range(110), range(110)])
    data = Dataset(events=events, catalogue=pd.DataFrame({"item_id": events.item_ids}))
    chain = Chain(data, "sasrec", 1)
    assert [len(chain.before(step).items) for step in (0, 1, 10)] == [154, 160, 214]
    users = chain.ndcg(fit_popularity(events.item_ids[chain.before(10).items]), 10)
    assert users.shape == (2,)
    found = compared(np.array([0.5, 0.3]), np.array([0.4, 0.2]))
    assert found["warm_minus_cold"]["ndcg"] == pytest.approx(0.1)
    assert (found["users"], found["cold"]["ndcg"]) == (2, pytest.approx(0.3))


def test_fil_leaves_out_what_was_seen_and_unf_does_not() -> None:
    """Training holds a, b, c once each; ties go by id. ann's test is d, which no training event knows."""
    data = three_users()
    arm = fit_popularity(data.item_ids[data.training().items])
    fil = arm.recommend(data.histories(), k=10)
    unf = arm.recommend(data.histories(), k=10, exclude_seen=False)
    assert data.item_ids[unf.items[1][:3]].tolist() == ["a", "b", "c"]
    assert places(fil, data.test_items).tolist() == [0, 1]  # bob has seen c and a, so b comes first
    assert places(unf, data.test_items).tolist() == [0, 2]


def test_gains_of_a_place() -> None:
    """Places 1, 3 and none: 1 / log2 2 = 1, 1 / log2 4 = 1/2, 0."""
    place = np.array([1, 3, 0], dtype=np.uint8)
    assert ndcg(place).tolist() == [1.0, 0.5, 0.0]
    assert hit_rate(place).tolist() == [1.0, 1.0, 0.0]


def test_a_place_beyond_ten_counts_nothing() -> None:
    ranked = Ranked(items=np.arange(12)[None], scores=-np.arange(12.0)[None])
    assert [places(ranked, np.array([target])).item() for target in (0, 9, 10)] == [1, 10, 0]


def test_nobody_has_three_events() -> None:
    with pytest.raises(TooShort, match="none of 1 users has 3 events"):
        from_lists("short", ["u"], [["a", "b"]])


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=3, max_size=9), min_size=1, max_size=8))
def test_training_validation_and_test_are_all_there_is(lists: list[list[str]]) -> None:
    data = from_lists("any", [str(n) for n in range(len(lists))], lists)
    training = data.training()
    for user, one in enumerate(lists):
        own = training.items[training.offsets[user] : training.offsets[user + 1]]
        rest = [data.validation_items[user], data.test_items[user]]
        assert data.item_ids[[*own, *rest]].tolist() == one


def test_a_folder_is_read_in_the_order_of_time_then_file(tmp_path: Path) -> None:
    """User 2 has q and r in one second: the file's order stands. The row without a moment is left out."""
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,timestamp\n"
        "10,p,900000003\n2,q,900000002\n2,r,900000002\n10,r,900000001\n2,p,900000001\n10,q,900000002\n"
        "2,s,yesterday\n"
    )
    (tmp_path / "items.csv").write_text("item_id,title,genres\np,Pea,veg\nq,Quince,fruit\n")
    data = open_dataset(str(tmp_path), tmp_path / "cache")
    users = [part.tolist() for part in np.split(data.events.item_ids[data.events.items], [3])]
    assert data.events.user_ids.tolist() == ["2", "10"]
    assert users == [["p", "q", "r"], ["r", "q", "p"]]
    assert data.events.times.tolist()[:3] == [900000001, 900000002, 900000002]
    assert data.catalogue["title"].tolist() == ["Pea", "Quince", None]


def test_a_sequence_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "toys.txt").write_text("1 x y z\n2 z y x\n")
    data = open_dataset(str(tmp_path / "toys.txt"), tmp_path)
    assert (data.name, data.events.num_users) == ("toys", 2)
    assert data.content().modalities == ()


def test_edges_are_of_training_alone() -> None:
    """ann a, ann b, bob c: what the last two events of each tell is not in the graph."""
    assert training_edges(three_users().training()).tolist() == [[0, 0, 1], [0, 1, 2]]


def test_random_codes_are_the_same_tuples_on_other_items() -> None:
    codes = Codes(table=np.stack([np.arange(50) // 7, np.arange(50) % 7], axis=1), cpu_seconds=1.0)
    dealt = random_codes(codes, seed=3)
    assert sorted(map(tuple, dealt.table)) == sorted(map(tuple, codes.table))
    assert (dealt.table == codes.table).all(axis=1).mean() < 0.2


def test_codes_by_another_tokenizer_are_other_codes_and_each_is_fitted_once(tmp_path: Path) -> None:
    lines = [f"{step} " + " ".join(f"i{n * step % 13}" for n in range(1, 9)) for step in range(1, 9)]
    (tmp_path / "few.txt").write_text("\n".join(lines) + "\n")
    data = open_dataset(str(tmp_path / "few.txt"), tmp_path)
    by_name = {name: semantic_codes(data, 1, tmp_path, name) for name in ("residual_kmeans", "product")}
    assert not np.array_equal(*(codes.table[:, :-1] for codes in by_name.values()))
    assert semantic_codes(data, 1, tmp_path, "product").cpu_seconds == by_name["product"].cpu_seconds
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    assert all(ARMS[f"mmgrec_by_{name}"].tokenizer == name for name in by_name)


# --- cold items ----------------------------------------------------------------------------------------


@given(st.integers(0, 50))
def test_a_cold_item_has_no_training_event(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists = [[f"i{n:02d}" for n in rng.permutation(30)[: rng.integers(5, 20)]] for _ in range(12)]
    events = from_lists("cold", [str(n) for n in range(12)], lists)
    split = split_cold(events, seed)
    cold = events.item_ids[split.is_cold]
    assert len(cold) == round(0.1 * events.num_items)
    assert not np.isin(split.training.item_ids, cold).any()
    latest = sum(len(set(one[-max(1, len(one) // 5) :])) for one in lists)
    assert len(split.relevant.items) + len(split.warm_relevant.items) == latest
    assert not split.is_cold[split.warm_relevant.items].any()
    for row in range(split.num_asked):
        own = split.relevant.items[split.relevant.offsets[row] : split.relevant.offsets[row + 1]]
        start, end = split.histories.start[row], split.histories.end[row]
        history = events.item_ids[split.histories.items[start:end]].tolist()
        # whose row it is: the one user whose latest events hold these items after this history
        owner = [
            one
            for one in lists
            if set(events.item_ids[own]) <= set(one[-max(1, len(one) // 5) :])
            and history == [item for item in one[: -max(1, len(one) // 5)] if item not in cold]
        ]
        assert len(own)
        assert split.is_cold[own].all()
        assert len(owner) >= 1


def test_content_neighbours_by_hand() -> None:
    """History p = (1, 0), q = (0, 1): their mean is (1/2, 1/2), its product with r = (.6, .8) is .7."""
    histories = three_users().histories()
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
    first = type(histories)(
        catalogue=histories.catalogue,
        items=np.array([0, 1]),
        times=np.array([0, 1]),
        start=np.array([0]),
        end=np.array([2]),
    )
    scores = content_scores(first, vectors)
    assert np.isneginf(scores[0, :2]).all()
    assert scores[0, 2:] == pytest.approx([0.5, 0.7])


# --- bookkeeping ---------------------------------------------------------------------------------------


def planted(
    results: Path,
    arm: str,
    seed: int,
    fil: list[int],
    *,
    users: str = "uvwx",
    data: str = "ml100k",
    **figures: object,
) -> None:
    role = figures.pop("role", "peer")
    costs = {"training_cpu_seconds": 2.0, "peak_mb": 800.0, "parameters": 10, "users_per_cpu_second": 50.0}
    write_run(
        results,
        ArmRun(
            data=data,
            arm=arm,
            seed=seed,
            users=np.array(list(users)),
            fil=np.array(fil, dtype=np.uint8),
            unf=np.zeros(len(fil), dtype=np.uint8),
            figures={"is_peer": role == "peer", "role": role, **costs, **figures},
        ),
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Four users. NDCG@10: pop 1/4, ref_sasrec 1/2, sasrec (1/2 + 1) / 2 = 3/4, the arm with codes 1, random 1/2."""
    planted(tmp_path, "pop", 1, [1, 0, 0, 0])
    planted(tmp_path, "ref_sasrec", 1, [3, 3, 3, 3])
    planted(tmp_path, "sasrec", 1, [1, 1, 0, 0], role="dense")
    planted(tmp_path, "sasrec", 2, [1, 1, 1, 1], role="dense", peak_mb=1200.0)
    planted(tmp_path, "mmgrec_beam", 1, [1, 1, 1, 1], role="generative", codes="semantic")
    planted(tmp_path, "mmgrec_random_beam", 1, [1, 1, 0, 0], role="random_codes", codes="random")
    return tmp_path


def test_runs_come_back_as_they_went(results: Path) -> None:
    found = read_runs(results)
    assert [(one.arm, one.seed) for one in found][-2:] == [("sasrec", 1), ("sasrec", 2)]
    assert found[-1].fil.tolist() == [1, 1, 1, 1]
    assert is_done(results, "ml100k", "sasrec", 2)
    assert not is_done(results, "ml100k", "sasrec", 3)


def test_rows_average_seeds_within_a_user(results: Path) -> None:
    rows = {row.arm: row for row in rows_of(read_runs(results))}
    assert next(iter(rows)) == "mmgrec_beam"
    assert rows["sasrec"].gains.tolist() == [1.0, 1.0, 0.5, 0.5]
    assert rows["sasrec"].ndcg.mean == 0.75
    assert 0.5 <= rows["sasrec"].ndcg.lower < 0.75 < rows["sasrec"].ndcg.upper <= 1.0
    assert (rows["ref_sasrec"].ndcg.lower, rows["ref_sasrec"].ndcg.upper) == (0.5, 0.5)
    assert rows["sasrec"].figures["peak_mb"] == 1200.0
    assert best(list(rows.values()), role="peer").arm == "ref_sasrec"


def test_differences_are_paired(results: Path) -> None:
    """mmgrec_beam is 1 and ref_sasrec 1/2 for everybody: the difference is 1/2 without any spread."""
    found = {one.what: one for one in comparisons(rows_of(read_runs(results)))}
    gap = found["semantic IDs - best peer"]
    assert (gap.first, gap.second, gap.ratio) == ("mmgrec_beam", "ref_sasrec", 2.0)
    assert (gap.difference.mean, gap.difference.lower, gap.difference.upper) == (0.5, 0.5, 0.5)
    assert found["sasrec - ref_sasrec"].ratio == 1.5
    assert found["mmgrec_beam: codes - random codes"].difference.mean == 0.5
    assert "generative - dense control" not in found  # there is no control


def test_other_users_cannot_be_paired(results: Path) -> None:
    planted(results, "ease", 1, [1, 1, 1, 1], users="uvwy")
    with pytest.raises(UsersDiffer, match="was measured on other users than ease; remove"):
        rows_of(read_runs(results))


def test_targets_met_missed_and_not_measured(results: Path) -> None:
    """The control is at 1 for three users and 0 for one; the arm at 1 for all: its lower bound is not below 0."""
    planted(results, "semantic_sasrec", 1, [1, 1, 1, 0], role="dense_control", codes="semantic")
    parts = {
        ("throughput", "beauty"): {"sasrec": 6000.0, "recbole_sasrec": 1000.0},
        ("cold_items", "films"): {"cold_candidates": {"mmgrec_beam": 0.3, "content_neighbours": 0.2}},
    }
    found = {(one.what, one.data): one for one in targets(rows_of(read_runs(results)), parts)}
    over_peer = found["NDCG@10, semantic IDs over best peer", "ml100k"]
    assert (over_peer.value, over_peer.verdict) == (2.0, "met")
    assert over_peer.note == "mmgrec_beam (1) / ref_sasrec (1)"
    below = found["NDCG@10, generative - dense control, lower bound", "ml100k"]
    assert below.value >= 0
    assert below.verdict == "met"
    training = found["training, targets per CPU second over RecBole's", "beauty"]
    assert (training.value, training.verdict) == (6.0, "missed")
    cold = found["cold items, Recall@10, generative over content neighbours", "films"]
    assert (cold.value, cold.verdict) == (pytest.approx(1.5), "met")
    assert found["top 10 for all users, users per CPU second", "beauty"].verdict == "not measured"
    assert found["peak memory of training, GB", "beauty"].verdict == "not measured"


def test_memory_is_at_most(tmp_path: Path) -> None:
    planted(tmp_path, "sasrec", 1, [1, 1, 1, 1], data="beauty", role="dense", training_peak_mb=1600.0)
    planted(tmp_path, "ease", 1, [1, 1, 1, 1], data="beauty", peak_mb=2900.0)
    (memory,) = [one for one in targets(rows_of(read_runs(tmp_path)), {}) if "memory" in one.what]
    assert (memory.value, memory.note, memory.verdict) == (1.6, "sasrec", "missed")


# --- the table -----------------------------------------------------------------------------------------


def test_the_table_tells_what_each_removed_part_cost(results: Path) -> None:
    rows = [
        {"variant": "all", "ndcg@10": 0.2, "by_seed": [0.21, 0.19]},
        {"variant": "no graph", "ndcg@10": 0.15, "by_seed": [0.15, 0.15]}
        | {"minus_all": -0.05, "lower": -0.08, "upper": -0.02},
    ]
    write_part(results, "ablation", "films", {"users": 600, "rows": rows})
    write_table(results, results)
    page = (results / "benchmarks.md").read_text()
    assert "### Ablation, films, 600 users" in page
    assert "| no graph | 0.1500 | -0.0500 | -0.0800 – -0.0200 | 0.1500 0.1500 |" in page


def test_decoding_is_held_against_hugging_face_at_both_sizes(results: Path) -> None:
    parts = {
        ("tiger_decoding", "made-up"): {"small": {"wall_times_hf": 3.6}, "tiger": {"wall_times_hf": 9.0}}
    }
    found = [one for one in targets(rows_of(read_runs(results)), parts) if "beams" in one.what]
    assert [(one.value, one.verdict) for one in found] == [(3.6, "met"), (9.0, "missed")]


def test_the_table_keeps_the_prose_around_it(results: Path) -> None:
    folder = results / "docs"
    folder.mkdir()
    (folder / "benchmarks.md").write_text(f"# Ours\n\nBefore.\n\n{BEGIN}\nold figures\n{END}\n\nAfter.\n")
    write_part(results, "top_ten", "beauty", {"users_per_cpu_second": 1234.5})
    told = write_table(results, folder)
    page = (folder / "benchmarks.md").read_text()
    assert page.startswith(f"# Ours\n\nBefore.\n\n{BEGIN}\n")
    assert page.endswith(f"{END}\n\nAfter.\n")
    assert "old figures" not in page
    assert "| **sasrec** | 2 | 0.7500 |" in page
    assert "| ref_sasrec (peer) | 1 | 0.5000 | 0.5000 – 0.5000 | 1.0000 |" in page
    assert "users_per_cpu_second 1,234" in page
    assert told["met"] == 4  # two over the best peer, sasrec over the reference, and the speed
    rows = list(csv.DictReader((folder / "benchmarks.csv").read_text().splitlines()))
    assert [row["arm"] for row in rows[:2]] == ["mmgrec_beam", "sasrec"]
    assert (rows[1]["seeds"], rows[1]["ndcg10_fil"], rows[1]["hr10_fil"]) == ("1 2", "0.75", "0.75")
    assert (folder / "benchmarks.png").read_bytes().startswith(b"\x89PNG")
    write_table(results, folder)
    assert (folder / "benchmarks.md").read_text() == page


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MarkersMissing, match="needs one line <!-- bench:begin -->"):
        between_markers("# Ours\n", "figures", tmp_path / "benchmarks.md")


def test_the_page_in_the_repository_has_its_markers() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
    assert "figures" in between_markers(page.read_text(), "figures", page)


# --- peers ---------------------------------------------------------------------------------------------


@pytest.fixture
def peers_code() -> Path:
    """The folder that holds the peers' code, where this machine has it."""
    if not (shared_folder() / "peers" / "run_peers.py").is_file():
        pytest.skip("the peers' code does not lie beside this checkout")
    return shared_folder() / "peers"


def test_missing_peers_are_skipped_with_the_reason(
    tmp_path: Path, peers_code: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEERS_HOME", str(tmp_path / "nowhere"))
    told = peers.run_peers(["ml100k"], None, [1], tmp_path)
    assert (told["made"], told["failed"]) == (0, 0)
    assert "no vA/bin/python in PEERS_HOME" in told["skipped"]
    assert "README of shared/peers" in capsys.readouterr().out
    assert not (tmp_path / "accuracy").exists()


def test_peers_without_their_code_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_HOME", str(tmp_path))
    assert "set SHARED_HOME" in peers.what_is_missing()


def test_a_peer_writes_what_our_arms_write(
    tmp_path: Path, peers_code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peers' popularity needs nothing that this environment lacks. Both count a, b, c once, d never."""
    monkeypatch.setenv("PEERS_HOME", str(tmp_path))
    monkeypatch.setattr(peers, "interpreter", lambda peer: Path(sys.executable))
    (tmp_path / "many.txt").write_text(
        "\n".join(f"u{n} " + " ".join(f"{(n + k) % 12:02d}" for k in range(3 + n % 4)) for n in range(40))
    )
    source = str(tmp_path / "many.txt")
    told = peers.run_peers([source], ["pop"], [1, 2], tmp_path / "out")
    assert told == {"made": 1, "found": 0, "failed": 0}  # fitted in closed form: one seed
    assert peers.run_peers([source], ["pop"], [1, 2], tmp_path / "out")["found"] == 1
    [run] = read_runs(tmp_path / "out")
    events = open_dataset(source, tmp_path).events
    assert run.users.tolist() == events.user_ids.tolist()
    arm = fit_popularity(events.item_ids[events.training().items])
    ours = places(arm.recommend(events.histories(), k=10, exclude_seen=False), events.test_items)
    assert ndcg(run.unf).mean() == pytest.approx(ndcg(ours).mean())
    assert run.figures["is_peer"]
    assert run.figures["peak_mb"] > 10


# --- the parts -----------------------------------------------------------------------------------------


def test_an_arm_leaves_a_run_and_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("1 x y z\n2 z y x\n3 y x z\n")
    source = str(tmp_path / "few.txt")
    assert run_arms([source], ["popularity"], [1, 2], tmp_path)["made"] == 1  # the same for every seed
    assert run_arms([source], ["popularity"], [1, 2], tmp_path)["found"] == 1
    [run] = read_runs(tmp_path)
    assert (run.data, run.arm, run.users.tolist()) == ("few", "popularity", ["1", "2", "3"])
    assert run.figures["parameters"] == 3


def test_an_unknown_arm_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownArm, match="'nope' is no arm of the benchmark; there are popularity"):
        run_arms(["ml100k"], ["nope"], [1], tmp_path)


def test_names_of_rows_are_distinct() -> None:
    views = [view for entry in ARMS.values() for view in entry.views]
    assert len(views) == len(set(views))


def test_a_part_ends_in_one_json_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "table"]
    done = subprocess.run(
        command,
        cwd=Path(__file__).resolve().parents[1],
        env={"RESULTS": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["part"], told["rows"]) == ("table", 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2 3 4\n2 3 1 4\n", ""),
        ("1 2\n3 4 5\n", "none of 2 users has 3 events"),
        ("1 2 3\n\n", "line 2 is ''"),
    ],
)
def test_what_is_wrong_with_a_sequence_file_is_told(tmp_path: Path, content: str, message: str) -> None:
    own = tmp_path / "own.txt"
    own.write_text(content)
    told = fault_of((str(own), "beauty"))
    assert (message in told) if message else told == ""


def test_data_that_is_not_there_is_refused_before_anything_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--data", str(tmp_path / "own")],
        cwd=Path(__file__).resolve().parents[1],
        env={**os.environ, "RESULTS": str(tmp_path / "results")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no such file or folder, and not one of ml100k" in done.stderr
    assert not (tmp_path / "results").exists()


def test_an_unknown_part_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "nope"],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'nope' is no part; there are ranking" in done.stderr
