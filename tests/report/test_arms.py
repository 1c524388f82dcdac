"""The arms' tables: every arm on every metric, and what its lists are like."""

from __future__ import annotations

from dataclasses import replace

from components.report.arms import arm_tables, role
from components.report.text import number, safe
from tests.report.reported import judged


def test_every_arm_stands_with_its_mean_and_its_role():
    result = judged()
    text = arm_tables(result)
    for mean in result.arms:
        assert f"{number(mean.mean)}<small>{number(mean.lower)} – {number(mean.upper)}</small>" in text
    assert '<th scope="row">better<small>challenger</small></th>' in text
    assert '<th scope="row">bad</th>' in text


def test_roles_are_those_of_this_replay():
    result = judged()
    told = [role(result, arm) for arm in ("better", "good", "popularity", "bad")]
    assert told == ["challenger", "champion", "must be beaten", ""]
    assert role(judged(champion=None), "good") == ""


def test_popularity_is_counted_in_events_and_shares_in_thousandths():
    figures = {"popularity@10": 1234.5678, "gini@10": 0.5}
    text = arm_tables(replace(judged(), list_figures={"better": figures}, dropped_places={"better": 4321}))
    assert ">1,235<" in text
    assert ">0.500<" in text
    assert ">4,321<" in text


def test_names_of_arms_are_escaped():
    mean = replace(judged().arms[0], arm="<b>")
    text = arm_tables(replace(judged(), arms=(mean,), list_figures={}))
    assert safe("<b>") in text
    assert "<b>" not in text
