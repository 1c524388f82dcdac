"""The other side of `tiger_decoding.py`: Hugging Face's `generate` with a trie, in the peers' environment.

Imports nothing of this project. Writes weights, codes and histories to --out, then answers each line on
standard input ("default" or "medium": the float32 precision of the matrix products) with one timed run, as
a JSON line; the first run's lists go to --lists. An empty line or the end of input ends it.
"""

import argparse
import json
import sys
import time

import numpy as np
import torch
import transformers
from transformers import T5Config, T5ForConditionalGeneration

NUM_ITEMS, NUM_CODES, NUM_LEVELS = 12_101, 256, 4
SIZES = {
    "small": {"d_model": 128, "d_kv": 32, "num_heads": 4, "d_ff": 512},
    "tiger": {"d_model": 128, "d_kv": 64, "num_heads": 6, "d_ff": 1024},
}


def item_codes(rng: np.random.Generator) -> np.ndarray:
    """Three random codes and a collision token an item."""
    codes = np.zeros((NUM_ITEMS, NUM_LEVELS), dtype=np.int64)
    codes[:, :3] = rng.integers(0, NUM_CODES, (NUM_ITEMS, 3))
    taken: dict[tuple[int, ...], int] = {}
    for row in codes:
        key = tuple(row[:3].tolist())
        row[3] = taken.get(key, 0)
        taken[key] = row[3] + 1
    return codes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=sorted(SIZES), required=True)
    for name in ("users", "batch", "beams", "history", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--lists", required=True)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)

    codes = item_codes(rng)
    tokens = codes + 1 + np.arange(NUM_LEVELS) * NUM_CODES  # 0 is padding and start
    trie: dict[tuple[int, ...], list[int]] = {}
    for row in np.unique(tokens, axis=0).tolist():
        for level in range(NUM_LEVELS):
            children = trie.setdefault(tuple(row[:level]), [])
            if row[level] not in children[-1:]:
                children.append(row[level])
    config = T5Config(
        vocab_size=NUM_LEVELS * NUM_CODES + 1,
        num_layers=4,
        num_decoder_layers=4,
        dropout_rate=0.1,
        pad_token_id=0,
        eos_token_id=None,
        decoder_start_token_id=0,
        feed_forward_proj="relu",
        **SIZES[args.size],
    )
    model = T5ForConditionalGeneration(config).eval()
    model.generation_config.eos_token_id = None
    items = rng.integers(0, NUM_ITEMS, (args.users, args.history))
    histories = torch.from_numpy(tokens[items].reshape(args.users, -1))
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    np.savez(args.out, codes=codes, items=items, **weights)
    print(json.dumps({"ready": True, "transformers": transformers.__version__}), flush=True)

    written = False
    for line in sys.stdin:
        if not line.strip():
            break
        precision = {"default": "highest", "medium": "medium"}[line.strip()]
        torch.set_float32_matmul_precision(precision)
        lists, scores = [], []
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            for batch in histories.split(args.batch):
                made = model.generate(
                    input_ids=batch,
                    attention_mask=torch.ones_like(batch),
                    num_beams=args.beams,
                    num_return_sequences=args.beams,
                    max_new_tokens=NUM_LEVELS,
                    do_sample=False,
                    prefix_allowed_tokens_fn=lambda _, path: trie.get(tuple(path.tolist()[1:]), [0]),
                    return_dict_in_generate=True,
                    output_scores=True,
                )
                lists.append(made.sequences[:, 1:].view(len(batch), args.beams, NUM_LEVELS))
                scores.append(made.sequences_scores.view(len(batch), args.beams) * NUM_LEVELS)
        taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        if not written:
            np.savez(args.lists, tokens=torch.cat(lists).numpy(), scores=torch.cat(scores).numpy())
            written = True
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()
