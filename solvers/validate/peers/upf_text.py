"""GTH potentials as UPF 2 text with atomic orbitals, for peers that want orbitals (the Hubbard correction of `pw.x`): radial functions on a logarithmic mesh.

The orbitals are Gaussians times r^l, √2 r^l e^{−r²/2a²} / (a^{l+3/2} √Γ(l+3/2)): they vanish before the 10 bohr to which `pw.x` integrates, so that both codes
have the same function; as a model of an atom they are as good as their width.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from solvers.dft.atom import Orbital
from solvers.dft.pseudo.gth import GTH, GTHChannel

_R0, _STEP, _END = 1e-5, 0.0085, 14.0  # bohr, in ln r, bohr


@dataclass(frozen=True)
class GaussianOrbital:
    """label like "2p", angular momentum, electrons, width a in bohr."""

    label: str
    l: int
    occupation: float
    width: float

    def at(self, r: np.ndarray) -> np.ndarray:
        """R(r)."""
        return math.sqrt(2) * r**self.l * np.exp(-0.5 * (r / self.width) ** 2) / (self.width ** (self.l + 1.5) * math.sqrt(math.gamma(self.l + 1.5)))

    @property
    def orbital(self) -> Orbital:
        """The same in our engine's form."""
        channel = GTHChannel(self.l, self.width, np.eye(1))
        return Orbital(self.l, self.occupation, 0.0, lambda q: channel.radial(0, q), self.label)


class WithOrbitals:
    """A GTH potential that offers `orbitals` as those of its file."""

    def __init__(self, pseudo: GTH, orbitals: Sequence[GaussianOrbital]):
        self._pseudo = pseudo
        self.atomic_orbitals = tuple(orbital.orbital for orbital in orbitals)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or name == "_pseudo":
            raise AttributeError(name)
        return getattr(self._pseudo, name)


def upf_text(pseudo: GTH, orbitals: Sequence[GaussianOrbital], functional: str = "SLA PW PBX PBC") -> str:
    """UPF 2 of a GTH potential (no core density); functional as `pw.x` names it."""
    entry = pseudo.entry
    n = int(math.log(_END / _R0) / _STEP) | 1  # odd, as Simpson's rule wants it
    r = _R0 * np.exp(_STEP * np.arange(n))
    x = r / entry.local_radius
    polynomial = sum(c * x ** (2 * i) for i, c in enumerate(entry.local_coefficients)) if entry.local_coefficients else np.zeros(n)
    local = -pseudo.charge / r * erf(x / math.sqrt(2)) + np.exp(-0.5 * x**2) * polynomial
    betas, couplings = [], []
    for channel in pseudo.channels:
        for i in range(len(channel.h)):
            power = channel.l + (4 * i + 3) / 2
            p = math.sqrt(2) * r ** (channel.l + 2 * i) * np.exp(-0.5 * (r / channel.radius) ** 2) / (channel.radius**power * math.sqrt(math.gamma(power)))
            betas.append((channel.l, r * p))
        couplings.append(channel.h)
    D = np.zeros((len(betas), len(betas)))
    first = 0
    for h in couplings:
        D[first:first + len(h), first:first + len(h)] = 2 * h
        first += len(h)
    density = sum(orbital.occupation * (r * orbital.at(r)) ** 2 for orbital in orbitals)
    l_max = max([l for l, _ in betas], default=0)
    parts = [
        '<UPF version="2.0.1">\n<PP_INFO>\nGTH potential written for a comparison\n</PP_INFO>',
        f'<PP_HEADER generated="" author="" date="" comment="" element="{pseudo.symbol}" pseudo_type="NC" relativistic="scalar" is_ultrasoft="F" is_paw="F" '
        f'is_coulomb="F" has_so="F" has_wfc="F" has_gipaw="F" core_correction="F" functional="{functional}" z_valence="{pseudo.charge}" total_psenergy="0.0" '
        f'wfc_cutoff="0.0" rho_cutoff="0.0" l_max="{l_max}" l_max_rho="0" l_local="-3" mesh_size="{n}" number_of_wfc="{len(orbitals)}" '
        f'number_of_proj="{len(betas)}"/>',
        f'<PP_MESH dx="{_STEP}" mesh="{n}" xmin="{math.log(_R0)}" rmax="{r[-1]}" zmesh="1.0">',
        _array("PP_R", r), _array("PP_RAB", _STEP * r), "</PP_MESH>", _array("PP_LOCAL", 2 * local), "<PP_NONLOCAL>",
        *(_array(f"PP_BETA.{i + 1}", beta, f'index="{i + 1}" angular_momentum="{l}" cutoff_radius_index="{n}" cutoff_radius="{r[-1]}"')
          for i, (l, beta) in enumerate(betas)),
        _array("PP_DIJ", D.reshape(-1)), "</PP_NONLOCAL>", "<PP_PSWFC>",
        *(_array(f"PP_CHI.{i + 1}", r * orbital.at(r), f'index="{i + 1}" label="{orbital.label.upper()}" l="{orbital.l}" occupation="{orbital.occupation}" '
                 f'n="{orbital.label[0]}" pseudo_energy="0.0" cutoff_radius="0.0" ultrasoft_cutoff_radius="0.0"') for i, orbital in enumerate(orbitals)),
        "</PP_PSWFC>", _array("PP_RHOATOM", density), "</UPF>\n"]
    return "\n".join(parts)


def _array(tag: str, values: np.ndarray, attributes: str = "") -> str:
    rows = [" ".join(f"{value:.16e}" for value in values[i:i + 4]) for i in range(0, len(values), 4)]
    return f'<{tag} type="real" size="{len(values)}" columns="4" {attributes}>\n' + "\n".join(rows) + f"\n</{tag}>"
