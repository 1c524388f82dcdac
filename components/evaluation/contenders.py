"""Who stands in a replay, and as what: challenger, champion, reference, baselines.

A champion that learned past the cut has seen the answers: its recipe is trained anew, up to the cut, and that
stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from components.artifact import ArtifactRef
from components.evaluation.trial import Compared

REFERENCE = "sasrec"  # the baseline that every challenger faces
CHAMPION = "champion"
WITHOUT_SHARE = "without_share"  # the challenger, with nothing added for new items


@dataclass(frozen=True, kw_only=True)
class Contender:
    """An arm as it will be asked: the published artifact that holds it, and until when it learned."""

    name: str  # as it stands in tables: mmgrec, champion, sasrec, popularity, …
    artifact: ArtifactRef  # that would be promoted, or stands beside it
    folder: str = ""  # of the arm within the artifact
    train_end: datetime  # exclusive
    compared: Compared = "registry artifact"  # or its recipe, refitted at the cut
    reads_cold_ids: bool = False  # whether it can be told the IDs of cold items: they are its tokenizer's
    has_share: bool = (
        False  # for new items, or stands beside one that has: asked once more with those that come later
    )
    raises_new_items: bool = True  # False: asked with nothing added to the scores of new items


@dataclass(frozen=True, kw_only=True)
class FittedArm:
    """An arm that this cycle trained up to the cut."""

    artifact: ArtifactRef
    reads_ids: bool  # whether it ranks items by their semantic IDs


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """The champion, as its bundle describes itself."""

    version: str
    bundle: ArtifactRef
    arm: str
    train_end: datetime
    tokenizer: str | None  # digest; None for an arm without semantic IDs
    tuned: bool = False  # trained with settings that are not its preset's
    preference: str = ""  # over event types, that its lists aim at
    content_space: str = ""  # the encoders whose vectors it reads; "" for an arm that reads none

    @property
    def told(self) -> str:
        return f"version {self.version}, {self.arm}"

    def has_seen(self, cut: datetime) -> bool:
        """Whether it learned past the cut."""
        return self.train_end > cut

    def shares_tokenizer(self, tokenizer: str, cut: datetime) -> bool:
        """False for a champion on the IDs of another tokenizer: those of cold items would mean nothing to it.

        One that is refitted at the cut is refitted on this cycle's IDs.
        """
        return self.has_seen(cut) or self.tokenizer in (None, tokenizer)

    def shares_encoders(self, space: str, cut: datetime) -> bool:
        """False for a champion that reads the content of other encoders; one that is refitted reads this cycle's."""
        return self.has_seen(cut) or self.content_space in ("", space)


def arms_to_train(challengers: Sequence[str], champion: Incumbent | None, cut: datetime) -> tuple[str, ...]:
    """The challengers, the reference, and the recipe of a champion that has seen the window; each once."""
    again = [champion.arm] if champion and champion.has_seen(cut) else []
    return tuple(dict.fromkeys((*challengers, REFERENCE, *again)))


def line_up(
    *,
    bundles: Mapping[str, ArtifactRef],
    trained: Mapping[str, FittedArm],
    baselines: Mapping[str, ArtifactRef],
    champion: Incumbent | None,
    tokenizer: str,
    cut: datetime,
    has_share: bool = False,
) -> tuple[Contender, ...]:
    """Everyone who is asked for lists. A challenger is asked out of the bundle that will be registered.

    `bundles` are the challengers', by name. `trained` holds at least `arms_to_train`; `tokenizer` is the digest of the
    one whose IDs they were trained on.
    A challenger that gives new items a share (`has_share`: it stands alone) stands a second time, without it.
    """
    contenders = [
        Contender(
            name=name, artifact=bundle, folder="arm", train_end=cut, reads_cold_ids=trained[name].reads_ids
        )
        for name, bundle in bundles.items()
    ]
    if champion and champion.has_seen(cut):
        again = trained[champion.arm]
        contenders.append(
            Contender(
                name=CHAMPION, artifact=again.artifact, train_end=cut, compared="refit at the cut",
                reads_cold_ids=again.reads_ids,
            )
        )  # fmt: skip
    elif champion:
        contenders.append(
            Contender(
                name=CHAMPION, artifact=champion.bundle, folder="arm", train_end=champion.train_end,
                reads_cold_ids=champion.tokenizer == tokenizer,
            )
        )  # fmt: skip
    if has_share:
        (alone,) = contenders[: len(bundles)]
        contenders[0] = replace(alone, has_share=True)
        contenders.append(replace(contenders[0], name=WITHOUT_SHARE, raises_new_items=False))
    beside = [(REFERENCE, trained[REFERENCE].artifact)] if REFERENCE not in bundles else []
    return (*contenders, *_plain([*beside, *baselines.items()], cut))


def _plain(arms: Sequence[tuple[str, ArtifactRef]], cut: datetime) -> list[Contender]:
    return [Contender(name=name, artifact=artifact, train_end=cut) for name, artifact in arms]
