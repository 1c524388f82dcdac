"""Tokenizer, IDs and arm of a registered version fitted and trained again, in a scratch folder, and compared.

On one thread a training is the same to the byte; on several, sums are added up in another order, and weights differ
in their last digits. So where weights differ the lists are compared that both arms give. How many threads the version
was trained on is not on record: what is told is on how many it was trained now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from components.artifact import ArtifactRef, publish, verified
from components.data import snapshot
from components.event_weights import read_event_weights
from components.features.featureset import load_feature_set
from components.features.trainingset import TrainingSet, load_training_set
from components.recommender.arm import Arm, Histories
from components.recommender.loading import load_arm
from components.recommender.names import CONTENT_ARMS, PREFERENCE_ARMS, ArmName
from components.recommender.new_item_share import NewItemShare
from components.recommender.train_arm import train_arm
from components.registry.verification import Finding, Stored, missing, stored
from components.tokenizer.choices import health_limits, tokenizer_config
from components.tokenizer.extension import extend_table
from components.tokenizer.fit import fit_tokenizer
from components.tokenizer.id_table import publish_id_table, read_id_table, table_sizes_of
from components.tokenizer.names import BASELINE, DEFAULT
from components.tokenizer.tokenizer import load_tokenizer
from components.tokenizer.version import begin_version, publish_tokenizer
from flows.local.console import progress_bar
from flows.settings import load_settings
from flows.version_chain import Chain
from flows.warehouse import warehouse
from flows.warm_start import arm_folder

PLACES = 10  # of the lists that are compared
MOST_USERS = 500


def train_again(chain: Chain, scratch: Path) -> Iterator[Finding]:
    """Findings on tokenizer, ID table and arm. What was pruned, or made of an erased user's rows, is told and left."""
    if chain.tokenizer is not None and chain.id_table is not None:
        yield _tokenizer_again(chain.tokenizer, scratch)
        yield _ids_again(chain, scratch)
    yield _arm_again(chain, scratch)


def _tokenizer_again(kept: Stored, scratch: Path) -> Finding:
    stage, recorded = "tokenizer, fitted again", kept.finding.recorded
    if unfit := _unfit(stage, recorded, kept):
        return unfit
    assert kept.artifact is not None
    manifest = verified(kept.artifact.path)
    parents, config = manifest["parents"], manifest["config"]
    name = config.get("tokenizer", DEFAULT)  # one that was fitted before there was a choice does not say
    rows, features = (
        _stored("training_set", parents["training_set"]),
        _stored("feature_set", parents["feature_set"]),
    )
    previous = _stored("id_table", parents["previous_ids"]) if "previous_ids" in parents else None
    if unfit := _unfit(stage, recorded, rows, features, *([previous] if previous else [])):
        return unfit
    assert rows.artifact is not None
    assert features.artifact is not None
    data, built = load_training_set(rows.artifact), load_feature_set(features.artifact)
    edges = np.stack([built.graph.user_index, built.graph.item_index])
    of = _stored("snapshot", built.manifest["parents"]["snapshot"])
    if unfit := _unfit(stage, recorded, of):
        return unfit
    assert of.artifact is not None
    with progress_bar("fit tokenizer") as bar:
        fitted = fit_tokenizer(
            data.vectors, data.present, edges, num_users=built.graph.num_users,
            config=tokenizer_config(name, config["preset"], seed=config["seed"]),
            on_step=lambda name, step, steps, loss: bar(step + 1, steps, {name: loss}),
            categories=snapshot.read_categories(of.artifact, data.item_ids), compute=load_settings().compute,
        )  # fmt: skip
    before = read_id_table(previous.artifact) if previous and previous.artifact else None
    version = begin_version(
        fitted,
        data.item_ids,
        edges,
        previous=before,
        limits=health_limits(name),
        is_baseline=name == BASELINE,
        continues=False,  # whether it may follow them was asked when it was made
    )
    again = publish_tokenizer(scratch / "artifacts", version, parents=parents, config=config)
    return _weights(stage, recorded, again.digest)


