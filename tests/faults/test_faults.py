"""The short half of `make faults`: as the command runs it, and that the harness can fail."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.faults import services
from tests.faults.fault import Fault, Outcome, Tally, strike_all
from tests.faults.page import as_json
from tests.faults.parts import keep_tally, struck_part
from tests.faults.refusing import is_possible

CHECKOUT = Path(__file__).resolve().parents[2]
KINDS = ["kills", "disk", "corruption", "inputs", "races", "security", "services", "upgrades"]
for name, possible in (("disk", is_possible), ("services", services.is_possible)):
    if not possible():
        KINDS.remove(name)


@pytest.mark.timeout(1800)  # a minute of CPU, on a machine that other work may share
def test_whatever_strikes_in_a_minute_leaves_no_harm():
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--short", "--only", ",".join(KINDS)],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    told = json.loads(done.stdout.splitlines()[-1])
    # another user of this machine may have the one path at which a home of a release can lie
    left_out = [kind for kind in ("upgrades",) if f"{kind} is left out: " in done.stdout]
    assert list(told["by kind"]) == [kind for kind in KINDS if kind not in left_out]
    assert told["armed"] == told["fired"] > 600
    assert told["violated"] == 0


def fault(outcome: Outcome) -> Fault:
    return Fault(kind="k", name="n", where="w", holds="h", strike=lambda: outcome)


def test_what_never_fired_and_what_did_harm_fail_and_are_told():
    said: list[str] = []
    struck = [
        fault(Outcome(fired=True)),
        fault(Outcome(fired=False)),
        fault(Outcome(fired=True, violations=("lost",))),
    ]
    tally = strike_all("k", struck, said.append)
    assert (tally.armed, tally.fired, tally.violated, tally.is_good) == (3, 2, 1, False)
    assert said == ["k / w / n: armed, and never fired", "k / w / n: lost"]
    assert json.loads(as_json([tally]))["by kind"] == {"k": {"armed": 3, "fired": 2, "violated": 1}}


def test_a_harness_that_breaks_down_and_one_without_faults_fail():
    def breaks() -> Outcome:
        raise KeyError("x")

    broken = Fault(kind="k", name="n", where="w", holds="h", strike=breaks)
    assert not strike_all("k", [broken], lambda line: None).is_good
    assert not strike_all("k", [], lambda line: None).is_good


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", "it ended with -9, and left no tally"),
        # a child, such as a server, that holds the pipe open for a minute
        (
            "import os, sys, time; at = open(sys.argv[1], 'w'); child = os.fork() or time.sleep(60); "
            "at.write(str(child)); at.close(); os._exit(3)",
            "it ended with 3, and left no tally",
        ),
        ("import time; time.sleep(60)", "it had not ended after 2 s"),
        ("import os; os.close(1); import time; time.sleep(60)", "it had not ended after 2 s"),
    ],
)
def test_a_part_that_dies_or_hangs_is_ended_and_fails(tmp_path: Path, does: str, said: str):
    told: list[str] = []
    begun = time.monotonic()
    # one that ends by itself is given the time that a loaded machine takes to start it
    patience = 2 if "after 2 s" in said else 30
    tally = struck_part(
        ("k", "p"), [sys.executable, "-c", does, str(tmp_path / "child")], tmp_path / "none",
        tell=told.append, patience=patience,
    )  # fmt: skip
    assert time.monotonic() - begun < 40
    if (child := tmp_path / "child").exists():
        assert _ends(int(child.read_text()))
    assert tally is not None
    assert (tally.armed, tally.fired, tally.violated, tally.is_good) == (1, 0, 1, False)
    assert told == [f"k / p: {said}"]


def _ends(pid: int) -> bool:
    """A killed process goes when the machine gets to it, and is a zombie at most, until somebody waits for it."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_a_part_that_armed_nothing_fails_and_one_that_was_left_out_does_not(tmp_path: Path):
    nothing = [sys.executable, "-c", ""]
    keep_tally(Tally(kind="k"), tmp_path / "tally")
    empty = struck_part(("k", "p"), nothing, tmp_path / "tally", tell=lambda line: None)
    assert empty is not None
    assert not empty.is_good
    assert empty.trouble == ["k / p: it armed nothing"]
    keep_tally(None, tmp_path / "tally")
    assert struck_part(("k", "p"), nothing, tmp_path / "tally", tell=lambda line: None) is None


def test_a_part_that_is_not_there_is_told_by_name():
    for asked, said in ((["--only", "races"], "races has no part Mars"), ([], "name it by --only")):
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults", *asked, "--part", "Mars"],
            cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert said in done.stderr


def test_an_interrupt_ends_the_parts_at_once_and_leaves_none():
    """Each is a group of its own, which a terminal's Ctrl-C does not reach."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults", "--only", "kills,races"],
        cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (parts := psutil.Process(process.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert parts
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(40) != 0
    assert not psutil.wait_procs(parts, timeout=10)[1]
