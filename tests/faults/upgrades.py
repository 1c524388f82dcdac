"""A home of the release before, opened and continued; and one of a release to come, refused by a message.

The home is made by `tests.upgrades.make_home`. The long half runs the command line on it: lists as they were recorded,
and a further cycle against the champion of before.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.fault import Fault, LeftOut, Outcome
from tests.upgrades.make_home import BEFORE, CHECKOUT, HOME, RECORDED, HomeTaken, free_ports, unpacked

KIND = "upgrades"


def faults(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    with ExitStack() as inside:
        try:
            home = inside.enter_context(unpacked(BEFORE))
        except HomeTaken as taken:
            raise LeftOut(str(taken)) from taken
        for name, strike in (
            ("its warehouse is migrated, its ledgers are chained", _migrated),
            ("its artifacts are read, its bundle ranks", _bundle_ranks),
        ):
            yield _fault(f"a home of {BEFORE.stem.partition('.')[0][5:]}", name, partial(strike, home))
        for what, strike in (
            ("warehouse", _newer_warehouse), ("manifest", _newer_manifest), ("bundle", _newer_bundle),
            ("bundle, facts", _strange_bundle), ("backup", _newer_backup),
        ):  # fmt: skip
            yield _fault("a release to come", f"its {what} is refused", partial(strike, home))
        if not short:
            yield _fault(
                "the command line", "status, history and lists of before", partial(_same_lists, home)
            )
            yield _fault("the command line", "a cycle more, on what came after", partial(_continued, home))


def _fault(where: str, name: str, strike: Callable[[], list[str]]) -> Fault:
    return Fault(
        kind=KIND, name=name, where=where, holds="nothing is lost, or one message names version and fix",
        strike=lambda: Outcome(fired=True, violations=tuple(strike())),
    )  # fmt: skip


def _migrated(home: Path) -> list[str]:
    from components.data.accounts import checked_accounts
    from components.data.alpha import checked_alpha
    from components.data.ledger import checked_ledger, current_champion
    from components.data.warehouse import open_warehouse

    counts = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM recommendations)"
    before = _one(home / "warehouse.db", counts)
    assert _one(home / "warehouse.db", "SELECT version_num FROM alembic_version") == ("0006",)
    engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
    chains = [check(engine).entries for check in (checked_ledger, checked_alpha, checked_accounts)]
    champion = current_champion(engine, "recloop")
    engine.dispose()
    wrong = [] if chains == [1, 2, 1] else [f"chains of {chains} entries"]
    if _one(home / "warehouse.db", counts) != before or champion != _recorded(home)["version"]:
        wrong.append("rows are others than before")
    return wrong


def _bundle_ranks(home: Path) -> list[str]:
    import pandas as pd

    from components.artifact import verified
    from components.serving.scorer import load_scorer

    for manifest in sorted((home / "artifacts").glob("*/*/manifest.json")):
        verified(manifest.parent)
    scorer = load_scorer(_bundle(home))
    asked = pd.DataFrame({"user_id": ["u"], "item_ids": [list(scorer.item_ids[:3])]})
    found = scorer.recommend(asked, k=5)
    return [] if len(found) == 5 else [f"{len(found)} of 5 places"]


def _newer_warehouse(home: Path) -> list[str]:
    from components.data.warehouse import WarehouseUnreachable, open_warehouse

    with _put_back(home / "warehouse.db") as path:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        return _refusal(
            WarehouseUnreachable, "9999", "Update the checkout", lambda: open_warehouse(f"sqlite:///{path}")
        )


def _newer_manifest(home: Path) -> list[str]:
    from components.artifact import ArtifactNewer, verified

    with _put_back(_bundle(home) / "manifest.json") as path:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
        return _refusal(ArtifactNewer, "format 2", "Update this checkout", lambda: verified(path.parent))


def _newer_bundle(home: Path) -> list[str]:
    return _other_facts({"format": 2}, "format 2")


def _strange_bundle(home: Path) -> list[str]:
    return _other_facts({"mood": "blue"}, "mood")


def _other_facts(more: dict[str, object], named: str) -> list[str]:
    from components.registry.bundle import BundleFacts, BundleMismatch

    facts: dict[str, object] = {
        "arm": "popularity", "train_end": "2024-01-01T00:00:00+00:00", "snapshot": "s", "feature_set": "f",
        "tokenizer": None, "id_table": None, "seed": 1, "code": "c",
    }  # fmt: skip
    BundleFacts.from_dict(facts)
    return _refusal(
        BundleMismatch, named, "update this checkout", lambda: BundleFacts.from_dict(facts | more)
    )


def _newer_backup(home: Path) -> list[str]:
    from flows.local import backup

    archive, restored = home.with_suffix(".tar"), home.with_suffix(".restored")
    was, backup.FORMAT = backup.FORMAT, 2
    facts = backup.BackupFacts(home=str(restored), made_at="", format=2)
    try:
        with archive.open("wb") as file:
            backup._write(file, home, [home / RECORDED], facts, gzipped=False)
        backup.FORMAT = was
        return _refusal(
            backup.BackupRefused, "format 2", "reads 1", lambda: backup.restore(archive, restored)
        )
    finally:
        backup.FORMAT = was
        archive.unlink(missing_ok=True)


def _refusal(kind: type[Exception], named: str, fix: str, call: Callable[[], object]) -> list[str]:
    try:
        call()
    except kind as error:
        return (
            [] if named in str(error) and fix in str(error) else [f"refused without version or fix: {error}"]
        )
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    return ["it was read"]


def _same_lists(home: Path) -> list[str]:
    recorded, wrong = _recorded(home), []
    if json.loads(_recloop("status", "--json"))["champion"] != recorded["status"]["champion"]:
        wrong.append("another champion")
    rows = [
        {k: v for k, v in row.items() if k != "entry_hash"}
        for row in json.loads(_recloop("history", "--json"))
    ]
    if rows != recorded["history"]:
        wrong.append("another history")
    for user, listed in recorded["lists"].items():
        said = _recloop("recommend", "--user", user, "-k", "5", "--as-of", recorded["as_of"], "--json")
        found = [one["item_id"] for one in json.loads(said)["items"]]
        if found != [item for item, _ in listed]:
            wrong.append(f"user {user} gets {found}, and got {listed}")
    return wrong


def _continued(home: Path) -> list[str]:
    asked = ("--source", "synthetic-small", "--preset", "quick", "--as-of", _recorded(home)["next_as_of"])
    said = json.loads(_recloop("retrain", *asked, "--json"))
    moves = json.loads(_recloop("history", "--json"))
    wrong = [] if said["version"] == "2" else [f"the cycle made version {said['version']}"]
    if len(moves) != 1 + (said["verdict"] == "PROMOTE"):
        wrong.append(f"{said['verdict']}, and {len(moves)} moves")
    return wrong


def _recloop(*arguments: str) -> str:
    outside = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RECLOOP_", "PREFECT_", "MLFLOW_"))
    }
    ports = dict(zip(("PREFECT", "MLFLOW", "DOCS"), _PORTS, strict=True))
    ours = {f"RECLOOP_{name}_PORT": str(port) for name, port in ports.items()}
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False,
        env=outside | ours | {"RECLOOP_HOME": str(HOME), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(
            f"recloop {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-1500:]}"
        )
    return done.stdout


_PORTS = free_ports(3)


class _put_back:
    """A file, as it was before the block."""

    def __init__(self, path: Path) -> None:
        self._path, self._was = path, path.read_bytes()

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.write_bytes(self._was)


def _bundle(home: Path) -> Path:
    (folder,) = (home / "artifacts" / "bundle").iterdir()
    return folder


def _recorded(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / RECORDED).read_text())
    return found


def _one(database: Path, query: str) -> tuple[object, ...]:
    with closing(sqlite3.connect(database)) as opened:
        found: tuple[object, ...] = opened.execute(query).fetchone()
        return found
