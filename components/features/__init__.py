"""Features: item vectors for each modality, user sequences, the item graph, and the feature store."""
