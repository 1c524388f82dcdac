"""The options of a retraining, once for every command that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from flows.cli.options import (
    AsOf,
    Challenger,
    Delimiter,
    Encoding,
    EventWeight,
    FilterSeen,
    Map,
    MaxBadItemShare,
    MaxBadShare,
    MaxDuplicateShare,
    MaxMissingShare,
    MaxNorm,
    MaxZeroShare,
    MinNorm,
    MinPresent,
    Mode,
    NewItems,
    Preference,
    PresetOrFile,
    Profile,
    Since,
    Source,
    TokenizerChoice,
    ValueRange,
    WarmStart,
    Zone,
    event_weights,
    gate_asked,
    mapping,
    moment_option,
    preset_asked,
)

if TYPE_CHECKING:
    from flows.request import CycleRequest

_REQUEST = "request"  # parameter of a command that takes these options


def taking_request(command: Callable[..., None], *, without: Collection[str] = ()) -> Callable[..., None]:
    """The command with the options of a retraining in place of its parameter `request`, but for those `without`.

    Its own options come after them. What is asked for is checked before the command begins: raises BadRequest.
    """
    own = {name: p for name, p in _parameters(command).items() if name != _REQUEST}
    options = {name: p for name, p in _parameters(_request).items() if name not in {*without, *own}}

    @wraps(command)
    def with_options(**given: Any) -> None:
        asked = _request(**{name: given[name] for name in options})
        if "challenger" in options:  # elsewhere the command says itself which arms it trains
            _refuse_other_arm(asked, given["preset"])
        command(**{_REQUEST: asked, **{name: given[name] for name in own}})

    parameters = {**options, **own}
    with_options.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    with_options.__annotations__ = {name: p.annotation for name, p in parameters.items()}
    return with_options


def _refuse_other_arm(asked: CycleRequest, preset: str) -> None:
    if asked.tuned:
        from flows.request import refuse_other_arm

        refuse_other_arm(asked, preset)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(function, localns={"CycleRequest": Any}, include_extras=True)
    found = inspect.signature(function).parameters
    return {
        name: p.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, p in found.items()
    }


def _request(
    source: Source = "movielens",
    map_: Map = "",
    zone: Zone = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
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
    preset: PresetOrFile = "default",
    warm_start: WarmStart = None,
    new_items: NewItems = "0",
    preference: Preference = "",
    refit_tokenizer: Annotated[
        bool | None,
        typer.Option(
            "--refit-tokenizer/--keep-tokenizer",
            help="make new semantic IDs for all items, or keep those that exist; default: new ones when the "
            "tokenizer's health on new items falls",
        ),
    ] = None,
    tokenizer: TokenizerChoice = None,
    max_bad_share: MaxBadShare = None,
    max_bad_item_share: MaxBadItemShare = None,
    value_range: ValueRange = None,
    event_weight: EventWeight = None,
    max_missing_share: MaxMissingShare = 0.9,
    max_zero_share: MaxZeroShare = 0.1,
    max_duplicate_share: MaxDuplicateShare = 0.9,
    min_norm: MinNorm = 0.0,
    max_norm: MaxNorm = 1e4,
    min_present: MinPresent = 1,
) -> CycleRequest:
    from flows.request import cycle_request

    first, *more = challenger.split(",")
    return cycle_request(
        source=source,
        mapping=mapping(map_, zone, encoding, delimiter),
        since=since,
        as_of=as_of,
        train_cutoff=train_cutoff,
        challenger=first,
        more_challengers=tuple(more),
        **gate_asked(profile),
        mode=mode,
        filter_seen=filter_seen,
        **preset_asked(preset),
        warm_start=warm_start,
        new_items=new_items,
        preference=preference,
        tokenizer={None: "auto", True: "refit", False: "reuse"}[refit_tokenizer],
        tokenizer_name=tokenizer,
        max_bad_share=max_bad_share,
        max_bad_item_share=max_bad_item_share,
        value_ranges=value_range,
        event_weights=event_weights(event_weight),
        max_missing_share=max_missing_share,
        max_zero_share=max_zero_share,
        max_duplicate_share=max_duplicate_share,
        min_norm=min_norm,
        max_norm=max_norm,
        min_present=min_present,
    )
