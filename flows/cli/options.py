"""Options that several commands share, and how a moment is read."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from components.recommender.names import ArmName, PresetName
from components.tokenizer.names import TokenizerName


def moment(text: str) -> datetime:
    """An ISO 8601 moment with its zone; refuses a naive one, since guessing a zone moves events."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an ISO 8601 moment, such as 1998-04-01T00:00Z") from error
    if found.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone; write {text}Z if it is UTC")
    return found


def moment_option(help_: str, *names: str) -> typer.models.OptionInfo:
    """An option that takes a moment; `names` where it is not called as its parameter is."""
    option: typer.models.OptionInfo = typer.Option(*names, help=help_, parser=moment, metavar="MOMENT")
    return option


def duration(text: str) -> timedelta:
    """A whole number of weeks, days or hours: 2w, 14d, 12h."""
    found = re.fullmatch(r"([1-9][0-9]*)([wdh])", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no duration; write 14d, 2w or 12h")
    unit = {"w": "weeks", "d": "days", "h": "hours"}[found[2]]
    return timedelta(**{unit: int(found[1])})


def arms(text: str) -> str:
    """Names of arms, each once, with commas between: "mmgrec, ease" is mmgrec,ease."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in get_args(ArmName):
            known = ", ".join(map(repr, get_args(ArmName)))
            raise typer.BadParameter(f"{name!r} is not one of {known}.")
    if len(set(names)) < len(names):
        raise typer.BadParameter(f"{text!r} names an arm twice; name each once")
    return ",".join(names)


def file_to_write(text: str) -> Path:
    """A path that a file can be written to: what cannot be is told before the work, not after it."""
    path = Path(text).expanduser()
    if path.is_dir():
        raise typer.BadParameter(f"{text!r} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise typer.BadParameter(
            f"there is no folder {path.parent}; make it, or name a file in one that is there"
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{text!r} may not be written by this user; name another file")
    return path


def gate_asked(profile: str) -> dict[str, Any]:
    """The fields of a request that `--profile` fills: the name of a shipped profile, or what a file says."""
    if profile in SHIPPED_PROFILES:
        return {"profile": profile}
    path = Path(profile)
    if not path.is_file():
        raise typer.BadParameter(
            f"{profile!r} is none of {', '.join(SHIPPED_PROFILES)}, and no file of that name is there",
            param_hint="'--profile'",
        )
    from components.evaluation.profile import ProfileError
    from components.evaluation.profile_file import read_fields

    try:
        return {"gate": read_fields(path)}
    except ProfileError as error:
        raise typer.BadParameter(str(error)) from error


def preset_asked(preset: str) -> dict[str, Any]:
    """The fields of a request that `--preset` fills: the name of a shipped one, or what a tuned preset says."""
    if preset in SHIPPED_PRESETS:
        return {"preset": preset}
    path = Path(preset)
    if not path.is_file():
        raise typer.BadParameter(
            f"{preset!r} is none of {', '.join(SHIPPED_PRESETS)}, and no file of that name is there",
            param_hint="'--preset'",
        )
    from components.recommender.tuned_preset import TunedPresetRefused, read_tuned_preset

    try:
        tuned = read_tuned_preset(path)
    except TunedPresetRefused as error:
        raise typer.BadParameter(str(error)) from error
    return {"preset": tuned["preset"], "tuned": tuned}


def mapping(map_: str, zone: str | None, encoding: str | None, delimiter: str | None) -> str:
    """One line of all that is said of a source's files."""
    words = {"zone": zone, "encoding": encoding, "delimiter": _DELIMITERS.get(delimiter or "", delimiter)}
    said = (f"{word}={value}" for word, value in words.items() if value)
    return ",".join(filter(None, (map_, *said)))


def event_weights(said: list[str] | None) -> str | None:
    """One line of all that `--event-weight` says; None leaves it to the settings and the source."""
    return ",".join(said) if said else None


_DELIMITERS = {",": "comma", "\t": "tab"}  # a comma parts the words of the line itself
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, for scripts")]
SHIPPED_PRESETS: tuple[PresetName, ...] = get_args(PresetName)
SHIPPED_PROFILES = ("small", "production", "sequential")
Source = Annotated[
    str, typer.Option("--source", "-s", help="movielens, synthetic, or a folder of events and items")
]
Since = Annotated[datetime | None, moment_option("take only events from this moment on")]
AsOf = Annotated[
    datetime | None,
    moment_option("the moment that counts as now, ISO 8601 with zone; default: the data's end"),
]
Map = Annotated[
    str,
    typer.Option(
        "--map",
        metavar="WORDS",
        help="which file and column means what: user=visitorid,item=itemid,time=timestamp:ms; see `recloop init`",
    ),
]
Zone = Annotated[
    str | None, typer.Option(help="time zone of times that name none, such as UTC or Europe/Berlin")
]
Encoding = Annotated[
    str | None, typer.Option(help="how text files are encoded, such as latin-1; default: UTF-8")
]
Delimiter = Annotated[
    str | None, typer.Option(help="what parts the fields: comma, semicolon, tab, pipe, :: or one character")
]
MaxBadShare = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        show_default="0.05, RECLOOP_MAX_BAD_SHARE",
        help="circuit breaker: a larger share of bad events stops the batch",
    ),
]
MaxBadItemShare = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        show_default="0.05, RECLOOP_MAX_BAD_ITEM_SHARE",
        help="circuit breaker: a larger share of bad items stops the batch",
    ),
]
ValueRange = Annotated[
    str | None,
    typer.Option(
        "--value-range",
        metavar="TYPE=LOW:HIGH",
        show_default="rating=0:10, RECLOOP_VALUE_RANGES",
        help="event types that need a value, and the span it lies in, separated by commas; none: any value",
    ),
]
EventWeight = Annotated[
    list[str] | None,
    typer.Option(
        "--event-weight",
        metavar="TYPE=WEIGHT",
        show_default="as recloop.yaml says, RECLOOP_EVENT_WEIGHTS; else 1",
        help="what an event of this type counts as a target and in popularity; 0: history alone, never a target nor "
        "truth. Several times for several types; none: all alike",
    ),
]
MaxMissingShare = Annotated[
    float, typer.Option(min=0, max=1, help="share of items that may lack a modality that others have")
]
MaxZeroShare = Annotated[float, typer.Option(min=0, max=1, help="share of vectors that may be all zero")]
MaxDuplicateShare = Annotated[
    float, typer.Option(min=0, max=1, help="share of vectors that may repeat another item's")
]
MinNorm = Annotated[float, typer.Option(min=0, help="L2 norm of a vector, unless it is zero, at least")]
MaxNorm = Annotated[float, typer.Option(min=0, help="L2 norm of a vector, at most")]
MinPresent = Annotated[int, typer.Option(min=1, help="items that have a modality, at least")]
Challenger = Annotated[
    str,
    typer.Option(
        parser=arms,
        metavar="ARM[,ARM]",
        help="the arm that may become champion (`recloop arms` lists them); of several, with commas between, the best "
        "of those that pass the gate",
    ),
]
TokenizerChoice = Annotated[
    TokenizerName | None,
    typer.Option(
        "--tokenizer",
        help="how semantic IDs are made where they are made; other ones than those that exist make new IDs for all "
        "items. paper is a baseline and passes whatever its health; default: as those that exist, else graph_rqvae",
    ),
]
Profile = Annotated[
    str,
    typer.Option(
        help="gate profile, sized to the data: small, production, sequential (small, looked at again as its window "
        "grows), or a YAML file of your own"
    ),
]
Mode = Annotated[
    Literal["rolling", "batch"],
    typer.Option(help="rolling (a list before every event) or batch (one list a user, at the cut)"),
]
FilterSeen = Annotated[
    bool,
    typer.Option(
        "--filter-seen/--keep-seen",
        help="keep where people take things again: what a user has had then counts, in lists and in truth",
    ),
]
WarmStart = Annotated[
    bool | None,
    typer.Option(
        "--warm-start/--cold-start",
        show_default="--cold-start, RECLOOP_WARM_START",
        help="begin training at the champion's weights, for at most .3 of the epochs; where that cannot be, it is "
        "said why",
    ),
]
NewItems = Annotated[
    str,
    typer.Option(
        "--new-items",
        metavar="SHARE|auto",
        help="share of the places of lists that items without a training event get at least, such as .02; auto: as "
        "many as events went to the youngest tenth of the items; 0: what they earn",
    ),
]
Preference = Annotated[
    str,
    typer.Option(
        "--preference",
        metavar="TYPE=PART[,TYPE=PART]",
        help="what the lists of multitron aim at, by event type, such as purchase=.8,click=.2; a type that is not "
        "named has no part; default: all types alike",
    ),
]
Preset = Annotated[
    PresetName,
    typer.Option(
        help="model size: default, accurate (where an arm has it, at more cost), or quick (small, for a first look)"
    ),
]
PresetOrFile = Annotated[
    str,
    typer.Option(
        "--preset",
        metavar="default|accurate|quick|FILE",
        help="model size: default, accurate (where an arm has it, at more cost), quick (small, for a first look), or "
        "the settings in a file of `recloop tune`",
    ),
]
