"""Registered versions as they stand: by number, by alias, and as a bundle on this machine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.artifact import MANIFEST, ArtifactDamaged, ArtifactRef, publish, verified
from components.registry.bundle import KIND, kept_bundle, refuse_other
from components.registry.registered import (
    BUNDLE_TAG,
    CHAMPION,
    NoSuchVersion,
    RegisteredModel,
    RegisteredVersion,
    TrackingUnreachable,
    no_champion,
)
from components.registry.tracking import address as tracking_address
from components.registry.tracking import reaching_tracking
from components.shown_address import shown_address, without_secrets


@reaching_tracking()
def registered_model(model_name: str) -> RegisteredModel:
    """A model whole, as MLflow's client tells it; `direct` reads the same without it, where it can."""
    try:
        found = MlflowClient().get_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return RegisteredModel(name=model_name, exists=False, aliases={}, tags={}, versions=())
    return RegisteredModel(
        name=model_name,
        exists=True,
        aliases={alias: str(version) for alias, version in found.aliases.items()},
        tags=dict(found.tags),
        versions=tuple(versions(model_name)),
    )


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
        raise NoSuchVersion(no_champion(model_name))
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


def download_bundle(model_name: str, version: str, root: Path) -> ArtifactRef:
    """The bundle of a version under `root`, fetched unless it lies there; every byte is checked.

    Raises NoSuchVersion, ArtifactDamaged, TrackingUnreachable.
    """
    registered = get_version(model_name, version)
    if (digest := registered.bundle_digest) is None:
        raise NoSuchVersion(
            f"{registered.uri} was not registered by recloop: it has no tag {BUNDLE_TAG}, and no bundle."
        )
    if (kept := kept_bundle(root, digest)) is not None:
        return kept
    with tempfile.TemporaryDirectory(prefix="recloop-") as folder:
        fetched = fetch_bundle(registered.uri, digest, Path(folder))
        manifest = verified(fetched)

        def copy(target: Path) -> None:
            shutil.copytree(fetched, target, dirs_exist_ok=True)
            (target / MANIFEST).unlink()

        return publish(
            root, KIND, copy, parents=manifest["parents"], config=manifest["config"], is_copied=False
        )


@reaching_tracking()
def fetch_bundle(model_uri: str, digest: str, folder: Path) -> Path:
    """Download the bundle of a model into `folder` and check that it is, whole, the one of this digest.

    Raises ArtifactDamaged, TrackingUnreachable.
    """
    uri = f"{model_uri}/artifacts/{digest[:20]}"
    try:
        fetched = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    except (OSError, MlflowException) as error:
        if "mlflow-artifacts" in str(error) and not tracking_address().startswith("http"):
            raise TrackingUnreachable(
                f"{uri} lies with the MLflow server of this home, which is down. Start it (`recloop ui` in another "
                "terminal), then run the same command again."
            ) from error
        if isinstance(error, MlflowException) and "No such artifact" not in str(error):
            if _is_half_way(error):
                asked, why = tracking_address(), str(error).strip().splitlines()[-1]
                raise TrackingUnreachable(
                    f"{uri} did not come whole from MLflow at {shown_address(asked)} ({without_secrets(why, asked)}). "
                    "Look at that server and at where it keeps artifacts, then run the same command again."
                ) from error
            raise
        raise ArtifactDamaged(f"{uri}: not there ({error}). Register the bundle again.") from error
    refuse_other(fetched, digest, uri)
    return fetched


def _is_half_way(error: MlflowException) -> bool:
    """Whether files that are there did not come: of a failed download MLflow keeps the text of each cause alone."""
    return error.error_code == "INTERNAL_ERROR" and "failures occurred while downloading" in str(error)


def facts_of(version: ModelVersion) -> RegisteredVersion:
    return RegisteredVersion(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id or "",
        source=version.source or "",
        tags=dict(version.tags),
    )
