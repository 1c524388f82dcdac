"""A tuned preset: the settings that a study found for an arm, as the file that `recloop tune` writes.

{"arm": "sasrec", "preset": "default", "settings": {"training.epochs": 9, …}, "study": {…}, "trials": […]}

`arm`, `preset` and `settings` decide what is trained; the rest says where they come from. A request carries the three
and the digest of the whole file, so that a version can be traced to it. Nothing here loads torch.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from components.artifact import digest_of
from components.recommender.names import ArmName, PresetName
from components.recommender.search_space import space_of


class TunedPresetRefused(Exception):
    """A file or a request holds no settings that this arm can be trained with; the message says which, and the fix."""


def read_tuned_preset(path: Path) -> dict[str, Any]:
    """What a request carries of the file. Raises TunedPresetRefused naming file, key, value and fix."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TunedPresetRefused(
            f"{path} cannot be read as a tuned preset ({error}). `recloop tune` writes one; it is JSON"
        ) from error
    try:
        return carried_preset(told)
    except TunedPresetRefused as error:
        raise TunedPresetRefused(f"{path}: {error}") from error


def carried_preset(told: Any) -> dict[str, Any]:
    """Arm, preset, settings and digest out of a whole file's JSON, or of what was carried before, each one checked.

    Raises TunedPresetRefused naming key, value and fix.
    """
    if not isinstance(told, Mapping):
        raise TunedPresetRefused("it holds no JSON object; `recloop tune` writes one")
    arm = _one_of(told, "arm", get_args(ArmName))
    preset = _one_of(told, "preset", get_args(PresetName))
    settings = told.get("settings")
    if not isinstance(settings, Mapping) or not settings:
        raise TunedPresetRefused(
            f"settings is {settings!r}; it is an object of settings and their values, as `recloop tune` writes it"
        )
    for name, value in settings.items():
        _check(arm, preset, str(name), value)
    carried = {"arm": arm, "preset": preset, "settings": dict(settings)}
    if told.keys() == {*carried, "digest", "settings_digest"} and told["settings_digest"] == digest_of(
        carried
    ):
        return dict(told)  # of an earlier request, as it was read from the file
    return carried | {"digest": digest_of(dict(told)), "settings_digest": digest_of(carried)}


def _one_of(told: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> Any:
    if told.get(key) not in allowed:
        raise TunedPresetRefused(f"{key} is {told.get(key)!r}; it is one of {', '.join(allowed)}")
    return told[key]


def _check(arm: ArmName, preset: PresetName, name: str, value: object) -> None:
    space = space_of(arm, preset)
    if name not in space:
        near = difflib.get_close_matches(name, space, n=1)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(space)}."
        raise TunedPresetRefused(
            f"settings.{name} is {value!r}, and {name} is no setting of {arm} that may be tuned: {meant} Leave it out, "
            f"or write the file anew: recloop tune --arm {arm}"
        )
    if not space[name].holds(value):
        raise TunedPresetRefused(
            f"settings.{name} is {value!r}; of {arm} it is {space[name]}. Give it such a value, or leave it out"
        )
