"""Parameters of the task that computes Hubbard U from linear response. Imports neither torch nor numba."""
from __future__ import annotations

from dataclasses import dataclass

from solvers.core.errors import SetupError
from solvers.core.params import param

from .params import DFTParams
from .params_hubbard import shell_name


@dataclass(frozen=True)
class HubbardUParams(DFTParams):
    """U of localised shells from linear response, in a supercell that keeps the perturbed atom away from its images; kpts belong to the supercell."""

    shells: tuple = param((), group="response", help="shells whose U is wanted, like Ni-3d,O-2p; empty = all d and f shells")
    supercell: tuple = param((1, 1, 1), group="response", help="repetitions of the cell along its axes, e.g. 2,2,2")
    amplitude: float = param(0.08, unit="eV", low=1e-3, high=0.5, group="response", help="largest potential on the perturbed shell")
    points: int = param(4, choices=(2, 4, 6), group="response", advanced=True, help="perturbed calculations per site; with 4 or more the fit error is known")

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "shells", tuple("-".join(shell_name(str(item))) for item in self.shells))
        try:
            counts = tuple(int(part) for part in self.supercell)
        except (TypeError, ValueError):
            counts = ()
        if len(counts) != 3 or not all(1 <= n <= 8 for n in counts):
            raise SetupError(f"supercell = {self.supercell!r} is not three repetitions.", hint="Give three whole numbers from 1 to 8, e.g. 2,2,2.")
        object.__setattr__(self, "supercell", counts)
