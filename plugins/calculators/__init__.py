"""Calculators that come with ASE, under their plug-in names."""
