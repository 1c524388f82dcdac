"""Two processes promote at the same moment, again and again: each round has one winner, and nothing is lost.

RACE_ROUNDS=200 makes it the long drill.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import pytest

from components.data.lease import LeaseHeld
from components.data.ledger import current_champion, promotions
from components.data.warehouse import Engine, open_warehouse
from components.registry.drift import drift_of_alias
from components.registry.promotion import promote
from components.registry.versions import aliases
from tests.registry.conftest import tagged_version

ROUNDS = int(os.environ.get("RACE_ROUNDS", "25"))
MODEL = "raced"
_PATIENCE = 60.0

_fork = multiprocessing.get_context("fork")


def contend(url: str, mine: list[str], together: Barrier, tell: Connection) -> None:
    """Promote one version of mine a round, over whoever was champion before the round began."""
    engine, won = open_warehouse(url), []
    for version in mine:
        expected = current_champion(engine, MODEL)
        together.wait(_PATIENCE)
        won.append(moves(engine, version, expected))
        together.wait(_PATIENCE)
    tell.send(won)


def moves(engine: Engine, version: str, expected: str | None) -> bool:
    """Whether this one won. On a machine so busy that the other holds the lease for 10 s, it is told so, and lost."""
    try:
        return promote(
            engine,
            model_name=MODEL,
            version=version,
            expected_champion=expected,
            verdict="PROMOTE",
            actor=str(os.getpid()),
            reason="race",
            evidence={},
        ).moved
    except LeaseHeld:
        return False


@pytest.mark.timeout(60 + 20 * ROUNDS)
def test_each_round_has_one_winner(mlflow_here: str, warehouse_url: str, warehouse: Engine):
    entrants = [[tagged_version(MODEL).version for _ in range(2)] for _ in range(ROUNDS)]
    warehouse.dispose()  # each process opens its own connections
    together, told = _fork.Barrier(2), []
    for lane in range(2):
        receiver, sender = _fork.Pipe(duplex=False)
        mine = [versions[lane] for versions in entrants]
        racer = _fork.Process(target=contend, args=(warehouse_url, mine, together, sender), daemon=True)
        racer.start()
        told.append((racer, receiver))
    won = []
    for racer, receiver in told:
        assert receiver.poll(_PATIENCE + 10 * ROUNDS), f"racer {racer.pid} ended without a word"
        won.append(receiver.recv())
        racer.join(_PATIENCE)

    assert [sorted(lanes) for lanes in zip(*won, strict=True)] == [[False, True]] * ROUNDS
    winners = [pair[0] if first else pair[1] for pair, first in zip(entrants, won[0], strict=True)]
    entries = promotions(warehouse, MODEL)
    assert [entry.version for entry in entries] == winners
    assert [entry.previous_version for entry in entries] == [None, *winners[:-1]]
    assert aliases(MODEL) == {"champion": winners[-1]}
    assert drift_of_alias(warehouse, MODEL).state == "agree"
