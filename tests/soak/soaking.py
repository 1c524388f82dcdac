"""The soak itself: strike, run undisturbed, sweep, look."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from tests.faults.child import done
from tests.soak import growth, upkeep
from tests.soak.cycle import MODEL, cycle
from tests.soak.invariants import History, violations
from tests.soak.resident import Resident, WorkFailed
from tests.soak.source import USERS, Day
from tests.soak.strikes import RETENTION, Deck, State, Strike, every_strike

_ERASED_AT_MOST = USERS // 4


class Soak:
    """A home, who lives on it, and what was seen of it. After cycle `broken_at` the harness does harm itself."""

    def __init__(
        self, *, home: Path, seed: int, with_contracts: bool, broken_at: int, tell: Callable[[str], None]
    ) -> None:
        if with_contracts:
            import great_expectations  # noqa: F401  # once, for all who are forked
        self._home, self._seed, self._broken_at, self._tell = home, seed, broken_at, tell
        done(_made)
        self._resident = Resident(begin)
        refusals = "RECLOOP_FAULTS_LIBRARY" in os.environ
        self._deck = Deck(every_strike(with_contracts=with_contracts, with_refusals=refusals), seed)
        self._dice = random.Random(seed)  # noqa: S311
        self._history = History(home=home, seed=seed)
        self._begun: list[float] = []  # when each cycle began
        self._erased: list[str] = []
        self.measured: list[dict[str, float]] = []
        self.armed: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.trouble: list[str] = []

    def turn(self) -> None:
        """One cycle, struck and run again undisturbed, and a look at all that must hold."""
        number, begun = len(self._begun), time.time()
        self._begun.append(begun)
        state = self._state(number)
        strike = self._deck.draw(state)
        if strike.erases:
            self._erased.append(self._somebody())
            state.erased = self._erased
        state.day = Day(seed=self._seed, number=number, spoiled=strike.spoils)
        state.verdict = "PROMOTE" if strike.promotes or self._dice.random() < 0.4 else "HOLD"
        self.armed[strike.kind] += 1
        struck = strike.do(state)
        self.fired[strike.kind] += struck.fired
        found = [*([] if struck.fired else ["armed, and never fired"]), *struck.violations]
        codes, measured = self._undisturbed(state, strike, found)
        if number == self._broken_at:
            _break(self._home)
        if codes is not None:
            found += violations(self._history, codes)
        self.measured.append(measured | growth.of_process(self._resident.pid) | growth.of_disk(self._home))
        self.measured[-1]["seconds"] = time.time() - begun
        for line in found:
            self.trouble.append(f"cycle {number} / {strike.kind} / {strike.name}: {line}")
            self._tell(self.trouble[-1])

    def end(self) -> None:
        """The sweep of everything that nothing keeps leaves nothing aside."""
        self._resident.does(upkeep.swept, older_than=timedelta(0))
        left = sorted(path.name for path in (self._home / "artifacts").glob("*/.*"))
        if left:
            self.trouble.append(f"after the last sweep lie aside: {', '.join(left)}")
            self._tell(self.trouble[-1])
        self._resident.end()

    def told(self, out: Path | None) -> dict[str, object]:
        """The page, printed, and what stands in the last line."""
        names = list(dict.fromkeys(name for figures in self.measured for name in figures))
        names.sort(key=lambda name: name not in growth.BOUNDED)
        grown = growth.grown_of(self.measured, names)
        self._page(grown)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / "cycles.json").write_text(json.dumps(self.measured))
            if grown:
                growth.draw(self.measured, grown, out / "soak.svg")
                growth.draw(self.measured, grown, out / "soak.png")
        cycles, is_bounded = len(self.measured), growth.is_bounded(grown)
        all_fired = self.armed == self.fired
        return {
            "cycles": cycles, "armed": self.armed.total(), "fired": self.fired.total(), "violated": len(self.trouble),
            "by kind": {kind: {"armed": self.armed[kind], "fired": self.fired[kind]} for kind in self.armed},
            "rate of failure, upper bound at 95 %": None if self.trouble else round(3 / cycles, 4),
            "growth, % in 100 cycles": {one.figure: round(one.percent, 2) for one in grown},
            "growth is bounded": is_bounded,
            "is good": not self.trouble and all_fired and is_bounded is not False,
        }  # fmt: skip

    def _page(self, grown: list[growth.Growth]) -> None:
        self._tell("\n| fault | armed | fired |\n| --- | ---: | ---: |")
        for kind in sorted(self.armed):
            self._tell(f"| {kind} | {self.armed[kind]} | {self.fired[kind]} |")
        if growth.is_bounded(grown) is None:
            self._tell(f"\nGrowth is not judged: {growth.ENOUGH} whole cycles are wanted.")
        if grown:
            self._tell(
                "\n| figure | median | a cycle | % in 100 cycles | |\n| --- | ---: | ---: | ---: | --- |"
            )
        for one in grown:
            said = ("held" if one.is_bounded else "GROWS") if one.figure in growth.BOUNDED else ""
            self._tell(
                f"| {one.figure} | {one.typical:,.2f} | {one.a_cycle:+,.4f} | {one.percent:+.1f} | {said} |"
            )
        self._tell("")

    def _state(self, number: int) -> State:
        old = self._begun[max(0, number - RETENTION)]
        return State(
            home=self._home, day=Day(seed=self._seed, number=number), verdict="", begin=begin, seed=self._seed,
            retention=timedelta(seconds=time.time() - old), champions=len(self._history.ledger),
            is_pruned=number > 2 * RETENTION, erased=self._erased,
        )  # fmt: skip

    def _somebody(self) -> str:
        left = [f"person-{n:04d}-zq" for n in range(USERS) if f"person-{n:04d}-zq" not in self._erased]
        return self._dice.choice(left)

    def _undisturbed(
        self, state: State, strike: Strike, found: list[str]
    ) -> tuple[dict[str, tuple[int, ...]] | None, dict[str, float]]:
        """The other half of the cycle, by who lives here; None where it failed."""
        does = self._resident.does
        self._history.cycles = state.day.number + 1
        if strike.spoils:
            self._history.spoiled[state.day.number] = strike.spoils
        try:
            if strike.erases:
                does(upkeep.erased, user=self._erased[-1])
                self._history.erased.add(self._erased[-1])
            if strike.kind == "roll back":
                does(upkeep.rolled_back, entries_before=state.champions)
            codes = does(cycle, day=state.day, verdict=state.verdict)
            does(upkeep.swept, older_than=state.retention)
            waiting = does(upkeep.waiting)
            if (
                self._erased
                and (strike.erases or state.day.number % 5 == 0)
                and (left := does(upkeep.left_of, user=self._dice.choice(self._erased)))
            ):
                found.append(f"{left} rows and entries of an erased user are left")
        except WorkFailed as error:
            found.append(f"the undisturbed half fails: {error}")
            return None, {}
        return codes, {
            "entries waiting for their age": waiting["entries"],
            "waiting, MB": waiting["bytes"] / 1e6,
            "artifacts kept": waiting["kept"],
        }


def begin() -> None:
    """What every process does that works on the home."""
    from components.registry import tracking
    from flows.settings import load_settings

    tracking.configure(load_settings().mlflow_tracking_uri)


def _made() -> None:
    """MLflow's database, and where it keeps files."""
    from mlflow import MlflowClient

    from flows.settings import load_settings

    settings = load_settings()
    client = MlflowClient(settings.mlflow_tracking_uri)
    client.create_experiment(MODEL, artifact_location=str(settings.home / "mlartifacts"))


def _break(home: Path) -> None:
    """An event gone, a champion moved by hand, an entry of the journal changed, a byte more: each has to be told."""
    with closing(sqlite3.connect(home / "warehouse.db")) as warehouse, warehouse:
        warehouse.execute(
            "UPDATE stage_journal SET peak_mb = peak_mb + 1 WHERE rowid = (SELECT min(rowid) FROM stage_journal)"
        )
        warehouse.execute("DELETE FROM events WHERE rowid = (SELECT min(rowid) FROM events)")
    with closing(sqlite3.connect(home / "mlflow.db")) as mlflow, mlflow:
        gone = mlflow.execute("DELETE FROM registered_model_aliases WHERE alias = 'champion'").rowcount
        if not gone:
            mlflow.execute(
                "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, 'champion', 1)",
                (MODEL,),
            )
    path = max(
        (home / "artifacts" / "training_set").glob("[!.]*/*"), key=lambda path: path.stat().st_mtime_ns
    )
    path.write_bytes(path.read_bytes() + b"x")
