"""Search over the settings of an arm: the only room of Optuna."""
