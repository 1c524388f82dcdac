"""Data Docs by Great Expectations' own site builder, with renderers and a view of ours in place of its own.

Its templates load styles and scripts from a dozen hosts and a picture that carries the context's id, and say "Failed"
of a batch of which one row is bad. Ours load nothing, and say what became of the batch.
"""

from __future__ import annotations

from typing import Any

from great_expectations.core import ExpectationSuite
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.data_context import FileDataContext

from components.data.contracts.data_docs_page import (
    Check,
    Listing,
    SuiteSheet,
    listing_page,
    outcome_page,
    suite_page,
)
from components.data.contracts.expectations import rule_of
from components.data.contracts.outcome import Outcome, outcome_of

SITE = "local_site"
_LATEST = 300  # validations that the site lists: Great Expectations reads each of them anew for every batch
_NO_NAME_HOLDS_IT = {
    "not_includes": "/"
}  # Great Expectations leaves out runs named "profiling" unless told otherwise


class ResultRenderer:
    """A validation result as its outcome."""

    def render(self, result: ExpectationSuiteValidationResult) -> Outcome:
        return outcome_of(result)


class SuiteRenderer:
    """A suite as its rules."""

    def render(self, suite: ExpectationSuite) -> SuiteSheet:
        rules = [
            (
                rule_of(one.description or one.expectation_type),
                getattr(one, "column", ""),
                (one.meta or {}).get("reason", ""),
            )
            for one in suite.expectations
        ]
        return SuiteSheet(name=suite.name, rules=rules)


class IndexRenderer:
    """What the site holds, the latest first."""

    def __init__(self, data_context: FileDataContext) -> None:
        self._context = data_context

    def render(self, links: dict[str, Any]) -> Listing:
        return Listing(
            checks=[
                Check(outcome=outcome_of(self._result(link)), page=link["filepath"])
                for link in links.get("validations_links", [])
            ],
            suites=[
                (link["expectation_suite_name"], link["filepath"])
                for link in links.get("expectations_links", [])
            ],
        )

    def _result(self, link: dict[str, Any]) -> Any:
        return self._context.get_validation_result(
            expectation_suite_name=link["expectation_suite_name"],
            run_id=link["run_id"],
            batch_identifier=link["batch_identifier"],
        )


class View:
    """What a renderer gave as a page; how to write expectations and the context's id are no part of it."""

    def render(self, document: Outcome | SuiteSheet | Listing, **_unused: Any) -> str:
        if isinstance(document, Outcome):
            return outcome_page(document)
        return listing_page(document) if isinstance(document, Listing) else suite_page(document)


def keep_site(context: FileDataContext) -> None:
    """Let the context's site be built by the classes above; a site of before is built anew, with all it holds."""
    ours, found = _site(), context.list_data_docs_sites()
    if found.get(SITE) == ours:
        return
    context.update_data_docs_site(SITE, ours)  # type: ignore[arg-type] # its own type knows no renderer
    if len(context.validation_results_store.list_keys()):
        context.build_data_docs(site_names=[SITE])


def _site() -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": f"uncommitted/data_docs/{SITE}/",
        },
        "site_index_builder": {
            "class_name": "DefaultSiteIndexBuilder",
            "validation_results_limit": _LATEST,
            "renderer": _own(IndexRenderer),
            "view": _own(View),
        },
        "site_section_builders": {
            "expectations": {"renderer": _own(SuiteRenderer), "view": _own(View)},
            "validations": {
                "renderer": _own(ResultRenderer),
                "view": _own(View),
                "run_name_filter": _NO_NAME_HOLDS_IT,
            },
            "profiling": "None",  # as Great Expectations spells that there is none
        },
    }


def _own(one: type) -> dict[str, str]:
    return {"module_name": one.__module__, "class_name": one.__name__}
