"""Where a warm start was asked for: the champion's weights that training begins at, or why it begins at none.

Only a challenger of the champion's arm may begin at weights: the champion's bundle holds no other. Whatever keeps it
from that is found before anything is trained, so that a training that begins at none keeps the key that it always has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from prefect import task

from components.artifact import ArtifactRef
from components.data.artifact_erasure import successor_of
from components.evaluation.contenders import Incumbent
from components.recommender.arm_config import NetworkConfig, config_of
from components.recommender.arms.ease import EASEConfig
from components.recommender.names import CONTENT_ARMS, PREFERENCE_ARMS, SEMANTIC_ID_ARMS, ArmName
from components.recommender.warm_start import unfit, warmed
from components.recommender.weights import read_arm
from components.registry.bundle import Bundle, open_bundle
from components.registry.warm_start import WarmStart
from flows.item_content import encoders_space
from flows.outages import TRIED_AGAIN
from flows.settled import SettledCycle
from flows.stages import StageResult, key_of, run_once
from flows.warehouse import warehouse
from flows.weighted_types import targets_by_type


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """Both are None for a training that begins at no weights; `told` then says why."""

    told: str
    champion: ArtifactRef | None = None  # the bundle at whose arm's weights the challenger begins
    warm: WarmStart | None = None
    arm: str = ""  # of several challengers the one that this is of; "" where there is one

    def of(self, arm: str) -> Beginning:
        """The same for one of several challengers: weights are there for one alone."""
        if self.arm in ("", arm):
            return self
        return Beginning(told=f"cold start, since there is no champion of {arm} to begin at", arm=arm)

    @property
    def note(self) -> str:
        beside = "; the arms beside it begin at none: the champion's bundle does not hold them"
        return self.told + (beside if self.warm else "")


@task(task_run_name="choose-start", **TRIED_AGAIN)
def choose_start(run: str, find: Callable[[], Beginning]) -> StageResult[Beginning]:
    """Put on record what `beginning_of` finds; asked for in a cycle with a warm start alone."""
    beginning = find()
    key = key_of(
        choose_start, "choose start", run=run,
        reads={"champion": beginning.champion},
        facts={"told": beginning.told, **({"arm": beginning.arm} if beginning.arm else {})},
    )  # fmt: skip
    return run_once(key, Beginning, lambda: beginning)


def beginning_of(
    cycle: SettledCycle, champion: Incumbent | None, tokenizer: ArtifactRef, encoders: ArtifactRef,
    train: ArtifactRef,
) -> Beginning:  # fmt: skip
    """Where the challenger's training begins. `tokenizer` is the one whose codes it will read, if it reads any,
    `encoders` the feature set in whose space content is, and `train` the snapshot of its events.

    Of several challengers, of the one that is the champion's arm; else of the first.
    """
    request = cycle.request
    arm = next(
        (name for name in request.challengers if champion and champion.arm == name), request.challenger
    )
    found = _beginning_of(arm, cycle, champion, tokenizer, encoders, train)
    return replace(found, arm=arm) if request.more_challengers else found


def _beginning_of(
    arm: ArmName, cycle: SettledCycle, champion: Incumbent | None, tokenizer: ArtifactRef,
    encoders: ArtifactRef, train: ArtifactRef,
) -> Beginning:  # fmt: skip
    config = config_of(arm, cycle.request.preset, settings=cycle.request.settings_of(arm))
    if isinstance(config, EASEConfig):
        return _cold("ease is solved from the events and has no weights to begin at")
    if champion is None:
        return _cold("there is no champion yet")
    named = f"the champion, version {champion.version},"
    if champion.arm != arm:
        return _cold(f"{named} is {champion.arm}, not {arm}")
    if champion.has_seen(cycle.train_cutoff):
        return _cold(
            f"{named} learned until {champion.train_end:%Y-%m-%d %H:%M}Z: its weights have seen the window"
        )
    if arm in SEMANTIC_ID_ARMS and champion.tokenizer != tokenizer.digest:
        return _cold(f"{named} reads the codes of another tokenizer")
    bundle = open_bundle(champion.bundle.path)
    if successor_of(warehouse(), bundle.facts.snapshot) != bundle.facts.snapshot:
        return _cold(f"{named} learned from a user who was erased since")
    saved = read_arm(bundle.arm_path)[1]
    if arm in CONTENT_ARMS and champion.content_space != encoders_space(encoders):
        return _cold(f"{named} reads the content of other encoders")
    if arm in PREFERENCE_ARMS:
        types, now = saved["objectives"], sorted(targets_by_type(train, cycle.request.event_weights))
        if list(types) != now:
            return _cold(f"{named} has {', '.join(types)} as objectives, and there are {', '.join(now)} now")
    if misfit := unfit(saved, config):
        return _cold(f"{named} is of another shape: {misfit}")
    warm = _link(champion.version, bundle, config)
    return Beginning(told=warm.told, champion=champion.bundle, warm=warm)


def arm_folder(start: ArtifactRef) -> Path:
    """The saved arm in a champion's bundle, every byte of which is checked."""
    return open_bundle(start.path).arm_path


def _cold(why: str) -> Beginning:
    return Beginning(told=f"cold start, since {why}")


def _link(version: str, bundle: Bundle, config: NetworkConfig) -> WarmStart:
    """The next of the chain that the champion ends."""
    before = bundle.facts.warm_start
    return WarmStart(
        bundle=bundle.digest,
        version=version,
        cold_version=before.cold_version if before else version,
        length=before.length + 1 if before else 1,
        epochs=warmed(config).training.epochs,
        cold_epochs=config.training.epochs,
    )
