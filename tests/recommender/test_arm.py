"""What every arm promises, tried on each: the Arm protocol's invariants, and saving."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.arm import Arm, Histories, takes_content, takes_ids
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig, DenseName
from components.recommender.arms.ease import EASEConfig, fit_ease
from components.recommender.arms.fusion import FusionConfig, train_fusion
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.multitron import MultitronConfig, train_multitron
from components.recommender.arms.pisa import PisaConfig, train_pisa
from components.recommender.arms.semantic_sasrec import train_semantic_sasrec
from components.recommender.arms.tiger import train_tiger
from components.recommender.baselines.popularity import fit_popularity, fit_recent_popularity
from components.recommender.baselines.random_order import RandomArm
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.names import CONTENT_ARMS, SEMANTIC_ID_ARMS, ArmName
from components.recommender.networks.aligned_network import Alignment
from components.recommender.networks.cloze_network import Cloze
from components.recommender.networks.content_items import Content
from components.recommender.networks.graph_network import Graph
from components.recommender.networks.reasoning_mixer import Reasoning
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import (
    SHORT,
    SMALL,
    SMALL_MIXER,
    SMALL_TIGER,
    circling,
    content_of,
    histories_of,
    item_names,
    trained_arm,
    tuples,
)

NUM_ITEMS = 40
CATALOGUE = np.concatenate([["stranger"], item_names(NUM_ITEMS)[::-1]]).astype(object)  # not the arms' order


def make_arms() -> dict[str, Arm]:
    torch.set_num_threads(1)
    sequences = circling(30, NUM_ITEMS, 12, seed=0)
    events = sequences.item_ids[sequences.items]
    generative = trained_arm(NUM_ITEMS)
    typed = replace(sequences, types=sequences.items.astype(np.int64) % 2, type_names=("even", "odd"))
    return {
        "beam": generative,
        "hybrid": generative.decoding("hybrid"),
        "exact": generative.decoding("exact"),
        "by nodes": trained_arm(NUM_ITEMS, config=replace(SMALL, node_vectors=True)),
        "sasrec": train_dense(
            "sasrec",
            sequences,
            vocabulary_of(sequences),
            DenseConfig(mixer=SMALL_MIXER, training=SHORT),
            seed=0,
        ),
        "semantic_sasrec": train_semantic_sasrec(
            sequences,
            tuples(NUM_ITEMS, width=4, seed=0),
            DenseConfig(mixer=SMALL_MIXER, training=SHORT, free_dropout=0.5),
            seed=0,
        ),
        "fusion": train_fusion(
            sequences,
            tuples(NUM_ITEMS, width=4, seed=0),
            FusionConfig(mixer=SMALL_MIXER, training=SHORT, num_members=2, regularization=1.0),
            seed=0,
        ),
        "raised": _raised("mmgrec"),
        "raised semantic_sasrec": _raised("semantic_sasrec"),
        "raised fusion": _raised("fusion"),
        "hstu": train_dense(
            "hstu",
            sequences,
            vocabulary_of(sequences),
            DenseConfig(
                mixer=replace(SMALL_MIXER, block="hstu", relation_dim=0, time_gaps=True), training=SHORT
            ),
            seed=0,
        ),
        "hstu_text": _told_of_content("hstu_text", {"block": "hstu", "time_gaps": True}),
        "m2trec": _told_of_content("m2trec", free_vectors=False),
        "alpharec": _told_of_content("alpharec", free_vectors=False, graph=Graph(), temperature=0.2),
        "rlmrec": _told_of_content("rlmrec", graph=Graph(), alignment=Alignment(weight=0.5)),
        "fmlp": _mixed_by("fmlp", sequences, block="fmlp"),
        "gru4rec": _mixed_by("gru4rec", sequences, block="gru"),
        "tim4rec": _mixed_by("tim4rec", sequences, block="ssm", time_gaps=True),
        "bert4rec": _mixed_by("bert4rec", sequences, Cloze(), bidirectional=True),
        "gsasrec": train_dense(
            "gsasrec",
            sequences,
            vocabulary_of(sequences),
            DenseConfig(
                mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT, loss="gbce", num_negatives=8
            ),
            seed=0,
        ),
        "lightgcn": train_dense(
            "lightgcn",
            sequences,
            vocabulary_of(sequences),
            DenseConfig(mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT, graph=Graph(fading=0.9)),
            seed=0,
        ),
        "onepiece": train_dense(
            "onepiece",
            sequences,
            vocabulary_of(sequences),
            DenseConfig(
                mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT, reasoning=Reasoning(block_size=2)
            ),
            seed=0,
        ),
        "pisa": train_pisa(
            sequences,
            vocabulary_of(sequences),
            PisaConfig(mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT),
            seed=0,
        ),
        "multitron": train_multitron(
            typed,
            vocabulary_of(typed),
            MultitronConfig(mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT, preference="even=1"),
            seed=0,
        ),
        "tiger": train_tiger(sequences, tuples(NUM_ITEMS, width=4, seed=0), SMALL_TIGER, seed=0),
        "ease": fit_ease(sequences, EASEConfig(regularization=1.0)),
        "popularity": fit_popularity(events),
        "recent": fit_recent_popularity(
            events, sequences.times, cutoff=int(sequences.times.max()) + 1, days=0.1
        ),
        "random": RandomArm(seed=3),
    }


def _mixed_by(name: DenseName, sequences: TrainingSequences, cloze: Cloze | None = None, **mixer: Any) -> Arm:
    config = DenseConfig(mixer=replace(SMALL_MIXER, relation_dim=0, **mixer), training=SHORT, cloze=cloze)
    return train_dense(name, sequences, vocabulary_of(sequences), config, seed=0)


def _told_of_content(name: DenseName, mixer: Mapping[str, Any] | None = None, **asked: Any) -> Arm:
    """Of a catalogue that is larger than what was trained: the last six are known by their content alone."""
    walked = circling(30, NUM_ITEMS - 6, 12, seed=0)
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, relation_dim=0, **(mixer or {})), training=SHORT,
        content=Content(components=8, hidden=0 if asked.get("free_vectors", True) else 8), **asked,
    )  # fmt: skip
    content = content_of(walked.item_ids)
    vocabulary = vocabulary_of(walked, content=content)
    arm = train_dense(name, walked, vocabulary, config, seed=0, content=content)
    return arm.with_content(item_names(NUM_ITEMS), content_of(item_names(NUM_ITEMS)))


def _raised(name: str) -> Arm:
    """With six items that nobody has had, and whose scores are raised."""
    walked, codes = circling(30, NUM_ITEMS - 6, 12, seed=0), tuples(NUM_ITEMS, width=4, seed=0)
    sequences = replace(walked, item_ids=item_names(NUM_ITEMS))
    config: Any = {"mixer": SMALL_MIXER, "training": SHORT}
    match name:
        case "mmgrec":
            return train_mmgrec(sequences, codes, replace(SMALL, decode="hybrid"), seed=0).raising_new_items(
                2.0
            )
        case "fusion":
            fused = FusionConfig(**config, regularization=1.0)
            return train_fusion(sequences, codes, fused, seed=0).raising_new_items(2.0)
    return train_semantic_sasrec(sequences, codes, DenseConfig(**config), seed=0).raising_new_items(2.0)


ARMS = make_arms()
lists_of_items = st.lists(st.lists(st.integers(0, NUM_ITEMS), max_size=25), min_size=1, max_size=6)


@pytest.mark.parametrize("name", sorted(ARMS.keys() - {"random"}))  # its order is of the catalogue's length
def test_what_an_arm_keeps_between_calls_changes_no_list(name):
    """Two catalogues that cannot change, in turn: the shorter one gives what its items give among the longer's."""
    longer, shorter = CATALOGUE.copy(), CATALOGUE[5:].copy()
    longer.flags.writeable = shorter.flags.writeable = False
    for _ in range(2):
        among = ARMS[name].recommend(
            histories_of(longer, [[6, 7, 8], [], [12]]), k=10, candidates=np.arange(len(longer)) >= 5
        )
        alone = ARMS[name].recommend(histories_of(shorter, [[1, 2, 3], [], [7]]), k=10)
        assert (longer[among.items] == shorter[alone.items]).all()
        np.testing.assert_array_equal(among.scores, alone.scores)


