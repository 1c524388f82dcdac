"""Weights of history items: by hand, beside the public scorer, where one item decides, where nothing can be said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.recommender.arm import Arm
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.ease import EASEArm, EASEConfig, fit_ease
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.tiger import train_tiger
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.presets import quick_sasrec
from components.recommender.sequences import TrainingSequences
from components.registry.bundle import BundleFacts, build_bundle
from components.serving.explaining import NotExplainable, SharedCodes, explain, nearest
from components.serving.loaded import History
from components.serving.scorer import Scorer, load_scorer
from components.tokenizer.ids import SemanticIds, write_ids
from tests.recommender.examples import SHORT, SMALL, SMALL_MIXER, SMALL_TIGER, circling, item_names, tuples

NUM_ITEMS = 30
CODES = tuples(NUM_ITEMS, width=4, seed=3)


def scorer_of(root: Path, arm: Arm, item_ids: Sequence[str], codes: np.ndarray | None = None) -> Scorer:
    """The arm in a bundle, every item titled; `codes` are those of the first items."""
    items = pd.DataFrame(
        {"item_id": list(item_ids), "title": [f"Film {i}" for i in item_ids], "categories": None}
    )
    facts = BundleFacts(
        arm=arm.name, train_end="1998-01-01T00:00:00+00:00", snapshot="5" * 64, feature_set="f" * 64,
        tokenizer=None, id_table=None, seed=7, code="c" * 64,
    )  # fmt: skip
    write_tokenizer: Callable[[Path], None] | None = None
    if codes is not None:
        table = SemanticIds(item_ids=np.array(item_ids[: len(codes)], dtype=object), codes=codes)
        facts = replace(facts, tokenizer="d" * 64, id_table="e" * 64)

        def write_tokenizer(folder: Path) -> None:
            write_ids(table, folder / "semantic_ids.parquet")

    ref = build_bundle(root, write_arm=arm.save, write_tokenizer=write_tokenizer, items=items, facts=facts)
    return load_scorer(ref.path)


def had(*items: str) -> History:
    return History(item_ids=items, times=[60 * at for at in range(len(items))])


@pytest.fixture
def linear(tmp_path: Path) -> Scorer:
    """d is worth 3 from a and 1 from b, c is worth 2 from a; e has no weights at all: the arm does not know it."""
    weights = np.zeros((4, 4), dtype=np.float32)
    weights[0, 3], weights[1, 3], weights[0, 2] = 3, 1, 2
    arm = EASEArm(item_ids=np.array(list("abcd"), dtype=object), weights=weights, config=EASEConfig())
    return scorer_of(tmp_path, arm, list("abcde"))


def test_worked_example(linear: Scorer):
    """d scores 3 + 1 after a, b, a: without a's two events 1 is left, without b's 3. They add up to all of it."""
    found = explain(linear, "d", had("a", "b", "a"))
    assert (found.score, found.empty_score, found.rank, found.num_ranked, found.listed_at) == (4, 0, 1, 2, 1)
    told = [(i.item_id, i.title, i.positions, i.without, i.weight) for i in found.influences]
    assert told == [("a", "Film a", (1, 3), 1, 3), ("b", "Film b", (2,), 3, 1)]
    assert (found.of_history, found.left_over) == (4, 0)
    assert (found.codes, found.sharing, found.influences[0].shared) == (None, (), None)


def test_what_is_seen_says_so_and_still_has_a_score(linear: Scorer):
    """c has been had: left out of lists, place 2 behind d where seen items are kept."""
    found = explain(linear, "c", had("a", "c"))
    assert (found.is_seen, found.score, found.rank, found.num_ranked, found.listed_at) == (
        True,
        2,
        2,
        4,
        None,
    )
    kept = explain(linear, "c", had("a", "c"), excludes_seen=False)
    assert (kept.is_seen, kept.rank, kept.listed_at) == (False, 2, 2)


def test_a_stranger_in_the_history_is_marked(linear: Scorer):
    found = explain(linear, "d", had("a", "of another shop"))
    assert [(i.item_id, i.is_known, i.weight) for i in found.influences] == [
        ("a", True, 3), ("of another shop", False, 0),
    ]  # fmt: skip


def test_an_empty_history_has_a_score_and_no_influences(linear: Scorer):
    found = explain(linear, "d", History())
    assert (found.influences, found.of_history, found.left_over) == ((), 0, 0)


@pytest.mark.parametrize(
    ("item", "history", "told"),
    [
        ("dd", had("a"), r"does not know item 'dd'.*catalogue of 5 items.*Nearest: d \(Film d\)"),
        ("e", had("a"), r"item 'e' \(Film e\) has no training event before 1998.*ease has no score"),
        ("d", had("x", "y"), r"knows none of the history's 2 items; the first is 'x'\. Nearest: "),
    ],
)
def test_refusals_name_the_reason_and_the_nearest(linear: Scorer, item: str, history: History, told: str):
    with pytest.raises(NotExplainable, match=told):
        explain(linear, item, history)


def test_a_cold_item_has_no_semantic_id(tmp_path: Path):
    arm = train_mmgrec(circling(10, NUM_ITEMS, 6, seed=1), CODES, SMALL, seed=1)
    scorer = scorer_of(tmp_path, arm, [*item_names(NUM_ITEMS), "i999"], CODES)
    with pytest.raises(
        NotExplainable, match=r"item 'i999' \(Film i999\) is cold: .* no semantic ID.*recloop retrain"
    ):
        explain(scorer, "i999", had("i001"))


def test_nearest_reads_titles_too():
    titles = {"1": "Star Wars", "2": "Stargate", "3": "Casablanca", "4": ""}
    assert nearest("star wars", titles).startswith("Nearest: 1 (Star Wars)")
    assert nearest("casablanka", titles).startswith("Nearest: 3 (Casablanca)")
    assert nearest("x", {}) == ""


def mmgrec(sequences: TrainingSequences) -> Arm:
    return train_mmgrec(sequences, CODES, SMALL, seed=1)


def hybrid(sequences: TrainingSequences) -> Arm:
    return train_mmgrec(
        sequences, CODES, replace(SMALL, decode="hybrid", first_beam_size=2, beam_size=2), seed=1
    )


def tiger(sequences: TrainingSequences) -> Arm:
    return train_tiger(sequences, CODES, SMALL_TIGER, seed=1)


def sasrec(sequences: TrainingSequences) -> Arm:
    config = replace(quick_sasrec(), mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT)
    return train_dense("sasrec", sequences, vocabulary_of(sequences), config, seed=1)


def ease(sequences: TrainingSequences) -> Arm:
    return fit_ease(sequences, EASEConfig(regularization=1.0))


@pytest.mark.parametrize("train", [mmgrec, hybrid, tiger, sasrec, ease], ids=lambda train: train.__name__)
def test_a_weight_is_what_the_public_scorer_says_with_and_without(tmp_path: Path, train: Callable):
    """Every history asked on its own for the whole catalogue; narrow beams must not change a score."""
    sequences = circling(20, NUM_ITEMS, 8, seed=2)
    has_codes = train in (mmgrec, hybrid, tiger)
    scorer = scorer_of(tmp_path, train(sequences), list(item_names(NUM_ITEMS)), CODES if has_codes else None)
    history = had("i004", "i005", "i006", "i004", "i007")

    def public(items: Sequence[str], times: Sequence[int]) -> float:
        asked = pd.DataFrame({"user_id": ["u"], "item_ids": [list(items)], "times": [list(times)]})
        lists = scorer.recommend(asked, k=NUM_ITEMS, exclude_seen=False).set_index("item_id")
        return float(lists.loc["i011", "score"])

    found = explain(scorer, "i011", history)
    whole = public(history.item_ids, history.times)
    assert found.score == pytest.approx(whole, abs=1e-5)
    assert {i.item_id for i in found.influences} == {"i004", "i005", "i006", "i007"}
    for influence in found.influences:
        kept = [at for at, item in enumerate(history.item_ids) if item != influence.item_id]
        alone = public([history.item_ids[at] for at in kept], [history.times[at] for at in kept])
        assert influence.weight == pytest.approx(whole - alone, abs=2e-5)
    assert any(abs(i.weight) > 1e-3 for i in found.influences)


def test_shared_codes_leave_the_collision_token_out(tmp_path: Path):
    """a 0-1-0 and b 0-1-1 agree in both levels, c 0-2-0 in the first, d 3-1-0 in the second and so in no prefix."""
    names = np.array(list("abcd"), dtype=object)
    codes = np.array([[0, 1, 0], [0, 1, 1], [0, 2, 0], [3, 1, 0]])
    sequences = TrainingSequences.from_lists([list("abcd")] * 4, [[1, 2, 3, 4]] * 4, item_ids=names)
    scorer = scorer_of(tmp_path, train_mmgrec(sequences, codes, SMALL, seed=1), list(names), codes)
    found = explain(scorer, "a", had("b", "c", "d"))
    assert (found.codes, found.sharing) == ((0, 1, 0), (3, 2))
    assert {i.item_id: i.shared for i in found.influences} == {
        "b": SharedCodes(levels=(1, 2), prefix=2, num_levels=2),
        "c": SharedCodes(levels=(1,), prefix=1, num_levels=2),
        "d": SharedCodes(levels=(2,), prefix=0, num_levels=2),
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_the_item_that_decides_weighs_most(tmp_path: Path, seed: int):
    """Who had k0 … k4 goes on to its own n0 … n4; what else they had is drawn by chance."""
    rng = np.random.default_rng(seed)
    others = [f"o{number:02d}" for number in range(20)]
    key = rng.integers(0, 5, 200)
    lists = [[*rng.choice(others, 4, replace=False), f"k{k}", f"n{k}"] for k in key]
    names = np.array(sorted({item for one in lists for item in one}), dtype=object)
    sequences = TrainingSequences.from_lists(lists, [list(range(6))] * len(lists), item_ids=names)
    config = replace(
        quick_sasrec(), mixer=replace(SMALL_MIXER, relation_dim=0), training=replace(SHORT, epochs=15)
    )
    for arm in (
        fit_ease(sequences, EASEConfig(regularization=1.0)),
        train_dense("sasrec", sequences, vocabulary_of(sequences), config, seed=seed),
    ):
        scorer = scorer_of(tmp_path, arm, list(names))
        for k in range(5):
            found = explain(scorer, f"n{k}", had("o01", "o02", "o03", f"k{k}"))
            assert (found.influences[0].item_id, found.rank) == (f"k{k}", 1), arm.name
            assert found.influences[0].weight > 1.5 * found.influences[1].weight, arm.name
