"""Texts of planted items: words of the item's own theme, in a frame that says nothing."""

from __future__ import annotations

import numpy as np

from components.data.sources.synthetic_text import THEMES, describe

CLUSTERS = np.arange(24) % len(THEMES)


def test_words_are_of_the_items_theme_and_the_frame_is_shared():
    names = list(THEMES)
    frames = set()
    for row, cluster in zip(describe(np.random.default_rng(0), CLUSTERS).itertuples(), CLUSTERS, strict=True):
        own = set(THEMES[names[cluster]])
        words = row.description.replace(",", "").replace(":", "").split()
        assert len(own & set(words)) == 4
        assert row.categories == names[cluster]
        frames.add((words[0], words[2], words[-1]))
    assert len(frames) == 1


def test_themes_share_no_word():
    words = [word for theme in THEMES.values() for word in theme]
    assert len(words) == len(set(words))


def test_titles_are_of_one_item_each_and_the_seed_decides():
    first, again = (describe(np.random.default_rng(3), CLUSTERS) for _ in range(2))
    assert first["title"].is_unique
    assert first.equals(again)
    assert not first.equals(describe(np.random.default_rng(4), CLUSTERS))
