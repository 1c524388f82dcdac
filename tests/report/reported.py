"""A replay with everything that a report can show, and the page made of it."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache

import numpy as np
from PIL import Image

from components.evaluation.gate import GateProfile, small
from components.evaluation.plan import ReplayPlan
from components.evaluation.replay import ReplayResult
from components.report import render_report
from tests.evaluation.judging import judge
from tests.evaluation.worlds import busy_world, lists_with_hits

# the shipped profile with fewer resamples, and looks that count from the first hundred users on
PROFILE = replace(
    small(),
    primary=replace(small().primary, resamples=2_000),
    sequential=replace(small().sequential, n_min=100),
)
RATES = {"good": 0.6, "better": 0.75, "bad": 0.2, "popularity": 0.3, "recent_popularity": 0.3}
PLANTED = "<script>window.planted = true</script><img src=x onerror='window.planted = true'>"


@cache
def world() -> tuple[ReplayPlan, dict[str, np.ndarray]]:
    """Arms whose hit rate is known: good .6, better .75, bad .2, the popularity arms .3."""
    plan, answers = busy_world()
    drawn = enumerate(RATES.items())
    return plan, {arm: lists_with_hits(plan, answers, hit_rate=rate, seed=n) for n, (arm, rate) in drawn}


@cache
def judged(
    challenger: str = "better", champion: str | None = "good", profile: GateProfile = PROFILE
) -> ReplayResult:
    plan, lists = world()
    return judge(plan, lists, challenger, champion, profile=profile)


def titles() -> dict[str, str]:
    """Planted markup, right-to-left text, emoji, and a title as plain as most."""
    named = [PLANTED, "שלום עולם", "Amélie 🎬 & friends", "Heat (1995)"]
    return {str(item): named[n % len(named)] for n, item in enumerate(world()[0].catalogue)}


def picture(item_id: str) -> bytes:
    """A poster in a colour of the item's own."""
    shade = int(item_id[1:]) * 4
    written = io.BytesIO()
    Image.new("RGB", (120, 180), (shade, 90, 255 - shade)).save(written, "PNG")
    return written.getvalue()


@cache
def page() -> str:
    plan, lists = world()
    return render_report(judged(), plan, lists, titles(), images=picture)
