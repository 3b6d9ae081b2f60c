"""Iterative eigensolvers on blocks of bands, batched over k-points."""
