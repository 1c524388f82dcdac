"""The offline files: any order of writing gives the same rows, and a kill leaves the old file whole."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.features.sequences import (
    SEQUENCE_COLUMNS,
    SEQUENCE_SCHEMA,
    in_order,
    sequence_frame,
    user_sequences,
)
from components.features.store.offline import lay_out, write_item_vectors, write_user_sequences
from components.features.store.sequence_versions import latest_versions
from components.features.vectors import ItemVectors, modality_health
from tests.features.rows import at, events

EARLY = events(("a", "x", 1), ("b", "y", 2))
LATE = events(("a", "x", 1), ("b", "y", 2), ("b", "w", 1))  # b's w became known after the first cut


def stored(home: Path, view: str) -> pd.DataFrame:
    return pq.ParquetDataset(home / "offline" / view).read().to_pandas()


def vectors_of(ids: list[str], value: float, encoder: str = "net/2") -> ItemVectors:
    matrix, mask = np.full((len(ids), 2), value, dtype=np.float32), np.ones(len(ids), dtype=bool)
    return ItemVectors(
        item_ids=np.array(ids, dtype=object),
        vectors={"text": matrix},
        present={"text": mask},
        encoders={"text": encoder},
        health={"text": modality_health(matrix, mask)},
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order_of_writing_gives_the_same_sequences(tmp_path: Path, order):
    """Two cuts, the first cut again with a late event, and all of it once more: the later known stays."""
    writes = [
        user_sequences(EARLY, cutoff=at(5)),
        user_sequences(LATE, cutoff=at(9)),
        user_sequences(LATE, cutoff=at(5), known_at=at(7)),
        user_sequences(EARLY, cutoff=at(5)),
    ]
    lay_out(tmp_path)
    for i in order:
        write_user_sequences(tmp_path, writes[i])
    rows = stored(tmp_path, "user_sequence")
    assert [(r.user_id, r.cut_us, list(r.item_ids)) for r in rows.itertuples()] == [
        ("a", 4_999_999, ["x"]),
        ("b", 4_999_999, ["w", "y"]),
        ("a", 8_999_999, ["x"]),
        ("b", 8_999_999, ["w", "y"]),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_of_writing_gives_the_same_item_vectors(tmp_path: Path, order):
    """Item i at moment 1 twice: what was known at 9 counts from there on; j and i's later content beside it."""
    writes = [
        (vectors_of(["i"], 1.0), [at(1)], at(5)),
        (vectors_of(["i"], 2.0), [at(1)], at(9)),
        (vectors_of(["i", "j"], 3.0), [at(4), at(1)], at(5)),
    ]
    lay_out(tmp_path)
    for n in order:
        vectors, available, known = writes[n]
        write_item_vectors(tmp_path, vectors, available_at=available, known_at=known)
    rows = stored(tmp_path, "item_content_text")
    assert [(r.item_id, r.event_timestamp.timestamp(), r.vector[0]) for r in rows.itertuples()] == [
        ("i", 1.0, 1.0),
        ("i", 4.0, 3.0),
        ("i", 8.999999, 2.0),
        ("j", 1.0, 3.0),
    ]


def test_an_item_without_a_moment_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="a moment for each of the 2 items"):
        write_item_vectors(tmp_path, vectors_of(["i", "j"], 1.0), available_at=[at(1), None], known_at=at(2))


def test_a_kill_while_writing_leaves_the_old_rows_and_the_next_write_succeeds(tmp_path: Path):
    lay_out(tmp_path)
    write_user_sequences(tmp_path, user_sequences(EARLY, cutoff=at(5)))
    program = (
        "import sys; from pathlib import Path\n"
        "from components.features.sequences import user_sequences\n"
        "from components.features.store.offline import write_user_sequences\n"
        "from tests.features.rows import at\n"
        "from tests.features.store.test_offline import LATE\n"
        "write_user_sequences(Path(sys.argv[1]), user_sequences(LATE, cutoff=at(5), known_at=at(7)))\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=os.environ | {"CRASH_AT": "feature-store:written-aside"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert [list(row) for row in stored(tmp_path, "user_sequence")["item_ids"]] == [["x"], ["y"]]
    write_user_sequences(tmp_path, user_sequences(LATE, cutoff=at(5), known_at=at(7)))
    assert [list(row) for row in stored(tmp_path, "user_sequence")["item_ids"]] == [["x"], ["w", "y"]]


def former_choice(rows: pd.DataFrame) -> pd.DataFrame:
    """As pandas chose before: later known, then longer, then the greater text of its lists."""
    content = rows[["item_ids", "event_types", "times"]].astype(str).agg("".join, axis=1)
    order = ["created_timestamp", "num_events", "content"]
    kept = rows.assign(content=content).sort_values(order).drop_duplicates("user_id", keep="last")
    return kept.drop(columns="content").sort_values("user_id").reset_index(drop=True)


@pytest.mark.parametrize("seed", range(8))
def test_of_two_versions_the_same_rows_stay_as_by_a_sort_of_objects(seed: int):
    """Users on one side or both; the same moment and length with other items, types or times; equal rows; no lists."""
    rng = np.random.default_rng(seed)

    def version() -> pd.DataFrame:
        rows = []
        for user in rng.permutation(12)[: rng.integers(0, 12)].tolist():
            length = int(rng.integers(0, 3))
            rows.append(
                {
                    "user_id": f"u{user}",
                    "item_ids": [f"i{i}" for i in rng.integers(0, 2, length)],
                    "event_types": [str(kind) for kind in rng.choice(["view", "buy"], length)],
                    "times": rng.integers(9, 11, length).tolist(),
                    "num_events": length + int(rng.integers(0, 2)),
                    "event_timestamp": pd.Timestamp(at(20)),
                    "created_timestamp": pd.Timestamp(at(int(rng.integers(30, 32)))),
                }
            )
        return pd.DataFrame(rows, columns=SEQUENCE_COLUMNS)

    stored, new = version(), version()
    tables = [
        pa.Table.from_pandas(one, schema=SEQUENCE_SCHEMA, preserve_index=False) for one in (stored, new)
    ]
    found = sequence_frame(in_order(latest_versions(*tables)))
    expected = former_choice(pd.concat([sequence_frame(table) for table in tables]))
    pd.testing.assert_frame_equal(found, expected[SEQUENCE_COLUMNS], check_dtype=False)
