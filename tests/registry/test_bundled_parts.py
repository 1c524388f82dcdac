"""What a bundle holds whole can be put back where it was published."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.artifact import ArtifactDamaged, ArtifactRef, verified
from components.registry.bundled_parts import put_back
from tests.registry.conftest import flip_byte, make_bundle


def parts(root: Path) -> tuple[ArtifactRef, ArtifactRef, ArtifactRef]:
    """Bundle, tokenizer, ID table."""
    bundle = make_bundle(root)
    facts = bundle.facts
    assert facts.tokenizer
    assert facts.id_table
    return tuple(
        ArtifactRef(kind=kind, digest=digest, path=str(root / kind / digest[:20]))
        for kind, digest in (
            ("bundle", bundle.digest), ("tokenizer", facts.tokenizer), ("id_table", facts.id_table)
        )
    )  # type: ignore[return-value]  # fmt: skip


def test_what_was_cleared_away_is_there_again_and_what_is_there_stays(tmp_path: Path):
    bundle, tokenizer, ids = parts(tmp_path)
    shutil.rmtree(ids.path)
    kept = Path(tokenizer.path).stat().st_ino
    put_back(bundle, tokenizer, ids)
    assert verified(ids.path)["digest"] == ids.digest
    assert Path(tokenizer.path).stat().st_ino == kept


def test_a_bundle_that_is_gone_or_holds_another_puts_nothing_back(tmp_path: Path):
    bundle, _, ids = parts(tmp_path)
    shutil.rmtree(ids.path)
    other = ArtifactRef(kind="id_table", digest="0" * 64, path=str(tmp_path / "id_table" / ("0" * 20)))
    put_back(bundle, other)
    shutil.rmtree(bundle.path)
    put_back(bundle, ids)
    assert not Path(ids.path).exists()
    assert not Path(other.path).exists()


def test_a_bundle_that_lies_in_the_object_store_alone_puts_back_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("RECLOOP_ARTIFACTS_URL", (tmp_path / "store").as_uri())
    root = tmp_path / "artifacts"
    bundle, _, ids = parts(root)
    shutil.rmtree(root)
    shutil.rmtree(tmp_path / "store" / "id_table")
    put_back(bundle, ids)
    assert verified(ids.path)["digest"] == ids.digest


def test_a_damaged_copy_is_not_put_back(tmp_path: Path):
    bundle, _, ids = parts(tmp_path)
    shutil.rmtree(ids.path)
    flip_byte(Path(bundle.path) / "tokenizer" / "id_table" / "part.json")
    with pytest.raises(ArtifactDamaged, match=r"part\.json"):
        put_back(bundle, ids)
