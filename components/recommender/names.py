"""What may be asked for by name: arms and their presets. Loads nothing, so that a command line knows them at once."""

from __future__ import annotations

from typing import Literal

ArmName = Literal[
    "mmgrec",
    "mmgrec_paper",
    "tiger",
    "semantic_sasrec",
    "fusion",
    "sasrec",
    "hstu",
    "hstu_text",
    "m2trec",
    "fmlp",
    "gru4rec",
    "bert4rec",
    "gsasrec",
    "tim4rec",
    "lightgcn",
    "alpharec",
    "rlmrec",
    "onepiece",
    "pisa",
    "multitron",
    "ease",
]
SEMANTIC_ID_ARMS: frozenset[ArmName] = frozenset(
    ("mmgrec", "mmgrec_paper", "tiger", "semantic_sasrec", "fusion")
)
# read event types, each of which is an objective, and take a preference over them
PREFERENCE_ARMS: frozenset[ArmName] = frozenset(("multitron",))
# read what items are, by their vectors
CONTENT_ARMS: frozenset[ArmName] = frozenset(("hstu_text", "m2trec", "alpharec", "rlmrec"))
# those whose new items can be given a share of the places
NEW_ITEM_ARMS: frozenset[ArmName] = CONTENT_ARMS | {"mmgrec", "mmgrec_paper", "semantic_sasrec", "fusion"}
SOLVED_ARMS: frozenset[ArmName] = frozenset(("ease",))  # at once; the others take steps
# trained in one process whatever the workers: solved, or by a loss that is no mean over targets
ALONE_ARMS: frozenset[ArmName] = SOLVED_ARMS | PREFERENCE_ARMS | {"onepiece"}
PresetName = Literal["default", "accurate", "quick"]
