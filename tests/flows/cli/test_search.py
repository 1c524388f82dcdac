"""`recloop search` on a home with a champion, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.flows.conftest import Estate
from tests.flows.worlds import Home

# others post events of the busiest user to this home
SOMEBODY = "SELECT user_id FROM events GROUP BY user_id ORDER BY count(*), user_id LIMIT 2"


def found(home: Home, *arguments: str) -> dict[str, Any]:
    done = home.recloop("search", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_title_finds_its_item_whether_the_champion_knows_it_or_not(finished: Home) -> None:
    for item_id, title in finished.rows("SELECT item_id, title FROM items ORDER BY item_id LIMIT 3"):
        told = found(finished, "--query", title, "-k", "3")
        assert told["items"][0] == {
            "rank": 1,
            "item_id": item_id,
            "title": title,
            "score": told["items"][0]["score"],
        }
        assert (len(told["items"]), told["has_words"], told["by"]) == (3, True, None)


def test_for_a_user_the_same_items_stand_in_an_order_of_their_own(finished: Home) -> None:
    (category,) = finished.rows("SELECT categories FROM items ORDER BY item_id LIMIT 1")[0]
    query = ("--query", category.replace("|", " "), "-k", "100")
    lists = [found(finished, *query, "--user", user) for (user,) in finished.rows(SOMEBODY)]
    by_text = [one["item_id"] for one in found(finished, *query)["items"]]
    for told in lists:
        listed = [one["item_id"] for one in told["items"]]
        assert told["by"]["version"] == finished.champion()
        assert sorted(listed) == sorted(by_text)
        assert listed != by_text
        assert [one["score"] for one in told["items"]] == sorted(
            (one["score"] for one in told["items"]), reverse=True
        )
    first, second = ([one["item_id"] for one in told["items"]] for told in lists)
    assert first != second


def test_somebody_without_events_is_a_history(finished: Home) -> None:
    ((item,),) = finished.rows("SELECT item_id FROM events ORDER BY event_id LIMIT 1")
    done = finished.recloop("search", "--query", "a story", "--history", f"{item},no-such-item", "-k", "2")
    assert done.returncode == 0, done.stderr
    left_out, told, _, *listed = done.stdout.splitlines()
    assert left_out == "left out, since the champion does not know them: 'no-such-item'"
    assert "in the order of a history of 1 items" in told
    assert [line.split()[0] for line in listed] == ["1", "2"]


def test_what_cannot_be_searched_for_is_said(finished: Home, estate: Estate, world: Path) -> None:
    for arguments, code, says in (
        (("--query", "?!"), 1, "has no word"),
        (("--query", "story", "--user", "nobody at all"), 1, "no user 'nobody at all' is known"),
        (("--query", "story", "--user", "a", "--history", "b"), 2, "leave one of them out"),
    ):
        done = finished.recloop("search", *arguments)
        assert (done.returncode, done.stdout) == (code, "")
        assert says in " ".join(done.stderr.split())
    empty = estate.home("nothing-to-search", world)
    done = empty.recloop("search", "--query", "story")
    assert done.returncode == 1
    assert "`recloop ingest` brings items" in " ".join(done.stderr.split())
