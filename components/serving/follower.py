"""Follow an alias: look every few seconds, load what it names aside, then swap it in whole.

What serves is one attribute that holds one frozen version; a request reads it once and keeps it. A version that
cannot be loaded leaves the old one serving and is tried again, more and more rarely.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from components.registry import versions
from components.registry.versions import RegisteredVersion
from components.serving.loaded import LoadedVersion

_LONGEST_PAUSE = 60.0  # seconds between two tries of one broken version


@dataclass(frozen=True, kw_only=True)
class Following:
    """How it stands: what serves, what should, and why they differ if they do."""

    loaded: LoadedVersion | None = None
    wanted: str | None = None  # version that the alias named last; None: it names none, or was never read
    read_at: float | None = None  # monotonic seconds of the last look that succeeded
    problem: str = ""  # "" when what is wanted serves
    failures: int = 0  # loads that failed since the start


class Follower:
    """Keeps `current` at what `target`, an alias or a version number, names.

    `is_current` tells whether what a version was told of beside its bundle still holds; if not, it is loaded anew.
    """

    def __init__(
        self,
        *,
        model_name: str,
        target: str,
        load: Callable[[RegisteredVersion], LoadedVersion],
        poll_seconds: float,
        is_current: Callable[[LoadedVersion], bool] = lambda loaded: True,
        on_swap: Callable[[LoadedVersion | None, LoadedVersion], None] = lambda old, new: None,
    ) -> None:
        self.model_name, self.target = model_name, target
        self._load, self._poll_seconds, self._on_swap = load, poll_seconds, on_swap
        self._is_current = is_current
        self._following = Following()
        self._retry_at, self._pause = 0.0, poll_seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow-{target}", daemon=True)

    @property
    def following(self) -> Following:
        return self._following

    @property
    def current(self) -> LoadedVersion | None:
        return self._following.loaded

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, timeout_seconds: float) -> None:
        self._end.set()
        self._thread.join(timeout_seconds)

    def look(self) -> None:
        """One look, and the load that it asks for. Raises nothing: what went wrong is in `following`."""
        try:
            registered = self._resolve()
        except Exception as error:  # an outage, or a registry that answers nonsense: serve on, and say so
            self._note(problem=f"{self.target} cannot be read: {_told(error)}")
            return
        self._note(read_at=time.monotonic(), wanted=registered.version if registered else None)
        loaded = self.current
        if registered is None:
            self._note(problem=f"no version of {self.model_name} is {self.target}")
        elif loaded is not None and _is_same(loaded, registered) and self._is_current(loaded):
            self._pause, self._retry_at = self._poll_seconds, 0.0
            self._note(problem="")
        elif time.monotonic() >= self._retry_at:
            self._swap(registered)

    def _resolve(self) -> RegisteredVersion | None:
        if self.target.isdecimal():
            return versions.find_version(self.model_name, self.target)
        return versions.resolve(self.model_name, self.target)

    def _swap(self, registered: RegisteredVersion) -> None:
        before = self.current
        try:
            loaded = self._load(registered)
        except Exception as error:  # of any kind: a broken bundle must never take the server down
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._note(
                problem=f"version {registered.version} cannot be loaded: {_told(error)}",
                failures=self._following.failures + 1,
            )
            return
        self._pause, self._retry_at = self._poll_seconds, 0.0
        self._on_swap(before, loaded)
        self._note(loaded=loaded, problem="")

    def _note(self, **changes: object) -> None:
        self._following = replace(self._following, **changes)  # type: ignore[arg-type]

    def _run(self) -> None:
        while not self._end.is_set():
            with contextlib.suppress(Exception):
                self.look()
            self._end.wait(self._poll_seconds)


def _is_same(loaded: LoadedVersion, registered: RegisteredVersion) -> bool:
    return loaded.version == registered.version and loaded.digest == registered.bundle_digest


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
