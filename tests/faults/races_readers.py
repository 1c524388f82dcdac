"""A reader in a loop while users are erased and artifacts pruned: each read is whole, old or new, or told by name."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from components.artifact import ArtifactDamaged, ArtifactRef, publish
from components.data.erasure import erase_user
from components.data.ingest import land_batch
from components.data.pruning import plan_pruning, prune
from components.data.recommendations import lists_of, publish_run, write_lists
from components.data.served_runs import ScoringRun
from components.data.snapshot import read_events, read_items, take_snapshot
from components.data.warehouse import Engine
from tests.data.erasing import places_but_feast
from tests.data.landing import at, batch, event, item
from tests.data.test_recommendations import lists
from tests.faults.child import done
from tests.faults.fault import Outcome
from tests.faults.home import warehouse_of

_fork = multiprocessing.get_context("fork")
_DAYS = 8
_PATIENCE = 600.0


def erasing(folder: Path, users: int) -> Outcome:
    """One user after the other is erased, from snapshots, lists and the warehouse."""
    return _raced(folder, _erase_all, users, events_a_user=_DAYS)


def pruning(folder: Path, users: int) -> Outcome:
    """Snapshots and bundles that nothing points to go, one prune after the other, and new ones come."""
    return _raced(folder, _prune_all, users, events_a_user=_DAYS)


def _raced(
    folder: Path, work: Callable[[Path, int, Callable[[], None]], None], users: int, *, events_a_user: int
) -> Outcome:
    folder.mkdir(parents=True)
    refs = done(lambda: _build(folder, users))
    rounds, begun, ended = _fork.Value("i", 0), _fork.Event(), _fork.Event()
    reader, told = _fork.Pipe(duplex=False)
    process = _fork.Process(
        target=_read, args=(folder, refs, users, events_a_user, rounds, begun, ended, told)
    )
    process.start()
    told.close()
    a_round = partial(_wait_a_round, rounds)
    a_round()
    worker = _fork.Process(target=work, args=(folder, users, a_round))
    begun.set()
    worker.start()
    worker.join(_PATIENCE)
    ended.set()
    counts: dict[str, Any] = json.loads(reader.recv()) if reader.poll(_PATIENCE) else {}
    process.join(_PATIENCE)
    wrong = list(counts.get("wrong", ["the reader died"]))
    for name, one in (("reader", process), ("other process", worker)):
        if one.exitcode != 0:
            wrong.append(f"the {name} {'hangs' if one.exitcode is None else f'ended with {one.exitcode}'}")
            one.kill()
    return Outcome(
        fired=counts.get("whole", 0) > 0 and counts.get("refused", 0) > 0, violations=tuple(wrong[:5])
    )


def _build(home: Path, users: int) -> list[dict[str, str]]:
    """Every user has an event on each day; snapshots to each day; lists; and bundles that nothing points to."""
    engine = warehouse_of(home)
    rows = [
        event(f"{u}-{d}", user=f"user{u:02d}", item="i1", hours=24 * d)
        for u in range(users)
        for d in range(_DAYS)
    ]
    land_batch(engine, batch(*rows, items=(item("i1", "One"),)))
    refs = [take_snapshot(engine, home / "artifacts", end=at(24 * (day + 1) - 1)) for day in range(_DAYS)]
    names = [f"user{u:02d}" for u in range(users)]
    write_lists(engine, ScoringRun(run="r", model_version="1", bundle="", feature_set=""), lists(*names))
    publish_run(engine, "r")
    refs += [_bundle(home, number) for number in range(_DAYS)]
    engine.dispose()
    return [ref.to_dict() for ref in refs]


def _bundle(home: Path, number: int) -> ArtifactRef:
    from tests.faults.damaged_artifacts import bundle

    made = bundle(home / "made" / str(number))
    shelf = home / "artifacts" / "bundle"

    def write(folder: Path) -> None:
        shutil.copytree(made.path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        (folder / "mark.json").write_text(str(number))
        for part in (Path(made.path) / "tokenizer").rglob("manifest.json"):
            shutil.copy(part, folder / part.relative_to(made.path))

    manifest = json.loads((Path(made.path) / "manifest.json").read_text())
    shelf.mkdir(parents=True, exist_ok=True)
    return publish(
        home / "artifacts", "bundle", write, parents=manifest["parents"], config=manifest["config"]
    )


def _read(
    home: Path, refs: list[dict[str, str]], users: int, each: int,
    rounds: Any, begun: Any, ended: Any, told: Any,
) -> None:  # fmt: skip
    """Read all again and again until the other process is done, and once more; what races with it is counted."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    counts: dict[str, Any] = {"whole": 0, "refused": 0, "failed": 0, "wrong": []}
    engine = warehouse_of(home)

    def count(what: str, read: Callable[[], str]) -> None:
        is_raced = begun.is_set() and not ended.is_set()
        came, wrong = _read_so(read)
        counts[came] += is_raced
        if wrong:
            counts["wrong"].append(f"{what}: {wrong[:200]}")

    try:
        last = False
        while not last:
            last = ended.is_set()
            for said in refs:
                count(said["kind"], partial(_read_one, ArtifactRef(**said), each))
            for user in range(users):
                count("lists_of", partial(_read_list, engine, f"user{user:02d}"))
            rounds.value += 1
    finally:
        told.send(json.dumps(counts))


