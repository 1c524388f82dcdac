"""The smoke test of a new champion: whoever does not serve is taken back, also if the process died before it.

What a version came to stands in its tag `recloop.smoke_test`, with the entry of the ledger that it was for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient

from components.copies import CopiesUnreachable
from components.data.lease import Lease
from components.data.ledger import PromotionEntry, last_promotion
from components.faults import crash_point
from components.registry.moves import Drift, PromotionResult, drift_now, move
from components.registry.registered import TrackingRefused, TrackingUnreachable
from components.registry.versions import RegisteredVersion, download_bundle, find_version
from components.registry.way_back import go_back

if TYPE_CHECKING:
    from components.data.warehouse import Engine

SMOKE_TAG = "recloop.smoke_test"  # of a version: what its last smoke test came to, and for which entry
SMOKE_ACTOR = "smoke-test"
_REASON_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """What has to work before a new champion is left to serve."""

    artifacts: Path  # where the bundle is fetched to
    check: Callable[[Path], None]  # takes the bundle's folder; raises if it does not serve


def owed_test(
    engine: Engine, model_name: str, drift: Drift, smoke: SmokeTest | None
) -> tuple[PromotionEntry, RegisteredVersion] | None:
    """The champion and its entry, if its smoke test is still owed: the process died before or in it."""
    if smoke is None or drift.state != "agree":
        return None
    last = last_promotion(engine, model_name)
    if last is None or last.version is None:
        return None
    champion = find_version(model_name, last.version)
    owed = last.action == "promote" and last.evidence.get("smoke_test") is True
    if champion is None or not owed or champion.tags.get(SMOKE_TAG) == _passed(last.id):
        return None
    return last, champion


def make_owed_test(
    engine: Engine, lease: Lease, model_name: str, smoke: SmokeTest | None
) -> PromotionResult | None:
    """Make the smoke test that is owed; what was rolled back if it failed, None if all is well."""
    owed = owed_test(engine, model_name, drift_now(engine, model_name), smoke)
    if owed is None or smoke is None:
        return None
    entry, champion = owed
    crash_point("promote:before-smoke")
    try:
        smoke.check(Path(download_bundle(model_name, champion.version, smoke.artifacts).path))
    except (TrackingUnreachable, TrackingRefused, CopiesUnreachable):
        raise  # nothing is known of the champion; the next call tests it
    except Exception as error:  # whatever it is, this version does not serve
        return _withdraw(engine, lease, entry, champion, f"{type(error).__name__}: {error}"[:_REASON_LENGTH])
    MlflowClient().set_model_version_tag(model_name, champion.version, SMOKE_TAG, _passed(entry.id))
    return None


def _withdraw(
    engine: Engine, lease: Lease, entry: PromotionEntry, champion: RegisteredVersion, why: str
) -> PromotionResult:
    """Bring the champion before back, or leave none: a version that does not serve must not be named."""
    MlflowClient().set_model_version_tag(
        champion.name, champion.version, SMOKE_TAG, f"failed for entry {entry.id}: {why}"
    )
    crash_point("smoke:after-tag")
    reason = f"smoke test of version {champion.version} failed: {why}"
    settings: dict[str, Any] = {
        "actor": SMOKE_ACTOR,
        "reason": reason,
        "evidence": {"failed_entry": entry.id},
    }
    back = go_back(engine, lease, champion.name, champion.version, **settings)
    if back is None:
        back = move(
            engine, lease, "rollback", champion.name, None,
            previous=champion.version, verdict="none", **settings,
        )  # fmt: skip
    return PromotionResult(
        **{**vars(back), "moved": back.champion != entry.previous_version, "reason": reason}
    )


def _passed(entry: int) -> str:
    return f"passed for entry {entry}"
