"""One small artifact of each kind, to be damaged; the tests of each kind make them, where they do."""

from __future__ import annotations

from pathlib import Path

from components.artifact import ArtifactRef, publish
from tests.data.landing import at, bad, batch, event, item


def snapshot(root: Path) -> tuple[ArtifactRef, list[Path]]:
    """A snapshot of five days, and its day files."""
    from components.data.ingest import land_batch
    from components.data.snapshot import take_snapshot
    from components.data.warehouse import open_warehouse

    engine = open_warehouse(f"sqlite:///{root}/warehouse.db")
    rows = [event(f"e{n}", user=f"u{n % 7}", hours=4 * n) for n in range(30)]
    land_batch(engine, batch(*rows, items=(item("i1", "One"),)))
    ref = take_snapshot(engine, root, end=at(120))
    engine.dispose()
    return ref, sorted((root / "partitions").iterdir())


def checked_batch(root: Path) -> ArtifactRef:
    from components.data.batch import write_checked

    told = batch(event("e1"), event("e2", hours=1), items=(item("i1"),), quarantined=(bad("x"),))
    return publish(root, "checked_batch", lambda folder: write_checked(told, folder), parents={}, config={})


def feature_set(root: Path) -> ArtifactRef:
    from tests.features.test_featureset import publish as publish_features

    return publish_features(root)


def id_table(root: Path) -> ArtifactRef:
    from components.tokenizer.id_table import publish_id_table
    from tests.tokenizer.test_id_table import TABLE, TOKENIZER

    return publish_id_table(root, TABLE, tokenizer=TOKENIZER, table_sizes=[4, 4, 8])


def bundle(root: Path) -> ArtifactRef:
    from tests.registry.conftest import make_bundle

    made = make_bundle(root)
    return ArtifactRef(kind="bundle", digest=made.digest, path=str(made.path))


def tokenizer(root: Path) -> ArtifactRef:
    """A quick fit on the planted catalogue of the tests."""
    from components.tokenizer.config import quick
    from components.tokenizer.fit import fit_tokenizer
    from tests.tokenizer.planted import planted_catalogue

    catalogue = planted_catalogue()
    fitted = fit_tokenizer(*catalogue.inputs, quick())
    return publish(root, "tokenizer", fitted.tokenizer.save, parents={}, config={})
