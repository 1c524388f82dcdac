"""Messages on a real Prefect server: who gets which, how often, in which words; and what is left when they are off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest
from apprise.plugins.slack import NotifySlack
from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Failed
from pydantic import SecretStr

from flows.automations import Deployments, apply_automations
from flows.channels import NoSuchBlock, apply_channels, remove_unwanted
from flows.drift_event import emit_drift
from flows.release import Promoted
from flows.settings import LOOPBACK, Settings
from flows.summary import ArmFigure
from flows.telling import tell
from flows.verdict_event import VERDICT, emit_verdict, verdict_payload
from tests.flows.cli.test_verdict import SUMMARY
from tests.flows.conftest import Estate, free_ports
from tests.flows.receivers import Received, mail_server, webhook
from tests.flows.test_deployments import until
from tests.report.monitored import look

MOVED = Promoted(moved=True, champion="2", reason="moved")
NAME = "Told.Model"


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A deployment on the server of the estate, and two receivers of what happens to it."""

    client: SyncPrefectClient
    settings: Settings
    deployments: Deployments
    hook: Received
    mail: Received

    def apply(self, settings: Settings) -> tuple[str, ...]:
        """What `recloop deploy` does about messages; the names of automations."""
        channels = apply_channels(self.client, settings)
        names = apply_automations(self.client, settings, self.deployments, channels)
        remove_unwanted(self.client, settings)
        return names

    def end_run(self, state: State[None]) -> str:
        run = self.client.create_flow_run_from_deployment(self.deployments.retrain)
        self.client.set_flow_run_state(run.id, state, force=True)
        return str(run.id)

    def blocks(self) -> list[str]:
        return [
            str(b.name) for b in self.client.read_block_documents() if str(b.name).startswith("told-model")
        ]


@pytest.fixture(scope="module")
def watch(estate: Estate) -> Iterator[Watch]:
    with ExitStack() as open_:
        hook, mail = open_.enter_context(webhook()), open_.enter_context(mail_server())
        open_.enter_context(temporary_settings({PREFECT_API_URL: estate.prefect_api_url}))
        client = open_.enter_context(get_client(sync_client=True))
        flow = client.create_flow_from_name("told")
        deployment = client.create_deployment(flow, "by-hand")
        settings = Settings(
            home=estate.root / "told",
            model_name=NAME,
            prefect_api_url=estate.prefect_api_url,
            notify_webhook=SecretStr(f"http://{LOOPBACK}:{hook.port}/a-token-of-the-webhook"),
            notify_email=SecretStr(
                f"mailto://{LOOPBACK}:{mail.port}?mode=insecure&from=r@example.org&to=a@example.org,b@example.org"
            ),
        )
        made = Watch(
            client=client, settings=settings, hook=hook, mail=mail,
            deployments=Deployments(retrain=deployment, all=[deployment]),
        )  # fmt: skip
        made.apply(settings)
        yield made


def test_each_verdict_and_one_failure_reach_every_channel(watch: Watch) -> None:
    """A skipped run is told to nobody, and of two failures the first; drift is told, too."""
    watch.end_run(Completed(name="Skipped", message="it is not the time"))
    failed = watch.end_run(Failed(message="BadRequest: no folder <x> & {{ y }}"))
    watch.end_run(Crashed(message="again"))
    for version in ("2", "3"):
        assert emit_verdict(watch.settings, replace(SUMMARY, version=version), MOVED) is not None
    assert emit_drift(replace(look(), model=NAME), "http://127.0.0.1:8090/monitoring/index.html") is not None
    for received, each in ((watch.hook, 1), (watch.mail, 2)):  # two people get the mail
        until(lambda received=received, each=each: len(received.messages) >= 4 * each or None, seconds=120)
        assert sorted(message.subject for message in received.messages) == sorted(
            [
                f"{NAME}: PROMOTE, version 2 is champion",
                f"{NAME}: PROMOTE, version 3 is champion",
                f"{NAME}: drift, version 3",
                f"{NAME}: told/by-hand failed",
            ]
            * each
        )
        failure = received.about("failed")
        assert failure is not None
        assert failure.text.splitlines()[:2] == [
            "BadRequest: no folder <x> & {{ y }}",
            f"Prefect run: {watch.settings.prefect_ui_url}/runs/flow-run/{failed}",
        ]
        verdict = received.about("version 2")
        assert verdict is not None
        assert "NDCG@10: 0.1274; minus that of popularity: +0.0792" in verdict.text.splitlines()[4]
        drift = received.about("drift, version")
        assert drift is not None
        assert drift.text.splitlines()[1].startswith("- psi/event_hour: ")
        assert "Next: retrain/on-demand starts by itself." in drift.text.splitlines()
    assert set(watch.mail.recipients) == {"a@example.org", "b@example.org"}


