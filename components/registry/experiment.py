"""The experiment that runs stand in: what it says at its head."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

_NOTE = "mlflow.note.content"
_SAYS = (
    "One run a retraining cycle, or a replay of two versions. A run's description says what came of it and what each "
    "metric means: `replay/…` is of the challenger, `arms/…` of every arm, `lead/…` between them."
)


def experiment_id_of(client: MlflowClient, name: str) -> str:
    """The experiment of that name, made if there is none; it says what its runs are."""
    if (found := client.get_experiment_by_name(name)) is not None:
        if _NOTE not in found.tags:  # one of before
            client.set_experiment_tag(found.experiment_id, _NOTE, _SAYS)
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, tags={_NOTE: _SAYS}))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return experiment_id_of(client, name)  # somebody made it in between
