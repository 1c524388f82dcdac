"""From items to vectors: fit the encoders once, apply them to any later items, keep what was costly.

The tokenizer stays frozen over many cycles, so the space that it was fitted in must stay too: a cycle that
reuses the tokenizer loads its encoders and encodes new items with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from components.compute import ON_CPU, Compute
from components.features.cache import VectorCache
from components.features.encoders.audio import LogMelAudio
from components.features.encoders.content import Encoded, Encoder, OnStep
from components.features.encoders.image import EfficientNetImage
from components.features.encoders.metadata import fit_metadata, metadata_from_state
from components.features.encoders.precomputed import PrecomputedEmbedding, fit_precomputed
from components.features.encoders.text import WordLlamaText, fit_tfidf, tfidf_from_state
from components.features.vectors import MODALITIES, ItemVectors, Unreadable, modality_health

EncodeBy = Callable[[Encoder, Sequence[Any], OnStep | None], Encoded]  # who encodes; the vectors are the same
METADATA = "metadata"
_WORDS, _ARRAYS = "encoders.json", "encoders.safetensors"


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Which modalities, by which encoders."""

    modalities: tuple[str, ...] = MODALITIES  # those among them that some item has
    text: str = "wordllama"  # or "tfidf": fitted on the items alone
    text_dim: int = 256  # of tfidf
    text_max_words: int = 20_000  # of tfidf
    image_size: int = 160  # pixels a side; see encoders/image.py for what 224 costs and brings
    metadata_dim: int = 128  # more tokens than this are reduced by SVD
    metadata_min_count: int = 2  # items that must share a token for it to count
    seed: int = 7  # of the SVDs

    def __post_init__(self) -> None:
        if strangers := set(self.modalities) - set(MODALITIES):
            raise ValueError(f"modalities: {min(strangers)!r} is none of {', '.join(MODALITIES)}")
        if self.text not in ("wordllama", "tfidf"):
            raise ValueError(f"text: {self.text!r} is neither 'wordllama' nor 'tfidf'")
        for name in ("text_dim", "text_max_words", "metadata_dim", "metadata_min_count"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: {value} is less than 1")
        if self.image_size < 32:
            raise ValueError(f"image_size: {self.image_size} px is less than the network's stride of 32")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"modalities": list(self.modalities)}


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """A frozen encoder for each modality that the items it was fitted on had."""

    config: EncoderConfig
    by_modality: Mapping[str, Encoder]

    @property
    def ids(self) -> dict[str, str]:
        """Encoder id of each modality: together they name the space."""
        return {m: self.by_modality[m].id for m in sorted(self.by_modality)}


def fit_encoders(items: pd.DataFrame, config: EncoderConfig, *, root: Path | None) -> Encoders:
    """Fit on these items alone; a modality that none of them has gets no encoder.

    `items` has the item columns of a snapshot, and `vector` where there are any; `root` has images and sounds.
    """
    fitted = {m: encoder for m in config.modalities if (encoder := _fit(m, items, config)) is not None}
    holding = {m: e for m, e in fitted.items() if any(e.read(items, root).keys)}
    return Encoders(config=config, by_modality={m: holding[m] for m in sorted(holding)})


def encode(
    encoders: Encoders,
    items: pd.DataFrame,
    *,
    root: Path | None,
    cache: VectorCache | None = None,
    on_step: OnStep | None = None,
    compute: Compute = ON_CPU,
    encode_by: EncodeBy | None = None,
) -> ItemVectors:
    """Vectors of these items in the encoders' space: every modality of the encoders, whatever the items hold.

    Items may come in any order and must be distinct. A file that cannot be read is missing, and told in
    `unreadable`. `on_step(done, total, {})` counts contents of one modality at a time. Images are read as `compute`
    says; no other encoder is a network. What is not kept yet, `encode_by` encodes (None: this process).
    Raises DeviceUnavailable, and what `encode_by` raises.
    """
    items = items.sort_values("item_id", kind="stable")
    if (repeated := items["item_id"].duplicated()).any():
        raise ValueError(f"item {items['item_id'][repeated].iloc[0]!r} stands in more than one row")
    vectors, present, unreadable = {}, {}, []
    for modality, encoder in sorted(encoders.by_modality.items()):
        if isinstance(encoder, EfficientNetImage):
            encoder = replace(encoder, compute=compute)
        vectors[modality], present[modality], faults = _encode_one(
            encoder, items, root, cache, on_step, encode_by or _in_this_process
        )
        unreadable += faults
    return ItemVectors(
        item_ids=items["item_id"].to_numpy(dtype=object),
        vectors=vectors,
        present=present,
        encoders=encoders.ids,
        health={m: modality_health(vectors[m], present[m]) for m in vectors},
        unreadable=tuple(unreadable),
    )


def encode_items(
    items: pd.DataFrame,
    config: EncoderConfig,
    *,
    root: Path | None,
    cache: VectorCache | None = None,
    on_step: OnStep | None = None,
) -> ItemVectors:
    """Fit on the items and encode them: `fit_encoders`, then `encode`."""
    encoders = fit_encoders(items, config, root=root)
    return encode(encoders, items, root=root, cache=cache, on_step=on_step)


