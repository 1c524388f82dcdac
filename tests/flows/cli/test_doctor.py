"""`recloop doctor` prints what is wrong, how to fix it, and says so by its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import app


def test_what_is_wrong_is_printed_with_its_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(address, raising=False)
    for name in ("PREFECT", "MLFLOW", "DOCS"):
        monkeypatch.setenv(
            f"RECLOOP_{name}_PORT", {"PREFECT": "14931", "MLFLOW": "14932", "DOCS": "14933"}[name]
        )
    monkeypatch.setattr("flows.local.diagnosis._NEEDED_MEMORY_GB", 0.0)
    monkeypatch.setattr("flows.local.diagnosis._NEEDED_DISK_GB", 0.0)
    monkeypatch.setenv("RECLOOP_THREADS", "1")
    well = CliRunner().invoke(app, ["--home", str(tmp_path), "doctor"])
    assert well.exit_code == 0, well.output
    assert "fix:" not in well.output
    monkeypatch.setattr("flows.local.diagnosis._NEEDED_MEMORY_GB", 1e9)
    amiss = CliRunner().invoke(app, ["--home", str(tmp_path), "doctor"])
    assert amiss.exit_code == 1
    assert "fix: close other programs" in amiss.output
