"""Where the truth is planted: the better challenger is promoted, the sabotaged one rejected, the same one held.

The whole synthetic world, features and semantic IDs fitted before the demo's second cut, arms that really
trained, published as bundles and opened again as the replay opens them. One request a user keeps it short.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from components.artifact import ArtifactDamaged, ArtifactRef, publish
from components.data.sources.folder import read_folder
from components.data.sources.synthetic import SyntheticConfig, write_synthetic
from components.data.timestamps import read_timestamps
from components.evaluation.contenders import Contender
from components.evaluation.gate import GateProfile, Outcome, production, small
from components.evaluation.latency import Latency, measure_latency
from components.evaluation.plan import ReplayPlan, plan_replay
from components.evaluation.replay import ReplayResult, compare, evaluate, score_replay
from components.evaluation.trial import ArmLists, Trial
from components.features.encoding import EncoderConfig, encode_items
from components.features.graph import item_graph
from components.features.sequences import sequence_frame, user_sequences
from components.recommender.arm import Arm, Histories
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.mmgrec import MMGRecConfig, train_mmgrec
from components.recommender.baselines.popularity import fit_popularity, fit_recent_popularity
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks.mixer import MixerConfig
from components.recommender.sequences import TrainingSequences
from components.recommender.training.training_config import TrainingConfig
from components.registry.bundle import BundleFacts, BundleMismatch, build_bundle, open_bundle
from components.tokenizer import config as tokenizer_presets
from components.tokenizer.fit import fit_tokenizer
from components.tokenizer.ids import SemanticIds, with_collision_tokens, write_ids
from flows.replay_window import load_contender

RETURNING_USERS = 5_000
_TRAINING = TrainingConfig(
    epochs=2, batch_size=64, learning_rate=1e-2, stride=20, validation="none", warmup_share=0.05
)
_MIXER = MixerConfig(dim=32, num_layers=1, num_heads=1, max_length=20, dropout=0.1, relation_dim=0)
_SASREC = DenseConfig(mixer=_MIXER, training=_TRAINING)
_MMGREC = MMGRecConfig(
    mixer=replace(_MIXER, relation_dim=8), training=_TRAINING, head_hidden=32, beam_size=50, decode="hybrid"
)
PROFILES = {"small": small(), "production": production()}
_LIST_LENGTH = max(profile.list_length for profile in PROFILES.values())


@dataclass(frozen=True, kw_only=True)
class World:
    """The synthetic source on disk, cut as the demo's second cycle cuts it."""

    folder: Path  # holds truth.parquet
    train: pd.DataFrame
    items: pd.DataFrame
    events: pd.DataFrame
    cut: datetime
    plan: ReplayPlan


@dataclass(frozen=True, kw_only=True)
class Tokenized:
    """Semantic IDs, published with the tokenizer that gave them."""

    table: SemanticIds
    tokenizer: ArtifactRef
    ids: ArtifactRef


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = write_synthetic(SyntheticConfig(), tmp_path_factory.mktemp("source") / "synthetic")
    batch = read_folder(folder)
    moments = read_timestamps(batch.events["timestamp"]).moments
    events = batch.events.astype({"user_id": object, "item_id": object, "event_type": object}).assign(
        timestamp=moments, event_id=[f"e{row:06d}" for row in batch.events["source_row"]]
    )
    items = batch.items.assign(available_at=read_timestamps(batch.items["available_at"]).moments)
    cut = moments.sort_values().iloc[int(len(moments) * 0.7)].floor("s").to_pydatetime()
    end = moments.max().floor("s").to_pydatetime() + timedelta(seconds=1)
    train = events[events["timestamp"] < cut]
    plan = plan_replay(
        train, events[events["timestamp"] >= cut], items, cut=cut, end=end, max_groups_per_user=1
    )
    return World(folder=folder, train=train, items=items, events=events, cut=cut, plan=plan)


@pytest.fixture(scope="module")
def tokenized(world: World, root: Path) -> Tokenized:
    """Semantic IDs from what the items are and who took them, before the cut."""
    vectors = encode_items(world.items, EncoderConfig(modalities=("metadata",)), root=world.folder)
    graph = item_graph(world.train, vectors.item_ids)
    fitted = fit_tokenizer(
        vectors.vectors,
        vectors.present,
        np.stack([graph.user_index, graph.item_index]),
        num_users=graph.num_users,
        config=tokenizer_presets.quick(),
    )
    popularity = np.bincount(graph.item_index, minlength=graph.num_items)
    table = with_collision_tokens(vectors.item_ids, fitted.codes, popularity)
    tokenizer = publish(root, "tokenizer", fitted.tokenizer.save, parents={}, config={})
    return Tokenized(table=table, tokenizer=tokenizer, ids=publish_ids(root, table, tokenizer))


