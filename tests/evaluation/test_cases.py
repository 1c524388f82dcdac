"""Every reference case of the folder RECLOOP_CASES (default: ../shared/cases/replay) to its own tolerance.

A kind that no checker here knows fails. Figures that no verdict or page reads are made by `reference`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse, stats

from components.evaluation import beyond, rehearsal, sequential, statistics
from components.evaluation.bootstrap import bootstrap_means, interval
from components.evaluation.canonical import canonical_lists
from components.evaluation.permutation import sign_flip_p
from components.evaluation.ranking import Relevant, rank_metrics
from tests.evaluation.offpolicy_cases import OFF_POLICY_CHECKERS
from tests.evaluation.reference import confidence_sequences, paired, peeking, ratio_metric

Case = dict[str, Any]
FOLDER = Path(
    os.environ.get("RECLOOP_CASES") or Path(__file__).resolve().parents[3] / "shared" / "cases" / "replay"
)


def _cases() -> list[Any]:
    cases = [case for path in sorted(FOLDER.glob("*.json")) for case in json.loads(path.read_text())]
    return [pytest.param(case, id=f"{case['kind']}-{case['id']}") for case in cases]


@pytest.mark.shared_data
@pytest.mark.skipif(not FOLDER.is_dir(), reason="no folder of reference cases")
@pytest.mark.parametrize("case", _cases())
def test_case(case: Case) -> None:
    CHECKERS[case["kind"]](case)


def near(found: Any, expected: Any, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=0, atol=tolerance)


# --- ranking -------------------------------------------------------------------------------------------

NAMES = {"hit_rate": "hr", "map": "map_trec"}


def _arrays(case: Case, users: list[str]) -> tuple[np.ndarray, Relevant, int]:
    """Lists and truth of the users as arrays; items are their own positions."""
    width = max([1, *(len(case["recommendations"].get(u, [])) for u in users)])
    lists = np.full((len(users), width), -1)
    for row, user in enumerate(users):
        shown = case["recommendations"].get(user, [])
        lists[row, : len(shown)] = shown
    truth = [_grades(case["relevant"][user]) for user in users]
    items = np.array([item for grades in truth for item in grades], dtype=int)
    gains = np.array([grade for grades in truth for grade in grades.values()], dtype=float)
    num_items = int(max([0, lists.max(initial=0), items.max(initial=0)])) + 1
    offsets = np.cumsum([0, *(len(grades) for grades in truth)])
    relevant = Relevant(offsets=offsets, items=items, gains=None if (gains == 1).all() else gains)
    return canonical_lists(lists, num_items=num_items), relevant, num_items


def _grades(relevant: list[int] | dict[str, float]) -> dict[int, float]:
    return (
        {int(i): g for i, g in relevant.items()}
        if isinstance(relevant, dict)
        else dict.fromkeys(relevant, 1.0)
    )


def check_ranking(case: Case) -> None:
    users = sorted(case["relevant"])
    lists, relevant, num_items = _arrays(case, users)
    names = {}
    for name in case["expected_mean"]:
        measure, k = name.split("@")
        names[name] = f"{NAMES.get(measure, measure)}@{k}"
    values = rank_metrics(lists, relevant, names.values(), num_items=num_items)
    evaluated = relevant.sizes > 0
    assert int(evaluated.sum()) == case["n_users_evaluated"]
    assert int((~evaluated).sum()) == case["n_users_skipped_no_positive"]
    for name, ours in names.items():
        near(np.nanmean(values[ours]), case["expected_mean"][name], case["tolerance"])
        for user, expected in case.get("expected_per_user", {}).get(name, {}).items():
            near(values[ours][users.index(user)], expected, case["tolerance"])


def check_beyond(case: Case) -> None:
    users, k, expected = sorted(case["recommendations"]), case["K"], case["expected"]
    lists, relevant, num_items = _arrays(case, users)
    features_of = {int(i): row for i, row in case["item_features_onehot"].items()}
    num_items = max([num_items, *(i + 1 for i in features_of)])
    lists = lists[:, :k]
    train = np.unique(np.array(case["train"]), axis=0)
    item_users = np.bincount(train[:, 1], minlength=num_items)
    candidates = np.isin(np.arange(num_items), case["catalogue"])
    features = np.zeros((num_items, len(next(iter(features_of.values())))), dtype=int)
    for item, row in features_of.items():
        features[item] = row
    rows = np.array([users.index(str(u)) for u in train[:, 0]])
    profiles = sparse.csr_array((np.ones(len(train)), (rows, train[:, 1])), shape=(len(users), num_items))
    calibration = beyond.calibration(profiles, lists, features)
    ranked = rank_metrics(lists, relevant, [f"map_min@{k}", f"ndcg@{k}"], num_items=num_items)
    found = {
        "catalog_coverage": beyond.coverage(lists, candidates),
        "gini": beyond.gini(lists, candidates),
        "novelty_mean_minus_log2_user_share": beyond.novelty(
            lists, item_users, len(np.unique(train[:, 0]))
        ).mean(),
        "avg_rec_popularity": beyond.popularity(lists, item_users).mean(),
        "ild_hamming_count": np.nanmean(beyond.intra_list_distance(lists, features)),
        "calibration_kl": np.nanmean(calibration),
        "calibration_users": (~np.isnan(calibration)).sum(),
        "map_min_denominator": np.nanmean(ranked[f"map_min@{k}"]),
        "ndcg": np.nanmean(ranked[f"ndcg@{k}"]),
    }
    for name, value in expected.items():
        near(found[name], value, case["tolerance"])


# --- paired statistics ---------------------------------------------------------------------------------


def check_permutation_exact(case: Case) -> None:
    differences = np.array(case["delta"])[:, None]
    for alternative, expected in case["expected_p"].items():
        near(
            sign_flip_p(differences, seed=0, alternative=alternative),
            [expected],
            case["tolerance"],
        )


def check_paired(case: Case) -> None:
    champion, challenger = np.array(case["champion"]), np.array(case["challenger"])
    differences, expected, tolerance = challenger - champion, case["expected"], case["tolerance"]
    figures = paired.paired_t(differences)
    closed = {
        "mean_delta": figures.mean,
        "se": figures.se,
        "t": figures.t,
        "t_p_two_sided": figures.p,
        "t_ci95": [figures.lower, figures.upper],
        "cohen_dz": figures.dz,
        "non_inferiority_p": paired.non_inferiority_p(differences, expected["non_inferiority_margin"]),
        "relative_lift": figures.mean / champion.mean(),
    }
    for name, value in closed.items():
        near(value, expected[name], tolerance["closed_form"])
    p = sign_flip_p(differences[:, None], resamples=20_000, seed=3)
    near(p, [expected["permutation_p_mc"]], tolerance["permutation_p_abs"])
    replicates = bootstrap_means(differences[:, None], resamples=20_000, seed=4)[:, 0]
    for name, value in expected["bootstrap_ci95"].items():
        found = interval(replicates, differences, kind=name.lower())
        near(found, value, tolerance["bootstrap_ci_abs"])


def check_cluster_se(case: Case) -> None:
    found = statistics.clustered_mean(np.array(case["user"]), np.array(case["event_delta"]))
    for name, value in case["expected"].items():
        near(getattr(found, name), value, case["tolerance"])


def check_multiple(case: Case) -> None:
    for correction, expected in case["expected_adjusted"].items():
        near(statistics.adjusted(case["p"], correction), expected, case["tolerance"])


def check_mde(case: Case) -> None:
    sd, n, expected = case["sd_of_paired_delta"], case["n_users"], case["expected"]
    level = {"alpha": case["alpha"], "power": case["power"]}
    exact = statistics.minimum_detectable_effect(sd, n, exact=True, **level)
    normal = statistics.minimum_detectable_effect(sd, n, **level)
    tolerance = case["tolerance"]
    assert exact == pytest.approx(expected["mde_abs"], rel=tolerance["exact_rel"])
    assert normal == pytest.approx(expected["mde_abs_normal_approx"], rel=tolerance["normal_approx_rel"])
    assert normal == pytest.approx(exact, rel=tolerance["normal_vs_exact_rel"])
    for name, needed in expected.items():
        if name.startswith("n_needed_for_delta_"):
            effect = float(name.removeprefix("n_needed_for_delta_").replace("_", ".", 1))
            found = statistics.users_needed(sd, effect, exact=True, **level)
            assert found == pytest.approx(needed, rel=tolerance["exact_rel"])
    assert statistics.power_at(normal, sd, n, alpha=case["alpha"]) == pytest.approx(case["power"], abs=1e-6)


# --- the rehearsal of a live test ----------------------------------------------------------------------


def check_cuped(case: Case) -> None:
    found = rehearsal.cuped(np.array(case["pre"]), np.array(case["post"]), np.array(case["arm"]))
    values = {
        "theta": found.theta,
        "raw_diff": found.raw.difference,
        "cuped_diff": found.adjusted.difference,
        "raw_se": found.raw.se,
        "cuped_se": found.adjusted.se,
        "variance_reduction": found.variance_reduction,
        "welch_p": found.adjusted.p,
    }
    for name, expected in case["expected"].items():
        near(values[name], expected, case["tolerance"])


def check_srm(case: Case) -> None:
    found = rehearsal.sample_ratio(case["observed"], case["expected_ratio"])
    for name in ("chi2", "p", "min_expected"):
        near(getattr(found, name), case["expected"][name], case["tolerance"])
    assert found.alarm == case["expected"]["srm_detected_at_0_001"]


def check_assignment(case: Case) -> None:
    arms = np.array(["champion", "challenger"])
    for row in case["rows"]:
        near(rehearsal.bucket(row["salt"], row["user_id"]), row["bucket"], case["tolerance"])
        for name, share in (("arm_50_50", 0.5), ("arm_90_10", 0.9)):
            arm = rehearsal.assign_arms(row["salt"], [row["user_id"]], [share, 1 - share])
            assert arms[arm[0]] == row[name]


def _dealt(salt: str) -> np.ndarray:
    return rehearsal.assign_arms(salt, [str(u) for u in range(100_000)], [0.5, 0.5])


def check_balance(case: Case) -> None:
    counts = np.bincount(_dealt(case["salt"]), minlength=2).tolist()
    assert counts == case["expected"]["counts"]
    near(rehearsal.sample_ratio(counts, [0.5, 0.5]).p, case["expected"]["srm_p"], 1e-9)


def check_independence(case: Case) -> None:
    table = np.zeros((2, 2), dtype=int)
    np.add.at(table, (_dealt("A"), _dealt("B")), 1)
    assert table.tolist() == case["expected"]["table"]
    near(stats.chi2_contingency(table, correction=False).pvalue, case["expected"]["p"], 1e-9)


def check_ratio(case: Case) -> None:
    numerator, denominator = np.array(case["numerator"], float), np.array(case["denominator"], float)
    ratios, found = ratio_metric.ratio_difference(numerator, denominator, np.array(case["arm"]))
    values = {"ratio": ratios, "diff": found.difference, "se": found.se, "welch_p": found.p}
    for name, expected in case["expected"].items():
        near(values[name], expected, case["tolerance"])


# --- sequential ----------------------------------------------------------------------------------------


def check_boundary(case: Case) -> None:
    near(sequential.mixture_rho(case["v_opt"], case["alpha"]), case["rho"], case["tolerance"])
    bound = sequential.normal_mixture_bound(np.array(case["v"]), alpha=case["alpha"], v_opt=case["v_opt"])
    near(bound, case["expected_bound"], case["tolerance"])


def check_asymptotic(case: Case) -> None:
    found = confidence_sequences.asymptotic_difference(
        tuple(case["mean"]),
        tuple(case["sd"]),
        case["n_per_arm"],
        tuning_n=case["tuning_N"],
        alpha=case["alpha"],
    )
    near([found.lower, found.upper], case["expected"]["ci"], case["tolerance"])
    near(found.p, case["expected"]["p_always_valid"], case["tolerance"])
    near(found.rho, case["expected"]["rho"], case["tolerance"])


def check_bounded(case: Case) -> None:
    looks = np.array(case["at_n"]) - 1
    made_by = {
        "empirical_bernstein": sequential.empirical_bernstein,
        "hedged_betting": confidence_sequences.hedged_betting,
    }
    for name, expected in case["expected"].items():
        bounds = made_by[name](np.array(case["y"]), alpha=case["alpha"])
        near(bounds[looks], expected, case["tolerance"][name])


def check_false_positives(case: Case) -> None:
    """2,000 A/A streams of hits that differ for one user in ten, a look after every user."""
    generator = np.random.default_rng(11)
    rejected, peeked, final, reps = 0, 0, 0, 2_000
    for _ in range(0, reps, 200):
        streams = generator.choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=(200, case["n"]))
        looks = peeking.mixture_rejects(
            streams, alpha=case["alpha"], v_opt=case["v_opt"], n_min=case["n_min"]
        )
        naive = peeking.naive_rejects(streams, alpha=case["alpha"])
        rejected += int(looks.any(axis=1).sum())
        peeked += int(naive[:, case["n_min"] :].any(axis=1).sum())
        final += int(naive[:, -1].sum())
    asked = case["requirement"]
    assert rejected / reps <= case["alpha"] + 3 * math.sqrt(case["alpha"] * (1 - case["alpha"]) / reps)
    assert peeked / reps >= asked["naive_peek_every_user_min"]
    low, high = asked["fixed_n_final_look_range"]
    assert low <= final / reps <= high


CHECKERS: dict[str, Callable[[Case], None]] = {
    "ranking": check_ranking,
    "beyond_accuracy": check_beyond,
    "permutation_exact": check_permutation_exact,
    "paired_user_test": check_paired,
    "cluster_se": check_cluster_se,
    "multiple_testing": check_multiple,
    "mde_power": check_mde,
    "cuped": check_cuped,
    "srm": check_srm,
    "arm_assignment": check_assignment,
    "arm_assignment_balance": check_balance,
    "arm_assignment_independence": check_independence,
    "ratio_metric_delta_method": check_ratio,
    "sequential_boundary": check_boundary,
    "asymptotic_confidence_sequence": check_asymptotic,
    "bounded_confidence_sequence": check_bounded,
    "sequential_fpr_simulation": check_false_positives,
    **OFF_POLICY_CHECKERS,
}
