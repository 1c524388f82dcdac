"""What is stored: columns of the warehouse and fields of a verdict's evidence, with the comments behind them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from types import ModuleType
from typing import Any

from infra.docs.command_tables import cell
from infra.docs.said_behind_a_field import comments_of


def warehouse_tables() -> str:
    """Every table in the order of the schema: column, type, what is said of it."""
    from components.data import schema

    said = _said_of_columns(schema)
    told = []
    for table in schema.metadata.tables.values():
        head = [f"### {table.name}"]
        if about := said.get((table.name, "")):
            head.append(f"{about[0].upper()}{about[1:]}.")
        rows = [
            f"| `{column.name}`{' (key)' if column.primary_key else ''} | "
            f"{cell(str(column.type)).lower()}{'' if not column.nullable else ', may be null'} | "
            f"{cell(said.get((table.name, column.name), ''))} |"
            for column in table.columns
        ]
        told += [*head, "\n".join(("| column | type | |", "| --- | --- | --- |", *rows))]
    return "\n\n".join(told)


def _said_of_columns(module: ModuleType) -> dict[tuple[str, str], str]:
    """(table, column) → the comment on its line; (table, "") → the one behind its name."""
    source = inspect.getsource(module)
    comments = comments_of(source)
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Table":
            table = _text(node.args[0])
            found[table, ""] = comments.get(node.args[0].lineno, "")
            for column in node.args[2:]:
                if isinstance(column, ast.Call) and getattr(column.func, "id", "") == "Column":
                    found[table, _text(column.args[0])] = comments.get(column.lineno, "")
    return {key: words for key, words in found.items() if words}


def _text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant)
    return str(node.value)


def evidence_fields() -> str:
    """The dataclasses that evidence.json holds, outermost first."""
    from components.evaluation import alpha_spending, arm_means, comparison, plan, replay_evidence, verdict
    from components.evaluation.result import ReplayResult

    meant = fields_of(ReplayResult)  # says what the fields of the evidence mean
    shown: list[type[Any]] = [
        replay_evidence.ReplayEvidence, replay_evidence.Measured, verdict.Verdict, verdict.Check,
        arm_means.ArmMean, comparison.Comparison, alpha_spending.Attempt, plan.PlanCounts,
        replay_evidence.ReplayedWindow,
    ]  # fmt: skip
    told = []
    for kind in shown:
        own = fields_of(kind)
        rows = [
            f"| `{name}` | `{cell(type_)}` | {cell(words or meant.get(name, ('', ''))[1])} |"
            for name, (type_, words) in own.items()
        ]
        about = (inspect.getdoc(kind) or "").split("\n\n")[0]
        if about.startswith(f"{kind.__name__}("):  # the signature that dataclasses put there
            about = ""
        told += [
            f"### {kind.__name__}",
            about,
            "\n".join(("| field | type | |", "| --- | --- | --- |", *rows)),
        ]
    return "\n\n".join(part for part in told if part)


def fields_of(kind: type[Any]) -> dict[str, tuple[str, str]]:
    """Field → (type as written, the comment behind it) of a dataclass's own fields."""
    source = inspect.getsource(kind)
    comments = comments_of(source)
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    assert dataclasses.is_dataclass(kind)
    return {
        node.target.id: (
            ast.unparse(node.annotation),
            " ".join(
                comments[n] for n in range(node.lineno, (node.end_lineno or node.lineno) + 1) if n in comments
            ),
        )
        for node in body.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
