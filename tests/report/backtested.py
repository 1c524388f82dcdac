"""A back-test as a flow would hand it over: four windows of one arm, two of another, one window without events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from components.evaluation.backtest import Backtest, Lead, Pooled, TestedArm, TestedWindow
from components.report.backtest import render_backtest

START, STEP = datetime(2024, 2, 4, tzinfo=UTC), timedelta(days=14)
FACTS = [("Source", "shop", "as retrain reads it"), ("Digest", "d" * 64, "of what was asked")]


def tested(n: int, verdict: str, champion: str | None, *leads: float) -> TestedWindow:
    names = ("popularity", "recent_popularity", "champion", "random")
    return TestedWindow(
        cut=START + n * STEP, end=START + (n + 1) * STEP, verdict=verdict,
        reason="better than popularity on ndcg@10: +0.0792 [+0.0697, +0.0887], 401 users" if verdict else "nothing",
        users=401 if verdict else 0, version=str(n + 1) if verdict else "", champion=champion,
        ndcg=0.12 + 0.01 * n if verdict else None,
        leads={
            name: Lead(delta=lead, lower=lead - 0.01, upper=lead + 0.012)
            for name, lead in zip(names, leads, strict=False)
        },
    )  # fmt: skip


def pooled(rival: str, windows: int, mean: float, half: float | None) -> Pooled:
    return Pooled(
        rival=rival, windows=windows, users=512, mean=mean,
        lower=None if half is None else mean - half, upper=None if half is None else mean + half,
        spread=None if half is None else half / 3, shared=None if half is None else 1e-6,
    )  # fmt: skip


def found() -> Backtest:
    one = TestedArm(
        challenger="mmgrec",
        windows=(
            tested(0, "PROMOTE", None, 0.079, 0.05),
            tested(1, "HOLD", "version 1", 0.07, 0.04, 0.001),
            tested(2, "", None),
            tested(3, "REJECT", "version 1", 0.06, 0.045, -0.013),
        ),
        pooled=(
            pooled("popularity", 3, 0.07, 0.02), pooled("recent_popularity", 3, 0.045, 0.012),
            pooled("champion", 2, -0.006, 0.09), pooled("random", 3, 0.12, 0.02), pooled("sasrec", 3, 0.003, 0.01),
        ),
    )  # fmt: skip
    two = TestedArm(
        challenger="ease",
        windows=(tested(0, "INVALID", None, 0.02, 0.01), tested(1, "HOLD", None, 0.03, 0.02)),
        pooled=(pooled("popularity", 2, 0.025, 0.05), pooled("<b>shop</b>", 1, 0.02, None)),
    )
    return Backtest(
        source="shop", metric="ndcg@10", confidence=0.95, step_seconds=STEP.total_seconds(), arms=(one, two),
        notes=("1 of 4 windows hold no events.",), digest="d" * 64,
    )  # fmt: skip


def page() -> str:
    return render_backtest(found(), FACTS)
