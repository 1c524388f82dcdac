"""What 100 million users and 10 million items would take on one GPU, on eight, and on four machines of eight.

    python -m tests.benchmarks.many_workers

Arithmetic, no measurement: the formulas stand here so that a reader can put other figures in. The tables are those of
docs/explanation/many-workers.md, which a test holds to them.
"""

from __future__ import annotations

from dataclasses import dataclass

USERS, ITEMS, EVENTS_A_USER = 100_000_000, 10_000_000, 50
DIM, LAYERS, LENGTH, NEGATIVES, EPOCHS = 64, 2, 50, 2_048, 12
CODES = 3 * 256 + 64  # of a tokenizer: three levels and the collisions
FLOAT = 4  # bytes
WINDOWS_A_GPU = 4_096  # of one step
# the machine, as its makers state it, and what a small network gets of it; the price is a round figure to be replaced
GPU_FLOPS, USED = 989e12, 0.10  # H100 SXM, bf16 dense
GPU_MEMORY_BYTES_A_SECOND = 3.35e12
NVLINK_BYTES_A_SECOND, ETHERNET_BYTES_A_SECOND = 300e9, 50e9  # a GPU within a machine; a machine (400 Gbit/s)
DOLLARS_A_GPU_HOUR, DOLLARS_A_CORE_HOUR = 2.50, 0.04
# measured here, 50,000 users of 50 events on a core under load: windows are cut user by user, batches made in NumPy
CUT_SECONDS_A_USER, BATCHED_SECONDS_AN_EVENT = 10e-6, 130e-9
CORE_FLOPS = 30e9  # of a matrix product in float32


@dataclass(frozen=True, kw_only=True)
class Cluster:
    name: str
    machines: int
    gpus: int  # of a machine

    @property
    def ranks(self) -> int:
        return self.machines * self.gpus


CLUSTERS = (
    Cluster(name="one GPU", machines=1, gpus=1),
    Cluster(name="eight GPUs", machines=1, gpus=8),
    Cluster(name="four machines of eight", machines=4, gpus=8),
)


def mixer_parameters() -> int:
    return LAYERS * 12 * DIM**2


def flops_an_epoch() -> float:
    """Forward and twice that backward: a multiply-add is two; attention; negatives shared by a step."""
    forward = 2 * mixer_parameters() + 4 * LAYERS * LENGTH * DIM + 2 * NEGATIVES * DIM
    return 3.0 * forward * USERS * EVENTS_A_USER


def parameters(free_vectors: bool) -> int:
    return DIM * (CODES + (ITEMS if free_vectors else 0)) + mixer_parameters()


def bytes_a_gpu(free_vectors: bool) -> float:
    """Weights, gradient, the buckets that it is sent in, AdamW's two moments; all items' vectors and their gradient.

    Not counted: what a batch's layers keep.
    """
    return 5.0 * FLOAT * parameters(free_vectors) + 2.0 * FLOAT * DIM * ITEMS


def reduced_bytes(parts: int, free_vectors: bool) -> float:
    """What each of `parts` sends a step in a ring all-reduce: twice the gradient, less what it keeps."""
    return 2.0 * (parts - 1) / parts * FLOAT * parameters(free_vectors)


def seconds_an_epoch(cluster: Cluster, free_vectors: bool) -> dict[str, float]:
    steps = USERS / (WINDOWS_A_GPU * cluster.ranks)
    # AdamW reads four tables and writes three, and the vectors are made, read and differentiated once a step
    touched = 7.0 * FLOAT * parameters(free_vectors) + 4.0 * FLOAT * DIM * ITEMS
    return {
        # each rank cuts and makes every batch, and keeps its rows
        "batches": USERS * (CUT_SECONDS_A_USER + EVENTS_A_USER * BATCHED_SECONDS_AN_EVENT),
        "products": flops_an_epoch() / (cluster.ranks * GPU_FLOPS * USED),
        "tables": steps * touched / GPU_MEMORY_BYTES_A_SECOND,
        "all-reduce": steps
        * (
            reduced_bytes(cluster.gpus, free_vectors) / NVLINK_BYTES_A_SECOND
            + reduced_bytes(cluster.machines, free_vectors) / ETHERNET_BYTES_A_SECOND
        ),
    }


def training_table() -> list[str]:
    lines = [
        "| | item vectors | GB a GPU | steps an epoch | GB sent a step, GPU | machine | s an epoch: batches "
        "| products | tables | all-reduce | hours, 12 epochs | dollars | without batches: hours | dollars |",
        "| --- | --- | " + "---: | " * 12,
    ]
    for cluster in CLUSTERS:
        for free in (True, False):
            took = seconds_an_epoch(cluster, free)
            hours = EPOCHS * sum(took.values()) / 3600
            on_gpus = hours - EPOCHS * took["batches"] / 3600
            price = cluster.ranks * DOLLARS_A_GPU_HOUR
            lines.append(
                f"| {cluster.name} | {'codes and their own' if free else 'codes alone'} "
                f"| {bytes_a_gpu(free) / 1e9:.1f} | {USERS / (WINDOWS_A_GPU * cluster.ranks):,.0f} "
                f"| {reduced_bytes(cluster.gpus, free) / 1e9:.4f} "
                f"| {reduced_bytes(cluster.machines, free) / 1e9:.4f} | {took['batches']:,.0f} "
                f"| {took['products']:,.0f} | {took['tables']:,.0f} "
                f"| {took['all-reduce']:,.1f} | {hours:.2f} | {hours * price:,.0f} "
                f"| {on_gpus:.2f} | {on_gpus * price:,.2f} |"
            )
    return [line.rstrip() for line in lines]


def host_table() -> list[str]:
    """What lies in the memory of machines, not of GPUs, as the code is today."""
    events = USERS * EVENTS_A_USER
    rows = [
        ("sequences, columns", 12, "of each rank: items (4), times (8)"),
        ("the lists that they are made from", 60, "of each rank, until they are columns"),
        ("an epoch's batches", 32, "over all ranks: items, times, places, targets (8 each)"),
    ]
    return [
        "| what | bytes an event | GB | held |",
        "| --- | ---: | ---: | --- |",
        *(f"| {name} | {size} | {size * events / 1e9:,.0f} | {held} |" for name, size, held in rows),
    ]


def scoring_line() -> str:
    """A dense arm's scores of every item: two operations an item and dimension."""
    hours = USERS * 2.0 * ITEMS * DIM / CORE_FLOPS / 3600
    return (
        f"{2 * ITEMS * DIM / 1e9:.2f} GFLOP a user, {hours:,.0f} core-hours, "
        f"{hours * DOLLARS_A_CORE_HOUR:,.0f} dollars; {hours / 1024:.1f} hours on 1,024 cores"
    )


def page() -> list[str]:
    return [
        f"{flops_an_epoch():.2e} FLOP an epoch", *training_table(), *host_table(), scoring_line()
    ]  # fmt: skip


if __name__ == "__main__":
    print("\n".join(page()))
