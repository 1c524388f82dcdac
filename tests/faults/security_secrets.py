"""Secrets of the settings, looked for in everything that a home holds afterwards, and in what was said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from tests.faults.probing import Probe

_ROOT = Path(__file__).resolve().parents[2]
_CANARY = "canary-4711"
_USER = "user-4711"  # of the data: it must be found, or the search finds nothing
SECRETS = {
    "RECLOOP_API_KEYS": f"{_CANARY}-of-the-scoring-server",
    "RECLOOP_NOTIFY_WEBHOOK": f"https://pager.example/{_CANARY}",
    "RECLOOP_NOTIFY_EMAIL": f"mailtos://me:{_CANARY}@smtp.example?to=a@b.example",
    "MLFLOW_TRACKING_PASSWORD": f"{_CANARY}-of-mlflow",
    "AWS_SECRET_ACCESS_KEY": f"{_CANARY}-of-the-store",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": f"{_CANARY}-of-the-webhook",
}
_COMMANDS = (
    ("ingest", "--source", "{data}"), ("status", "--json"), ("doctor", "--json"), ("quarantine", "list"),
    ("validate", "--source", "{data}"), ("--verbose", "recommend", "--user", "nobody"), ("--verbose", "verdict"),
)  # fmt: skip


def probes(scratch: Path) -> Iterator[Probe]:
    data, home = scratch / "data", scratch / "home"
    data.mkdir()
    rows = [f"{_USER},i{n % 5},2024-01-{n + 1:02d}T00:00:00Z" for n in range(20)]
    (data / "events.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows, ",i1,yesterday"]) + "\n")
    (data / "items.csv").write_text("item_id,title\n" + "".join(f"i{n},Film {n}\n" for n in range(5)))
    done = [_recloop(home, [word.format(data=data) for word in words]) for words in _COMMANDS]
    (scratch / "said.txt").write_text("".join(told for _, told in done))
    ran = [words[0] for words, (code, _) in zip(_COMMANDS, done, strict=True) if code == 0]
    did = {"ingest", "status", "validate"} <= set(ran)
    for name, value in SECRETS.items():
        yield Probe(
            name=name, where="a home after seven commands, and what they said", holds="holds it nowhere",
            control=lambda: did and _places(home, _USER), attack=partial(_found, scratch, value),
        )  # fmt: skip
    for path in ("mlflow-webhook.key", "webhook.secret"):
        yield Probe(
            name=path, where="secrets of a home", holds="only its owner reads it", control=lambda: did,
            attack=partial(_readable, home / path),
        )  # fmt: skip


def _recloop(home: Path, words: list[str]) -> tuple[int, str]:
    environ: Mapping[str, str] = os.environ | SECRETS | {"RECLOOP_MAX_BAD_SHARE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "--home", str(home), *words], cwd=_ROOT, env=dict(environ),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}\n"


def _places(folder: Path, text: str) -> list[str]:
    """The files that hold the text, whatever kind they are."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path.relative_to(folder).as_posix() for path in paths if text.encode() in path.read_bytes()]


def _found(folder: Path, secret: str) -> str:
    return f"found in {', '.join(places)}" if (places := _places(folder, secret)) else ""


def _readable(path: Path) -> str:
    from flows.local.secrets import kept_secret

    kept_secret(path, lambda: "made")
    mode = path.stat().st_mode & 0o777
    return "" if mode == 0o600 else f"its mode is {mode:o}"
