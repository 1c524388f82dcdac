"""A real MLflow with three accounts that all have MANAGE on the model: only the promoter moves the champion.

The attacker holds CI's account and knows MLflow's API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.data.alpha import checked_alpha, spend_alpha
from components.data.chain import LedgerBroken
from components.data.ledger import promotions
from components.data.warehouse import Engine
from components.registry import tracking
from components.registry.drift import finish_interrupted, reconcile
from components.registry.promotion import promote, rollback
from components.registry.registered import BUNDLE_TAG, STARTER_TAG, VERDICT_TAG, TrackingRefused
from components.registry.versions import aliases
from tests.data.test_chain import behind
from tests.registry.servers import ADMIN, ADMIN_PASSWORD, mlflow_with_accounts

MODEL = "guarded"
CI, WORKER, REVIEWER, PERSON = "ci", "the-worker", "Alice", "person"
PASSWORD = "password-of-tests"  # noqa: S105 - opens nothing


@dataclass(frozen=True, kw_only=True)
class Server:
    url: str

    def ask(
        self, method: str, path: str, body: Any, *, account: str = CI, **headers: str
    ) -> requests.Response:
        password = ADMIN_PASSWORD if account == ADMIN else PASSWORD
        sent = body if isinstance(body, str) else json.dumps(body)
        prepared = requests.Request(
            method, self.url, data=sent, auth=(account, password),
            headers={"Content-Type": "application/json", **headers},
        ).prepare()  # fmt: skip
        prepared.url = self.url + path  # as it is written here: requests would tidy it up
        return requests.Session().send(prepared, timeout=30)

    def state(self) -> tuple[Any, ...]:
        """Everything that a promotion trusts."""
        model = self.ask(
            "GET", f"/api/2.0/mlflow/registered-models/get?name={MODEL}", "", account=WORKER
        ).json()
        found = [
            self.ask(
                "GET", f"/api/2.0/mlflow/model-versions/get?name={MODEL}&version={v}", "", account=WORKER
            ).json()
            for v in (1, 2)
        ]
        told = model["registered_model"]
        return told["aliases"], told.get("tags"), told["name"], [
            (v["model_version"]["tags"], v["model_version"].get("description"), v["model_version"]["current_stage"])
            for v in found
        ]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Version 1 is champion, version 2 was held back; CI made neither."""
    pytest.importorskip("flask_wtf", reason="make test LOCKS='runtime postgres s3 login dev' installs it")
    with mlflow_with_accounts(tmp_path_factory.mktemp("accounts"), promoters=f"{WORKER}, {REVIEWER}") as url:
        made = Server(url=url)
        for account in (CI, WORKER, REVIEWER, PERSON):
            new = {"username": account, "password": PASSWORD}
            made.ask("POST", "/api/2.0/mlflow/users/create", new, account=ADMIN).raise_for_status()
        new = {"name": MODEL}
        made.ask("POST", "/api/2.0/mlflow/registered-models/create", new, account=WORKER).raise_for_status()
        for verdict in ("PROMOTE", "HOLD"):
            tags = [{"key": VERDICT_TAG, "value": verdict}, {"key": BUNDLE_TAG, "value": verdict.lower()}]
            version(made, tags=tags, account=WORKER).raise_for_status()
        for account in (CI, REVIEWER, PERSON):
            right = {
                "username": account, "resource_type": "registered_model", "resource_id": MODEL, "permission": "MANAGE",
            }  # fmt: skip
            made.ask(
                "POST", "/api/3.0/mlflow/users/permissions/grant", right, account=WORKER
            ).raise_for_status()
        alias(made, account=WORKER).raise_for_status()
        yield made


