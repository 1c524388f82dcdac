"""docs/arms.md has a row for every arm, with its source."""

import re
from pathlib import Path
from typing import get_args

from components.recommender.names import ArmName

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "arms.md").read_text()
OF_ARMS = PAGE.partition("\n## Tokenizers\n")[0]  # tables of tokenizers come after it
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in OF_ARMS.splitlines()
    if line.startswith("| `")
]


def test_every_arm_has_one_row():
    named = [row[0].strip("`") for row in ROWS]
    assert sorted(named) == sorted(get_args(ArmName))


def test_every_row_names_its_source_and_a_figure():
    for name, source, *_ in ROWS:
        assert re.search(r"arxiv\.org/abs/\d{4}\.\d{5}|the same", source), name
    figures = [re.fullmatch(r"\.\d+ \(\d\)", row[4]) for row in ROWS]
    assert all(figures)
