"""What a study trains and judges on: two windows before the cut of the next retraining, and nothing after it.

The validation window ends at that cut, and is as long as the replay window behind it: what is chosen there has seen
nothing that the replay will judge by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from components.artifact import ArtifactRef
from components.data import cycles, snapshot
from components.event_weights import read_event_weights
from components.features.featureset import load_feature_set
from components.features.sequences import user_sequences
from components.features.trainingset import TrainingSet, load_training_set, publish_training_set
from components.recommender.names import CONTENT_ARMS, SEMANTIC_ID_ARMS, ArmName
from components.tokenizer.id_table import read_id_table, table_sizes_of
from components.tokenizer.names import TokenizerName
from flows.carried import carried_before, name_to_fit
from flows.features import SEQUENCE_LENGTH, EncodedItems, TrainingRows, coded, encode_items
from flows.ingest import ingest
from flows.replay_window import ReplayWindow
from flows.request import BadRequest, CycleRequest
from flows.semantic_ids import fit_tokenizer
from flows.settings import load_settings
from flows.settled import NothingNew, SettledCycle, settle_cycle
from flows.snapshots import Snapshots, freeze
from flows.warehouse import warehouse
from flows.weighted_types import check_weights


@dataclass(frozen=True, kw_only=True)
class TuningData:
    """What every trial trains on, and the window that it is judged on."""

    window: ReplayWindow  # validation: [validate from, cut)
    event_weights: str
    rows: TrainingSet  # before the validation window
    ids: (
        ArtifactRef | None
    )  # semantic IDs, by a tokenizer that was fitted before the validation window; None: not read
    features: ArtifactRef | None = None  # the feature set that content is read from; None: not read

    @property
    def weight_lists(self) -> Sequence[Sequence[float]] | None:
        return self.rows.weight_lists(read_event_weights(self.event_weights))

    @property
    def table(self) -> tuple[np.ndarray, np.ndarray | None, Sequence[int] | None]:
        """Item ids, codes and table sizes, as `train_arm` takes them."""
        if self.ids is None:
            return self.rows.item_ids, None, None
        table = read_id_table(self.ids)
        return table.item_ids, table.codes, table_sizes_of(self.ids)

    @property
    def parents(self) -> dict[str, str]:
        """Digests of all that a trial depends on."""
        snapshots = self.window.snapshots
        found = {"train": snapshots.train.digest, "window": snapshots.window.digest}
        read = {"ids": self.ids, "feature_set": self.features}
        return found | {name: ref.digest for name, ref in read.items() if ref}


def next_cycle(request: CycleRequest) -> tuple[SettledCycle, datetime]:
    """The cycle that a retraining with these options would be, and its cut.

    Where nothing has arrived since the last cycle, the next one's cut is known all the same, where that one's replay
    ended; what is given then is the last cycle. Raises BadRequest.
    """
    try:
        cycle = settle_cycle(request)
        return cycle, cycle.train_cutoff
    except NothingNew:
        (last,) = cycles.cycles(warehouse(), last=1)
        asked = request.model_copy(update={"train_cutoff": last.train_cutoff, "as_of": last.as_of})
        return settle_cycle(asked), last.as_of


def validation_start(cycle: SettledCycle, cut: datetime, validate_from: datetime | None) -> datetime:
    """Where the validation window begins: as long before the cut as the replay reaches after it.

    Raises BadRequest where the window would be empty.
    """
    start = validate_from or cut - (cycle.as_of - cycle.train_cutoff)
    if start >= cut:
        raise BadRequest(
            f"--validate-from {start:%Y-%m-%dT%H:%MZ} is not before the cut, {cut:%Y-%m-%dT%H:%MZ}: pass an earlier one"
        )
    return start


def tokenizer_to_fit(cycle: SettledCycle, cut: datetime) -> TokenizerName:
    """The one that a study's IDs are made by: that of the retraining, with what `next_cycle` gives."""
    # where nothing has arrived since the last cycle, the retraining is one after it
    moment, asked = max(cycle.as_of, cut + timedelta.resolution), cycle.request.tokenizer_name
    return name_to_fit(asked, carried_before(moment, asked))


