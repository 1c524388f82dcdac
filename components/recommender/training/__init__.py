"""How a network is trained: sequences in, weights out."""
