"""Gate profiles as files of a team's own: what differs from a shipped one, checked before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.evaluation.gate import NonInferiority, ProfileError, Threshold, production, small
from components.evaluation.profile_file import profile_of, read_fields

SHOP = """
base: small
name: shop
validity: {min_users: 1000}
primary: {effect_of_interest: 0.005}
must_beat: [popularity, sasrec]
required:
  - {metric: recall@50, margin: 0.01}
  - {metric: coverage@10, min_value: 0.1}
latency: null
sequential: {enabled: true}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_says_what_differs_from_its_base(tmp_path: Path):
    base = small()
    assert profile_of(read_fields(written(tmp_path, SHOP))) == replace(
        base,
        name="shop",
        validity=replace(base.validity, min_users=1000),
        primary=replace(base.primary, effect_of_interest=0.005),
        must_beat=("popularity", "sasrec"),
        required=(
            NonInferiority(metric="recall@50", margin=0.01),
            Threshold(metric="coverage@10", min_value=0.1),
        ),
        latency=None,
        sequential=replace(base.sequential, enabled=True),
    )
    assert profile_of({"base": "production", "name": "mine"}) == replace(production(), name="mine")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no fields"),
        ("- small", "holds no fields"),
        ("name: [", "is not YAML"),
        ("name: small", "`name` of its own"),
        ("base: small", "`name` of its own"),
        ("base: tiny\nname: shop", "base is 'tiny'; the shipped profiles are small"),
        ("name: shop\nprimry: {}", "primry is no field of a gate profile; did you mean primary?"),
        (
            "name: shop\nprimary: {effect: 0.1}",
            "primary.effect is no field of a gate profile; there are metric, alpha_one_sided",
        ),
        ("name: shop\nprimary: {alpha_one_sided: 0.7}", "alpha_one_sided is 0.7; it lies between 0 and 0.5"),
        ("name: shop\nprimary: {alpha_one_sided: high}", "primary.alpha_one_sided: 'high' is not a number"),
        ("name: shop\nprimary: {alpha_one_sided: .nan}", "alpha_one_sided is nan"),
        ("name: shop\nprimary: 3", "primary: '3' is not an object"),
        ("name: shop\nprimary: {metric: ndcgg@10}", "ndcgg"),
        ("name: shop\nrequired: {metric: recall@50}", "is not a list"),
        ("name: shop\nrequired: [{metric: coverage@10, min_value: 2}]", "can never reach 2"),
        ("name: shop\nrequired: [{metric: recall@50}]", "required[0]"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_and_field(tmp_path: Path, text: str, told: str):
    path = written(tmp_path, text)
    with pytest.raises(ProfileError) as refused:
        read_fields(path)
    assert str(path) in str(refused.value)
    assert told in str(refused.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path):
    with pytest.raises(ProfileError, match="cannot be read as a gate profile"):
        read_fields(tmp_path / "none.yaml")
    path = tmp_path / "shop.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProfileError, match="cannot be read as a gate profile"):
        read_fields(path)
