"""What a dense arm is made of: the settings from which its network is built and trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from components.recommender.networks.aligned_network import Alignment
from components.recommender.networks.cloze_network import Cloze
from components.recommender.networks.content_items import Content
from components.recommender.networks.graph_network import Graph
from components.recommender.networks.mixer import MixerConfig
from components.recommender.networks.reasoning_mixer import Reasoning
from components.recommender.training.training_config import TrainingConfig

DenseName = Literal[
    "sasrec", "semantic_sasrec", "hstu", "hstu_text", "m2trec", "fmlp", "gru4rec", "bert4rec", "gsasrec", "tim4rec",
    "lightgcn", "alpharec", "rlmrec", "onepiece",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DenseConfig:
    """A mixer, how it is trained, and what an item's vector is made of."""

    mixer: MixerConfig = field(default_factory=lambda: MixerConfig(relation_dim=0))
    training: TrainingConfig = field(default_factory=TrainingConfig)
    loss: Literal["softmax", "gbce"] = "softmax"
    num_negatives: int = 0  # drawn once a step for all targets; 0 is the full softmax
    calibration: float = 0.75  # of gbce: 0 is plain BCE, at 1 the sigmoid of a score is a probability
    free_vectors: bool = True  # an item's own vector, beside its codes' where it has codes
    free_dropout: float = 0.0  # share of items a step that are their codes or content alone; needs either
    cloze: Cloze | None = None  # trained by gaps of which both sides are read; None: by the next item
    graph: Graph | None = (
        None  # in place of a mixer, of which `dim` and `max_length` stay; for arms without codes
    )
    content: Content | None = None  # how what items are is read; for arms without codes
    temperature: float | None = None  # of cosines, for a graph over content; None: products of vectors
    alignment: Alignment | None = (
        None  # of a graph's own vectors with content; None: content is what is propagated
    )
    reasoning: Reasoning | None = None  # how far the last state is thought on from; for plain attention

    def __post_init__(self) -> None:
        if self.loss not in ("softmax", "gbce") or not 0 <= self.calibration <= 1:
            raise ValueError(
                f"loss {self.loss!r} is softmax or gbce, calibration {self.calibration} between 0 and 1"
            )
        if self.loss == "gbce" and not self.num_negatives:
            raise ValueError("gbce is a loss against drawn negatives: set num_negatives")
        if self.mixer.bidirectional is (self.cloze is None):
            raise ValueError(
                "a bidirectional mixer is trained by cloze, and no other is: set both, or neither"
            )
        if self.cloze is not None and self.graph is not None:
            raise ValueError("a graph sums a history and fills no gaps: set cloze or graph, not both")
        reads_both = self.graph is not None and self.content is not None
        if (self.temperature is not None) + (self.alignment is not None) != reads_both:
            raise ValueError(
                "a graph over content compares by cosines over a temperature, one beside content is aligned with it: "
                "set graph, content and one of temperature and alignment, or neither of these two"
            )
        if self.alignment is not None and not self.free_vectors:
            raise ValueError("what is aligned with content are own vectors: set free_vectors to True")
        if self.temperature is not None and (self.temperature <= 0 or self.free_vectors):
            raise ValueError(
                f"temperature {self.temperature} is above 0, and a graph over content propagates what it is projected "
                "to alone: set free_vectors to False"
            )
        if self.reasoning is not None and not (self.graph is None and self.mixer.is_plain):
            raise ValueError(
                "reasoning passes layers of plain causal attention again: set no graph, relation_dim, time_gaps or "
                "bidirectional, nor another block"
            )


def read_dense_config(said: dict[str, Any]) -> DenseConfig:
    """The config that was written as a mapping of its fields."""
    parts: dict[str, type] = {
        "mixer": MixerConfig, "training": TrainingConfig, "cloze": Cloze, "graph": Graph, "content": Content,
        "alignment": Alignment, "reasoning": Reasoning,
    }  # fmt: skip
    return DenseConfig(
        **{name: parts[name](**value) if name in parts and value else value for name, value in said.items()}
    )
