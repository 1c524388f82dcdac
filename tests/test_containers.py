"""Containers and manifests against the command line, the settings and each other. No engine runs here.

Schemas, the Dockerfile's rules and Kubernetes' own are checked by `make check`.
"""

from __future__ import annotations

import configparser
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from components.registry.promoters import PROMOTERS, promoters
from flows.cli.app import app
from flows.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
INFRA = ROOT / "infra"
COMPOSE = yaml.safe_load((INFRA / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BASE = INFRA / "kubernetes" / "base"
OURS = ("mlflow", "prefect", "worker", "serve")
ONCE = "prepare"  # runs as root, without a network, and ends
PORTS = {"mlflow": 5000, "prefect": 4200, "worker": 8080, "serve": 8000}
HEALTH = {"mlflow": "/health", "prefect": "/api/health", "worker": "/health", "serve": "/health"}


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted(BASE.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in manifests() if found["kind"] == kind}


def container(name: str) -> dict[str, Any]:
    return of_kind("Deployment")[name]["spec"]["template"]["spec"]["containers"][0]


def values(node: object) -> Iterator[str]:
    """Every scalar below."""
    if isinstance(node, dict):
        for child in node.values():
            yield from values(child)
    elif isinstance(node, list):
        for child in node:
            yield from values(child)
    else:
        yield str(node)


def examples(path: Path) -> dict[str, str]:
    """Variable → value of an .env.example, commented or not."""
    return dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", path.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory"}
    if name == ONCE:
        assert service["network_mode"] == "none"
        return
    assert service["user"].partition(":")[0] not in {"", "0", "root"}
    assert service["healthcheck"]["test"][0] == "CMD"
    assert "/tmp" in service["tmpfs"]


def test_only_the_proxy_is_published() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["state"] == {"internal": True}
    assert COMPOSE["networks"]["servers"] == {"internal": True}


def test_images_are_pinned() -> None:
    for service in SERVICES.values():
        image = service["image"]
        assert image.startswith("${RECLOOP_IMAGE:?") or re.search(
            r":v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", image
        ), image
    froms = re.findall(r"^(?:ARG BASE=|FROM )(\S+)", (INFRA / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert [base for base in froms if base != "${BASE}"] == [froms[0]]
    assert re.search(r":3\.11\.\d+[\w.-]*@sha256:[0-9a-f]{64}$", froms[0])


def test_no_secret_stands_in_a_file() -> None:
    """A variable whose name says secret holds a reference, in compose and in Kubernetes."""
    secret = re.compile(r"PASSWORD|SECRET|_KEYS?$|AUTH_STRING|_URL$|BACKEND")
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if secret.search(name) and not re.match(r"(https?|s3)://[^@]*$", str(value)):
                assert re.search(r"\$\{\w+:\?", str(value)), name
    for name in OURS:
        for variable in container(name)["env"]:
            if secret.search(variable["name"]) and not str(variable.get("value", "")).startswith("http"):
                assert "value" not in variable, variable["name"]
    assert all(not value for name, value in examples(INFRA / ".env.example").items() if secret.search(name))


def test_every_variable_of_compose_is_shown_and_required() -> None:
    text = (INFRA / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    assert used == set(re.findall(r"\$\{(\w+):\?", text)), "an unset variable stops compose"
    assert used == set(examples(INFRA / ".env.example"))


@pytest.mark.parametrize("name", ["worker", "serve"])
def test_settings_of_recloop_exist(name: str) -> None:
    known = examples(ROOT / ".env.example").keys() | {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
    known |= {"PREFECT_API_AUTH_STRING", "DO_NOT_TRACK"}
    known |= {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    fields = {f"RECLOOP_{field.upper()}" for field in Settings.model_fields}
    in_cluster = {variable["name"] for variable in container(name)["env"]} - {"LISTS_NAME"}
    for variable in SERVICES[name]["environment"].keys() | in_cluster:
        assert variable in known or variable.startswith("PREFECT_WORKER_WEBSERVER_"), variable
        assert not variable.startswith("RECLOOP_") or variable in fields, variable


def test_commands_are_the_command_lines() -> None:
    for name in ("serve", "worker"):
        known = get_command(app).commands[name]  # type: ignore[attr-defined]
        options = {option for parameter in known.params for option in parameter.opts}
        for command in (SERVICES[name]["command"], container(name)["command"]):
            assert command[:2] == ["recloop", name]
            assert {word for word in command if word.startswith("--")} <= options
    for name in ("prefect", "worker", "serve"):
        assert container(name)["command"] == SERVICES[name]["command"]
    flags = [word.partition("=")[0] for word in SERVICES["mlflow"]["command"]]
    assert flags == [word.partition("=")[0] for word in container("mlflow")["command"]]


def test_flags_of_the_engines_exist() -> None:
    import prefect.settings
    from mlflow.cli import cli
    from mlflow.environment_variables import MLFLOW_AUTH_ADMIN_PASSWORD, MLFLOW_AUTH_CONFIG_PATH

    server = {option for parameter in cli.commands["server"].params for option in parameter.opts}
    asked = {word.partition("=")[0] for word in SERVICES["mlflow"]["command"] if word.startswith("--")}
    assert asked <= server
    assert {str(MLFLOW_AUTH_ADMIN_PASSWORD.name), str(MLFLOW_AUTH_CONFIG_PATH.name)} <= SERVICES["mlflow"][
        "environment"
    ].keys()
    assert not hasattr(prefect.settings, "PREFECT_NO_SUCH_SETTING")
    for service in SERVICES.values():
        asked = {name for name in service.get("environment", {}) if name.startswith("PREFECT_")} - {
            "PREFECT_NAME"
        }
        assert all(hasattr(prefect.settings, name) for name in asked), asked


@pytest.mark.parametrize("name", OURS)
def test_compose_and_the_cluster_set_the_same(name: str) -> None:
    """The same variables, and the same value where it is written in both files."""
    helps = {
        "MLFLOW_ARTIFACTS",
        "MLFLOW_NAME",
        "LISTS_NAME",
        "PREFECT_NAME",
    }  # other variables are made of them
    regions = {"AWS_DEFAULT_REGION"}  # compose's store asks for one; a cluster's is named by whoever runs it
    here = SERVICES[name]["environment"]
    there = {variable["name"]: variable.get("value") for variable in container(name)["env"]}
    assert here.keys() - regions == there.keys() - helps - regions
    # the kubelet asks from outside the pod; a pod's /tmp is a volume of its own, and Prefect's server keeps no file
    differ = {"PREFECT_WORKER_WEBSERVER_HOST", "PREFECT_HOME"}
    literal = {
        key for key, value in there.items() if value and "$" not in value and "$" not in str(here.get(key))
    }
    assert {key: there[key] for key in literal - helps - differ} == {
        key: str(here[key]) for key in literal - helps - differ
    }


def test_the_guard_of_the_champion_is_on() -> None:
    """Both files of accounts name it (they are equal), it exists, and its setting is given in both places."""
    shipped = configparser.ConfigParser()
    shipped.read(INFRA / "mlflow" / "basic_auth.ini")
    module, _, function = shipped["mlflow"]["authorization_function"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    for command in (SERVICES["mlflow"]["command"], container("mlflow")["command"]):
        assert "--app-name=basic-auth" in command
        assert "--workers=1" in command  # others would not hear of a changed password for a minute
    assert PROMOTERS in SERVICES["mlflow"]["environment"]
    assert PROMOTERS in {variable["name"] for variable in container("mlflow")["env"]}
    for name in ("worker", "serve"):
        assert PROMOTERS not in SERVICES[name]["environment"]
    named = examples(INFRA / ".env.example")
    assert named["MLFLOW_TRACKING_USERNAME"] in promoters({PROMOTERS: named[PROMOTERS]})
    assert named["MLFLOW_SERVE_USERNAME"] not in promoters({PROMOTERS: named[PROMOTERS]})


@pytest.mark.parametrize("name", OURS)
def test_ports_and_probes_agree(name: str) -> None:
    port, path = PORTS[name], HEALTH[name]
    assert f"http://127.0.0.1:{port}{path}" in SERVICES[name]["healthcheck"]["test"][-1]
    found = container(name)
    assert [one["containerPort"] for one in found["ports"]] == [port]
    assert found["livenessProbe"]["httpGet"]["path"] == path
    if name == "worker":
        return
    proxied = (INFRA / "proxy" / "Caddyfile").read_text()
    assert f"reverse_proxy {name}:{port}" in proxied
    assert of_kind("Service")[name]["spec"]["ports"][0]["port"] == port


def test_probes_of_the_scoring_server_are_paths_of_it() -> None:
    routes = "".join(path.read_text() for path in (ROOT / "components" / "serving").glob("*.py"))
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert f'@app.get("{container("serve")[probe]["httpGet"]["path"]}"' in routes


@pytest.mark.parametrize("name", OURS)
def test_a_pod_may_do_little(name: str) -> None:
    pod = of_kind("Deployment")[name]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    inside = pod["containers"][0]["securityContext"]
    assert inside["readOnlyRootFilesystem"] is True
    assert inside["allowPrivilegeEscalation"] is False
    assert inside["capabilities"] == {"drop": ["ALL"]}
    assert {"cpu", "memory"} <= pod["containers"][0]["resources"]["limits"].keys()
    assert pod["containers"][0]["image"] == "recloop:unset"  # release.yml puts the digest here


def test_selectors_find_their_pods() -> None:
    pods = {
        name: found["spec"]["template"]["metadata"]["labels"] for name, found in of_kind("Deployment").items()
    }
    assert set(pods) == set(OURS)
    for name, found in of_kind("Deployment").items():
        assert found["spec"]["selector"]["matchLabels"].items() <= pods[name].items()
    for name, found in of_kind("Service").items():
        assert [
            pod for pod, labels in pods.items() if found["spec"]["selector"].items() <= labels.items()
        ] == [name]
    claims = of_kind("PersistentVolumeClaim")
    for found in of_kind("Deployment").values():
        for volume in found["spec"]["template"]["spec"]["volumes"]:
            assert (
                "persistentVolumeClaim" not in volume
                or volume["persistentVolumeClaim"]["claimName"] in claims
            )


def test_nothing_is_reached_unless_named() -> None:
    policies = of_kind("NetworkPolicy")
    assert policies["nothing-by-default"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    asked = {
        port["port"] for rule in policies["from-the-ingress"]["spec"]["ingress"] for port in rule["ports"]
    }
    assert asked == {PORTS[name] for name in ("mlflow", "prefect", "serve")}


def test_kustomize_lists_what_lies_there() -> None:
    base = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    assert set(base["resources"]) == {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert (BASE / "basic_auth.ini").read_text() == (INFRA / "mlflow" / "basic_auth.ini").read_text()
    given = {
        "mlflow-name", "prefect-name", "lists-name", "mlflow-artifacts", "artifacts", "objects-url", "promoters",
        "source",
    }  # fmt: skip
    for name in ("staging", "production"):
        overlay = yaml.safe_load(
            (INFRA / "kubernetes" / "overlays" / name / "kustomization.yaml").read_text()
        )
        assert {line.partition("=")[0] for line in overlay["configMapGenerator"][0]["literals"]} == given
    used = {
        variable["valueFrom"]["configMapKeyRef"]["key"]
        for name in OURS for variable in container(name)["env"] if "configMapKeyRef" in variable.get("valueFrom", {})
    }  # fmt: skip
    assert used == given


def test_the_secret_keys_are_documented() -> None:
    told = (ROOT / "docs" / "how-to" / "production.md").read_text()
    keys = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for name in OURS for variable in container(name)["env"] if "secretKeyRef" in variable.get("valueFrom", {})
    }  # fmt: skip
    assert all(f"`{key}`" in told for key in keys), keys
