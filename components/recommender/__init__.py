"""Recommender: arms that turn histories into ranked items."""