@pytest.mark.parametrize("name", ARMS)
@settings(max_examples=25, deadline=None)
@given(lists=lists_of_items, k=st.integers(1, 45), exclude_seen=st.booleans(), seed=st.integers(0, 99))
def test_lists_keep_the_promise(name, lists, k, exclude_seen, seed):
    """No item twice, none outside the candidates, none seen; best first; full as long as items remain."""
    candidates = np.random.default_rng(seed).random(NUM_ITEMS + 1) < 0.7
    ranked = ARMS[name].recommend(
        histories_of(CATALOGUE, lists), k=k, candidates=candidates, exclude_seen=exclude_seen
    )
    assert ranked.items.shape == ranked.scores.shape == (len(lists), k)
    assert ranked.scores.dtype == np.float32
    may = candidates.copy()
    if name != "random":
        may[0] = False  # the stranger
    for history, items, scores in zip(lists, ranked.items, ranked.scores, strict=True):
        found = items[items >= 0]
        allowed = set(np.flatnonzero(may)) - (set(history) if exclude_seen else set())
        assert len(found) == len(set(found)) == min(k, len(allowed))
        assert set(found) <= allowed
        assert (items[len(found) :] == -1).all()
        assert np.isneginf(scores[len(found) :]).all()
        assert (np.diff(scores[: len(found)]) <= 0).all()
        ties = np.diff(scores[: len(found)]) == 0
        assert (np.diff(found)[ties] > 0).all()


