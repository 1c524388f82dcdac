"""Registry: tracking, bundles, registration, promotion, lineage. The only room that knows MLflow.

`bundle` needs no MLflow; the others import it (2 s), so nothing is imported here.
"""
