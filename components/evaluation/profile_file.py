"""A gate profile of a team's own: a shipped one, and what the team wants otherwise, as YAML.

base: small                       # small, sequential or production
name: shop
validity: {min_users: 1000}
primary: {effect_of_interest: 0.005}
required:                         # a list stands in place of the base's
  - {metric: recall@50, margin: 0.01}
  - {metric: coverage@10, min_value: 0.1}
latency: null                     # asked for no more
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from components.evaluation.profile import GateProfile, ProfileError, production, sequential, small
from components.evaluation.ranking import UnknownMetric
from components.evaluation.scores import WHOLE
from components.evaluation.typed_json import MismatchedJson, from_json, to_json

_GUARDS = ("required", "if_evaluable")
SHIPPED = {"small": small, "sequential": sequential, "production": production}


def read_fields(path: Path) -> dict[str, Any]:
    """What the file says, as JSON values, once it has been seen to be a profile. Raises ProfileError."""
    import yaml

    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} cannot be read as a gate profile: {error}") from error
    except yaml.YAMLError as error:
        raise ProfileError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(told, Mapping):
        raise ProfileError(f"{path} holds no fields of a gate profile; begin with `base: small`")
    try:
        profile_of(told)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from error
    return dict(told)


def profile_of(told: Mapping[str, Any]) -> GateProfile:
    """The profile that these fields make of their base. Raises ProfileError, which names the field."""
    own = dict(told)
    base = own.pop("base", "small")
    if base not in SHIPPED:
        raise ProfileError(f"base is {base!r}; the shipped profiles are {', '.join(SHIPPED)}")
    if not isinstance(own.get("name"), str) or own["name"] in SHIPPED or not own["name"]:
        raise ProfileError("give the profile a `name` of its own: reports and ledgers tell it by that")
    shipped = SHIPPED[base]()
    try:
        return from_json(GateProfile, _laid_upon(shipped, own, at=""))
    except (MismatchedJson, UnknownMetric) as error:
        raise ProfileError(str(error).removeprefix(": ").removeprefix(".")) from error


def _laid_upon(shipped: Any, own: Mapping[str, Any], at: str) -> dict[str, Any]:
    """The base's JSON values under what is wanted otherwise; a field that there is not is refused by name."""
    made = to_json(shipped)
    for name, value in own.items():
        if name not in made:
            near = difflib.get_close_matches(str(name), made, n=1)
            meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(made)}"
            raise ProfileError(f"{at}{name} is no field of a gate profile{meant}")
        inner = getattr(shipped, name)
        if is_dataclass(inner) and isinstance(value, Mapping):
            made[name] = _laid_upon(inner, value, at=f"{at}{name}.")
        elif name in _GUARDS and isinstance(value, list):
            made[name] = [_of_everyone(entry) for entry in value]
        else:
            made[name] = value
    assert made.keys() == {field.name for field in fields(shipped)}
    return made


def _of_everyone(guard: Any) -> Any:
    """A margin without a slice is that of all users."""
    return {"slice": WHOLE, **guard} if isinstance(guard, Mapping) and "margin" in guard else guard