def test_addresses_are_not_read_back(watch: Watch) -> None:
    read = [
        watch.client.read_block_document_by_name(name, kind, include_secrets=False).model_dump_json()
        for name, kind in zip(sorted(watch.blocks()), ("slack-webhook", "custom-webhook"), strict=True)
    ]
    assert not [text for text in read if "a-token-of-the-webhook" in text or "b@example.org" in text]
    assert "a-token-of-the-webhook" not in repr(watch.settings)


def test_without_addresses_nothing_is_left(watch: Watch) -> None:
    """And with them again, all is there once, however often."""
    off = watch.settings.model_copy(update={"notify_webhook": None, "notify_email": None})
    assert not [name for name in watch.apply(off) if "tell of" in name]
    assert not watch.blocks()
    assert not [found for found in watch.client.read_automations() if found.name.startswith(f"{NAME}: tell")]
    for _ in range(2):
        assert len([name for name in watch.apply(watch.settings) if "tell of" in name]) == 3
    assert len(watch.blocks()) == 2


def test_blocks_of_people_are_found_or_missed_by_name(watch: Watch) -> None:
    SlackWebhook(url=SecretStr("json://example.org")).save("of-the-team")
    named = watch.settings.model_copy(update={"notify_blocks": " slack-webhook/of-the-team "})
    assert apply_channels(watch.client, named)[-1].name == "slack-webhook/of-the-team"
    with pytest.raises(NoSuchBlock, match="no block slack-webhook/of-nobody, which RECLOOP_NOTIFY_BLOCKS"):
        apply_channels(
            watch.client, watch.settings.model_copy(update={"notify_blocks": "slack-webhook/of-nobody"})
        )


def test_a_server_that_is_away_fails_nobody() -> None:
    (port,) = free_ports(1)
    with temporary_settings({PREFECT_API_URL: f"http://{LOOPBACK}:{port}/api"}):
        assert tell(VERDICT, NAME, {}, {}) is None


def test_an_address_of_slack_is_taken_for_one() -> None:
    block = SlackWebhook(url=SecretStr("https://hooks.slack.com/services/T0000000A/B0000000B/" + "c" * 24))
    assert isinstance(block._apprise_client.servers[0], NotifySlack)


def test_a_verdict_that_waits_says_what_to_do() -> None:
    settings = Settings(promotion_policy="approve")
    waits = Promoted(moved=False, champion="1", reason="the policy is approve: a person decides")
    payload = verdict_payload(settings, SUMMARY, waits)
    assert payload["title"] == "recloop: PROMOTE, version 2 waits for approval"
    assert "Not promoted: the policy is approve: a person decides" in payload["text"].splitlines()


def test_a_verdict_that_holds_names_the_champion_and_the_difference_to_it() -> None:
    champion = ArmFigure(
        arm="champion", role="champion", ndcg=0.12, ndcg_low=0.11, ndcg_high=0.13, hit_rate=0.3,
        challenger_lead=-0.0074, lead_low=-0.01, lead_high=0.002,
    )  # fmt: skip
    told = replace(
        SUMMARY, verdict="HOLD", champion_after="1", arms=(*SUMMARY.arms, champion), reasons=("a", "b")
    )
    payload = verdict_payload(Settings(), told, Promoted(moved=False, champion="1", reason="HOLD"))
    assert payload["title"] == "recloop: HOLD, version 1 stays champion"
    assert payload["text"].splitlines()[:5] == [
        "Verdict: HOLD. a; b",
        "Data set: synthetic, until 2026-03-01T00:00Z",
        "Challenger: version 2 (mmgrec)",
        "Champion: version 1",
        "NDCG@10: 0.1274; minus that of champion: -0.0074, interval [-0.0100, +0.0020]",
    ]
