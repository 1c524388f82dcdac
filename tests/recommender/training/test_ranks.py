"""Two processes, joined by gloo, train what one trains: no engine that starts them is needed for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from components.recommender.arm import Arm
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.fusion import FusionConfig, train_fusion
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.multitron import MultitronConfig, train_multitron
from components.recommender.arms.tiger import train_tiger
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.networks.aligned_network import Alignment
from components.recommender.networks.content_items import Content
from components.recommender.networks.graph_network import Graph
from components.recommender.training.ranks import ALONE, Ranks
from components.recommender.training.step import Step
from components.recommender.training.tiger_training import target_batches
from components.recommender.training.windows import cut_windows, known_before, window_batches
from components.recommender.weights import CheckpointMismatch
from tests.recommender.examples import (
    SHORT,
    SMALL,
    SMALL_MIXER,
    SMALL_TIGER,
    circling,
    content_of,
    histories_of,
    tuples,
)

WORLD = 2
CIRCLE = circling(17, 20, 8, seed=0)  # 17 windows in batches of 8: the last holds one, and one rank none
WEIGHTED = replace(
    CIRCLE, weights=np.random.default_rng(0).choice([0.0, 0.5, 2.0], len(CIRCLE.items)).astype(np.float32)
)
CODES, TOLD = tuples(20, width=4, seed=0), content_of(CIRCLE.item_ids)
PARTLY_TOLD = replace(TOLD, vectors=TOLD.vectors * (np.arange(20) % 3 > 0)[:, None])
STOPPED_EARLY = replace(SHORT, epochs=6, validation="last", evaluate_every=1, patience=1)
DENSE = DenseConfig(mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT)

TRAININGS: dict[str, Callable[..., Arm]] = {
    "sasrec": lambda **how: train_dense("sasrec", CIRCLE, vocabulary_of(CIRCLE), DENSE, seed=0, **how),
    "sasrec weighted": lambda **how: train_dense(
        "sasrec", WEIGHTED, vocabulary_of(WEIGHTED), DENSE, seed=0, **how
    ),
    "sasrec stopped early": lambda **how: train_dense(
        "sasrec", CIRCLE, vocabulary_of(CIRCLE), replace(DENSE, training=STOPPED_EARLY), seed=0, **how
    ),
    "lightgcn": lambda **how: train_dense(
        "lightgcn", CIRCLE, vocabulary_of(CIRCLE), replace(DENSE, graph=Graph()), seed=0, **how
    ),
    "multitron of one objective": lambda **how: train_multitron(
        CIRCLE,
        vocabulary_of(CIRCLE),
        MultitronConfig(mixer=DENSE.mixer, training=SHORT),
        seed=0,
        **how,
    ),
    "hstu_text": lambda **how: train_dense(
        "hstu_text",
        CIRCLE,
        vocabulary_of(CIRCLE, content=TOLD),
        replace(DENSE, content=Content(components=8)),
        seed=0,
        content=TOLD,
        **how,
    ),
    "alpharec": lambda **how: train_dense(
        "alpharec",
        CIRCLE,
        vocabulary_of(CIRCLE, content=TOLD),
        replace(DENSE, content=Content(components=8), graph=Graph(), temperature=0.2, free_vectors=False),
        seed=0,
        content=TOLD,
        **how,
    ),
    "rlmrec": lambda **how: train_dense(
        "rlmrec",
        CIRCLE,
        vocabulary_of(CIRCLE, content=PARTLY_TOLD),
        replace(DENSE, content=Content(components=8), graph=Graph(), alignment=Alignment(weight=0.5)),
        seed=0,
        content=PARTLY_TOLD,
        **how,
    ),
    "mmgrec": lambda **how: train_mmgrec(CIRCLE, CODES, SMALL, seed=0, **how),
    "mmgrec sampled and weighted": lambda **how: train_mmgrec(
        WEIGHTED, CODES, replace(SMALL, num_negatives=7), seed=0, **how
    ),
    "tiger": lambda **how: train_tiger(WEIGHTED, CODES, SMALL_TIGER, seed=0, **how),
}
FUSION = FusionConfig(mixer=DENSE.mixer, training=SHORT, num_members=2, regularization=1.0)
DROPOUT = replace(SMALL, mixer=replace(SMALL_MIXER, dropout=0.3), num_negatives=7)
BROKEN_OFF_AFTER = 4  # steps: in the second epoch


class Killed(Exception):
    pass


def _of_one_rank(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=WORLD)
    try:
        for name, train in TRAININGS.items():
            steps: list[Step] = []
            train(on_step=steps.append).save(folder / name / str(rank))
            torch.save([step.loss for step in steps], folder / name / f"{rank}.losses")
        _fused(rank, folder)
        _broken_off(rank, folder)
        _unshared(rank, folder)
    finally:
        dist.destroy_process_group()


def _fused(rank: int, folder: Path) -> None:
    """The quadratic part is solved by the first rank alone, which is the one that saves."""
    arm = train_fusion(CIRCLE, CODES, FUSION, seed=0)
    assert len(arm.linear.item_ids) == (20 if rank == 0 else 0)
    if rank == 0:
        arm.save(folder / "fusion")


def _broken_off(rank: int, folder: Path) -> None:
    """With dropout: trained at a stretch, and again with a break, on all ranks, in the second epoch."""
    train_mmgrec(CIRCLE, CODES, DROPOUT, seed=0).save(folder / "whole" / str(rank))
    reached = 0

    def on_average(self: Ranks, value: torch.Tensor) -> float:
        nonlocal reached
        reached += 1
        if reached > BROKEN_OFF_AFTER:
            raise Killed
        return average(self, value)

    average = Ranks.average
    Ranks.average = on_average  # type: ignore[method-assign]
    with pytest.raises(Killed):
        train_mmgrec(CIRCLE, CODES, DROPOUT, seed=0, checkpoint=folder / "shared.pt")
    Ranks.average = average  # type: ignore[method-assign]
    dist.barrier()
    gone_on = train_mmgrec(CIRCLE, CODES, DROPOUT, seed=0, checkpoint=folder / "shared.pt")
    gone_on.save(folder / "gone on" / str(rank))


def _unshared(rank: int, folder: Path) -> None:
    """The same file, but the second rank looks for it where it is not."""
    path = folder / "shared.pt" if rank == 0 else folder / "elsewhere.pt"
    with pytest.raises(CheckpointMismatch, match="all machines share"):
        train_mmgrec(CIRCLE, CODES, DROPOUT, seed=0, checkpoint=path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    mp.start_processes(_of_one_rank, args=(folder,), nprocs=WORLD, start_method="spawn")
    return folder


def weights_of(arm: Arm) -> dict[str, torch.Tensor]:
    return arm.network.state_dict()  # type: ignore[attr-defined]


def but_for_key_biases(name: str, weight: torch.Tensor) -> torch.Tensor:
    """A key's bias adds the same to all scores of a query, so its gradient is nothing but rounding; Adam makes steps of
    that, as large as any other's, which no output sees.
    """
    if not name.endswith("qkv.bias"):
        return weight
    query, _, value = weight.chunk(3)
    return torch.cat([query, value])


@pytest.mark.parametrize("name", TRAININGS)
def test_two_ranks_train_what_one_trains(trained, name):
    """Equal to the rounding of float32 sums in another order, weights and lists; the ranks themselves to the bit."""
    steps: list[Step] = []
    alone = TRAININGS[name](on_step=steps.append)
    first, second = (load_arm(trained / name / str(rank)) for rank in range(WORLD))
    for key, weight in weights_of(alone).items():
        assert torch.equal(weights_of(first)[key], weights_of(second)[key])
        found, wanted = but_for_key_biases(key, weights_of(first)[key]), but_for_key_biases(key, weight)
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)
    np.testing.assert_allclose(
        torch.load(trained / name / "0.losses"), [step.loss for step in steps], rtol=1e-5
    )
    assert torch.load(trained / name / "1.losses") == []
    asked = histories_of(CIRCLE.item_ids, [[at, (at + 1) % 20] for at in range(20)])
    np.testing.assert_array_equal(first.recommend(asked, k=5).items, alone.recommend(asked, k=5).items)


def test_of_several_ranks_the_first_solves_what_is_added_to_the_networks(trained):
    alone, first = train_fusion(CIRCLE, CODES, FUSION, seed=0), load_arm(trained / "fusion")
    wanted = weights_of(alone)
    for key, weight in weights_of(first).items():
        found = but_for_key_biases(key, weight)
        torch.testing.assert_close(
            found, but_for_key_biases(key, wanted[key]), atol=2e-5, rtol=1e-4, check_dtype=False
        )
    assert wanted["linear"].shape == (20, 20)


def test_a_broken_off_training_ends_in_the_same_weights_dropout_and_all(trained):
    whole, gone_on = (load_arm(trained / name / "0") for name in ("whole", "gone on"))
    for key, weight in weights_of(whole).items():
        assert torch.equal(weights_of(gone_on)[key], weight), key


def test_dropout_differs_by_rank(trained):
    alone = train_mmgrec(CIRCLE, CODES, DROPOUT, seed=0)
    two = load_arm(trained / "whole" / "0")
    assert not all(torch.allclose(weights_of(two)[k], w, atol=1e-3) for k, w in weights_of(alone).items())


@pytest.mark.parametrize("world", [2, 3, 5])
def test_parts_make_up_the_batch(world):
    """Every target once, read from the same row of states; shares average to the batch's mean."""
    windows = cut_windows(WEIGHTED, max_length=8, stride=8, rng=np.random.default_rng(0))
    batches = window_batches(
        WEIGHTED, windows, known=known_before(WEIGHTED, strict_time=True), is_target=WEIGHTED.is_target,
        batch_size=8, rng=np.random.default_rng(0),
    )  # fmt: skip
    for batch in batches:
        losses = torch.rand(batch.items.shape[0] * (batch.items.shape[1] + 1), dtype=torch.float64)
        by_row = losses.view(batch.items.shape[0], -1)
        total = 0.0
        for rank in range(world):
            part, share = Ranks(rank=rank, world=world).part_of(batch)
            if share:
                own = by_row[rank::world].flatten()[part.state_at]
                total += share * float((own * part.weights).sum() / part.weights.sum()) / world
                assert part.items.tolist() == batch.items[rank::world].tolist()
        wanted = float((losses[batch.state_at] * batch.weights).sum() / batch.weights.sum())
        assert total == pytest.approx(wanted, rel=1e-6)


def test_parts_of_tigers_batches_make_up_the_batch():
    config = replace(SMALL_TIGER.training, horizon=3, batch_size=4)
    for batch in target_batches(WEIGHTED, config, max_items=8, rng=np.random.default_rng(0)):
        shares = [Ranks(rank=rank, world=3).part_of(batch) for rank in range(3)]
        assert sum(share for _, share in shares) == pytest.approx(3)
        assert sum(part.total_weight for part, share in shares if share) == pytest.approx(batch.total_weight)


def test_alone_outside_of_a_process_group():
    assert Ranks.here() == ALONE
    batch = object()
    assert ALONE.part_of(batch) == (batch, 1.0)  # type: ignore[type-var]
