"""What recloop does: one folder a capability, each the only room of its engine."""
