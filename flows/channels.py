"""Where Prefect sends messages: notification blocks, made from RECLOOP_NOTIFY_* or by people, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from components.artifact import digest_of
from flows.settings import Settings


class NoSuchBlock(Exception):
    """A block that RECLOOP_NOTIFY_BLOCKS names is not in Prefect."""


_TYPES = {"slack": "slack-webhook", "email": "slack-webhook", "webhook": "custom-webhook"}


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A notification block as automations name it."""

    name: str  # type/name, as it stands in Prefect's UI
    block: UUID


def apply_channels(client: SyncPrefectClient, settings: Settings) -> tuple[Channel, ...]:
    """Make the blocks that the settings give addresses for, and find those that they name. Raises NoSuchBlock."""
    made = [
        Channel(name=_name(settings, kind), block=_saved(block, _document(settings, kind)))
        for kind, block in _wanted(settings).items()
    ]
    return (*made, *(_existing(client, named) for named in settings.notified_blocks))


def remove_unwanted(client: SyncPrefectClient, settings: Settings) -> None:
    """Take away blocks of an earlier deploy that the settings give no address for; no automation names them by now."""
    for kind in _TYPES.keys() - _wanted(settings).keys():
        if (left := _find(client, _name(settings, kind))) is not None:
            client.delete_block_document(left)


def _wanted(settings: Settings) -> Mapping[str, NotificationBlock]:
    blocks: dict[str, NotificationBlock] = {}
    if settings.notify_slack is not None:
        blocks["slack"] = SlackWebhook(url=settings.notify_slack)
    if settings.notify_email is not None:
        # Prefect's server loads only its own types of blocks, and none of them is mail by SMTP. This one hands any
        # address that is not Slack's to Apprise, which sends mail.
        blocks["email"] = SlackWebhook(
            url=SecretStr(_as_plain_text(settings.notify_email.get_secret_value()))
        )
    if settings.notify_webhook is not None:
        blocks["webhook"] = CustomWebhookNotificationBlock(
            name=settings.model_name,
            url="{{address}}",  # a plain field of this block; its secrets are none
            secrets=SecretDict({"address": settings.notify_webhook.get_secret_value()}),
            headers=None,
            cookies=None,
            json_data={"subject": "{{subject}}", "text": "{{body}}"},
        )
    return blocks


def _as_plain_text(address: str) -> str:
    """Mail as it is written: as HTML, which is the default, its lines would run together."""
    if "format=" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}format=text"


def _saved(block: NotificationBlock, name: str) -> UUID:
    saved = block.save(name, overwrite=True)
    assert isinstance(saved, UUID)  # a coroutine only where an event loop runs
    return saved


def _existing(client: SyncPrefectClient, named: str) -> Channel:
    if (found := _find(client, named)) is None:
        raise NoSuchBlock(
            f"Prefect has no block {named}, which RECLOOP_NOTIFY_BLOCKS names. `prefect block ls` lists those that "
            "there are; make it under Blocks in Prefect's UI, or take it out of the setting."
        )
    return Channel(name=named, block=found)


def _find(client: SyncPrefectClient, named: str) -> UUID | None:
    block_type, _, name = named.partition("/")
    try:
        return client.read_block_document_by_name(name, block_type, include_secrets=False).id
    except ObjectNotFound:
        return None


def _name(settings: Settings, kind: str) -> str:
    return f"{_TYPES[kind]}/{_document(settings, kind)}"


def _document(settings: Settings, kind: str) -> str:
    """A block's name has small letters, digits and dashes only; two models never share one."""
    model = settings.model_name
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    return f"{slug}-{kind}" if slug == model else f"{slug}-{digest_of(model)[:6]}-{kind}"
