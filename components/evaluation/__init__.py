"""Evaluation: replay, ranking metrics, statistics, off-policy estimators, and the gate."""
