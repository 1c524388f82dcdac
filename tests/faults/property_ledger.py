"""The champion of the ledger is what a fold over its entries gives, and no entry can be changed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from components.data.ledger import append_promotion, current_champion, last_promotion, promotions
from components.data.schema import promotions as table
from components.data.warehouse import Engine, open_warehouse, writing
from tests.data.landing import at
from tests.faults.property import Property, names

_MODELS = ("m", "other")


@dataclass(frozen=True, kw_only=True)
class _Move:
    """Of a champion: to a version, back to the one before, or (its version is deleted) to none."""

    what: str  # promote | rollback | delete
    model: str
    version: str


def properties(folder: Path) -> Iterator[Property]:
    open_warehouse(f"sqlite:///{folder}/ledger.db").dispose()
    moves = st.builds(
        _Move, what=st.sampled_from(["promote", "rollback", "delete"]), model=st.sampled_from(_MODELS), version=names
    )  # fmt: skip
    yield Property(
        name="ledger replay", where="append_promotion",
        holds="the champion is a fold over the moves, of which none can be changed",
        examples=st.lists(moves, max_size=8), check=partial(_check, folder),
    )  # fmt: skip


def _check(folder: Path, moves: list[_Move]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as home:
        shutil.copy(folder / "ledger.db", f"{home}/warehouse.db")
        engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
        try:
            _replayed(engine, moves)
        finally:
            engine.dispose()


def _replayed(engine: Engine, moves: list[_Move]) -> None:
    lines: dict[str, list[str]] = {model: [] for model in _MODELS}  # champions, the present one last
    for number, move in enumerate(moves):
        before = {model: [asdict(entry) for entry in promotions(engine, model)] for model in _MODELS}
        _make(engine, move, lines[move.model], number)
        for model in _MODELS:
            expected = lines[model][-1] if lines[model] else None
            assert current_champion(engine, model) == expected, (
                f"{moves[: number + 1]}: {model} is not {expected!r}"
            )
            now = [asdict(entry) for entry in promotions(engine, model)]
            assert now[: len(before[model])] == before[model], (
                f"{moves[: number + 1]} changed an earlier entry"
            )
            assert len(now) == len(before[model]) + (model == move.model), f"{moves}: not one entry a move"
            last = last_promotion(engine, model)
            assert (asdict(last) if last else None) == (now[-1] if now else None), (
                f"{moves}: another is the last"
            )
    _refuses_to_forget(engine, moves)


def _make(engine: Engine, move: _Move, line: list[str], number: int) -> None:
    previous = line[-1] if line else None
    if move.what == "promote":
        line.append(move.version)
    elif move.what == "rollback":
        del line[-1:]
    else:
        line.clear()
    append_promotion(
        engine, action="promote" if move.what == "promote" else "rollback", model=move.model,
        version=line[-1] if line else None, previous_version=previous, expected_version=previous, verdict="PROMOTE",
        actor="a", reason=move.what, evidence={"number": number}, now=lambda: at(number),
    )  # fmt: skip


def _refuses_to_forget(engine: Engine, moves: list[_Move]) -> None:
    for statement in (update(table).values(version="x"), delete(table)) if moves else ():
        try:
            with writing(engine, "ledger") as connection:
                connection.execute(statement)
        except IntegrityError:
            continue
        raise AssertionError(f"the ledger took {statement}")
