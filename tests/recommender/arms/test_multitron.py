"""A made-up world of two types that lead to different items: turning the preference turns the lists."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from components.recommender.arm import Arm
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.multitron import (
    UNTOLD,
    MultitronArm,
    MultitronConfig,
    UnknownObjective,
    train_multitron,
    with_objectives,
)
from components.recommender.carried_weights import CannotBeginThere
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.sequences import TrainingSequences
from components.recommender.train_arm import train_arm
from tests.recommender.examples import SHORT, SMALL_MIXER, circling, histories_of, item_names

ITEMS = 40
CLICKED, BOUGHT = 1, 7  # how far round the circle an event of the type goes
MIXER = replace(SMALL_MIXER, relation_dim=0)
CONFIG = MultitronConfig(mixer=MIXER, training=replace(SHORT, epochs=8))


@lru_cache(maxsize=1)
def walks() -> tuple[list[list[str]], list[list[str]]]:
    """100 users' items and types: three of ten events are purchases, and go another way than clicks do."""
    rng, names = np.random.default_rng(0), item_names(ITEMS)
    bought = rng.random((100, 12)) < 0.3
    at = (rng.integers(0, ITEMS, (100, 1)) + np.where(bought, BOUGHT, CLICKED).cumsum(axis=1)) % ITEMS
    return names[at].tolist(), np.where(bought, "purchase", "click").tolist()


def world(weights: dict[str, float] | None = None) -> TrainingSequences:
    items, types = walks()
    weighed = None if weights is None else [[weights[name] for name in own] for own in types]
    return TrainingSequences.from_lists(items, item_ids=item_names(ITEMS), types=types, weights=weighed)


@lru_cache(maxsize=1)
def trained() -> MultitronArm:
    torch.set_num_threads(1)
    return train_multitron(world(), vocabulary_of(world()), CONFIG, seed=0)


def reached(arm: Arm) -> tuple[float, float]:
    """Of one event each of all items, the share where what a click leads to comes first, and a purchase."""
    asked = histories_of(item_names(ITEMS), [[item] for item in range(ITEMS)])
    first, item = arm.recommend(asked, k=1).items[:, 0], np.arange(ITEMS)
    clicked, bought = (float((first == (item + far) % ITEMS).mean()) for far in (CLICKED, BOUGHT))
    return clicked, bought


def test_turning_the_preference_turns_the_lists():
    """SASRec, which is not told, goes with the clicks; the same network with its ears shut gives one list for all."""
    told = trained()
    ends = [reached(told.preferring(text)) for text in ("click=1", "purchase=1")]
    assert ends[0][0] >= 0.9
    assert ends[1][1] >= 0.9
    between = reached(told.preferring("click=.6,purchase=.4"))
    assert ends[1][0] < between[0] < ends[0][0]
    sasrec = DenseConfig(mixer=MIXER, training=CONFIG.training)
    assert reached(train_dense("sasrec", world(), vocabulary_of(world()), sasrec, seed=0))[1] <= 0.3
    clicked, bought = (reached(deaf(told.preferring(text))) for text in ("click=1", "purchase=1"))
    assert clicked == bought


def deaf(arm: MultitronArm) -> MultitronArm:
    """Its network, what it is told left out."""
    other = arm.preferring(arm.config.preference)
    silent = {"told.weight": torch.zeros_like(arm.network.told.weight)}
    other.network.load_state_dict(arm.network.state_dict() | silent, assign=True)
    return other


def test_a_preference_for_one_type_finds_what_a_training_for_it_alone_finds():
    weighed = world({"click": 0.0, "purchase": 1.0})
    alone = train_dense(
        "sasrec", weighed, vocabulary_of(weighed), DenseConfig(mixer=MIXER, training=CONFIG.training), seed=0
    )
    assert reached(alone)[1] >= 0.9
    assert reached(trained().preferring("purchase=1"))[1] >= reached(alone)[1] - 0.1


