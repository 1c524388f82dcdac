"""Data: sources, contracts, the warehouse, snapshots, and the journal of finished stages."""
