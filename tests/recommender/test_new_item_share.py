"""New items get the share of places that is asked: the number that does it, and a world where they are wanted."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.content_vectors import ContentVectors
from components.recommender.arm import Arm
from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig, DenseName
from components.recommender.arms.fusion import FusionArm, FusionConfig, train_fusion
from components.recommender.arms.mmgrec import MMGRecArm, train_mmgrec
from components.recommender.arms.semantic_sasrec import train_semantic_sasrec
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.networks.aligned_network import Alignment
from components.recommender.networks.content_items import Content
from components.recommender.networks.graph_network import Graph
from components.recommender.new_item_share import (
    PLACES,
    CannotRaise,
    NewItemShare,
    as_scored,
    least_offset,
    raises_new_items,
    with_share,
    youngest_of,
)
from components.recommender.sequences import TrainingSequences
from components.recommender.weights import ARM
from tests.recommender.examples import SHORT, SMALL, SMALL_MIXER, circling, histories_of, item_names

HITS, GROUPS, NICHE, NEW = 30, 10, 10, 20
OLD = (
    HITS + GROUPS * NICHE
)  # in the catalogue's order: hits, niche items group by group, two new ones a group
NAMES = np.array([*item_names(OLD), *(f"new{n:02d}" for n in range(NEW))], dtype=object)


def test_worked_example() -> None:
    """Two lists of two places. Trained 5, 3 and 9, 8; new 2, 1 and 4, -: margins 3 - 2 = 1, 5 - 1 = 4, 8 - 4 = 4.

    A quarter of the four places is one new item: above 1, half-way to the next margin. Half would be two, and both
    margins of 4 are passed together, by 1, since none is left beyond.
    """
    trained, new = np.array([[5.0, 3.0], [9.0, 8.0]]), np.array([[2.0, 1.0], [4.0, -np.inf]])
    assert least_offset(trained, new, 0.25) == 2.5
    assert least_offset(trained, new, 0.5) == 5.0
    assert least_offset(trained, new, 0.99) == 5.0
    assert least_offset(trained, new + 3, 0.25) == 0.0  # by themselves
    assert least_offset(trained, np.full((2, 2), -np.inf), 0.25) == 0.0


@given(
    seed=st.integers(0, 1000), requests=st.integers(1, 30), k=st.integers(1, 8), share=st.floats(0.001, 0.9)
)
def test_the_offset_gives_what_is_asked_and_no_place_more(
    seed: int, requests: int, k: int, share: float
) -> None:
    """Lists merged by hand: as many new places as are asked, and one fewer without the last of them."""
    rng = np.random.default_rng(seed)
    trained, new = (-np.sort(-rng.normal(mean, 1, (requests, k))) for mean in (3, 0))

    def places(offset: float) -> int:
        merged = np.concatenate([trained, new + offset], axis=1)
        return int((np.argsort(-merged, axis=1, kind="stable")[:, :k] >= k).sum())

    offset = least_offset(trained, new, share)
    wanted = int(np.ceil(share * requests * k))
    assert places(offset) == (wanted if offset else places(0.0)) >= wanted


def users(count: int, seed: int) -> list[list[int]]:
    """Each takes ten of the 30 hits, and two of the ten niche items of the user's group, in any order."""
    rng = np.random.default_rng(seed)
    niche = HITS + NICHE * (np.arange(count) % GROUPS)
    taken = ([*rng.permutation(HITS)[:10], *(first + rng.permutation(NICHE)[:2])] for first in niche)
    return [rng.permutation(one).tolist() for one in taken]


def world() -> tuple[TrainingSequences, np.ndarray]:
    """Hits crowd everything else out of ten places; a new item has the codes of a niche item, and no event."""
    sequences = TrainingSequences.from_lists(
        [[NAMES[item] for item in one] for one in users(300, 0)], item_ids=NAMES
    )
    hits = np.column_stack([np.full(HITS, GROUPS), np.arange(HITS)])
    niche = np.column_stack(np.divmod(np.arange(GROUPS * NICHE), NICHE))
    new = niche.reshape(GROUPS, NICHE, 2)[:, : NEW // GROUPS].reshape(NEW, 2)
    token = np.repeat([0, 1], [OLD, NEW])
    return sequences, np.column_stack([np.concatenate([hits, niche, new]), token])


LONGER = replace(SHORT, epochs=6, batch_size=16)


def generative() -> MMGRecArm:
    sequences, codes = world()
    config = replace(SMALL, training=LONGER, decode="hybrid", beam_size=20)
    return train_mmgrec(sequences, codes, config, seed=0)


def dense() -> Arm:
    sequences, codes = world()
    config = DenseConfig(mixer=SMALL_MIXER, training=LONGER, free_dropout=0.2)
    return train_semantic_sasrec(sequences, codes, config, seed=0)


def told_of_content(name: DenseName) -> Arm:
    """What an item is says of which group it is, and which of the group: a new one is its twin."""
    sequences, codes = world()
    axes = np.random.default_rng(3).standard_normal((GROUPS + 1 + HITS, 12))
    vectors = (axes[codes[:, 0]] + 0.3 * axes[GROUPS + 1 + codes[:, 1]]).astype(np.float32)
    content = ContentVectors(vectors=vectors, space="text=made/12")
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, relation_dim=0), training=LONGER, content=Content(components=12), **OF_CONTENT[name]
    )  # fmt: skip
    vocabulary = vocabulary_of(sequences, content=content)
    return train_dense(name, sequences, vocabulary, config, seed=0, content=content)


