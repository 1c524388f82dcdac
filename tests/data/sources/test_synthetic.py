"""The synthetic world: the planted structure is there, and the loop's demands on it are met."""

from __future__ import annotations

import wave
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.data.sources import SourceUnavailable
from components.data.sources.folder import read_folder
from components.data.sources.synthetic import SyntheticConfig, make_synthetic, write_synthetic

SMALL = SyntheticConfig(num_users=200, num_items=96, events_per_user=12.0)


@pytest.fixture(scope="module")
def world():
    return make_synthetic(SyntheticConfig())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_synthetic(SMALL, tmp_path_factory.mktemp("made") / "world")


@pytest.mark.parametrize("quantile", [0.5, 0.7])
def test_at_least_5000_users_return_after_each_cut(world, quantile):
    cut = world.events["timestamp"].quantile(quantile)
    before, after = (set(world.events["user_id"][side]) for side in _sides(world, cut))
    assert len(before & after) >= 5_000
    assert len(after - before) >= 100  # and new ones come


def _sides(world, cut):
    return world.events["timestamp"] < cut, world.events["timestamp"] >= cut


def test_following_the_last_item_beats_popularity_clearly(world):
    """Of the next items, over 45 % are one of 3 successors; 3 fixed items reach under 3 %."""
    position = pd.Series(range(len(world.item_ids)), index=world.item_ids)
    events = world.events.sort_values(["user_id", "timestamp"], kind="stable")
    item = events["item_id"].map(position).to_numpy()
    same_user = events["user_id"].to_numpy()[1:] == events["user_id"].to_numpy()[:-1]
    last, following = item[:-1][same_user], item[1:][same_user]
    assert (world.successors[last] == following[:, None]).any(axis=1).mean() > 0.45
    assert np.isin(following, np.bincount(item).argsort()[-3:]).mean() < 0.03
    assert (world.cluster[last] == world.cluster[following]).mean() > 0.6


def test_nobody_takes_an_item_twice_or_before_it_arrives(world):
    assert not world.events.duplicated(["user_id", "item_id"]).any()
    available = world.items.set_index("item_id")["available_at"]
    assert (world.events["timestamp"].to_numpy() >= available[world.events["item_id"]].to_numpy()).all()
    new = available > available.min()
    assert 100 <= new.sum() <= 200
    assert world.events["item_id"].isin(new.index[new]).mean() > 0.05
    assert 100_000 <= len(world.events) <= 150_000


def test_taste_drifts(world):
    """A user's clusters in the first and in the last third of the time differ more than chance halves do."""
    cluster = dict(zip(world.item_ids, world.cluster, strict=True))
    events = world.events.assign(cluster=world.events["item_id"].map(cluster))
    thirds = pd.qcut(events["timestamp"].astype("int64"), 3, labels=False).to_numpy()
    chance = np.random.default_rng(0).permutation(thirds)
    assert _agreement(events, thirds) < _agreement(events, chance) - 0.05


def _agreement(events, part) -> float:
    """Mean cosine of a user's cluster counts in part 0 and in part 2."""
    counts = [pd.crosstab(events["user_id"][part == p], events["cluster"][part == p]) for p in (0, 2)]
    users = counts[0].index.intersection(counts[1].index)
    a, b = (c.reindex(users).to_numpy(dtype=float) for c in counts)
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean())


def test_same_seed_same_world_and_another_seed_another(world):
    first, again = make_synthetic(SMALL), make_synthetic(SMALL)
    pd.testing.assert_frame_equal(first.events, again.events)
    pd.testing.assert_frame_equal(first.truth(), again.truth())
    assert not first.events.equals(make_synthetic(replace(SMALL, seed=8)).events)


def test_the_folder_reader_reads_it(written):
    batch, world = read_folder(written), make_synthetic(SMALL)
    assert (len(batch.events), len(batch.items)) == (len(world.events), SMALL.num_items)
    assert batch.items["image_path"].notna().mean() == pytest.approx(SMALL.image_share, abs=0.15)
    assert batch.items["audio_path"].notna().mean() == pytest.approx(SMALL.audio_share, abs=0.15)
    truth = pd.read_parquet(written / "truth.parquet")
    assert truth["item_id"].tolist() == world.item_ids.tolist()
    assert truth["successor_shares"].map(sum).tolist() == pytest.approx([SMALL.successor_share] * 96)


def test_content_tells_the_cluster(written):
    """The nearest other image by mean colour, and sound by pitch, are of the same cluster far above 1 in 12."""
    truth = pd.read_parquet(written / "truth.parquet").set_index("item_id")["cluster"]
    items = read_folder(written).items.set_index("item_id")
    colours = {
        i: np.asarray(Image.open(written / p)).mean((0, 1)) for i, p in items["image_path"].dropna().items()
    }
    pitches = {i: [_pitch(written / p)] for i, p in items["audio_path"].dropna().items()}
    for features in (colours, pitches):
        ids, x = list(features), np.array(list(features.values()), dtype=float)
        distance = np.linalg.norm(x[:, None] - x[None], axis=2) + np.diag(np.full(len(ids), np.inf))
        nearest = [ids[n] for n in distance.argmin(axis=1)]
        assert (truth[ids].to_numpy() == truth[nearest].to_numpy()).mean() > 0.5


def _pitch(path) -> float:
    with wave.open(str(path)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
        return float(np.abs(np.fft.rfft(samples)).argmax() * sound.getframerate() / len(samples))


def test_writing_again_changes_nothing_and_another_config_replaces(tmp_path):
    folder = write_synthetic(SMALL, tmp_path / "world")
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert write_synthetic(SMALL, folder) == folder
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    write_synthetic(replace(SMALL, num_users=50), folder)
    assert read_folder(folder).events["user_id"].nunique() == 50
    assert [p.name for p in tmp_path.iterdir()] == ["world"]


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SourceUnavailable, match="holds other files"):
        write_synthetic(SMALL, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_impossible_worlds_are_refused():
    for wrong in ({"num_clusters": 99}, {"num_items": 20}, {"successor_share": 0.9}):
        with pytest.raises(ValueError, match=r"planted|too few|shares"):
            SyntheticConfig(**wrong)
