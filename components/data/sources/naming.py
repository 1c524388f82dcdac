"""What columns are called elsewhere, to propose the one that is meant. A proposal is never taken by itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence

SHORT = {  # what `--map` and `recloop.yaml` call a field → ours
    "user": "user_id", "item": "item_id", "time": "timestamp", "type": "event_type", "value": "value",
    "event": "event_id", "title": "title", "description": "description", "categories": "categories",
    "attributes": "attributes", "year": "year", "available": "available_at", "image": "image", "audio": "audio",
    "vector": "vector",
}  # fmt: skip
SHORT_OF = {ours: short for short, ours in SHORT.items()}

_ELSEWHERE: Mapping[str, str] = {
    "user_id": "user userid uid visitor visitorid customer customerid client clientid member memberid reviewer "
    "reviewerid account accountid person personid username buyer buyerid player playerid listener reader subscriber",
    "item_id": "item itemid iid movie movieid product productid sku parentasin asin article articleid track trackid "
    "song songid artist artistid book bookid isbn news newsid content contentid game gameid app appid video videoid "
    "post postid listing listingid document docid business businessid show showid recipe recipeid",
    "timestamp": "timestamp time ts datetime date eventtime eventtimestamp createdat created when unixtime "
    "unixreviewtime tdat occurredat watchedat ratedat purchasedat orderdate purchasedate viewedat playedat day",
    "event_type": "eventtype event type action interaction interactiontype behavior behaviour activity",
    "value": "value rating score stars overall price weight quantity amount playcount",
    "event_id": "eventid interactionid reviewid orderlineid",
    "title": "title name itemtitle itemname movietitle productname prodname producttitle trackname songname appname "
    "headline artistname booktitle",
    "description": "description plot overview abstract summary synopsis detaildesc details text",
    "categories": "categories category genres genre class maincategory producttypename section",
    "attributes": "attributes tags tag features keywords properties",
    "year": "year releaseyear yearofpublication",
    "available_at": "availableat releasedate released publishedat pubdate firstavailable daterelease launchdate",
    "image": "image imagepath imagefile picture img",
    "audio": "audio audiopath audiofile",
    "vector": "vector embedding embed embeddings vectors emb itemvector itemembedding",
}  # fmt: skip


def proposed(fields: Sequence[str], names: Collection[str]) -> dict[str, str]:
    """Field → the column that it may be; none where nothing comes near, and no column twice."""
    found: dict[str, str] = {}
    for near in (_same, _close):
        for wanted in fields:
            free = [name for name in names if name and name not in found.values()]
            if wanted not in found and (name := near(wanted, free)):
                found[wanted] = name
    return found


def num_known(names: Collection[str]) -> int:
    """How many of the names are ones that columns have elsewhere, to the letter."""
    words = {word for told in _ELSEWHERE.values() for word in told.split()}
    return sum(_plain(name) in words for name in names)


def spoken(columns: Mapping[str, str]) -> str:
    """As `--map` takes it: user=visitorid,item=itemid."""
    return ",".join(f"{SHORT_OF[field]}={name}" for field, name in columns.items())


def _same(field: str, names: Sequence[str]) -> str | None:
    """The first of the names elsewhere that a column has."""
    plain = {_plain(name): name for name in reversed(names)}
    return next((plain[word] for word in _ELSEWHERE[field].split() if word in plain), None)


def _close(field: str, names: Sequence[str]) -> str | None:
    plain = {_plain(name): name for name in reversed(names)}
    words = [word for word in _ELSEWHERE[field].split() if len(word) > 3]
    for word in words[:12]:
        if close := difflib.get_close_matches(
            word, [name for name in plain if len(name) > 2], n=1, cutoff=0.75
        ):
            return plain[close[0]]
    return next((plain[name] for name in plain for word in words if word in name), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())[:64]


def nearest(lacking: Sequence[str], names: Collection[str]) -> str:
    """The columns that look most like those that lack, in words; "" where none does."""
    near = {name: difflib.get_close_matches(name, list(names), n=1, cutoff=0.6) for name in lacking}
    return ", ".join(f"{found[0]!r} for {name!r}" for name, found in near.items() if found)
