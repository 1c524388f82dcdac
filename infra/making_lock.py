"""Make infra/lock anew: every pin of infra/constraints.txt with the hashes of its files, by what needs it.

`make lock` installs pyproject's dependencies under the constraints and then runs this. Which group a package belongs to
is read from the metadata of what is installed; the hashes come from the index that uv is told of, for every platform
that the index has files for.

    runtime.lock    what recloop imports, but torch
    postgres, s3, login, ray: what each of these extras adds
    dev.lock        what [dev] adds, for tests and checks
    docs.lock       what [docs] adds, for the site
    audit.lock      what [audit] adds, for the security workflow
    fuzz.lock       what [fuzz] adds, for `make faults ONLY=fuzz`
    installer.lock  uv, which installs the three
    torch.lock      torch: files of the default index, and CPU builds of PyTorch's own (TORCH_CPU below)
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "infra" / "lock"
_PYTHON = "3.11"

# Files of torch that the default index does not have: the CPU builds for CPython 3.11 of PyTorch's own index, as their
# SHA-256 stands on its page. A new pin of torch needs new ones.
TORCH_CPU = {
    "torch==2.13.0": (
        "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",  # 2.13.0+cpu, manylinux x86_64
        "84453b69508ec79902f899c5ed9495acb9e2bbe9fda5f1d5d6f19e3c3842e1a7",  # 2.13.0+cpu, manylinux aarch64
    )
}


class LockError(Exception):
    """The constraints do not hold what pyproject.toml needs; the message names the packages."""


def main() -> None:
    """Write every file of infra/lock. Raises LockError."""
    pins, groups = read_pins(), grouped()
    wanted = set().union(*groups.values()) - {"pip"}  # pip is the environment's own
    if missing := sorted(wanted - set(pins)):
        told = ", ".join(f"{name}=={distribution(name).version}" for name in missing)
        raise LockError(f"infra/constraints.txt has no pin of {told}: add them, then run make lock again")
    if unused := sorted(set(pins) - wanted):
        raise LockError(
            f"nothing in pyproject.toml needs {', '.join(unused)}: take them out of infra/constraints.txt"
        )
    for group, names in groups.items():
        write(group, [pins[name] for name in sorted(names - {"torch", "pip"})])
    write("installer", [pins["uv"]])
    write("torch", [pins["torch"]], also=TORCH_CPU.get(pins["torch"], ()))


def read_pins() -> dict[str, str]:
    """Canonical name → line of infra/constraints.txt."""
    lines = (ROOT / "infra" / "constraints.txt").read_text().split()
    return {canonicalize_name(line.partition("==")[0]): line for line in lines}


def grouped() -> dict[str, set[str]]:
    """Group → canonical names of what it adds to the groups before it, as installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {"runtime": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, set[str]] = {}
    for group, requirements in asked.items():
        before = set().union(*found.values())
        found[group] = closure(Requirement(text) for text in requirements) - before
    return found


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """Everything that these need on this platform. Of torch's own needs only what it shares with a CPU build."""
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(r.name), extra) for r in requirements for extra in ("", *r.extras)]
    while waiting:
        if (pair := waiting.pop()) in seen:
            continue
        seen.add(pair)
        name, extra = pair
        for needed in needs(name, extra):
            if name == "torch" and not installed(needed.name):
                continue  # libraries of CUDA, on a machine whose torch has none
            waiting += [(canonicalize_name(needed.name), more) for more in ("", *needed.extras)]
    return {name for name, _ in seen if not name.startswith(("nvidia-", "cuda-", "triton"))}


def needs(name: str, extra: str) -> list[Requirement]:
    """What an installed package needs here, with this extra of it."""
    told = (Requirement(text) for text in distribution(name).requires or ())
    return [r for r in told if r.marker is None or r.marker.evaluate({"extra": extra})]


def installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def write(group: str, pins: list[str], *, also: Iterable[str] = ()) -> None:
    """One lock file: each pin with its hashes, no address of an index."""
    asked = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--no-deps",
        "--universal",
        "--generate-hashes",
    ]
    style = ["--no-header", "--no-annotate", "--python-version", _PYTHON, "-"]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [*asked, *style], input="\n".join(pins), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LockError(f"uv could not find the hashes of {group}: {done.stderr.strip()}")
    more = "".join(f" \\\n    --hash=sha256:{digest}" for digest in also)
    text = f"# Made by `make lock`; edit infra/constraints.txt instead.\n{done.stdout.rstrip()}{more}\n"
    (LOCK / f"{group}.lock").write_text(text)
    print(f"infra/lock/{group}.lock: {len(pins)} packages")


if __name__ == "__main__":
    try:
        main()
    except LockError as error:
        sys.exit(str(error))
