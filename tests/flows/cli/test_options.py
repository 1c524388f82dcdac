"""Moments on the command line carry their zone; a gate profile is a name or a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
import typer
from typer.testing import CliRunner

from components.recommender.names import ArmName, PresetName
from components.tokenizer.names import TokenizerName
from flows.cli.app import app
from flows.cli.options import (
    SHIPPED_PRESETS,
    arms,
    file_to_write,
    gate_asked,
    moment,
    preset_asked,
)
from flows.request import CycleRequest, cycle_request


@pytest.mark.parametrize("text", ["2024-03-02T00:00Z", "2024-03-02T01:00+01:00"])
def test_a_moment_is_read_with_its_zone(text: str) -> None:
    assert moment(text) == datetime(2024, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "told"),
    [("2024-03-02T00:00", "write 2024-03-02T00:00Z if it is UTC"), ("soon", "is not an ISO 8601")],
)
def test_a_moment_is_not_guessed(text: str, told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        moment(text)


@pytest.mark.parametrize(
    ("command", "option", "names"),
    [
        ("retrain", "--challenger", get_args(ArmName)),
        ("tune", "--arm", get_args(ArmName)),
        ("retrain", "--tokenizer", get_args(TokenizerName)),
        ("tune", "--preset", get_args(PresetName)),
    ],
)
def test_every_name_may_be_asked_for(command: str, option: str, names: tuple[str, ...]) -> None:
    """What is none of them is told all of them."""
    asked = [command, "--source", "synthetic", option, "nobody"]
    told = CliRunner().invoke(app, asked, env={"COLUMNS": "400"})
    assert told.exit_code == 2
    assert f"'nobody' is not one of {', '.join(map(repr, names))}" in told.output


@pytest.mark.parametrize("text", ["ease,sasrec,mmgrec", " ease, sasrec ,mmgrec"])
def test_several_challengers_are_named_with_commas(text: str) -> None:
    assert arms(text) == "ease,sasrec,mmgrec"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ease,nobody", "'nobody' is not one of 'mmgrec', "),
        ("ease,", "'' is not one of"),
        ("ease, ease", "names an arm twice"),
    ],
)
def test_challengers_that_are_none_or_twice_are_refused(text: str, told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        arms(text)


def test_a_profile_of_ones_own_becomes_part_of_the_request(tmp_path: Path) -> None:
    """Another number in it is another cycle; where the file lies is not."""
    path = tmp_path / "shop.yaml"

    def asked(margin: float) -> CycleRequest:
        path.write_text(f"name: shop\nrequired: [{{metric: recall@50, margin: {margin}}}]\n")
        return cycle_request(source="movielens", **gate_asked(str(path)))

    assert asked(0.01).gate_profile.name == "shop"
    assert asked(0.01) == asked(0.01) != asked(0.02)
    assert cycle_request(source="movielens", **gate_asked("production")).gate_profile.name == "production"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "is none of small, production, sequential, and no file"),
        ("name: shop\nprimary: 3", "primary: '3'"),
    ],
)
def test_a_profile_that_is_none_is_refused_before_anything_starts(
    tmp_path: Path, text: str | None, told: str
) -> None:
    path = tmp_path / "shop.yaml"
    if text:
        path.write_text(text)
    with pytest.raises(typer.BadParameter, match=told):
        gate_asked(str(path))


@pytest.mark.parametrize(
    ("name", "told"),
    [("", "is a folder"), ("no/rows.csv", "there is no folder"), ("kept.csv", "may not be written")],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, name: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept.csv").write_text("")
    # root may write anything, so the system's answer is given here
    monkeypatch.setattr("flows.cli.options.os.access", lambda path, _: path.name != "kept.csv")
    with pytest.raises(typer.BadParameter, match=told):
        file_to_write(str(tmp_path / name))
    assert file_to_write(str(tmp_path / "rows.csv")) == tmp_path / "rows.csv"


def test_every_shipped_preset_is_asked_for_by_name() -> None:
    """And makes another cycle."""
    asked = [cycle_request(source="movielens", **preset_asked(name)) for name in SHIPPED_PRESETS]
    assert [request.preset for request in asked] == list(SHIPPED_PRESETS)
    assert len({request.model_dump_json() for request in asked}) == len(SHIPPED_PRESETS)
