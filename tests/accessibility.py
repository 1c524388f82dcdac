"""What axe-core finds wrong with an open page: contrast, names, roles, what a keyboard reaches."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_GRAVE = ("serious", "critical")


def faults_of(page: Page) -> list[str]:
    """Serious and critical violations, each with its first place; the page must have been opened past its policy.

    A context opened with `bypass_csp=True` lets axe run on a page that lets nothing else run.
    """
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}) at {one['nodes'][0]['target']}: {one['nodes'][0]['html'][:120]}"
        for one in found
        if one["impact"] in _GRAVE
    ]
