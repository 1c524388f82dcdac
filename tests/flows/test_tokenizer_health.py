"""What is told of the tokenizer: kept or refitted, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.artifact import ArtifactRef
from components.monitoring.codes import Placed, code_measures, why_unhealthy
from components.monitoring.limits import MonitorLimits
from components.tokenizer.names import DEFAULT, TokenizerName
from flows.asking import Unknown
from flows.carried import CarriedIds
from flows.cycle_parts import OpenedCycle, subject_of, tokenizer_note
from flows.request import CycleRequest
from flows.semantic_ids import IdentifiedItems
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
    carried: CarriedIds | None, previous: CarriedIds | None, name: TokenizerName = DEFAULT
) -> OpenedCycle:
    return OpenedCycle(champion=None, carried=carried, previous=previous, tokenizer_name=name)


@pytest.mark.parametrize(
    ("asked", "carried", "previous", "found", "told"),
    [
        ("auto", None, None, None, "fitted: there was none before"),
        ("refit", None, CARRIED, None, "refitted, as asked"),
        ("reuse", CARRIED, CARRIED, None, "kept, as asked"),
        ("auto", CARRIED, CARRIED, health(60, 64), "kept; its health on 60 items that came after its fit: ok"),
        ("auto", CARRIED, CARRIED, health(9, 64), "kept; its health on new items is not evaluable: 9 items"),
        ("auto", CARRIED, CARRIED, health(60, 1), "refitted, since on 60 items that came after its fit: entropy"),
    ],
)  # fmt: skip
def test_the_reason_is_told(
    asked: str,
    carried: CarriedIds | None,
    previous: CarriedIds | None,
    found: TokenizerHealth | None,
    told: str,
) -> None:
    assert tokenizer_note(asked, opened(carried, previous), found).startswith(told)


@pytest.mark.parametrize(
    ("name", "previous", "told"),
    [
        ("fsq", None, "fitted as fsq: there was none before"),
        ("product", CARRIED, "refitted as product, as asked"),
        ("paper", CARRIED, "refitted as paper, a baseline whatever its health, as asked"),
    ],
)
def test_a_tokenizer_that_is_not_the_default_is_named(
    name: TokenizerName, previous: CarriedIds | None, told: str
) -> None:
    assert tokenizer_note("refit", opened(None, previous, name), None) == told


def test_one_that_is_unwell_is_refitted_as_what_it_was() -> None:
    note = tokenizer_note("auto", opened(CARRIED, CARRIED, "fsq"), health(60, 1))
    assert note.startswith("refitted as fsq, since on 60 items")


@pytest.mark.parametrize(
    ("asked", "name", "found", "told"),
    [
        ("reuse", "fsq", None, "kept as fsq, as asked"),
        ("auto", "fsq", health(60, 64), "kept as fsq; its health on 60 items that came after its fit: ok"),
        ("auto", "paper", health(9, 64), "kept as paper, a baseline whatever its health; its health on new items is"),
    ],
)  # fmt: skip
def test_one_that_stays_is_named_too(
    asked: str, name: TokenizerName, found: TokenizerHealth | None, told: str
) -> None:
    assert tokenizer_note(asked, opened(CARRIED, CARRIED, name), found).startswith(told)


def test_the_report_tells_the_health_of_a_baseline_that_was_carried_on_as_it_was_at_its_fit() -> None:
    """As IDs are extended: by then what is told of them is how many are new."""
    fitted = replace(CARRIED, name="paper", fitted="1% of codes used")
    made = IdentifiedItems(
        encoders=REF, tokenizer=REF, ids=REF, name="paper", new_ids=3, health={}, fitted=fitted.fitted,
        told="3 new IDs beside 1,234 that stay",
    )  # fmt: skip
    assert made.carried == fitted
    subject = subject_of(CycleRequest(), opened(fitted, fitted, "paper"), None, None, made)
    assert subject.baseline == "1% of codes used"


def test_a_note_that_is_only_planned_decides_nothing() -> None:
    """Whether the tokenizer stays is not known before its health is."""
    unknown: Any = Unknown("check tokenizer")
    assert tokenizer_note("auto", opened(CARRIED, CARRIED, "fsq"), unknown) is unknown
