"""A replay window: what is asked of the arms, the same of all, and the arms as they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from components.artifact import ArtifactRef, verified
from components.data import snapshot
from components.evaluation.cold import ColdPass, plan_cold
from components.evaluation.contenders import Contender
from components.evaluation.gate import GateProfile
from components.evaluation.plan import Mode, ReplayPlan, plan_replay
from components.event_weights import read_event_weights
from components.recommender.arm import Arm, Histories
from components.recommender.loading import load_arm
from components.recommender.new_item_share import as_scored
from components.tokenizer.id_table import read_id_table
from flows.settings import load_settings
from flows.snapshots import Snapshots


@dataclass(frozen=True, kw_only=True)
class ReplayWindow:
    """A window and how it is replayed."""

    snapshots: Snapshots
    profile: GateProfile
    mode: Mode
    filter_seen: bool
    event_weights: str = ""  # of event types; those of weight 0 are no truth
    cold_ids: ArtifactRef | None = None  # IDs of items that appeared after the cut; None: no second pass

    def plan(self) -> ReplayPlan:
        """The requests of the window; built once in a process, whoever asks."""
        return _plan(
            self.snapshots.train, self.snapshots.window, self.mode, self.filter_seen, self.event_weights
        )

    def cold(self) -> ColdPass | None:
        """The second pass, over items whose content is known: those that have an ID."""
        if self.cold_ids is None:
            return None
        items = snapshot.read_items(self.snapshots.window)
        return plan_cold(self.plan(), items[items["item_id"].isin(read_id_table(self.cold_ids).item_ids)])

    @property
    def reads(self) -> dict[str, ArtifactRef | None]:
        return {
            "train": self.snapshots.train,
            "window": self.snapshots.window,
            "cold_ids": self.cold_ids,
        }

    @property
    def config(self) -> dict[str, Any]:
        """What decides the verdict beside the lists."""
        return {**self.asking, "profile": self.profile.name, "gate": self.profile.hash}

    @property
    def asking(self) -> dict[str, Any]:
        """What decides the lists: another margin ranks no arm anew."""
        weighted = {"event_weights": self.event_weights} if read_event_weights(self.event_weights) else {}
        asked = {"mode": self.mode, "filter_seen": self.filter_seen, "k": self.profile.list_length}
        return asked | weighted


@lru_cache(maxsize=1)
def _plan(
    train: ArtifactRef, window: ArtifactRef, mode: Mode, filter_seen: bool, event_weights: str
) -> ReplayPlan:
    facts = snapshot.snapshot_facts(window)
    assert facts.start is not None
    return plan_replay(
        snapshot.read_events(train),
        snapshot.read_events(window),
        snapshot.read_items(train),
        cut=facts.start,
        end=facts.end,
        mode=mode,
        filter_seen=filter_seen,
        event_weights=read_event_weights(event_weights),
    )


def load_contender(contender: Contender) -> Arm:
    """The arm out of its published folder, every byte checked."""
    verified(contender.artifact.path)
    arm = load_arm(Path(contender.artifact.path) / contender.folder, load_settings().compute)
    return arm if contender.raises_new_items else as_scored(arm)


def histories_of(plan: ReplayPlan, requests: slice | np.ndarray) -> Histories:
    """What an arm is shown for these requests of the plan."""
    return Histories(
        catalogue=plan.catalogue,
        items=plan.items,
        times=plan.times,
        start=plan.start[requests],
        end=plan.end[requests],
    )
