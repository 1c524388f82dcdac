"""What one retraining cycle is asked to do: the form that Prefect's UI draws, and the CLI fills."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from components.recommender.arm import ChallengerName


class CycleRequest(BaseModel):
    """One turn of the loop: take in what has arrived, train before the cut, replay after it, decide.

    Times are UTC and half-open: the batch is [since, as_of), training is before train_cutoff, the replay
    window is [train_cutoff, as_of).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(
        default="movielens", description="movielens, synthetic, or a folder of events and items"
    )
    since: AwareDatetime | None = Field(
        default=None, description="the batch starts here; none: from the first event"
    )
    as_of: AwareDatetime = Field(description="now, for this cycle; later events have not arrived")
    train_cutoff: AwareDatetime = Field(description="train on what is earlier, replay on what is later")
    challenger: ChallengerName = Field(default="mmgrec", description="the arm that may become champion")
    profile: Literal["small", "production"] = Field(
        default="small", description="gate profile, sized to the data"
    )
    mode: Literal["rolling", "batch"] = Field(
        default="rolling",
        description="rolling: a list before every event; batch: one list a user, at the cut",
    )
    filter_seen: bool = Field(
        default=True, description="off where people take things again: repeats count, in lists and in truth"
    )
    preset: Literal["default", "quick"] = Field(
        "default", description="quick: for tests, minutes become seconds"
    )
    tokenizer: Literal["reuse", "refit"] = Field(
        default="reuse", description="reuse keeps every ID that exists"
    )
    seed: int = Field(default=7, ge=0)
    poisoned_rows: int = Field(
        default=0, ge=0, description="rows spoiled on purpose, to see them quarantined"
    )
    max_bad_share: float = Field(
        default=0.05, ge=0, le=1, description="circuit breaker: more bad rows stop the run"
    )

    @model_validator(mode="after")
    def _ordered(self) -> CycleRequest:
        if self.train_cutoff >= self.as_of:
            raise ValueError(
                f"train_cutoff {self.train_cutoff:%Y-%m-%dT%H:%MZ} is not before as_of {self.as_of:%Y-%m-%dT%H:%MZ}: "
                "nothing would be left to replay on. Pass an earlier --train-cutoff."
            )
        return self
