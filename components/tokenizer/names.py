"""The tokenizers that may be asked for by name. Loads nothing, so that a command line knows them at once."""

from __future__ import annotations

from typing import Literal

TokenizerName = Literal["graph_rqvae", "residual_kmeans", "fsq", "product", "paper"]

DEFAULT: TokenizerName = "graph_rqvae"
BASELINE: TokenizerName = "paper"  # is there to be compared with: it runs to its end whatever its health
