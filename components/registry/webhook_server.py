"""What an MLflow server must be told to send webhooks to this machine. Imports no MLflow: servers are started by
processes that have no need of it.
"""

from __future__ import annotations

import base64
import os


def server_environment(encryption_key: str) -> dict[str, str]:
    """What a server on loopback needs to send webhooks to this machine.

    `encryption_key` (see `new_encryption_key`) must stay the same: without one, MLflow makes another at every
    start and then cannot read a single webhook. Private addresses are allowed, so never give this to a server
    that others reach.
    """
    return {
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": encryption_key,
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_CACHE_TTL": "2",
        "MLFLOW_WEBHOOK_REQUEST_TIMEOUT": "5",
        "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "1",  # a receiver that is down is made up for by the poll
    }


def new_encryption_key() -> str:
    """A key for MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY (Fernet): keep it in a file only the server reads."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()