def version(server: Server, *, account: str = CI, tags: list[dict[str, str]]) -> requests.Response:
    """Registers a version from artifacts of an experiment of the account's own."""
    name = {"name": f"of {account}"}
    server.ask("POST", "/api/2.0/mlflow/experiments/create", name, account=account)
    found = server.ask(
        "GET", f"/api/2.0/mlflow/experiments/get-by-name?experiment_name=of%20{account}", "", account=account
    )
    place = {"experiment_id": found.json()["experiment"]["experiment_id"]}
    run = server.ask("POST", "/api/2.0/mlflow/runs/create", place, account=account).json()["run"]["info"][
        "run_id"
    ]
    new = {"name": MODEL, "source": f"runs:/{run}/model", "run_id": run, "tags": tags}
    return server.ask("POST", "/api/2.0/mlflow/model-versions/create", new, account=account)


def alias(server: Server, *, account: str, name: str = "champion", number: str = "1") -> requests.Response:
    wanted = {"name": MODEL, "alias": name, "version": number}
    return server.ask("POST", "/api/2.0/mlflow/registered-models/alias", wanted, account=account)


V2 = {"name": MODEL, "version": "2"}
CHAMPION_IS_2 = V2 | {"alias": "champion"}
APPROVED = {"key": "validation_status", "value": "approved"}
ROADS = {
    "alias": ("POST", "registered-models/alias", CHAMPION_IS_2),
    "alias in a string": ("POST", "registered-models/alias", json.dumps(json.dumps(CHAMPION_IS_2))),
    "alias named twice": (
        "POST", "registered-models/alias",
        f'{{"alias": "challenger", "name": "{MODEL}", "version": "2", "alias": "champion"}}',
    ),
    "alias in other letters": ("POST", "registered-models/alias", CHAMPION_IS_2 | {"alias": "Champion"}),
    "no alias": ("DELETE", "registered-models/alias", {"name": MODEL, "alias": "champion"}),
    "rename": ("POST", "registered-models/rename", {"name": MODEL, "new_name": "mine"}),
    "describe the model": ("PATCH", "registered-models/update", {"name": MODEL, "description": "mine"}),
    "delete the model": ("DELETE", "registered-models/delete", {"name": MODEL}),
    "delete a version": ("DELETE", "model-versions/delete", V2),
    "delete the champion": ("DELETE", "model-versions/delete", V2 | {"version": "1"}),
    "card": ("PATCH", "model-versions/update", V2 | {"description": "far better"}),
    "stage": ("POST", "model-versions/transition-stage", V2 | {"stage": "Production"}),
    "approve": ("POST", "model-versions/set-tag", V2 | APPROVED),
    "verdict": ("POST", "model-versions/set-tag", V2 | {"key": VERDICT_TAG, "value": "PROMOTE"}),
    "no bundle": ("DELETE", "model-versions/delete-tag", V2 | {"version": "1", "key": BUNDLE_TAG}),
    "entry": ("POST", "registered-models/set-tag", {"name": MODEL, "key": "recloop.ledger_entry", "value": "9"}),
    "no entry": ("DELETE", "registered-models/delete-tag", {"name": MODEL, "key": "recloop.ledger_entry"}),
    "a version that approves itself": (
        "POST", "model-versions/create", {"name": MODEL, "source": "models:/guarded/2", "tags": [APPROVED]},
    ),
}  # fmt: skip
SPELLINGS = {
    "rest": "/api/2.0/mlflow/{}",
    "page": "/ajax-api/2.0/mlflow/{}",
    "encoded": "/api/2.0/mlflow/%72egistered-models/%61lias",
    "encoded dots": "/api/2.0/./mlflow/{}",
    "through another folder": "/static-files/../api/2.0/mlflow/{}",
    "double slash": "//api/2.0//mlflow/{}",
    "slash at the end": "/api/2.0/mlflow/{}/",
    "query": "/api/2.0/mlflow/{}?alias=challenger",
    "version 3": "/api/3.0/mlflow/{}",
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_ci_changes_nothing_that_a_promotion_trusts(server: Server, road: str, prefix: str) -> None:
    method, path, body = ROADS[road]
    before = server.state()
    answer = server.ask(method, f"{prefix}/2.0/mlflow/{path}", body)
    assert answer.status_code == 403, answer.text
    told = answer.json()
    assert told["error_code"] == "PERMISSION_DENIED"
    assert told["message"].startswith("ci: ")
    assert "RECLOOP_PROMOTERS of MLflow's server" in told["message"]
    assert server.state() == before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_the_path_leads_past(server: Server, spelling: str) -> None:
    before = server.state()
    answers = [
        server.ask(method, SPELLINGS[spelling].format("registered-models/alias"), CHAMPION_IS_2, **headers)
        for method, headers in (
            ("POST", {}), ("PUT", {}), ("PATCH", {}), ("GET", {"X-HTTP-Method-Override": "POST"}),
        )
    ]  # fmt: skip
    assert server.state() == before
    assert answers[0].status_code in (403, 404, 405, 308)


def test_no_account_makes_itself_a_promoter(server: Server) -> None:
    """Neither with a new account nor with another's, nor through MLflow's other interfaces."""
    before = server.state()
    users = "/api/2.0/mlflow/users"
    stolen = {"username": WORKER, "password": "password-of-the-thief"}
    tried = [
        server.ask("PATCH", f"{users}/update-password", stolen),
        server.ask("PATCH", f"{users}/update-admin", {"username": CI, "is_admin": True}),
        server.ask("POST", f"{users}/create", {"username": f"{WORKER} ", "password": PASSWORD}),
        server.ask("DELETE", f"{users}/delete", {"username": WORKER}),
    ]
    assert {answer.status_code for answer in tried} == {403}
    mutation = {"query": 'mutation { setRegisteredModelAlias(name: "guarded") { __typename } }'}
    answer = server.ask("POST", "/graphql", mutation)
    assert "Cannot query field" in answer.text
    assert server.state() == before


def test_ci_adds_to_the_registry(server: Server) -> None:
    made = version(server, tags=[{"key": VERDICT_TAG, "value": "HOLD"}])
    assert made.status_code == 200, made.text
    number = made.json()["model_version"]["version"]
    assert alias(server, account=CI, name="challenger", number=number).status_code == 200
    gone = server.ask(
        "DELETE", "/api/2.0/mlflow/registered-models/alias", {"name": MODEL, "alias": "challenger"}
    )
    assert gone.status_code == 200
    other = server.ask("POST", "/api/2.0/mlflow/registered-models/create", {"name": "another"})
    assert other.status_code == 200


@pytest.mark.parametrize("account", [PERSON, ADMIN])
def test_who_is_not_named_is_refused_the_admin_too(server: Server, account: str) -> None:
    before = server.state()
    assert alias(server, account=account, number="2").status_code == 403
    assert server.state() == before


def test_a_promoter_moves_the_champion_and_approves_in_its_own_name(server: Server) -> None:
    assert alias(server, account=REVIEWER, number="2").status_code == 200
    assert alias(server, account=WORKER, number="1").status_code == 200

    def approve(name: str) -> requests.Response:
        tag = V2 | {"key": "approved_by", "value": name}
        return server.ask("POST", "/api/2.0/mlflow/model-versions/set-tag", tag, account=REVIEWER)

    refused = approve("Bob")
    assert (refused.status_code, "not 'Bob'" in refused.json()["message"]) == (403, True)
    assert approve("alice").status_code == 200
    gone = V2 | {"key": "approved_by"}
    path = "/api/2.0/mlflow/model-versions/delete-tag"
    assert server.ask("DELETE", path, gone, account=REVIEWER).status_code == 200


def test_who_started_a_run_stays_who_started_it(server: Server) -> None:
    """Else a promoter who started it would write another's name there, and approve it."""

    def started(name: str, account: str = REVIEWER) -> int:
        tag = V2 | {"key": STARTER_TAG, "value": name}
        return server.ask("POST", "/api/2.0/mlflow/model-versions/set-tag", tag, account=account).status_code

    assert started(REVIEWER, WORKER) == 200
    before = server.state()
    path = "/api/2.0/mlflow/model-versions/delete-tag"
    assert started("Bob") == 403
    assert server.ask("DELETE", path, V2 | {"key": STARTER_TAG}, account=REVIEWER).status_code == 403
    assert started(REVIEWER, WORKER) == 200  # as registering again writes it
    assert server.state() == before


def test_without_a_login_nothing_is_answered(server: Server) -> None:
    assert (
        requests.get(f"{server.url}/api/2.0/mlflow/registered-models/search", timeout=30).status_code == 401
    )


@pytest.fixture
def as_account(server: Server, monkeypatch: pytest.MonkeyPatch, mlflow_here: str) -> Any:
    """Sets whose login this process's client uses."""
    tracking.configure(server.url)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    return lambda name: monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)


