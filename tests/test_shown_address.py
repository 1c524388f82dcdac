"""No spelling of a password is shown, and an address without one is shown as it is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.shown_address import shown_address, without_secrets

PASSWORDS = st.text(st.sampled_from("abcXYZ019@:/?#&=%+.,;![] \\'\"é🙂"), min_size=5, max_size=25).filter(
    # without a scheme, me:{} that begins with // reads as a scheme and a user of no password
    lambda text: not set(text) <= set("host/db") and "db.example" not in text and not text.startswith("//")
)
SPELLINGS = (
    "postgresql://me:{}@db.example:5432/x",
    "postgresql+psycopg://me:{}@db.example/x?sslmode=disable",
    "postgresql://db.example/x?user=me&password={}",
    "postgresql://db.example:5432/x?password={}&user=me",
    "postgresql:/me:{}@db.example/x",
    "postgresql//me:{}@db.example/x",
    "me:{}@db.example/x",
    "post gresql://me:{}@db.example/x",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(password=PASSWORDS)
@example(password="hunter#2")
@example(password="hunter/2")
@example(password="hun?ter2")
@example(password="hun@ter2")
@example(password="hun:ter2")
@example(password="hun?password=ter@2")
def test_no_spelling_of_a_password_is_shown(spelling: str, password: str):
    shown = shown_address(spelling.format(password))
    for length in range(4, len(password) + 1):
        for start in range(len(password) - length + 1):
            piece = password[start : start + length]
            assert piece in spelling or piece not in shown, (piece, shown)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db:5432/x?sslmode=disable", "postgresql://me:***@db:5432/x?sslmode=disable"),
        ("postgresql://me:a@b@db/x", "postgresql://me:***@db/x"),
        ("postgresql://db/x?user=me&password=secret", "postgresql://db/x?user=me&password=***"),
        ("postgresql:/me:secret@db/x", "***@db/x"),
        ("postgresql://me:secret", "postgresql://me:***"),
    ],
)
def test_what_is_hidden(url: str, shown: str):
    assert shown_address(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////a/b.db", "sqlite:///a@b:c.db", "postgresql://me@db/x", "postgresql://db:5432/x",
        "postgresql://[::1]:5432/x", "http://127.0.0.1:5000", "not a url",
    ],
)  # fmt: skip
def test_an_address_without_a_password_is_shown_as_it_is(url: str):
    assert shown_address(url) == url


def test_a_message_is_told_without_its_pieces():
    url = "postgresql://me:p%40ss:word@db.example/x"
    said = "[Errno -2] cannot resolve 'p@ss:word' nor word at db.example"
    assert without_secrets(said, url) == "[Errno -2] cannot resolve '***' nor *** at db.example"
