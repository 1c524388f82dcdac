"""What the command line costs before it answers, and how it speaks: to a script, without colour, on 80 columns."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.flows.cli.test_app import COMMANDS, ROOT
from tests.flows.worlds import Home

ENGINES = (
    "prefect", "mlflow", "torch", "feast", "great_expectations", "duckdb", "alembic", "pandas",
    "scipy", "redis", "psycopg", "uvicorn", "gunicorn",  # which engines bring for what a command does not ask of them
)  # fmt: skip
# others post events of the busiest user to this home, and roll it back and forth
SOMEBODY = "SELECT user_id FROM events GROUP BY user_id ORDER BY count(*), user_id LIMIT 1"
_ACTIONS = {"promoted": "promote", "forced": "promote", "rolled back": "rollback"}  # as the ledger calls them
_MAIN = "import sys\nfrom flows.cli.app import main\n"


def loaded_by(home: Home, *arguments: str) -> tuple[int, str, set[str]]:
    """Exit code and stdout of a command, and which of the engines it loaded."""
    code = (
        f"{_MAIN}sys.argv = ['recloop', *{arguments!r}]\nend = 0\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    end = ended.code or 0\n"
        f"print('loaded', *(name for name in {ENGINES!r} if name in sys.modules), file=sys.stderr)\nsys.exit(end)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=home.environ, capture_output=True, text=True, check=False
    )
    word, *engines = done.stderr.splitlines()[-1].split()
    assert word == "loaded", done.stderr
    return done.returncode, done.stdout, set(engines)


@pytest.mark.parametrize(
    "arguments", [("status",), ("status", "--json"), ("verdict",), ("history", "--json")]
)
def test_what_only_reads_loads_no_engine(finished: Home, arguments: tuple[str, ...]) -> None:
    code, told, engines = loaded_by(finished, *arguments)
    assert (code, engines) == (0, set())
    assert told


def test_a_user_whom_nobody_knows_is_refused_before_anything_is_loaded(finished: Home) -> None:
    code, told, engines = loaded_by(finished, "recommend", "--user", "nobody at all")
    assert (code, told, engines) == (1, "", set())


def test_a_list_loads_what_ranks_and_nothing_else(finished: Home) -> None:
    ((user,),) = finished.rows(SOMEBODY)
    code, told, engines = loaded_by(finished, "recommend", "--user", user, "--json")
    assert (code, engines) == (0, {"torch", "feast", "pandas"})
    said = json.loads(told)
    assert (said["asked"], said["version"]) == (f"user {user}", finished.ledger()[-1][1])
    assert [row["rank"] for row in said["items"]] == list(range(1, 11))
    assert said["last_seen"]
    assert said["features_as_of"] < "2024-03-02"
    items = ",".join(row["item_id"] for row in said["items"][:2])
    code, told, engines = loaded_by(finished, "recommend", "--history", items, "--json")
    assert (code, engines) == (0, {"torch", "pandas"})
    assert not {row["item_id"] for row in json.loads(told)["items"]} & set(items.split(","))


@pytest.mark.parametrize("arguments", [("history",), ("verdict", "--last", "2"), ("lineage",), ("doctor",)])
def test_a_script_reads_json(finished: Home, arguments: tuple[str, ...]) -> None:
    done = finished.recloop(*arguments, "--json", COLUMNS="40", FORCE_COLOR="1")
    told = json.loads(done.stdout)
    if arguments[0] == "history":
        assert [(_ACTIONS[row["kind"]], row["version"]) for row in told] == [
            (action, version) for action, version, _ in finished.ledger()
        ]
    if arguments[0] == "verdict":
        assert [cycle["verdict"] for cycle in told] == [
            verdict for (verdict,) in finished.rows("SELECT verdict FROM cycles ORDER BY as_of")
        ]
    if arguments[0] == "lineage":
        (champion,) = (version for action, version, _ in finished.ledger()[-1:])
        assert (told["kind"], told["id"]) == ("version", f"models:/{finished.settings.model_name}/{champion}")
        landed = {one["id"] for one in _all_of("batch", told)}
        assert landed
        assert landed <= {str(batch) for (batch,) in finished.rows("SELECT batch_id FROM batches")}
    if arguments[0] == "doctor":
        assert {"name", "ok", "detail", "fix"} == set(told[0])
        assert done.returncode == (0 if all(finding["ok"] for finding in told) else 1)


def _all_of(kind: str, origin: dict[str, Any]) -> list[dict[str, Any]]:
    """Every origin of a kind in a tree of them."""
    below = [one for part in origin["made_from"] for one in _all_of(kind, part)]
    return [origin] * (origin["kind"] == kind) + below


def on_a_terminal(home: Home, *arguments: str, ends: int = 0, **settings: str) -> str:
    """What a command writes to a terminal, its control codes with it."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *arguments], cwd=ROOT, stdin=slave, stdout=slave, stderr=slave,
        env=home.environ | {"TERM": "xterm-256color"} | settings,
    )  # fmt: skip
    os.close(slave)
    told = b""
    while True:
        try:
            told += (got := os.read(master, 65536))
        except OSError:  # how Linux says that nobody writes any more
            break
        if not got:
            break
    os.close(master)
    assert child.wait() == ends
    return told.decode()


