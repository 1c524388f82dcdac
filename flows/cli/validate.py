"""`recloop validate`: check a batch, and land nothing."""

from __future__ import annotations

import shlex
from collections import Counter

from flows.cli.options import (
    AsOf,
    Delimiter,
    Encoding,
    EventWeight,
    Map,
    MaxBadItemShare,
    MaxBadShare,
    Since,
    Source,
    ValueRange,
    Zone,
    event_weights,
    mapping,
)


def validate(
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
    event_weight: EventWeight = None,
) -> None:
    """Check a batch against its contracts and land nothing."""
    from components.data import queries
    from components.data.contracts.batch_check import TooMuchBad, check_batch
    from components.data.contracts.telling import told_of_unknown
    from flows.cli.arrival import (
        say_event_types,
        say_first_rows,
        say_readings,
        say_reasons,
        say_vectors,
        say_what_is_left,
    )
    from flows.local.console import console
    from flows.request import cycle_request
    from flows.settings import load_settings
    from flows.settled import settle_batch
    from flows.warehouse import warehouse

    said = mapping(map_, zone, encoding, delimiter)
    request = cycle_request(
        source=source, mapping=said, since=since, as_of=as_of, max_bad_share=max_bad_share,
        max_bad_item_share=max_bad_item_share, value_ranges=value_range, event_weights=event_weights(event_weight),
    )  # fmt: skip
    weights = request.opened_source().event_weights(request.event_weights)
    say_what_is_left(request)
    batch = settle_batch(request)
    received = batch.read()
    say_readings(received)
    known = queries.item_ids(warehouse())
    say_vectors(request.opened_source().item_vectors(), received, known)
    try:
        checked = check_batch(
            received,
            as_of=batch.as_of,
            known_items=known,
            gx_root=load_settings().gx_root,
            config=request.contract,
        )
    except TooMuchBad as stopped:
        console.print(f"Data Docs: {stopped.checked.data_docs}", markup=False, soft_wrap=True)
        raise
    console.print(
        f"{len(received.events):,} events and {len(received.items):,} items received, as of "
        f"{batch.as_of:%Y-%m-%d %H:%M}Z; {len(checked.quarantined):,} would be quarantined"
    )
    codes = (code for told in checked.quarantined["reasons"] for code in told.split("|"))
    say_reasons(dict(Counter(codes).most_common()))
    if unknown := told_of_unknown(checked.quarantined, {*known, *checked.items["item_id"]}):
        console.print(unknown, markup=False)
    say_event_types(checked.events, weights)
    say_first_rows(checked.events, checked.items)
    console.print(f"Data Docs: {checked.data_docs}", markup=False, soft_wrap=True)
    with_map = f" --map {shlex.quote(said)}" if said else ""
    console.print(
        f"Next: recloop ingest --source {shlex.quote(source)}{with_map}", markup=False, soft_wrap=True
    )
