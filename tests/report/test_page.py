"""The sheet: one file, and only its own two scripts may run."""

from __future__ import annotations

import base64
import hashlib
import re

from tests.report.reading import RUNS
from tests.report.reported import page


def test_page_is_light_enough_and_loads_plotly_once():
    assert len(page().encode()) < 6_000_000
    assert page().count("plotly.js v") == 1


def test_policy_names_exactly_the_scripts_that_run():
    """A policy with other digests would leave the page without figures, and tells so only in a browser."""
    text = page()
    allowed = set(re.findall(r"'(sha256-[^']+)'", text.split("</head>")[0]))
    found = {
        f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
        for script in RUNS.findall(text)
    }
    assert allowed == found
    assert "default-src 'none'" in text
