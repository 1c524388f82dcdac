"""Which file and column of a source means what: by our own names, a known layout, `--map`, or `recloop.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.data.sources.columns.times import TimeForm
from components.data.sources.files.form import FileForm

Columns = Mapping[str, tuple[str, ...]]  # our field → names of theirs; the first that is there is taken

EVENT_NAMES: Columns = {
    "event_id": ("event_id",),
    "user_id": ("user_id", "user"),
    "item_id": ("item_id", "item"),
    "event_type": ("event_type", "event", "type"),
    "timestamp": ("timestamp", "time", "ts"),
    "value": ("value", "rating", "price"),
}
ITEM_NAMES: Columns = {
    "item_id": ("item_id", "item"),
    "title": ("title", "name"),
    "description": ("description", "plot"),
    "categories": ("categories", "genres"),
    "attributes": ("attributes", "tags"),
    "year": ("year",),
    "available_at": ("available_at",),
    "image": ("image",),
    "audio": ("audio",),
}
VECTOR_NAMES: Columns = {
    "item_id": ("item_id", "item"),
    "vector": ("vector", "embedding"),
}
REQUIRED_EVENT_COLUMNS = ("user_id", "item_id", "timestamp")
REQUIRED_ITEM_COLUMNS = ("item_id", "title")
REQUIRED_VECTOR_COLUMNS = ("item_id", "vector")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """A field that holds several things of one row: `N1-0 N2-1` says that N2 was clicked and N1 shown."""

    separator: str
    chosen: str = ""  # what ends the members that count; it is no part of the id
    passed_over: str = ""  # what ends those that do not


@dataclass(frozen=True, kw_only=True)
class LongTable:
    """A table with a row a property of an item, as it came to be known over time."""

    name: str  # column that names the property
    value: str
    time: str
    fields: Mapping[str, str]  # property → our field


@dataclass(frozen=True, kw_only=True)
class TableMap:
    """One table of a source."""

    files: tuple[str, ...]  # names within the folder, or patterns; the first that is there is read
    columns: Columns
    part_files: tuple[
        str, ...
    ] = ()  # patterns, where none of these is there: all that fit are parts of the table
    exclusive: bool = True  # whether two names of one field are a contradiction
    told: tuple[str, ...] = ()  # fields whose column a person named: the first name counts, and must be there
    form: FileForm = field(default_factory=FileForm)
    event_type: str = ""  # of every row, where no column says it
    choices: Choices | None = None
    flags: tuple[str, ...] = ()  # columns of 0 and 1, whose names are the categories
    separator: str = "|"  # between the members of categories and attributes
    long: LongTable | None = None
    distinct: bool = False  # of several rows of one item the first counts
    all_files: bool = False  # every file that fits is a part of the table
    optional: bool = False  # whether it is well that no such file is there
    query: str = ""  # SQL, in place of files
    database: str = ""  # that answers it: a SQLAlchemy URL, or the environment variable that holds it


_KINDS = (".csv", ".parquet", ".tsv", ".jsonl", ".ndjson", ".json", ".txt")
_EVENT_STEMS = ("events", "interactions")
_PACKED = ("", ".gz", ".zst", ".bz2", ".xz")


def _files(stems: tuple[str, ...]) -> tuple[str, ...]:
    plain = [f"{stem}{kind}" for stem in stems for kind in _KINDS]
    packed = [f"{name}{packed}" for packed in _PACKED for name in plain]
    return (*packed, *stems)  # last: a folder of parts


def _part_files(stems: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{stem}[-_]*{kind}{packed}" for stem in stems for kind in _KINDS[:-1] for packed in _PACKED)


OWN_VECTORS = TableMap(files=_files(("vectors", "embeddings")), columns=VECTOR_NAMES, optional=True)


@dataclass(frozen=True, kw_only=True)
class SourceMap:
    """How a folder is to be read."""

    told_by: str  # "our names", a layout's name, "recloop.yaml", "--map"
    events: TableMap
    items: TableMap | None  # None: the items are those of the events
    vectors: TableMap | None = (
        OWN_VECTORS  # of items, computed elsewhere, where the folder has any; None: left
    )
    time: TimeForm = field(default_factory=TimeForm)
    available: TimeForm = field(default_factory=TimeForm)  # of available_at
    event_types: Mapping[str, str] = field(default_factory=dict)  # theirs → ours, for those to be renamed
    event_weights: Mapping[str, float] = field(default_factory=dict)  # of our types
    items_known: bool = False  # no table of items: the warehouse knows those that the events speak of
    items_of_events: bool = False  # items that have events and no row are items too
    missing: tuple[str, ...] = ()  # further words that stand for nothing
    remarks: tuple[str, ...] = ()  # what the layout takes for granted
    terms: str = ""


OWN_NAMES = SourceMap(
    told_by="our names",
    events=TableMap(files=_files(_EVENT_STEMS), columns=EVENT_NAMES, part_files=_part_files(_EVENT_STEMS)),
    items=TableMap(files=_files(("items",)), columns=ITEM_NAMES, part_files=_part_files(("items",))),
)
