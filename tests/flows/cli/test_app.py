"""The command line answers at once, and README's commands are those that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from flows.cli.app import app

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = (
    "demo", "init", "ingest", "validate", "plan", "retrain", "monitor", "replay", "bandit", "backfill", "arms",
    "tune", "promote", "approvals", "rollback", "reconcile", "history", "lineage", "explain", "verify", "recommend",
    "search", "score", "serve", "status", "verdict", "ui", "deploy", "worker", "doctor", "erase", "backup", "restore",
    "prune", "quarantine", "experiment",
)  # fmt: skip
WRITTEN = (  # but the log, which tells of commands as they were, and the arm that is still to be written
    "README.md", "CONTRIBUTING.md", "SECURITY.md",
    *sorted(
        str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")
        if page.name not in {"log.md", "add-an-arm.md"}
    ),
)  # fmt: skip
ENGINES = ("prefect", "mlflow", "torch", "feast", "great_expectations", "sqlalchemy", "pandas", "numpy")
_MODULES = 650  # seconds are no test's business: what a command loads before it answers is what it costs
_PROMPTED = re.compile(r"^\$? *(?P<line>(?:\.venv/bin/)?(?:recloop|make)(?=\s|$).*)$")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def commands() -> dict[str, typer.core.TyperCommand]:
    return get_command(app).commands  # type: ignore[attr-defined]


def test_the_commands_are_those_of_the_loop() -> None:
    assert tuple(commands()) == COMMANDS


@pytest.mark.parametrize(
    "arguments", [(), *((command,) for command in COMMANDS)], ids=lambda a: " ".join(a) or "recloop"
)
def test_help_answers_and_loads_no_engine(arguments: tuple[str, ...]) -> None:
    code = (
        f"import sys\nfrom flows.cli.app import main\nsys.argv = ['recloop', *{arguments!r}, '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {ENGINES!r} if name in sys.modules], len(sys.modules), file=sys.stderr)"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    engines, modules = done.stderr.rsplit(maxsplit=1)
    assert engines == "[]"
    assert int(modules) < _MODULES


def test_what_engines_leave_is_not_searched_for_garbage_while_they_load() -> None:
    """Young objects are collected a hundred times on the way, the whole heap never; as Python comes, it is."""
    code = """
import gc, sys
{main}
import pandas
young, _, all_of_them = (generation["collections"] for generation in gc.get_stats())
print(young > 100, all_of_them, file=sys.stderr)
"""
    main = """
from flows.cli.app import main
sys.argv = ["recloop", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code
"""
    assert run_python("-c", code.format(main=main)).stderr == "True 0\n"
    assert run_python("-c", code.format(main="")).stderr != "True 0\n"


def test_help_lists_every_command_with_its_first_line() -> None:
    done = run_python("-m", "flows.cli", "--help")
    shown = " ".join(done.stdout.split())
    for name, command in commands().items():
        assert command.help
        first = command.help.splitlines()[0]
        assert f"{name} {first}" in shown


def test_on_80_columns_every_option_stands_whole() -> None:
    """Beside what it means: half of a line, not a sixth."""
    checked = 0
    for name, command in commands().items():
        told = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "80"}).output
        assert max(map(len, told.splitlines())) <= 80, name
        named = {one for parameter in getattr(command, "params", ()) for one in parameter.opts}
        options = {one for one in named if one.startswith("-")}
        assert options <= set(re.findall(r"(?<![\w-])-{1,2}[a-z][\w-]*", told)), name
        checked += len(options)
    assert checked > 100


def test_no_command_shows_what_there_is() -> None:
    done = run_python("-m", "flows.cli")
    assert "Usage:" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_console_script_is_the_same_command_line() -> None:
    script = Path(sys.executable).with_name("recloop")
    done = subprocess.run([script, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(f" {command} " in done.stdout for command in COMMANDS)


# --- README ----------------------------------------------------------------------------------------------


def fenced_commands(text: str) -> list[str]:
    """Every line of a code fence that calls recloop or make, its comment left out."""
    fences = re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = (line for fence in fences for line in fence.replace("\\\n", " ").splitlines())
    return [match["line"] for line in lines if (match := _PROMPTED.match(line))]


def spoken_commands(text: str) -> list[str]:
    """Every `recloop …` and `make …` within the prose."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    quoted = re.findall(r"`([^`]+)`", prose)
    return [code for code in quoted if _PROMPTED.match(code) and "…" not in code]


def written_in(name: str) -> list[str]:
    text = (ROOT / name).read_text()
    return fenced_commands(text) + spoken_commands(text)


def check_command(line: str) -> None:
    """Raise AssertionError, or the parser's own error, for a command line that could not be run."""
    words = shlex.split(re.sub("<[^>]*>", "placeholder", line), comments=True)
    program, rest = Path(words[0]).name, words[1:]
    if program == "make":
        check_make(rest)
        return
    name, arguments = _sub_command(rest)
    if name is None:
        return
    assert name in COMMANDS, f"{line!r}: recloop has no command {name!r}"
    commands()[name].make_context(name, arguments)


def _sub_command(words: list[str]) -> tuple[str | None, list[str]]:
    """The command and what follows it; options of recloop itself come before."""
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] == "--home" else words[1:]
    return (words[0], words[1:]) if words else (None, [])


def check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):(?!=)", makefile, flags=re.MULTILINE))
    variables = set(re.findall(r"^([A-Z_]+) \?=", makefile, flags=re.MULTILINE))
    for word in words:
        name, is_setting, _ = word.partition("=")
        if is_setting:
            assert name in variables, f"make takes no {name}="
        else:
            assert name in targets, f"make has no target {name}"


@pytest.mark.parametrize("name", WRITTEN)
def test_every_command_that_is_written_down_can_be_run(name: str) -> None:
    for line in written_in(name):
        check_command(line)


def test_readme_shows_both_commands_first_and_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    assert fenced_commands(readme)[:2] == ["make demo", "make test"]
    called = {_sub_command(shlex.split(line, comments=True)[1:])[0] for line in written_in("README.md")}
    assert called >= set(COMMANDS), set(COMMANDS) - called


@pytest.mark.parametrize(
    "line",
    [
        "recloop evaluate",
        "recloop ingest --until now",
        "recloop promote --version 2",
        "make dmeo",
        "make demo DAAT=x",
    ],
)
def test_a_command_that_cannot_be_run_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r"no command|No such|Missing parameter|no target|takes no"):
        check_command(line)
