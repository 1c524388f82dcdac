"""How long and how hard a network over item vectors is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WHOLE_BELOW = 50_000  # items: below, a step of training reads them all, from here on those that it touches


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long and how hard to train."""

    start_length: float = 1.0  # of item vectors, from the spectrum of who has what; 0 starts at noise
    epochs: int = 40
    batch_size: int = 32  # windows
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1  # of all steps
    clip_norm: float = 1.0
    stride: int = 50  # targets of one window of a user longer than max_length; less gives each more history
    strict_time: bool = True  # predict from earlier seconds only, as a rolling replay asks
    validation: Literal["time", "last", "none"] = "time"  # hold out the latest events, or each user's last
    validation_share: float = 0.05  # of the events, for "time"
    max_validation_targets: int = 2000
    evaluate_every: int = 2  # epochs
    patience: int = 4  # evaluations without a better one

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.stride, self.evaluate_every, self.patience) < 1:
            raise ValueError("epochs, batch_size, stride, evaluate_every and patience must be at least 1")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"validation_share is {self.validation_share}; it is a share, between 0 and 1")
