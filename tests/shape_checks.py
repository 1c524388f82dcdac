"""Shapes that signatures promise, checked on every call while tests run.

`Float[Tensor, "item dim"]` is only a promise until something reads it: jaxtyping's import hook has beartype check
arguments, results and the fields of dataclasses of every module below as it is imported. Never on outside of pytest.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from typing import Any, get_args

import jaxtyping
from beartype import BeartypeConf, beartype

OFF = "RECLOOP_NO_SHAPE_CHECKS"  # set to anything: the tests run without, to see what the checks cost

# The other rooms (evaluation, recommender, the rest of tokenizer) are to be gone through before they are listed here:
# in some signatures one name stands for two lengths.
CHECKED = (
    "components.features",
    "components.spectrum",
    "components.tokenizer.modalities",
)

# an int where a float is announced is right, as it is to mypy (PEP 484, the numeric tower)
_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def install() -> None:
    """Check every module of CHECKED from its import on; none of them may have been imported yet."""
    if os.environ.get(OFF):
        return
    early = sorted(name for name in sys.modules if name.startswith(CHECKED))
    if early:
        raise RuntimeError(f"imported before their shapes could be checked: {early}")
    jaxtyping.install_import_hook(CHECKED, "tests.shape_checks.check")


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its shapes checked; every other type is mypy's, and tests hand over wrong ones on purpose."""
    function.__annotations__ = {
        name: hint for name, hint in function.__annotations__.items() if _names_a_shape(hint)
    }
    return _checked(function) if function.__annotations__ else function


def _names_a_shape(hint: Any) -> bool:
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(_names_a_shape(part) for part in get_args(hint))
