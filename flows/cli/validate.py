"""`recloop validate`: check a batch, and land nothing."""

from __future__ import annotations

from collections import Counter

from flows.cli.options import AsOf, MaxBadShare, Since, Source


def validate(
    source: Source = "movielens", since: Since = None, as_of: AsOf = None, max_bad_share: MaxBadShare = 0.05
) -> None:
    """Check a batch against its contracts and land nothing."""
    from components.data import queries
    from components.data.contracts.batch_check import ContractConfig, check_batch
    from flows.cli.arrival import say_reasons, say_what_is_left
    from flows.local.console import console
    from flows.request import BatchRequest, settle_batch
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    request = BatchRequest(source=source, since=since, as_of=as_of, max_bad_share=max_bad_share)
    say_what_is_left(request)
    batch = settle_batch(request)
    received = batch.read()
    checked = check_batch(
        received,
        as_of=batch.as_of,
        known_items=queries.item_ids(warehouse()),
        gx_root=load_settings().gx_root,
        config=ContractConfig(max_bad_event_share=max_bad_share),
    )
    console.print(
        f"{len(received.events):,} events and {len(received.items):,} items received, as of "
        f"{batch.as_of:%Y-%m-%d %H:%M}Z; {len(checked.quarantined):,} would be quarantined"
    )
    codes = (code for told in checked.quarantined["reasons"] for code in told.split("|"))
    say_reasons(dict(Counter(codes).most_common()))
    console.print(f"Data Docs: {checked.data_docs}")
