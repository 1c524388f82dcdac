"""Texts that mean something to whoever reads them next: SQL, markup, formulas, YAML's tags, odd passwords."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from components.data import queries
from components.data.batch import DataContractError
from components.data.ingest import land_batch
from components.data.quarantine import export_quarantine, list_quarantine
from components.data.sources.map_file import read_map_file
from components.data.warehouse import Engine, WarehouseUnreachable, open_warehouse
from components.evaluation.profile import ProfileError
from components.evaluation.profile_file import read_fields
from components.report.front import CycleLine, Fact, Front, Link, render_front
from flows.settings import Settings
from tests.data.landing import bad, batch, event, item
from tests.faults.probing import Probe, refused

CANARY = "canary-4711"
PLANTED = "<script>window.planted = true</script><img src=x onerror='window.planted = true'>"
SQL = (
    "' OR '1'='1", "u1'; DROP TABLE events; --", 'u1" OR ""="', "u1') OR ('1'='1", "%", "_1", "\\",
    '"],"u1"]', "u1\0", "1; ATTACH DATABASE 'x' AS y",
)  # fmt: skip
FORMULAS = ("=cmd|'/C calc'!A0", "+1+cmd()", "-1+cmd()", "@SUM(1)", "\t=cmd()", "\r=cmd()")
TAGS = (
    "!!python/object/apply:os.mkdir [{}]", "!!python/object/new:os.mkdir [{}]",
    "!!python/object/apply:subprocess.check_call [[mkdir, {}]]", "!!python/name:os.system",
)  # fmt: skip
ADDRESSES = (
    *(f"postgresql+psycopg://me:a{sign}{CANARY}@127.0.0.1:1/x" for sign in "#/?@:"),
    f"postgresql+psycopg://127.0.0.1:1/x?user=me&password={CANARY}",
    f"postgresql+psycopg:/me:{CANARY}@127.0.0.1:1/x",
    f"me:{CANARY}@127.0.0.1:1/x",
    f"nosuch://me:{CANARY}@127.0.0.1/x",
)


def probes(scratch: Path) -> Iterator[Probe]:
    yield from _sql(scratch)
    yield from _formulas(scratch)
    yield from _yaml(scratch)
    yield from _markup()
    yield from _passwords(scratch)


def _sql(scratch: Path) -> Iterator[Probe]:
    engine = open_warehouse(f"sqlite:///{scratch}/sql.db")
    land_batch(engine, batch(event("e1"), event("e2", user="u2"), items=(item("i1", "One"),)))
    for text in SQL:
        yield Probe(
            name=ascii(text), where="an id in a query", holds="names nobody, and all rows stay",
            control=lambda: queries.has_events(engine, "u1") and queries.titles(engine, ["i1"]),
            attack=partial(_asked, engine, text),
        )  # fmt: skip


def _asked(engine: Engine, text: str) -> str:
    if (
        queries.has_events(engine, text)
        or queries.titles(engine, [text])
        or len(queries.user_history(engine, text))
    ):
        return "it found rows"
    return "" if queries.counts(engine).events == 2 else "rows are gone"


def _formulas(scratch: Path) -> Iterator[Probe]:
    for number, text in enumerate(FORMULAS):
        yield Probe(
            name=ascii(text), where="quarantine export, CSV", holds="no cell begins a formula",
            control=partial(_exported, scratch / f"{number}.jsonl", text, "jsonl"),
            attack=lambda path=scratch / f"{number}.csv", text=text: _is_formula(path, text),
        )  # fmt: skip


def _exported(path: Path, text: str, form: Any) -> str:
    """What an export says of a row that holds the text; it is there as JSON, as it was received."""
    engine = open_warehouse(f"sqlite:///{path.with_suffix('.db')}")
    payload = json.dumps({"user_id": text, "item_id": "i"})
    land_batch(engine, batch(event("e1"), quarantined=(bad("missing_user", payload=payload),)))
    export_quarantine(list_quarantine(engine), path, format=form)
    engine.dispose()
    return path.read_text(encoding="utf-8") if "cmd" in path.read_text() or "SUM" in path.read_text() else ""


def _is_formula(path: Path, text: str) -> str:
    _exported(path, text, "csv")
    with path.open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    found = [cell for cell in cells if cell.lstrip("\t\r\n ")[:1] in tuple("=+@") and cell[:1] != "'"]
    found += [cell for cell in cells if cell.startswith("-") and not cell[1:].isdecimal()]
    return f"cells {found}" if found else ""


def _yaml(scratch: Path) -> Iterator[Probe]:
    for number, tag in enumerate(TAGS):
        for name, read, error in (
            ("recloop.yaml", read_map_file, DataContractError), ("a gate profile", read_fields, ProfileError),
        ):  # fmt: skip
            marker = scratch / f"marker-{number}-{name.replace(' ', '-')}"
            path = scratch / f"{marker.name}.yaml"
            path.write_text(f"name: {tag.format(marker)}\n")
            yield Probe(
                name=tag.partition(" ")[0], where=name, holds="is refused, and nothing runs",
                control=partial(_unsafe, path, marker),
                attack=partial(_read, path, marker, read, error),
            )  # fmt: skip


def _read(path: Path, marker: Path, read: Callable[[Path], object], error: type[Exception]) -> str:
    """The reader refuses the tag itself, not what it would make of it, and made nothing."""
    said = refused(lambda: read(path), error)
    if marker.exists():
        return "it ran"
    try:
        read(path)
    except error as told:
        return said or ("" if "tag" in str(told) else f"refused, but not for the tag: {told}")
    return said


def _unsafe(path: Path, marker: Path) -> bool:
    """Whether the tag works on a loader that follows it; what it made is taken away again."""
    found = yaml.unsafe_load(path.read_text())["name"]
    worked = marker.is_dir() or callable(found)
    if marker.is_dir():
        marker.rmdir()
    return worked


def _markup() -> Iterator[Probe]:
    page = front_of_plants()
    for sign in ("<script>window.planted", "<img src=x onerror"):
        yield Probe(
            name=sign, where="front page", holds="stands there as text",
            control=lambda: "window.planted" in page, attack=lambda sign=sign: "it is markup" if sign in page else "",
        )  # fmt: skip


def front_of_plants() -> str:
    """A front page whose every text is markup that would run."""
    links = (Link(text=PLANTED, url=f'"><script>window.planted = true</script>{PLANTED}'),)
    line = CycleLine(
        as_of=PLANTED, verdict=PLANTED, reason=PLANTED, version=PLANTED, became=PLANTED, ndcg=0.5, cost=PLANTED,
        links=links,
    )  # fmt: skip
    fact = Fact(name=PLANTED, value=PLANTED, note=PLANTED, links=links)
    return render_front(
        Front(home=PLANTED, at=PLANTED, facts=(fact,), cycles=(line,), reports=links, engines=links)
    )


def _passwords(scratch: Path) -> Iterator[Probe]:
    for address in ADDRESSES:
        shown = address.replace(CANARY, "…")
        yield Probe(
            name=shown, where="WarehouseUnreachable", holds="the message shows no password",
            control=lambda address=address: CANARY in address, attack=partial(_refusal, address),
        )  # fmt: skip
        yield Probe(
            name=shown, where="doctor", holds="the finding shows no password",
            control=lambda address=address: CANARY in address, attack=partial(_finding, scratch, address),
        )  # fmt: skip


def _refusal(address: str) -> str:
    try:
        open_warehouse(address)
    except WarehouseUnreachable as error:
        return f"it says {error}" if CANARY in str(error) else ""
    return "it was opened"


def _finding(scratch: Path, address: str) -> str:
    from flows.local.diagnosis import _warehouse

    settings = Settings(home=scratch, warehouse_url=address)
    told = str([*_warehouse(settings), settings, settings.warehouse_address])
    return f"it says {told}" if CANARY in told else ""
