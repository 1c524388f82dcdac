"""The ledgers as `recloop doctor` looks at them: the chain of each, the entry that MLflow carries, the quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.local.servers import mlflow_address
from flows.settings import Settings

if TYPE_CHECKING:
    from components.data.chain import Chain
    from components.data.warehouse import Engine
    from components.registry.registered import RegisteredModel


@dataclass(frozen=True, kw_only=True)
class CheckedLedger:
    """One ledger; `detail` says how long it is, or what is wrong with it and how to go on."""

    ledger: str
    ok: bool
    detail: str


def checked_ledgers(engine: Engine, settings: Settings) -> Iterator[CheckedLedger]:
    """Promotions, alpha, batches. Of a registry that is not on this machine only the chain is asked."""
    from components.data.accounts import checked_accounts
    from components.data.alpha import checked_alpha
    from components.data.chain import LedgerBroken
    from components.registry.ledger_check import check_ledger

    model = _model(settings)
    beside = "" if model is not None else "; MLflow was not asked"
    for ledger, check, more in (
        ("promotions", lambda: check_ledger(engine, model), beside),
        ("alpha", lambda: checked_alpha(engine), ""),
        ("batches", lambda: checked_accounts(engine), ""),
    ):
        try:
            yield CheckedLedger(ledger=ledger, ok=True, detail=_whole(check()) + more)
        except LedgerBroken as error:
            yield CheckedLedger(ledger=ledger, ok=False, detail=str(error))


def _whole(chain: Chain) -> str:
    accepted = (
        f", whatever was before entry {chain.accepted_by}, which accepted it" if chain.accepted_by else ""
    )
    return f"entries: {chain.entries:,}, as they were written{accepted}"


def _model(settings: Settings) -> RegisteredModel | None:
    from components.registry.direct import read_model

    address = mlflow_address(settings)
    return read_model(address, settings.model_name) if address else None
