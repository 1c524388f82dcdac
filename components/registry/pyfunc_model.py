"""The file that MLflow loads a registered recommender from (models-from-code): no pickle, one bundle.

It runs where recloop is installed, in any folder: MLflow keeps a copy of this file beside the bundle, and the
copy finds recloop by its installation, not by the folder. Input: one row a user, with the history; output: one
row a place of the list, in the ids and titles of the source.
"""

from __future__ import annotations

import json
import logging
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

_LOG = logging.getLogger(__name__)


class Recommender(PythonModel):
    """Histories in, original item ids, titles and scores out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Raises ArtifactDamaged or BundleMismatch for a bundle that is not the one that was registered."""
        _find_recloop()
        from components.serving.scorer import load_scorer

        self.scorer = load_scorer(context.artifacts["bundle"])
        # as the version was judged; versions that were registered before this was kept left seen items out
        self.exclude_seen = bool((context.model_config or {}).get("exclude_seen", True))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """`model_input`: item_ids (list of str, oldest first); optional user_id and times (epoch seconds).

        Returns user_id, rank (from 1), item_id, title, score, bundle. Without user_id rows count from 0. Raises
        MlflowException only: `mlflow models serve` answers any other error with its traceback.
        """
        from components.serving.scorer import HistoryError

        try:
            return self._lists(model_input, params or {})
        except HistoryError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            _LOG.exception("an input that was not scored")
            raise MlflowException(
                f"the input cannot be scored ({type(error).__name__}): item_ids holds a list of texts a row, times, "
                "where it is given, a list of as many numbers",
                INVALID_PARAMETER_VALUE,
            ) from error
        except Exception as error:
            _LOG.exception("scoring failed")
            raise MlflowException(
                f"scoring failed ({type(error).__name__}); the server's log says more", INTERNAL_ERROR
            ) from error

    def _lists(self, histories: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
        if "user_id" not in histories:
            histories = histories.assign(user_id=[str(row) for row in range(len(histories))])
        return self.scorer.recommend(histories, k=params["k"], exclude_seen=self.exclude_seen)


def _find_recloop() -> None:
    """Put the installed recloop before the working folder, which may hold `components` of its own.

    `mlflow models serve` puts its working folder first. Where recloop is not installed, or is running already,
    nothing changes.
    """
    if "components" in sys.modules:
        return
    try:
        installed = distribution("recloop")
    except PackageNotFoundError:
        return
    origin = json.loads(installed.read_text("direct_url.json") or "{}")  # PEP 610
    folder = Path(str(installed.locate_file("")))
    if origin.get("dir_info", {}).get("editable"):
        folder = Path(url2pathname(urlsplit(origin["url"]).path))
    sys.path.insert(0, str(folder))


set_model(Recommender())
