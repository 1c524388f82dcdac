"""The key of a stage covers what it runs, and nothing else: found from imports, in a small repository of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.stage_code import CodeNotFound, StageCode, _code_of, code_of, union

FILES = {
    "infra/lock/runtime.lock": "numpy==1\n",
    "infra/lock/torch.lock": "torch==1\n",
    "components/__init__.py": "",
    "components/model/__init__.py": "",
    "components/model/train.py": "from components.model.loss import loss\n\ndef train(x):\n    return loss(x)\n",
    "components/model/loss.py": "def loss(x):\n    return x + 1\n",
    "components/model/other.py": "WIDTH = 3\n",
    "components/report/__init__.py": "from components.report.page import draw\n",
    "components/report/page.py": "def draw(x):\n    return x\n",
    "components/report/page.css": "body {}",
    "flows/settings.py": "def load_settings():\n    return 1\n",
    "flows/shared.py": "LIMIT = 3\n\ndef shared(x):\n    return x < LIMIT\n\ndef unused():\n    return 0\n",
    "flows/work.py": """
        from components.model.train import train
        from components.report import draw
        from flows.settings import load_settings
        from flows.shared import shared

        @task(name="train-it")
        def train_it(x):
            \"\"\"What it does.\"\"\"
            key = key_of(train_it)

            def work():
                return _scaled(train(x)) if shared(x) else load_settings()

            done = run_once(key, work)
            show(done)
            return done

        def draw_it(x):
            return run_once(key_of(draw_it), lambda: draw(x))

        def _scaled(x):
            return 2 * x
        """,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.splitlines()
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in lines) + "\n")
    return tmp_path


def code(root: Path, function: str = "train_it") -> StageCode:
    """Read anew, as a later process would."""
    import flows.stage_code as stage_code

    for cached in (_code_of, stage_code._read, stage_code._definition_digest, stage_code._closure,
                   stage_code._read_file):  # fmt: skip
        cached.cache_clear()
    return _code_of(root, "flows.work", function)


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("components/model/loss.py", "x + 1", "x + 2"),  # what is imported by what is imported
        ("components/model/train.py", "loss(x)", "loss(-x)"),
        ("flows/work.py", "2 * x", "3 * x"),  # a helper of the same file
        ("flows/shared.py", "LIMIT = 3", "LIMIT = 4"),  # a constant that a helper of another file reads
        ("flows/work.py", "_scaled(train(x))", "train(x)"),  # the stage itself
        ("infra/lock/runtime.lock", "numpy==1", "numpy==2"),
        ("infra/lock/torch.lock", "torch==1", "torch==2"),
    ],
)
def test_an_edit_of_what_the_stage_runs_changes_its_key(root: Path, name: str, old: str, new: str) -> None:
    before = code(root)
    edit(root, name, old, new)
    assert code(root).digest != before.digest
    assert not before.is_current(root)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (
            "components/report/page.css",
            "body {}",
            "body { color: red }",
        ),  # a style of what another stage draws
        ("components/report/page.py", "return x", "return -x"),
        ("components/model/other.py", "3", "4"),  # beside it, and not imported
        ("flows/shared.py", "return 0", "return 1"),  # defined there, and not named
        ("flows/settings.py", "return 1", "return 2"),  # where things lie
        ("flows/work.py", "show(done)", "show(done, twice=True)"),  # what a result is shown as
        ("flows/work.py", "What it does.", "What it does for us."),
        ("flows/work.py", "train-it", "train-everything"),
        ("components/model/loss.py", "def loss(x):", "def loss(x):  # why"),
    ],
)
def test_an_edit_of_anything_else_does_not(root: Path, name: str, old: str, new: str) -> None:
    before = code(root)
    edit(root, name, old, new)
    assert code(root).digest == before.digest
    assert before.is_current(root)


def test_a_style_counts_for_the_stage_that_draws(root: Path) -> None:
    before = code(root, "draw_it")
    edit(root, "components/report/page.css", "body {}", "body { color: red }")
    assert code(root, "draw_it").digest != before.digest


def test_a_cycle_depends_on_what_any_of_its_stages_does(root: Path) -> None:
    both = union([code(root), code(root, "draw_it")])
    assert {"components/model/loss.py", "components/report/page.css"} <= both.files.keys()
    assert both.is_current(root)
    (root / "components/model/loss.py").unlink()
    code(root, "draw_it")  # read anew
    assert not both.is_current(root)


def test_a_function_without_source_is_named(root: Path) -> None:
    with pytest.raises(CodeNotFound, match="no nothing"):
        code(root, "nothing")


@pytest.mark.parametrize(
    ("stage", "counts", "does_not"),
    [
        (
            ("flows.training", "train_arm"),
            "components/recommender/networks/mixer.py",
            "components/report/page.py",
        ),
        (("flows.training", "train_arm"), "components/compute.py", "components/evaluation/gate.py"),
        (("flows.ranking", "rank"), "components/evaluation/plan.py", "components/report/page.css"),
        (("flows.reporting", "render"), "components/report/page.css", "components/registry/promotion.py"),
        (
            ("flows.semantic_ids", "extend_ids"),
            "components/tokenizer/extension.py",
            "components/recommender/arm.py",
        ),
        (("flows.features", "store_features"), "feature_repo/definitions.py", "components/tokenizer/fit.py"),
    ],
)
def test_stages_of_the_loop_depend_on_what_they_run(
    stage: tuple[str, str], counts: str, does_not: str
) -> None:
    files = code_of(*stage).files
    assert counts in files
    assert does_not not in files
