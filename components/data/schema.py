"""The warehouse's tables. Every moment is int64 microseconds since 1970, UTC (see `moments`).

`batches.batch_id` grows with every landing and is the ingestion watermark: "all batches up to 7" names one
state of `events` for ever. `events` and `items` do not refer to each other, since either may arrive first.
`promotions` and `alpha_ledger` are append-only: triggers in the migrations refuse updates and deletes. Where a trigger
did not, `chain` finds it, in `batches` too; rows of `quarantine` and `stage_journal` are sealed one by one (`seals`).
What "known at" means is said in `knowledge`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite counts up only an INTEGER PRIMARY KEY, PostgreSQL wants 64 bits said.
_Counter = BigInteger().with_variant(Integer, "sqlite")


def _hash(name: str) -> Column[str]:
    """Without a default: what a release before writes, which knows no hashes, is refused (see migration 0007)."""
    return Column(name, String(64), nullable=False)


def _batch_id() -> Column[int]:
    return Column("batch_id", ForeignKey("batches.batch_id"), nullable=False, index=True)


batches = Table(
    "batches",
    metadata,
    Column("batch_id", _Counter, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("source", Text, nullable=False),
    Column("state", String(16), nullable=False),  # landed | stopped
    Column("why", Text, nullable=False, default="", info={"may change": True}),  # of a stopped batch
    Column("received", Integer, nullable=False),  # these four count events
    Column("accepted", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("items_received", Integer, nullable=False),
    Column("items_new", Integer, nullable=False),
    Column("items_updated", Integer, nullable=False),
    Column("items_unchanged", Integer, nullable=False),
    Column("items_quarantined", Integer, nullable=False),
    Column("data_docs", Text, nullable=False, default=""),
    Column("landed_at", BigInteger, nullable=False),
    Column("since_at", BigInteger),  # the batch tells of [since_at, as_of); null: from the first event on
    Column("as_of", BigInteger),  # its own now; null: landed before this was kept, or not told
    Column("late", Integer, nullable=False, server_default="0"),  # of the accepted
    Column("event_key", Text),  # JSON: the source's; null: not told, or its events have ids
    _hash("previous_hash"),  # of the batch before, see `chain`
    _hash("entry_hash"),
    UniqueConstraint("digest", "state", name="one_landing_a_digest"),
    CheckConstraint(
        "state <> 'landed' OR accepted + quarantined + duplicates = received", name="no_event_is_lost"
    ),
    CheckConstraint(
        "state <> 'landed' OR "
        "items_new + items_updated + items_unchanged + items_quarantined = items_received",
        name="no_item_is_lost",
    ),
    sqlite_autoincrement=True,  # a watermark is never given out twice
)

events = Table(
    "events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("value", Float),
    Column("payload_hash", String(64), nullable=False),
    _batch_id(),
    Column("known_at", BigInteger),  # of a late event; null: known when it happened
    Index("events_in_time", "occurred_at", "batch_id", "known_at"),
    Index("events_of_item", "item_id", "occurred_at"),
    Index("events_of_user", "user_id", "occurred_at"),
)

items = Table(
    "items",
    metadata,
    Column("item_id", Text, primary_key=True),
    Column("title", Text),
    Column("description", Text),
    Column("categories", Text),
    Column("attributes", Text),
    Column("image_path", Text),
    Column("audio_path", Text),
    Column("available_at", BigInteger),  # the earliest that was ever stated; null: the first event decides
    Column("described_at", BigInteger, nullable=False),  # how far the batch that described it last reaches
    _batch_id(),
)

item_versions = Table(
    "item_versions",  # what batches said of an item, whenever it was something new
    metadata,
    Column("item_id", Text, primary_key=True),
    Column("batch_id", ForeignKey("batches.batch_id"), primary_key=True, index=True),
    Column("title", Text),
    Column("description", Text),
    Column("categories", Text),
    Column("attributes", Text),
    Column("image_path", Text),
    Column("audio_path", Text),
    Column("available_at", BigInteger),  # as this batch stated it
    Column("described_at", BigInteger, nullable=False),
    Column("known_at", BigInteger),  # null: not told, so from the beginning
    Column("is_late", Boolean, nullable=False),  # said to have been there when it was not yet known
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _Counter, primary_key=True),
    _batch_id(),
    Column("kind", String(16), nullable=False),  # event | item
    Column("source_row", BigInteger),
    Column("payload", Text, nullable=False),  # JSON
    Column("reasons", Text, nullable=False),  # joined by |
    Column("state", String(16), nullable=False, default="open", index=True),  # see `quarantine`
    Column("resolved_at", BigInteger),
    Column("resolved_batch_id", BigInteger),  # of a released row: the batch that it landed with
    Column("resolution", Text),  # of a dropped row: why
    _hash("row_hash"),  # see `seals`
    sqlite_autoincrement=True,
)

day_partitions = Table(
    "day_partitions",  # which parquet file holds a stretch of a day, as of a watermark
    metadata,
    Column("from_at", BigInteger, primary_key=True, autoincrement=False),
    Column("until_at", BigInteger, primary_key=True, autoincrement=False),
    Column("num_rows", Integer, primary_key=True, autoincrement=False),
    Column("last_batch_id", _Counter, primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("start_at", BigInteger),  # null: from the first event on
    Column("end_at", BigInteger, nullable=False),
    Column("watermark", _Counter, nullable=False),  # latest batch as of which this is the content
    Column("num_events", BigInteger, nullable=False),
    Column("num_users", BigInteger, nullable=False),
    Column("num_items", BigInteger, nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("known_by", BigInteger),  # null: its end
    Column("num_left_out", BigInteger, nullable=False, server_default="0"),  # in the cut, known too late
)

superseded = Table(
    "superseded",  # artifacts that were replaced, and by what
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("successor", String(64)),  # null: nothing was left
    Column("why", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

erasures = Table(
    "erasures",  # tombstones: users whose rows are not taken in again
    metadata,
    Column("user_key", String(64), primary_key=True),  # keyed hash of the user's id
    Column("salt", String(32), nullable=False),  # the same in every row
    Column("begun_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
)

stage_journal = Table(
    "stage_journal",
    metadata,
    Column("key", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("run", Text, nullable=False, index=True),
    Column("output", Text, nullable=False),  # JSON
    Column("seconds", Float, nullable=False),
    Column("peak_mb", Float, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    _hash("row_hash"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),  # grows with every holder
    Column("acquired_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # null: given back
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", _Counter, primary_key=True),
    Column("action", String(16), nullable=False),
    Column("model", Text, nullable=False, index=True),
    Column("version", Text),  # null: the model is left without a champion
    Column("previous_version", Text),
    Column("expected_version", Text),
    Column("verdict", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # JSON
    Column("at", BigInteger, nullable=False),
    _hash("previous_hash"),  # of the entry before, see `chain`
    _hash("entry_hash"),
    CheckConstraint("action IN ('promote', 'rollback')", name="known_action"),
    sqlite_autoincrement=True,
)

alpha_ledger = Table(
    "alpha_ledger",
    metadata,
    Column("id", _Counter, primary_key=True),
    Column("entry", String(16), nullable=False),
    Column("window_digest", String(64), nullable=False, index=True),  # digest of the window's snapshot
    Column("challenger_digest", String(64), nullable=False),  # of its artifact, or of several
    Column("attempt", Integer, nullable=False),  # from 1, by window
    Column("alpha_one_sided", Float, nullable=False),
    Column("profile", String(64), nullable=False),  # hash of the gate profile
    Column("verdict", Text),  # of what was judged
    Column("replay", String(64)),  # digest of its evidence
    Column("at", BigInteger, nullable=False),
    _hash("previous_hash"),
    _hash("entry_hash"),
    CheckConstraint("entry IN ('spent', 'judged')", name="known_entry"),
    CheckConstraint(
        "(entry = 'judged') = (verdict IS NOT NULL AND replay IS NOT NULL)", name="only_what_was_judged"
    ),
    sqlite_autoincrement=True,
)

chain_heads = Table(
    "chain_heads",
    metadata,
    Column("chain", Text, primary_key=True),  # the table that it is of
    Column("last", BigInteger, nullable=False),  # id of the entry that was written last
    Column("entry_hash", String(64), nullable=False),
)

cycles = Table(
    "cycles",
    metadata,
    Column("cycle_id", Text, primary_key=True),
    Column("as_of", BigInteger, nullable=False, index=True),
    Column("train_cutoff", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("versions", Text, nullable=False),  # JSON: role -> model version
    Column("summary", Text, nullable=False),  # JSON
    Column("recorded_at", BigInteger, nullable=False),
)

monitor_runs = Table(
    "monitor_runs",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("since_at", BigInteger, primary_key=True, autoincrement=False),
    Column("as_of", BigInteger, primary_key=True, autoincrement=False),
    Column("status", String(16), nullable=False),
    Column("result", Text, nullable=False),  # JSON
    Column("measured_at", BigInteger, nullable=False),
)

recommendation_runs = Table(
    "recommendation_runs",  # what all lists of one scoring have in common
    metadata,
    Column("run", Text, primary_key=True),
    Column("model_version", Text, nullable=False, index=True),
    Column("bundle", String(64), nullable=False),  # digest; "" if not told
    Column("feature_set", String(64), nullable=False),  # digest; "" if not told
    Column("is_batch", Boolean, nullable=False),  # False: one list, made when it was asked for
    Column("begun_at", BigInteger, nullable=False),
)

recommendations = Table(
    "recommendations",
    metadata,
    Column("run", ForeignKey("recommendation_runs.run"), primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("rank", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("item_id", Text, nullable=False),
    Column("score", Float),
    Column("model_version", Text, nullable=False),
    Column("features_as_of", BigInteger),  # null: not told
    Column("scored_at", BigInteger, nullable=False),
    Index("recommendations_of_user", "user_id", "scored_at"),
    sqlite_with_rowid=False,
)

served_runs = Table(
    "served_runs",  # append-only: the last row names the run whose lists are served
    metadata,
    Column("id", _Counter, primary_key=True),
    Column("run", ForeignKey("recommendation_runs.run"), nullable=False),
    Column("action", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("action IN ('publish', 'restore')", name="known_serving"),
    sqlite_autoincrement=True,
)
