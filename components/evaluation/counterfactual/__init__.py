"""Counterfactual replay: the value of a policy that did not run, from the log of one that did."""
