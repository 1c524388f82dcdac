"""MLflow answers, and refuses: a wrong login, or an account without the right."""

from __future__ import annotations

import os

from mlflow.exceptions import MlflowException

from components.registry.registered import TrackingRefused


def refusal_of(error: BaseException, address: str) -> TrackingRefused | None:
    """What to tell of an error of MLflow's client, if it is a refusal."""
    if not isinstance(error, MlflowException) or error.error_code not in _REFUSALS:
        return None
    account = os.environ.get("MLFLOW_TRACKING_USERNAME") or "nobody"
    return TrackingRefused(
        f"{address}: MLflow refuses {account} ({error.message.strip()}). {_REFUSALS[error.error_code]}"
    )


_REFUSALS = {
    "UNAUTHENTICATED": "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a login of that server.",
    "PERMISSION_DENIED": "Ask its admin for the right, or use an account that has it; "
    "docs/how-to/production.md says which account may do what.",
}
