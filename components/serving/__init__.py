"""Serving: users scored from a bundle, in batch from their histories or online from fresh features."""
