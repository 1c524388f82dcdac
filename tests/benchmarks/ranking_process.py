"""Runs in the peers' environment: NDCG@10 of the lists in a file by ranx and by rectools. Not imported by the project.

python ranking_process.py LISTS.npz OUT.json      lists [R k], offsets [R+1], items [T]
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from ranx import Qrels, Run, evaluate
from rectools import Columns
from rectools.metrics import NDCG


def main(lists_path: str, out_path: str) -> None:
    with np.load(lists_path) as arrays:
        lists, offsets, items = arrays["lists"], arrays["offsets"], arrays["items"]
    num_lists, k = lists.shape
    owner = np.repeat(np.arange(num_lists), np.diff(offsets))
    told = {}

    reco = pd.DataFrame(
        {
            Columns.User: np.repeat(np.arange(num_lists), k),
            Columns.Item: lists.ravel(),
            Columns.Rank: np.tile(np.arange(1, k + 1), num_lists),
        }
    )
    truth = pd.DataFrame({Columns.User: owner, Columns.Item: items})
    begin = time.process_time()
    told["rectools_value"] = float(NDCG(k=10, divide_by_achievable=True).calc(reco, truth))
    told["rectools_cpu_seconds"] = time.process_time() - begin

    begin = time.process_time()
    names = [str(item) for item in range(int(max(lists.max(), items.max())) + 1)]
    score = [float(k - place) for place in range(k)]
    run = {str(row): dict(zip([names[i] for i in one], score, strict=True)) for row, one in enumerate(lists)}
    judged = {
        str(row): {names[i]: 1 for i in items[offsets[row] : offsets[row + 1]]} for row in range(num_lists)
    }
    qrels, runs = Qrels(judged), Run(run)
    told["ranx_input_cpu_seconds"] = time.process_time() - begin
    evaluate(qrels, runs, "ndcg@10")  # compiles
    begin = time.process_time()
    told["ranx_value"] = float(evaluate(qrels, runs, "ndcg@10"))
    told["ranx_cpu_seconds"] = time.process_time() - begin
    with open(out_path, "w") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
