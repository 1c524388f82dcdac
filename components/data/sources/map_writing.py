"""A proposal as the text of `recloop.yaml`: each column with an example, each choice with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from components.data.sources.naming import SHORT_OF
from components.data.sources.proposing import Proposal, ProposedTable, Question
from components.data.sources.proposing_types import weights_to_fill_in

Answers = Mapping[tuple[str, str], str]  # (table, word) → what a person said


def map_file_text(proposal: Proposal, answers: Answers) -> str:
    """What `read_map_file` reads. Questions without an answer stand in it as open, and keep it from being read."""
    lines = [
        "# Which file and column of this folder means what, as `recloop init` proposes it. Change what is wrong, then:",
        "# recloop validate --source <this folder>",
        "",
        *_table("events", proposal.events, answers),
        *_table("items", proposal.items, answers),
        *(_table("vectors", proposal.vectors, answers) if proposal.vectors else []),
    ]
    if still := open_questions(proposal, answers):
        lines += [
            "# Answer these above, and remove this list: until then the folder is not read.",
            "open_questions:",
        ]
        lines += [
            f"  - {_quoted(f'{question.table}: {question.word}: {question.text}')}" for question in still
        ]
    return "\n".join(lines) + "\n"


def open_questions(proposal: Proposal, answers: Answers) -> Sequence[Question]:
    """Those that nobody has answered."""
    return [q for q in proposal.questions if not answers.get((q.table, q.word))]


def _table(name: str, table: ProposedTable, answers: Answers) -> list[str]:
    said = {word: answer for (of, word), answer in answers.items() if of == name and answer}
    words = {**table.said, **{w: a for w, a in said.items() if w not in SHORT_OF.values() and w != "file"}}
    lines = [f"{name}:", f"  file: {_quoted(said.get('file', table.file))}  # {table.why}"]
    columns = {SHORT_OF[c.field]: (c.column, f"  # such as {_one_line(c.example)}") for c in table.columns}
    columns |= {word: (answer, "") for word, answer in said.items() if word in SHORT_OF.values()}
    if columns:
        lines.append("  columns:")
        lines += [f"    {word}: {_quoted(column)}{example}" for word, (column, example) in columns.items()]
    lines += [f"  {word}: {_quoted(value)}" for word, value in words.items()]
    if table.types:
        lines.append(
            "  # Several event types: each event is a target alike, unless this says what a type weighs"
        )
        lines.append(
            "  # (its loss in training, its count in popularity; 0: history alone, never a target or truth):"
        )
        lines.append(f"  # {weights_to_fill_in(table.types)}")
    if table.left:
        lines.append(f"  # left: {_one_line(', '.join(table.left))}")
    return [*lines, ""]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a YAML string


def _one_line(text: str) -> str:
    return " ".join(text.split())
