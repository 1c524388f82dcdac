"""The card says first what a reviewer decides on."""

from __future__ import annotations

from pathlib import Path

from components.registry.card import LONGEST, Interval, Judgement, model_card
from tests.registry.conftest import make_bundle

LEAD = Interval(metric="ndcg@10", against="popularity", mean=0.0123, low=0.0061, high=0.0185)


def test_verdict_reasons_and_intervals_stand_before_the_ids(tmp_path: Path):
    bundle = make_bundle(tmp_path)
    judgement = Judgement(
        reasons=["beats popularity", "guardrail a|b holds"],
        intervals=[LEAD],
        links={
            "replay report": "http://127.0.0.1:8090/reports/r.html",
            "Prefect run": "http://127.0.0.1:4200/runs/1",
        },
        opened_by="Both open while `recloop ui` runs.",
    )
    card = model_card(
        bundle,
        verdict="PROMOTE",
        metrics={"ndcg@10": 0.0625},
        tags={"recloop.commit": "c0"},
        judgement=judgement,
    )
    told = [
        "## popularity: PROMOTE",
        "- beats popularity",
        "- guardrail a\\|b holds",
        "| NDCG@10 | popularity | +0.0123 | +0.0061 to +0.0185 |",
        "[replay report](http://127.0.0.1:8090/reports/r.html) · [Prefect run](http://127.0.0.1:4200/runs/1)",
        "\n\nBoth open while `recloop ui` runs.\n\n",
        "| NDCG@10 | 0.0625 | hits in the first 10, weighted by rank; 1 is the best order |",
        f"| snapshot | `{bundle.facts.snapshot[:12]}` |",
        "| recloop.commit | `c0` |",
    ]
    places = [card.index(line) for line in told]
    assert places == sorted(places)


def test_without_a_judgement_it_says_what_is_known(tmp_path: Path):
    card = model_card(make_bundle(tmp_path), verdict="HOLD", metrics={}, tags={})
    assert card.startswith("## popularity: HOLD\n\n| offline replay")
    assert "| lead |" not in card
    assert "](" not in card


def test_a_long_card_loses_meanings_before_it_loses_figures(tmp_path: Path):
    """PostgreSQL refuses a description that is longer than MLflow's column; SQLite takes any."""
    health = {f"usage_{level}": 0.9 for level in range(1, 40)}
    bundle = make_bundle(tmp_path / "a", health=health)
    metrics = {f"ndcg@{k}": 0.1 for k in range(1, 30)}
    card = model_card(bundle, verdict="HOLD", metrics=metrics, tags={})
    assert len(card) <= LONGEST
    assert "NDCG@29 | 0.1000 |" in card
    assert "39" in card.partition("semantic IDs")[2]
    assert f"| bundle | `{bundle.digest[:12]}` |" in card
    assert card.count("what it says") < 2
    endless = model_card(bundle, verdict="HOLD", metrics=metrics, tags={f"t{n}": "v" * 9 for n in range(400)})
    assert len(endless) <= LONGEST
    assert endless.startswith("## popularity: HOLD")
    assert endless.endswith("on the run's page.")
