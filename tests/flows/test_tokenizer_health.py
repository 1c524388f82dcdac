"""What is told of the tokenizer: kept or refitted, and why."""

from __future__ import annotations

import numpy as np
import pytest

from components.artifact import ArtifactRef
from components.monitoring.codes import Placed, code_measures, why_unhealthy
from components.monitoring.limits import MonitorLimits
from components.tokenizer.choices import DEFAULT, TokenizerName
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


def opened(
    carried: CarriedIds | None, previous: ArtifactRef | None, name: TokenizerName = DEFAULT
) -> OpenedCycle:
    return OpenedCycle(champion=None, carried=carried, previous_ids=previous, tokenizer_name=name)


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


@pytest.mark.parametrize(
    ("name", "previous", "told"),
    [
        ("fsq", None, "fitted as fsq: there was none before"),
        ("product", REF, "refitted as product, as asked"),
        ("paper", REF, "refitted as paper, a baseline whatever its health, as asked"),
    ],
)
def test_a_tokenizer_that_is_not_the_default_is_named(
    name: TokenizerName, previous: ArtifactRef | None, told: str
) -> None:
    assert tokenizer_note("refit", opened(None, previous, name), None) == told


def test_one_that_is_unwell_is_refitted_as_what_it_was() -> None:
    note = tokenizer_note("auto", opened(CARRIED, REF, "fsq"), health(60, 1))
    assert note.startswith("refitted as fsq, since on 60 items")
