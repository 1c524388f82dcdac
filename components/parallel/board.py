"""What the ranks of a training leave word of for who started them.

Apart from the training, so that the process in which the board stands loads neither torch nor a network.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.recommender.training.step import Step

TOLD_EVERY = 0.5  # seconds between two looks at how far the workers are


class Board:
    """Where the ranks leave word for who started them: an actor, so that it outlives them."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._refusal: Exception | None = None

    def tell(self, steps: list[Step]) -> None:
        self._steps += steps

    def take(self) -> list[Step]:
        taken, self._steps = self._steps, []
        return taken

    def refuse(self, error: Exception) -> None:
        self._refusal = error

    def refusal(self) -> Exception | None:
        return self._refusal


class Teller:
    """Steps, a handful at a time; those that a rank has not sent when it is killed are told by nobody."""

    def __init__(self, board: Any) -> None:
        self._board, self._steps, self._sent = board, [], 0.0  # type: ignore[var-annotated]

    def __call__(self, step: Step) -> None:
        self._steps.append(step)
        if time.monotonic() - self._sent > TOLD_EVERY:
            self.send()

    def send(self) -> None:
        import ray

        ray.get(self._board.tell.remote(self._steps))
        self._steps, self._sent = [], time.monotonic()
