"""The ways in: Makefile, CI, and the workflow that runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def made(*arguments: str) -> str:
    """What make says it would run, without running it; no setting of the caller's counts."""
    settings = set(re.findall(r"^(\w+) \?=", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in settings},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_make_alone_lists_every_target() -> None:
    targets = set(re.search(r"\.PHONY: (.+)", (ROOT / "Makefile").read_text())[1].split())
    listed = set(re.findall(r"^  make (\w+)", made(), flags=re.MULTILINE))
    assert listed == targets
    assert {"demo", "test", "check", "ui", "bench", "help", "clean"} <= targets


def test_demo_passes_the_data_on_whole() -> None:
    assert '.venv/bin/recloop demo --data "my data/films"' in made("-n", "demo", "DATA=my data/films")
    assert '.venv/bin/recloop demo --data "movielens"' in made("-n", "demo")


def test_bench_passes_on_what_is_asked_and_nothing_else() -> None:
    asked = made("-n", "bench", "ONLY=accuracy,table", "ARMS=hstu,tiger", "SEEDS=4", "DATA=my data")
    for option in ('--only "accuracy,table"', '--arms "hstu,tiger"', '--seeds "4"', '--data "my data"'):
        assert option in asked
    assert "--" not in made("-n", "bench").split("tests.benchmarks")[1]


def installs(*arguments: str) -> list[str]:
    """The commands of an installation, of pip and of uv."""
    said = made("-n", "-W", "pyproject.toml", "install", *arguments).replace("\\\n", " ").splitlines()
    return [line for line in said if re.search(r"pip (install|download)|uv pip", line)]


def test_an_index_for_torch_is_for_torch_only() -> None:
    lines = installs("TORCH_INDEX=https://x.example/cpu")
    assert ["--index-url" in line for line in lines] == [True, *[False] * (len(lines) - 1)]
    assert '"torch==' in lines[0]
    assert not any("--index-url" in line for line in installs("TORCH_INDEX="))


def test_everything_is_installed_against_its_hash() -> None:
    """But libraries of a CUDA build of torch, which the last call of pip brings where there are any."""
    lines = installs()
    hashed = [line for line in lines if "--require-hashes" in line]
    assert [re.findall(r"\w+\.lock", line)[-1] for line in hashed] == [
        "torch.lock",
        "installer.lock",
        "docs.lock",
    ]
    assert all("--no-deps" in line for line in hashed)
    assert not any("torch.lock" in line for line in installs("TORCH_LOCK="))
    assert any("runtime.lock" in line and "dev.lock" not in line for line in installs("LOCKS=runtime"))


def test_another_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    done = subprocess.run(
        ["make", ".venv/bin/python", "PYTHON=/bin/false"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "recloop needs Python 3.11" in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_ci_runs_what_a_contributor_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    assert lines[-3:] == ["make check", "make docs", "make test"]
    assert any(".ci/run" in path.read_text() for path in WORKFLOWS)


def test_a_users_own_module_of_our_name_is_not_shadowed(tmp_path: Path) -> None:
    """In their folder `import flows` finds theirs, and the command line there is still ours."""
    (tmp_path / "flows.py").write_text("whose = 'theirs'\n")
    theirs = subprocess.run(
        [sys.executable, "-c", "import flows; print(flows.whose)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert theirs.stdout == "theirs\n"
    script = Path(sys.executable).with_name("recloop")
    done = subprocess.run([script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " retrain " in done.stdout
