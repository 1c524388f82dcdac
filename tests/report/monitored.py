"""A look at a champion in which something of every status stands, and two looks before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from components.monitoring.decay import Decay
from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Found, Measure, Question, Threshold, judged, not_evaluable
from components.monitoring.result import MonitorResult, PastLook, past_looks

AS_OF = datetime(2024, 3, 31, tzinfo=UTC)
LIMITS = MonitorLimits()


def measure(name: str, group: str, title: str, value: float, threshold: Threshold) -> Measure:
    question = Question(name=name, group=group, title=title, meaning="what it is", unit="rows")  # type: ignore[arg-type]
    found = Found(
        reference=0.02,
        current=value,
        value=value,
        noise=0.05,
        num_reference=5000,
        num_current=1200,
        fewest=200,
    )
    return judged(question, found, threshold)


def look(as_of: datetime = AS_OF, rise: float = 0.3) -> MonitorResult:
    title = "<script>window.planted = true</script>"
    gone = Question(name="psi/event_value", group="events", title=title, meaning="psi", unit="events")
    return MonitorResult(
        model="recloop", version="3", bundle="b" * 64, snapshot="s" * 64,
        train_end=datetime(2024, 3, 1, tzinfo=UTC), since=as_of - timedelta(days=7), as_of=as_of,
        num_training_events=5000, num_events=1200,
        measures=(
            measure("metric/ndcg@10", "metric", "NDCG@10 of the champion", rise / 2, LIMITS.metric_fall),
            measure("psi/event_hour", "events", "Hour of the day", rise, LIMITS.psi),
            not_evaluable(gone, LIMITS.psi, "no event has a value"),
            measure("new_items/events", "items", "Events on new items", 0.01, LIMITS.new_share),
            measure("codes/error", "tokenizer", "Quantisation error", 0.2, LIMITS.error_rise),
        ),
        decay=Decay(lower=-0.05, upper=-0.01, num_paired=40, paired=-0.02, paired_lower=-0.04, paired_upper=0.0),
        notes=("NDCG@10 is of 400 of 943 users.",),
    )  # fmt: skip


def looks() -> tuple[PastLook, ...]:
    before = [look(AS_OF - timedelta(days=7 * weeks), 0.3 - 0.12 * weeks) for weeks in (2, 1, 0)]
    return past_looks(result.to_dict() for result in before)
