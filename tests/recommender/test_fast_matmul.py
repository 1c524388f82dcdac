"""What fast products promise: the caller's choice back, and few kernels kept."""

import os
import subprocess
import sys

import pytest
import torch

from components.recommender.fast_matmul import fast_matmul


def test_the_callers_precision_comes_back():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    with fast_matmul():
        assert torch.get_float32_matmul_precision() in ("medium", "highest")  # as the CPU rounds
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision(before)


def test_products_keep_the_rounding_of_single_precision():
    """Not that of bfloat16, which a CPU that has it could take: its products of 64 terms err by .1."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(64, 64, generator=generator), torch.randn(64, 512, generator=generator)
    with fast_matmul():
        found = a @ b
    torch.testing.assert_close(found.double(), a.double() @ b.double(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("given", "found"), [(None, "16"), ("200", "200")])
def test_few_kernels_are_kept_unless_the_environment_says_otherwise(given: str | None, found: str):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    environ = {key: value for key, value in os.environ.items() if key != name}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import os, components.recommender.training.fit; print(os.environ['{name}'])",
        ],
        env=environ | ({name: given} if given else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == found


def test_blocks_that_overlap_bring_back_what_the_first_found():
    """As two threads of a server do: the first to begin is the first to end."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        first, second = fast_matmul(), fast_matmul()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
