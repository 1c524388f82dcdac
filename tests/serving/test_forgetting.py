"""A user's lines go from spool and exposures, others stay, and nothing that is appended meanwhile is lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from components.data.sources.folder import read_folder
from components.serving.exposures import ExposureLog, read_exposures
from components.serving.forgetting import count_user, forget_user
from components.serving.spool import EventSpool
from tests.serving.test_events import spooled
from tests.serving.test_trial import shown
from tests.serving.world import NOW

NAMES = ("u", 'u,"v"', "uu")


def test_only_the_users_lines_go_and_again_there_are_none(tmp_path: Path):
    spool, log = EventSpool(tmp_path / "events"), ExposureLog(tmp_path / "exposures")
    for number, name in enumerate(NAMES):
        spool.append(replace(spooled(number), user_id=name, item_id="u"), arrived_at=NOW)
        log.append(replace(shown(["u"], ["b"]), user_id=name))
    folders = {"events_spool": tmp_path / "events", "exposures": tmp_path / "exposures"}
    assert count_user('u,"v"', **folders) == 2
    assert forget_user('u,"v"', **folders) == 2
    assert forget_user('u,"v"', **folders) == count_user('u,"v"', **folders) == 0
    spool.append(
        replace(spooled(9), user_id="after"), arrived_at=NOW
    )  # by the server that was running all along
    log.append(replace(shown(["a"], ["b"]), user_id="after"))
    (day,) = (tmp_path / "events").iterdir()
    assert read_folder(day).events["user_id"].tolist() == ["u", "uu", "after"]
    assert [row.user_id for row in read_exposures(tmp_path / "exposures")] == ["u", "uu", "after"]


def test_what_is_appended_meanwhile_is_not_lost(tmp_path: Path):
    spool = EventSpool(tmp_path)
    spool.append(spooled(0), arrived_at=NOW)

    def append() -> None:
        for number in range(1, 200):
            spool.append(replace(spooled(number), user_id=f"u{number % 4}"), arrived_at=NOW)

    writer = threading.Thread(target=append)
    writer.start()
    while writer.is_alive():
        forget_user("u3", events_spool=tmp_path, exposures=tmp_path)
    writer.join()
    forget_user("u3", events_spool=tmp_path, exposures=tmp_path)
    (day,) = tmp_path.iterdir()
    events = read_folder(day).events
    assert len(events) == 150  # of 0 to 199 all but those of u3
    assert "u3" not in set(events["user_id"])


def test_folders_that_are_not_there_hold_nobody(tmp_path: Path):
    assert forget_user("u", events_spool=tmp_path / "a", exposures=tmp_path / "b") == 0
