"""Every setting that may be searched has its place in the arm's config, and the shipped preset lies within bounds."""

import json
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from components.artifact import digest_of
from components.recommender.arm_config import config_of, decoded_with, value_at, with_settings
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.fusion import train_fusion
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.pisa import train_pisa
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.names import ArmName, PresetName
from components.recommender.presets import quick_fusion, quick_mmgrec, quick_pisa, quick_sasrec
from components.recommender.search_space import OneOf, Real, Whole, decode_settings, space_of
from components.recommender.train_arm import train_arm
from components.recommender.tuned_preset import TunedPresetRefused, carried_preset, read_tuned_preset
from tests.recommender.examples import circling, histories_of, tuples

PRESETS = [(arm, preset) for arm in get_args(ArmName) for preset in get_args(PresetName)]


@pytest.mark.parametrize(("arm", "preset"), PRESETS)
@pytest.mark.parametrize("density", ["dense", "sparse"])
def test_the_shipped_preset_lies_in_its_space_and_every_end_can_be_trained_with(arm, preset, density):
    shipped = config_of(arm, preset, density, {})
    for name, range_ in space_of(arm, preset).items():
        assert range_.holds(value_at(shipped, name)), f"{name}: {value_at(shipped, name)} is not {range_}"
        ends = range_.values if isinstance(range_, OneOf) else (range_.low, range_.high)
        for end in ends:
            assert value_at(config_of(arm, preset, density, {name: end}), name) == end


@pytest.mark.parametrize("arm", get_args(ArmName))
def test_a_range_is_of_its_fields_type(arm):
    shipped = config_of(arm, "default", "dense", {})
    for name, range_ in space_of(arm, "default").items():
        *path, field = name.split(".")
        owner = value_at(shipped, ".".join(path)) if path else shipped
        hint = str(get_type_hints(type(owner))[field])
        wanted = {Real: "float", Whole: "int"}.get(type(range_), "int")
        assert wanted in hint, f"{name} is {hint}"


def test_a_place_that_there_is_not_is_refused():
    with pytest.raises(KeyError, match="TrainingConfig has no field epoch"):
        with_settings(quick_sasrec(), {"training.epoch": 3})


def test_settings_are_trained_with():
    torch.set_num_threads(1)
    sequences = circling(20, 30, 10, seed=0)
    lists = [
        sequences.item_ids[sequences.items[a:b]].tolist()
        for a, b in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)
    ]
    times = [list(range(len(items))) for items in lists]
    asked = histories_of(sequences.item_ids, [[1, 2]])

    def scores(**how):
        arm = train_arm("sasrec", lists, times, sequences.item_ids, preset="quick", seed=0, **how)
        return arm.recommend(asked, k=5).scores, arm.config

    plain, config = scores()
    assert config == quick_sasrec()
    np.testing.assert_array_equal(scores(settings={"training.epochs": 3, "mixer.dropout": 0.3})[0], plain)
    tuned, config = scores(settings={"training.epochs": 2})
    assert config == with_settings(quick_sasrec(), {"training.epochs": 2})
    assert not np.array_equal(tuned, plain)


def test_decode_settings_need_no_training_and_a_dense_arm_has_none():
    torch.set_num_threads(1)
    sequences = circling(20, 30, 10, seed=0)
    codes = tuples(30, width=3, seed=0)
    asked = histories_of(sequences.item_ids, [[1, 2], [7]])
    assert decode_settings(space_of("mmgrec", "quick")) == {"hybrid_share"}
    changes = {"hybrid_share": 0.5}
    again = decoded_with(train_mmgrec(sequences, codes, quick_mmgrec(), seed=0), changes)
    wanted = train_mmgrec(sequences, codes, with_settings(quick_mmgrec(), changes), seed=0)
    found = [arm.recommend(asked, k=5).scores for arm in (again, wanted)]
    np.testing.assert_array_equal(*found)
    assert decode_settings(space_of("fusion", "quick")) == {"linear_weight"}
    heavier = {"linear_weight": 2.0}
    again = decoded_with(train_fusion(sequences, codes, quick_fusion(), seed=0), heavier)
    wanted = train_fusion(sequences, codes, with_settings(quick_fusion(), heavier), seed=0)
    found = [arm.recommend(asked, k=5).scores for arm in (again, wanted)]
    np.testing.assert_array_equal(*found)
    assert decode_settings(space_of("pisa", "quick")) == {"activation_weight", "decay"}
    longer = {"activation_weight": 0.2, "decay": 0.3}
    vocabulary = vocabulary_of(sequences)
    again = decoded_with(train_pisa(sequences, vocabulary, quick_pisa(), seed=0), longer)
    wanted = train_pisa(sequences, vocabulary, with_settings(quick_pisa(), longer), seed=0)
    found = [arm.recommend(asked, k=5, exclude_seen=False).scores for arm in (again, wanted)]
    np.testing.assert_array_equal(*found)
    assert not decode_settings(space_of("sasrec", "default"))
    with pytest.raises(ValueError, match="has no decoder"):
        decoded_with(
            train_dense("sasrec", sequences, vocabulary_of(sequences), quick_sasrec(), seed=0), changes
        )


# --- the file --------------------------------------------------------------------------------------------

FILE = {
    "arm": "sasrec",
    "preset": "default",
    "settings": {"training.epochs": 9, "mixer.dropout": 0.4},
    "trials": [],
}


def test_what_a_request_carries_of_a_file_names_the_whole_of_it(tmp_path):
    (tmp_path / "tuned.json").write_text(json.dumps(FILE))
    told = read_tuned_preset(tmp_path / "tuned.json")
    carried = {key: FILE[key] for key in ("arm", "preset", "settings")}
    assert told == carried | {"digest": digest_of(FILE), "settings_digest": digest_of(carried)}
    assert carried_preset(told) == told
    assert carried_preset(FILE | {"trials": [1]})["digest"] != told["digest"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"training.epoch": 9}}, r"training.epoch is 9.* did you mean training.epochs\?"),
        (
            {"settings": {"training.epochs": 900}},
            "training.epochs is 900; of sasrec it is a whole number, 4 to 24",
        ),
        ({"settings": {"training.epochs": 9.5}}, "training.epochs is 9.5"),
        ({"settings": {"training.epochs": True}}, "training.epochs is True"),
        ({"settings": {"mixer.dropout": "0.4"}}, "mixer.dropout is '0.4'; of sasrec it is 0.1 to 0.7"),
        ({"settings": {"mixer.dropout": float("nan")}}, "mixer.dropout is nan"),
        ({"settings": {"mixer.dim": 33}}, "mixer.dim is 33; of sasrec it is one of 32, 64, 96, 128"),
        ({"settings": [1]}, "settings is"),
        ({"arm": "bert"}, "arm is 'bert'; it is one of mmgrec"),
        ({"arm": "ease"}, "training.epochs is no setting of ease"),
        ({"preset": "large"}, "preset is 'large'"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_its_name_key_value_and_fix(change, told, tmp_path):
    file = tmp_path / "tuned.json"
    file.write_text(json.dumps(FILE | change))
    with pytest.raises(TunedPresetRefused, match=told) as refused:
        read_tuned_preset(file)
    assert str(file) in str(refused.value)


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "tuned.json").write_text("arm: sasrec")
    with pytest.raises(TunedPresetRefused, match="cannot be read as a tuned preset"):
        read_tuned_preset(tmp_path / "tuned.json")
