"""`recloop init`: look at a folder's files and propose which column means what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.data.sources.proposing import Proposal, ProposedTable


class AlreadyThere(Exception):
    """A recloop.yaml lies there, and may be somebody's work."""


def init(
    source: Annotated[Path, typer.Option("--source", "-s", help="the folder that your files lie in")],
    force: Annotated[bool, typer.Option("--force", help="replace the recloop.yaml that is there")] = False,
) -> None:
    """Look at the files of a folder and write recloop.yaml: which column means what, and what only you can tell."""
    from components.data.sources.finding import MAP_FILE
    from components.data.sources.map_writing import map_file_text, open_questions
    from components.data.sources.proposing import propose
    from flows.local.console import console

    root = source.expanduser().resolve()
    path = root / MAP_FILE
    if path.exists() and not force:
        raise AlreadyThere(f"{path} is there already. Change it by hand, or pass --force to write it anew.")
    path.unlink(missing_ok=True)  # a proposal is made of the files alone
    proposal = propose(root)
    next_ = f"recloop validate --source {source}"
    if proposal.known_as:
        console.print(
            f"{root.name}/ is read as {proposal.known_as}: it needs no {MAP_FILE}.\nNext: {next_}",
            markup=False,
        )
        return
    for name, table in (
        ("events", proposal.events),
        ("items", proposal.items),
        ("vectors", proposal.vectors),
    ):
        if table is not None:
            _say_table(name, table)
    for told in proposal.unread:
        console.print(f"not looked at: {told}", markup=False)
    answers = _asked(proposal)
    path.write_text(map_file_text(proposal, answers), encoding="utf-8")
    console.print(f"wrote {path}", markup=False)
    if still := open_questions(proposal, answers):
        console.print(f"{len(still)} questions are left, and stand in the file as open_questions:")
        for question in still:
            console.print(f"  - {question.text}", markup=False)
        console.print("Answer them there, then:")
    console.print(f"Next: {next_}", markup=False, soft_wrap=True)


def _say_table(name: str, table: ProposedTable) -> None:
    from components.data.sources.naming import SHORT_OF
    from flows.local.console import console

    console.print(f"{name}: {table.file}, since {table.why}", markup=False)
    for column in table.columns:
        console.print(
            f"  {SHORT_OF[column.field]} from {column.column!r}, such as {column.example}", markup=False
        )
    for word, value in table.said.items():
        why = "since the first line holds no names" if word == "header" else "as the values look"
        console.print(f"  {word} {value}, {why}", markup=False)
    if table.types:
        console.print(
            f"  event types {', '.join(table.types)}: they weigh alike unless you say `weights` in recloop.yaml",
            markup=False,
        )
    if table.left:
        console.print(f"  left: {', '.join(table.left)}", markup=False)


def _asked(proposal: Proposal) -> dict[tuple[str, str], str]:
    """The answers of whoever sits at the terminal; none where nobody does. An empty one leaves the question open."""
    from flows.local.waiting_line import held

    if not sys.stdin.isatty():
        return {}
    with held():
        return {
            (question.table, question.word): typer.prompt(
                question.text, default="", show_default=False
            ).strip()
            for question in proposal.questions
        }
