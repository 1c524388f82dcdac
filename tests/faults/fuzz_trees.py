"""Cases with a structure (YAML, JSON): a node of the tree gives way to another, where other bytes break the syntax."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Mutator = Callable[[bytes, int, int], bytes]  # case, longest length, seed → case

_DEEP: list[Any] = []
for _ in range(60):
    _DEEP = [_DEEP]
_NODES: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "none", "../x", "\x00", "\ud800", [], ["x"],
    [None], {}, {"x": "y"}, {"": None}, [[]], {"x": {"x": {}}}, "2024-99-99", "sqlite://", "x" * 5_000, _DEEP,
)  # fmt: skip


def changed_tree(read: Callable[[str], Any], write: Callable[[Any], str]) -> Mutator:
    """Half of the cases have a node replaced, removed, doubled or moved; the others are the engine's own."""

    def mutate(case: bytes, longest: int, seed: int) -> bytes:
        import atheris

        chance = random.Random(seed)  # noqa: S311
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(case, longest))
        try:
            tree = read(case[1:].decode())
            for _ in range(chance.choice((1, 1, 2, 3))):
                tree = _changed(tree, chance)
            return (
                bytes([case[0] if case and chance.random() < 0.8 else chance.randrange(8)])
                + write(tree).encode()[: longest - 1]
            )
        except Exception:  # no tree, or none that can be written
            return bytes(atheris.Mutate(case, longest))

    return mutate


def _changed(tree: Any, chance: random.Random) -> Any:
    """Copied down to the node that changes."""
    if not isinstance(tree, (dict, list)) or not tree or chance.random() < 0.15:
        return chance.choice(_NODES)
    places = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    place = chance.choice(places)
    changed: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    what = chance.random()
    if what < 0.1:
        del changed[place]
    elif what < 0.2 and isinstance(changed, dict):
        changed[chance.choice(["x", "query", "types", "files", "", 7, None])] = changed[place]
    else:
        changed[place] = _changed(tree[place], chance)
    return changed