def publish_ids(root: Path, table: SemanticIds, tokenizer: ArtifactRef) -> ArtifactRef:
    return publish(
        root,
        "id_table",
        lambda folder: write_ids(table, folder / "semantic_ids.parquet"),
        parents={"tokenizer": tokenizer.digest},
        config={},
    )


def sequences_of(events: pd.DataFrame, until: datetime, tokenized: Tokenized) -> TrainingSequences:
    rows = sequence_frame(user_sequences(events, cutoff=until))
    return TrainingSequences.from_lists(
        rows["item_ids"].tolist(), rows["times"].tolist(), item_ids=tokenized.table.item_ids
    )


def a_tenth(events: pd.DataFrame) -> pd.DataFrame:
    users = np.unique(events["user_id"].to_numpy(dtype=object))
    return events[events["user_id"].isin(users[::10])]


@pytest.fixture(scope="module")
def bundled(world: World, tokenized: Tokenized, root: Path) -> Callable[..., Contender]:
    """Publish an arm as a bundle, as a cycle does, and contend with it under the facts that it carries."""

    def bundled(
        name: str, save: Callable[[Path], None], *, train_end: datetime = world.cut, ids: ArtifactRef | None
    ) -> Contender:
        def write_tokenizer(folder: Path) -> None:
            for ref in filter(None, (tokenized.tokenizer, ids)):
                shutil.copytree(ref.path, folder / ref.kind)

        ref = build_bundle(
            root,
            write_arm=save,
            write_tokenizer=write_tokenizer if ids else None,
            items=world.items,
            facts=BundleFacts(
                arm="sasrec" if ids is None else "mmgrec",
                train_end=train_end.isoformat(),
                snapshot="5" * 64,
                feature_set="f" * 64,
                tokenizer=ids and tokenized.tokenizer.digest,
                id_table=ids and ids.digest,
                seed=7,
                code="c" * 64,
            ),
        )
        learned = datetime.fromisoformat(open_bundle(ref.path).facts.train_end)
        return Contender(name=name, artifact=ref, folder="arm", train_end=learned)

    return bundled


@pytest.fixture(scope="module")
def trained(world: World, tokenized: Tokenized, bundled) -> dict[str, Contender]:
    """mmgrec and sasrec on everybody, and mmgrec on a tenth of the users."""
    everybody = sequences_of(world.train, world.cut, tokenized)
    few = sequences_of(a_tenth(world.train), world.cut, tokenized)
    good = train_mmgrec(everybody, tokenized.table.codes, _MMGREC, seed=7)
    poor = train_mmgrec(few, tokenized.table.codes, _MMGREC, seed=7)
    sasrec = train_dense("sasrec", everybody, vocabulary_of(everybody), _SASREC, seed=7)
    return {
        "good": bundled("good", good.save, ids=tokenized.ids),
        "poor": bundled("poor", poor.save, ids=tokenized.ids),
        "sasrec": bundled("sasrec", sasrec.save, ids=None),
    }


def saved_with_other_ids(good: Contender, dealt: np.ndarray) -> Callable[[Path], None]:
    """Writes the good arm's own files, but the item of row r stands under the id of row dealt[r]."""

    def save(folder: Path) -> None:
        shutil.copytree(Path(good.artifact.path) / "arm", folder, dirs_exist_ok=True)
        table = pq.read_table(folder / "item_ids.parquet")
        pq.write_table(
            table.set_column(0, "item_id", table["item_id"].take(dealt)), folder / "item_ids.parquet"
        )

    return save


@pytest.fixture(scope="module")
def dealt(tokenized: Tokenized) -> np.ndarray:
    return np.random.default_rng(3).permutation(len(tokenized.table))


@pytest.fixture(scope="module")
def sabotaged(trained, tokenized: Tokenized, dealt: np.ndarray, root: Path, bundled) -> Contender:
    """Ids dealt anew, in the arm and in the ID table alike: whole and consistent, and wrong."""
    table = replace(tokenized.table, item_ids=tokenized.table.item_ids[dealt])
    ids = publish_ids(root, table, tokenized.tokenizer)
    return bundled("sabotaged", saved_with_other_ids(trained["good"], dealt), ids=ids)


