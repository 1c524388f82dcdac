"""Who stands in a cycle's replay, and as what: challenger, champion, reference, baselines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from components.recommender.arm import READ_CODES, ChallengerName
from components.registry.bundle import open_bundle
from flows.asking import Contender
from flows.request import CycleRequest
from flows.training import BASELINES

REFERENCE: ChallengerName = "sasrec"  # the baseline that every challenger faces
CHAMPION = "champion"


def contenders_of(
    request: CycleRequest,
    arms: Mapping[str, dict[str, str]],
    counted: Mapping[str, dict[str, str]],
    bundle: dict[str, str],
    champion: dict[str, str] | None,
    tokenizer: str,
) -> list[Contender]:
    """Everyone who is asked for lists. The challenger is asked out of the bundle that will be registered.

    `tokenizer` is the digest of the one whose IDs this cycle's arms were trained on.
    """
    train_end = request.train_cutoff.isoformat()

    def plain(name: str, arm: dict[str, str], **more: Any) -> Contender:
        return Contender(name=name, arm=arm, folder="", train_end=train_end, digest=arm["digest"], **more)

    contenders = [
        Contender(
            name=request.challenger, arm=bundle, folder="arm", train_end=train_end, digest=bundle["digest"],
            reads_cold_ids=request.challenger in READ_CODES,
        )
    ]  # fmt: skip
    if champion and (again := recipe_to_refit(champion, request)):
        refit = plain(CHAMPION, arms[again], compared="refit at the cut", reads_cold_ids=again in READ_CODES)
        contenders.append(refit)
    elif champion:
        held = {name: champion[name] for name in ("kind", "digest", "path")}
        facts = open_bundle(champion["path"]).facts
        contenders.append(
            Contender(
                name=CHAMPION, arm=held, folder="arm", train_end=facts.train_end, digest=champion["digest"],
                reads_cold_ids=facts.tokenizer == tokenizer,
            )
        )  # fmt: skip
    beside = {REFERENCE: arms[REFERENCE]} if request.challenger != REFERENCE else {}
    contenders += [plain(name, ref) for name, ref in beside.items()]
    return contenders + [plain(name, counted[name]) for name in BASELINES]


def recipe_to_refit(champion: dict[str, str] | None, request: CycleRequest) -> ChallengerName | None:
    """The champion's arm, if it learned past this cycle's cut: then its recipe is trained anew, up to the cut."""
    if champion is None:
        return None
    facts = open_bundle(champion["path"]).facts
    has_leaked = datetime.fromisoformat(facts.train_end) > request.train_cutoff
    return cast(ChallengerName, facts.arm) if has_leaked else None


def can_be_told_of_cold_items(champion: dict[str, str] | None, request: CycleRequest, tokenizer: str) -> bool:
    """False for a champion on the IDs of another tokenizer: those of cold items would mean nothing to it."""
    if champion is None or recipe_to_refit(champion, request):
        return True
    return open_bundle(champion["path"]).facts.tokenizer in (None, tokenizer)
