"""TIGER's decoding beside Hugging Face's `generate`: the same weights, histories, trie and beams.

    PEERS_HOME=... python -m tests.benchmarks.tiger_decoding [--runs 3] [--threads 2]

Hugging Face runs in an environment of its own, `$PEERS_HOME/vA/bin/python`; both sides take turns, so that
they meet the same load of the machine. Prints one JSON line: users a second of wall time and of CPU time
(medians over the runs), and how many users get identical lists.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.recommender.codes.code_tokens import CodeTokens
from components.recommender.codes.trie import build_trie
from components.recommender.decoding.cached_beam import cached_beam_search
from components.recommender.fast_matmul import fast_matmul
from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.t5_layers import EncoderDecoderConfig
from components.recommender.networks.t5_weights import from_t5

SIZES = {
    "small": EncoderDecoderConfig(num_heads=4, head_dim=32, hidden=512),
    "tiger": EncoderDecoderConfig(num_heads=6, head_dim=64, hidden=1024),
}
TIE = 1e-5


class Ours:
    """Our decoder on the weights that the peer wrote."""

    def __init__(self, size: str, written: Path, beams: int, batch: int) -> None:
        with np.load(written) as read:
            saved = {name: read[name] for name in read.files}
        codes, self.items = saved.pop("codes"), torch.from_numpy(saved.pop("items"))
        self.codes = torch.from_numpy(codes)
        self.tokens = CodeTokens((256,) * codes.shape[1])
        self.network = EncoderDecoder(SIZES[size], self.tokens.vocabulary).eval()
        weights = {name: torch.from_numpy(array) for name, array in saved.items()}
        self.network.load_state_dict(from_t5(weights, num_layers=4, num_decoder_layers=4))
        self.trie, self.beams, self.batch = build_trie(codes), beams, batch

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """Tokens [user beam level] and scores [user beam] of everybody's list."""
        lists, scores = [], []
        item_tokens = self.tokens.of_codes(self.codes)
        with torch.inference_mode(), fast_matmul():
            for items in self.items.split(self.batch):
                length = torch.full((len(items),), items.shape[1])
                leaf, score = cached_beam_search(
                    self.network,
                    self.tokens,
                    self.trie,
                    self.network.encode(self.tokens.of_histories(item_tokens, items, length)),
                    width=self.beams,
                    live=torch.ones(len(items), self.trie.num_leaves, dtype=torch.bool),
                    normalize="vocabulary",
                )
                lists.append(item_tokens[self.trie.items[leaf]])
                scores.append(score)
        return torch.cat(lists).numpy(), torch.cat(scores).numpy()


class Peer:
    """The process that answers with Hugging Face's timings."""

    def __init__(self, python: Path, folder: Path, options: dict[str, Any]) -> None:
        self.written, self.lists = folder / "weights.npz", folder / "lists.npz"
        arguments = [f"--{name}={value}" for name, value in options.items()]
        script = Path(__file__).with_name("tiger_peer.py")
        self.process = subprocess.Popen(
            [str(python), str(script), *arguments, f"--out={self.written}", f"--lists={self.lists}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._answer()["transformers"]

    def run(self, precision: str) -> dict[str, float]:
        assert self.process.stdin is not None
        print(precision, file=self.process.stdin, flush=True)
        return self._answer()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"tiger_peer.py ended with status {self.process.wait()}")
        return json.loads(line)


def same_lists(
    ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float]:
    """Share of users with identical lists, and with lists that differ only among scores within TIE."""
    (tokens, scores), (their_tokens, their_scores) = ours, theirs
    exact = (tokens == their_tokens).all(axis=(1, 2))
    tied = exact.copy()
    for user in np.flatnonzero(~exact):
        ordered = np.abs(scores[user] - their_scores[user]).max() <= TIE
        mine = dict(zip(map(tuple, tokens[user].tolist()), scores[user].tolist(), strict=True))
        other = dict(zip(map(tuple, their_tokens[user].tolist()), their_scores[user].tolist(), strict=True))
        edge = scores[user, -1] + TIE  # only a tie with the last place may be in one list alone
        alone = [(mine.get(key), other.get(key)) for key in mine.keys() ^ other.keys()]
        tied[user] = ordered and all((a if a is not None else b) <= edge for a, b in alone)
    return float(exact.mean()), float(tied.mean())


def measure(python: Path, size: str, args: argparse.Namespace) -> dict[str, float]:
    options = {name: getattr(args, name) for name in ("users", "batch", "beams", "history", "threads")}
    taken: dict[str, list[dict[str, float]]] = {"default": [], "medium": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(python, Path(folder), {"size": size, **options})
        try:
            ours = Ours(size, peer.written, args.beams, args.our_batch)
            made = ours.run()
            for _ in range(args.runs):
                for precision in ("default", "medium"):
                    taken[precision].append(peer.run(precision))
                    wall, cpu = time.perf_counter(), time.process_time()
                    made = ours.run()
                    taken["ours"].append(
                        {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
                    )
            with np.load(peer.lists) as read:
                identical, tied = same_lists(made, (read["tokens"], read["scores"]))
                apart = float(np.abs(made[1] - read["scores"]).max())
        finally:
            peer.end()
    figures = {"identical": identical, "identical_but_ties": tied, "score_difference": apart}
    for unit in ("wall", "cpu"):
        rate = {
            side: args.users / statistics.median(run[unit] for run in runs) for side, runs in taken.items()
        }
        figures |= {
            f"ours_users_per_{unit}_s": rate["ours"],
            f"hf_users_per_{unit}_s": rate["default"],
            f"hf_medium_users_per_{unit}_s": rate["medium"],
            f"{unit}_times_hf": rate["ours"] / rate["default"],
            f"{unit}_times_hf_medium": rate["ours"] / rate["medium"],
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=sorted(SIZES), default=sorted(SIZES))
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32, help="of Hugging Face")
    parser.add_argument("--our-batch", type=int, default=32)
    parser.add_argument("--beams", type=int, default=20)
    parser.add_argument("--history", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    python = Path(os.environ.get("PEERS_HOME", ".peers")) / "vA" / "bin" / "python"
    if not python.exists():
        print(json.dumps({"part": "tiger_decoding", "skipped": f"{python} is missing; set PEERS_HOME"}))
        return
    torch.set_num_threads(args.threads)
    result: dict[str, Any] = {
        "part": "tiger_decoding",
        **{name: getattr(args, name) for name in ("users", "beams", "history", "threads", "runs")},
    }
    for size in args.sizes:
        result[size] = {name: round(value, 7) for name, value in measure(python, size, args).items()}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
