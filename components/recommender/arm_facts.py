"""What each arm is made of, where it comes from, and what its shipped preset costs and reaches.

Figures are those of `presets`: NDCG@10 on MovieLens-100K, chronological leave-one-out, full ranking, seen items left
out; CPU seconds of one thread for the training without the tokenizer's. Nothing here loads torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.recommender.names import ArmName


@dataclass(frozen=True, kw_only=True)
class ArmFacts:
    made_of: str
    source: str  # arXiv
    ndcg: float
    seeds: int
    cpu_seconds: float


FACTS: Mapping[ArmName, ArmFacts] = {
    "mmgrec": ArmFacts(
        made_of="codes and a free vector in, beam over the trie, re-scored by both",
        source="2404.16555",
        ndcg=0.1264,
        seeds=3,
        cpu_seconds=70,
    ),
    "mmgrec_paper": ArmFacts(
        made_of="a set of 32 items, relation term, tuple loss alone, 10 beams",
        source="2404.16555",
        ndcg=0.083,
        seeds=1,
        cpu_seconds=70,
    ),
    "tiger": ArmFacts(
        made_of="code tokens, encoder-decoder, beam over the trie",
        source="2305.05065",
        ndcg=0.059,
        seeds=1,
        cpu_seconds=163,
    ),
    "semantic_sasrec": ArmFacts(
        made_of="SASRec on code inputs, nothing generated",
        source="2306.08121",
        ndcg=0.1284,
        seeds=3,
        cpu_seconds=56,
    ),
    "fusion": ArmFacts(
        made_of="SASRec on code inputs and EASE, their scores summed",
        source="1905.03375",
        ndcg=0.1297,
        seeds=2,
        cpu_seconds=44,
    ),
    "sasrec": ArmFacts(
        made_of="causal attention, full softmax, spectral start",
        source="1808.09781",
        ndcg=0.1257,
        seeds=3,
        cpu_seconds=52,
    ),
    "hstu": ArmFacts(
        made_of="gated attention without softmax, bias of time",
        source="2402.17152",
        ndcg=0.1258,
        seeds=1,
        cpu_seconds=40,
    ),
    "hstu_text": ArmFacts(
        made_of="HSTU and what an item is, projected and added",
        source="2504.10545",
        ndcg=0.13,
        seeds=1,
        cpu_seconds=49,
    ),
    "m2trec": ArmFacts(
        made_of="SASRec on items that are what they are made of, no id",
        source="2209.11824",
        ndcg=0.0817,
        seeds=1,
        cpu_seconds=77,
    ),
    "fmlp": ArmFacts(
        made_of="learned causal filters",
        source="2202.13556",
        ndcg=0.1291,
        seeds=3,
        cpu_seconds=40,
    ),
    "gru4rec": ArmFacts(
        made_of="one gated recurrent unit",
        source="1511.06939",
        ndcg=0.1282,
        seeds=2,
        cpu_seconds=40,
    ),
    "bert4rec": ArmFacts(
        made_of="attention to both sides, trained by gaps",
        source="1904.06690",
        ndcg=0.1282,
        seeds=1,
        cpu_seconds=250,
    ),
    "gsasrec": ArmFacts(
        made_of="SASRec by gBCE against 256 negatives",
        source="2308.07192",
        ndcg=0.1167,
        seeds=1,
        cpu_seconds=159,
    ),
    "tim4rec": ArmFacts(
        made_of="a state space model with time between events",
        source="2409.16182",
        ndcg=0.1344,
        seeds=1,
        cpu_seconds=94,
    ),
    "lightgcn": ArmFacts(
        made_of="items propagated over their users, a history summed",
        source="2002.02126",
        ndcg=0.1195,
        seeds=1,
        cpu_seconds=17,
    ),
    "alpharec": ArmFacts(
        made_of="what items are, propagated over their users; cosines",
        source="2407.05441",
        ndcg=0.1023,
        seeds=1,
        cpu_seconds=43,
    ),
    "rlmrec": ArmFacts(
        made_of="LightGCN, each item drawn to what it is",
        source="2310.15950",
        ndcg=0.1246,
        seeds=3,
        cpu_seconds=28,
    ),
    "onepiece": ArmFacts(
        made_of="SASRec whose last state passes its layers again",
        source="2509.18091",
        ndcg=0.1191,
        seeds=2,
        cpu_seconds=103,
    ),
    "pisa": ArmFacts(
        made_of="SASRec and ACT-R's activation of items taken before",
        source="2408.16578",
        ndcg=0.1257,
        seeds=3,
        cpu_seconds=52,
    ),
    "multitron": ArmFacts(
        made_of="SASRec with an objective for each event type",
        source="2407.16828",
        ndcg=0.1079,
        seeds=1,
        cpu_seconds=77,
    ),
    "ease": ArmFacts(
        made_of="a linear model in closed form, older events fading",
        source="1905.03375",
        ndcg=0.1005,
        seeds=1,
        cpu_seconds=0.3,
    ),
}
