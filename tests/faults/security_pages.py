"""Pages with planted markup, opened in Chromium without their own security policy: what is escaped runs nowhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.faults.probing import Probe
from tests.faults.security_texts import PLANTED, front_of_plants


def probes(scratch: Path) -> Iterator[Probe]:
    from tests.browsing import CHROMIUM, chromium, opened

    if CHROMIUM is None:
        print("security: no chromium is installed, so no page is opened", file=sys.stderr)
        return
    planted = scratch / "planted.html"
    planted.write_text(f"<!doctype html><title>x</title>{PLANTED}")
    with chromium() as browser:

        def runs(path: Path) -> bool:
            with opened(browser, path.as_uri()) as seen:
                seen.page.wait_for_timeout(500)
                return bool(seen.page.evaluate("window.planted === true"))

        for name, draw in (("front page", front_of_plants), ("report of a replay", _report)):
            path = scratch / f"{name.replace(' ', '-')}.html"
            yield Probe(
                name="markup in every title", where=f"{name}, in Chromium", holds="nothing runs",
                control=partial(runs, planted), attack=partial(_opened, path, draw, runs),
            )  # fmt: skip


def _opened(path: Path, draw: Callable[[], str], runs: Callable[[Path], bool]) -> str:
    path.write_text(draw(), encoding="utf-8")
    if "window.planted" not in path.read_text(encoding="utf-8"):
        return "the page does not show what was planted"
    return "the planted script ran" if runs(path) else ""


def _report() -> str:
    from tests.report.reported import page

    return page()
