"""Ranking makes no tensor beside where its weights are, and on a device or in bf16 gives the CPU's lists."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from components.compute import Compute
from components.recommender import presets
from components.recommender.arm import Histories
from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig, DenseName
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.tiger import train_tiger
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks.mixer import MixerConfig
from components.recommender.presets import quick_hstu, quick_tiger
from tests.recommender.examples import SHORT, SMALL, SMALL_MIXER, circling, content_of, histories_of, tuples

ITEMS = 40
CIRCLE = circling(30, ITEMS, 12, seed=0)
DENSE: dict[DenseName, Callable[[], DenseConfig]] = {
    "fmlp": presets.default_fmlp,
    "gru4rec": presets.default_gru4rec,
    "bert4rec": presets.default_bert4rec,
    "tim4rec": presets.default_tim4rec,
    "lightgcn": presets.default_lightgcn,
    "alpharec": presets.default_alpharec,
    "rlmrec": presets.default_rlmrec,
    "onepiece": presets.default_onepiece,
}
ASKED = [[1, 2, 3], [], [7], [5, 9, 5, 20, 21], list(range(12))]


def trained(name: DenseName, config: DenseConfig) -> DenseArm:
    told = None if config.content is None else content_of(CIRCLE.item_ids)
    return train_dense(name, CIRCLE, vocabulary_of(CIRCLE, content=told), config, seed=0, content=told)


@pytest.fixture(scope="module")
def arms():
    torch.set_num_threads(1)
    codes, once = tuples(ITEMS, width=4, seed=0), replace(SHORT, epochs=1)
    dense = DenseConfig(mixer=MixerConfig(**{**vars(SMALL_MIXER), "relation_dim": 0}), training=once)
    generative = train_mmgrec(CIRCLE, codes, replace(SMALL, training=once), seed=0)
    tiger = quick_tiger()
    tiger = replace(tiger, training=replace(tiger.training, epochs=1))
    flat = train_tiger(CIRCLE, codes, tiger, seed=0)
    return {
        "beam": generative.decoding("beam"),
        "hybrid": generative.decoding("hybrid"),
        "exact": generative.decoding("exact"),
        "sasrec": train_dense("sasrec", CIRCLE, vocabulary_of(CIRCLE), dense, seed=0),
        "hstu": train_dense(
            "hstu", CIRCLE, vocabulary_of(CIRCLE), replace(quick_hstu(), training=once), seed=0
        ),
        **{
            name: trained(name, replace(presets.quick(made()), training=once)) for name, made in DENSE.items()
        },
        "tiger": flat,
        "tiger exact": flat.decoding("exact"),
    }


ARMS = ("beam", "hybrid", "exact", "sasrec", "hstu", *DENSE, "tiger", "tiger exact")


def asked() -> Histories:
    return histories_of(CIRCLE.item_ids, ASKED)


@pytest.mark.parametrize("name", ARMS)
def test_no_tensor_is_made_without_saying_where(arms, name):
    """Where nothing else is said, tensors come into being on "meta" here: one such operand stops the ranking."""
    arm = arms[name].on(Compute())
    may = np.arange(ITEMS) % 5 != 0
    wanted = arms[name].recommend(asked(), k=10, candidates=may)
    with torch.device("meta"):
        found = arm.recommend(asked(), k=10, candidates=may)
    np.testing.assert_array_equal(found.items, wanted.items)
    np.testing.assert_array_equal(found.scores, wanted.scores)


@pytest.mark.parametrize("name", ARMS)
def test_bf16_gives_the_lists_of_float32_to_rounding(arms, name):
    """Only the histories are read in bf16: scores differ by its 8 bits of a state, and lists only among neighbours."""
    exact = arms[name].recommend(asked(), k=10)
    rounded = arms[name].on(Compute(precision="bf16")).recommend(asked(), k=10)
    everything = arms[name].recommend(asked(), k=ITEMS)
    for row in range(len(ASKED)):
        place = {int(item): at for at, item in enumerate(everything.items[row])}
        scores = everything.scores[row][[place[int(item)] for item in rounded.items[row]]]
        np.testing.assert_allclose(scores, exact.scores[row], rtol=0.03, atol=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("name", ARMS)
def test_a_gpu_gives_the_lists_of_the_cpu(arms, name):
    exact = arms[name].recommend(asked(), k=10)
    found = arms[name].on(Compute(device="cuda")).recommend(asked(), k=10)
    arms[name].on(Compute())  # the weights are shared: back to where the other tests look for them
    np.testing.assert_allclose(found.scores, exact.scores, rtol=1e-3, atol=1e-3)
    assert (found.items == exact.items).mean() > 0.95
