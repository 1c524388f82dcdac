"""Registered versions as they stand: by number, by alias, and as a bundle on this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.artifact import MANIFEST, ArtifactDamaged, ArtifactRef, publish, verified
from components.registry.bundle import KIND
from components.registry.tracking import reaching_tracking

CHAMPION, CHALLENGER = "champion", "challenger"
BUNDLE_TAG, VERDICT_TAG = "recloop.bundle", "recloop.verdict"
APPROVAL_TAG, APPROVED = "validation_status", "approved"
APPROVER_TAG = "approved_by"  # a reviewer writes it; MLflow keeps no author of a tag
STARTER_TAG = "recloop.started_by"
JUDGED_TAG = "recloop.filter_seen"  # whether its replay left seen items out; absent: it did


class NoSuchVersion(Exception):
    """No registered version has this number or alias: names those that exist."""


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """One version of a registered model, as of the moment it was read."""

    name: str
    version: str
    run_id: str
    source: str  # models:/<logged model>
    tags: dict[str, str]

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"

    @property
    def bundle_digest(self) -> str | None:
        """None for a version that somebody registered by hand."""
        return self.tags.get(BUNDLE_TAG)

    @property
    def verdict(self) -> str | None:
        return self.tags.get(VERDICT_TAG)

    @property
    def excludes_seen(self) -> bool:
        """Whether items of the history are left out of its lists: as it was judged, so it is served."""
        return excludes_seen(self.tags)

    @property
    def is_approved(self) -> bool:
        """Whether a reviewer has approved it in MLflow's UI."""
        return self.tags.get(APPROVAL_TAG, "").strip().lower() == APPROVED

    @property
    def approver(self) -> str | None:
        """Who approved it, as the reviewer wrote it; None if nobody's name stands there."""
        return self.tags.get(APPROVER_TAG, "").strip() or None

    @property
    def started_by(self) -> str | None:
        """Who started the run that made it."""
        return self.tags.get(STARTER_TAG, "").strip() or None


def excludes_seen(tags: Mapping[str, str]) -> bool:
    """What a version's tags say of items of the history: left out, unless it was judged with them."""
    return tags.get(JUDGED_TAG, "true").lower() != "false"


@reaching_tracking()
def versions(model_name: str) -> list[RegisteredVersion]:
    """All versions of a model, oldest first; none if the model does not exist."""
    found = (facts_of(version) for version in MlflowClient().search_model_versions(f"name = '{model_name}'"))
    return sorted(found, key=lambda version: int(version.version))


@reaching_tracking()
def aliases(model_name: str) -> dict[str, str]:
    """Alias → version; empty if the model does not exist. MLflow's searches return no aliases."""
    try:
        found = MlflowClient().get_registered_model(model_name).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    return {alias: str(version) for alias, version in found.items()}


@reaching_tracking()
def find_version(model_name: str, version: str) -> RegisteredVersion | None:
    """This version, or None if it does not exist."""
    if not version.isdecimal():
        return None
    try:
        return facts_of(MlflowClient().get_model_version(model_name, version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def get_version(model_name: str, version: str) -> RegisteredVersion:
    """This version. Raises NoSuchVersion naming those that exist."""
    if (found := find_version(model_name, version)) is None:
        raise NoSuchVersion(no_such_version(model_name, version))
    return found


def no_such_version(model_name: str, version: str) -> str:
    known = ", ".join(v.version for v in versions(model_name))
    there = f"there are {known}" if known else "none is registered yet; `recloop retrain` registers one"
    return f"{model_name} has no version {version!r}: {there}."


def resolve(model_name: str, alias: str) -> RegisteredVersion | None:
    """The version that an alias names, or None. Resolve once per run or batch: an alias may move."""
    version = aliases(model_name).get(alias)
    return None if version is None else find_version(model_name, version)


def champion(model_name: str) -> RegisteredVersion | None:
    """The champion, or None while there is none."""
    return resolve(model_name, CHAMPION)


def require_champion(model_name: str) -> RegisteredVersion:
    """The champion. Raises NoSuchVersion, saying how one comes to be."""
    if (found := champion(model_name)) is None:
        raise NoSuchVersion(
            f"{model_name} has no champion yet. `recloop retrain` trains, replays and promotes one; "
            "`recloop promote --version N` promotes a version that was approved."
        )
    return found


def require_alias(model_name: str, alias: str) -> RegisteredVersion:
    """The version that an alias names. Raises NoSuchVersion, naming the aliases that there are."""
    if alias == CHAMPION:
        return require_champion(model_name)
    if (found := resolve(model_name, alias)) is None:
        there = ", ".join(
            f"{name} (version {number})" for name, number in sorted(aliases(model_name).items())
        )
        raise NoSuchVersion(
            f"{model_name} has no alias {alias!r}: there {f'are {there}' if there else 'is none yet'}. Name a "
            "version with --version."
        )
    return found


def approved_versions(model_name: str) -> list[RegisteredVersion]:
    """Versions that carry a reviewer's `validation_status: approved`, oldest first."""
    return [version for version in versions(model_name) if version.is_approved]


def download_bundle(model_name: str, version: str, root: Path) -> ArtifactRef:
    """The bundle of a version under `root`, fetched unless it lies there; every byte is checked.

    Raises NoSuchVersion, ArtifactDamaged, TrackingUnreachable.
    """
    registered = get_version(model_name, version)
    if (digest := registered.bundle_digest) is None:
        raise NoSuchVersion(
            f"{registered.uri} was not registered by recloop: it has no tag {BUNDLE_TAG}, and no bundle."
        )
    local = root / KIND / digest[:20]
    if (local / MANIFEST).exists():
        _refuse_other(local, digest, str(local))
        return ArtifactRef(kind=KIND, digest=digest, path=str(local))
    with tempfile.TemporaryDirectory(prefix="recloop-") as folder:
        fetched = fetch_bundle(registered.uri, digest, Path(folder))
        manifest = verified(fetched)

        def copy(target: Path) -> None:
            shutil.copytree(fetched, target, dirs_exist_ok=True)
            (target / MANIFEST).unlink()

        return publish(root, KIND, copy, parents=manifest["parents"], config=manifest["config"])


@reaching_tracking()
def fetch_bundle(model_uri: str, digest: str, folder: Path) -> Path:
    """Download the bundle of a model into `folder` and check that it is, whole, the one of this digest.

    Raises ArtifactDamaged, TrackingUnreachable.
    """
    uri = f"{model_uri}/artifacts/{digest[:20]}"
    try:
        fetched = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    except (OSError, MlflowException) as error:
        if isinstance(error, MlflowException) and "No such artifact" not in str(error):
            raise
        raise ArtifactDamaged(f"{uri}: not there ({error}). Register the bundle again.") from error
    _refuse_other(fetched, digest, uri)
    return fetched


def facts_of(version: ModelVersion) -> RegisteredVersion:
    return RegisteredVersion(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id or "",
        source=version.source or "",
        tags=dict(version.tags),
    )


def _refuse_other(folder: Path, digest: str, where: str) -> None:
    if (found := verified(folder)["digest"]) != digest:
        raise ArtifactDamaged(
            f"{where}: holds bundle {found[:12]}, not {digest[:12]}. Remove it and fetch it anew."
        )