def fused() -> Arm:
    sequences, codes = world()
    config = FusionConfig(mixer=SMALL_MIXER, training=LONGER, free_dropout=0.2, regularization=50.0)
    return train_fusion(sequences, codes, config, seed=0)


OF_CONTENT: dict[DenseName, dict[str, Any]] = {
    "hstu_text": {"free_dropout": 0.2},
    "m2trec": {"free_vectors": False},
    "alpharec": {"free_vectors": False, "graph": Graph(), "temperature": 0.15},
    # at .1 the map knows the items that it was drawn to better than others: .036 of .05 came
    "rlmrec": {"graph": Graph(), "alignment": Alignment(weight=0.5)},
}
ARMS = ("hybrid", "exact", "semantic_sasrec", "fusion", *OF_CONTENT)


@cache
def arm_called(name: str) -> Arm:
    """Trained once, by the first test that wants it."""
    match name:
        case "hybrid":
            return generative()
        case "exact":
            hybrid = arm_called("hybrid")
            assert isinstance(hybrid, MMGRecArm)
            return hybrid.decoding("exact")
        case "semantic_sasrec":
            return dense()
        case "hstu_text" | "m2trec" | "alpharec" | "rlmrec":
            return told_of_content(name)
    return fused()


def lists_of(arm: Arm, count: int, seed: int) -> np.ndarray:
    """Ten places for each of other users."""
    return arm.recommend(histories_of(NAMES, users(count, seed)), k=PLACES).items


def places_of_new(lists: np.ndarray) -> float:
    return float((lists >= OLD).mean())


@pytest.mark.parametrize("share", [0.05, 0.1])
@pytest.mark.parametrize("name", ARMS)
def test_users_who_were_not_counted_get_the_share_too(name: str, share: float) -> None:
    """400 lists of others: 4,000 places."""
    raised = with_share(arm_called(name), world()[0], NewItemShare(share=share))
    assert places_of_new(lists_of(arm_called(name), 400, 1)) < share / 5
    assert places_of_new(lists_of(raised, 400, 1)) == pytest.approx(share, rel=0.2)