@pytest.mark.parametrize("name", ARMS)
@settings(max_examples=15, deadline=None)
@given(lists=lists_of_items, seed=st.integers(0, 99))
def test_a_list_does_not_depend_on_its_neighbours(name, lists, seed):
    histories = histories_of(CATALOGUE, lists)
    order = np.random.default_rng(seed).permutation(len(lists))
    shuffled = Histories(
        catalogue=CATALOGUE,
        items=histories.items,
        times=histories.times,
        start=histories.start[order],
        end=histories.end[order],
    )
    whole, mixed = ARMS[name].recommend(histories, k=10), ARMS[name].recommend(shuffled, k=10)
    np.testing.assert_array_equal(whole.items[order], mixed.items)


@pytest.mark.parametrize("name", ARMS)
def test_saved_and_loaded_lists_are_identical(name, tmp_path):
    rng = np.random.default_rng(0)
    histories = histories_of(CATALOGUE, [rng.integers(0, NUM_ITEMS + 1, n).tolist() for n in (0, 1, 5, 30)])
    ARMS[name].save(tmp_path)
    loaded = load_arm(tmp_path)
    before, after = ARMS[name].recommend(histories, k=12), loaded.recommend(histories, k=12)
    assert loaded.name == ARMS[name].name
    np.testing.assert_array_equal(before.items, after.items)
    np.testing.assert_array_equal(before.scores, after.scores)


@pytest.mark.parametrize("name", ARMS)
def test_nothing_to_return(name):
    """No candidate at all, no request, everything seen: lists are empty, not wrong."""
    everything = histories_of(CATALOGUE, [list(range(NUM_ITEMS + 1))])
    none = np.zeros(NUM_ITEMS + 1, dtype=bool)
    assert (ARMS[name].recommend(everything, k=3).items == -1).all()
    assert (ARMS[name].recommend(everything, k=3, candidates=none, exclude_seen=False).items == -1).all()
    assert ARMS[name].recommend(histories_of(CATALOGUE, []), k=3).items.shape == (0, 3)


def test_only_the_latest_items_are_read_but_all_are_seen():
    """A history of 25 with a window of 8: the first 17 do not move the scores, and are not recommended."""
    rng = np.random.default_rng(1)
    old, recent = rng.permutation(np.arange(1, 18)).tolist(), rng.permutation(np.arange(18, 26)).tolist()
    for name in ("exact", "sasrec", "tiger"):
        ranked = ARMS[name].recommend(
            histories_of(CATALOGUE, [old + recent, old[::-1] + recent, recent]), k=10
        )
        np.testing.assert_array_equal(ranked.items[0], ranked.items[1])
        assert not set(ranked.items[0]) & set(old)
        alone = dict(zip(ranked.items[2].tolist(), ranked.scores[2].tolist(), strict=True))
        for item, score in zip(ranked.items[0].tolist(), ranked.scores[0].tolist(), strict=True):
            assert alone.get(item, score) == pytest.approx(score, abs=1e-5)


def test_growing_histories_share_events():
    """Requests that are prefixes of one run get what they would get alone."""
    run = [3, 7, 1, 9, 12]
    shared = Histories(
        catalogue=CATALOGUE,
        items=np.array(run),
        times=np.arange(5) * 60,
        start=np.zeros(5, dtype=np.int64),
        end=np.arange(1, 6),
    )
    for arm in ARMS.values():
        alone = arm.recommend(histories_of(CATALOGUE, [run[:n] for n in range(1, 6)]), k=5)
        np.testing.assert_array_equal(arm.recommend(shared, k=5).items, alone.items)


@pytest.mark.parametrize("name", ARMS)
def test_a_ranking_tells_how_far_it_is(name):
    """300 requests are more than one batch of any arm; told or not, the lists are the same."""
    rng = np.random.default_rng(2)
    asked = histories_of(CATALOGUE, [rng.integers(0, NUM_ITEMS + 1, n % 7).tolist() for n in range(300)])
    told: list[tuple[int, int]] = []
    ranked = ARMS[name].recommend(asked, k=5, on_step=lambda *step: told.append(step))
    done = [one for one, _ in told]
    assert len(told) > 1
    assert done == sorted(set(done))
    assert done[-1] == 300
    assert {whole for _, whole in told} == {300}
    np.testing.assert_array_equal(ranked.scores, ARMS[name].recommend(asked, k=5).scores)


def test_only_arms_with_ids_take_more():
    assert {name for name in ARMS if takes_ids(ARMS[name])} == {
        "beam", "hybrid", "exact", "by nodes", "tiger", "semantic_sasrec", "fusion", "raised", "raised fusion",
        "raised semantic_sasrec",
    }  # fmt: skip
    assert set(get_args(ArmName)) > SEMANTIC_ID_ARMS
    assert {name for name in ARMS if takes_content(ARMS[name])} == CONTENT_ARMS
