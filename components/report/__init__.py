"""The reports of an evaluation: one HTML file each, for a person who must trust or doubt the verdict.

`page` is the sheet (style, script, plotly, nothing from a network), `figure`, `table` and `text` what stands
on it, the other files one section each. The one room that knows plotly.
"""

from components.report.live_experiment import render_live_report
from components.report.logged import render_logged_report
from components.report.monitoring import render_monitoring
from components.report.replay import render_report

__all__ = ["render_live_report", "render_logged_report", "render_monitoring", "render_report"]