@pytest.mark.parametrize("name", ARMS)
def test_wanted_new_items_are_found_with_the_share_and_not_without(name: str) -> None:
    """A user wants the two new items of the group. One place in ten, dealt at random, would bring .05 of them."""

    def recall(arm: Arm) -> float:
        own = (lists_of(arm, 400, 1) - OLD) // (NEW // GROUPS) == (np.arange(400) % GROUPS)[:, None]
        return float(own.sum(axis=1).mean()) / (NEW // GROUPS)

    assert recall(arm_called(name)) < 0.03
    assert recall(with_share(arm_called(name), world()[0], NewItemShare(share=0.1))) > 0.2


def test_what_is_expected_is_counted_since_the_youngest_items_came() -> None:
    """Of ten items the last has its first event at 18; of the two events since then one is on it."""
    names = [f"i{n}" for n in range(10)]
    lists = [[*names[:9], *names[:9]], [names[0], names[9]]]
    sequences = TrainingSequences.from_lists(lists, [list(range(18)), [18, 18]], item_ids=[*names, "unseen"])
    young = youngest_of(sequences)
    assert np.flatnonzero(young.is_new).tolist() == [9]
    assert (young.share, young.events_before.tolist()) == (0.5, [18, 0])
    at_once = youngest_of(TrainingSequences.from_lists(lists, [[0] * 18, [0, 0]]))
    assert not at_once.is_new.any(), "nothing is before"
    assert at_once.share == 0


def test_a_share_may_be_left_to_the_events() -> None:
    """By the events' share, or by the same share asked for: one and the same arm."""
    sequences, _ = world()
    share = youngest_of(sequences).share
    assert 0 < share < 0.5
    by_events, asked = (
        with_share(arm_called("hybrid"), sequences, NewItemShare(share=one)) for one in (None, share)
    )
    assert raises_new_items(by_events)
    assert raises_new_items(asked)
    assert by_events.new_item_offset == asked.new_item_offset


def test_where_none_is_new_those_that_were_lately_stand_for_those_to_come() -> None:
    """Ten of the twenty have a handful of events each, all at the end; the other ten come after the training.

    The codes of those ten have learned from their events, so what comes gets less than is asked.
    """
    sequences, codes = world()
    lately = [[HITS + NICHE * (new // 2) + 5, OLD + new] for new in range(10) for _ in range(6)]
    begin = int(sequences.times.max()) + 1
    more = TrainingSequences.from_lists(
        [*([NAMES[item] for item in one] for one in [*users(300, 0), *lately])],
        [*(list(range(len(one))) for one in users(300, 0)), *([begin, begin + 1] for _ in lately)],
        item_ids=NAMES[: OLD + 10],
    )
    assert youngest_of(more).is_new[OLD:].all()
    config = replace(SMALL, training=LONGER, decode="hybrid", beam_size=20)
    arm = train_mmgrec(more, codes[: OLD + 10], config, seed=0)
    raised = with_share(arm, more, NewItemShare(share=0.05))
    assert isinstance(raised, MMGRecArm)
    assert raised.new_item_offset > 0
    asked = histories_of(NAMES, users(400, 1))
    comes = (NAMES[OLD + 10 :], codes[OLD + 10 :])
    with_it, without = (one.with_ids(*comes).recommend(asked, k=PLACES).items for one in (raised, arm))
    is_new = np.arange(len(NAMES)) >= OLD + 10
    assert is_new[without].mean() < is_new[with_it].mean() < 0.05


@pytest.mark.parametrize("name", ARMS)
def test_an_item_taken_as_new_is_its_codes_or_content_alone(name: str) -> None:
    """Its twin of the same codes or content that nobody has had scores the same; one without events stays as it was."""
    arm = arm_called(name)
    assert isinstance(arm, MMGRecArm | DenseArm | FusionArm)
    twin = HITS  # of the first new item
    as_new = arm.as_if_new(np.arange(len(NAMES)) == twin)
    others = [user for user in users(30, 3) if twin not in user]
    asked = histories_of(NAMES, others)
    pair = np.isin(np.arange(len(NAMES)), [twin, OLD])
    found = as_new.recommend(asked, k=2, candidates=pair)
    if not isinstance(
        arm, MMGRecArm
    ):  # whose beam tells two by their last token, which the others do not score
        np.testing.assert_allclose(found.scores[:, 0], found.scores[:, 1], atol=1e-5)
    assert arm.vocabulary.is_trained[twin]
    assert not as_new.vocabulary.is_trained[twin]
    nothing = arm.as_if_new(np.arange(len(NAMES)) == OLD)
    np.testing.assert_array_equal(
        nothing.recommend(asked, k=PLACES).scores, arm.recommend(asked, k=PLACES).scores
    )


def test_an_item_that_comes_later_is_raised_as_well() -> None:
    sequences, codes = world()
    raised = with_share(arm_called("hybrid"), sequences, NewItemShare(share=0.05))
    assert isinstance(raised, MMGRecArm)
    later = raised.with_ids(np.array(["zz"], dtype=object), codes[HITS + 5 : HITS + 6] + np.array([0, 0, 1]))
    plain = as_scored(later)
    asked = histories_of(later.vocabulary.item_ids, users(30, 3))
    only = later.vocabulary.item_ids == "zz"
    assert later.new_item_offset == raised.new_item_offset > 0
    with_it, without = (arm.recommend(asked, k=1, candidates=only).scores for arm in (later, plain))
    np.testing.assert_allclose(with_it - without, raised.new_item_offset, atol=1e-4)


@pytest.mark.parametrize("name", ARMS)
def test_it_ships_with_the_arm_and_can_be_taken_off(name: str, tmp_path: Path) -> None:
    raised = with_share(arm_called(name), world()[0], NewItemShare(share=0.1))
    raised.save(tmp_path / "raised")
    arm_called(name).save(tmp_path / "plain")
    asked = histories_of(NAMES, users(20, 2))
    loaded = load_arm(tmp_path / "raised")
    np.testing.assert_array_equal(
        loaded.recommend(asked, k=PLACES).items, raised.recommend(asked, k=PLACES).items
    )
    np.testing.assert_array_equal(
        as_scored(loaded).recommend(asked, k=PLACES).items, arm_called(name).recommend(asked, k=PLACES).items
    )
    assert "new_item_offset" not in json.loads((tmp_path / "plain" / ARM).read_text())["config"]
    as_scored(loaded).save(tmp_path / "again")
    for file in (tmp_path / "plain").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_who_has_no_new_item_stays_and_who_cannot_rank_one_says_so() -> None:
    walked = circling(30, 40, 12, seed=0)
    codes = np.column_stack([np.arange(40), np.zeros(40, dtype=np.int64)])
    whole = train_mmgrec(walked, codes, SMALL, seed=0)
    at_once = replace(walked, times=np.zeros_like(walked.times))  # none came after the others
    assert with_share(whole, at_once, NewItemShare(share=0.1)) is whole
    config = DenseConfig(mixer=SMALL_MIXER, training=SHORT)
    without_codes = train_dense("sasrec", walked, vocabulary_of(walked), config, seed=0)
    with pytest.raises(CannotRaise, match="sasrec cannot rank an item"):
        with_share(without_codes, walked, NewItemShare(share=0.1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        NewItemShare(share=1.0)
