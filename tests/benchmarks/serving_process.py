"""The server that `serving` measures: prints its address and serves until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

from components.serving.config import Limits, ServerConfig
from components.serving.server import run_server


def main() -> None:
    home = Path(sys.argv[1])
    config = ServerConfig(
        model_name="served",
        tracking_uri=f"sqlite:///{home}/mlflow.db",
        artifacts=home / "fetched",
        feast_home=home / "feast",
        port=0,
        limits=Limits(rate_per_second=0),
    )
    run_server(config, on_listening=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()
