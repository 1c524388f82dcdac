from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine

from components.data.lease import LeaseHeld, LeaseLost, hold_lease, stale_leases, this_process
from components.data.warehouse import open_warehouse

START = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Hands:
    """A clock whose hands the test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def test_one_holder_at_a_time_and_the_other_is_told_who(engine: Engine):
    with hold_lease(engine, "retrain", owner="ann", now=Hands()):
        with pytest.raises(LeaseHeld) as told, hold_lease(engine, "retrain", owner="bob", now=Hands()):
            pass
        for part in ("ann", "2024-05-01 12:00:00", "12:01:00"):
            assert part in str(told.value)
        with hold_lease(engine, "promote", owner="bob", now=Hands()):
            pass


def test_another_spelling_of_the_address_is_the_same_database(tmp_path: Path):
    """A process knows its own leases, and takes none of them from itself."""
    engines = [open_warehouse(f"sqlite:///{tmp_path}{way}/w.db") for way in ("", "/../" + tmp_path.name)]
    with (
        hold_lease(engines[0], "retraining", owner=this_process()),
        pytest.raises(LeaseHeld),
        hold_lease(engines[1], "retraining", owner=this_process()),
    ):
        pass


def test_a_lease_given_back_is_free_at_once_and_the_fence_grows(engine: Engine):
    fences = []
    for owner in ("ann", "bob", "ann"):
        with hold_lease(engine, "retrain", owner=owner) as lease:
            fences.append(lease.fence)
    assert fences == [1, 2, 3]
    assert stale_leases(engine) == []


def test_a_lease_is_given_back_after_an_exception(engine: Engine):
    with pytest.raises(KeyError), hold_lease(engine, "retrain", owner="ann"):
        raise KeyError("a bug")
    with hold_lease(engine, "retrain", owner="bob"):
        pass


def test_an_expired_lease_is_taken_over_and_its_sleeping_holder_finds_out(engine: Engine):
    """Ann sleeps for a minute to the second (no beat comes: a third of the ttl is 20 real seconds)."""
    clock = Hands()
    with hold_lease(engine, "retrain", owner="ann", ttl_seconds=60, now=clock) as anns:
        anns.ensure_held()
        clock.move(59.999)
        with pytest.raises(LeaseHeld), hold_lease(engine, "retrain", owner="bob", now=clock):
            pass
        clock.move(0.001)
        assert [lease.owner for lease in stale_leases(engine, now=clock)] == ["ann"]
        with hold_lease(engine, "retrain", owner="bob", now=clock) as bobs:
            assert bobs.fence == anns.fence + 1
            with pytest.raises(LeaseLost, match="bob"):
                anns.ensure_held()
            bobs.ensure_held()
            anns.give_back()  # not hers to give
            bobs.ensure_held()
            with pytest.raises(LeaseHeld, match="bob"), hold_lease(engine, "retrain", owner="c", now=clock):
                pass


def test_a_living_holder_outlives_its_ttl(engine: Engine):
    with hold_lease(engine, "retrain", owner="ann", ttl_seconds=0.6):
        time.sleep(1.5)
        with pytest.raises(LeaseHeld), hold_lease(engine, "retrain", owner="bob"):
            pass


def test_of_many_who_reach_for_it_at_once_one_gets_it(engine: Engine):
    gate, release = threading.Barrier(8), threading.Event()
    got: list[str] = []

    def reach(owner: str) -> None:
        gate.wait()
        try:
            with hold_lease(engine, "retrain", owner=owner):
                got.append(f"{owner} in")
                release.wait(20)
        except LeaseHeld:
            got.append("refused")
            if len(got) == 8:
                release.set()

    threads = [threading.Thread(target=reach, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got)[:7] == ["refused"] * 7


HOLD = """
import sys, time
from components.data.lease import hold_lease, this_process
from components.data.warehouse import open_warehouse
with hold_lease(open_warehouse(sys.argv[1]), "retrain", owner=this_process()):
    print(this_process(), flush=True)
    time.sleep(60)
"""


def test_a_killed_process_of_this_machine_does_not_keep_its_lease(engine: Engine, tmp_path: Path):
    command = [sys.executable, "-c", HOLD, f"sqlite:///{tmp_path}/warehouse.db"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        owner = holder.stdout.readline().strip()
        with pytest.raises(LeaseHeld), hold_lease(engine, "retrain", owner=this_process()):
            pass
        holder.kill()
        assert holder.wait() == -signal.SIGKILL
    assert [lease.owner for lease in stale_leases(engine)] == [owner]
    with hold_lease(engine, "retrain", owner=this_process()) as lease:
        assert lease.fence == 2


def test_a_process_number_that_went_to_another_process_is_not_its_holder(engine: Engine):
    host = this_process().split(":")[0]
    earlier = psutil.Process().create_time() - 1000
    with hold_lease(engine, "retrain", owner=f"{host}:{os.getpid()}:{earlier:.2f}"):
        assert len(stale_leases(engine)) == 1


@pytest.mark.parametrize("owner", ["elsewhere:1:1.0", "ann", "a:b:c", "", "::"])
def test_nobody_else_is_thought_dead_before_the_lease_ends(engine: Engine, owner: str):
    with hold_lease(engine, "retrain", owner=owner):
        assert stale_leases(engine) == []
