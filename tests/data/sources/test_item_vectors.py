"""Vectors that a source brings of its items: read in every form they come in, refused by file, row, value and fix."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.item_vectors import SourceVectors
from components.data.sources.opening import open_source

IDS = ["i0", "i1", "i2", "i3"]
ROWS = [[1, 2, 3], [4, 5, 6], None, [7, 8, 9]]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    events = "".join(f"u{n % 3},i{n % 5},{1704067200 + n}\n" for n in range(20))
    (tmp_path / "events.csv").write_text(f"user_id,item_id,timestamp\n{events}")
    (tmp_path / "items.csv").write_text("item_id,title\n" + "".join(f"i{n},Work {n}\n" for n in range(5)))
    return tmp_path


def read(folder: Path, mapping: str = "") -> SourceVectors | None:
    return open_source(str(folder), home=folder, mapping=mapping).item_vectors()


def held(folder: Path, mapping: str = "") -> SourceVectors:
    found = read(folder, mapping)
    assert found is not None
    return found


def parquet(path: Path, vectors: list, kind: pa.DataType, ids: list[str] | None = None, **names: str) -> None:
    item, vector = names.get("item", "item_id"), names.get("vector", "vector")
    pq.write_table(pa.table({item: ids or IDS, vector: pa.array(vectors, kind)}), path)


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.int64())],
)
def test_lists_of_any_number_become_one_float32_matrix(shop: Path, kind: pa.DataType) -> None:
    parquet(shop / "vectors.parquet", ROWS, kind)
    found = held(shop)
    assert (found.vectors.dtype, found.vectors.tolist()) == (np.float32, [ROWS[0], ROWS[1], ROWS[3]])
    assert found.item_ids.tolist() == ["i0", "i1", "i3"]
    assert found.told([f"i{n}" for n in range(5)]) == ("vectors: vectors.parquet, 3 wide, 3 of 5 items",)
    assert found.reading.remarks == ("vector: 1 of 4 rows hold no vector, which is allowed",)


def test_fixed_size_lists_too(shop: Path) -> None:
    parquet(shop / "vectors.parquet", [[1, 2], [3, 4]], pa.list_(pa.float32(), 2), ids=["i0", "i1"])
    assert held(shop).vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "printed", ["[4, 5, 6]", "[4. 5. 6.]", "(4;5;6)", "4 5  6", "{4|5|6}", "[4,\n 5,\n 6]"]
)
def test_a_list_that_was_printed_is_the_same_list(shop: Path, printed: str) -> None:
    (shop / "vectors.csv").write_text(f'item_id,vector\ni0,"[1, 2, 3]"\ni1,"{printed}"\ni2,\ni3,"7,8,9"\n')
    parquet(shop / "other.parquet", ROWS, pa.list_(pa.float32()))
    assert held(shop).vectors.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert (
        held(shop).digest == held(shop, "vectors=other.parquet").digest
    )  # of what was read, not of the file


def test_json_lines_and_ids_of_no_item(shop: Path) -> None:
    lines = [json.dumps({"item_id": item, "embedding": [1.5, 2, 3]}) for item in ("i0", "i1", "I2", "zz")]
    (shop / "vectors.jsonl").write_text("\n".join(lines) + "\n")
    assert held(shop).told([f"i{n}" for n in range(5)]) == (
        "vectors: vectors.jsonl, 3 wide, 2 of 5 items",
        "2 vectors are of no item, such as 'I2', and are left; the nearest items: 'I2' → 'i2'",
    )


def test_a_column_of_the_items_and_a_name_of_ones_own(shop: Path) -> None:
    (shop / "items.csv").write_text('item_id,title,embedding,mine\ni0,Hat,"[1, 2]",[3]\ni1,Cup,,[4]\n')
    assert held(shop).vectors.tolist() == [[1, 2]]
    assert held(shop, "vector=mine").vectors.tolist() == [[3], [4]]
    assert read(shop, "vectors=none") is None
    batch = open_source(str(shop), home=shop).read(None, None)
    assert batch.readings[1].left == ("mine",)  # embedding is taken, though not by this table


def test_recloop_yaml_and_map_name_file_and_column(shop: Path) -> None:
    parquet(shop / "e.parquet", ROWS, pa.list_(pa.float32()), item="sku", vector="embed")
    assert read(shop) is None
    assert len(held(shop, "vectors=e.parquet,vectors.item=sku,vector=embed").item_ids) == 3
    (shop / "recloop.yaml").write_text("vectors: {file: e.parquet, columns: {item: sku, vector: embed}}\n")
    assert len(held(shop).item_ids) == 3
    assert open_source(str(shop), home=shop).read(None, None).events["item_id"].nunique() == 5


def test_yambda_brings_its_embeddings(tmp_path: Path) -> None:
    listens = {"uid": [1, 2], "item_id": [10, 20], "timestamp": [5, 10]}
    pq.write_table(pa.table(listens), tmp_path / "listens.parquet")
    pq.write_table(
        pa.table({"artist_id": [7, 8], "item_id": [10, 20]}), tmp_path / "artist_item_mapping.parquet"
    )
    both = {
        "item_id": [10, 20],
        "embed": [[3.0, 4.0], [0.0, 2.0]],
        "normalized_embed": [[0.6, 0.8], [0.0, 1.0]],
    }
    pq.write_table(pa.table(both), tmp_path / "embeddings.parquet")
    found = held(tmp_path)
    assert (found.item_ids.tolist(), found.vectors.tolist()) == (["10", "20"], [[3, 4], [0, 2]])
    assert (
        open_source(str(tmp_path), home=tmp_path).read(None, None).readings[0].remarks[0] == "read as Yambda"
    )


def csv(*rows: str) -> str:
    return "item_id,vector\n" + "".join(f"{row}\n" for row in rows)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (csv('i0,"[1, 2]"', "i1,[3 4 5]"), r"csv: column 'vector', row 1 \(item 'i1'\): a vector of 3 numbers"),
        (csv('i0,"[1, 2]"', "i1,[3 nan]"), r"row 1 \(item 'i1'\): number 2 is not finite \(nan\)\. Write a list"),
        (csv('i0,"[1, -inf]"'), r"row 0 \(item 'i0'\): number 2 is not finite \(-inf\)"),
        (csv('i0,"[1, 1e39]"'), r"number 2 is not finite \(1e39\)"),  # float32 ends at 3.4e38
        (csv("i0,[1 ... 2]"), r"row 0 \(item 'i0'\): it was printed shortened"),
        (csv('i0,"[1, two]"'), r"row 0 \(item 'i0'\): no list of numbers \('two'\)"),
        (csv('i0,"[1, 2]"', "i9,", 'i0,"[1, 3]"'), r"row 2: item 'i0' has another vector than in .*: row 0"),
        (csv("i0,", "i1,"), r"no row holds a vector in column 'vector'.*--map vectors=none"),
        ("item_id,emb\ni0,[1]\n", r"no column 'vector'.*\n.*--map vector=emb"),
    ],
)  # fmt: skip
def test_what_is_no_vector_is_refused_by_row_value_and_fix(shop: Path, text: str, says: str) -> None:
    (shop / "vectors.csv").write_text(text)
    with pytest.raises(DataContractError, match=says):
        read(shop)


@pytest.mark.parametrize(
    ("vectors", "kind", "says"),
    [
        ([1.0, 2.0, 3.0, 4.0], pa.float64(), r"row 0 \(item 'i0'\): double is no list of numbers \(1\.0\)"),
        ([[1.0, 2.0], [1.0, None], None, None], pa.list_(pa.float64()), r"row 1 .*number 2 of the vector is missing"),
        ([[[1.0]], None, None, None], pa.list_(pa.list_(pa.float64())), "lists within a list are no vector"),
    ],
)  # fmt: skip
def test_a_column_of_another_kind_is_refused(shop: Path, vectors: list, kind: pa.DataType, says: str) -> None:
    parquet(shop / "vectors.parquet", vectors, kind)
    with pytest.raises(DataContractError, match=says):
        read(shop)


def test_a_row_that_says_the_same_again_is_counted(shop: Path) -> None:
    (shop / "vectors.csv").write_text(csv('i0,"[1, 2]"', 'i1,"[3, 4]"', 'i0,"[1, 2]"'))
    assert held(shop).item_ids.tolist() == ["i0", "i1"]
    assert held(shop).reading.remarks == ("1 rows say again what an earlier one said of their item",)


def test_a_file_that_was_named_must_be_there(shop: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"no file of vectors; one of e\.parquet must lie there"):
        read(shop, "vectors=e.parquet")
    with pytest.raises(DataContractError, match=r"no column 'vector'.*Name it 'embed'"):
        read(shop, "vector=embed")


def test_each_item_finds_its_row(shop: Path) -> None:
    parquet(shop / "vectors.parquet", ROWS, pa.list_(pa.float32()))
    of = held(shop).of(["i3", "i4", "i0"])
    assert [None if vector is None else vector.tolist() for vector in of] == [[7, 8, 9], None, [1, 2, 3]]
