"""The items an arm knows: ids, codes, which of them it was trained on, and how large its code tables are.

Of an arm that reads content also which items have any, and in what space and how wide their vectors are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from components.content_vectors import ContentVectors
from components.recommender.sequences import TrainingSequences

SPARE_COLLISIONS = 8  # collision tokens a table holds at least, so that later items find a row


class CodeOutOfRange(Exception):
    """A new item carries a code that the trained tables do not have: another tokenizer made it."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Rows are items in ascending order of id; an arm without codes has no levels."""

    item_ids: np.ndarray  # [item] str objects, ascending, no duplicates
    codes: Int[np.ndarray, "item level"]  # collision token last
    is_trained: Bool[np.ndarray, "item"]  # has a training event
    num_codes: tuple[int, ...]  # rows of each level's table
    has_content: Bool[np.ndarray, "item"] | None = None  # None: an arm that reads none
    content_space: str = ""  # as ContentVectors names it
    content_width: int = 0

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def read_codes(self) -> Int[np.ndarray, "item level"]:
        """The codes that an item's vector is made of.

        A collision token that no trained item has reads as the highest that one has: its own row, in the table
        or beyond it, was never learned. What tells the items of one prefix apart is the trie, not the row.
        """
        if not self.codes.shape[1]:
            return self.codes
        learned = self.codes[self.is_trained, -1].max(initial=0)
        return np.column_stack([self.codes[:, :-1], np.minimum(self.codes[:, -1], learned)])


def vocabulary_of(
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item level"] | None = None,
    num_codes: Sequence[int] | None = None,
    content: ContentVectors | None = None,
) -> Vocabulary:
    """The vocabulary that training starts from.

    `content` has a row an item, in the vocabulary's order.

    `num_codes` are the tokenizer's table sizes; without them a level is as large as its largest code asks, and
    the collision tokens have room for more. Raises ValueError for rows that are not one an item, and
    CodeOutOfRange for a code beyond its table.
    """
    if codes is None:
        codes = np.zeros((sequences.num_items, 0), dtype=np.int64)
    if codes.shape[0] != sequences.num_items:
        raise ValueError(
            f"{codes.shape[0]} rows of codes for {sequences.num_items} items: pass one row an item"
        )
    if num_codes is None:
        largest = codes.max(axis=0, initial=0) + 1
        num_codes = [int(size) for size in largest]
        if num_codes:
            num_codes[-1] = max(num_codes[-1], SPARE_COLLISIONS)
    _check_range(sequences.item_ids, codes, num_codes)
    events = np.bincount(sequences.items, minlength=sequences.num_items)
    vocabulary = Vocabulary(
        item_ids=sequences.item_ids, codes=codes, is_trained=events > 0, num_codes=tuple(num_codes)
    )
    if content is None:
        return vocabulary
    if len(content) != len(vocabulary):
        raise ValueError(f"{len(content)} rows of content for {len(vocabulary)} items: pass one row an item")
    return replace(
        vocabulary,
        has_content=content.is_known,
        content_space=content.space,
        content_width=content.width,
    )


@dataclass(frozen=True, kw_only=True)
class Extended:
    vocabulary: Vocabulary
    row_before: Int[np.ndarray, "item"]  # where an item stood, -1 for a new one


def with_more_content(
    vocabulary: Vocabulary, item_ids: np.ndarray, content: ContentVectors
) -> tuple[Extended, Int[np.ndarray, "new"]]:
    """The vocabulary with more items that have content, and which rows of `content` those are: an item that is known
    stays what it is, and may be passed again.

    Raises ValueError for content of another space, or an item twice.
    """
    if content.space != vocabulary.content_space:
        raise ValueError(
            f"the content is of the encoders {content.space!r}, the arm reads {vocabulary.content_space!r}: encode the "
            "items with those of its training"
        )
    assert vocabulary.has_content is not None
    new = np.flatnonzero(~np.isin(item_ids.astype(str), vocabulary.item_ids.astype(str)))
    grown = extended(vocabulary, item_ids[new], np.zeros((len(new), 0), dtype=np.int64))
    has_content = np.append(vocabulary.has_content, False)[grown.row_before]
    has_content[grown.row_before < 0] = content.is_known[new][np.argsort(item_ids[new], kind="stable")]
    return replace(grown, vocabulary=replace(grown.vocabulary, has_content=has_content)), new


def extended(vocabulary: Vocabulary, item_ids: np.ndarray, codes: Int[np.ndarray, "new level"]) -> Extended:
    """The vocabulary with more items; those it has keep their codes, and may be passed again.

    Raises CodeOutOfRange for a code beyond the trained tables (collision tokens may grow), ValueError when a
    known item comes with other codes, or an item twice.
    """
    item_ids = np.asarray(item_ids, dtype=object)
    if len(item_ids) != len(codes):
        raise ValueError(f"{len(codes)} rows of codes for {len(item_ids)} items: pass one row an item")
    named, count = np.unique(item_ids, return_counts=True)
    if len(named) and count.max() > 1:
        raise ValueError(f"item {named[count.argmax()]!r} comes {count.max()} times; pass an item once")
    place = {item: at for at, item in enumerate(vocabulary.item_ids)}
    known = np.array([place.get(item, -1) for item in item_ids], dtype=np.int64)
    is_new = known < 0
    if (changed := (vocabulary.codes[known[~is_new]] != codes[~is_new]).any(axis=1)).any():
        raise ValueError(
            f"item {item_ids[~is_new][changed][0]!r} has other codes than the arm was trained with; "
            "IDs are append-only"
        )
    _check_range(item_ids[is_new], codes[is_new, :-1], vocabulary.num_codes[:-1])
    all_ids = np.concatenate([vocabulary.item_ids, item_ids[is_new]])
    order = np.argsort(all_ids, kind="stable")
    added = int(is_new.sum())
    return Extended(
        vocabulary=replace(
            vocabulary,
            item_ids=all_ids[order],
            codes=np.concatenate([vocabulary.codes, codes[is_new]])[order],
            is_trained=np.concatenate([vocabulary.is_trained, np.zeros(added, dtype=bool)])[order],
        ),
        row_before=np.concatenate([np.arange(len(vocabulary)), np.full(added, -1)])[order],
    )


def forgetting(
    vocabulary: Vocabulary, chosen: Bool[np.ndarray, "item"]
) -> tuple[Vocabulary, Int[np.ndarray, "item"]]:
    """The vocabulary in which these items have no training event, and where each row stood: -1 for these, as if new."""
    return (
        replace(vocabulary, is_trained=vocabulary.is_trained & ~chosen),
        np.where(chosen, -1, np.arange(len(vocabulary))),
    )


def _check_range(
    item_ids: np.ndarray, codes: Int[np.ndarray, "item level"], num_codes: Sequence[int]
) -> None:
    if codes.shape[1] != len(num_codes):
        raise ValueError(f"codes have {codes.shape[1]} levels, the tables {len(num_codes)}")
    over = codes >= np.array(num_codes, dtype=np.int64)
    if over.any():
        row, level = np.argwhere(over)[0]
        raise CodeOutOfRange(
            f"item {item_ids[row]!r} has code {codes[row, level]} at level {level}, the arm knows "
            f"{num_codes[level]}: another tokenizer dealt it. Train an arm on these IDs with recloop retrain"
        )
