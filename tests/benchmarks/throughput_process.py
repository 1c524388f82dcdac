"""Our SASRec for `throughput`: for every line that comes in, train one epoch and print what it cost."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

import torch

from components.recommender import presets
from components.recommender.arms.dense_arm import train_dense
from components.recommender.codes.vocabulary import vocabulary_of
from tests.benchmarks.arms import in_order
from tests.benchmarks.datasets import open_dataset
from tests.benchmarks.surroundings import results_folder


def main(data: str) -> None:
    torch.set_num_threads(1)
    training = open_dataset(data, results_folder() / "sources").events.training()
    config = in_order(presets.default_sasrec(presets.density_of(training)))
    # without the spectral start, which is paid once a training and not once an epoch
    one_epoch = replace(config, training=replace(config.training, epochs=1, start_length=0.0))
    targets = {
        "targets": len(training.items),  # every event has a loss, a user's first too
        "later_targets": len(training.items) - training.num_users,  # those that peers learn from as well
    }
    for _ in sys.stdin:
        begin = time.process_time()
        train_dense("sasrec", training, vocabulary_of(training), one_epoch, seed=1)
        told = {**targets, "cpu_seconds": time.process_time() - begin}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
