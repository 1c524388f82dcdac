"""Workflows: pinned, allowed little, and fit for forks. zizmor and the schema check more, in `make check`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.verdict_markdown import MARKER

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# job → the rights that it has beyond reading the repository
_MORE = {
    "pipeline:comment": {"actions": "read", "pull-requests": "write"},
    "deploy:image": {"packages": "write"},
}


def read(name: str) -> dict[str, Any]:
    """A workflow; the key `on` is YAML's true."""
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def steps_of(name: str) -> Iterator[dict[str, Any]]:
    for job in read(name)["jobs"].values():
        yield from job.get("steps", [])


@pytest.mark.parametrize("name", [path.stem for path in WORKFLOWS])
def test_workflows_are_pinned_and_may_do_little(name: str) -> None:
    workflow = read(name)
    assert workflow["permissions"] in ({"contents": "read"}, {})
    assert "pull_request_target" not in workflow[True]
    for job_name, job in workflow["jobs"].items():
        more = {right: how for right, how in job.get("permissions", {}).items() if right != "contents"}
        assert more == _MORE.get(f"{name}:{job_name}", {})
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
        else:
            assert job["timeout-minutes"] <= (300 if name == "cycle" else 60)
    for step in steps_of(name):
        assert "${{" not in step.get("run", ""), "a value goes into a script by env, where no shell reads it"
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_one_action_has_one_pin() -> None:
    pins = {step["uses"] for path in WORKFLOWS for step in steps_of(path.stem) if "uses" in step}
    assert len(pins) == len({pin.partition("@")[0] for pin in pins})


def test_the_job_that_may_comment_runs_no_code_of_the_pull_request() -> None:
    comment = read("pipeline")["jobs"]["comment"]
    assert "head.repo.full_name == github.repository" in comment["if"]
    assert not any("uses" in step for step in comment["steps"])
    assert MARKER in comment["steps"][0]["run"]


def test_make_targets_that_workflows_call_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    called = {
        word for path in WORKFLOWS for step in steps_of(path.stem)
        for word in re.findall(r"^make (\w+)", step.get("run", ""), flags=re.MULTILINE)
    }  # fmt: skip
    assert called
    assert called <= targets


def test_the_caller_installs_prefect_as_it_is_pinned() -> None:
    pins = (ROOT / "infra" / "constraints.txt").read_text().lower().split()
    install = next(step["run"] for step in steps_of("cycle") if "pip install" in step.get("run", ""))
    asked = re.findall(r"\w+==[\d.]+", install)
    assert len(asked) == 3
    assert set(asked) <= set(pins)
