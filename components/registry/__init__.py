"""Registry: tracking, model bundles, registration, promotion, lineage."""
