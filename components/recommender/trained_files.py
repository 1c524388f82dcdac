"""Files of an arm with a network and a vocabulary: what every trained arm's `save` writes and its loader reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.weights import read_items, write_arm, write_items, write_weights

NEW_ITEM_OFFSET = "new_item_offset"


def write_trained(
    folder: Path,
    name: str,
    config: dict[str, Any],
    vocabulary: Vocabulary,
    network: nn.Module,
    *,
    new_item_offset: float = 0.0,
) -> None:
    """arm.json holds the config and the sizes of the code tables (`num_codes`) beside the name.

    And what is added to scores of new items, unless it is 0: an arm without it has the bytes that it had before.
    """
    raised = {NEW_ITEM_OFFSET: new_item_offset} if new_item_offset else {}
    write_arm(folder, name, config | {"num_codes": list(vocabulary.num_codes)} | raised)
    write_weights(folder, network)
    write_items(folder, vocabulary.item_ids, {"is_trained": vocabulary.is_trained}, vocabulary.codes)


def read_vocabulary(folder: Path, num_codes: Sequence[int]) -> Vocabulary:
    """Raises CheckpointMismatch for a missing or unreadable file."""
    item_ids, columns, codes = read_items(folder)
    return Vocabulary(
        item_ids=item_ids, codes=codes, is_trained=columns["is_trained"], num_codes=tuple(num_codes)
    )
