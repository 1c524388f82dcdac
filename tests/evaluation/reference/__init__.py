"""Figures that the reference cases ask for and no verdict or page reads: kept for the tests and benchmarks."""
