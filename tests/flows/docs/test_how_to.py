"""What the how-to pages tell to look at first is looked at, on a home with two finished cycles."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.flows.docs.walkthrough import Step, not_printed, steps_of
from tests.flows.worlds import ROOT, Home

MARK = "run on the finished home"
STEPS = sorted(
    {
        (step.text, step.shown)
        for page in Path(ROOT / "docs").rglob("*.md")
        for step in steps_of(page.read_text(), marked=MARK)
    }
)


@pytest.mark.parametrize(("command", "shown"), STEPS, ids=[command for command, _ in STEPS])
def test_a_command_to_look_with_runs(finished: Home, command: str, shown: tuple[str, ...]) -> None:
    program, *words = shlex.split(command)
    assert program == "recloop"
    done = finished.recloop(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    assert not not_printed(shown, done.stdout)


def test_pages_mark_what_is_run() -> None:
    assert len(STEPS) >= 6


# --- how a page is read -----------------------------------------------------------------------------------

PAGE = """
```console
$ recloop one
first   of │ 3 lines, 4.2 s
…
last {"and…
$ recloop two
```
<!-- not run: why -->
```console
$ recloop three
```
<!-- stays -->
```console
$ recloop four
```
```python title="a.py"
print()
```
"""


def test_a_page_is_read_as_steps() -> None:
    assert list(steps_of(PAGE)) == [
        Step(kind="command", text="recloop one", shown=("first   of │ 3 lines, 4.2 s", 'last {"and…')),
        Step(kind="command", text="recloop two"),
        Step(kind="stays", text="recloop four"),
        Step(kind="file", name="a.py", text="print()\n"),
    ]
    assert [step.text for step in steps_of(PAGE, marked="stays")] == ["recloop four"]


@pytest.mark.parametrize(
    ("printed", "is_fine"),
    [
        ('before\nfirst of 3 lines, 9.9 s\nbetween\nlast {"and more\n', True),
        ('first of 4 lines, 9.9 s\nlast {"and more\n', False),  # a count is no figure that may differ
        ('last {"and more\nfirst of 3 lines, 9.9 s\n', False),  # in another order
        ('first of 3 lines, 9.9 s and more\nlast {"and\n', False),
        ("", False),
    ],
)
def test_shown_lines_are_looked_for_in_order(printed: str, is_fine: bool) -> None:
    shown = next(steps_of(PAGE)).shown
    assert (not not_printed(shown, printed)) is is_fine