def _ids_again(chain: Chain, scratch: Path) -> Finding:
    """The frozen tokenizer's codes of what is new since the table before; of a first table, that it is whole."""
    stage = "id table, extended again"
    assert chain.id_table is not None
    assert chain.tokenizer is not None
    recorded = chain.id_table.finding.recorded
    if unfit := _unfit(
        stage, recorded, chain.id_table, chain.tokenizer, chain.training_set, chain.feature_set
    ):
        return unfit
    table, tokenizer = chain.id_table.artifact, chain.tokenizer.artifact
    assert table is not None
    assert tokenizer is not None
    assert chain.training_set is not None
    assert chain.training_set.artifact is not None
    assert chain.feature_set.artifact is not None
    before = _table_before(table, tokenizer)
    if before is None:
        note = "the first table of its tokenizer: fitting that again makes it"
        return Finding(stage=stage, recorded=recorded, found=recorded, verdict="same", note=note)
    data = load_training_set(chain.training_set.artifact)
    graph, opened = load_feature_set(chain.feature_set.artifact).graph, load_tokenizer(Path(tokenizer.path))
    edges = np.stack([graph.user_index, graph.item_index])
    extended = extend_table(
        read_id_table(before), opened, data.item_ids, data.vectors, data.present, edges, graph.num_users
    ).table
    again = publish_id_table(
        scratch / "artifacts", extended, tokenizer=tokenizer, table_sizes=opened.table_sizes(extended)
    )
    return _weights(stage, recorded, again.digest)


def _table_before(table: ArtifactRef, tokenizer: ArtifactRef) -> ArtifactRef | None:
    """The longest ID table of the same tokenizer that this one adds to; None if it is the first that is left."""
    whole, found = read_id_table(table), []
    for path in sorted(Path(table.path).parent.glob("[!.]*")):
        manifest = verified(path)
        if manifest["parents"].get("tokenizer") != tokenizer.digest:
            continue
        ref = ArtifactRef(kind="id_table", digest=manifest["digest"], path=str(path))
        if len(other := read_id_table(ref)) < len(whole) and whole.holds(other):
            found.append((len(other), ref))
    return max(found, key=lambda entry: entry[0])[1] if found else None


