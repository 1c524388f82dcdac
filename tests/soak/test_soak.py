"""A soak of two cycles: faults fire, all holds; and harm that the harness does itself is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.soak.growth import BOUNDED, grown_of, growth_of, is_bounded
from tests.soak.invariants import named

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(1800)
def test_cycles_hold_until_the_harness_does_harm_which_it_tells(tmp_path: Path):
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.soak", "--cycles", "2", "--seed", "5", "--without-contracts",
            "--without-refusals", "--break-at", "1", "--out", str(tmp_path),
        ],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    assert done.returncode == 1, said
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["cycles"], told["armed"], told["fired"]) == (2, 2, 2), said
    trouble = [line for line in done.stdout.splitlines() if line.startswith("cycle ")]
    assert {line.split(" / ")[0] for line in trouble} == {"cycle 1"}, said  # the one before it holds
    for harm in ("1 events are lost", "MLflow's alias", "journal, rows", "of the journal is not what was"):
        assert any(harm in line for line in trouble), (harm, said)
    assert told["violated"] == len(trouble)
    assert told["growth is bounded"] is None
    assert "Growth is not judged: 20 whole cycles are wanted." in done.stdout
    assert len(json.loads((tmp_path / "cycles.json").read_text())) == 2


def test_growth_is_a_slope_that_one_outlier_does_not_move():
    """From cycle 10 on: 100, 101, …, and the median 114.5 of those 30 values, the outlier 1,000 among them."""
    values = [50.0] * 10 + [100.0 + n for n in range(30)]
    values[20] = 1_000.0
    grown = growth_of("memory, MB", values)
    assert grown.a_cycle == 1.0
    assert grown.percent == pytest.approx(100 * 100 / 115.5)
    assert not grown.is_bounded
    assert growth_of("memory, MB", [200.0] * 40).is_bounded
    assert growth_of("artifacts, MB", values).is_bounded  # what a growing data set takes has no bound here


def test_one_thread_more_is_a_pool_that_filled_and_one_more_each_sixty_cycles_is_a_leak():
    once = growth_of("threads", [5.0] * 59 + [6.0] * 41)
    assert once.percent > 5
    assert once.is_bounded
    assert not growth_of("threads", [5.0 + n // 60 for n in range(300)]).is_bounded
    assert not growth_of("entries waiting for their age", [5.0] * 59 + [6.0] * 41).is_bounded


def test_a_cycle_that_failed_half_way_has_no_figures_and_the_others_are_judged():
    whole = dict.fromkeys(BOUNDED, 1.0)
    measured = [whole] * 20 + [{"memory, MB": 1.0}]
    assert is_bounded(grown_of(measured, BOUNDED)) is True
    assert is_bounded(grown_of(measured[1:], BOUNDED)) is None
    assert len(grown_of(measured[1:], BOUNDED)) == 1


def test_who_was_erased_is_found_in_packed_columns(tmp_path: Path):
    users = pa.table({"user_id": ["person-0001-zq", "person-0002-zq"] * 500})
    pq.write_table(users, tmp_path / "day.parquet", compression="zstd", write_statistics=False)
    assert b"person-0002-zq" not in (tmp_path / "day.parquet").read_bytes()
    told = list(named(tmp_path, {"person-0002-zq", "person-0003-zq"}))
    assert told == [("day.parquet", "person-0002-zq")]


def test_too_few_cycles_give_no_slope():
    with pytest.raises(ValueError, match="too few"):
        growth_of("memory, MB", [1.0])