@pytest.fixture(scope="module")
def baselines(world: World, root: Path) -> list[Contender]:
    items = world.train["item_id"].to_numpy(dtype=object)
    times = world.train["timestamp"].dt.as_unit("s").astype("int64").to_numpy()
    arms = (
        fit_popularity(items),
        fit_recent_popularity(items, times, cutoff=int(world.cut.timestamp())),
    )
    return [plain(publish(root, "arm", arm.save, parents={}, config={}), arm.name, world) for arm in arms]


def plain(ref: ArtifactRef, name: str, world: World) -> Contender:
    return Contender(name=name, artifact=ref, train_end=world.cut)


@pytest.fixture(scope="module")
def asked(world: World) -> Callable[[Contender], np.ndarray]:
    """The contender's lists, out of its published files; each is asked once."""
    known: dict[str, np.ndarray] = {}

    def lists(contender: Contender) -> np.ndarray:
        if contender.artifact.digest not in known:
            known[contender.artifact.digest] = recommend(
                load_contender(contender), world.plan, slice(None), _LIST_LENGTH
            )
        return known[contender.artifact.digest]

    return lists


def recommend(arm: Arm, plan: ReplayPlan, requests: slice, k: int) -> np.ndarray:
    histories = Histories(
        catalogue=plan.catalogue, items=plan.items, times=plan.times,
        start=plan.start[requests], end=plan.end[requests],
    )  # fmt: skip
    return arm.recommend(histories, k=k, candidates=plan.candidates, exclude_seen=plan.filter_seen).items


@pytest.fixture
def judge(world: World, asked, baselines: list[Contender]) -> Callable[..., ReplayResult]:
    def judge(challenger: Contender, champion: Contender | None, profile: GateProfile) -> ReplayResult:
        contenders = {c.name: c for c in (*baselines, challenger, *([champion] if champion else []))}
        measured = _latency(world.plan, challenger, champion) if champion else {}
        arms = [
            ArmLists(
                name=name,
                lists=asked(contender),
                train_end=contender.train_end,
                digest=contender.artifact.digest,
                latency=measured.get(name),
            )
            for name, contender in contenders.items()
        ]
        trial = Trial(
            challenger=challenger.name, champion=champion.name if champion else None, profile=profile
        )
        return evaluate(world.plan, arms, trial)

    return judge


def _latency(plan: ReplayPlan, *contenders: Contender) -> dict[str, Latency]:
    """In time of this process rather than of the wall, so that a busy machine makes no arm slow."""
    arms = {contender.name: load_contender(contender) for contender in contenders}
    callables = {
        name: lambda requests, arm=arm: recommend(arm, plan, requests, 10) for name, arm in arms.items()
    }
    return measure_latency(
        callables, num_requests=len(plan), batch_size=16, batches=60, clock=time.process_time
    )


def test_the_world_has_its_returning_users(world: World):
    """They have a history before the cut, and are asked for after it."""
    assert (world.plan.user_train_events > 0).sum() >= RETURNING_USERS
    assert world.plan.counts.users > (world.plan.user_train_events > 0).sum()  # newcomers are served too


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_truly_better_challenger_is_promoted(judge, trained, profile: GateProfile):
    result = judge(trained["good"], trained["poor"], profile)
    assert result.outcome is Outcome.PROMOTE, result.reasons
    (lead,) = [c for c in result.comparisons if (c.baseline, c.metric) == ("poor", "ndcg@10")]
    assert lead.n >= RETURNING_USERS
    assert lead.lower > 0.05


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_sabotaged_challenger_is_rejected(judge, trained, sabotaged, profile: GateProfile):
    assert sabotaged.artifact != trained["good"].artifact
    result = judge(sabotaged, trained["good"], profile)
    assert result.outcome is Outcome.REJECT, result.reasons
    assert any("worse than good" in reason for reason in result.reasons)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_an_identical_challenger_is_held(judge, retrained, trained, profile: GateProfile):
    """Trained anew on the same users with the same seed: the same artifact, to the byte."""
    assert retrained.artifact == trained["poor"].artifact
    result = judge(retrained, trained["poor"], profile)
    assert result.outcome is Outcome.HOLD
    assert "nothing to replace" in result.reasons[0]


