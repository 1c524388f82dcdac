"""Contracts: Great Expectations finds the rows that must not land, and says why in reason codes.

`batch_check` and `vector_check` are the doors. Great Expectations takes 4 s to import, so only `validation`
and `expectations` import it, and only when something is checked: a run that reuses its checks is quick.
"""
