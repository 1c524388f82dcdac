"""Arms that are trained: each a configuration, a training function, and a frozen model."""
