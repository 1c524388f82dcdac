"""From when on a measure warns or drifts, and how many rows it needs; the settings have the same defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from components.monitoring.measure import Threshold


@dataclass(frozen=True, kw_only=True)
class MonitorLimits:
    """PSI .1 and .25 are the bounds of credit scoring, where the index comes from; the rest are rises and falls.

    On MovieLens-100K the films that appear last have 28 % less perplexity than those of the fit (they are the
    obscure ones), 3 % more error, and 5 points more collisions: no reason to refit, so the bounds lie beyond.
    """

    psi: Threshold = field(default_factory=partial(Threshold, warn=0.1, drift=0.25))
    new_share: Threshold = field(default_factory=partial(Threshold, warn=0.1, drift=0.3))
    missing_rise: Threshold = field(default_factory=partial(Threshold, warn=0.1, drift=0.25))
    perplexity_fall: Threshold = field(default_factory=partial(Threshold, warn=0.35, drift=0.5))
    collision_rise: Threshold = field(default_factory=partial(Threshold, warn=0.1, drift=0.2))
    error_rise: Threshold = field(default_factory=partial(Threshold, warn=0.5, drift=1.0))
    metric_fall: Threshold = field(default_factory=partial(Threshold, warn=0.1, drift=0.2))
    min_events: int = 200
    min_users: int = 50
    min_items: int = 30
    alpha: float = 0.001  # chance that a measure alarms where nothing has changed

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 0.1:
            raise ValueError(
                f"alpha is {self.alpha:g}; a chance of a false alarm lies above 0 and at most at .1"
            )
        for name in ("min_events", "min_users", "min_items"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} is {getattr(self, name)}; no spread is told by fewer than 2")
