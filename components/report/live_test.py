"""Rehearsal of the live test: what the same users, each shown one arm only, would have told."""

from __future__ import annotations

from components.evaluation.rehearsal import Rehearsal
from components.measures import name_of
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup, render
from components.report.text import p_value, share


def rehearsal_table(found: Rehearsal) -> Markup:
    """The unpaired contrast, plain and with CUPED, beside what the paired one can detect."""
    metric = name_of(found.metric)
    rows: list[list[Cell]] = [
        [
            word("Paired", "the gate's contrast: every user under both arms"),
            word("see above"),
            word(""),
            word(""),
            figure_of(found.paired_mde),
        ],
        *(
            [word(name, note), *(figure_of(v, f) for v, f in ((u.difference, "+.4f"), (u.se, ".4f"))),
             word(p_value(u.p)), figure_of(mde)]
            for name, note, u, mde in (
                ("Hash arms", "half of the users an arm, Welch's test", found.unpaired, found.unpaired_mde),
                ("Hash arms, CUPED", "less what events before the cut explain", found.cuped.adjusted,
                 found.cuped_mde),
            )
        ),
    ]  # fmt: skip
    columns = [
        Column(name="Contrast", is_number=False),
        Column(name="Difference", meaning=f"in {metric}"),
        Column(name="Standard error", meaning="of the difference"),
        Column(name="p", meaning="two-sided"),
        Column(name="Detectable", meaning="least true difference found with the profile's power"),
    ]
    told = f"Users are dealt by hash, salt {found.salt}: {found.reason[0].lower()}{found.reason[1:]}."
    saved = f"CUPED takes {share(found.cuped.variance_reduction)} off the variance."
    return render("paragraph", text=f"{told} {saved}", tone="" if found.is_valid else "failed") + table(
        f"{found.challenger} against {found.baseline} as a live test would compare them, where a user sees "
        "one arm only. A rehearsal: it is not the gate's test, and has far less power.",
        columns,
        rows,
    )