@pytest.mark.parametrize("arguments", [("--help",), ("status", "--help"), ("status",)], ids=" ".join)
def test_80_columns_and_no_colour_where_none_is_wanted(finished: Home, arguments: tuple[str, ...]) -> None:
    told = on_a_terminal(finished, *arguments, COLUMNS="80", NO_COLOR="1")
    codes = set(re.findall(r"\x1b\[([\d;]*)m", told))
    colours = {code for code in codes for part in code.split(";") if part and int(part) >= 30}
    assert not colours, codes
    lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", told).replace("\r", "\n").splitlines()
    home = str(finished.settings.home)
    assert max(len(line) for line in lines if home not in line) <= 80, "but for a path, which copies whole"
    assert arguments != ("status",) or any(line.endswith(home) for line in lines)


def test_colour_where_one_is(finished: Home) -> None:
    told = on_a_terminal(finished, "recommend", "--user", "nobody at all", ends=1, COLUMNS="80")
    assert re.search(r"\x1b\[[\d;]*3\dm", told)


def test_a_shell_completes_commands_and_options() -> None:
    def completed(words: str, place: int) -> set[str]:
        code = f"{_MAIN}sys.argv = ['recloop']\nmain()"
        asked = {"_RECLOOP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | asked,
            capture_output=True,
            text=True,
            check=False,
        )
        return set(done.stdout.split())

    assert completed("recloop ", 1) == set(COMMANDS)
    assert completed("recloop re", 1) == {name for name in COMMANDS if name.startswith("re")}
    assert completed("recloop recommend --h", 2) == {"--history", "--help"}
    assert completed("recloop quarantine ", 2) >= {"list", "export"}


def test_help_says_what_exit_codes_mean_and_they_hold(finished: Home) -> None:
    help_ = " ".join(finished.recloop("--help").stdout.split())
    assert "0 done, whatever the verdict; 1 refused" in help_
    assert "2 the command line cannot be read; 3 `monitor` found drift" in help_
    assert finished.recloop("status").returncode == 0
    assert finished.recloop("lineage", "--version", "99").returncode == 1
    assert finished.recloop("status", "--no-such-option").returncode == 2


def test_verbose_tells_where_a_failure_came_from(finished: Home) -> None:
    plain = finished.recloop("recommend", "--user", "nobody at all")
    full = finished.recloop("-v", "recommend", "--user", "nobody at all")
    assert (plain.returncode, full.returncode) == (1, 1)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in full.stderr
    assert full.stderr.endswith(plain.stderr.split("working\n")[-1]), "the message stands last in both"
