"""Who stands in a replay: a champion that has seen the window stands as its recipe, refitted at the cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.recommender.popularity import fit_popularity
from components.registry.bundle import BundleFacts, build_bundle
from flows.asking import Contender
from flows.contenders import can_be_told_of_cold_items, contenders_of, recipe_to_refit
from flows.request import CycleRequest

CUT = datetime(2024, 1, 1, tzinfo=UTC)
REQUEST = CycleRequest(as_of=CUT + timedelta(days=30), train_cutoff=CUT)
ARMS = {
    name: {"kind": "arm", "digest": f"{name} refitted", "path": name} for name in ("mmgrec", "sasrec", "hstu")
}
BASELINES = ("popularity", "recent_popularity", "random")
COUNTED = {name: {"kind": "arm", "digest": name, "path": name} for name in BASELINES}
BUNDLE = {"kind": "bundle", "digest": "the challenger's", "path": "bundle"}


def champion_of(root: Path, *, train_end: datetime) -> dict[str, str]:
    """A published bundle whose facts say that an hstu learned until then."""
    arm = fit_popularity(np.array(["x", "y"], dtype=object))
    facts = BundleFacts(
        arm="hstu", train_end=train_end.isoformat(), snapshot="5" * 64, feature_set="f" * 64, tokenizer=None,
        id_table=None, seed=7, code="c" * 64,
    )  # fmt: skip
    items = pd.DataFrame({"item_id": ["x", "y"], "title": ["X", "Y"], "categories": ["A", "B"]})
    ref = build_bundle(root, write_arm=arm.save, write_tokenizer=None, items=items, facts=facts)
    return {"version": "3", **ref.to_dict()}


def stand(champion: dict[str, str] | None) -> dict[str, Contender]:
    found = contenders_of(REQUEST, ARMS, COUNTED, BUNDLE, champion, "the tokenizer")
    assert len({contender.name for contender in found}) == len(found)
    return {contender.name: contender for contender in found}


def test_both_popularities_and_random_always_stand():
    assert set(stand(None)) == {"mmgrec", "sasrec", *BASELINES}


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(days=20)])
def test_a_champion_past_the_cut_stands_as_its_recipe_refitted(tmp_path: Path, late: timedelta):
    champion = champion_of(tmp_path, train_end=CUT + late)
    assert recipe_to_refit(champion, REQUEST) == "hstu"
    found = stand(champion)["champion"]
    assert (found.compared, found.digest) == ("refit at the cut", "hstu refitted")
    assert found.train_end == CUT.isoformat()
    assert "hstu" not in stand(champion)  # once, as the champion


@pytest.mark.parametrize("early", [timedelta(0), timedelta(days=20)])
def test_a_champion_that_learned_in_time_stands_as_its_artefact(tmp_path: Path, early: timedelta):
    champion = champion_of(tmp_path, train_end=CUT - early)
    assert recipe_to_refit(champion, REQUEST) is None
    found = stand(champion)["champion"]
    assert (found.compared, found.digest) == ("registry artefact", champion["digest"])
    assert found.train_end == (CUT - early).isoformat()


def test_arms_that_read_ids_are_told_those_of_cold_items(tmp_path: Path):
    told = {name: contender.reads_cold_ids for name, contender in stand(None).items()}
    assert told == {"mmgrec": True} | dict.fromkeys(
        ("sasrec", "popularity", "recent_popularity", "random"), False
    )
    without_ids = champion_of(tmp_path, train_end=CUT)
    assert can_be_told_of_cold_items(without_ids, REQUEST, "the tokenizer")
