"""Cases and tolerances as data."""
