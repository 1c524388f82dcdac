"""Evaluation: replay, ranking metrics, statistics, the gate, and its report."""
