"""Who may move the champion on an MLflow server with accounts. This runs inside that server.

MLflow asks one right, EDIT on the registered model, of who registers a version and of who moves an alias. So its
setting `authorization_function` (infra/mlflow/basic_auth.ini) names `authorize` here: MLflow's own login comes
first, and its own rights come after. In between, an account that RECLOOP_PROMOTERS does not name may add to the
registry and change nothing of what a promotion trusts: it may make a model, add a version that claims no approval,
and move every alias but `champion`. Whatever else writes to the registry is refused, so a request that a later
MLflow adds is too. A promoter, in turn, approves in its own name only.

What is asked is read where MLflow reads it: the rule that Flask matched, and the message as MLflow's handler parses
it. So no spelling of a path or a body means one thing here and another there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, make_response, request
from mlflow.protos.model_registry_pb2 import (
    CreateModelVersion,
    CreateRegisteredModel,
    DeleteModelVersionTag,
    DeleteRegisteredModelAlias,
    ModelRegistryService,
    SetModelVersionTag,
    SetRegisteredModelAlias,
)
from mlflow.server.handlers import _get_model_registry_store, _get_request_message, get_service_endpoints
from werkzeug.datastructures import Authorization

from components.registry.registered import APPROVAL_TAG, APPROVER_TAG, CHAMPION, STARTER_TAG

PROMOTERS = "RECLOOP_PROMOTERS"  # of the server's environment: names of accounts, separated by commas
_READS = ("Get", "Search")  # what the names of the requests begin with that change nothing
_APPROVAL = (APPROVAL_TAG, APPROVER_TAG)
_ASKED = {
    (path, method): message
    for path, message, methods in get_service_endpoints(ModelRegistryService, lambda message: message)
    for method in methods
}
_RULES = {path for path, _ in _ASKED}


def authorize() -> Authorization | Response:
    """The account that asks, 401 as MLflow words it, or 403 with a message of what is asked of a promoter only."""
    from mlflow.server.auth import (
        authenticate_request_basic_auth,
    )  # the extra `login`, which servers alone need

    account = authenticate_request_basic_auth()
    if isinstance(account, Response):
        return account
    name = str(account.username)
    why_not = objection(name, os.environ)
    return account if why_not is None else _refused(f"{name}: {why_not}")


def objection(account: str, environ: Mapping[str, str]) -> str | None:
    """Why this account may not do what the current request asks of the registry, or None.

    Raises MlflowException for a body that MLflow's handler refuses too.
    """
    rule = request.url_rule.rule if request.url_rule else ""
    if rule not in _RULES or request.method in ("HEAD", "OPTIONS"):
        return None
    asked = _ASKED.get((rule, request.method))
    if asked is None:
        return f"{request.method} {rule} is no request of MLflow's registry."
    if asked.__name__.startswith(_READS):
        return None
    if account in promoters(environ):
        return _of_the_name(account, asked)
    return _of_the_role(asked)


def promoters(environ: Mapping[str, str]) -> frozenset[str]:
    """The accounts that the server's environment names; none, and nobody moves the champion."""
    return frozenset(name for part in environ.get(PROMOTERS, "").split(",") if (name := part.strip()))


def _of_the_role(asked: type) -> str | None:
    if asked is CreateRegisteredModel:
        return None
    if asked is CreateModelVersion:
        claimed = [
            tag.key for tag in _get_request_message(CreateModelVersion()).tags if _is(tag.key, _APPROVAL)
        ]
        return f"a new version with the tag {claimed[0]} would approve itself. {_ask()}" if claimed else None
    if asked in (SetRegisteredModelAlias, DeleteRegisteredModelAlias):
        alias = _get_request_message(asked()).alias
        return f"the alias {CHAMPION} is moved by promoters. {_ask()}" if _is(alias, (CHAMPION,)) else None
    return f"{asked.__name__} changes what a promotion trusts, and is asked of promoters. {_ask()}"


def _of_the_name(account: str, asked: type) -> str | None:
    """MLflow keeps no author of a tag, so nobody writes another's name."""
    if asked in (SetModelVersionTag, DeleteModelVersionTag):
        told = _get_request_message(asked())
        if _is(told.key, (STARTER_TAG,)) and (held := _starter(told)) not in (
            None,
            getattr(told, "value", ""),
        ):
            return f"{STARTER_TAG} says who started the run, {held!r}, and stays: who started it may not approve it."
        tags = [told] if asked is SetModelVersionTag else []
    elif asked is CreateModelVersion:
        tags = list(_get_request_message(CreateModelVersion()).tags)
    else:
        return None
    others = [tag.value for tag in tags if _is(tag.key, (APPROVER_TAG,)) and not _is(tag.value, (account,))]
    return (
        f"{APPROVER_TAG} takes the name of the account that writes it, not {others[0]!r}." if others else None
    )


def _starter(told: Any) -> str | None:
    """Who started the version's run, as its tag says now; None where nobody does."""
    version = _get_model_registry_store().get_model_version(told.name, told.version)
    return version.tags.get(STARTER_TAG)


def _ask() -> str:
    return f"Ask one of them, or let {PROMOTERS} of MLflow's server name this account, and start it again."


def _is(one: str, others: tuple[str, ...]) -> bool:
    """Some databases tell no upper from lower case, nor text with a blank at its end from text without."""
    return one.strip().casefold() in {other.strip().casefold() for other in others}


def _refused(message: str) -> Response:
    return make_response(jsonify(error_code="PERMISSION_DENIED", message=message), 403)
