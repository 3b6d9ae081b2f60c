"""Elastic constants: what they are compared with and what they may differ by."""
from __future__ import annotations

#: relative to the largest constant: finite-strain fit against closed forms of model crystals
MODEL = 1e-6
#: GPa: Stillinger–Weber silicon against constants computed independently at ε = 2.1683 eV
STILLINGER_WEBER_TOLERANCE = 0.02
STILLINGER_WEBER = {"C11": 151.42, "C12": 76.42, "C44": 56.45, "clamped C44": 109.76}
#: GPa: silicon, PBE, GTH-PBE-q4, a = 5.4622 Å, Γ-centred 6×6×6, 25 Ha, against ABINIT's finite strains with the same potential, cutoff and mesh
SILICON_TOLERANCE = 0.5
SILICON = {"C11": 153.3, "C12": 56.3, "C44": 75.2, "clamped C44": 98.8}
SILICON_LATTICE = 5.4622  # Å
SILICON_CUTOFF = 25.0  # Ha
SILICON_MESH = (6, 6, 6)
#: GPa: another PBE calculation (all-electron-like potentials, its own equilibrium volume) and experiment; printed beside, not judged
SILICON_LITERATURE = {"PBE (PAW), literature": {"C11": 153.1, "C12": 56.8, "C44": 74.7}, "experiment, 298 K": {"C11": 165.7, "C12": 63.9, "C44": 79.6}}
#: strain and force tolerance at which the truncation of the fit is below MODEL
TINY = {"strain": 1e-4, "force_tolerance": 1e-10, "axes": "structure"}
