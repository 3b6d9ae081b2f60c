"""Energy terms: one per file."""
