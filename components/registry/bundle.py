"""The bundle: recommender, tokenizer, ID table and titles, compatible only as a set and shipped as one.

A published artifact of kind "bundle":

    arm/           what `Arm.save` wrote: weights.safetensors, arm.json, tables
    tokenizer/     tokenizer and ID table; absent for an arm without semantic IDs
    items.parquet  item_id, title, categories
    bundle.json    BundleFacts
    manifest.json  SHA-256 of every file, and the digests of what it was made from

A file of any other kind is refused: pickled code in a bundle would run when it is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.artifact import MANIFEST, ArtifactDamaged, ArtifactRef, publish, verified
from components.registry.warm_start import WarmStart

KIND = "bundle"
FORMAT = 1  # of what lies in a bundle; the number stands in its facts from 2 on, where it is 1 it is left out
ARM, TOKENIZER, ITEMS, FACTS = "arm", "tokenizer", "items.parquet", "bundle.json"
HEALTH = "health.json"  # of the tokenizer: figure -> value
ARM_ITEMS, ID_TABLE = "item_ids.parquet", "semantic_ids.parquet"  # both: item_id, one column a code
ITEM_COLUMNS = ("item_id", "title", "categories")
SAFE_SUFFIXES = frozenset({".json", ".parquet", ".safetensors"})
_ITEM_SCHEMA = pa.schema([(name, pa.string()) for name in ITEM_COLUMNS])


class BundleMismatch(Exception):
    """The parts of a bundle do not belong together, or a part is not what a bundle may hold."""


@dataclass(frozen=True, kw_only=True)
class BundleFacts:
    """What a bundle was made from: every id that a version, and so a recommendation, is traced by."""

    arm: str
    train_end: str  # ISO 8601, UTC: events before it were trained on
    snapshot: str
    feature_set: str
    tokenizer: str | None  # None, like the next, for an arm without semantic IDs
    id_table: str | None
    seed: int
    code: str  # digest over the sources and the pinned versions
    warm_start: WarmStart | None = None  # None: training began at no weights

    def __post_init__(self) -> None:
        moment = datetime.fromisoformat(self.train_end)
        if moment.utcoffset() is None or moment.utcoffset():
            raise ValueError(
                f"train_end {self.train_end!r} is not in UTC; write it like 1998-04-01T00:00:00+00:00"
            )
        if (self.tokenizer is None) != (self.id_table is None):
            raise ValueError("tokenizer and id_table are given together or not at all")

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; of a cold training, what it was before there were others."""
        return {name: value for name, value in asdict(self).items() if name != "warm_start" or value}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> BundleFacts:
        told, begun = {field.name for field in fields(cls)}, said.get("warm_start")
        number, said = said.get("format", FORMAT), {name: said[name] for name in said if name != "format"}
        if number != FORMAT or (unknown := sorted(said.keys() - told)):
            what = (
                f"format {number}"
                if number != FORMAT
                else f"facts that this release does not know, {unknown}"
            )
            raise BundleMismatch(
                f"the bundle has {what}; this release reads format {FORMAT}. A newer release built it: update this "
                "checkout, or serve another version (`recloop rollback` goes to the champion before)."
            )
        return cls(**{**said, "warm_start": WarmStart(**begun) if begun else None})


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle on disk, each byte of it checked."""

    path: Path
    digest: str
    facts: BundleFacts

    @property
    def arm_path(self) -> Path:
        return self.path / ARM

    @property
    def tokenizer_path(self) -> Path | None:
        return self.path / TOKENIZER if self.facts.tokenizer is not None else None

    def tokenizer_health(self) -> dict[str, float]:
        """What was measured when the tokenizer was fitted; empty where nothing is kept."""
        kept = sorted((self.path / TOKENIZER).rglob(HEALTH))
        return dict(json.loads(kept[0].read_text())) if kept else {}

    def items(self) -> pd.DataFrame:
        """ITEM_COLUMNS, ascending by item_id. Raises BundleMismatch where it is no such table."""
        try:
            return pq.read_table(self.path / ITEMS, columns=list(ITEM_COLUMNS)).to_pandas()
        except (pa.ArrowException, OSError) as error:
            raise BundleMismatch(
                f"{self.path / ITEMS}: not a table of items ({error}). Build the bundle anew."
            ) from error

    def semantic_id(self, item_id: str) -> tuple[int, ...] | None:
        """The codes of an item in the ID table, coarse to fine; None for an item or arm without."""
        table = self.semantic_ids()
        if table is None or item_id not in table.index:
            return None
        return tuple(int(code) for code in table.loc[item_id])

    def semantic_ids(self) -> pd.DataFrame | None:
        """The ID table: a row an item, by item_id, one column a code, collision token last; None for an arm without."""
        found = sorted((self.path / TOKENIZER).rglob(ID_TABLE))
        return _by_item(found[0]) if found else None


def build_bundle(
    root: Path,
    *,
    write_arm: Callable[[Path], None],
    write_tokenizer: Callable[[Path], None] | None,
    items: pd.DataFrame,
    facts: BundleFacts,
) -> ArtifactRef:
    """Publish the parts as one; the same parts give the same digest.

    `items` holds ITEM_COLUMNS, one row an item. Raises BundleMismatch if a tokenizer is written without its
    digests or the other way round, if an item stands twice, or if a part writes a file of a foreign kind.
    """
    if (write_tokenizer is None) != (facts.tokenizer is None):
        raise BundleMismatch(
            f"arm {facts.arm!r}: the facts name tokenizer {facts.tokenizer}, and a tokenizer is "
            f"{'not ' if write_tokenizer is None else ''}written. Pass both or neither."
        )
    table = items.loc[:, list(ITEM_COLUMNS)].sort_values("item_id")
    if (twice := table["item_id"].duplicated()).any():
        raise BundleMismatch(
            f"items: {table['item_id'][twice].iloc[0]!r} stands more than once. Drop the older row."
        )

    def write(folder: Path) -> None:
        (folder / ARM).mkdir()
        write_arm(folder / ARM)
        if write_tokenizer is not None:
            (folder / TOKENIZER).mkdir()
            write_tokenizer(folder / TOKENIZER)
        pq.write_table(pa.Table.from_pandas(table, schema=_ITEM_SCHEMA, preserve_index=False), folder / ITEMS)
        (folder / FACTS).write_text(json.dumps(facts.to_dict(), indent=1, sort_keys=True))
        _refuse_mismatch(folder, facts)

    roles = ("snapshot", "feature_set", "tokenizer", "id_table")
    parents = {role: digest for role in roles if (digest := getattr(facts, role)) is not None}
    return publish(root, KIND, write, parents=parents, config=facts.to_dict())


def open_bundle(path: Path | str) -> Bundle:
    """Check every byte and that the parts belong together.

    Raises ArtifactDamaged naming the file, BundleMismatch naming the parts.
    """
    folder = Path(path)
    manifest = verified(folder)
    if manifest["kind"] != KIND:
        raise BundleMismatch(f"{folder}: an artifact of kind {manifest['kind']!r}, not a bundle")
    try:
        facts = BundleFacts.from_dict(manifest["config"])
    except (TypeError, ValueError) as error:
        raise BundleMismatch(
            f"{folder}: its manifest does not say what the bundle was made from ({error}). Fetch or build it anew."
        ) from error
    _refuse_mismatch(folder, facts)
    return Bundle(path=folder, digest=manifest["digest"], facts=facts)


def _refuse_mismatch(folder: Path, facts: BundleFacts) -> None:
    """A part that carries an identity of its own must be the one that the facts name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in SAFE_SUFFIXES:
            raise BundleMismatch(
                f"{path.relative_to(folder)}: a bundle holds {', '.join(sorted(SAFE_SUFFIXES))} only, since "
                "anything else might run when it is loaded. Write weights as safetensors, tables as parquet."
            )
    if (folder / TOKENIZER).exists() != (facts.tokenizer is not None):
        raise BundleMismatch(
            f"{folder}: the facts name tokenizer {facts.tokenizer}; the folder says otherwise"
        )
    for path in sorted((folder / TOKENIZER).rglob(MANIFEST)):
        part = verified(path.parent)
        expected = {"tokenizer": facts.tokenizer, "id_table": facts.id_table}.get(part["kind"])
        if part["digest"] != expected:
            raise BundleMismatch(
                f"tokenizer/: {part['kind']} {part['digest'][:12]}, the facts name {str(expected)[:12]}. "
                "Build the bundle from the tokenizer and ID table that its arm was trained on."
            )
        if part["parents"].get("tokenizer", facts.tokenizer) != facts.tokenizer:
            raise BundleMismatch(
                f"tokenizer/: {part['kind']} {part['digest'][:12]} was made by tokenizer "
                f"{part['parents']['tokenizer'][:12]}, not by {str(facts.tokenizer)[:12]}. Tokenize the items again."
            )
    _refuse_other_codes(folder)


