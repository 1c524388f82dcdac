"""Titles and descriptions of planted items: the words of an item's cluster, in a frame all clusters share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int

THEMES: dict[str, tuple[str, ...]] = {
    "ocean": ("coral", "tide", "harbour", "whale", "anchor", "reef", "sailor", "lagoon", "pearl", "storm"),
    "desert": ("dune", "caravan", "oasis", "mirage", "scorpion", "canyon", "nomad", "cactus", "dust", "sun"),
    "space": ("orbit", "comet", "nebula", "rocket", "moon", "galaxy", "asteroid", "signal", "probe", "star"),
    "kitchen": ("bread", "saffron", "oven", "recipe", "butter", "cellar", "spice", "chef", "feast", "honey"),
    "crime": (
        "detective",
        "alibi",
        "heist",
        "witness",
        "verdict",
        "forger",
        "motive",
        "safe",
        "trial",
        "clue",
    ),
    "music": ("violin", "tempo", "chorus", "drummer", "ballad", "opera", "encore", "melody", "band", "jazz"),
    "winter": (
        "glacier",
        "sledge",
        "blizzard",
        "frost",
        "fjord",
        "skates",
        "pine",
        "avalanche",
        "ice",
        "wolf",
    ),
    "sport": ("marathon", "goal", "coach", "league", "sprint", "stadium", "medal", "referee", "team", "race"),
    "royalty": ("throne", "crown", "duke", "castle", "heir", "banquet", "knight", "treaty", "queen", "court"),
    "robots": (
        "android",
        "circuit",
        "sensor",
        "factory",
        "program",
        "cyborg",
        "engine",
        "laser",
        "code",
        "metal",
    ),
    "garden": ("orchid", "hedge", "seed", "bee", "meadow", "greenhouse", "rose", "willow", "pond", "harvest"),
    "railway": (
        "locomotive",
        "station",
        "tunnel",
        "ticket",
        "viaduct",
        "conductor",
        "steam",
        "signalman",
        "platform",
        "track",
    ),
}
_MOODS = ("silent", "golden", "broken", "hidden", "last", "little", "endless", "crooked", "bright", "lost")


def describe(rng: np.random.Generator, cluster: Int[np.ndarray, "item"]) -> pd.DataFrame:
    """title, description, categories, attributes of each item."""
    names = list(THEMES)
    rows = []
    for number, c in enumerate(cluster):
        words = rng.choice(THEMES[names[c]], 6, replace=False)
        moods = rng.choice(_MOODS, 3, replace=False)
        title = f"The {moods[0].title()} {words[0].title()} and the {words[1].title()}"
        description = (
            f"A {moods[1]} story of {names[c]}: {words[2]}, {words[3]} and one {moods[2]} {words[4]}, "
            f"until the {words[5]} changes everything."
        )
        rows.append(
            {
                "title": f"{title} ({number + 1})",
                "description": description,
                "categories": names[c],
                "attributes": f"mood:{moods[0]}|mood:{moods[1]}",
            }
        )
    return pd.DataFrame(rows)
