"""The feature store: the one room that knows Feast.

`opening` opens the store and applies the definitions of feature_repo/, `offline` writes the parquet behind
it (and needs no Feast), `retrieval` joins features to spines as of a moment, `online` loads and reads what
scoring sees. Feast takes 3 s to import even without its type checks (`feast_unchecked`), so nothing is imported here.
"""
