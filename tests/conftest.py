"""Fixtures that every test may use, and the check of shapes that every test runs under."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import jaxtyping
import pytest

from tests import shape_checks
from tests.postgresql import Postgresql, PostgresqlMissing, running_postgresql

# pytest-xdist tells its workers a width, and commands would break their lines by it
os.environ.pop("COLUMNS", None)

shape_checks.install()  # before anything of components is imported

# as a command has it: what modules leave stays, and is a million objects when all tests are collected
gc.set_threshold(700, 10, 100)

TESTS = Path(__file__).resolve().parent
LONG = ("faults", "flows", "parallel", "soak")  # folders
# begin on a home that no other test has touched: of as many workers each takes one of them first
FIRST = ("test_recommend_batch.py", "test_loop.py", "test_resume.py")
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait for servers and commands first: none of the minutes that some take is left to the end, when
    other workers have nothing to do. Of them FIRST, in their order.
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[bool, int]:
    folder, name = item.path.relative_to(TESTS).parts[0], item.path.name
    return folder not in LONG, FIRST.index(name) if folder == "flows" and name in FIRST else len(FIRST)


def pytest_collection_finish() -> None:
    """What is there now stays to the end: no collection goes through it again, nor does a fork copy it."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _shapes_unchecked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lets a test marked `wrong_shapes` through to the refusal of the code itself."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", request.node.get_closest_marker("wrong_shapes") is not None)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(autouse=True)
def _addresses_forgotten() -> Iterator[None]:
    """MLflow's client writes its address into the environment, where a later test would take it for a setting."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    yield
    if before is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = before


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and reference cases beside the checkout; a test that needs it skips without it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ does not lie beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A PostgreSQL whose databases sort text as English does; a test that needs it skips where there is none."""
    with ExitStack() as inside:
        try:
            server = inside.enter_context(running_postgresql())
        except PostgresqlMissing as missing:
            pytest.skip(str(missing))
        yield server
