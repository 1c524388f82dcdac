"""Encoders: one file a modality, each turning what items hold into vectors of length 1."""
