"""The task `hubbard-u`: Hubbard U of localised shells from linear response (see `hubbard_response.py`), as a generator of steps."""
from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..core import device as machine
from ..core.errors import SetupError
from ..core.job import Result, State, Step
from ..core.structure import Structure
from ..core.units import HARTREE_EV
from .calculation import Calculation
from .hubbard import Hubbard
from .hubbard_response import ComputedU, Reference, Site, computed_u, fit, matrix, occupations_of, perturb, representatives, sites, unscreened
from .local_orbitals import atom_shells
from .parallel import Workers
from .params_hubbard import HubbardU
from .params_response import HubbardUParams
from .plan import Plan, make_plan
from .pseudo import library
from .restart import pack
from .scf import GroundState, SCFState, self_consistency

#: self-consistency for responses, as a share of the tolerance for energies: occupations follow with the square root
_TIGHTER = 1e-2
#: an asymmetry of the response above this is spoken of
_ASYMMETRY = 0.02


def hubbard_u(params: HubbardUParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Steps of the unperturbed cycle, then one step per perturbed calculation; returns a `Result` with hubbard_u (eV) of every site of inputs["structure"]'s
    supercell. Raises SetupError when no shell is named and the potentials have no d or f orbital.
    """
    started = time.monotonic()
    structure, params = _repeated(Structure.coerce(inputs["structure"]), params)
    work = _Work(structure, params, resume)
    for number in range(len(work.classes)):
        yield from work.respond(number)
    return work.result(time.monotonic() - started)


def _repeated(structure: Structure, params: HubbardUParams) -> tuple[Structure, HubbardUParams]:
    """The supercell, and parameters whose shells carry a Hubbard term (U = 0 where none was given)."""
    wanted = params.shells or default_shells(structure, params)
    given = {} if params.hubbard is None else {(symbol, label): U for symbol, label, U in params.hubbard.values}
    for name in wanted:
        given.setdefault(tuple(name.split("-")), 0.0)
    hubbard = HubbardU(tuple(sorted((symbol, label, U) for (symbol, label), U in given.items())))
    n = int(np.prod(params.supercell))
    magmoms = None if params.magmoms is None else tuple(params.magmoms) * n
    total = None if params.total_moment is None else params.total_moment * n  # this and the charge belong to one cell
    return (Structure.from_atoms(structure.to_atoms().repeat(params.supercell)),
            replace(params, hubbard=hubbard, magmoms=magmoms, total_moment=total, charge=params.charge * n, shells=tuple(wanted)))


def default_shells(structure: Structure, params: HubbardUParams) -> tuple[str, ...]:
    """Names of all d and f shells that the potentials of a structure have orbitals for."""
    found = []
    for symbol in dict.fromkeys(structure.symbols):
        pseudo = library.find(symbol, params.xc, params.pseudos.selector(symbol))
        found += [f"{symbol}-{shell.label}" for shell in atom_shells(pseudo) if shell.l >= 2 and shell.occupation > 0]
    if not found:
        raise SetupError("The potentials of this structure have no d or f orbitals to compute U for.", hint="Name the shells, e.g. shells = O-2p.")
    return tuple(found)


class _Work:
    """Responses of one supercell: what is done and what is left."""

    def __init__(self, structure: Structure, params: HubbardUParams, resume: State | None):
        self.params, self.plan, self.workers = params, make_plan(structure, params), Workers(machine.apply_threads())
        self.resume = resume
        amplitude = params.amplitude / HARTREE_EV
        half = params.points // 2
        self.alphas = amplitude * np.concatenate([np.arange(-half, 0), np.arange(1, half + 1)]) / half
        self.calculation: Calculation | None = None
        term = _term(Calculation(self.plan, self.workers))
        wanted = [i for i, members in enumerate(term.sets) if members.name in params.shells]
        self.sites = [site for site in sites(term) if site.shell in wanted]
        self.classes = representatives(self.sites, self.plan.group)
        size = (len(self.classes), len(self.alphas), len(self.sites))
        self.bare, self.screened = np.full(size, np.nan), np.full(size, np.nan)
        if resume is not None and "response_bare" in resume:
            self.bare, self.screened = np.array(resume["response_bare"]), np.array(resume["response_screened"])
        self.converged, self.n, self.number = True, 0 if resume is None else int(resume["response_step"]), 0
        if resume is not None:
            self.converged = bool(resume["response_converged"])

    def _subplan(self, site: Site) -> Plan:
        """The plan with the symmetry that is left when one site differs from the others."""
        group = self.plan.group._keep(self.plan.group.permutation[:, site.atom] == site.atom)
        kpoints, weights = group.irreducible(self.plan.size, self.plan.shift)
        return replace(self.plan, group=group, kpoints=kpoints, weights=weights)

    def _pack(self) -> State:
        return {**pack(self.calculation.state), "response_bare": self.bare.copy(), "response_screened": self.screened.copy(), "response_step": np.array(self.n),
                "response_class": np.array(self.number), "response_converged": np.array(self.converged)}

    def respond(self, number: int) -> Iterator[Step]:
        """Steps of one class of sites."""
        if not np.isnan(self.screened[number]).any():
            return
        site, resume = self.sites[self.classes[number]], self.resume
        if resume is not None and int(resume["response_class"]) != number:
            resume = None
        self.number, self.resume = number, None
        self.calculation = Calculation(self._subplan(site), self.workers, resume=None if resume is None else
                                       {name: value for name, value in resume.items() if not name.startswith("response_")})
        problem, state, term = self.calculation.problem, self.calculation.state, _term(self.calculation)
        tolerance = _TIGHTER * self.params.tolerance / HARTREE_EV * len(self.plan.structure)
        if np.isnan(self.bare[number]).all():
            yield from self._cycle(state, tolerance, "scf", f"unperturbed, for {site.name} of atom {site.atom}")
        reference = Reference.of(problem, state)
        chosen = self._columns(term)
        for i, alpha in enumerate(self.alphas):
            if not np.isnan(self.screened[number, i]).any():
                continue
            perturb(term, site, float(alpha))
            self.bare[number, i] = unscreened(problem, term, reference)[chosen]
            perturbed = SCFState(reference.rho.clone(), [X.clone() for X in reference.orbitals], reference.occupations, trusted=True,
                                 unknowns=[value.clone() for value in reference.unknowns])
            answer = yield from self._cycle(perturbed, tolerance, "", "")
            self.screened[number, i] = occupations_of(term, term.output(answer.orbitals, answer.occupations))[chosen]
            self.n += 1
            place = self.classes[number]
            yield Step("response", self.n, {"potential": float(alpha) * HARTREE_EV, "occupation": float(self.screened[number, i, place]),
                                            "bare_occupation": float(self.bare[number, i, place])}, state=self._pack,
                       text=f"{site.name} of atom {site.atom}: {alpha * HARTREE_EV:+.3f} eV in {perturbed.step} steps",
                       progress=float((~np.isnan(self.screened)).mean()))
        perturb(term, site, 0.0)

    def _cycle(self, state: SCFState, tolerance: float, kind: str, text: str) -> Iterator[Step]:
        """A self-consistent cycle; its steps are passed on when `kind` names them. Returns the ground state."""
        steps = self_consistency(self.calculation.problem, state, tolerance=tolerance, max_steps=2 * self.params.max_steps)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                ground: GroundState = stop.value
                self.converged &= ground.converged
                return ground
            if kind:
                self.n += 1
                yield Step(kind, self.n, {"free_energy": step.free_energy * HARTREE_EV, "energy_error": step.accuracy * HARTREE_EV}, state=self._pack,
                           text="; ".join(filter(None, (text if step.n == 1 else "", step.text))), progress=float((~np.isnan(self.screened)).mean()))

    def _columns(self, term: Hubbard) -> list[int]:
        """Places of the wanted sites among all sites of the term."""
        every = sites(term)
        return [every.index(site) for site in self.sites]

    def solved(self) -> ComputedU:
        """U of all sites, Ha."""
        def both(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            fits = [fit(self.alphas, answers[number]) for number in range(len(self.classes))]
            slopes = matrix(self.sites, self.plan.group, {place: item.slopes for place, item in zip(self.classes, fits, strict=True)})
            errors = matrix(self.sites, self.plan.group, {place: item.errors for place, item in zip(self.classes, fits, strict=True)})
            return slopes, errors
        (bare, bare_error), (screened, screened_error) = both(self.bare), both(self.screened)
        return computed_u(bare, screened, bare_error, screened_error)

    def result(self, wall: float) -> Result:
        """U per site with error, response matrices, in eV."""
        found, warnings = self.solved(), list(self.plan.warnings)
        if not self.converged:
            warnings.append("At least one of the calculations did not converge: U is not reliable. Raise max_steps or add smearing.")
        if found.asymmetry > _ASYMMETRY:
            warnings.append(f"The response matrix is unsymmetric by {found.asymmetry:.1%}: converge k-points and tolerance, or lower the amplitude.")
        if int(np.prod(self.params.supercell)) == 1:
            warnings.append("U was computed in the cell as given: the perturbed atom meets its own images. Compare with a supercell.")
        values = {"hubbard_u": found.U * HARTREE_EV, "hubbard_u_error": found.error * HARTREE_EV, "hubbard_sites": np.array([site.atom for site in self.sites]),
                  "response_bare": found.bare / HARTREE_EV, "response_screened": found.screened / HARTREE_EV, "response_asymmetry": found.asymmetry,
                  "wall_s": wall}
        return Result(values, converged=self.converged, structure=self.plan.structure, warnings=tuple(warnings),
                      settings={**self.plan.settings, "sites": [f"{site.name} of atom {site.atom}" for site in self.sites],
                                "potentials": (self.alphas * HARTREE_EV).tolist(), "supercell": list(self.params.supercell)})


def _term(calculation: Calculation) -> Hubbard:
    return next(term for term in calculation.problem.terms if isinstance(term, Hubbard))
