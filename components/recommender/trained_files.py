"""Files of an arm with a network and a vocabulary: what every trained arm's `save` writes and its loader reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.weights import read_items, write_arm, write_items, write_weights

NEW_ITEM_OFFSET = "new_item_offset"
CONTENT_SPACE, CONTENT_WIDTH = "content_space", "content_width"
# settings that came later: an arm without them has the bytes that it had before
_LATER = ("content", "temperature", "alignment", "reasoning")


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
    asked = {key: value for key, value in config.items() if value is not None or key not in _LATER}
    asked |= {"num_codes": list(vocabulary.num_codes)}
    if new_item_offset:
        asked[NEW_ITEM_OFFSET] = new_item_offset
    columns = {"is_trained": vocabulary.is_trained}
    if vocabulary.has_content is not None:
        asked |= {CONTENT_SPACE: vocabulary.content_space, CONTENT_WIDTH: vocabulary.content_width}
        columns["has_content"] = vocabulary.has_content
    write_arm(folder, name, asked)
    write_weights(folder, network)
    write_items(folder, vocabulary.item_ids, columns, vocabulary.codes)


def read_vocabulary(
    folder: Path, num_codes: Sequence[int], content_space: str = "", content_width: int = 0
) -> Vocabulary:
    """Raises CheckpointMismatch for a missing or unreadable file."""
    item_ids, columns, codes = read_items(folder)
    return Vocabulary(
        item_ids=item_ids,
        codes=codes,
        is_trained=columns["is_trained"],
        num_codes=tuple(num_codes),
        has_content=columns.get("has_content"),
        content_space=content_space,
        content_width=content_width,
    )