def told_apart(
    encoders: Encoders, vectors: ItemVectors, *, max_duplicate_share: float
) -> tuple[Encoders, ItemVectors]:
    """Both without metadata, where so many of its vectors repeat another item's and other modalities remain.

    A few categories over many items are honest and say little; of other modalities the same share is a fault, which
    the contract on vectors names.
    """
    health = vectors.health.get(METADATA)
    if health is None or health.duplicate_share <= max_duplicate_share or len(vectors.vectors) < 2:
        return encoders, vectors
    kept = {m: encoder for m, encoder in encoders.by_modality.items() if m != METADATA}
    without = Encoders(config=encoders.config, by_modality=kept)
    return without, replace(
        vectors,
        vectors={m: vectors.vectors[m] for m in kept},
        present={m: vectors.present[m] for m in kept},
        encoders=without.ids,
        health={m: vectors.health[m] for m in kept},
    )


def save_encoders(encoders: Encoders, folder: Path) -> None:
    """Write what was fitted as JSON and safetensors."""
    words: dict[str, Any] = {"config": encoders.config.to_dict(), "encoders": {}}
    arrays: dict[str, np.ndarray] = {}
    for modality, encoder in encoders.by_modality.items():
        state, tensors = encoder.state()
        words["encoders"][modality] = {"id": encoder.id, **state}
        arrays |= {f"{modality}.{name}": tensor for name, tensor in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _WORDS).write_text(json.dumps(words, indent=1, sort_keys=True))
    save_file(arrays, folder / _ARRAYS)


def load_encoders(folder: Path) -> Encoders:
    """The encoders of `save_encoders`.

    Raises EncoderChanged if this installation's encoders are not those that were saved.
    """
    words = json.loads((folder / _WORDS).read_text())
    tensors = load_file(folder / _ARRAYS)
    config = EncoderConfig(**words["config"] | {"modalities": tuple(words["config"]["modalities"])})
    loaded = {}
    for modality, state in sorted(words["encoders"].items()):
        arrays = {n.split(".", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{modality}.")}
        encoder = _FROM_STATE[state["kind"]](state, arrays)
        if encoder.id != state["id"]:
            raise EncoderChanged(
                f"{modality}: the saved encoder is {state['id']}, this installation has {encoder.id}. "
                "Install the version of infra/constraints.txt, or retrain with --refit-tokenizer."
            )
        loaded[modality] = encoder
    return Encoders(config=config, by_modality=loaded)


class EncoderChanged(Exception):
    """An encoder's id differs from the one it was saved under: its vectors would be of another space."""


def _fit(modality: str, items: pd.DataFrame, config: EncoderConfig) -> Encoder | None:
    match modality:
        case "image":
            return EfficientNetImage(size=config.image_size)
        case "audio":
            return LogMelAudio()
        case "embedding":
            return fit_precomputed(items)
        case "metadata":
            return fit_metadata(
                items, dim=config.metadata_dim, min_count=config.metadata_min_count, seed=config.seed
            )
        case _ if config.text == "tfidf":
            return fit_tfidf(items, dim=config.text_dim, max_words=config.text_max_words, seed=config.seed)
        case _:
            return WordLlamaText()


_FROM_STATE: dict[str, Callable[[dict[str, Any], dict[str, np.ndarray]], Encoder]] = {
    "wordllama": lambda state, arrays: WordLlamaText(),
    "tfidf": tfidf_from_state,
    "metadata": metadata_from_state,
    "efficientnet-lite0": lambda state, arrays: EfficientNetImage(size=state["size"]),
    "logmel": lambda state, arrays: LogMelAudio(),
    "precomputed": lambda state, arrays: PrecomputedEmbedding(dim=state["dim"]),
}


def _in_this_process(encoder: Encoder, values: Sequence[Any], on_step: OnStep | None) -> Encoded:
    return encoder.encode(values, on_step)


def _encode_one(
    encoder: Encoder,
    items: pd.DataFrame,
    root: Path | None,
    cache: VectorCache | None,
    on_step: OnStep | None,
    encode_by: EncodeBy,
) -> tuple[np.ndarray, np.ndarray, list[Unreadable]]:
    """Vectors [item, dim], mask [item], and files that could not be read; each content is encoded once."""
    content = encoder.read(items, root)
    name = encoder.kept_as
    keep = cache if name else None
    known = dict(keep.load(name)) if keep and name else {}
    pending = {
        key: value
        for key, value in zip(content.keys, content.values, strict=True)
        if key is not None and key not in known
    }
    encoded = encode_by(encoder, list(pending.values()), on_step)
    # a file that failed is asked again next time: it may have been repaired
    new = {key: row for i, (key, row) in enumerate(zip(pending, encoded.vectors, strict=True))
           if i not in encoded.failed}  # fmt: skip
    if keep and name:
        keep.keep(name, new)
    known |= new

    out = np.zeros((len(items), encoder.dim), dtype=np.float32)
    present = np.array([key in known for key in content.keys], dtype=bool)
    for row in np.flatnonzero(present):
        out[row] = known[content.keys[row]]  # type: ignore[index]  # present rows have a key
    why = {key: encoded.failed[i] for i, key in enumerate(pending) if i in encoded.failed}
    faults = [
        Unreadable(item_id=item_id, path=_under(root, value), why=why[key])
        for item_id, key, value in zip(items["item_id"], content.keys, content.values, strict=True)
        if key in why
    ]
    return out, present, [*content.unreadable, *faults]


def _under(root: Path | None, path: Path) -> str:
    return path.relative_to(root.resolve()).as_posix() if root else str(path)
