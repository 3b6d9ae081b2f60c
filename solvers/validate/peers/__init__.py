"""Other programs that `qcad validate` runs where they are installed."""
