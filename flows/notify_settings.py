"""Where messages of verdicts, drift and failures go: RECLOOP_NOTIFY_*."""

from __future__ import annotations

import re

from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

_SLACK = r"https://hooks\.slack(-gov)?\.com/services/\w+/\w+/\w+/?"
_FORMS = {  # what an address looks like, as a pattern and for a person
    "notify_slack": (_SLACK, "https://hooks.slack.com/services/T…/B…/…"),
    "notify_email": (r"mailtos?://\S+", "mailtos://…@smtp.example.org?from=…&to=…"),
    "notify_webhook": (r"https?://\S+", "https://pager.example.org/hook"),
}


class NotifySettings(BaseSettings):
    """What `Settings` has of messages. An address holds a token or a password, so it is a secret."""

    notify_slack: SecretStr | None = None  # an incoming webhook of Slack
    notify_email: SecretStr | None = None  # a mail server, and to whom, as Apprise writes it
    notify_webhook: SecretStr | None = None  # gets {"subject": …, "text": …} by POST
    notify_blocks: str = ""  # Prefect blocks that exist, type/name, separated by commas

    @field_validator("notify_slack", "notify_email", "notify_webhook")
    @classmethod
    def _is_an_address(cls, address: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        pattern, example = _FORMS[str(info.field_name)]
        if address is not None and not re.fullmatch(pattern, address.get_secret_value()):
            raise ValueError(f"this is not an address of the form {example}")
        return address

    @field_validator("notify_blocks")
    @classmethod
    def _are_block_names(cls, names: str) -> str:
        for name in _parts(names):
            if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", name):
                raise ValueError(
                    f"{name!r} is no block: type and name are wanted, such as slack-webhook/team"
                )
        return names

    @property
    def notified_blocks(self) -> tuple[str, ...]:
        """The blocks that people have made in Prefect, as type/name."""
        return tuple(_parts(self.notify_blocks))


def _parts(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
