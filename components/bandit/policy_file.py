"""A learned policy as one file of JSON, with what makes a user's context of their events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.artifact import digest_of
from components.bandit.arm_policy import ArmPolicy
from components.evaluation.typed_json import MismatchedJson, from_json, to_json

_AGAIN = "Write it anew with `recloop bandit --to`."


class PolicyFileUnreadable(Exception):
    """The file of a policy is missing, damaged, or of another version: names the file and the mend."""


@dataclass(frozen=True, kw_only=True)
class SavedPolicy:
    policy: ArmPolicy
    popular: tuple[
        str, ...
    ]  # item ids that count as popular in `popular_share`; empty for a context of one's own
    outcome: str  # PROMOTE, HOLD, REJECT or INVALID: what the log told when it was learned

    @property
    def digest(self) -> str:
        return digest_of(to_json(self))


def write_policy(saved: SavedPolicy, path: Path) -> None:
    """Written aside and moved, so that a reader finds the old one or the new one."""
    told = to_json(saved)
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(json.dumps(told | {"digest": saved.digest}, indent=1, sort_keys=True) + "\n")
    aside.replace(path)


def read_policy(path: Path) -> SavedPolicy:
    """Raises PolicyFileUnreadable."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        digest = told.pop("digest")
    except FileNotFoundError as error:
        raise PolicyFileUnreadable(f"{path}: there is no such file. {_AGAIN}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyFileUnreadable(
            f"{path}: not a policy that recloop wrote ({error!r}). {_AGAIN}"
        ) from error
    if digest_of(told) != digest:
        raise PolicyFileUnreadable(f"{path}: its figures are not those that were written. {_AGAIN}")
    try:
        found: SavedPolicy = from_json(SavedPolicy, told)
    except MismatchedJson as error:
        raise PolicyFileUnreadable(
            f"{path}: not what this version of recloop writes ({error}). {_AGAIN}"
        ) from error
    return found
