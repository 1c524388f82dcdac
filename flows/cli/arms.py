"""`recloop arms`: what may be challenger."""

from __future__ import annotations

from dataclasses import asdict

from flows.cli.options import Json


def arms(as_json: Json = False) -> None:
    """Every arm that may be challenger: what it is made of, where it comes from, what it costs and reaches.

    NDCG@10 is on MovieLens-100K (leave-one-out, full ranking, the mean of so many seeds), not on your data; CPU s is
    the training there, on one thread.
    """
    from components.recommender.arm_facts import FACTS
    from components.recommender.names import CONTENT_ARMS, SEMANTIC_ID_ARMS
    from flows.local.console import console, say_json

    if as_json:
        say_json(
            [
                {
                    "arm": name,
                    "reads_semantic_ids": name in SEMANTIC_ID_ARMS,
                    "reads_content": name in CONTENT_ARMS,
                    **asdict(facts),
                }
                for name, facts in FACTS.items()
            ]
        )
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("arm", no_wrap=True)
    table.add_column("made of", ratio=1)
    table.add_column("arXiv", no_wrap=True)
    for title in ("NDCG@10", "seeds", "CPU s"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, facts in FACTS.items():
        reads = {"semantic IDs": SEMANTIC_ID_ARMS, "content": CONTENT_ARMS}
        told = [f" ({what})" for what, arms_of in reads.items() if name in arms_of]
        made_of = facts.made_of + "".join(told)
        figures = f"{facts.ndcg:g}", str(facts.seeds), f"{facts.cpu_seconds:g}"
        table.add_row(name, made_of, facts.source, *figures)
    console.print(table)
    console.print(
        "NDCG@10 on MovieLens-100K, not on your data; `recloop retrain --challenger NAME` says there.",
        style="dim",
    )
