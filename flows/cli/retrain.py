"""`recloop retrain`: one whole cycle."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from flows.cli.options import (
    AsOf,
    Challenger,
    FilterSeen,
    MaxBadShare,
    MaxDuplicateShare,
    MaxMissingShare,
    MaxNorm,
    MaxZeroShare,
    MinNorm,
    MinPresent,
    Mode,
    Preset,
    Profile,
    Since,
    Source,
    gate_asked,
    moment_option,
)


def retrain(
    source: Source = "movielens",
    since: Since = None,
    as_of: AsOf = None,
    train_cutoff: Annotated[
        datetime | None,
        moment_option(
            "train before, replay after; default: the last cycle's as-of, in a first cycle after .7 of the events"
        ),
    ] = None,
    challenger: Challenger = "mmgrec",
    profile: Profile = "small",
    mode: Mode = "rolling",
    filter_seen: FilterSeen = True,
    preset: Preset = "default",
    refit_tokenizer: Annotated[
        bool | None,
        typer.Option(
            "--refit-tokenizer/--keep-tokenizer",
            help="make new semantic IDs for all items, or keep those that exist; default: new ones when the "
            "tokenizer's health on new items falls",
        ),
    ] = None,
    max_bad_share: MaxBadShare = 0.05,
    max_missing_share: MaxMissingShare = 0.9,
    max_zero_share: MaxZeroShare = 0.1,
    max_duplicate_share: MaxDuplicateShare = 0.9,
    min_norm: MinNorm = 0.0,
    max_norm: MaxNorm = 1e4,
    min_present: MinPresent = 1,
) -> None:
    """Run one whole cycle: ingest, train, replay, decide, register, and promote if the verdict says so."""
    from flows.cli.summary_box import summary_box
    from flows.local.console import console, dimmed
    from flows.local.servers import running_servers
    from flows.request import cycle_request, settle_cycle
    from flows.settings import load_settings
    from flows.warehouse import refuse_if_retraining

    request = cycle_request(
        source=source,
        since=since,
        as_of=as_of,
        train_cutoff=train_cutoff,
        challenger=challenger,
        **gate_asked(profile),
        mode=mode,
        filter_seen=filter_seen,
        preset=preset,
        tokenizer={None: "auto", True: "refit", False: "reuse"}[refit_tokenizer],
        max_bad_share=max_bad_share,
        max_missing_share=max_missing_share,
        max_zero_share=max_zero_share,
        max_duplicate_share=max_duplicate_share,
        min_norm=min_norm,
        max_norm=max_norm,
        min_present=min_present,
    )
    refuse_if_retraining()  # whoever would be refused, or asks for what cannot be, starts no servers
    settle_cycle(request)
    with running_servers(load_settings(), dimmed):
        from flows.cycle import retraining_cycle

        console.print(summary_box("cycle", retraining_cycle(request)))
