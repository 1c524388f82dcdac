from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from components.content_vectors import ContentVectors
from components.recommender.arm import Arm
from components.recommender.codes.vocabulary import CodeOutOfRange
from components.recommender.loading import load_arm
from components.recommender.names import CONTENT_ARMS, SEMANTIC_ID_ARMS, ArmName
from components.recommender.sequences import UnknownItem
from components.recommender.train_arm import NothingKnown, catalogue_of, train_arm
from tests.recommender.examples import content_of, histories_of, item_names, tuples

ITEM_IDS = item_names(24)
_DRAW = np.random.default_rng(0)
# random walks of many users: as many directions as are asked for, so that a seed means the same spectral start
ITEMS = [ITEM_IDS[np.cumsum(_DRAW.integers(1, 6, 8)) % 24].tolist() for _ in range(60)]
TIMES = [list(range(8)) for _ in ITEMS]
CODES = tuples(24, width=3, seed=0)
SIZES = [4, 4, 8]
ARMS = get_args(ArmName)
CODELESS = sorted(set(ARMS) - SEMANTIC_ID_ARMS)


def quick(name: ArmName, item_ids: np.ndarray = ITEM_IDS, codes=CODES, sizes=SIZES) -> Arm:
    torch.set_num_threads(1)
    content = content_of(item_ids) if name in CONTENT_ARMS else None
    return train_arm(name, ITEMS, TIMES, item_ids, codes, sizes, preset="quick", seed=0, content=content)


def scores_of(arm: Arm) -> np.ndarray:
    return arm.recommend(histories_of(ITEM_IDS, [[0, 1, 2], [5], []]), k=5).scores


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_trains_and_comes_back_from_disk(name, tmp_path):
    """With the sizes of the tokenizer's tables, which are larger than the codes in use."""
    arm = quick(name)
    arm.save(tmp_path)
    histories = histories_of(ITEM_IDS, [[0, 1, 2], [5], []])
    wanted, found = arm.recommend(histories, k=5), load_arm(tmp_path).recommend(histories, k=5)
    np.testing.assert_array_equal(found.items, wanted.items)
    assert (wanted.items >= 0).all()


@pytest.mark.parametrize("name", ARMS)
def test_the_order_of_the_table_means_nothing(name):
    """Rows as they were appended, or sorted: the same arm to the bit."""
    order = np.random.default_rng(0).permutation(24)
    np.testing.assert_array_equal(
        scores_of(quick(name)), scores_of(quick(name, ITEM_IDS[order], CODES[order]))
    )


@pytest.mark.parametrize("name", CODELESS)
def test_arms_without_codes_read_the_catalogue_alone(name):
    """Codes that no table holds, or none at all: the same arm to the bit."""
    wanted = scores_of(quick(name))
    np.testing.assert_array_equal(scores_of(quick(name, catalogue_of(ITEM_IDS[::-1]), None, None)), wanted)
    np.testing.assert_array_equal(scores_of(quick(name, sizes=[1, 1, 1])), wanted)


@pytest.mark.parametrize("name", sorted(SEMANTIC_ID_ARMS))
def test_arms_with_codes_need_them_and_look_at_them(name):
    with pytest.raises(ValueError, match=f"{name} reads semantic IDs: pass the ID table's codes"):
        quick(name, codes=None)
    with pytest.raises(CodeOutOfRange, match="the arm knows 1"):
        quick(name, sizes=[1, 1, 1])


@pytest.mark.parametrize("name", sorted(CONTENT_ARMS))
def test_arms_with_content_need_some_and_look_at_it(name):
    """None, or zeros for every item: refused. For half of them: another arm than with all."""
    whole = content_of(ITEM_IDS)
    half = replace(whole, vectors=whole.vectors * (np.arange(24) < 12)[:, None])
    nothing = replace(whole, vectors=np.zeros_like(whole.vectors))

    def trained(content: ContentVectors | None) -> Arm:
        return train_arm(name, ITEMS, TIMES, ITEM_IDS, preset="quick", seed=0, content=content)

    for missing in (None, nothing):
        with pytest.raises(NothingKnown, match=f"{name} reads what items are, and none of them has content"):
            trained(missing)
    assert not np.allclose(scores_of(trained(half)), scores_of(quick(name)))


def test_the_catalogue_ascends():
    assert catalogue_of(np.array(["b", "B", "a10", "a9"])).tolist() == ["B", "a10", "a9", "b"]


def test_an_event_outside_the_table_is_named():
    with pytest.raises(UnknownItem, match="item 'i000' is not among"):
        quick("sasrec", item_ids=ITEM_IDS[1:], codes=CODES[1:])


@pytest.mark.parametrize("name", sorted({*ARMS} - {"mmgrec_paper"}))
def test_what_weighs_next_to_nothing_is_read_and_hardly_aimed_at(name):
    """Everybody takes an item of the first half, then its partner of the second, then the next of the first half.

    So a partner follows each item of the first half. Where partners weigh a thousandth, an arm lists fewer of them.
    """
    torch.set_num_threads(1)
    starts = np.random.default_rng(1).integers(0, 12, 120)
    lists = [[ITEM_IDS[(s + at // 2) % 12 + 12 * (at % 2)] for at in range(12)] for s in starts]
    times = [list(range(12))] * 120

    def share_of_partners(weights: list[list[float]] | None) -> float:
        arm = train_arm(
            name, lists, times, ITEM_IDS, CODES, SIZES, weight_lists=weights, preset="quick", seed=0,
            content=content_of(ITEM_IDS),
        )  # fmt: skip
        asked = histories_of(ITEM_IDS, [[n] for n in range(12)])
        return float((arm.recommend(asked, k=5).items >= 12).mean())

    assert share_of_partners([[1.0, 0.001] * 6] * 120) < share_of_partners(None)