@pytest.fixture(scope="module")
def retrained(world: World, tokenized: Tokenized, bundled) -> Contender:
    few = sequences_of(a_tenth(world.train), world.cut, tokenized)
    arm = train_mmgrec(few, tokenized.table.codes, _MMGREC, seed=7)
    return bundled("challenger", arm.save, ids=tokenized.ids)


def test_the_first_champion_must_beat_popularity(judge, trained, sabotaged):
    assert judge(trained["good"], None, small()).outcome is Outcome.PROMOTE
    result = judge(sabotaged, None, small())
    assert result.outcome is Outcome.REJECT
    assert any("popularity" in reason for reason in result.reasons)


def test_a_challenger_that_has_seen_the_window_is_invalid(judge, world, tokenized, trained, bundled):
    """Whatever its figures: the facts in its bundle say how late it learned."""
    past = world.cut + timedelta(days=20)
    seen = sequences_of(a_tenth(world.events), past, tokenized)
    arm = train_mmgrec(seen, tokenized.table.codes, _MMGREC, seed=7)
    result = judge(bundled("seer", arm.save, train_end=past, ids=tokenized.ids), trained["poor"], small())
    assert result.outcome is Outcome.INVALID
    assert "trained past the cut" in result.reasons[0]


def test_the_planted_truth_is_out_of_reach(world: World, asked, trained, sabotaged, baselines):
    """Who knows the successors of every item beats every arm that had to learn them."""
    arms = [*trained.values(), sabotaged, *baselines]
    scores = score_replay(
        world.plan, {arm.name: asked(arm) for arm in arms} | {"oracle": oracle_lists(world)}
    )
    for arm in arms:
        assert compare(scores, "oracle", arm.name, resamples=2_000).lower > 0, arm.name
    for arm in baselines:  # and what was learned is no popularity in disguise
        assert compare(scores, "good", arm.name, resamples=2_000).lower > 0.05


def oracle_lists(world: World) -> np.ndarray:
    """[R k] the likeliest next items by truth.parquet: successors, then the same cluster, then taste so far.

    Within a cluster what was popular before the cut comes first. The shares of the steps are the world's:
    .6 to successors (as planted for each item), .2 within the cluster, the rest by taste.
    """
    plan, config = world.plan, SyntheticConfig()
    truth = pd.read_parquet(world.folder / "truth.parquet").set_index("item_id").loc[list(plan.catalogue)]
    place = {item: at for at, item in enumerate(plan.catalogue)}
    follows = np.zeros((len(truth), len(truth)))
    for row, (items, shares) in enumerate(zip(truth["successors"], truth["successor_shares"], strict=True)):
        follows[row, [place[item] for item in items]] = shares
    belongs = np.eye(config.num_clusters)[truth["cluster"]].T  # [cluster item]
    within = belongs * (plan.item_train_events + 0.5)
    within /= within.sum(axis=1, keepdims=True)
    by_taste = 1 - config.successor_share - config.cluster_share
    lists = np.empty((len(plan), _LIST_LENGTH), dtype=np.int64)
    for request, (start, end) in enumerate(zip(plan.start, plan.end, strict=True)):
        history = plan.items[start:end]
        clusters = truth["cluster"].to_numpy()[history]
        taste = np.bincount(clusters, minlength=config.num_clusters) + 0.5
        score = follows[history[-1]] + config.cluster_share * within[clusters[-1]]
        score = score + by_taste * (taste / taste.sum()) @ within
        score[~plan.candidates] = score[history] = -1
        lists[request] = np.argsort(-score, kind="stable")[:_LIST_LENGTH]
    return lists


def test_ids_dealt_anew_in_the_arm_alone_make_no_bundle(trained, tokenized, dealt, bundled):
    with pytest.raises(BundleMismatch, match="other codes than in the ID table"):
        bundled("sabotaged", saved_with_other_ids(trained["good"], dealt), ids=tokenized.ids)


def test_a_bundle_changed_in_place_is_not_replayed(trained, dealt, tmp_path: Path):
    copied = tmp_path / "bundle"
    shutil.copytree(trained["good"].artifact.path, copied)
    saved_with_other_ids(trained["good"], dealt)(copied / "arm")
    with pytest.raises(ArtifactDamaged, match=r"item_ids\.parquet: SHA-256 is"):
        load_contender(replace(trained["good"], artifact=replace(trained["good"].artifact, path=str(copied))))
