"""The experiment that runs stand in: how MLflow opens it, and what it says at its head."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

_EXPERIMENT = {
    "mlflow.experimentKind": "custom_model_development",  # opens on its runs, not on traces of language models
    "mlflow.note.content": "One run a retraining cycle, or a replay of two versions. A run's description says what "
    "came of it and what each metric means: `replay/…` is of the challenger, `arms/…` of every arm, `lead/…` between.",
}


def experiment_id_of(client: MlflowClient, name: str) -> str:
    """The experiment of that name, made if there is none; it opens on its runs."""
    if (found := client.get_experiment_by_name(name)) is not None:
        for key, value in _EXPERIMENT.items():
            if key not in found.tags:  # one of before, or whose description somebody took away
                client.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, tags=dict(_EXPERIMENT)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return experiment_id_of(client, name)  # somebody made it in between
