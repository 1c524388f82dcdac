"""`recloop arms` lists what may be challenger, and loads no torch to do so."""

from __future__ import annotations

import json
from typing import get_args

from components.recommender.arm_facts import FACTS
from components.recommender.names import CONTENT_ARMS, SEMANTIC_ID_ARMS, ArmName
from tests.flows.cli.test_app import run_python


def told(*arguments: str) -> str:
    code = (
        "import os, sys\nos.environ['COLUMNS'] = '80'\n"  # whatever a test before has set
        f"from flows.cli.app import main\nsys.argv = ['recloop', 'arms', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print([name for name in ('torch', 'prefect', 'mlflow', 'pandas') if name in sys.modules], file=sys.stderr)"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    assert (
        done.stderr.splitlines()[-1] == "[]"
    )  # before it, that the command works, where the machine is busy
    return done.stdout


def test_every_arm_stands_in_a_row_with_its_figure() -> None:
    lines = told().splitlines()
    assert max(map(len, lines)) <= 80
    first = {line.split()[0]: line for line in lines if line.strip()}
    for name in get_args(ArmName):
        assert f"{FACTS[name].ndcg:g}" in first[name].split()


def test_scripts_read_the_same() -> None:
    rows = {row["arm"]: row for row in json.loads(told("--json"))}
    assert tuple(rows) == get_args(ArmName)
    assert rows["sasrec"]["ndcg"] == FACTS["sasrec"].ndcg
    assert {name for name, row in rows.items() if row["reads_semantic_ids"]} == SEMANTIC_ID_ARMS
    assert {name for name, row in rows.items() if row["reads_content"]} == CONTENT_ARMS
