"""What a replay was of, in words: what its evidence, which knows digests and arms, cannot say."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation.several import OneOfSeveral


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Each is left out of the page where it is "", or ()."""

    data: str = ""  # the data set, as the team calls it
    challenger: str = ""  # what its arm's name does not say, such as a version
    champion: str = ""  # the same: "version 3, mmgrec"
    ids: str = ""  # why semantic IDs stayed or are new
    baseline: str = ""  # of a tokenizer that passes whatever its health: its health
    start: str = ""  # where training began, if a warm start was asked for
    together: tuple[OneOfSeveral, ...] = ()  # the challengers of one cycle, where there were several


UNTOLD = Subject()