def _wait_a_round(rounds: Any) -> None:
    """Until the reader has been at everything once more, from its beginning on."""
    until, seen = time.monotonic() + _PATIENCE, rounds.value
    while rounds.value < seen + 2 and time.monotonic() < until:
        time.sleep(0.005)


def _read_so(read: Callable[[], str]) -> tuple[str, str]:
    """How it came out, and what is wrong with that."""
    try:
        return "whole", read()
    except ArtifactDamaged as refused:  # its name and what to do are told
        is_told = "Remove" in str(refused) or "was never published" in str(refused)
        return "refused", "" if is_told else f"refused: {refused}"
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"


def _read_one(ref: ArtifactRef, each: int) -> str:
    """ "" for a whole one: each of its users has an event on every day of it."""
    if ref.kind == "bundle":
        from components.registry.bundle import open_bundle

        return "" if len(open_bundle(ref.path).items()) == 5 else "a bundle without all its items"
    events = read_events(ref)
    of_users = events.groupby("user_id").size()
    days = events["timestamp"].dt.floor("D").nunique()
    if len(read_items(ref)) != 1:
        return "a snapshot without its item"
    return (
        ""
        if set(of_users) == {days} and days <= each
        else f"a snapshot with parts of users: {of_users.to_dict()}"
    )


def _read_list(engine: Engine, user: str) -> str:
    found = lists_of(engine, user)
    return "" if len(found) in (0, 2) else f"{len(found)} places of 2"


def _erase_all(home: Path, users: int, a_round: Callable[[], None]) -> None:
    from components.data.erasure import ErasureUnfinished

    engine = warehouse_of(home)
    for user in range(users - 1):
        name, until = f"user{user:02d}", time.monotonic() + _PATIENCE / users
        while True:  # a log that is being read is told of, and erased again as the message says
            try:
                erase_user(engine, name, places_but_feast(home, engine, name))
                break
            except ErasureUnfinished:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
    a_round()


def _prune_all(home: Path, users: int, a_round: Callable[[], None]) -> None:
    del users
    engine = warehouse_of(home)
    for keep in range(2 * _DAYS, 0, -2):
        folders = sorted((home / "artifacts").glob("*/[0-9a-f]*"))
        kept = {json.loads((f / "manifest.json").read_text())["digest"] for f in folders[:keep] if f.is_dir()
                and (f / "manifest.json").exists()}  # fmt: skip
        prune(engine, plan_pruning(engine, home / "artifacts", keep=kept, older_than=timedelta(0)))
    a_round()  # a fast one may be done before the reader comes by what is gone
