"""The artifacts behind a registered version, found from its bundle and from the manifests on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from components.artifact import ArtifactDamaged, ArtifactNewer, ArtifactRef, verified
from components.data.artifact_erasure import successor_of
from components.registry import versions
from components.registry.bundle import ARM, Bundle, open_bundle
from components.registry.registered import NoSuchVersion
from components.registry.tracking import TrackingUnreachable
from components.registry.verification import Finding, Manifest, Stored, compared, find_stored, stored
from components.registry.warm_start import WarmStart
from flows.settings import load_settings
from flows.warehouse import warehouse


class NothingToVerify(Exception):
    """Neither the registry nor this machine has a whole bundle of the version: there is nothing to hold it against."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The artifacts behind a version, as they lie on this machine."""

    version: str
    looked_up: tuple[Finding, ...]  # its bundle, where it was looked for
    bundle: Bundle  # every byte checked
    snapshot: Stored
    feature_set: Stored
    tokenizer: Stored | None  # None, like the next, for an arm without semantic IDs
    id_table: Stored | None
    arm: Stored | None  # None: no artifact of this arm is left; the bundle holds its files
    training_set: Stored | None
    start: Stored | None  # the bundle at whose weights its training began; None for a cold training

    @property
    def parts(self) -> tuple[Stored, ...]:
        every = (
            self.snapshot, self.feature_set, self.training_set, self.tokenizer, self.id_table, self.start,
            self.arm,
        )  # fmt: skip
        return tuple(part for part in every if part is not None)

    @property
    def is_erased(self) -> bool:
        """Whether an erasure has changed what the version was made of."""
        return any(part.is_erased for part in self.parts)


def chain_of(version: str, scratch: Path) -> Chain:
    """What lies behind a version; its bundle is fetched into `scratch`. Raises NoSuchVersion, NothingToVerify."""
    found = list(_bundles(version, scratch))
    whole = [bundle for _, bundle in found if bundle is not None]
    if not whole:
        raise NothingToVerify(
            f"version {version}: its bundle is whole neither in the registry nor under {load_settings().artifacts}. "
            "`recloop rollback` brings the champion before it back; `recloop retrain` makes a new one."
        )
    bundle, root, engine = whole[0], load_settings().artifacts, warehouse()
    facts = bundle.facts
    arm = _arm_of(bundle)
    training_set = _training_set_of(bundle, arm)
    return Chain(
        version=version,
        looked_up=tuple(finding for finding, _ in found),
        bundle=bundle,
        snapshot=stored(engine, root, "snapshot", facts.snapshot),
        feature_set=stored(engine, root, "feature_set", facts.feature_set),
        tokenizer=stored(engine, root, "tokenizer", facts.tokenizer) if facts.tokenizer else None,
        id_table=stored(engine, root, "id_table", facts.id_table) if facts.id_table else None,
        arm=stored(engine, root, "arm", arm["digest"]) if arm else None,
        training_set=stored(engine, root, "training_set", training_set) if training_set else None,
        start=_start_of(facts.warm_start, scratch) if facts.warm_start else None,
    )


def _start_of(warm: WarmStart, scratch: Path) -> Stored:
    """The bundle at whose weights training began: here, or in the registry under the version's number."""
    settings = load_settings()
    kept, stage = (
        stored(warehouse(), settings.artifacts, "bundle", warm.bundle),
        f"start, version {warm.version}",
    )
    if kept.artifact is None:
        folder = scratch / "start"
        folder.mkdir(parents=True)
        try:
            uri = versions.get_version(settings.model_name, warm.version).uri
            path = versions.fetch_bundle(uri, warm.bundle, folder)
        except (ArtifactDamaged, ArtifactNewer, TrackingUnreachable, NoSuchVersion) as error:
            return replace(
                kept, finding=replace(kept.finding, stage=stage, note=f"{kept.finding.note}; {error}")
            )
        ref = ArtifactRef(kind="bundle", digest=warm.bundle, path=str(path))
        return Stored(finding=compared(stage, warm.bundle, warm.bundle), artifact=ref)
    return replace(kept, finding=replace(kept.finding, stage=stage))


def _bundles(version: str, scratch: Path) -> Iterator[tuple[Finding, Bundle | None]]:
    """The version's bundle as the registry gives it, and as it lies on this machine."""
    settings = load_settings()
    registered = versions.get_version(settings.model_name, version)
    if (digest := registered.bundle_digest) is None:
        raise NothingToVerify(f"{registered.uri} was not registered by recloop: it names no bundle.")
    stage, folder = "bundle in the registry", scratch / "fetched"
    folder.mkdir(parents=True)
    try:
        fetched = open_bundle(versions.fetch_bundle(registered.uri, digest, folder))
        yield compared(stage, digest, fetched.digest), fetched
    except (ArtifactDamaged, ArtifactNewer, TrackingUnreachable) as error:
        is_unread = not isinstance(error, ArtifactDamaged)
        yield Finding(
            stage=stage, recorded=digest, found="" if is_unread else "damaged",
            verdict="missing" if is_unread else "differs", note=str(error),
        ), None  # fmt: skip
    kept = stored(warehouse(), settings.artifacts, "bundle", digest)
    yield kept.finding, open_bundle(kept.artifact.path) if kept.artifact else None


def _arm_of(bundle: Bundle) -> Manifest | None:
    """The arm whose files the bundle holds; None if it was pruned."""
    held: dict[str, str] = verified(bundle.path)["files"]
    arm = {name.removeprefix(f"{ARM}/"): sha for name, sha in held.items() if name.startswith(f"{ARM}/")}
    return find_stored(load_settings().artifacts, "arm", lambda manifest: manifest["files"] == arm)


def _training_set_of(bundle: Bundle, arm: Manifest | None) -> str | None:
    """What the arm says that it was trained on, or else what was made of the bundle's features."""
    if arm is not None and (trained_on := arm["parents"].get("training_set")):
        return str(trained_on)
    features = {bundle.facts.feature_set, successor_of(warehouse(), bundle.facts.feature_set)}
    found = find_stored(
        load_settings().artifacts,
        "training_set",
        lambda manifest: manifest["parents"].get("feature_set") in features,
    )
    return found["digest"] if found else None
