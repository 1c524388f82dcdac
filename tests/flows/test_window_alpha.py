"""The alpha of a window is asked for a challenger alone, or for several as one attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.artifact import ArtifactRef
from components.data.alpha import alpha_entries
from components.evaluation.contenders import Contender
from components.evaluation.profile import small
from flows.judging import JudgedReplay
from flows.replay_window import ReplayWindow
from flows.snapshots import Snapshots
from flows.warehouse import warehouse
from flows.window_alpha import SharedAlpha, foreseen_alpha, note_verdict, spend_alpha

CUT = datetime(2024, 1, 1, tzinfo=UTC)
SHARES = small().alpha_shares


def ref(digest: str) -> ArtifactRef:
    return ArtifactRef(kind="bundle", digest=digest, path=digest)


WINDOW = ReplayWindow(
    snapshots=Snapshots(train=ref("train"), window=ref("w"), now=ref("now"), cut=CUT, end=CUT, train_events=1,
                        window_events=1, late_events=0),
    profile=small(), mode="rolling", filter_seen=True,
)  # fmt: skip
CONTENDERS = tuple(
    Contender(name=name, artifact=ref(digest), train_end=CUT)
    for name, digest in (("ease", "e"), ("sasrec", "s"), ("hstu", "h"), ("champion", "h"))
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECLOOP_WAREHOUSE_URL", f"sqlite:///{tmp_path}/warehouse.db")


def spend(*challengers: str) -> SharedAlpha:
    foreseen = foreseen_alpha(WINDOW, CONTENDERS, challengers, "champion")
    found = spend_alpha(WINDOW, CONTENDERS, challengers, "champion")
    assert foreseen.among == found.among
    if found.entry and foreseen.entry:
        assert foreseen.entry.alpha_one_sided == found.entry.alpha_one_sided
    return found


def test_several_are_one_attempt_in_any_order_and_in_other_company_another():
    both = spend("ease", "sasrec")
    assert both.entry is not None
    assert (both.entry.attempt, both.entry.alpha_one_sided) == (1, SHARES[0])
    half = both.attempt(SHARES[0] / 2)
    assert (half.number, half.alpha_one_sided, half.together) == (1, SHARES[0] / 2, 2)
    again, alone = spend("sasrec", "ease"), spend("ease")
    assert again.entry == both.entry
    assert alone.entry is not None
    assert (alone.entry.challenger_digest, alone.entry.attempt, alone.attempt(0.01).together) == ("e", 2, 1)
    assert [entry.entry for entry in alpha_entries(warehouse(), "w")] == ["spent", "spent"]


def test_the_champions_own_artifact_shares_nothing():
    found, alone = spend("hstu", "ease"), spend("hstu")
    assert found.among == ("ease",)
    assert found.entry is not None
    assert found.entry.challenger_digest == "e"
    assert alone == SharedAlpha(entry=None, among=())


def test_the_verdict_of_each_is_noted_under_their_attempt():
    both = spend("ease", "sasrec")
    for challenger, verdict in (("ease", "HOLD"), ("sasrec", "PROMOTE"), ("hstu", "HOLD")):
        judged = JudgedReplay(
            replay=ref(f"replay of {challenger}"), challenger=challenger, champion="champion", verdict=verdict,
            reason="r", attempt=None,
        )  # fmt: skip
        note_verdict(both, WINDOW, judged)
    noted = [(entry.attempt, entry.verdict) for entry in alpha_entries(warehouse(), "w")]
    assert noted == [(1, None), (1, "HOLD"), (1, "PROMOTE")]  # not of one that tries nothing
