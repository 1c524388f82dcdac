"""The code that a stage runs, found from its imports: what of this repository its key covers.

A stage is a function of `flows` that calls `run_once`. Its own body counts up to that call (what comes after it
shows a result, and changes none), and so does every definition of `flows` that it names, and theirs. A module
of `components` that it names counts as a file, with every file that it imports. Where things lie and how they
are shown is no part of a result, so `flows.settings`, `flows.local` and the machinery of stages do not count.

Python counts by what it says: comments, docstrings and layout may change. Pages and styles count byte by byte.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from components.artifact import digest_of

ROOT = Path(__file__).resolve().parents[1]
PINNED = ("infra/lock/runtime.lock", "infra/lock/torch.lock")  # the versions that everything runs with
_PACKAGES = ("components", "feature_repo")  # counted by file; `flows` is counted by definition
_NOT_PART_OF_A_RESULT = (
    "flows.settings",
    "flows.local",
    "flows.stages",
    "flows.warehouse",
    "flows.stage_code",
)
_RUN_BY_PATH = "RUNS_BY_PATH"  # a module's constant: folder or file of the repository that it runs or reads


class CodeNotFound(Exception):
    """A function that should be a stage has no source under this checkout."""


@dataclass(frozen=True, kw_only=True)
class StageCode:
    """Everything that a stage's result depends on in this repository: name → SHA-256."""

    definitions: Mapping[str, str]  # "flows.training:train_arm"
    files: Mapping[str, str]  # "components/recommender/arm.py"

    @property
    def digest(self) -> str:
        return digest_of({"definitions": dict(self.definitions), "files": dict(self.files)})

    def is_current(self, root: Path = ROOT) -> bool:
        """Whether everything still says what it said."""
        current = {name: _definition_digest(root, *name.split(":")) for name in self.definitions}
        files = {name: _read_file(root, root / name).digest for name in self.files}
        return current == self.definitions and files == self.files


def union(codes: Iterable[StageCode]) -> StageCode:
    """What several stages depend on together."""
    codes = list(codes)
    return StageCode(
        definitions={name: sha for code in codes for name, sha in code.definitions.items()},
        files={name: sha for code in codes for name, sha in code.files.items()},
    )


def code_of(module: str, function: str) -> StageCode:
    """The code behind one top-level function of `flows`, such as ("flows.training", "train_arm").

    Raises CodeNotFound.
    """
    return _code_of(ROOT, module, function)


@cache
def _code_of(root: Path, module: str, function: str) -> StageCode:
    definitions: dict[str, str] = {}
    files: set[Path] = {root / name for name in PINNED}
    waiting = [(module, function)]
    while waiting:
        where, name = waiting.pop()
        if f"{where}:{name}" in definitions:
            continue
        definitions[f"{where}:{name}"] = _definition_digest(root, where, name)
        flows = _read(root, where)
        node = flows.definitions[name]
        for used in sorted(_names(node)):
            if used in flows.definitions:
                waiting.append((where, used))
        for target, attribute in _imported(node, flows):
            if target.split(".")[0] in _PACKAGES:
                files |= _closure(root, _file_of(root, target, attribute))
            elif _counts(target) and attribute in _read(root, target).definitions:
                waiting.append((target, attribute))
    return StageCode(
        definitions=definitions,
        files={path.relative_to(root).as_posix(): _read_file(root, path).digest for path in sorted(files)},
    )


def _counts(module: str) -> bool:
    """Whether a module's definitions are part of a result: those of `flows`, but for where and how to show."""
    return module.startswith("flows.") and not module.startswith(_NOT_PART_OF_A_RESULT)


@dataclass(frozen=True, kw_only=True)
class _Module:
    """One module of `flows`: its top-level definitions, and what its names were imported from."""

    definitions: Mapping[str, ast.stmt]
    imports: Mapping[str, tuple[str, str]]  # local name → (module, attribute; "" for a module itself)


@cache
def _read(root: Path, module: str) -> _Module:
    path = root / Path(*module.split(".")).with_suffix(".py")
    if not path.exists():
        raise CodeNotFound(f"{module} has no file under {root}")
    tree = ast.parse(path.read_text())
    definitions: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            definitions |= {
                t.id: node for target in targets for t in ast.walk(target) if isinstance(t, ast.Name)
            }
    return _Module(definitions=definitions, imports=dict(_bindings(tree.body)))


@cache
def _definition_digest(root: Path, module: str, name: str) -> str:
    found = _read(root, module).definitions.get(name)
    if found is None:
        raise CodeNotFound(f"{module} defines no {name} at its top level")
    return hashlib.sha256(ast.dump(_that_counts(found)).encode()).hexdigest()


