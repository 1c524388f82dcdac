"""A challenger beside the champion: in the shadow, and with a share of the users; what is logged and how it is read."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.sources.logged_table import read_logged_table
from components.evaluation.rehearsal import assign_arms
from components.serving.config import Trial
from components.serving.exposure_outcomes import joined
from components.serving.exposures import Exposure, ExposureLog, exposure, read_exposures
from components.serving.split import propensities, variant_of
from tests.serving.world import NOW, World, ask, items_of, serving, until

USERS = [f"u{number}" for number in range(40)]


def logged(folder: Path, number: int) -> list[Exposure]:
    until(lambda: len(list(read_exposures(folder))) >= number)
    return list(read_exposures(folder))


def two_versions(world: World) -> tuple[str, str]:
    """The champion ranks from i00 on, the challenger from i02: they agree nowhere in a list of three."""
    return world.register("old", champion=True).version, world.register("new", first=2).version


def config(world: World, **trial: object):
    return world.config(
        exposures=world.home / "exposures",
        trial=Trial(challenger="challenger", **trial),  # type: ignore[arg-type]
    )


def both_loaded(client) -> bool:
    state = client.get("/ready").json()
    return bool(state["challenger"]["serving"]) and bool(state["champion"]["serving"])


def test_the_shadow_notes_both_lists_and_the_user_gets_the_champions(world: World):
    champion, challenger = two_versions(world)
    with serving(config(world)) as client:
        until(lambda: both_loaded(client))
        answers = [ask(client, user_id=user, k=3) for user in USERS[:5]]
        assert {answer["model"]["variant"] for answer in answers} == {"champion"}
        ask(client, history=["i00"])  # of nobody: not an exposure
        ask(client, user_id="u1", variant="challenger")  # asked for by name: not one either
        rows = logged(world.home / "exposures", 5)
        time.sleep(0.3)
        assert len(list(read_exposures(world.home / "exposures"))) == 5
    for answer, row in zip(answers, rows, strict=True):
        assert (row.request_id, row.user_id) == (answer["request_id"], answer["user_id"])
        assert (row.version, row.other_version) == (champion, challenger)
        assert list(row.item_ids) == items_of(answer) == ["i00", "i01", "i02"]
        assert list(row.other_item_ids) == ["i02", "i03", "i04"]
        assert list(row.propensities) == [1.0, 1.0, 1.0]


def test_users_are_split_by_the_rehearsals_hash_and_the_log_reads_as_logged_feedback(world: World):
    two_versions(world)
    share, salt = 0.3, "spring"
    with serving(config(world, share=share, salt=salt)) as client:
        until(lambda: both_loaded(client))
        answers = {user: ask(client, user_id=user, k=3) for user in USERS}
        again = ask(client, user_id=USERS[0], k=3)
        rows = logged(world.home / "exposures", len(USERS) + 1)
    dealt = assign_arms(salt, USERS, [1 - share, share])
    variants = [answers[user]["model"]["variant"] for user in USERS]
    assert variants == [("champion", "challenger")[arm] for arm in dealt]
    assert 0 < Counter(variants)["challenger"] < len(USERS)
    assert again["model"]["variant"] == variants[0]
    for row in rows:
        starts = {"champion": "i00", "challenger": "i02"}
        assert row.item_ids[0] == starts[row.variant]
        expected = share if row.variant == "challenger" else 1 - share
        assert list(row.propensities) == [expected] * 3

    bought = pd.DataFrame({"user_id": USERS, "item_id": "i02", "timestamp": NOW + timedelta(hours=1)})
    bought["timestamp"] = pd.to_datetime(bought["timestamp"], utc=True)
    table = joined(rows, bought, within=timedelta(days=1))
    table.to_csv(world.home / "log.csv", index=False)
    read = read_logged_table(world.home / "log.csv").rows
    assert len(read) == 3 * len(rows)
    weight = read["target_propensity"] / read["propensity"]
    # the challenger shows i02 first to everybody, and everybody buys it: its value of a list is 1
    estimate = (weight * read["reward"]).groupby(read["round_id"]).sum().mean()
    share_seen = np.mean([row.variant == "challenger" for row in rows])
    assert estimate == pytest.approx(share_seen / share)


def test_without_its_version_a_challenger_takes_nobody(world: World):
    champion = world.register("only", champion=True)
    trial = Trial(challenger="99", share=1.0)
    with serving(world.config(exposures=world.home / "exposures", trial=trial)) as client:
        answer = ask(client, user_id="ada", k=2)
        assert answer["model"]["version"] == champion.version
        assert "is 99" in client.get("/ready").json()["challenger"]["problem"]
        (row,) = logged(world.home / "exposures", 1)
        assert row.other_version is None
        assert joined([row], NO_EVENTS, within=timedelta(days=1)).empty
        refused = client.post("/v1/recommendations", json={"user_id": "ada", "variant": "challenger"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "no_challenger")


NO_EVENTS = pd.DataFrame({"user_id": [], "item_id": [], "timestamp": pd.to_datetime([], utc=True)})


def shown(items: Sequence[str], other: Sequence[str], *, variant: str = "champion") -> Exposure:
    return exposure(
        request_id="r", user_id="u", shown_at=NOW, variant=variant, version="1",  # type: ignore[arg-type]
        item_ids=items, other=("2", other), share=0.25, salt="s",
    )  # fmt: skip


def test_worked_example_of_propensities():
    """The champion's list is shown with .75; where both agree, the item is shown whatever was dealt."""
    assert propensities(["a", "b", "c"], ["a", "c"], probability=0.75) == [1.0, 0.75, 0.75]


