"""From a path to logged feedback: one file of a user's own, or the Open Bandit sample."""

from __future__ import annotations

from pathlib import Path

from components.data.logged import LoggedRows
from components.data.sources import SourceUnavailable
from components.data.sources.logged_table import read_logged_table
from components.data.sources.open_bandit import is_open_bandit, open_bandit_logs, read_open_bandit
from components.evaluation.counterfactual.logged import LoggedFeedbackError, feedback_from_rows


def logs_at(path: Path) -> tuple[Path, ...]:
    """The file itself, or every log of the Open Bandit sample's folder. Raises SourceUnavailable."""
    if not path.is_dir():
        return (path,)
    if not (logs := open_bandit_logs(path)):
        raise SourceUnavailable(
            f"{path}: no open_bandit_<log>_<campaign>.csv lies there. Give that sample's folder, or one CSV or "
            "parquet file with item_id, reward, propensity and target_propensity."
        )
    return logs


def read_log(path: Path, target_policy: Path | None) -> LoggedRows:
    """One log whose every row can be evaluated; whatever is amiss is raised in the words of who found it."""
    if is_open_bandit(path) and target_policy is None:
        logged = read_open_bandit(path)
    else:
        logged = read_logged_table(path, target_policy)
    try:
        feedback_from_rows(logged.rows, logged.policy)
    except LoggedFeedbackError as error:
        is_of_policy = str(error).startswith("target policy")
        where = target_policy if is_of_policy and target_policy else path
        counted = " Rows are counted from 0, below a header." if "row " in str(error) else ""
        raise LoggedFeedbackError(f"{where}: {error}{counted}") from error
    return logged
