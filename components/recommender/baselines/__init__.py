"""Arms that only count, or draw: what every replay holds the others against."""
