"""The front on the page: a line through its points, other arms as points, and a table that says the same."""

from __future__ import annotations

from components.evaluation.preference_front import FrontPoint, PreferenceFront
from components.report.preferences import preference_front
from tests.report.reading import drawn

FRONT = PreferenceFront(
    types=("<b>buy</b>", "view"),
    users=(30, 40),
    points=(FrontPoint(name="0", first=0.1, second=0.3), FrontPoint(name="1", first=0.25, second=0.2)),
    others=(FrontPoint(name="sasrec", first=0.15, second=0.125),),
)


def test_points_are_drawn_in_the_order_of_their_preferences() -> None:
    (found,) = drawn(preference_front(FRONT))
    line, other = found["data"]
    assert (line["x"], line["y"]) == ([0.1, 0.25], [0.3, 0.2])
    assert (other["name"], other["x"], other["y"]) == ("sasrec", [0.15], [0.125])
    assert "&lt;b&gt;" in found["layout"]["xaxis"]["title"]["text"]


def test_the_table_names_each_preference_and_its_users() -> None:
    page = str(preference_front(FRONT))
    assert "<b>buy" not in page
    assert "buy&lt;/b&gt; 1, view 0" in page
    assert "30 users" in page
    assert "0.1250" in page
    assert "hypervolume 0.0600" in page  # .1 x .3 and .15 x .2
