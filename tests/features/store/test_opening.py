"""Definitions: applied from Python and by Feast's own command, the services carry the feature set."""

from __future__ import annotations

import os

from click.testing import CliRunner
from feast.cli.cli import cli

from components.features.store.opening import REPOSITORY, OpenStore, apply_definitions, open_store


def test_services_name_their_feature_set_and_applying_again_moves_it(store: OpenStore):
    assert store.feast.get_feature_service("recommender_v1").tags == {"feature_set": "f" * 12}
    apply_definitions(store, feature_set="a" * 12)
    for name in ("recommender_v1", "tokenizer_v1"):
        assert store.feast.get_feature_service(name).tags == {"feature_set": "a" * 12}


def test_item_vectors_are_not_online(store: OpenStore):
    online = {view.name for view in store.feast.list_feature_views() if view.online}
    assert online == {"user_sequence", "user_live", "user_recommendations"}


def test_the_environment_is_left_as_it_was(store: OpenStore):
    assert "RECLOOP_FEAST_HOME" not in os.environ
    assert "RECLOOP_FEATURE_SET" not in os.environ


def test_feasts_own_command_reads_the_same_files(store: OpenStore, monkeypatch, caplog):
    """`feast apply` in feature_repo/, as CI runs it, over a store that Python applied."""
    monkeypatch.setenv("RECLOOP_FEAST_HOME", str(store.home))
    monkeypatch.setenv("RECLOOP_FEATURE_SET", "c" * 12)
    done = CliRunner().invoke(cli, ["--chdir", str(REPOSITORY), "apply"])
    assert done.exit_code == 0, done.output
    assert not caplog.records
    assert open_store(store.home).feast.get_feature_service("tokenizer_v1").tags == {"feature_set": "c" * 12}
