"""What `recloop --help` lists, in the order of the loop: each command, and the first line of its own help.

Said here once more, so that the list, and any one command, loads no other command; a test holds both to the same words.
"""

from __future__ import annotations

COMMANDS = {
    "demo": "Take real data through two retraining cycles and print the verdicts.",
    "init": (
        "Look at the files of a folder and write recloop.yaml: which column means what, and what "
        "only you can tell."
    ),
    "ingest": "Check a batch against its contracts, quarantine bad rows, land the rest.",
    "validate": "Check a batch against its contracts and land nothing.",
    "plan": (
        "Tell what `retrain` with the same options would reuse, make and cost. Starts nothing, "
        "writes nothing."
    ),
    "retrain": (
        "Run one whole cycle: ingest, train, replay, decide, register, and promote if the verdict says so."
    ),
    "monitor": (
        "Compare the latest events with the champion's training; exit code 3 says that something drifts."
    ),
    "replay": (
        "Replay two registered versions on one window, or a policy on a log; print the verdict, move nothing."
    ),
    "bandit": "Learn from a log which version should answer whom, and judge it on a later part of the log.",
    "backfill": (
        "Retrain over past windows in a home apart, and sum them up. Moves no champion, spends "
        "no alpha of production."
    ),
    "arms": (
        "Every arm that may be challenger: what it is made of, where it comes from, what it costs and reaches."
    ),
    "tune": (
        "Search over an arm's settings on the window before the cut, and write the best as a "
        "preset for `retrain`."
    ),
    "promote": "Move `champion` to a version whose verdict is PROMOTE, or that a reviewer approved.",
    "approvals": (
        "Act on approvals in MLflow's UI (tag `validation_status: approved`), by webhook and "
        "poll; Ctrl-C ends it."
    ),
    "rollback": "Bring the previous champion back, its tokenizer and ID table included.",
    "reconcile": (
        "Say how MLflow's `champion` stands to the ledger; --adopt or --put-back brings them together."
    ),
    "history": "Every move of `champion`, oldest first: when, how, by whom, and why.",
    "lineage": (
        "Walk back from a version, an item, or an item that a user was recommended, to batches and commit."
    ),
    "explain": (
        "Why the champion would show this item to that user: what each thing they did weighs, "
        "and the codes they share."
    ),
    "verify": (
        "Check a version's bytes and claims, make its data again from the warehouse, and compare digests."
    ),
    "recommend": "What the champion would show this user next, by title; noted in the warehouse.",
    "search": ("Items by a query in words; with a user, in the order in which the champion would show them."),
    "score": "Score everybody in batch: parquet, warehouse and online store, then served all at once.",
    "serve": (
        "Serve lists over HTTP, following the champion as it moves, until it is stopped (Ctrl-C, SIGTERM)."
    ),
    "status": (
        "Champion, challenger, last cycles, freshness, quarantine; on an empty home, what to run first."
    ),
    "verdict": "The verdicts of the last cycles as markdown, for the summary of a CI job or a comment.",
    "ui": (
        "Open where things stand, and the real UIs (Prefect, MLflow, Data Docs, reports); Ctrl-C leaves them."
    ),
    "deploy": (
        "Apply `infra/prefect.yaml` to the Prefect server: schedules, and runs to start by name or form."
    ),
    "worker": "Run what schedules, people and events start, one process a run, until Ctrl-C.",
    "doctor": "Check versions, ports, disk, databases and leases, and say how to fix each.",
    "erase": (
        "Erase one user from every store, and take no later row of theirs in. Killed, it is run again."
    ),
    "backup": (
        "Write this home (databases, artifacts, registry, reports) into one file; servers may go on running."
    ),
    "restore": "Put a home back from a backup, every byte checked; refuses a home that holds anything.",
    "prune": "Remove old artifacts that nothing points to, and old lists that are not served.",
}
GROUPS = {
    "quarantine": "See, export, release or drop the rows that contracts refused.",
    "experiment": "Read the live test of the scoring server back: list, read, export.",
}
STAYING = ("approvals", "serve", "ui", "worker")  # end when they are told to
_OF_A_WINDOW = (
    "since",
    "as_of",
    "train_cutoff",
    "challenger",
    "preference",
)  # which the back-test says itself
_OF_A_STUDY = (
    "challenger",
    "refit_tokenizer",
    "warm_start",
    "preference",
)  # one arm from its beginning, by a tokenizer of its own
TAKING_REQUEST: dict[str, tuple[str, ...]] = {
    "plan": (),
    "retrain": (),
    "backfill": _OF_A_WINDOW,
    "tune": _OF_A_STUDY,
}  # but for these
