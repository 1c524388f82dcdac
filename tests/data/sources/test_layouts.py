"""Public data sets as they are published, tiny: each is known by its files and read without a word."""

# ruff: noqa: E501 - rows stand in one line, as they are published
from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.batch import Batch, DataContractError
from components.data.sources.folder import read_folder
from components.data.sources.layouts import LAYOUTS
from components.data.timestamps import read_timestamps

FIRST = pd.Timestamp("2019-11-15T08:55:22Z")
SECONDS = int(FIRST.timestamp())
DAY = "2019-11-15"


def movielens(folder: Path) -> None:
    (folder / "ratings.csv").write_text(
        f"userId,movieId,rating,timestamp\n1,31,2.5,{SECONDS}\n1,1029,3.0,{SECONDS + 1}\n"
    )
    (folder / "movies.csv").write_text(
        'movieId,title,genres\n31,"Minds, Dangerous (1995)",Drama|Crime\n1029,Dumbo (1941),(no genres listed)\n'
    )
    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n")


def movielens_dat(folder: Path) -> None:
    (folder / "ratings.dat").write_text(f"1::31::5::{SECONDS}\n1::1029::3::{SECONDS + 1}\n")
    (folder / "movies.dat").write_bytes(
        "31::Misérables, Les (1995)::Drama|Crime\n1029::Dumbo (1941)::Drama\n".encode("latin-1")
    )
    (folder / "users.dat").write_text("1::F::1::10::48067\n")


def movielens_100k(folder: Path) -> None:
    (folder / "u.data").write_text(f"1\t31\t5\t{SECONDS}\n1\t1029\t3\t{SECONDS + 1}\n")
    flags = ["0"] * 19
    flags[6] = flags[8] = "1"
    rows = [
        f"31|Misérables, Les (1995)|01-Jan-1995||http://x|{'|'.join(flags)}",
        f'1029|"Dumbo"|||u|{"|".join(["0"] * 19)}',
    ]
    (folder / "u.item").write_bytes("\n".join([*rows, ""]).encode("latin-1"))


def amazon(folder: Path) -> None:
    review = {"rating": 5.0, "title": "t", "text": "x", "images": [], "asin": "V1", "parent_asin": "31", "user_id": "1",
              "timestamp": SECONDS * 1000}  # fmt: skip
    meta = {"main_category": "All", "title": "Les Misérables", "features": ["Light"], "description": ["a", "b"], "price": None,
            "images": [{"large": "https://m/1.jpg"}], "categories": ["Drama", "Crime"], "parent_asin": "31"}  # fmt: skip
    lines = [review, review | {"parent_asin": "1029", "timestamp": SECONDS * 1000 + 1000}]
    with gzip.open(folder / "All_Beauty.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    (folder / "meta_All_Beauty.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in (meta, meta | {"parent_asin": "1029"}))
    )


def recbole(folder: Path) -> None:
    (folder / "ml.inter").write_text(
        f"user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t31\t5\t{SECONDS}\n1\t1029\t3\t{SECONDS + 1}\n"
    )
    (folder / "ml.item").write_text(
        'item_id:token\tmovie_title:token_seq\tclass:token_seq\n31\tLes "Misérables"\tDrama Crime\n1029\t"Dumbo\tDrama\n'
    )


def mind(folder: Path) -> None:
    (folder / "behaviors.tsv").write_text(
        "1\t1\t11/15/2019 8:55:22 AM\tN9 N8\tN5-0 31-1 N7-0\n2\t1\t11/15/2019 8:55:23 AM\t\t1029-1 N5-0\n3\t1\t11/15/2019 9:00:00 AM\t\tN5-0\n"
    )
    (folder / "news.tsv").write_text(
        '31\tDrama\tcrime\tThe "Brands\tShop\thttps://x\t[]\t[]\n1029\tlifestyle\tx\tDumbo\t\thttps://x\t[]\t[]\n'
    )


