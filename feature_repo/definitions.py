"""What Feast knows: users, items, their features, and who reads which.

Read by `feast plan` and `feast apply` in this folder, and by components/features/store. Three variables
steer it: RECLOOP_FEAST_HOME, the folder that holds the offline files, RECLOOP_FEATURE_SET, the id of the feature set
that the services stand for, and RECLOOP_FEAST_OFFLINE_URL: set, Feast joins in the tables of that database.
"""

import os
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.types import Array, Bool, Float32, Int64, String

OFFLINE = Path(os.environ["RECLOOP_FEAST_HOME"]) / "offline"
TAGS = {"feature_set": os.environ.get("RECLOOP_FEATURE_SET", "")}

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
scoring_run = Entity(name="scoring_run", join_keys=["scoring_run"], value_type=ValueType.STRING)
item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)


def stored(view: str) -> DataSource:
    """All rows of one view: of every cut of users, or every encoder of items."""
    if os.environ.get("RECLOOP_FEAST_OFFLINE_URL", "local") not in ("", "local"):
        from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource

        return PostgreSQLSource(
            name=f"{view}_source",
            table=f"offline_{view}",
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        )
    return FileSource(
        name=f"{view}_source",
        path=str(OFFLINE / view),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )


def item_content(modality: str) -> FeatureView:
    """One modality's vector of an item. Nothing online reads it."""
    view = f"item_content_{modality}"
    return FeatureView(
        name=view,
        entities=[item],
        schema=[
            Field(name="item_id", dtype=String),
            Field(name="vector", dtype=Array(Float32)),
            Field(name="present", dtype=Bool),
            Field(name="encoder", dtype=String),  # names the space that the vector is of
        ],
        source=stored(view),
        ttl=None,
        online=False,
    )


user_sequence = FeatureView(
    name="user_sequence",
    entities=[user],
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="item_ids", dtype=Array(String)),
        Field(name="event_types", dtype=Array(String)),
        Field(name="times", dtype=Array(Int64)),  # epoch seconds: Array(UnixTimestamp) breaks offline pushes
        Field(name="num_events", dtype=Int64),
        Field(name="cut_us", dtype=Int64),  # the row's stamp, epoch microseconds: online stores keep seconds
    ],
    source=stored("user_sequence"),
    ttl=None,  # Feast would not apply it to online reads; scoring checks the age itself
    online=True,
)

user_live = FeatureView(
    name="user_live",  # events pushed one by one; merged with user_sequence when read, whichever came first
    entities=[user],
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="live_item_ids", dtype=Array(String)),
        Field(name="live_event_types", dtype=Array(String)),
        Field(name="live_micros", dtype=Array(Int64)),  # epoch microseconds
        Field(name="live_event_ids", dtype=Array(String)),
    ],
    source=PushSource(name="user_events", batch_source=stored("user_live")),
    ttl=None,
    online=True,
)

user_recommendations = FeatureView(
    name="user_recommendations",  # lists of batch scoring: a row a run and user, read for the run that is served
    entities=[scoring_run, user],
    schema=[
        Field(name="scoring_run", dtype=String),
        Field(name="user_id", dtype=String),
        Field(name="listed_item_ids", dtype=Array(String)),  # best first
        Field(name="listed_scores", dtype=Array(Float32)),
        # JSON: model_version, bundle, feature_set, features_as_of, scored_at; one value, since each costs a row online
        Field(name="list_made_by", dtype=String),
    ],
    source=PushSource(name="recommendation_lists", batch_source=stored("user_recommendations")),
    ttl=None,
    online=True,
)

item_content_audio = item_content("audio")
item_content_embedding = item_content("embedding")
item_content_image = item_content("image")
item_content_metadata = item_content("metadata")
item_content_text = item_content("text")

recommender_v1 = FeatureService(name="recommender_v1", features=[user_sequence], tags=TAGS)
recommender_live_v1 = FeatureService(
    name="recommender_live_v1", features=[user_sequence, user_live], tags=TAGS
)
recommendations_v1 = FeatureService(name="recommendations_v1", features=[user_recommendations], tags=TAGS)
tokenizer_v1 = FeatureService(
    name="tokenizer_v1",
    features=[
        item_content_audio,
        item_content_embedding,
        item_content_image,
        item_content_metadata,
        item_content_text,
    ],
    tags=TAGS,
)
