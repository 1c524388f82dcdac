"""One frame through one Great Expectations suite: which rows break which expectation, and the page of it.

Great Expectations passes on zero rows and on an empty suite, and hides a broken expectation inside the
result; `validate` turns each of these into a failure of the job. Expectations that name a row-level fault
carry `meta={"reason": code}`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import great_expectations as gx
import pandas as pd
from great_expectations.checkpoint import CheckpointResult, UpdateDataDocsAction
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import FileDataContext
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.expectations.expectation import Expectation

from components.data.contracts.data_docs import keep_site
from components.data.contracts.outcome import POSITION, meta_of
from components.data.contracts.pieces import ROWS_AT_ONCE, validated
from components.data.contracts.subject import Subject

_DATASOURCE = "recloop"
_MAX_NAME = 120  # of a run and its asset: both stand in a file's path


class ValidationNotRun(Exception):
    """An expectation could not be evaluated, or not on all rows: nothing is known about the data."""


@dataclass(frozen=True, kw_only=True)
class Validated:
    reasons: dict[int, tuple[str, ...]]  # position of a failing row -> its reason codes, sorted
    page: str  # path of the Data Docs page of this validation


def validate(
    frame: pd.DataFrame,
    expectations: list[Expectation],
    *,
    subject: Subject,
    gx_root: Path,
    shown: tuple[str, ...],
    rows_at_once: int = ROWS_AT_ONCE,
) -> Validated:
    """Run the expectations as suite, validation definition and checkpoint of the project at `gx_root`.

    These three are named for what the rows are, run and asset for the batch; `subject` is what the page says of it.
    Rows are asked in pieces of `rows_at_once`, and told of as one; memory grows with a piece, time with the rows.
    `shown` are the columns that Data Docs may name a failing row by. Expectations without a reason are of the
    table as a whole, and tell whether the frame is the one that was handed over.
    Raises ValidationNotRun if one of these fails, or any expectation raised, was left out, or did not see
    every row.
    """
    name, batch = _slug(subject.rows), _slug(" ".join((subject.batch, subject.digest[:8])).strip())
    if frame.empty or not expectations:
        raise ValidationNotRun(
            f"{name}: {len(frame)} rows and {len(expectations)} expectations validate nothing."
        )
    context = _context(gx_root)
    _forget_last(context, name)
    suite = context.suites.add_or_update(
        gx.ExpectationSuite(name=name, expectations=_telling(expectations, subject))
    )
    asset = f"{name}-{batch}" if batch else name
    definition = context.validation_definitions.add_or_update(
        gx.ValidationDefinition(name=name, data=_whole_frame(context, asset), suite=suite)
    )
    checkpoint = context.checkpoints.add_or_update(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            actions=[UpdateDataDocsAction(name="data_docs")],
            result_format="COMPLETE",
        )
    )
    asked = [name for name in frame.columns if name in {*shown, *_columns(expectations)}]
    result = validated(
        definition.data,
        name,
        suite.expectations,
        frame,
        columns=asked,
        shown=shown,
        rows_at_once=rows_at_once,
    )
    results: Any = result.results
    _refuse_what_did_not_run(name, results, len(expectations), len(frame))
    identifier = _stored(context, checkpoint, result, run_name=batch or name)
    return Validated(
        reasons=_reasons(results),
        page=_page(context, identifier, gx_root),
    )


def data_docs_index(gx_root: Path) -> Path:
    """The front page of Data Docs; it exists once something has been validated."""
    return gx_root / "gx" / "uncommitted" / "data_docs" / "local_site" / "index.html"


def _context(gx_root: Path) -> FileDataContext:
    gx_root.mkdir(parents=True, exist_ok=True)
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="file", project_root_dir=gx_root)
    if context.config.analytics_enabled is not False:  # kept in great_expectations.yml
        context.enable_analytics(False)
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        context.variables.save()
    keep_site(context)
    return context


def _forget_last(context: FileDataContext, name: str) -> None:
    """Definition and checkpoint of the batch before: they name its asset, without which they cannot be read again."""
    for store in (context.checkpoint_store, context.validation_definition_store):
        if store.has_key(key := store.get_key(name=name, id=None)):
            store.remove_key(key)


def _stored(
    context: FileDataContext,
    checkpoint: gx.Checkpoint,
    result: ExpectationSuiteValidationResult,
    *,
    run_name: str,
) -> ValidationResultIdentifier:
    """Keep the result as a run of the checkpoint, and let its actions make the pages of it."""
    run = RunIdentifier(run_name=run_name, run_time=datetime.now(UTC))
    result.meta |= {"checkpoint_id": checkpoint.id, "run_id": run, "validation_time": run.run_time}
    identifier = ValidationResultIdentifier(
        batch_identifier=result.batch_id,
        expectation_suite_identifier=ExpectationSuiteIdentifier(name=result.suite_name),
        run_id=run,
    )
    context.validation_results_store.store_validation_results(result, identifier)
    made = CheckpointResult(run_id=run, run_results={identifier: result}, checkpoint_config=checkpoint)
    for action in checkpoint.actions:
        action.run(made)
    return identifier


def _telling(expectations: list[Expectation], subject: Subject) -> list[Expectation]:
    """The same, of which the first carries the subject into every result, and so to whatever page is made of it."""
    first, *others = expectations
    return [first.copy(update={"meta": {**(first.meta or {}), **meta_of(subject)}}), *others]


def _slug(text: str) -> str:
    """As a part of a path holds it."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[-_MAX_NAME:]


