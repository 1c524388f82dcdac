"""One cycle on the home: the loop's own functions, stage by stage, each run once by the loop's own journal.

Left out is what costs 15 CPU seconds and is not about state: Prefect, Feast, encoders, training by gradient and the
gate. The arm counts popularity, the verdict is given, and a tokenizer fitted in the first cycle is carried on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from components.artifact import ArtifactRef, digest_of, publish, verified
from components.data import cycles, lease, queries, recommendations, snapshot
from components.data.artifact_erasure import drop_superseded
from components.data.batch import CheckedBatch, read_checked, write_checked
from components.data.contracts.batch_check import ContractConfig, check_batch
from components.data.erased_users import without_erased_users
from components.data.ingest import BatchResult, land_batch
from components.data.served_runs import ScoringRun
from components.features.coded_events import COLUMNS, code_events
from components.features.sequences import user_sequences
from components.features.trainingset import load_training_set, publish_training_set
from components.features.vectors import ItemVectors
from components.recommender.baselines.popularity import fit_popularity
from components.registry import promotion, tracking
from components.registry.bundle import BundleFacts, build_bundle, open_bundle
from components.registry.bundled_parts import put_back
from components.registry.drift import finish_interrupted
from components.registry.registration import register_bundle
from components.tokenizer.config import quick
from components.tokenizer.extension import extend_table
from components.tokenizer.fit import fit_tokenizer
from components.tokenizer.health import HealthLimits
from components.tokenizer.id_table import publish_id_table, read_id_table
from components.tokenizer.tokenizer import load_tokenizer
from components.tokenizer.version import begin_version, publish_tokenizer
from flows.settings import load_settings
from flows.stage_code import StageCode
from flows.stages import StageKey, run_once
from flows.warehouse import RETRAINING, warehouse
from tests.soak.source import Day, vector_of

MODEL = "soak"
_CODE = StageCode(definitions={}, files={})  # it does not change while a soak runs


@dataclass(frozen=True, kw_only=True)
class Gave:
    """What a stage gave; which fields are filled depends on the stage."""

    one: ArtifactRef | None = None
    two: ArtifactRef | None = None
    text: str | None = None
    result: BatchResult | None = None

    @property
    def note(self) -> str:
        return self.text or ""


def cycle(day: Day, *, verdict: str) -> dict[str, tuple[int, ...]]:
    """From what arrived to who is champion and what is served; item -> codes of the ID table."""
    engine, home = warehouse(), load_settings().home
    with lease.hold_lease(engine, RETRAINING, owner=lease.this_process()):
        drop_superseded(engine, home / "artifacts")
        finish_interrupted(engine, MODEL)
        run = digest_of(["cycle", day.number])
        ids = _run(run, day, verdict, home / "artifacts")
    table = read_id_table(ids)
    return {
        item: tuple(map(int, codes)) for item, codes in zip(table.item_ids, table.codes.tolist(), strict=True)
    }


def _run(run: str, day: Day, verdict: str, root: Path) -> ArtifactRef:
    engine = warehouse()

    def once(stage: str, work, **reads: ArtifactRef | None) -> Gave:  # type: ignore[no-untyped-def]
        facts = {"cycle": run, "day": day.number}
        return run_once(
            StageKey(stage=stage, run=run, reads=reads, facts=facts, code=_CODE), Gave, work
        ).output

    checked = once("check", lambda: _check(day, root))
    assert checked.one
    landed = once("land", lambda: _land(checked.one), batch=checked.one)
    champion = once("open", lambda: Gave(text=_champion())).text
    frozen = once(
        "freeze", lambda: Gave(one=snapshot.take_snapshot(engine, root, end=day.end)), b=checked.one
    )
    assert frozen.one
    rows = once("rows", lambda: _rows(day, frozen.one, root), snapshot=frozen.one)
    carried = _carried(day)
    ids = once(
        "identify", lambda: _identify(rows.one, carried, root), rows=rows.one, ids=carried and carried[1]
    )
    bundle = once("bundle", lambda: _bundle(day, frozen.one, rows.one, ids, root), rows=rows.one, ids=ids.two)
    version = once("register", lambda: _register(run, bundle.one, verdict), bundle=bundle.one).text
    once("promote", lambda: _promote(version, champion, verdict, bundle.one), bundle=bundle.one)
    once("lists", lambda: _lists(day, rows.one, version, bundle.one), bundle=bundle.one)
    cycles.record_cycle(
        engine, cycle_id=run, as_of=day.end, train_cutoff=day.end - timedelta(days=1), verdict=verdict,
        versions={"challenger": version, "champion": _champion()},
        summary={
            "carried": [vars(ids.one), vars(ids.two)], "bundle": vars(bundle.one), "received": landed.result.received
        },
    )  # fmt: skip
    assert ids.two
    return ids.two


def _check(day: Day, root: Path) -> Gave:
    found: CheckedBatch = day.checked()
    if day.spoiled:
        found = check_batch(
            day.received(), as_of=day.end, known_items=queries.item_ids(warehouse()),
            gx_root=load_settings().gx_root, config=ContractConfig(max_bad_event_share=0.9),
        )  # fmt: skip
    found = without_erased_users(warehouse(), found)
    return Gave(
        one=publish(root, "checked_batch", lambda at: write_checked(found, at), parents={}, config={})
    )


def _land(batch: ArtifactRef) -> Gave:
    verified(batch.path)
    return Gave(result=land_batch(warehouse(), read_checked(Path(batch.path))))


def _champion() -> str | None:
    from components.registry.versions import aliases

    return aliases(MODEL).get("champion")


def _rows(day: Day, taken: ArtifactRef, root: Path) -> Gave:
    coded = code_events(snapshot.event_days(taken, columns=COLUMNS))
    item_ids = np.array(sorted(snapshot.read_items(taken)["item_id"]), dtype=object)
    vectors = ItemVectors(
        item_ids=item_ids, vectors={"text": np.stack([vector_of(item) for item in item_ids])},
        present={"text": np.ones(len(item_ids), dtype=bool)}, encoders={"text": "planted/12"}, health={},
    )  # fmt: skip
    rows = user_sequences(coded, cutoff=day.end)
    return Gave(
        one=publish_training_set(root, rows=rows, vectors=vectors, parents={"snapshot": taken.digest})
    )


def _carried(day: Day) -> tuple[ArtifactRef, ArtifactRef] | None:
    """Tokenizer and ID table of the cycle before."""
    before = [found for found in cycles.cycles(warehouse()) if found.as_of < day.end]
    if not before:
        return None
    kept = before[-1].summary
    tokenizer, ids = (ArtifactRef(**ref) for ref in kept["carried"])
    put_back(ArtifactRef(**kept["bundle"]), tokenizer, ids)
    return tokenizer, ids


def _identify(rows: ArtifactRef, carried: tuple[ArtifactRef, ArtifactRef] | None, root: Path) -> Gave:
    data = load_training_set(rows)
    edges = _edges(data.item_lists, data.item_ids)
    users = len(data.user_ids)
    if carried is None:
        fitted = fit_tokenizer(data.vectors, data.present, edges, num_users=users, config=quick())
        version = begin_version(fitted, data.item_ids, edges, previous=None, limits=HealthLimits())
        tokenizer = publish_tokenizer(root, version, parents={"training_set": rows.digest}, config={})
        ids = publish_id_table(root, version.table, tokenizer=tokenizer, table_sizes=version.table_sizes)
        return Gave(one=tokenizer, two=ids)
    tokenizer, known = carried
    verified(tokenizer.path)
    frozen = load_tokenizer(Path(tokenizer.path))
    table = extend_table(
        read_id_table(known), frozen, data.item_ids, data.vectors, data.present, edges, users
    ).table
    ids = publish_id_table(root, table, tokenizer=tokenizer, table_sizes=frozen.table_sizes(table))
    return Gave(one=tokenizer, two=ids)


def _edges(lists: list[list[str]], item_ids: np.ndarray) -> np.ndarray:
    rows = {item: row for row, item in enumerate(item_ids)}
    found = sorted({(user, rows[item]) for user, items in enumerate(lists) for item in items})
    return np.array(found, dtype=np.int64).T


def _bundle(day: Day, taken: ArtifactRef, rows: ArtifactRef, ids: Gave, root: Path) -> Gave:
    assert ids.one
    assert ids.two
    items = [item for items in load_training_set(rows).item_lists for item in items]

    def parts(folder: Path) -> None:
        for ref in (ids.one, ids.two):
            assert ref
            verified(ref.path)
            shutil.copytree(ref.path, folder / ref.kind)

    facts = BundleFacts(
        arm="popularity", train_end=day.end.isoformat(), snapshot=taken.digest, feature_set=rows.digest,
        tokenizer=ids.one.digest, id_table=ids.two.digest, seed=day.seed, code="c" * 64,
    )  # fmt: skip
    arm = fit_popularity(np.array(items, dtype=object))
    return Gave(
        one=build_bundle(
            root, write_arm=arm.save, write_tokenizer=parts, items=snapshot.read_items(taken), facts=facts
        )
    )


def _register(run: str, bundle: ArtifactRef, verdict: str) -> Gave:
    tracked = tracking.open_run(experiment=MODEL, cycle=run, name="cycle", tags={})
    registered = register_bundle(
        open_bundle(bundle.path), run=tracked, model_name=MODEL, verdict=verdict,
        metrics={"ndcg@10": 0.0625}, tags={},
    )  # fmt: skip
    tracking.end_run(tracked, "FINISHED")
    return Gave(text=registered.version)


def _promote(version: str, champion: str | None, verdict: str, bundle: ArtifactRef) -> Gave:
    if verdict != promotion.PROMOTE:
        return Gave(text="stays")
    moved = promotion.promote(
        warehouse(), model_name=MODEL, version=version, expected_champion=champion, verdict=verdict,
        actor="soak", reason="verdict", evidence={"bundle": bundle.digest},
    )  # fmt: skip
    return Gave(text=moved.reason)


def _lists(day: Day, rows: ArtifactRef, version: str, bundle: ArtifactRef) -> Gave:
    users = load_training_set(rows).user_ids.tolist()
    run = ScoringRun(
        run=f"batch-{day.number:05d}", model_version=version, bundle=bundle.digest, feature_set=rows.digest
    )
    recommendations.write_lists(warehouse(), run, pd.DataFrame(_places(users, day)))
    recommendations.publish_run(warehouse(), run.run)
    return Gave(text=run.run)


def _places(users: list[str], day: Day) -> Iterator[dict[str, object]]:
    for user in users:
        for rank in (1, 2, 3):
            yield {
                "user_id": user, "rank": rank, "item_id": f"i{rank:04d}", "score": 1 / rank,
                "features_as_of": day.end, "scored_at": day.end,
            }  # fmt: skip
