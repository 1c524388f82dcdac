"""What a study may cost: trials and seconds, the confirmation at its end kept back from the start."""

from __future__ import annotations

from dataclasses import dataclass


class OutOfTime(Exception):
    """The budget ended within a trial."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """At most so many trials and so many seconds by the clock, whichever comes first."""

    trials: int
    seconds: float
    confirmations: int  # seeds with which the best is held against the preset again

    def kept_back(self, preset_seconds: float, best_seconds: float) -> float:
        """Seconds for the confirmation: both trained anew with each seed."""
        return self.confirmations * (preset_seconds + best_seconds)

    def estimate(self, preset_seconds: float) -> float:
        """Seconds of all trials and the confirmation, if each costs what the preset does."""
        return (self.trials + 2 * self.confirmations) * preset_seconds

    def trials_that_fit(self, preset_seconds: float) -> int:
        """Beside the confirmation, if each costs what the preset does; at least the preset itself."""
        left = self.seconds - self.kept_back(preset_seconds, preset_seconds)
        return max(1, min(self.trials, int(left / preset_seconds) if preset_seconds > 0 else self.trials))
