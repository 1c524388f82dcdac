"""Whether the ledger is what was written: its own chain, and the entry that MLflow carries.

A chain, and the head that stands beside it, do not see what was computed anew together with the head. MLflow carries
number and hash of the entry that `champion` follows, in another database, so whoever rewrites the past has to write in
both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.data.chain import FIX, Chain, LedgerBroken
from components.data.ledger import checked_ledger, entry_hash

if TYPE_CHECKING:
    from components.data.warehouse import Engine
    from components.registry.registered import RegisteredModel


def check_ledger(engine: Engine, model: RegisteredModel | None) -> Chain:
    """Follow the chain, and hold it against MLflow's model where one is given, which has to be read before the call.

    A warehouse without any entry is a new one: MLflow then knows a champion that the ledger does not, which is
    drift. Raises LedgerBroken.
    """
    chain = checked_ledger(engine)
    if model is None or not chain.entries or not model.entry_hash:
        return chain
    found = entry_hash(engine, model.entry or 0)
    if found is None:
        raise LedgerBroken(
            f"MLflow's model {model.name} follows entry {model.entry} ({model.entry_hash[:12]}…), and the ledger "
            f"promotions has none of this number; its last is {chain.last}: entries were cut off, or this is another "
            f"warehouse. {FIX}"
        )
    if found != model.entry_hash:
        raise LedgerBroken(
            f"MLflow's model {model.name} follows entry {model.entry} as {model.entry_hash[:12]}…, and in the ledger "
            f"promotions that entry is {found[:12]}…: the ledger was written anew. {FIX}"
        )
    return chain


def why_broken(engine: Engine, model: RegisteredModel | None) -> str:
    """What `check_ledger` raises, as text; "" if the ledger is whole."""
    try:
        check_ledger(engine, model)
    except LedgerBroken as error:
        return str(error)
    return ""