def h_and_m(folder: Path) -> None:
    (folder / "transactions_train.csv").write_text(
        f"t_dat,customer_id,article_id,price,sales_channel_id\n{DAY},1,0031,0.05,2\n{DAY},1,01029,0.03,2\n"
    )
    (folder / "articles.csv").write_text(
        "article_id,product_code,prod_name,product_type_name,colour_group_name,detail_desc\n"
        '0031,1,Strap top,Drama,Black,"Jersey top, narrow"\n01029,1,Strap,Vest top,White,\n'
    )
    image = folder / "images" / "003" / "0031.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"")


def retailrocket(folder: Path) -> None:
    (folder / "events.csv").write_text(
        f"timestamp,visitorid,event,itemid,transactionid\n{SECONDS * 1000},1,view,31,\n{SECONDS * 1000 + 1000},1,addtocart,1029,\n"
    )
    header = "timestamp,itemid,property,value\n"
    (folder / "item_properties_part1.csv").write_text(
        f"{header}{SECONDS * 1000},31,categoryid,Old\n{SECONDS * 1000},31,888,n1 n2\n{SECONDS * 1000},77,888,n3\n"
    )
    (folder / "item_properties_part2.csv").write_text(
        f"{header}{SECONDS * 1000 + 604_800_000},31,categoryid,Drama\n"
    )
    (folder / "category_tree.csv").write_text("categoryid,parentid\n1,2\n")


def yambda(folder: Path) -> None:
    start = int(pd.Timestamp("2024-01-01T00:00Z").timestamp())
    listens = {
        "uid": [1, 1],
        "timestamp": [SECONDS % 1000 * 5, SECONDS % 1000 * 5 + 1],
        "item_id": [31, 1029],
        "is_organic": [1, 0],
    }
    assert start
    table = pa.table({k: pa.array(v, pa.uint32()) for k, v in listens.items()})
    pq.write_table(table, folder / "listens.parquet")
    pq.write_table(
        pa.table({"artist_id": pa.array([7, 8], pa.uint32()), "item_id": pa.array([31, 31], pa.uint32())}),
        folder / "artist_item_mapping.parquet",
    )


def lastfm_1k(folder: Path) -> None:
    rows = [
        ("1", f"{DAY}T08:55:22Z", "31", 'The "Sound', "", "x"),
        ("1", f"{DAY}T08:55:23Z", "1029", "Dumbo", "", "y"),
    ]
    text = "".join("\t".join(row) + "\n" for row in [*rows, rows[0]])
    (folder / "userid-timestamp-artid-artname-traid-traname.tsv").write_text(text)


def lastfm_2k(folder: Path) -> None:
    (folder / "user_taggedartists-timestamps.dat").write_text(
        f"userID\tartistID\ttagID\ttimestamp\n1\t31\t13\t{SECONDS * 1000}\n1\t1029\t15\t{SECONDS * 1000 + 1000}\n"
    )
    (folder / "artists.dat").write_text("id\tname\turl\tpictureURL\n31\tMALICE MIZER\thttp://x\thttp://y\n")


def steam(folder: Path) -> None:
    (folder / "recommendations.csv").write_text(
        f"app_id,helpful,funny,date,is_recommended,hours,user_id,review_id\n31,0,0,{DAY},true,36.3,1,0\n1029,4,0,{DAY},true,11.5,1,1\n"
    )
    (folder / "games.csv").write_text(
        "app_id,title,date_release,win\n31,Prince,2008-05-21,true\n1029,Brink,2011-08-03,true\n"
    )


def steam_reviews(folder: Path) -> None:
    line = "{{u'username': u'1', u'hours': 7.7, u'product_id': u'{item}', u'date': u'2019-11-15', u'text': u\"it's\"}}\n"
    with gzip.open(folder / "steam_reviews.json.gz", "wt") as file:
        file.write(line.format(item="31") + line.format(item="1029"))
    game = "{u'app_name': u'Lost', u'genres': [u'Drama', u'Crime'], u'tags': [u'Indie'], u'id': u'31', u'release_date': u'2018-01-04'}\n"
    (folder / "steam_games.json").write_text(game)


WRITERS = {
    "movielens": movielens, "movielens-dat": movielens_dat, "movielens-100k": movielens_100k, "amazon-reviews-2023": amazon,
    "recbole": recbole, "mind": mind, "h-and-m": h_and_m, "retailrocket": retailrocket, "yambda": yambda,
    "lastfm-1k": lastfm_1k, "lastfm-2k": lastfm_2k, "steam": steam, "steam-reviews": steam_reviews,
}  # fmt: skip