def _refuse_other_codes(folder: Path) -> None:
    """The codes that an arm was trained on are those that the ID table gives; digests alone cannot tell."""
    path = folder / ARM / ARM_ITEMS
    if not path.exists():
        return
    arm = _by_item(path).filter(regex=r"^code_\d+$")
    if arm.empty:
        return
    found = sorted((folder / TOKENIZER).rglob(ID_TABLE))
    if len(found) != 1:
        raise BundleMismatch(
            f"tokenizer/: {len(found)} files {ID_TABLE} beside an arm with semantic IDs; it takes exactly one. "
            "Let write_tokenizer write the ID table that the arm was trained on."
        )
    table = _by_item(found[0])
    theirs = table.reindex(arm.index).to_numpy(dtype=float)  # NaN where the table has no such item
    differs = [True] * len(arm) if theirs.shape != arm.shape else (theirs != arm.to_numpy()).any(axis=1)
    if any(differs):
        raise BundleMismatch(
            f"arm/{ARM_ITEMS}: {sum(differs)} of {len(arm)} items have other codes than in the ID table; first is "
            f"item {arm.index[differs][0]!r}. Bundle the arm with the ID table that it was trained on."
        )


def _by_item(path: Path) -> pd.DataFrame:
    try:
        return pq.read_table(path).to_pandas().set_index("item_id")
    except (pa.ArrowException, KeyError) as error:
        raise BundleMismatch(
            f"{path.parent.name}/{path.name}: not a table of items ({error}). Let the arm or tokenizer write it anew."
        ) from error


def kept_bundle(root: Path, digest: str) -> ArtifactRef | None:
    """The bundle of this digest under `root`, every byte checked; None if it was never fetched there.

    Raises ArtifactDamaged.
    """
    local = root / KIND / digest[:20]
    if not (local / MANIFEST).exists():
        return None
    refuse_other(local, digest, str(local))
    return ArtifactRef(kind=KIND, digest=digest, path=str(local))


def refuse_other(folder: Path, digest: str, where: str) -> None:
    """Raise ArtifactDamaged unless the folder holds, whole, the artifact of this digest."""
    if (found := verified(folder)["digest"]) != digest:
        raise ArtifactDamaged(
            f"{where}: holds bundle {found[:12]}, not {digest[:12]}. Remove it and fetch it anew."
        )
