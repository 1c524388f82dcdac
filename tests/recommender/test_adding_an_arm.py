"""docs/how-to/add-an-arm.md says what is there: arms, files, commands and names."""

import re
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from components.recommender.names import ArmName
from flows.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "add-an-arm.md").read_text()
SAID = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))


def test_every_arm_stands_in_the_table():
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(get_args(ArmName)) | {"popularity", "recent_popularity", "random"}


@pytest.mark.parametrize("name", [one for one in SAID if re.fullmatch(r"[\w/]+\.py", one)])
def test_every_file_is_there(name):
    assert (ROOT / name).is_file() or (ROOT / "components" / "recommender" / name).is_file()


def test_every_command_and_option_is_there():
    commands = get_command(app).commands
    told = re.findall(r"`recloop (\w+) --(\w+)", PAGE)
    assert told
    for command, option in told:
        assert option in {parameter.name for parameter in commands[command].params}
    variables = re.findall(r" ([A-Z]+)=", " ".join(one for one in SAID if one.startswith("make")))
    assert variables
    for variable in variables:
        assert f"\n{variable} ?=" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize(
    "name", [one for one in SAID if re.fullmatch(r"[A-Za-z]+_[A-Za-z_]+|[A-Z]\w+Name", one)]
)
def test_every_name_is_defined(name):
    if name in get_args(ArmName) or name == "recent_popularity":
        return
    folders = (ROOT / "components" / "recommender", ROOT / "tests" / "recommender")
    code = "\n".join(file.read_text() for folder in folders for file in sorted(folder.rglob("*.py")))
    assert re.search(rf"^ *(def |class )?{name}( =|\(|:)", code, re.MULTILINE)
