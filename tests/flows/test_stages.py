"""What a stage depends on, told by digests."""

from pathlib import Path

import pytest

from flows import stages


def test_pages_and_styles_count_as_code_and_caches_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "components" / "evaluation"
    written = {
        room / "page.py": "pass",
        room / "report" / "page.css": "body {}",
        tmp_path / "infra" / "constraints.txt": "numpy==1",
    }
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(stages, "_ROOT", tmp_path)
    before = stages.code_digest.__wrapped__("evaluation")
    (room / "__pycache__").mkdir()
    (room / "__pycache__" / "page.cpython-311.pyc").write_text("compiled")
    (room / ".page.py.swp").write_text("being edited")
    assert stages.code_digest.__wrapped__("evaluation") == before
    found = {before}
    for path in written:
        path.write_text("changed")
        found.add(stages.code_digest.__wrapped__("evaluation"))
    assert len(found) == 1 + len(written)
