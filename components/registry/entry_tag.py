"""The tag of the registered model that names the ledger's entry which `champion` follows, by number and hash.

Whoever may write it may move the alias: MLflow asks the same right of both, and a server with promoters refuses both
to everybody else. So it is written, unchanged, before the ledger is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.registry.registered import ENTRY_TAG

if TYPE_CHECKING:
    from components.data.ledger import PromotionEntry


def carry(model_name: str, entry: PromotionEntry) -> None:
    """Name this entry, if there is such a model."""
    if _tag(model_name) is not None:
        _write(model_name, f"{entry.id} {entry.entry_hash}")


def _write(model_name: str, tag: str) -> None:
    MlflowClient().set_registered_model_tag(model_name, ENTRY_TAG, tag)


def _tag(model_name: str) -> str | None:
    """The tag as it stands, "0" for none; None if there is no such model."""
    try:
        tags = MlflowClient().get_registered_model(model_name).tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return str(tags.get(ENTRY_TAG, "0"))


def why_not_carry(model_name: str) -> str | None:
    """What MLflow says to this account's wish to move the champion; None if it may.

    Asked by writing what is there already.
    """
    try:
        if (tag := _tag(model_name)) is not None:
            _write(model_name, tag)
    except MlflowException as error:
        if error.error_code != "PERMISSION_DENIED":
            raise
        return (
            f"MLflow refuses to let this account move the champion of {model_name}, so nothing was moved: "
            f"{error.message.strip()}"
        )
    return None