def _arm_again(chain: Chain, scratch: Path) -> Finding:
    stage = "arm, trained again"
    if chain.arm is None:
        why = "its own artifact is pruned, and with it the preset that it was trained with"
        return missing(stage, chain.bundle.digest, why)
    recorded = chain.arm.finding.recorded
    if unfit := _unfit(
        stage, recorded, chain.arm, chain.training_set,
        *(part for part in (chain.id_table, chain.start) if part is not None),
    ):  # fmt: skip
        return unfit
    assert chain.arm.artifact is not None
    assert chain.training_set is not None
    assert chain.training_set.artifact is not None
    manifest = verified(chain.arm.artifact.path)
    config = manifest["config"]
    if (workers := config.get("workers", 1)) > 1:
        why = f"trained by {workers} workers, whose dropout one process does not draw again"
        return missing(stage, chain.bundle.digest, why)
    data = load_training_set(chain.training_set.artifact)
    ids = chain.id_table.artifact if chain.id_table is not None else None
    table = read_id_table(ids) if ids is not None else None
    start = chain.start.artifact if chain.start is not None else None
    name = cast(ArmName, chain.bundle.facts.arm)  # the arm's own manifest calls mmgrec_paper mmgrec
    with progress_bar(f"train {name}") as bar:
        trained = train_arm(
            name, data.item_lists, data.time_lists,
            table.item_ids if table else data.item_ids, table.codes if table else None,
            table_sizes_of(ids) if ids is not None else None,
            weight_lists=data.weight_lists(read_event_weights(config.get("event_weights", ""))),
            type_lists=data.type_lists if name in PREFERENCE_ARMS else None,
            preset=config["preset"], settings=config.get("settings"), seed=config["seed"],
            compute=load_settings().trained_on,
            on_step=lambda step: bar(step.step, step.num_steps, {"loss": step.loss}),
            begin=load_arm(arm_folder(start)) if start is not None else None,
            new_items=NewItemShare(**config["new_items"]) if "new_items" in config else None,
            content=data.content if name in CONTENT_ARMS else None,
            preference=config.get("preference", ""),
        )  # fmt: skip
    again = publish(scratch / "artifacts", "arm", trained.save, parents=manifest["parents"], config=config)
    if again.digest == recorded:
        return _weights(stage, recorded, again.digest)
    on = load_settings().compute
    agreement = compare_lists(load_arm(chain.bundle.arm_path, on), load_arm(Path(again.path), on), data)
    return Finding(
        stage=stage, recorded=recorded, found=again.digest,
        verdict="same lists" if agreement.all_equal else "differs", note=f"{agreement.told}; {_threads()}",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two arms give the same lists."""

    num_lists: int
    equal: int  # the same items in the same places
    overlap: float  # mean share of the items that both lists hold

    @property
    def all_equal(self) -> bool:
        return self.equal == self.num_lists

    @property
    def told(self) -> str:
        if self.all_equal:
            return f"weights differ, and all {self.num_lists:,} lists of {PLACES} are equal"
        return (
            f"weights differ; {self.equal:,} of {self.num_lists:,} lists of {PLACES} are equal, and two lists share "
            f"{self.overlap:.1%} of their items"
        )


def compare_lists(one: Arm, other: Arm, data: TrainingSet) -> Agreement:
    """Lists of both arms for users of the training set, in the order of their ids."""
    lists = data.item_lists[:MOST_USERS]
    times = data.time_lists[:MOST_USERS]
    end = np.cumsum([len(items) for items in lists], dtype=np.int64)
    place = {item: at for at, item in enumerate(data.item_ids)}
    asked = Histories(
        catalogue=data.item_ids,
        items=np.array([place[item] for items in lists for item in items], dtype=np.int64),
        times=np.array([at for own in times for at in own], dtype=np.int64),
        start=np.concatenate([np.zeros(1, dtype=np.int64), end[:-1]]),
        end=end,
    )
    a, b = (arm.recommend(asked, k=PLACES).items for arm in (one, other))
    held = [(set(x.tolist()) - {-1}, set(y.tolist()) - {-1}) for x, y in zip(a, b, strict=True)]
    shared = [len(x & y) / max(len(x), 1) for x, y in held]
    return Agreement(
        num_lists=len(lists), equal=int((a == b).all(axis=1).sum()), overlap=float(np.mean(shared))
    )


def _weights(stage: str, recorded: str, found: str) -> Finding:
    is_same = recorded == found
    return Finding(
        stage=stage, recorded=recorded, found=found, verdict="same" if is_same else "differs",
        note=f"equal to the byte; {_threads()}" if is_same else _threads(),
    )  # fmt: skip


def _threads() -> str:
    settings = load_settings()
    if settings.threads == 1 and settings.device == "cpu":
        return "made on one thread, where equal inputs and code give equal bytes"
    where = "a GPU" if settings.device == "cuda" else f"{settings.threads} threads"
    return f"made on {where}, where the last digits may differ; RECLOOP_THREADS=1 makes bytes comparable"


def _stored(kind: str, digest: str) -> Stored:
    return stored(warehouse(), load_settings().artifacts, kind, digest)


def _unfit(stage: str, recorded: str, *inputs: Stored | None) -> Finding | None:
    """Why it cannot be made again of these inputs; None if it can."""
    for kept in inputs:
        if kept is None:
            return missing(stage, recorded, "what it was made of is pruned")
        if kept.is_erased:
            told = "made of rows of a user who was erased since: it cannot be made again, and need not be"
            return Finding(stage=stage, recorded=recorded, found="", verdict="erased", note=told)
        if kept.artifact is None:
            state = "missing" if kept.finding.verdict == "missing" else "damaged"
            return missing(stage, recorded, f"the {kept.finding.stage} that this is made from is {state}")
    return None
