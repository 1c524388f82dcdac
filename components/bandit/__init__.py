"""A bandit over versions: which one answers whom, learned from a log of lists and judged on a later part of it."""
