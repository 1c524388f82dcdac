"""Which requests are of a server's own pages, by Host and Origin."""

from __future__ import annotations

import pytest

from components.own_pages import is_own


def of(*headers: tuple[str, str]) -> bool:
    return is_own([(name.encode(), value.encode()) for name, value in headers])


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "LocalHost:5000"])
@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:5000", "http://localhost:5000"])
def test_its_own(host: str, origin: str | None):
    assert of(("host", host), *([("origin", origin)] if origin else []))


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:5000", "127.0.0.1.evil.example:5000", "localhost.evil.example:5000",
     "evil.example@127.0.0.1:5000", "127.0.0.1:x", "127.0.0.1:5000/evil", "[::1]:5000", "localhost:5000 evil.example"],
)  # fmt: skip
def test_a_foreign_host(host: str):
    assert not of(("host", host))


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:9999", "http://localhost", "https://localhost:5000", "http://evil.example:5000", "null", "",
     "http://127.0.0.1:5000.evil.example", "http://127.0.0.1:5000@evil.example", "http://localhost:5000/x"],
)  # fmt: skip
def test_a_foreign_page(origin: str):
    assert not of(("host", "127.0.0.1:5000"), ("origin", origin))


def test_nothing_and_two_of_a_kind():
    assert not of()
    assert not of(("host", "localhost:5000"), ("host", "evil.example"))
    assert not of(
        ("host", "localhost:5000"), ("origin", "http://localhost:5000"), ("origin", "http://evil.example")
    )
