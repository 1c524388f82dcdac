"""A frame through a suite in pieces of rows, and one result of the whole.

Great Expectations copies its frame once an expectation, so memory is bounded by the piece. Every row is asked
every expectation; counts add up over the pieces, and rows are named by their place in the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.expectations.expectation import Expectation

from components.data.contracts.outcome import POSITION

ROWS_AT_ONCE = 1_000_000  # some 400 MB while they are asked
_ADDED = ("element_count", "unexpected_count", "missing_count", "observed_value")
_SHOWN = 20  # values and rows of a part that Great Expectations calls partial


def validated(
    data: BatchDefinition,
    name: str,
    expectations: Sequence[Expectation],
    frame: pd.DataFrame,
    *,
    columns: Sequence[str],
    shown: Sequence[str],
    rows_at_once: int,
) -> ExpectationSuiteValidationResult:
    """What Great Expectations found in all rows of these columns.

    Memory grows with a piece and with the rows that break a rule.
    """
    form = {
        "result_format": "COMPLETE",
        "unexpected_index_column_names": [POSITION, *shown],
        "return_unexpected_index_query": False,
    }
    parts = []
    for place, piece in _pieces(frame, columns, rows_at_once):
        batch = data.get_batch(batch_parameters={"dataframe": piece.assign(**{POSITION: place})})
        suite = gx.ExpectationSuite(name=name, expectations=_of_piece(expectations, len(frame) - len(piece)))
        parts.append(batch.validate(suite, result_format=form))
    return parts[0] if len(parts) == 1 else _whole(parts, len(frame) - len(place))


def _pieces(
    frame: pd.DataFrame, columns: Sequence[str], rows_at_once: int
) -> Iterator[tuple[range, pd.DataFrame]]:
    for start in range(0, len(frame), rows_at_once):
        piece = frame.iloc[start : start + rows_at_once][list(columns)].reset_index(drop=True)
        narrow = {name: "float64" for name in piece.columns if piece[name].dtype == "float32"}
        # Great Expectations compares float64 and int64 at once, and any other number row by row
        yield range(start, start + len(piece)), piece.astype(narrow)


def _of_piece(expectations: Sequence[Expectation], num_others: int) -> list[Expectation]:
    """Copies, since each belongs to one suite; of the rows of the whole as many are expected as others leave."""
    return [
        one.copy(update={"id": None, "value": one.value - num_others})
        if isinstance(one, gxe.ExpectTableRowCountToEqual) and isinstance(one.value, int)
        else one.copy(update={"id": None})
        for one in expectations
    ]


def _whole(
    parts: Sequence[ExpectationSuiteValidationResult], num_others: int
) -> ExpectationSuiteValidationResult:
    results = [_joined(of_one, num_others) for of_one in zip(*(part.results for part in parts), strict=True)]
    kept = sum(bool(one.success) for one in results)
    return ExpectationSuiteValidationResult(
        results=results,
        success=kept == len(results),
        suite_name=parts[0].suite_name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": kept,
            "unsuccessful_expectations": len(results) - kept,
            "success_percent": 100 * kept / len(results),
        },
        meta=parts[0].meta,
        batch_id=parts[0].batch_id,
    )


def _joined(of_one: Sequence[ExpectationValidationResult], num_others: int) -> ExpectationValidationResult:
    """One expectation's results over the pieces; one that raised in a piece raised."""
    raised = [
        one for one in of_one if one.exception_info and one.exception_info.get("raised_exception", True)
    ]
    first = raised[0] if raised else of_one[-1]
    config = first.expectation_config
    result: dict[str, Any] = {
        name: sum(one.result.get(name) or 0 for one in of_one) for name in _ADDED if name in first.result
    }
    for name in ("unexpected_index_list", "unexpected_list"):
        if name in first.result:
            result[name] = [row for one in of_one for row in one.result.get(name) or ()]
            result[f"partial_{name}"] = result[name][:_SHOWN]
    if config is not None and "value" in config.kwargs and "observed_value" in result:
        config.kwargs["value"] += num_others
    return ExpectationValidationResult(
        success=not raised and _is_kept(of_one, result, config),
        expectation_config=config,
        result=result,
        meta=first.meta,
        exception_info=first.exception_info,
    )


def _is_kept(of_one: Sequence[ExpectationValidationResult], result: dict[str, Any], config: Any) -> bool:
    """By the whole where a share of the rows may break it; else if every piece keeps it."""
    mostly = config.kwargs.get("mostly", 1) if config is not None else 1
    if mostly >= 1:
        return all(one.success for one in of_one)
    asked = result["element_count"] - result.get("missing_count", 0)
    return not asked or (asked - result["unexpected_count"]) / asked >= mostly