@cache
def _that_counts(node: ast.stmt) -> ast.AST:
    """The definition without decorators and docstrings and, of a stage, without what follows `run_once`."""
    kept = ast.parse(ast.unparse(node))
    for inner in ast.walk(kept):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner.decorator_list = []
    _drop_docstrings(kept)
    (outer,) = kept.body
    if isinstance(outer, ast.FunctionDef):
        calls = [place for place, statement in enumerate(outer.body) if _calls(statement, "run_once")]
        outer.body = outer.body[: calls[0] + 1] if calls else outer.body
    return kept


def _calls(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == name
        for inner in ast.walk(node)
    )


def _names(node: ast.stmt) -> set[str]:
    return {inner.id for inner in ast.walk(_that_counts(node)) if isinstance(inner, ast.Name)}


def _imported(node: ast.stmt, module: _Module) -> Iterator[tuple[str, str]]:
    """What the definition uses of other modules: (module, attribute). `module.attribute` is followed one step."""
    bound = {**module.imports, **dict(_bindings(ast.walk(node)))}
    counted = _that_counts(node)
    for inner in ast.walk(counted):
        if isinstance(inner, ast.Name) and inner.id in bound:
            yield bound[inner.id]


def _bindings(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Local name → what an import statement bound it to."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], (alias.name, "")


def _file_of(root: Path, module: str, attribute: str) -> Path | None:
    """The file that `from module import attribute` reads first of all: a submodule, else the module."""
    base = root / Path(*module.split("."))
    candidates = [base / f"{attribute}.py", base / attribute / "__init__.py"] if attribute else []
    candidates += [base.with_suffix(".py"), base / "__init__.py"]
    return next((path for path in candidates if path.is_file()), None)


@cache
def _closure(root: Path, start: Path | None) -> frozenset[Path]:
    """The file, the files that it imports and those that they import, with the packages that they lie in."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path is None or path in found:
            continue
        found.add(path)
        waiting += _reached(root, path)
    return frozenset(found)


@cache
def _reached(root: Path, path: Path) -> tuple[Path, ...]:
    """What comes with a file at once: its packages, what lies beside it and may be read, and what it imports."""
    packages = (folder / "__init__.py" for folder in path.parents)
    return (*(p for p in packages if p.is_file()), *_beside(path), *_read_file(root, path).imports)


def _beside(path: Path) -> list[Path]:
    """Pages, styles and other files that lie in a module's folder: it may read them."""
    if path.suffix != ".py":
        return []
    return [
        p
        for p in path.parent.iterdir()
        if p.suffix not in {".py", ".pyc"} and p.name[0] != "." and p.is_file()
    ]


@dataclass(frozen=True, kw_only=True)
class _File:
    """What one file says, and which files of the repository it imports, or runs by their path."""

    digest: str  # "" for a file that is not there
    imports: tuple[Path, ...]


@cache
def _read_file(root: Path, path: Path) -> _File:
    """A module is parsed once a process, for both: a key covers some two hundred of them."""
    if not path.is_file():
        return _File(digest="", imports=())
    if path.suffix != ".py":
        return _File(digest=hashlib.sha256(path.read_bytes()).hexdigest(), imports=())
    tree = ast.parse(path.read_text())
    imports = tuple(p for p in _imports_of(root, tree) if "__pycache__" not in p.parts)
    _drop_docstrings(tree)
    return _File(digest=hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imports=imports)


def _imports_of(root: Path, tree: ast.Module) -> Iterator[Path]:
    for node in _statements(tree, but=_is_only_for_types):
        for _, (module, attribute) in _bindings([node]):
            if module.split(".")[0] in _PACKAGES and (found := _file_of(root, module, attribute)):
                yield found
        if isinstance(node, ast.Assign) and _is_name(node.targets[0], _RUN_BY_PATH):
            yield from sorted(p for p in (root / ast.literal_eval(node.value)).rglob("*.*") if p.is_file())


def _is_only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and _is_name(node.test, "TYPE_CHECKING")


def _is_name(node: ast.expr, name: str) -> bool:
    """Whether an expression is this name, or an attribute of this name."""
    return (node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)) == name


def _statements(tree: ast.AST, *, but: Callable[[ast.AST], bool] = lambda node: False) -> Iterator[ast.AST]:
    """A node and the statements in it, at any depth; not those of which `but` holds, nor what they hold.

    Expressions hold no statement, and are most of a tree.
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if but(node):
            continue
        yield node
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            held = getattr(node, block, ())
            if isinstance(held, list):  # the body of a lambda or the branch of `x if y else z` is none
                waiting += held


def _drop_docstrings(tree: ast.AST) -> None:
    for node in _statements(tree):
        if isinstance(
            node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]
