"""Effective-medium theory, as implemented in ASE: Jacobsen, Stoltze, Nørskov, Surf. Sci. 366, 394 (1996)."""
from __future__ import annotations

from ase.calculators.emt import EMT, parameters

from solvers.core.errors import SetupError
from solvers.core.params import from_dict

from .params import EffectiveMediumParams


class EffectiveMedium(EMT):
    """ASE's EMT with two changes: the refusal of other elements is a sentence, and the result depends on the positions alone."""

    def initialize(self, atoms):
        strangers = sorted(set(atoms.get_chemical_symbols()) - set(parameters))
        if strangers:
            raise SetupError(f"Effective-medium theory has no parameters for {', '.join(strangers)}.", hint=f"Allowed: {', '.join(sorted(parameters))}.")
        super().initialize(atoms)
        # a list kept while atoms move within a skin sums in an order that depends on history, so a resumed run would differ in the last bits
        self.nl.nl.skin = 0.0


def effective_medium(**params) -> EffectiveMedium:
    """The EMT calculator: energy (eV), forces (eV/Å), stress (eV/Å³)."""
    chosen = from_dict(EffectiveMediumParams, params)
    return EffectiveMedium(asap_cutoff=not chosen.fixed_cutoff)
