"""Lists by which version answered, of your own: one CSV or parquet file, a row a list.

    version       whose list was shown
    reward        what came of the list (an item of it was bought: 1, else 0; or money, seconds)
    propensity    probability with which that version was drawn to answer, noted when it was
    context_…     numbers known when the version was drawn, one or more: context_age, context_visits
    user_id       rows of one user are resampled together, and never on both sides     (optional)
    shown         when the list was asked for, a number such as epoch seconds          (optional)
    settled       when its reward was final, in the same unit                          (optional)

Rows stand in the order of time. Other columns are ignored.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.files.form import FileForm
from components.data.sources.files.reading import file_names
from components.data.sources.logged_table import read_columns

_REQUIRED = ("version", "reward", "propensity")
_OPTIONAL = ("user_id", "shown", "settled")
_PREFIX = "context_"


def read_arm_table(path: Path) -> pd.DataFrame:
    """The columns that are named above. Raises SourceUnavailable and DataContractError, as a log of items does."""
    if not path.is_file():
        raise SourceUnavailable(
            f"{path} is not there. Give a CSV or parquet file, a row a list that was shown."
        )
    context = tuple(name for name in file_names(path, FileForm())[0] if name.startswith(_PREFIX))
    if not context:
        raise DataContractError(
            f"{path}: no column begins with {_PREFIX!r}, so there is nothing to tell users apart by. Name what was "
            f"known when the version was drawn {_PREFIX}age, {_PREFIX}visits and the like."
        )
    return read_columns(path, (*_REQUIRED, *context), _OPTIONAL)
