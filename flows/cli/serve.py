"""`recloop serve`: lists of the champion over HTTP, and events as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.serving.config import ServerConfig
    from flows.settings import Settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="address to listen on; wider than this machine needs RECLOOP_API_KEYS")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: a free one")] = None,
    challenger: Annotated[
        str | None, typer.Option(help="a second version beside the champion: an alias or a number")
    ] = None,
    share: Annotated[
        float | None, typer.Option(min=0, max=1, help="of the users who get the challenger; 0: shadow only")
    ] = None,
) -> None:
    """Serve lists over HTTP, following the champion as it moves, until it is stopped (Ctrl-C, SIGTERM)."""
    from flows.cli.registry import registry
    from flows.local.console import console
    from flows.settings import load_settings

    asked = {"serve_host": host, "serve_port": port, "trial_challenger": challenger, "trial_share": share}
    settings = load_settings().model_copy(update={k: v for k, v in asked.items() if v is not None})
    with registry() as model_name:  # asked first: without a registry there is no need to load torch and Feast
        from components.registry import tracking
        from components.serving.server import run_server

        config = server_config(settings, model_name, tracking.address())
        run_server(
            config,
            on_listening=lambda url: console.print(
                f"serving {model_name} at {url} (lists: {url}/, state: {url}/ready); Ctrl-C ends it"
            ),
        )


def server_config(settings: Settings, model_name: str, tracking_uri: str) -> ServerConfig:
    """What the settings say to the server. Raises ServerConfigError."""
    from components.serving.config import Limits, ServerConfig, Trial, read_keys

    names = (name.strip() for name in settings.serve_allowed_hosts.split(","))
    return ServerConfig(
        model_name=model_name,
        tracking_uri=tracking_uri,
        artifacts=settings.artifacts,
        feast_home=settings.feast_home,
        host=settings.serve_host,
        port=settings.serve_port,
        keys=read_keys(settings.api_keys, settings.api_keys_file),
        allowed_hosts=tuple(name for name in names if name),
        poll_seconds=settings.serve_poll_seconds,
        max_feature_age_hours=settings.max_feature_age_hours,
        events_spool=settings.events_spool,
        exposures=settings.exposures,
        images=settings.item_images,
        compute=settings.compute,
        limits=Limits(rate_per_second=settings.serve_rate_per_second),
        trial=Trial(
            challenger=settings.trial_challenger, share=settings.trial_share, salt=settings.trial_salt
        ),
    )