def test_what_is_saved_comes_back_with_its_preference(tmp_path):
    arm = trained().preferring("purchase=3,click=1")
    arm.save(tmp_path)
    again = load_arm(tmp_path)
    assert isinstance(again, MultitronArm)
    assert again.config == arm.config
    assert again.config.preference == "purchase=3,click=1"
    asked = histories_of(item_names(ITEMS), [[3, 4], [], [9]])
    wanted = arm.recommend(asked, k=8).scores
    np.testing.assert_array_equal(again.recommend(asked, k=8).scores, wanted)
    np.testing.assert_array_equal(
        again.preferring("").preferring("click=.25,purchase=.75").recommend(asked, k=8).scores, wanted
    )
    assert (trained().recommend(asked, k=8).scores != wanted).any()


def test_objectives_are_the_types_of_targets():
    """What weighs nothing is context: no objective, and -1 where it stands; without types there is one."""
    aimed = with_objectives(world({"click": 0.0, "purchase": 1.0}))
    assert aimed.type_names == ("purchase",)
    assert set(aimed.types[~aimed.is_target]) == {-1}
    assert set(aimed.types[aimed.is_target]) == {0}
    untold = with_objectives(circling(3, 5, 4, seed=0))
    assert (untold.type_names, set(untold.types)) == (UNTOLD, {0})


def test_a_preference_over_other_types_is_refused_with_those_that_there_are():
    with pytest.raises(
        UnknownObjective, match=r"names 'sale', and .* of type click, purchase\. Name one of these"
    ):
        trained().preferring("sale=1")
    items, types = walks()
    asked = {"preset": "quick", "seed": 0, "type_lists": types[:5]}
    times = [list(range(12))] * 5
    with pytest.raises(UnknownObjective, match="'sale'"):
        train_arm("multitron", items[:5], times, item_names(ITEMS), preference="sale=1", **asked)
    with pytest.raises(ValueError, match="sasrec takes no preference over event types: multitron does"):
        train_arm("sasrec", items[:5], times, item_names(ITEMS), preference="click=1", **asked)


def test_training_begins_at_weights_of_the_same_objectives_alone():
    weighed = world({"click": 1.0, "purchase": 0.0})
    with pytest.raises(
        CannotBeginThere, match="its objectives are click, purchase, and here click: train with"
    ):
        train_multitron(weighed, vocabulary_of(weighed), CONFIG, seed=0, begin=trained())
    shorter = replace(CONFIG, training=replace(SHORT, epochs=1, start_length=0.0))
    again = train_multitron(world(), vocabulary_of(world()), shorter, seed=0, begin=trained())
    assert reached(again.preferring("purchase=1"))[1] >= 0.9


def test_a_training_that_is_cut_off_ends_in_the_same_weights(tmp_path):
    """Preferences are drawn with the batches: what is drawn after the break is what would have been."""
    few = replace(CONFIG, training=replace(SHORT, epochs=2))
    sequences, checkpoint = world(), tmp_path / "multitron.pt"

    class Broken(Exception):
        pass

    def until_the_second(step):
        if step.epoch == 1:
            raise Broken

    with pytest.raises(Broken):
        train_multitron(
            sequences, vocabulary_of(sequences), few, seed=0, checkpoint=checkpoint, on_step=until_the_second
        )
    found = train_multitron(sequences, vocabulary_of(sequences), few, seed=0, checkpoint=checkpoint)
    wanted = train_multitron(sequences, vocabulary_of(sequences), few, seed=0)
    for name, weight in wanted.network.state_dict().items():
        np.testing.assert_array_equal(found.network.state_dict()[name], weight)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="concentration is 0, and above 0"):
        MultitronConfig(mixer=MIXER, concentration=0)
    with pytest.raises(ValueError, match="no part of a preference"):
        MultitronConfig(mixer=MIXER, preference="click")
