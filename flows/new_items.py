"""Items that came after a version's training get IDs by its frozen tokenizer, beside its bundle.

Of an arm that reads content, in place of IDs, what its encoders make of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int
from prefect import task

from components.artifact import ArtifactRef, present, verified
from components.content_vectors import ContentVectors
from components.data import cycles, snapshot
from components.data.artifact_erasure import successor_of
from components.features.featureset import KIND as FEATURE_SET
from components.features.featureset import load_feature_set
from components.features.vectors import ItemVectors
from components.recommender.names import CONTENT_ARMS
from components.registry.bundle import Bundle, open_bundle
from components.serving.new_items import publish_new_items
from components.tokenizer.cold import cold_table
from components.tokenizer.id_table import IDS_FILE, read_id_table
from components.tokenizer.ids import SemanticIds, read_ids
from components.tokenizer.tokenizer import load_tokenizer
from flows.carried import CarriedIds
from flows.item_content import ItemContent, content_of
from flows.local.console import progress_bar
from flows.record import read_record
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once
from flows.warehouse import warehouse


@dataclass(frozen=True, kw_only=True)
class IdentifiedNewItems:
    """What a version is told of beside its bundle. `ids` None: of nothing."""

    ids: ArtifactRef | None
    num_new: int  # items that the bundle does not know
    num_identified: int  # of them, those that can be listed now

    @property
    def note(self) -> str:
        if not self.num_new:
            return "no item came after the version's training"
        return f"{self.num_identified:,} of {self.num_new:,} items that came after the version's training can be listed"


@task(task_run_name="identify-new-items")
def identify_new(run: str, bundle: ArtifactRef, known: ArtifactRef) -> StageResult[IdentifiedNewItems]:
    """IDs for the items of `known`, a snapshot, that the bundle has none for.

    An item that a later cycle has identified with the same tokenizer keeps that ID; the others are placed by
    their content. An arm that reads content is told what they are. Without content, and for an arm that reads neither,
    an item waits for the next retraining.
    """
    opened = open_bundle(bundle.path)
    carried = _carried_by(opened)
    encoders, content = carried.encoders if carried else _own_encoders(opened), _content()
    key = key_of(
        identify_new, "identify new items", run=run,
        reads={
            "bundle": bundle, "snapshot": known, "encoders": encoders, "ids": carried.ids if carried else None,
        },
        facts=content.facts,
    )  # fmt: skip

    def work() -> IdentifiedNewItems:
        items = snapshot.read_items(known)
        new = items[~items["item_id"].isin(opened.items()["item_id"])]
        if not len(new) or encoders is None:
            return IdentifiedNewItems(ids=None, num_new=len(new), num_identified=0)
        if opened.facts.arm in CONTENT_ARMS:
            told = _as_content(new, encoders, content)
        else:
            told = _as_ids(
                opened, read_id_table(carried.ids) if carried else _own_ids(opened), new, encoders, content
            )
        if not len(told.item_ids):
            return IdentifiedNewItems(ids=None, num_new=len(new), num_identified=0)
        published = publish_new_items(
            load_settings().artifacts,
            **vars(told),
            items=new,
            bundle=bundle,
            snapshot=known,
            known_until=snapshot.snapshot_facts(known).end.isoformat(),
        )
        return IdentifiedNewItems(ids=published, num_new=len(new), num_identified=len(told.item_ids))

    return run_once(key, IdentifiedNewItems, work, computes=True)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """New items as the version's arm reads them."""

    item_ids: np.ndarray
    codes: Int[np.ndarray, "new token"]
    content: ContentVectors | None = None


def _as_content(new: pd.DataFrame, encoders: ArtifactRef, content: ItemContent) -> _Told:
    vectors = _encoded(new, encoders, content)
    made = vectors.content
    return _Told(
        item_ids=vectors.item_ids[made.is_known],
        codes=np.zeros((int(made.is_known.sum()), 0), dtype=np.int64),
        content=made.of(made.is_known),
    )


def _as_ids(
    opened: Bundle, base: SemanticIds, new: pd.DataFrame, encoders: ArtifactRef, content: ItemContent
) -> _Told:
    table = _with_cold(opened, base, new[~new["item_id"].isin(base.item_ids)], encoders, content)
    told = np.isin(table.item_ids.astype(str), new["item_id"].to_numpy(dtype=str))
    return _Told(item_ids=table.item_ids[told], codes=table.codes[told])


def _encoded(items: pd.DataFrame, encoders: ArtifactRef, content: ItemContent) -> ItemVectors:
    fitted = load_feature_set(encoders)
    with progress_bar("encode new items") as on_step:
        vectors = content.encode(fitted.encoders, items, on_step)
    content.refuse_another_model(fitted.vectors)
    return vectors


def _with_cold(
    opened: Bundle, base: SemanticIds, cold: pd.DataFrame, encoders: ArtifactRef, content: ItemContent
) -> SemanticIds:
    folder = opened.tokenizer_path
    assert folder is not None
    vectors = _encoded(cold, encoders, content)
    tokenizer = load_tokenizer(_part(folder, "tokenizer"))
    return cold_table(base, tokenizer, vectors.item_ids, vectors.vectors, vectors.present).table


def _own_ids(opened: Bundle) -> SemanticIds:
    """The ID table that lies in the bundle."""
    assert opened.tokenizer_path is not None
    return read_ids(_part(opened.tokenizer_path, "id_table") / IDS_FILE)


def _part(folder: Path, kind: str) -> Path:
    verified(folder / kind)
    return folder / kind


def _carried_by(opened: Bundle) -> CarriedIds | None:
    """Encoders and latest ID table of a cycle that went on with the bundle's tokenizer, if they are here whole."""
    if opened.facts.tokenizer is None:
        return None
    own = _own_ids(opened)
    for cycle in reversed(cycles.cycles(warehouse())):
        carried = read_record(cycle).carried
        if carried.tokenizer.digest != opened.facts.tokenizer:
            continue
        if all(present(ref.path) for ref in (carried.encoders, carried.ids)) and read_id_table(
            carried.ids
        ).holds(own):
            return carried
    return None


def _own_encoders(opened: Bundle) -> ArtifactRef | None:
    """The feature set of the bundle, which holds its encoders; None where it is not here, or not needed."""
    if opened.facts.tokenizer is None and opened.facts.arm not in CONTENT_ARMS:
        return None
    digest = successor_of(warehouse(), opened.facts.feature_set)
    path = load_settings().artifacts / FEATURE_SET / (digest or "")[:20]
    return ArtifactRef(kind=FEATURE_SET, digest=digest, path=str(path)) if digest and present(path) else None


def _content() -> ItemContent:
    """Images, sounds and vectors of the last cycle's source, as they are now."""
    finished = cycles.cycles(warehouse())
    if not finished:
        return content_of(None, "")
    told = read_record(finished[-1]).told
    return content_of(told.source, told.mapping)
