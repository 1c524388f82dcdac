"""Slices that are too small are called so."""

from __future__ import annotations

from dataclasses import replace

from components.report import render_report
from tests.report.reported import PROFILE, judged, world


def test_a_slice_that_is_too_small_is_called_so():
    strict = replace(PROFILE, validity=replace(PROFILE.validity, min_slice_users=10_000))
    plan, lists = world()
    text = render_report(judged(profile=strict), plan, lists, {})
    slices = text[text.index('<section id="slices"') : text.index('<section id="power"')]
    assert slices.count("not evaluable</span>") == slices.count("fewer than 10,000 users</span>") >= 20
    assert "+0." not in slices  # no figure stands where there are too few users
