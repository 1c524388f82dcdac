"""A stage runs once for its key; what it published is looked at before it is used again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.artifact import ArtifactDamaged, ArtifactRef, publish
from flows.stage_code import StageCode
from flows.stages import StageKey, all_there, run_once
from flows.warehouse import warehouse

CODE = StageCode(definitions={"flows.x:x": "1"}, files={})


@dataclass(frozen=True, kw_only=True)
class Made:
    part: ArtifactRef
    extra: ArtifactRef | None = None
    count: int = 0

    @property
    def note(self) -> str:
        return f"{self.count} made"


@dataclass(frozen=True, kw_only=True)
class Counted:
    """As the stage that counts popularity gives its arms."""

    arms: Mapping[str, ArtifactRef]

    @property
    def note(self) -> str:
        return ", ".join(self.arms)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECLOOP_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.db")


def part(root: Path, text: str = "x") -> ArtifactRef:
    def write(folder: Path) -> None:
        (folder / "part.txt").write_text(text)

    return publish(root, "part", write, parents={}, config={})


def key(**changed: object) -> StageKey:
    told = {"stage": "make", "run": "r1", "reads": {}, "facts": {"seed": 7}, "code": CODE}
    return StageKey(**told | changed)  # type: ignore[arg-type]


def test_a_finished_key_is_not_worked_again(tmp_path: Path) -> None:
    worked = []

    def work() -> Made:
        worked.append(1)
        return Made(part=part(tmp_path), count=3)

    first, again = (run_once(key(), Made, work) for _ in range(2))
    assert (len(worked), first.reused, again.reused) == (1, False, True)
    assert again.output == first.output
    assert run_once(key(run="r2"), Made, work).reused  # whoever pays for it
    for changed in ({"facts": {"seed": 8}}, {"stage": "made"}, {"reads": {"part": first.output.part}},
                    {"code": StageCode(definitions={"flows.x:x": "2"}, files={})}):  # fmt: skip
        assert not run_once(key(**changed), Made, work).reused, changed


def test_what_was_cleared_away_is_made_anew_and_what_is_damaged_stops(tmp_path: Path) -> None:
    def work() -> Made:
        return Made(part=part(tmp_path))

    made = run_once(key(), Made, work).output
    shutil.rmtree(made.part.path)
    assert not run_once(key(), Made, work).reused
    (Path(made.part.path) / "part.txt").write_text("y")
    with pytest.raises(ArtifactDamaged, match=r"part\.txt"):
        run_once(key(), Made, work)


def test_one_of_several_that_was_cleared_away_or_damaged_is_seen(tmp_path: Path) -> None:
    def work() -> Counted:
        return Counted(arms={name: part(tmp_path, name) for name in ("popularity", "random")})

    made = run_once(key(), Counted, work).output
    shutil.rmtree(made.arms["random"].path)
    assert not run_once(key(), Counted, work).reused
    (Path(made.arms["random"].path) / "part.txt").write_text("y")
    with pytest.raises(ArtifactDamaged, match=r"part\.txt"):
        run_once(key(), Counted, work)


def test_the_parents_of_what_is_published_are_what_the_key_reads(tmp_path: Path) -> None:
    read = part(tmp_path)
    assert key(reads={"ids": read, "cold": None}).parents == {"ids": read.digest}
    assert key(reads={"ids": read}).digest != key(reads={"other": read}).digest


def test_references_are_found_at_any_depth(tmp_path: Path) -> None:
    here, gone = part(tmp_path), part(tmp_path, "y")
    shutil.rmtree(gone.path)
    assert all_there(Made(part=here))
    assert not all_there(Made(part=here, extra=gone))
    assert not all_there(Counted(arms={"popularity": here, "random": gone}))


def test_a_failing_stage_records_nothing(tmp_path: Path) -> None:
    def fail() -> Made:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        run_once(key(), Made, fail)
    assert warehouse().connect().exec_driver_sql("SELECT count(*) FROM stage_journal").scalar() == 0
