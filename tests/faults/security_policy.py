"""What containers, workflows and the engines' settings allow, read from the files; each loosened once to be seen."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from flows.engine_environment import engine_environment
from flows.local.engine_servers import local_servers
from flows.settings import Settings
from tests.faults.probing import Probe

_ROOT = Path(__file__).resolve().parents[2]
_PREPARES = "prepare"  # of compose: root, without a network, and ends
Rule = Callable[[Any], bool]
Loosen = Callable[[Any], object]


def probes(scratch: Path) -> Iterator[Probe]:
    compose = yaml.safe_load((_ROOT / "infra" / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        rules = _SERVICE if name != _PREPARES else {"no network": _SERVICE_ALONE, **_LITTLE}
        yield from _held(f"compose, {name}", service, rules)
    for name, pod in _pods():
        yield from _held(f"Kubernetes, {name}", pod, _POD)
    for path in sorted((_ROOT / ".github" / "workflows").glob("*.yml")):
        yield from _held(f"workflow {path.name}", path.read_text(), _WORKFLOW)
    yield from _held("Dockerfile", (_ROOT / "infra" / "Dockerfile").read_text(), _DOCKERFILE)
    settings = Settings(home=scratch)
    yield from _held("the engines' environment", engine_environment(settings), _ENVIRONMENT)
    for server in local_servers(settings):
        yield from _held(f"{server.title} of this machine", list(server.command), _LISTENS)


def _held(where: str, thing: Any, rules: dict[str, tuple[Rule, Loosen]]) -> Iterator[Probe]:
    for name, (rule, loosen) in rules.items():
        yield Probe(
            name=name, where=where, holds="as it says", control=partial(_seen_when_loosened, thing, rule, loosen),
            attack=partial(_broken, thing, rule),
        )  # fmt: skip


def _broken(thing: Any, rule: Rule) -> str:
    return "" if rule(thing) else "it does not hold"


def _seen_when_loosened(thing: Any, rule: Rule, loosen: Loosen) -> bool:
    """Whether the rule finds the same thing without it: a rule that finds nothing shows nothing."""
    loose = copy.deepcopy(thing)
    changed = loosen(loose)
    return not rule(changed if isinstance(loose, str) else loose)


def _pods() -> Iterator[tuple[str, Any]]:
    for path in sorted((_ROOT / "infra" / "kubernetes" / "base").glob("*.yaml")):
        for found in yaml.safe_load_all(path.read_text()):
            if found and found.get("kind") in {"Deployment", "Job", "CronJob", "StatefulSet"}:
                yield found["metadata"]["name"], found["spec"]["template"]["spec"]


def _inside(pod: Any) -> list[Any]:
    return [one["securityContext"] for one in (*pod["containers"], *pod.get("initContainers", ()))]


_LITTLE: dict[str, tuple[Rule, Loosen]] = {
    "read-only": (lambda s: s.get("read_only") is True, lambda s: s.pop("read_only")),
    "no capabilities": (lambda s: s.get("cap_drop") == ["ALL"], lambda s: s.pop("cap_drop")),
    "no new privileges": (
        lambda s: "no-new-privileges:true" in s.get("security_opt", ()), lambda s: s.pop("security_opt"),
    ),
    "not privileged": (lambda s: not s.get("privileged"), lambda s: s.update(privileged=True)),
    "not the host's network": (lambda s: s.get("network_mode") != "host", lambda s: s.update(network_mode="host")),
}  # fmt: skip
_SERVICE_ALONE: tuple[Rule, Loosen] = (
    lambda s: s.get("network_mode") == "none", lambda s: s.pop("network_mode"),
)  # fmt: skip
_SERVICE: dict[str, tuple[Rule, Loosen]] = {
    "not root": (
        lambda s: str(s.get("user", "0")).partition(":")[0] not in {"", "0", "root"}, lambda s: s.update(user="0"),
    ),
    **_LITTLE,
}  # fmt: skip
_POD: dict[str, tuple[Rule, Loosen]] = {
    "not root": (
        lambda p: p["securityContext"].get("runAsNonRoot") is True, lambda p: p["securityContext"].pop("runAsNonRoot"),
    ),
    "read-only": (
        lambda p: all(one.get("readOnlyRootFilesystem") is True for one in _inside(p)),
        lambda p: _inside(p)[0].pop("readOnlyRootFilesystem"),
    ),
    "no more privileges": (
        lambda p: all(one.get("allowPrivilegeEscalation") is False for one in _inside(p)),
        lambda p: _inside(p)[0].pop("allowPrivilegeEscalation"),
    ),
    "no capabilities": (
        lambda p: all(one.get("capabilities", {}).get("drop") == ["ALL"] for one in _inside(p)),
        lambda p: _inside(p)[0].pop("capabilities"),
    ),
    "no token of the cluster": (
        lambda p: p.get("automountServiceAccountToken") is False, lambda p: p.pop("automountServiceAccountToken"),
    ),
}  # fmt: skip
_WORKFLOW: dict[str, tuple[Rule, Loosen]] = {
    "no pull_request_target": (
        lambda text: "pull_request_target" not in text, lambda text: f"{text}\n# pull_request_target",
    ),
    "actions pinned by commit": (
        lambda text: all(
            re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40}", used)
            for used in re.findall(r"^\s*(?:- )?uses: (\S+)", text, flags=re.MULTILINE)
        ),
        lambda text: f"{text}\n      - uses: somebody/something@v1",
    ),
    "may only read": (
        lambda text: yaml.safe_load(text).get("permissions") in ({"contents": "read"}, {}),
        lambda text: re.sub(r"(?m)^permissions:", "other:", text, count=1),
    ),
}  # fmt: skip
_DOCKERFILE: dict[str, tuple[Rule, Loosen]] = {
    "ends as somebody who is not root": (
        lambda text: re.findall(r"(?m)^USER (\S+)", text)[-1:] not in ([], ["root"], ["0"]),
        lambda text: f"{text}\nUSER root\n",
    ),
    "its base is pinned by digest": (
        lambda text: "@sha256:" in text, lambda text: text.replace("@sha256:", "@"),
    ),
}  # fmt: skip
_ENVIRONMENT: dict[str, tuple[Rule, Loosen]] = {
    name: (lambda told, name=name, value=value: told.get(name) == value, lambda told, name=name: told.pop(name))
    for name, value in {
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "GX_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
    }.items()
}  # fmt: skip
_LISTENS: dict[str, tuple[Rule, Loosen]] = {
    "listens on 127.0.0.1 alone": (
        lambda command: command[command.index("--host") + 1] == "127.0.0.1",
        lambda command: command.__setitem__(command.index("--host") + 1, "0.0.0.0"),
    )
}
