"""Strings and numbers that break what was not made for them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

_BY_HAND = (
    "", " ", "\t", "\n", "\r\n", "a\nb", "a\tb", " lead", "trail ", "\u00a0nbsp\u00a0", "\u200bzero width", "\ufeffBOM",
    "\x00", "a\x00b", "\x01", "\x1b[31mred", "\x7f", "\x85", "\u2028line", "\u202eright to left", "\u2066isolate",
    "\ud800", "a\udfffb", "\ud83d", "\ufffe", "\uffff", "\U0010ffff", "e\u0301", "\u00e9", "\u1100\u1161", "\uac00",
    "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "𝕏", "ß", "ẞ", "İ", "ı", "ﬁ", "Ａ", "А", "Ω", "Ω", "שלום", "مرحبا", "日本語", "ไทย", "Z͑ͫ̓ͪ̂ͫ",
    "null", "NULL", "None", "nan", "NaN", "NA", "N/A", "inf", "-inf", "true", "False", "undefined", "nil", "#N/A",
    "0", "-0", "00", "01", "1.0", "1e5", "1e308", "0x1F", "1_000", "1,000", "½", "٣", "１", "+1", "-1", "1.",
    "2024-01-01", "12:00", "'; DROP TABLE events; --", '" OR ""="', "1 OR 1=1", "a'b", 'a"b', "a`b", "a\\b", "\\", "%",
    "_",
    "%s", "{0}", "{x}", "$(id)", "`id`", "| id", "; id", "&& id", "../../etc/passwd", "/etc/passwd", "C:\\x", "file:///x",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&amp;", "&#0;", "]]>", "<!--", "{{7*7}}", "${7*7}",
    "=1+1", "+1+1", "@SUM(A1)", "-2+3", "=cmd|' /C calc'!A0", "'=1", "a,b", "a;b", "a|b", "|", "||", "[1]", '{"a": 1}',
    "!!python/object:os.system", "- a", "a: b", "#x", "~", "*", "?", "x" * 255, "x" * 256, "é" * 128, "x" * 65_536,
    "x" * 1_000_000, "\n" * 100, " " * 100, "con", "nul.txt", ".", "..", "/", "a/b", "a//b", "-", "--help", "-rf",
)  # fmt: skip
_ALPHABETS = (
    "abcXYZ019",
    "àßçøñĳ",
    "кириллица",
    "漢字仮名",
    "😀👍🏽🇫🇷",
    "\u0300\u0301\u200d\ufe0f",
    " \t\n\x00\x1f",
    "'\"\\<>&%$|,;=",
)


def strings(*, seed: int, count: int = 200) -> list[str]:
    """At least `count`, each once: those chosen by hand, and mixtures of alphabets."""
    chance = random.Random(seed)  # noqa: S311
    found = dict.fromkeys(_BY_HAND)
    while len(found) < max(count, len(_BY_HAND) + 40):
        letters = "".join(chance.sample(_ALPHABETS, 3))
        found["".join(chance.choices(letters, k=chance.randrange(1, 12)))] = None
    return list(found)


def numbers() -> list[Any]:
    """60 and more, of Python's types and NumPy's."""
    ints = [
        0,
        1,
        -1,
        2,
        5,
        10,
        255,
        256,
        2**31 - 1,
        2**31,
        2**32,
        2**53,
        2**53 + 1,
        2**63 - 1,
        2**63,
        2**64,
        -(2**63),
    ]
    ints += [10**18, 10**20, 10**30, 10**100, 10**308, 10**400]
    floats = [
        0.0,
        -0.0,
        0.1,
        0.5,
        -0.5,
        1.0,
        3.0,
        5.5,
        9.999999,
        10.0,
        10.000001,
        1e-5,
        1e-300,
        5e-324,
        1e15,
        1e16,
    ]
    floats += [
        1e17,
        1e22,
        1e300,
        1e308,
        1.7976931348623157e308,
        -1e308,
        float("inf"),
        -float("inf"),
        float("nan"),
    ]
    floats += [0.1 + 0.2, 1 / 3, 2.0**53, 2.0**63, 123456789.123]
    typed = [
        np.int8(-128),
        np.uint8(255),
        np.int64(2**62),
        np.uint64(2**64 - 1),
        np.float32(0.1),
        np.float16(0.5),
    ]
    typed += [np.float64("nan"), np.float32("inf"), True, False, np.bool_(True)]
    return [*ints, *floats, *typed]
