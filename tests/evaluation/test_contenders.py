"""Who stands in a replay: a champion that has seen the window stands as its recipe, refitted at the cut."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from components.artifact import ArtifactRef
from components.evaluation.contenders import (
    WITHOUT_SHARE,
    Contender,
    FittedArm,
    Incumbent,
    arms_to_train,
    line_up,
)

CUT = datetime(2024, 1, 1, tzinfo=UTC)
BASELINES = ("popularity", "recent_popularity", "random")


def artifact(digest: str) -> ArtifactRef:
    return ArtifactRef(kind="arm", digest=digest, path=digest)


TRAINED = {
    "mmgrec": FittedArm(artifact=artifact("mmgrec fitted"), reads_ids=True),
    "sasrec": FittedArm(artifact=artifact("sasrec fitted"), reads_ids=False),
    "hstu": FittedArm(artifact=artifact("hstu refitted"), reads_ids=False),
}
BUNDLE = ArtifactRef(kind="bundle", digest="the challenger's", path="bundle")


def champion(*, train_end: datetime, tokenizer: str | None = None) -> Incumbent:
    return Incumbent(
        version="3", bundle=artifact("the champion's"), arm="hstu", train_end=train_end, tokenizer=tokenizer
    )


def stand(held: Incumbent | None, *challengers: str, has_share: bool = False) -> dict[str, Contender]:
    """By default mmgrec alone challenges."""
    found = line_up(
        bundles=dict.fromkeys(challengers or ("mmgrec",), BUNDLE), trained=TRAINED, champion=held,
        tokenizer="the tokenizer", cut=CUT, baselines={name: artifact(name) for name in BASELINES},
        has_share=has_share,
    )  # fmt: skip
    assert len({contender.name for contender in found}) == len(found)
    return {contender.name: contender for contender in found}


def test_both_popularities_and_random_always_stand():
    assert set(stand(None)) == {"mmgrec", "sasrec", *BASELINES}


def test_the_challenger_is_asked_out_of_its_bundle():
    own = stand(None)["mmgrec"]
    assert (own.artifact, own.folder, own.train_end) == (BUNDLE, "arm", CUT)


def test_a_challenger_with_a_share_for_new_items_stands_without_it_too():
    found = stand(champion(train_end=CUT), has_share=True)
    own, plain = found["mmgrec"], found[WITHOUT_SHARE]
    assert replace(plain, name="mmgrec", raises_new_items=True) == own
    assert own.has_share
    assert not stand(None)["mmgrec"].has_share
    assert [name for name, one in found.items() if not one.raises_new_items] == [WITHOUT_SHARE]


def test_a_reference_that_challenges_stands_once():
    assert set(stand(None, "sasrec")) == {"sasrec", *BASELINES}


def test_several_challengers_stand_first_and_each_once():
    held = champion(train_end=CUT + timedelta(days=1))
    assert arms_to_train(("hstu", "sasrec"), held, CUT) == ("hstu", "sasrec")
    found = stand(None, "hstu", "sasrec")
    assert list(found) == ["hstu", "sasrec", *BASELINES]
    assert all((found[name].artifact, found[name].folder) == (BUNDLE, "arm") for name in ("hstu", "sasrec"))


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(days=20)])
def test_a_champion_past_the_cut_stands_as_its_recipe_refitted(late: timedelta):
    held = champion(train_end=CUT + late)
    assert arms_to_train(("mmgrec",), held, CUT) == ("mmgrec", "sasrec", "hstu")
    found = stand(held)["champion"]
    assert (found.compared, found.artifact.digest) == ("refit at the cut", "hstu refitted")
    assert found.train_end == CUT
    assert "hstu" not in stand(held)  # once, as the champion


@pytest.mark.parametrize("early", [timedelta(0), timedelta(days=20)])
def test_a_champion_that_learned_in_time_stands_as_its_artifact(early: timedelta):
    held = champion(train_end=CUT - early)
    assert arms_to_train(("mmgrec",), held, CUT) == ("mmgrec", "sasrec")
    found = stand(held)["champion"]
    assert (found.compared, found.artifact) == ("registry artifact", held.bundle)
    assert found.train_end == CUT - early


def test_arms_that_read_ids_are_told_those_of_cold_items():
    told = {name: contender.reads_cold_ids for name, contender in stand(None).items()}
    assert told == {"mmgrec": True} | dict.fromkeys(("sasrec", *BASELINES), False)


@pytest.mark.parametrize(
    ("tokenizer", "train_end", "shares"),
    [
        (None, CUT, True),  # reads none
        ("the tokenizer", CUT, True),
        ("another", CUT, False),
        ("another", CUT + timedelta(days=1), True),  # refitted on this cycle's IDs
    ],
)
def test_a_champion_on_other_ids_cannot_be_told_of_cold_items(
    tokenizer: str | None, train_end: datetime, shares: bool
):
    held = champion(train_end=train_end, tokenizer=tokenizer)
    assert held.shares_tokenizer("the tokenizer", CUT) is shares


def test_a_champion_that_reads_the_content_of_other_encoders_cannot_be_told_of_cold_items():
    held = replace(champion(train_end=CUT, tokenizer=None), content_space="text=one/8")
    assert (held.shares_encoders("text=one/8", CUT), held.shares_encoders("text=two/8", CUT)) == (True, False)
    assert replace(held, train_end=CUT + timedelta(days=1)).shares_encoders("text=two/8", CUT)  # refitted
    assert replace(held, content_space="").shares_encoders("text=two/8", CUT)  # reads none
