"""What is told of the tokenizer: kept or refitted, and why."""

from __future__ import annotations

import numpy as np
import pytest

from components.artifact import ArtifactRef
from components.monitoring.codes import Placed, code_measures, why_unhealthy
from components.monitoring.limits import MonitorLimits
from flows.cycle_parts import OpenedCycle, tokenizer_note
from flows.record import CarriedIds
from flows.tokenizer_health import TokenizerHealth

REF = ArtifactRef(kind="any", digest="d" * 64, path="")
CARRIED = CarriedIds(encoders=REF, tokenizer=REF, ids=REF)


def health(items: int, codes: int) -> TokenizerHealth:
    rng = np.random.default_rng(0)
    fitted, new = (
        Placed(codes=rng.integers(0, most, size=(n, 3)), error=rng.gamma(4.0, 0.25, size=n))
        for n, most in ((400, 64), (items, codes))
    )
    measures = code_measures(fitted, new, MonitorLimits())
    return TokenizerHealth(measures=measures, num_new=items, unhealthy=why_unhealthy(measures))


def opened(carried: CarriedIds | None, previous: ArtifactRef | None) -> OpenedCycle:
    return OpenedCycle(champion=None, carried=carried, previous_ids=previous)


@pytest.mark.parametrize(
    ("asked", "carried", "previous", "found", "told"),
    [
        ("auto", None, None, None, "fitted: there was none before"),
        ("refit", None, REF, None, "refitted, as asked"),
        ("reuse", CARRIED, REF, None, "kept, as asked"),
        ("auto", CARRIED, REF, health(60, 64), "kept; its health on 60 items that came after its fit: ok"),
        ("auto", CARRIED, REF, health(9, 64), "kept; its health on new items is not evaluable: 9 items"),
        ("auto", CARRIED, REF, health(60, 1), "refitted, since on 60 items that came after its fit: entropy of codes"),
    ],
)  # fmt: skip
def test_the_reason_is_told(
    asked: str,
    carried: CarriedIds | None,
    previous: ArtifactRef | None,
    found: TokenizerHealth | None,
    told: str,
) -> None:
    assert tokenizer_note(asked, opened(carried, previous), found).startswith(told)
