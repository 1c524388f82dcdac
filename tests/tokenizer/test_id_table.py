"""The published ID table: named by its rows and its tokenizer, and read only whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.artifact import ArtifactDamaged, ArtifactRef, verified
from components.tokenizer.id_table import IDS_FILE, publish_id_table, read_id_table, table_sizes_of
from components.tokenizer.ids import SemanticIds

TOKENIZER = ArtifactRef(kind="tokenizer", digest="7" * 64, path="nowhere")
TABLE = SemanticIds(item_ids=np.array(["a", "b"], dtype=object), codes=np.array([[3, 1, 0], [3, 1, 1]]))


def test_it_comes_back_as_it_was_published(tmp_path: Path):
    ref = publish_id_table(tmp_path, TABLE, tokenizer=TOKENIZER, table_sizes=[4, 4, 8])
    assert (ref.kind, read_id_table(ref).digest) == ("id_table", TABLE.digest)
    assert table_sizes_of(ref) == [4, 4, 8]
    manifest = verified(ref.path)
    assert list(manifest["files"]) == ["semantic_ids.parquet"]
    assert manifest["parents"] == {"tokenizer": TOKENIZER.digest}
    assert manifest["config"] == {"num_items": 2, "table_sizes": [4, 4, 8]}


def test_its_digest_is_of_rows_and_tokenizer(tmp_path: Path):
    other = ArtifactRef(kind="tokenizer", digest="8" * 64, path="nowhere")
    refs = [
        publish_id_table(tmp_path / folder, TABLE, tokenizer=tokenizer, table_sizes=[4, 4, 8])
        for folder, tokenizer in (("one", TOKENIZER), ("two", TOKENIZER), ("two", other))
    ]
    assert refs[0].digest == refs[1].digest != refs[2].digest


def test_a_table_of_other_bytes_is_not_read(tmp_path: Path):
    ref = publish_id_table(tmp_path, TABLE, tokenizer=TOKENIZER, table_sizes=[4, 4, 8])
    path = Path(ref.path) / IDS_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactDamaged, match=r"semantic_ids\.parquet: SHA-256 is"):
        read_id_table(ref)
    with pytest.raises(ArtifactDamaged):
        table_sizes_of(ref)