def _whole_frame(context: FileDataContext, asset_name: str) -> BatchDefinition:
    source = context.data_sources.add_or_update_pandas(_DATASOURCE)
    asset = source.add_dataframe_asset(asset_name)
    return asset.add_batch_definition_whole_dataframe("whole")


def _columns(expectations: list[Expectation]) -> set[str]:
    """The columns asked about. GX hashes all it is given, and breaks on text that is no UTF-8."""
    return {column for e in expectations if isinstance(column := getattr(e, "column", None), str)}


def _refuse_what_did_not_run(name: str, results: Any, num_expectations: int, num_rows: int) -> None:
    if len(results) != num_expectations:
        raise ValidationNotRun(f"{name}: {len(results)} of {num_expectations} expectations were evaluated.")
    for result in results:
        config = result.expectation_config
        what = f"{name}: {config.type} on {config.kwargs.get('column', 'the table')}"
        if message := _exception(result.exception_info):
            raise ValidationNotRun(f"{what} could not be evaluated: {message}")
        seen = result.result.get("element_count", num_rows)
        if seen != num_rows and not config.kwargs.get("row_condition"):
            raise ValidationNotRun(f"{what} saw {seen:,} of {num_rows:,} rows.")
        if not result.success and "reason" not in (config.meta or {}):
            raise ValidationNotRun(f"{what} failed: {result.result.get('observed_value')} was observed.")


def _exception(info: dict[str, Any] | None) -> str:
    """GX nests it: one for the expectation, or one for each metric that raised."""
    info = info or {}
    if "raised_exception" in info:
        return str(info["exception_message"]) if info["raised_exception"] else ""
    return "; ".join(filter(None, (_exception(nested) for nested in info.values())))


def _reasons(results: Any) -> dict[int, tuple[str, ...]]:
    reasons: dict[int, set[str]] = {}
    for result in results:
        code = (result.expectation_config.meta or {}).get("reason")
        if code is None or result.success:
            continue
        for row in result.result["unexpected_index_list"]:
            reasons.setdefault(int(row[POSITION]), set()).add(code)
    return {position: tuple(sorted(codes)) for position, codes in sorted(reasons.items())}


def _page(context: FileDataContext, identifier: Any, gx_root: Path) -> str:
    for site in context.get_docs_sites_urls(resource_identifier=identifier):
        if url := site["site_url"]:
            return unquote(urlparse(url).path)
    return str(data_docs_index(gx_root))
