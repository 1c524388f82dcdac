"""The lock, the constraints and pyproject.toml say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "infra" / "lock"
GROUPS = (
    "runtime",
    "postgres",
    "s3",
    "login",
    "ray",
    "dev",
    "docs",
    "audit",
    "fuzz",
)  # each holds what it adds to those before it


def locked(name: str) -> dict[str, str]:
    """Canonical name → version of a lock file."""
    pins = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (LOCK / f"{name}.lock").read_text(), flags=re.MULTILINE)
    return {canonicalize_name(package): version for package, version in pins}


def constrained() -> dict[str, str]:
    """Canonical name → version of infra/constraints.txt."""
    lines = (ROOT / "infra" / "constraints.txt").read_text().split()
    return {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines}


def asked(group: str) -> list[Requirement]:
    """What pyproject.toml asks for directly."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] if group == "runtime" else project["optional-dependencies"][group]
    return [Requirement(line) for line in lines]


def test_every_pin_is_locked_once_at_its_version() -> None:
    found: dict[str, str] = locked("torch")
    for group in GROUPS:
        assert not found.keys() & locked(group).keys(), group
        found |= locked(group)
    assert found == constrained()
    assert locked("installer") == {"uv": constrained()["uv"]}
    assert {path.stem for path in LOCK.glob("*.lock")} == {*GROUPS, "torch", "installer"}


@pytest.mark.parametrize("group", GROUPS)
def test_every_direct_dependency_is_locked_within_its_range(group: str) -> None:
    before = locked("torch")
    for earlier in GROUPS[: GROUPS.index(group) + 1]:
        before |= locked(earlier)
    for requirement in asked(group):
        version = before.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is in no lock: make lock"
        assert requirement.specifier.contains(version), f"{requirement} against {version}: make lock"


@pytest.mark.parametrize("path", sorted(LOCK.glob("*.lock")), ids=lambda path: path.stem)
def test_a_lock_holds_pins_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"^--|^-[a-z]", text, flags=re.MULTILINE)
    pins = [line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith("#")]
    assert pins
    for pin in pins:
        assert re.fullmatch(r"[\w.-]+==[^ ]+( ; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+", pin), pin


def test_both_builds_of_torch_are_locked() -> None:
    """The CPU builds of PyTorch's index beside the files of the default one."""
    from infra.making_lock import TORCH_CPU

    text = (LOCK / "torch.lock").read_text()
    pin = f"torch=={constrained()['torch']}"
    assert TORCH_CPU[pin], "a new torch needs the hashes of its CPU builds, in infra/making_lock.py"
    assert all(digest in text for digest in TORCH_CPU[pin])
    assert text.count("--hash") > len(TORCH_CPU[pin])
