"""Public data sets by the files that they come in: which file and column means what, as their owners publish them.

A layout is known by its files and columns, so a folder that is called otherwise is found too. What a layout takes
for granted stands in its remarks, and is said whenever it is read.
"""

from __future__ import annotations

from datetime import UTC, datetime

from components.data.sources.columns.times import TimeForm
from components.data.sources.files.form import FileForm
from components.data.sources.mapping import Choices, Columns, LongTable, SourceMap, TableMap

_EPOCH_MS, _DAYS = TimeForm(unit="ms"), TimeForm(unit="date", zone="UTC")
_DAY_REMARK = "times are days, which are taken to start at 00:00 UTC"
_MOVIES: Columns = {"item_id": ("movieId",), "title": ("title",), "categories": ("genres",)}
_RATED: Columns = {
    "user_id": ("userId",),
    "item_id": ("movieId",),
    "timestamp": ("timestamp",),
    "value": ("rating",),
}

MOVIELENS = SourceMap(
    told_by="MovieLens",  # latest, 10M in CSV, 20M, 25M, 32M
    events=TableMap(files=("ratings.csv",), columns=_RATED, event_type="rating"),
    items=TableMap(files=("movies.csv",), columns=_MOVIES),
    missing=("(no genres listed)",),
)
MOVIELENS_DAT = SourceMap(
    told_by="MovieLens 1M",  # and 10M
    events=TableMap(
        files=("ratings.dat",),
        columns=_RATED,
        form=FileForm(delimiter="::", header=("userId", "movieId", "rating", "timestamp")),
        event_type="rating",
    ),
    items=TableMap(
        files=("movies.dat",),
        columns=_MOVIES,
        form=FileForm(delimiter="::", header=("movieId", "title", "genres"), encoding="latin-1"),
    ),
    remarks=("movies.dat is latin-1, as published",),
)
_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
MOVIELENS_100K = SourceMap(
    told_by="MovieLens 100K",
    events=TableMap(
        files=("u.data",),
        columns=_RATED,
        form=FileForm(delimiter="\t", header=("userId", "movieId", "rating", "timestamp")),
        event_type="rating",
    ),
    items=TableMap(
        files=("u.item",),
        columns=_MOVIES,
        form=FileForm(
            delimiter="|",
            header=("movieId", "title", "released", "video", "url", *_GENRES),
            encoding="latin-1",
            quoted=False,
        ),
        flags=_GENRES,
    ),
    remarks=("u.item is latin-1, as published",),
)
AMAZON_2023 = SourceMap(
    told_by="Amazon Reviews 2023",
    events=TableMap(
        files=("[!m]*.jsonl*", "m[!e]*.jsonl*", "me[!t]*.jsonl*"),  # all but meta_
        columns={
            "user_id": ("user_id",), "item_id": ("parent_asin",), "timestamp": ("timestamp",), "value": ("rating",),
        },
        event_type="rating",
    ),
    items=TableMap(
        files=("meta_*.jsonl*",),
        columns={
            "item_id": ("parent_asin",), "title": ("title",), "description": ("description",),
            "categories": ("categories",),
            "attributes": ("features",), "image": ("images",),
        },
    ),
    time=_EPOCH_MS,
    remarks=("items are parent_asin, the product that its variants belong to",),
)  # fmt: skip
RECBOLE = SourceMap(
    told_by="RecBole's atomic files",
    events=TableMap(
        files=("*.inter",),
        columns={
            "user_id": ("user_id", "userid", "session_id"), "item_id": ("item_id", "itemid", "artist_id", "product_id"),
            "timestamp": ("timestamp", "time"), "value": ("rating", "weight", "label"),
            "event_type": ("behavior", "event"),
        },
        exclusive=False,
        form=FileForm(delimiter="\t", quoted=False, typed_header=True),
    ),
    items=TableMap(
        files=("*.item",),
        columns={
            "item_id": ("item_id", "itemid", "artist_id", "product_id"),
            "title": ("title", "movie_title", "item_title", "name", "book_title", "product_name", "app_name"),
            "categories": ("class", "genre", "genres", "categories", "category"),
            "description": ("description", "abstract"), "attributes": ("tags", "brand"), "year": ("release_year",),
        },
        exclusive=False,
        form=FileForm(delimiter="\t", quoted=False, typed_header=True),
        separator=" ",
    ),
)  # fmt: skip
MIND = SourceMap(
    told_by="MIND",
    events=TableMap(
        files=("behaviors.tsv",),
        columns={"user_id": ("user",), "item_id": ("impressions",), "timestamp": ("time",)},
        form=FileForm(delimiter="\t", header=("impression", "user", "time", "history", "impressions"), quoted=False),
        choices=Choices(separator=" ", chosen="-1", passed_over="-0"),
        event_type="click",
    ),
    items=TableMap(
        files=("news.tsv",),
        columns={
            "item_id": ("news",), "title": ("title",), "description": ("abstract",), "categories": ("category",),
            "attributes": ("subcategory",),
        },
        form=FileForm(
            delimiter="\t", quoted=False,
            header=(
                "news", "category", "subcategory", "title", "abstract", "url", "title_entities", "abstract_entities",
            ),
        ),
    ),
    time=TimeForm(unit="%m/%d/%Y %I:%M:%S %p", zone="UTC"),
    remarks=(
        "events are clicks alone; what was passed over is left, and so are clicks before the log, which have no times",
        "times name no zone and are taken as UTC",
    ),
)  # fmt: skip
H_AND_M = SourceMap(
    told_by="H&M Personalized Fashion",
    events=TableMap(
        files=("transactions_train.csv",),
        columns={"user_id": ("customer_id",), "item_id": ("article_id",), "timestamp": ("t_dat",), "value": ("price",)},
        event_type="purchase",
    ),
    items=TableMap(
        files=("articles.csv",),
        columns={
            "item_id": ("article_id",), "title": ("prod_name",), "description": ("detail_desc",),
            "categories": ("product_type_name",), "attributes": ("colour_group_name",),
        },
    ),
    time=_DAYS,
    remarks=(_DAY_REMARK,),
)  # fmt: skip
RETAILROCKET = SourceMap(
    told_by="RetailRocket",
    events=TableMap(
        files=("events.csv",),
        columns={
            "user_id": ("visitorid",), "item_id": ("itemid",), "timestamp": ("timestamp",), "event_type": ("event",),
        },
    ),
    items=TableMap(
        files=("item_properties*.csv*",),
        columns={"item_id": ("itemid",)},
        long=LongTable(name="property", value="value", time="timestamp", fields={"categoryid": "categories"}),
        all_files=True,
    ),
    time=_EPOCH_MS,
    items_of_events=True,
    remarks=("items have no titles: their ids stand for them; of their properties categoryid alone is no hash",),
)  # fmt: skip
_HEARD: Columns = {
    "user_id": ("uid",),
    "item_id": ("item_id",),
    "timestamp": ("timestamp",),
    "event_type": ("event_type",),
}
YAMBDA = SourceMap(
    told_by="Yambda",
    events=TableMap(
        files=("multi_event.parquet", "listens.parquet", "likes.parquet"), columns=_HEARD, event_type="listen"
    ),
    items=TableMap(
        files=("artist_item_mapping.parquet",),
        columns={"item_id": ("item_id",), "categories": ("artist_id",)},
        distinct=True,
    ),
    vectors=TableMap(
        files=("embeddings.parquet",),
        columns={"item_id": ("item_id",), "vector": ("embed", "normalized_embed")},
        exclusive=False,
        optional=True,
    ),
    time=TimeForm(unit="s", start=datetime(2024, 1, 1, tzinfo=UTC)),
    items_of_events=True,
    remarks=(
        "times are seconds from an unpublished start, and are counted from 2024-01-01T00:00Z; tracks have no titles",
    ),
)
LASTFM_1K = SourceMap(
    told_by="Last.fm 1K",
    events=TableMap(
        files=("userid-timestamp-artid-artname-traid-traname.tsv",),
        columns={"user_id": ("user",), "item_id": ("artist",), "timestamp": ("time",)},
        form=(
            form := FileForm(
                delimiter="\t", quoted=False, header=("user", "time", "artist", "name", "track", "title")
            )
        ),
        event_type="listen",
    ),
    items=TableMap(
        files=("userid-timestamp-artid-artname-traid-traname.tsv",),
        columns={"item_id": ("artist",), "title": ("name",)},
        form=form,
        distinct=True,
    ),
    remarks=("items are artists; listens to artists without an id are quarantined",),
)
LASTFM_2K = SourceMap(
    told_by="Last.fm 2K (HetRec 2011)",
    events=TableMap(
        files=("user_taggedartists-timestamps.dat",),
        columns={"user_id": ("userID",), "item_id": ("artistID",), "timestamp": ("timestamp",)},
        form=FileForm(delimiter="\t", quoted=False),
        event_type="tag",
    ),
    items=TableMap(
        files=("artists.dat",),
        columns={"item_id": ("id",), "title": ("name",)},
        form=FileForm(delimiter="\t", quoted=False),
    ),
    time=_EPOCH_MS,
    items_of_events=True,
    remarks=("events are taggings: user_artists.dat, the listens, has no times",),
)
STEAM = SourceMap(
    told_by="Steam (recommendations)",
    events=TableMap(
        files=("recommendations.csv*",),
        columns={
            "user_id": ("user_id",),
            "item_id": ("app_id",),
            "timestamp": ("date",),
            "event_id": ("review_id",),
        },
        event_type="review",
    ),
    items=TableMap(
        files=("games.csv*",),
        columns={"item_id": ("app_id",), "title": ("title",), "year": ("date_release",)},
    ),
    time=_DAYS,
    remarks=(_DAY_REMARK,),
)
STEAM_REVIEWS = SourceMap(
    told_by="Steam (reviews of 2018)",
    events=TableMap(
        files=("steam_reviews.json*", "steam_new.json*"),
        columns={"user_id": ("username",), "item_id": ("product_id",), "timestamp": ("date",), "value": ("hours",)},
        event_type="review",
    ),
    items=TableMap(
        files=("steam_games.json*",),
        columns={
            "item_id": ("id",), "title": ("app_name", "title"), "categories": ("genres",), "attributes": ("tags",),
            "year": ("release_date",),
        },
        exclusive=False,
        distinct=True,
    ),
    time=_DAYS,
    items_of_events=True,
    remarks=(_DAY_REMARK, "users are called by name, which two may share"),
)  # fmt: skip

LAYOUTS = {
    "movielens": MOVIELENS,
    "movielens-dat": MOVIELENS_DAT,
    "movielens-100k": MOVIELENS_100K,
    "amazon-reviews-2023": AMAZON_2023,
    "recbole": RECBOLE,
    "mind": MIND,
    "h-and-m": H_AND_M,
    "retailrocket": RETAILROCKET,
    "yambda": YAMBDA,
    "lastfm-1k": LASTFM_1K,
    "lastfm-2k": LASTFM_2K,
    "steam": STEAM,
    "steam-reviews": STEAM_REVIEWS,
}
