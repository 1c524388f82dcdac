"""What lies beside the items of a source when they are encoded: images and sounds in its folder, vectors in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.markup import escape

from components.artifact import ArtifactRef, verified
from components.content_vectors import space_of
from components.data.sources.item_vectors import SourceVectors
from components.data.sources.opening import open_source
from components.features import encoding
from components.features.cache import VectorCache
from components.features.encoders.content import OnStep
from components.features.encoders.precomputed import COLUMN, refuse_given
from components.features.vectors import ItemVectors, Unreadable
from components.parallel.encoding import encode_on_ray
from flows.local.console import console, warning_line
from flows.settings import Settings, load_settings
from flows.workers import workers_of


@dataclass(frozen=True, kw_only=True)
class ItemContent:
    """Where files are looked for, and the vectors that the source brings; None where it has none."""

    root: Path | None
    vectors: SourceVectors | None

    @property
    def facts(self) -> dict[str, str]:
        """What a stage's key holds of it: nothing, where the source brings no vectors and the CPU encodes."""
        given = {"item_vectors": self.digest} if self.vectors else {}
        return {**given, **load_settings().ranked_on}

    @property
    def digest(self) -> str:
        """Of the vectors; "" where the source brings none."""
        return self.vectors.digest if self.vectors else ""

    def beside(self, items: pd.DataFrame) -> pd.DataFrame:
        """The items with their vectors."""
        if self.vectors is None:
            return items
        return items.assign(**{COLUMN: self.vectors.of(items["item_id"]).to_numpy()})

    def encode(
        self, encoders: encoding.Encoders, items: pd.DataFrame, on_step: OnStep | None = None
    ) -> ItemVectors:
        """Vectors of these items in the encoders' space, by this process or the workers of the settings."""
        settings = load_settings()
        return encoding.encode(
            encoders, self.beside(items), root=self.root, cache=VectorCache(settings.home / "vectors"),
            on_step=on_step, compute=settings.compute,
            encode_by=_by_workers(settings),
        )  # fmt: skip

    def refuse_another_model(self, before: ItemVectors) -> None:
        """Raise VectorsChanged where the source's vectors are not of the model that `before` is of."""
        if self.vectors is not None:
            refuse_given(before, self.vectors.of(before.item_ids).tolist())


def encoders_space(feature_set: ArtifactRef) -> str:
    """The space of content by the encoders of a feature set. Raises Undecided for one that is still to be made."""
    assert feature_set.digest  # what is still to be made decides nothing, and says so here
    return space_of(verified(feature_set.path)["config"]["encoders"])


def _by_workers(settings: Settings) -> encoding.EncodeBy | None:
    workers = workers_of(settings)
    if workers is None:
        return None
    return lambda encoder, values, on_step: encode_on_ray(encoder, values, workers, on_step)


def content_of(source: str | None, mapping: str) -> ItemContent:
    """What the source brings now; nothing without a source. Raises as `Source.item_vectors` does."""
    if source is None:
        return ItemContent(root=None, vectors=None)
    opened = open_source(source, home=load_settings().sources, mapping=mapping)
    return ItemContent(root=opened.media_root, vectors=opened.item_vectors())


def tell_unused(vectors: SourceVectors, *, fitted_before: bool) -> None:
    """Say that nothing comes of the vectors that the source brings, and why."""
    why = "they are of no item; `recloop validate` names the nearest"
    if fitted_before:
        why = "the tokenizer was fitted without them: fit a new one with --refit-tokenizer"
    warning_line(f"vectors of {vectors.reading.file} are not used: {why}")


def tell_unreadable(faults: tuple[Unreadable, ...]) -> None:
    """Name the first of them; their items go without that modality."""
    first = faults[0]
    console.print(
        f"    [yellow]{len(faults)} files could not be read, and their items go without[/yellow]; first is "
        f"{escape(first.path)} of item {escape(first.item_id)}: {escape(first.why)}. Replace the file; "
        "the next batch encodes it."
    )
