"""Tokenizer: item vectors and the user-item graph in, semantic IDs out."""
