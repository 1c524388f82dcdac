"""Workers without Ray: what is refused, and by which words."""

import builtins

import pytest

from components.parallel.workers import RayMissing, Workers, imported_ray


def test_without_ray_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without_ray(name: str, *rest: object, **named: object) -> object:
        if name == "ray":
            raise ImportError("No module named 'ray'")
        return real(name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(RayMissing, match='make -B install LOCKS="runtime ray dev"'):
        imported_ray()


def test_no_workers_are_no_workers():
    with pytest.raises(ValueError, match="at least one"):
        Workers(count=0)
