"""What a cycle carries on of those before it: encoders, tokenizer and ID table, and the name that they go by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from components.artifact import ArtifactRef
from components.data import cycles
from components.data.ledger import promotions
from components.tokenizer.names import BASELINE, DEFAULT, TokenizerName
from flows.request import BadRequest
from flows.settings import load_settings
from flows.settled import SettledCycle
from flows.warehouse import warehouse


@dataclass(frozen=True, kw_only=True)
class CarriedIds:
    """What a cycle hands to the next: the encoders' feature set, the tokenizer, and its ID table."""

    encoders: ArtifactRef
    tokenizer: ArtifactRef
    ids: ArtifactRef
    name: TokenizerName = DEFAULT  # of the tokenizer; before there was a choice it was the default
    fitted: str = ""  # what its fit told of its health; a release before did not keep it


_CARRIED = TypeAdapter(CarriedIds)


def carried_into(cycle: SettledCycle) -> CarriedIds | None:
    """Encoders, tokenizer and ID table of the cycle that this one goes on from; None if there is none."""
    return carried_before(cycle.as_of, cycle.request.tokenizer_name)


def carried_before(moment: datetime | None, asked: TokenizerName | None) -> CarriedIds | None:
    """The same for a cycle whose "now" is `moment`, None for after all on record, and that asks for this tokenizer."""
    found = cycle_before(moment, asked)
    return _carried_by(found) if found else None


def cycle_before(moment: datetime | None, asked: TokenizerName | None) -> cycles.Cycle | None:
    """The cycle to go on from: the latest one, past baselines that nobody asks for and that never became champion."""
    latest = cycles.cycles(warehouse(), before=moment, last=1)
    if not latest or asked == BASELINE or _carried_by(latest[0]).name != BASELINE:
        return latest[0] if latest else None
    every = cycles.cycles(warehouse(), before=moment)
    champions = {entry.version for entry in promotions(warehouse(), load_settings().model_name)}
    promoted = {_carried_by(cycle).tokenizer.digest for cycle in every if champions & _challengers(cycle)}
    return next(
        (
            cycle
            for cycle in reversed(every)
            if (kept := _carried_by(cycle)).name != BASELINE or kept.tokenizer.digest in promoted
        ),
        None,
    )


def name_to_fit(asked: TokenizerName | None, before: CarriedIds | None) -> TokenizerName:
    """The tokenizer that is asked for; where none is, the one that made the IDs before, else the default."""
    return asked or (before.name if before else DEFAULT)


def refuse_ids_of_another(cycle: SettledCycle) -> None:
    """Raise BadRequest where IDs are to be kept, and to be made by another tokenizer than made them."""
    before, asked = carried_into(cycle), cycle.request.tokenizer_name
    if cycle.request.tokenizer == "reuse" and before and asked and asked != before.name:
        raise BadRequest(
            f"the semantic IDs that exist were made by {before.name}, and are to be kept while {asked} is asked for. "
            f"Leave out --keep-tokenizer and {asked} makes new ones for all items, or leave out --tokenizer"
        )


def _challengers(cycle: cycles.Cycle) -> set[str | None]:
    """The versions of all challengers; the champion of then need not be one."""
    return {version for role, version in cycle.versions.items() if role != "champion"}


def _carried_by(cycle: cycles.Cycle) -> CarriedIds:
    return _CARRIED.validate_python(cycle.summary["carried"])
