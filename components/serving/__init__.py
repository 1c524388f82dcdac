"""Serving: recommendations from a bundle and fresh features."""