def tuning_data(cycle: SettledCycle, cut: datetime, start: datetime) -> TuningData:
    """Take in what is not in the warehouse yet, as the retraining would, and freeze both windows.

    Raises BadRequest where nothing lies before the validation window, or nothing in it.
    """
    request = cycle.request
    if not any(done.as_of >= cut for done in cycles.cycles(warehouse())):
        ingest(cycle.asked, cycle.id, cycle.as_of)  # to the stages of the retraining, which finds them done
    try:
        snapshots = freeze(start, cut)
    except snapshot.SnapshotEmpty as error:
        raise BadRequest(
            f"{error} A study trains before {start:%Y-%m-%dT%H:%MZ} and validates until {cut:%Y-%m-%dT%H:%MZ}: say "
            "with --validate-from where there are events on both sides of it"
        ) from error
    check_weights(snapshots, request.event_weights, filter_seen=request.filter_seen)
    window = ReplayWindow(
        snapshots=snapshots, profile=request.gate_profile, mode=request.mode, filter_seen=request.filter_seen,
        event_weights=request.event_weights,
    )  # fmt: skip
    sequences = user_sequences(coded(snapshots.train), cutoff=start, max_length=SEQUENCE_LENGTH)
    weights = request.event_weights
    if request.challenger in CONTENT_ARMS:
        rows, features = _rows_with_content(cycle, snapshots, sequences)
        return TuningData(window=window, event_weights=weights, rows=rows, ids=None, features=features)
    rows, ids = _rows_and_ids(cycle, request.challenger, tokenizer_to_fit(cycle, cut), snapshots, sequences)
    return TuningData(window=window, event_weights=weights, rows=rows, ids=ids)


def _rows_with_content(
    cycle: SettledCycle, snapshots: Snapshots, sequences: pa.Table
) -> tuple[TrainingSet, ArtifactRef]:
    """Training rows and what the items are, by encoders that were fitted before the validation window."""
    features = _encoded(cycle, snapshots).feature_set
    vectors = load_feature_set(features).vectors
    return TrainingSet(
        user_ids=sequences["user_id"].to_numpy(zero_copy_only=False),
        sequences=sequences.select(["item_ids", "times", "event_types"]),
        item_ids=vectors.item_ids, vectors=vectors.vectors, present=vectors.present, encoders=vectors.encoders,
    ), features  # fmt: skip


def _encoded(cycle: SettledCycle, snapshots: Snapshots) -> EncodedItems:
    request = cycle.request
    return encode_items(
        cycle.id, request.source, snapshots, None, request.vector_limits.max_duplicate_share, request.mapping
    ).output


def _rows_and_ids(
    cycle: SettledCycle, arm: ArmName, name: TokenizerName, snapshots: Snapshots, sequences: pa.Table
) -> tuple[TrainingSet, ArtifactRef | None]:
    """Training rows, and for an arm that reads them, IDs by a tokenizer that was fitted on no later event."""
    if arm not in SEMANTIC_ID_ARMS:
        items = snapshot.read_items(snapshots.train)["item_id"].to_numpy(dtype=object)
        return TrainingSet(
            user_ids=sequences["user_id"].to_numpy(zero_copy_only=False),
            sequences=sequences.select(["item_ids", "times", "event_types"]),
            item_ids=np.sort(items), vectors={}, present={},
        ), None  # fmt: skip
    request, encoded = cycle.request, _encoded(cycle, snapshots)
    training_set = publish_training_set(
        load_settings().artifacts, rows=sequences, vectors=load_feature_set(encoded.feature_set).vectors,
        parents={"feature_set": encoded.feature_set.digest}, with_types=request.weighs_types,
    )  # fmt: skip
    rows = TrainingRows(training_set=training_set, num_users=len(sequences), cut=snapshots.cut)
    identified = fit_tokenizer(
        cycle.id, snapshots, rows, encoded, name, request.preset, request.seed, None
    ).output
    return load_training_set(training_set), identified.ids
