"""Rows of a forest: their numbers beside them, their names escaped."""

from __future__ import annotations

from components.report.figure import figure
from components.report.forest import ForestRow, forest
from components.report.people import draw_people
from tests.evaluation.worlds import plan_of


def test_user_and_arm_names_are_escaped_where_they_stand():
    rows = [("<i>", item, float(n - 2)) for n, item in enumerate("abcd")]
    plan = plan_of(rows)
    people = draw_people(plan, {}, num_people=1, seed=1)
    assert people[0].user == "<i>"
    name = "</script><script>window.planted = true</script>"
    row = ForestRow(name=name, group=name, count="1", value=0.1, lower=0.0, upper=0.2)
    assert "<script>window" not in figure(forest([row], axis=name, caption=name))
