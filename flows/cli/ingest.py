"""`recloop ingest`: check a batch, quarantine bad rows, land the rest."""

from __future__ import annotations

from flows.cli.options import (
    AsOf,
    Delimiter,
    Encoding,
    Map,
    MaxBadItemShare,
    MaxBadShare,
    Since,
    Source,
    ValueRange,
    Zone,
    mapping,
)


def ingest(
    source: Source = "movielens",
    map_: Map = "",
    zone: Zone = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    since: Since = None,
    as_of: AsOf = None,
    max_bad_share: MaxBadShare = None,
    max_bad_item_share: MaxBadItemShare = None,
    value_range: ValueRange = None,
) -> None:
    """Check a batch against its contracts, quarantine bad rows, land the rest."""
    from components.data import queries
    from components.data.contracts.batch_check import TooMuchBad
    from flows.cli.arrival import say_readings, say_reasons, say_vectors, say_what_is_left
    from flows.local.console import console, dimmed
    from flows.local.servers import running_servers
    from flows.request import batch_request
    from flows.settings import load_settings
    from flows.settled import settle_batch
    from flows.warehouse import warehouse

    settings = load_settings()
    warehouse()  # a database that cannot be opened is told before servers are started
    request = batch_request(
        source=source, mapping=mapping(map_, zone, encoding, delimiter), since=since, as_of=as_of,
        max_bad_share=max_bad_share, max_bad_item_share=max_bad_item_share, value_ranges=value_range,
    )  # fmt: skip
    say_what_is_left(request)
    received = settle_batch(request).read()  # a source that cannot be read is told before servers are started
    say_readings(received)
    say_vectors(request.opened_source().item_vectors(), received, queries.item_ids(warehouse()))
    with running_servers(settings, dimmed, needed=("prefect",), loading="flows.ingest"):
        from flows.ingest import ingest as flow

        try:
            _, landed = flow(request)
        except TooMuchBad as stopped:
            console.print(f"Data Docs: {stopped.checked.data_docs}", markup=False, soft_wrap=True)
            raise
    result = landed.output.result
    known = "this batch had landed before, nothing changed: " if result.repeated or landed.reused else ""
    console.print(
        f"{known}{result.received:,} events = {result.accepted:,} accepted + {result.quarantined:,} quarantined "
        f"+ {result.duplicates:,} duplicates; {result.items_new:,} new items, {result.items_updated:,} updated"
    )
    if result.late:
        console.print(
            f"{result.late:,} of the accepted are late: of a time that an earlier batch had told of. They count from "
            "this batch on, and are in no training set that is cut before."
        )
    say_reasons(landed.output.reasons)
    console.print(f"Data Docs: {result.data_docs}")
