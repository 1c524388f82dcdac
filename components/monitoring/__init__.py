"""Drift: what arrives now against what the champion was trained on, one figure a question, each with its noise."""