def test_recloop_with_cis_account_writes_nothing_and_says_why(warehouse: Engine, as_account: Any) -> None:
    """The ledger stays as it was: an entry without its move would be finished by the next who may."""
    asked = {"model_name": MODEL, "verdict": "PROMOTE", "actor": "cycle", "reason": "better", "evidence": {}}
    as_account(WORKER)
    client = MlflowClient()
    client.delete_registered_model_alias(MODEL, "champion")
    as_account(CI)
    refused = promote(warehouse, version="1", expected_champion=None, **asked)
    assert (refused.moved, refused.champion) == (False, None)
    assert refused.reason.startswith("MLflow refuses to let this account move the champion of guarded")
    assert "ci: SetRegisteredModelTag changes" in refused.reason
    assert promotions(warehouse, MODEL) == []
    as_account(WORKER)
    assert promote(warehouse, version="1", expected_champion=None, **asked).moved
    as_account(CI)
    assert not rollback(warehouse, model_name=MODEL, actor="ci", reason="why not").moved
    with pytest.raises(MlflowException, match="the alias champion is moved by promoters"):
        MlflowClient().set_registered_model_alias(MODEL, "champion", "2")
    assert (aliases(MODEL), len(promotions(warehouse, MODEL))) == ({"champion": "1"}, 1)
    as_account(WORKER)
    client.set_registered_model_alias(MODEL, "champion", "2")  # a promoter, past recloop
    as_account(CI)
    for mode in ("adopt", "put-back"):
        assert "MLflow refuses" in reconcile(warehouse, MODEL, mode).reason  # type: ignore[arg-type]
    assert finish_interrupted(warehouse, MODEL).state == "moved"
    spend_alpha(warehouse, window="w", challenger="a", shares=(0.01,), profile="p")
    behind(warehouse, "UPDATE alpha_ledger SET profile = 'q'")
    assert "nothing was accepted. MLflow refuses" in reconcile(warehouse, MODEL, "accept-ledger").reason
    with pytest.raises(LedgerBroken):
        checked_alpha(warehouse)
    as_account(WORKER)
    assert reconcile(warehouse, MODEL, "put-back").champion == "1"


def test_every_route_to_the_registry_is_watched() -> None:
    """What no table of MLflow's registry service names is one route, and it only reads."""
    from mlflow.server import app

    from components.registry.promoters import _RULES

    routes = {rule.rule for rule in app.url_map.iter_rules()}
    about = {route for route in routes if "registered-models" in route or "model-versions" in route}
    assert about - _RULES == {"/model-versions/get-artifact"}
    assert about >= _RULES


def test_what_mlflow_refuses_is_told_with_the_account(
    as_account: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that is wrong, and one without a right on the model."""
    as_account(CI)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "mistyped")
    with pytest.raises(TrackingRefused, match=r"refuses ci .*Set MLFLOW_TRACKING_USERNAME"):
        aliases(MODEL)
    new = {"username": "newcomer", "password": PASSWORD}
    server.ask("POST", "/api/2.0/mlflow/users/create", new, account=ADMIN).raise_for_status()
    as_account("newcomer")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    with pytest.raises(TrackingRefused, match=r"refuses newcomer .*Ask its admin"):
        aliases(MODEL)
