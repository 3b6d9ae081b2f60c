"""Pseudopotentials: the protocol (`base`), the analytic GTH form (`gth`), its table (`gth_table`), the library (`library`), harmonics."""
