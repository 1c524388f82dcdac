"""Arms: trained on the training rows, or counted, each published; the challenger goes into a bundle.

The artifact that is replayed is the one that is registered.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task

from components.artifact import ArtifactRef, publish, verified
from components.data import snapshot
from components.event_weights import read_event_weights, weights_of
from components.features.trainingset import load_training_set
from components.parallel.training import train_on_ray
from components.parallel.workers import Workers
from components.recommender.arm import Arm
from components.recommender.baselines.counting import count_baselines
from components.recommender.loading import load_arm
from components.recommender.names import (
    ALONE_ARMS,
    CONTENT_ARMS,
    PREFERENCE_ARMS,
    SEMANTIC_ID_ARMS,
    ArmName,
    PresetName,
)
from components.recommender.new_item_share import NewItemShare, raises_new_items
from components.recommender.search_space import Settings
from components.recommender.train_arm import train_arm as train
from components.recommender.training.step import OnStep, Step
from components.registry import bundle, tracking
from components.registry.warm_start import WarmStart
from components.tokenizer.id_table import read_id_table, table_sizes_of
from flows.features import EncodedItems, TrainingRows
from flows.local.console import progress_bar, warning_line
from flows.semantic_ids import IdentifiedItems
from flows.settings import load_settings
from flows.snapshots import Snapshots
from flows.stages import StageResult, key_of, run_once
from flows.warm_start import arm_folder
from flows.workers import workers_of


@dataclass(frozen=True, kw_only=True)
class TrainedArm:
    name: ArmName
    arm: ArtifactRef
    reads_ids: bool  # whether it ranks items by their semantic IDs
    code: str  # digest of the code that trained it
    tuned: str = ""  # digest of the tuned preset that it was trained with; "" for a shipped one
    told: str = ""  # how the training went

    @property
    def note(self) -> str:
        return ", ".join(filter(None, (self.told, f"digest {self.arm.digest[:12]}")))


@dataclass(frozen=True, kw_only=True)
class CountedArms:
    """All-time and recent popularity, and random order: they stand in every replay."""

    arms: Mapping[str, ArtifactRef]

    @property
    def note(self) -> str:
        return ", ".join(self.arms)


@dataclass(frozen=True, kw_only=True)
class BundledChallenger:
    bundle: ArtifactRef
    tuned: str = ""  # digest of the tuned preset behind its arm
    told: str = ""  # what is in it

    @property
    def note(self) -> str:
        return ", ".join(filter(None, (self.told, f"digest {self.bundle.digest[:12]}")))


@task(task_run_name="train-{arm}")
def train_arm(
    run: str, arm: ArmName, rows: TrainingRows, ids: IdentifiedItems, preset: PresetName, seed: int,
    curve_run: tracking.TrackingRun, event_weights: str = "", settings_asked: Settings | None = None,
    tuned: str = "", start: ArtifactRef | None = None, new_items: NewItemShare | None = None,
    preference: str = "",
) -> StageResult[TrainedArm]:  # fmt: skip
    """Train one arm on the training rows; its loss is drawn in MLflow while it learns.

    An arm without codes reads the training rows alone, and no ID table; one that reads content takes it from there, as
    the feature store had it at the cut. A training that was cut off goes on
    after the last epoch it finished. `event_weights` say how much events of a type count as targets;
    `settings_asked` stand in place of the preset's own, and `tuned` is the digest of the file that they come from.
    `start` is the bundle at whose arm's weights training begins; None: at none. `new_items` is the share of places that
    new items get in its lists; None: what they earn. `preference` is what its lists aim at, by event type. Workers give
    one process's weights to rounding, not to the bit: they are part of the key, where there are any.
    """
    settings = load_settings()
    reads_ids = arm in SEMANTIC_ID_ARMS
    compute = settings.trained_on
    workers = None if arm in ALONE_ARMS else workers_of(settings)
    key = key_of(
        train_arm, f"train {arm}", run=run,
        reads={"training_set": rows.training_set, "ids": ids.ids if reads_ids else None, "start": start},
        facts={
            "preset": preset, "seed": seed, "threads": settings.threads, **vars(compute),
            **_weighted(event_weights), **_tuned(settings_asked, tuned), **_by(workers), **_raised(new_items),
            **_preferring(preference),
        },
    )  # fmt: skip

    def checkpoint() -> Path:
        return settings.home / "checkpoints" / f"{arm}-{key.digest[:16]}.pt"

    def work() -> TrainedArm:
        data = load_training_set(rows.training_set)
        table = read_id_table(ids.ids) if reads_ids else None
        steps: list[Step] = []
        with _watched(f"train {arm}", curve_run, arm, steps) as on_step:
            call = partial(
                train,
                arm,
                data.item_lists,
                data.time_lists,
                table.item_ids if table else data.item_ids,
                table.codes if table else None,
                table_sizes_of(ids.ids) if table else None,
                weight_lists=data.weight_lists(read_event_weights(event_weights)),
                type_lists=data.type_lists if arm in PREFERENCE_ARMS else None,
                preset=preset,
                settings=settings_asked,
                seed=seed,
                compute=compute,
                checkpoint=checkpoint(),
                begin=None if start is None else load_arm(arm_folder(start)),
                new_items=new_items,
                content=data.content if arm in CONTENT_ARMS else None,
                preference=preference,
            )
            trained = _trained(call, workers, checkpoint().with_suffix(".ray"), settings.device, on_step)
        ref = _publish_arm(
            trained,
            key.parents,
            preset,
            seed,
            _weighted(event_weights)
            | _tuned(settings_asked, tuned)
            | _by(workers)
            | _raised(new_items)
            | _preferring(preference),
        )
        told = ("warm start, " if start else "") + _told(steps) + (_offset(trained) if new_items else "")
        return TrainedArm(
            name=arm, arm=ref, reads_ids=reads_ids, code=key.code.digest, tuned=tuned, told=told
        )

    done = run_once(key, TrainedArm, work, computes=True)
    for written in checkpoint().parent.glob(
        f"{checkpoint().stem}*.pt"
    ):  # of an arm of several networks several
        written.unlink(missing_ok=True)
    return done


@task(task_run_name="count-popularity")
def count_popularity(run: str, snapshots: Snapshots, event_weights: str = "") -> StageResult[CountedArms]:
    """All-time and recent popularity, counted before the cut by weight, and the random arm."""
    key = key_of(
        count_popularity, "count popularity", run=run,
        reads={"snapshot": snapshots.train}, facts=_weighted(event_weights),
    )  # fmt: skip

    def work() -> CountedArms:
        events, weights = snapshot.read_events(snapshots.train), read_event_weights(event_weights)
        counted = count_baselines(
            events["item_id"].to_numpy(dtype=object),
            events["timestamp"].dt.as_unit("s").astype("int64").to_numpy(),
            weights_of(events["event_type"].to_numpy(dtype=object), weights) if weights else None,
            cutoff=int(snapshots.cut.timestamp()),
        )
        weighted = _weighted(event_weights)
        arms = {arm.name: _publish_arm(arm, key.parents, "default", 0, weighted) for arm in counted}
        return CountedArms(arms=arms)

    return run_once(key, CountedArms, work)


@task(task_run_name="bundle-challenger")
def bundle_challenger(
    run: str, snapshots: Snapshots, encoded: EncodedItems, ids: IdentifiedItems, arm: TrainedArm, seed: int,
    warm: WarmStart | None = None,
) -> StageResult[BundledChallenger]:  # fmt: skip
    """Arm, tokenizer, ID table and titles as one artifact: what is replayed, registered and served."""
    tokenizer, table = (ids.tokenizer, ids.ids) if arm.reads_ids else (None, None)
    key = key_of(
        bundle_challenger, "bundle", run=run,
        reads={
            "arm": arm.arm, "tokenizer": tokenizer, "ids": table,
            "snapshot": snapshots.train, "feature_set": encoded.feature_set,
        },
        facts={
            "challenger": arm.name, "seed": seed, "code": arm.code,
            **({"warm_start": asdict(warm)} if warm else {}),
        },
    )  # fmt: skip

    def work() -> BundledChallenger:
        facts = bundle.BundleFacts(
            arm=arm.name,
            train_end=snapshots.cut.isoformat(),
            snapshot=snapshots.train.digest,
            feature_set=encoded.feature_set.digest,
            tokenizer=tokenizer.digest if tokenizer else None,
            id_table=table.digest if table else None,
            seed=seed,
            code=arm.code,
            warm_start=warm,
        )
        ref = bundle.build_bundle(
            load_settings().artifacts,
            write_arm=_copy_of(arm.arm),
            write_tokenizer=_copies_of(tokenizer, table) if tokenizer and table else None,
            items=snapshot.read_items(snapshots.train),
            facts=facts,
        )
        with_ids = " with tokenizer and semantic IDs" if table else ""
        size = sum(path.stat().st_size for path in Path(ref.path).rglob("*") if path.is_file())
        return BundledChallenger(
            bundle=ref, tuned=arm.tuned, told=f"{arm.name}{with_ids}, {size / 1e6:.1f} MB"
        )

    return run_once(key, BundledChallenger, work)


@contextmanager
def _watched(
    what: str, curve_run: tracking.TrackingRun, prefix: str, steps: list[Step]
) -> Iterator[Callable[[Step], None]]:
    """A bar on the terminal and a curve in MLflow; `steps` takes the first, the last, and what was validated."""
    with progress_bar(what) as bar, tracking.training_curve(curve_run, prefix) as curve:

        def on_step(step: Step) -> None:
            figures = {"loss": step.loss}
            if step.validation_ndcg is not None:
                figures["validation_ndcg"] = step.validation_ndcg
            bar(step.step, step.num_steps, figures)
            if len(steps) > 1 and steps[-1].validation_ndcg is None:
                steps.pop()
            steps.append(step)
            curve.on_step(step.step, step.num_steps, figures)

        yield on_step
    if curve.why_unsent:
        warning_line(f"the curve of {prefix} is not whole in MLflow: {curve.why_unsent}")


def _told(steps: Sequence[Step]) -> str:
    """In a line; "" for an arm that is solved, not trained."""
    if not steps:
        return ""
    first, last = steps[0], steps[-1]
    best = max((step.validation_ndcg for step in steps if step.validation_ndcg is not None), default=None)
    validated = "" if best is None else f", validation NDCG@10 {best:.3f} at best"
    return f"{last.step:,} steps, loss {first.loss:.2f} to {last.loss:.2f}{validated}"


def _trained(
    call: Callable[..., Arm], workers: Workers | None, folder: Path, device: str, on_step: OnStep
) -> Arm:
    """The same function, called here or by every worker."""
    if workers is None:
        return call(on_step=on_step)
    return train_on_ray(call, workers=workers, folder=folder, device=device, on_step=on_step)


def _by(workers: Workers | None) -> dict[str, int | str]:
    """What a key or a config says of workers; not where their Ray runs."""
    if workers is None:
        return {}
    return {"engine": "ray", "workers": workers.count, "threads_a_worker": workers.threads}


def _weighted(event_weights: str) -> dict[str, str]:
    """What a key or a config says of weights: nothing where all types weigh alike, as before there were any."""
    return {"event_weights": event_weights} if read_event_weights(event_weights) else {}


def _tuned(settings: Settings | None, digest: str) -> dict[str, Any]:
    """The same of a tuned preset: nothing where a shipped one stays as it is."""
    return {"settings": dict(settings), "tuned": digest} if settings else {}


def _raised(new_items: NewItemShare | None) -> dict[str, Any]:
    """The same of a share for new items: nothing where none was asked for."""
    return {"new_items": asdict(new_items)} if new_items else {}


def _preferring(preference: str) -> dict[str, str]:
    """The same of a preference over event types: nothing where none was said."""
    return {"preference": preference} if preference else {}


def _offset(arm: Arm) -> str:
    """How far new items had to be raised for the share that was asked."""
    offset = arm.new_item_offset if raises_new_items(arm) else 0.0
    return (
        f", new items raised by {offset:.2f}"
        if offset
        else ", no new item had to be raised, or there was none"
    )


def _publish_arm(
    arm: Arm, parents: Mapping[str, str], preset: str, seed: int, beside: Mapping[str, Any]
) -> ArtifactRef:
    config = {"name": arm.name, "preset": preset, "seed": seed, **beside}
    return publish(load_settings().artifacts, "arm", arm.save, parents=parents, config=config)


def _copy_of(ref: ArtifactRef) -> Callable[[Path], None]:
    """Write a published artifact's files into a folder, its manifest left behind."""

    def write(folder: Path) -> None:
        for name in verified(ref.path)["files"]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(ref.path) / name, folder / name)

    return write


def _copies_of(*refs: ArtifactRef) -> Callable[[Path], None]:
    """Each artifact whole, with its manifest, in a folder of its kind: the bundle checks their digests."""

    def write(folder: Path) -> None:
        for ref in refs:
            verified(ref.path)
            shutil.copytree(ref.path, folder / ref.kind)

    return write