def test_worked_example_of_outcomes():
    """b was bought a day after the list and before a day was over; c before the list, d a week later."""
    hour = timedelta(hours=1)
    events = pd.DataFrame(
        {
            "user_id": ["u", "u", "u", "other"],
            "item_id": ["b", "c", "d", "a"],
            "timestamp": pd.to_datetime(
                [NOW + 23 * hour, NOW - hour, NOW + 168 * hour, NOW + hour], utc=True
            ),
        }
    )
    table = joined([shown(["a", "b", "c", "d"], ["a", "c", "x", "d"])], events, within=timedelta(days=1))
    assert table["reward"].tolist() == [0, 1, 0, 0]
    assert table["propensity"].tolist() == [1, 0.75, 0.75, 1]
    assert table["target_propensity"].tolist() == [1, 0, 0, 1]
    assert table["position"].tolist() == [0, 1, 2, 3]
    own = joined([shown(["a", "b"], ["b", "a"], variant="challenger")], events, within=timedelta(days=1))
    assert own["target_propensity"].tolist() == [1, 1]
    assert own["propensity"].tolist() == [0.25, 0.25]


def test_a_line_that_a_crash_cut_short_costs_no_other(tmp_path: Path):
    log = ExposureLog(tmp_path)
    log.append(shown(["a"], ["b"]))
    log.close()
    (path,) = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(b'{"request_id": "ha')
    assert len(list(read_exposures(tmp_path))) == 1
    ExposureLog(tmp_path).append(shown(["c"], ["d"]))
    assert [list(row.item_ids) for row in read_exposures(tmp_path)] == [["a"], ["c"]]


@pytest.mark.parametrize(("share", "expected"), [(0.0, {"champion"}), (1.0, {"challenger"})])
def test_the_ends_of_a_share_are_everybody_and_nobody(share: float, expected: set[str]):
    assert {variant_of(user, share=share, salt="s") for user in USERS} == expected


def test_metrics_tell_of_both_versions(world: World):
    champion, challenger = two_versions(world)
    with serving(config(world)) as client:
        until(lambda: both_loaded(client))
        text = client.get("/metrics").text
    for variant, version in (("champion", champion), ("challenger", challenger)):
        assert re.search(rf'recloop_version_info{{.*variant="{variant}",version="{version}"}} 1.0', text)
