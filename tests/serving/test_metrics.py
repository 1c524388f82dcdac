"""What one server counts is its own, whichever libraries were imported before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TWO_SERVERS = """
from components.serving.metrics import ServerMetrics
one, two = ServerMetrics(), ServerMetrics()
one.events.labels("new").inc()
two.events.labels("new").inc()
print(two.registry.get_sample_value("recloop_events_total", {"outcome": "new"}))
"""


def test_counters_are_not_shared_through_the_files_that_feast_asks_for(tmp_path: Path) -> None:
    """Importing Feast sets this variable; prometheus_client then keeps its values in files of the process."""
    done = subprocess.run(
        [sys.executable, "-c", _TWO_SERVERS],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "1.0", done.stderr
    assert list(tmp_path.iterdir()) == []