def read(folder: Path, name: str) -> Batch:
    WRITERS[name](folder)
    return read_folder(folder)


def test_every_layout_is_tried() -> None:
    assert WRITERS.keys() == LAYOUTS.keys()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_known_and_read(tmp_path: Path, name: str) -> None:
    """Two events of one user with two items, the first at FIRST (or on its day); both items are there."""
    batch = read(tmp_path, name)
    assert f"read as {LAYOUTS[name].told_by}" in batch.readings[0].remarks
    events, items = batch.events, batch.items.set_index("item_id")
    ids = [text.lstrip("0") for text in events["item_id"] if text]
    assert ids[:2] == ["31", "1029"]
    assert set(events["user_id"]) == {"1"}
    assert events["event_type"].str.fullmatch("[a-z]+").all()
    assert set(events["item_id"]) <= set(items.index)
    assert items["title"].notna().all()
    moments = read_timestamps(events["timestamp"]).moments
    assert moments.notna().all()
    if name != "yambda":
        first = FIRST if name not in {"h-and-m", "steam", "steam-reviews"} else FIRST.floor("D")
        assert moments[0] == first


def test_what_items_say(tmp_path: Path) -> None:
    told = {}
    for name in LAYOUTS:
        folder = tmp_path / name
        folder.mkdir()
        first = read(folder, name).items.iloc[0]
        told[name] = (first["title"], first["categories"])
    assert told["movielens"] == ("Minds, Dangerous (1995)", "Drama|Crime")
    assert (
        told["movielens-dat"]
        == (told["movielens-100k"][0], "Drama|Crime")
        == ("Misérables, Les (1995)", "Drama|Crime")
    )
    assert told["movielens-100k"][1] == "Crime|Drama"  # in the order of the flags
    assert told["amazon-reviews-2023"] == ("Les Misérables", "Drama|Crime")
    assert told["recbole"] == ('Les "Misérables"', "Drama|Crime")
    assert told["mind"] == ('The "Brands', "Drama")
    assert told["h-and-m"] == ("Strap top", "Drama")
    assert told["retailrocket"] == ("31", "Drama")
    assert told["yambda"] == ("31", "7")
    assert told["lastfm-1k"][0] == 'The "Sound'
    assert told["steam-reviews"] == ("Lost", "Drama|Crime")


def test_ids_keep_their_zeros_and_images_are_found_in_folders(tmp_path: Path) -> None:
    items = read(tmp_path, "h-and-m").items
    assert items["item_id"].tolist() == ["0031", "01029"]
    assert items["image_path"].iloc[0] == "images/003/0031.jpg"


def test_properties_are_those_that_were_known_by_then(tmp_path: Path) -> None:
    retailrocket(tmp_path)
    early = read_folder(tmp_path, until=FIRST + pd.Timedelta(days=1)).items.set_index("item_id")
    assert early.loc["31", "categories"] == "Old"


def test_clicks_alone_are_events_of_mind(tmp_path: Path) -> None:
    assert read(tmp_path, "mind").events["item_id"].tolist() == ["31", "1029"]


def test_a_layout_may_be_named_and_changed(tmp_path: Path) -> None:
    movielens(tmp_path)
    (tmp_path / "movies.csv").rename(tmp_path / "films.csv")
    batch = read_folder(tmp_path, mapping="layout=movielens,items=films.csv")
    assert batch.readings[0].remarks[0] == "read as MovieLens, with --map"
    with pytest.raises(DataContractError, match="no layout is called 'movielense'"):
        read_folder(tmp_path, mapping="layout=movielense")


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "num_events", "num_items"), [("amazon-reviews-2023", 200, 40), ("ml-latest-small", 600, 9742)]
)
def test_files_as_they_are(shared: Path, name: str, num_events: int, num_items: int) -> None:
    batch = read_folder(shared / "cases" / "raw_formats" / name)
    assert (len(batch.events), len(batch.items)) == (num_events, num_items)
    assert read_timestamps(batch.events["timestamp"]).moments.notna().all()
