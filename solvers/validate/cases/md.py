"""What molecular dynamics and force fields may differ by from their laws and from published errors."""
from __future__ import annotations

ORDER = 0.15  # exponent of the energy error against the time step, 2 for velocity Verlet
REVERSAL = 1e-9  # Å, after as many steps back as forth
CONFIGURATIONAL_TEMPERATURE = 0.01  # relative: k⟨u²⟩ = kT of a harmonic crystal under BAOAB, which has no error in it
DRIFT = 5e-3  # eV/atom/ns, beyond three standard errors of its slope

KERNEL_FORCE = 1e-9  # eV/Å, kernel against the torch reference
KERNEL_VIRIAL = 1e-9  # eV
DERIVATIVE = 1e-6  # relative to the largest component, analytic against 5-point difference

#: mean absolute test errors of the mlearn benchmark (Zuo et al., J. Phys. Chem. A 124, 731 (2020)): element -> {model: (meV/atom, eV/Å)}
PUBLISHED = {"Si": {"GAP": (2.91, 0.07), "MTP": (2.21, 0.06)},
             "Mo": {"GAP": (2.24, 0.09), "MTP": (2.83, 0.09)},
             "Ge": {"GAP": (2.06, 0.05), "MTP": (1.79, 0.05)},
             "Ni": {"GAP": (0.42, 0.02), "MTP": (0.48, 0.01)},
             "Cu": {"GAP": (0.46, 0.01), "MTP": (0.41, 0.01)},
             "Li": {"GAP": (0.49, 0.01), "MTP": (0.49, 0.01)}}
