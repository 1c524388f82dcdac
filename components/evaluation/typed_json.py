"""Frozen dataclasses as JSON values and back: null is a float that is not finite, or an optional that is None.

Reading is strict: a key too many or too few, or a value of another type, is refused with the place where it stands.
A field that came later is marked LEFT_OUT_AT_DEFAULT: at its default it is not written and need not be there, so what
was written before it came is read, and is written the same.
Numbers keep their form (500 stays a whole number where a float may stand), so what is read is written the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LEFT_OUT_AT_DEFAULT = MappingProxyType({"left_out_at_default": True})  # metadata of a field


class MismatchedJson(ValueError):
    """A value is not of the type that it is read as; the message names its place."""


def to_json(value: Any) -> Any:
    """JSON values: no tuples, no enums, ISO 8601 for moments, null for what is not finite."""
    if is_dataclass(value):
        told = ((field, getattr(value, field.name)) for field in fields(value))
        return {f.name: to_json(entry) for f, entry in told if not (_may_lack(f) and entry == f.default)}
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, str) else value


def from_json(kind: Any, value: Any, at: str = "") -> Any:
    """The `kind` whose `to_json` is `value`; NaN for null where a float stands. Raises MismatchedJson."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _one_of(inner, value, at)
    if origin is Literal:
        return value if value in inner else _refuse(value, f"one of {inner}", at)
    if is_dataclass(kind):
        return _dataclass(kind, value, at)
    if origin is tuple:
        return _tuple(inner, value, at)
    if origin is not None and issubclass(origin, Mapping):
        return {key: from_json(inner[1], entry, f"{at}.{key}") for key, entry in _object(value, at).items()}
    return _scalar(kind, value, at)


def _may_lack(field: Field[Any]) -> bool:
    return LEFT_OUT_AT_DEFAULT.items() <= field.metadata.items()


def _scalar(kind: Any, value: Any, at: str) -> Any:
    if kind is float:
        if value is None:
            return math.nan
        # a whole number may stand for a float, but bool, though an int to Python, may not
        return value if type(value) in (int, float) else _refuse(value, "a number", at)
    if kind is datetime or issubclass(kind, Enum):
        try:
            return datetime.fromisoformat(value) if kind is datetime else kind(value)
        except (TypeError, ValueError) as error:
            raise MismatchedJson(f"{at}: {value!r} is no {kind.__name__}") from error
    return value if type(value) is kind else _refuse(value, kind.__name__, at)


def _dataclass(kind: Any, value: Any, at: str) -> Any:
    hints, given = get_type_hints(kind), _object(value, at)
    known = {field.name for field in fields(kind)}
    may_lack = {field.name for field in fields(kind) if _may_lack(field)}
    if odd := sorted((given.keys() ^ known) - may_lack):
        raise MismatchedJson(f"{at}: {kind.__name__} has other fields; {', '.join(odd)} differ")
    made = {name: from_json(hints[name], entry, f"{at}.{name}") for name, entry in given.items()}
    try:
        return kind(**made)
    except ValueError as error:  # a dataclass that checks itself when it is built
        raise MismatchedJson(f"{at}: {error}") from error


def _tuple(inner: tuple[Any, ...], value: Any, at: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        _refuse(value, "a list", at)
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        _refuse(value, f"a list of {len(kinds)}", at)
    return tuple(
        from_json(k, entry, f"{at}[{n}]") for n, (k, entry) in enumerate(zip(kinds, value, strict=True))
    )


def _one_of(kinds: tuple[Any, ...], value: Any, at: str) -> Any:
    """None where it may be, else the first kind that fits: dataclasses of one union differ in their fields."""
    if value is None and NoneType in kinds:
        return None
    refused = []
    for kind in kinds:
        if kind is NoneType:
            continue
        try:
            return from_json(kind, value, at)
        except MismatchedJson as error:
            refused.append(error)
    raise refused[-1]


def _object(value: Any, at: str) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _refuse(value, "an object", at)


def _refuse(value: Any, wanted: str, at: str) -> Any:
    raise MismatchedJson(f"{at or 'the whole'}: {str(value)[:40]!r} is not {wanted}")
