"""Moments on the command line carry their zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import typer

from flows.cli.options import moment


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
