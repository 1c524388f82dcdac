"""Who may ask, and how often: API keys compared in constant time, and a token bucket a key."""

from __future__ import annotations

import hashlib
import hmac
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

EVERYONE = "anonymous"  # who asks where no keys are set


class KeyRing:
    """Digests of the keys; a caller is known by the first 8 hex digits of its key's, never by the key."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._digests = [_digest(key.get_secret_value()) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def caller(self, headers: Mapping[str, str]) -> str | None:
        """Who sends these headers (names in lower case): None if the key is missing or not one of ours.

        Every key is compared, each in constant time: the time taken tells nothing of a key.
        """
        if not self._digests:
            return EVERYONE
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        offered, found = _digest(given), None
        for digest in self._digests:
            if hmac.compare_digest(digest, offered):
                found = digest.hex()[:8]
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


@dataclass(kw_only=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """A token bucket for each caller: `burst` at once, then `per_second`; 0 lets everything through."""

    def __init__(self, *, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = per_second, burst, clock
        self._buckets: dict[str, _Bucket] = {}  # one a key that is ours, so it stays small
        self._lock = threading.Lock()

    def wait(self, caller: str) -> int:
        """0 if the caller may go on, which takes a token; else whole seconds until there is one."""
        if not self._rate:
            return 0
        with self._lock:
            now = self._clock()
            bucket = self._buckets.setdefault(caller, _Bucket(tokens=self._burst, filled_at=now))
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._rate)
            bucket.filled_at = now
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                return 0
            return max(1, math.ceil((1 - bucket.tokens) / self._rate))
