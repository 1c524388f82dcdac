"""A seeded world where the truth is known: items in planted clusters, users whose next item follows the last.

Each step of a user goes to a successor of the current item (`successor_share`), or stays in its cluster
(`cluster_share`), or follows the user's taste, which drifts over time; within a cluster, popular items come
first. Nobody takes an item twice. Items arrive over time. A model that learns the successors beats
popularity by far, and content (see `synthetic_media`) tells the cluster of an item nobody has taken yet.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from components.artifact import digest_of
from components.data.sources import SourceUnavailable
from components.data.sources.synthetic_media import write_media
from components.data.sources.synthetic_text import THEMES, describe

STAMP = "synthetic.json"
_RECIPE = 1  # raise it when the same config makes another world
_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    num_users: int = 6_000
    num_items: int = 600
    num_clusters: int = 12
    events_per_user: float = 20.0  # mean; every user has at least min_events
    min_events: int = 8
    days: int = 120
    start: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    newcomer_share: float = 0.08  # users who join after the first third
    late_item_share: float = 0.25  # items that arrive after the start
    num_successors: int = 3
    successor_share: float = 0.6  # of the steps
    cluster_share: float = 0.2
    image_size: int = 64  # pixels
    image_share: float = 0.9  # items that have one
    audio_share: float = 0.8
    seed: int = 7

    def __post_init__(self) -> None:
        if not 1 <= self.num_clusters <= len(THEMES):
            raise ValueError(f"num_clusters is {self.num_clusters}; between 1 and {len(THEMES)} are planted")
        if self.num_items < 4 * self.num_clusters:
            raise ValueError(f"{self.num_items} items are too few for {self.num_clusters} clusters")
        if self.successor_share + self.cluster_share > 1:
            raise ValueError("successor_share and cluster_share are shares of the same steps")


def small_world() -> SyntheticConfig:
    """A world on which a cycle takes a minute: what trains, learns, and the gate has the users that it asks for."""
    return SyntheticConfig(
        num_users=300, num_items=60, num_clusters=4, events_per_user=12, days=60, image_size=16, image_share=0.5,
        audio_share=0.5,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SyntheticWorld:
    """Item i of every array is item `item_ids[i]`."""

    config: SyntheticConfig
    events: pd.DataFrame  # user_id, item_id, event_type, timestamp (datetime64[us, UTC]); oldest first
    items: pd.DataFrame  # item_id, title, description, categories, attributes, available_at
    item_ids: np.ndarray  # [item] str
    cluster: Int[np.ndarray, "item"]
    successors: Int[np.ndarray, "item successor"]  # positions of items, likeliest first
    successor_weights: Float[np.ndarray, "successor"]  # sum to 1

    def truth(self) -> pd.DataFrame:
        """One row an item: its cluster, its successors, and the share of steps that goes to each."""
        shares = self.config.successor_share * self.successor_weights
        return pd.DataFrame(
            {
                "item_id": self.item_ids,
                "cluster": self.cluster,
                "successors": [list(self.item_ids[row]) for row in self.successors],
                "successor_shares": [list(shares)] * len(self.item_ids),
            }
        )


def make_synthetic(config: SyntheticConfig) -> SyntheticWorld:
    """The world of this config; the same config makes the same world."""
    rng = np.random.default_rng(config.seed)
    item_ids = np.array([f"i{n:04d}" for n in range(config.num_items)], dtype=object)
    cluster = rng.permutation(np.arange(config.num_items) % config.num_clusters)
    appeal = _appeal(rng, cluster)
    available = _available_seconds(rng, config)
    successors = _successors(rng, cluster, config)
    weights = 0.5 ** np.arange(config.num_successors)
    weights /= weights.sum()
    users, steps, seconds = _visits(rng, config)
    taken = _walk(rng, config, cluster, appeal, available, successors, weights, users, steps, seconds)
    start = np.datetime64(config.start.replace(tzinfo=None), "us")
    events = pd.DataFrame(
        {
            "user_id": np.array([f"u{n:05d}" for n in range(config.num_users)], dtype=object)[users],
            "item_id": item_ids[taken],
            "event_type": "view",
            "timestamp": pd.Series(start + seconds.astype("timedelta64[s]")).dt.tz_localize("UTC"),
        }
    ).sort_values(["timestamp", "user_id"], kind="stable", ignore_index=True)
    text = describe(rng, cluster)
    items = text.assign(
        item_id=item_ids,
        available_at=pd.Series(start + available.astype("timedelta64[s]")).dt.tz_localize("UTC"),
    )
    return SyntheticWorld(
        config=config,
        events=events,
        items=items[["item_id", *text.columns, "available_at"]],
        item_ids=item_ids,
        cluster=cluster,
        successors=successors,
        successor_weights=weights,
    )


def write_synthetic(config: SyntheticConfig, folder: Path) -> Path:
    """Write the world as a folder source, with `truth.parquet` beside it; done already, do nothing.

    A folder that holds the world of another config is replaced; one that holds anything else is refused
    with SourceUnavailable.
    """
    digest = digest_of({"recipe": _RECIPE, **asdict(config), "start": config.start.isoformat()})
    if folder.exists():
        if _stamped(folder) == digest:
            return folder
        if _stamped(folder) is None and any(folder.iterdir()):
            raise SourceUnavailable(
                f"{folder}: holds other files. Name an empty folder for the synthetic data."
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        world = make_synthetic(config)
        world.events.to_parquet(aside / "events.parquet", index=False)
        world.items.to_parquet(aside / "items.parquet", index=False)
        world.truth().to_parquet(aside / "truth.parquet", index=False)
        write_media(
            aside,
            world.item_ids,
            world.cluster,
            image_size=config.image_size,
            image_share=config.image_share,
            audio_share=config.audio_share,
            seed=config.seed,
        )
        (aside / STAMP).write_text(json.dumps({"digest": digest}))
        aside.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _stamped(folder: Path) -> str | None:
    stamp = folder / STAMP
    return json.loads(stamp.read_text())["digest"] if stamp.is_file() else None


def _appeal(rng: np.random.Generator, cluster: Int[np.ndarray, "item"]) -> Float[np.ndarray, "item"]:
    """Weight of an item within its cluster: 1 / rank^0.6."""
    appeal = np.empty(len(cluster))
    for c in np.unique(cluster):
        members = np.flatnonzero(cluster == c)
        appeal[members] = (1.0 + rng.permutation(len(members))) ** -0.6
    return appeal


def _available_seconds(rng: np.random.Generator, config: SyntheticConfig) -> Int[np.ndarray, "item"]:
    late = rng.random(config.num_items) < config.late_item_share
    arrival = rng.uniform(0.05, 0.9, config.num_items) * config.days * _DAY
    return np.where(late, arrival, 0).astype(np.int64)


def _successors(
    rng: np.random.Generator, cluster: Int[np.ndarray, "item"], config: SyntheticConfig
) -> Int[np.ndarray, "item successor"]:
    """Own successors for each item: all but the last of its own cluster, the last of another."""
    table = np.empty((len(cluster), config.num_successors), dtype=np.int64)
    positions = np.arange(len(cluster))
    for item in positions:
        near = positions[(cluster == cluster[item]) & (positions != item)]
        far = positions[cluster != cluster[item]] if config.num_clusters > 1 else near
        table[item, :-1] = rng.choice(near, config.num_successors - 1, replace=False)
        table[item, -1] = rng.choice(far)
    return table


def _visits(
    rng: np.random.Generator, config: SyntheticConfig
) -> tuple[Int[np.ndarray, "event"], Int[np.ndarray, "event"], Int[np.ndarray, "event"]]:
    """User, step (from 0) and second since the start of every event; each user's in order of time."""
    extra = max(config.events_per_user - config.min_events, 0.0)
    counts = config.min_events + rng.geometric(1 / (1 + extra), config.num_users) - 1
    counts = np.minimum(counts, config.num_items // 4)
    newcomer = rng.random(config.num_users) < config.newcomer_share
    joined = np.where(
        newcomer, rng.uniform(1 / 3, 0.95, config.num_users), rng.uniform(0, 0.2, config.num_users)
    )
    users = np.repeat(np.arange(config.num_users), counts)
    when = rng.uniform(joined[users], 1.0) * config.days * _DAY
    when = np.floor(when).astype(np.int64)
    order = np.lexsort((when, users))
    steps = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    return users, steps, when[order]


def _walk(
    rng: np.random.Generator,
    config: SyntheticConfig,
    cluster: Int[np.ndarray, "item"],
    appeal: Float[np.ndarray, "item"],
    available: Int[np.ndarray, "item"],
    successors: Int[np.ndarray, "item successor"],
    weights: Float[np.ndarray, "successor"],
    users: Int[np.ndarray, "event"],
    steps: Int[np.ndarray, "event"],
    seconds: Int[np.ndarray, "event"],
) -> Int[np.ndarray, "event"]:
    """The item of every event: all users take their n-th step at once."""
    tastes = rng.dirichlet(np.full(config.num_clusters, 0.25), (2, config.num_users))  # at start and end
    seen = np.zeros((config.num_users, config.num_items), dtype=bool)
    current = np.full(config.num_users, -1)
    taken = np.empty(len(users), dtype=np.int64)
    by_step = np.argsort(steps, kind="stable")
    for rows in np.split(by_step, np.flatnonzero(np.diff(steps[by_step])) + 1):
        user, now = users[rows], seconds[rows]
        free = ~seen[user] & (available[None, :] <= now[:, None])
        age = (now / (config.days * _DAY))[:, None]
        taste = (1 - age) * tastes[0, user] + age * tastes[1, user]
        kind = rng.random(len(rows))
        kind[current[user] < 0] = 1.0  # a first step follows taste
        stays = kind < config.successor_share + config.cluster_share
        towards = np.where(stays, cluster[current[user]], _draw(rng, taste))
        chosen = _draw(rng, appeal * free * (cluster[None, :] == towards[:, None]))
        follows = successors[current[user], _draw(rng, np.tile(weights, (len(rows), 1)))]
        can_follow = (kind < config.successor_share) & free[np.arange(len(rows)), follows]
        chosen = np.where(can_follow, follows, chosen)
        chosen = np.where(chosen < 0, _draw(rng, appeal * free), chosen)  # the whole cluster is seen
        taken[rows] = chosen
        seen[user, chosen] = True
        current[user] = chosen
    return taken


def _draw(rng: np.random.Generator, weights: Float[np.ndarray, "row choice"]) -> Int[np.ndarray, "row"]:
    """One choice a row, in proportion to its weights; -1 where all are zero."""
    cumulative = np.cumsum(weights, axis=1)
    ticket = rng.random(len(weights)) * cumulative[:, -1]
    chosen = (cumulative <= ticket[:, None]).sum(axis=1)
    return np.where(cumulative[:, -1] > 0, np.minimum(chosen, weights.shape[1] - 1), -1)
