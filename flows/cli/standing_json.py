"""Where a home stands as JSON, for scripts: `recloop status --json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.registry.registered import RegisteredVersion
    from flows.cli.standing import Standing


def standing_json(found: Standing) -> dict[str, Any]:
    """One object; moments are ISO 8601 in UTC, what is not there is null."""
    registry = found.registry
    return {
        "warehouse": asdict(found.counts),
        "freshness": asdict(found.freshness),
        "quarantine": found.quarantine,
        "champion": _version(registry.champion),
        "challenger": _version(registry.challenger),
        "approved": [
            {"version": one.version.version, "approver": one.approver} for one in registry.approvals
        ],
        "ledger": asdict(registry.drift) if registry.drift else None,
        "registry_trouble": registry.trouble or None,
        "lists": {**asdict(found.served.run), "since": found.served.at} if found.served else None,
        "monitoring": (
            {
                "status": found.monitored.status,
                "version": found.monitored.version,
                "as_of": found.monitored.as_of,
            }
            if found.monitored
            else None
        ),
        "cycles": [
            {
                "as_of": cycle.as_of,
                "train_cutoff": cycle.train_cutoff,
                "verdict": cycle.verdict,
                "reasons": cycle.reasons,
                "version": cycle.version,
                "champion_after": cycle.champion_after,
                "ndcg@10": cycle.challenger.ndcg,
                "seconds": cycle.seconds,
                "addresses": cycle.addresses,
            }
            for cycle in found.cycles
        ],
    }


def _version(found: RegisteredVersion | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "version": found.version,
        "arm": found.tags.get("recloop.arm"),
        "trained_before": found.tags.get("recloop.train_end"),
        "verdict": found.verdict,
        "bundle": found.bundle_digest,
    }
