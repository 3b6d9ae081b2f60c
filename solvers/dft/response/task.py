"""The task `dielectric`: ε∞ and Born effective charges of an insulator, by density-functional perturbation theory.

`Result.values`: dielectric_tensor (3, 3); born_charges (N, 3, 3) e, first index field, second force, their sum over the atoms removed evenly;
born_charge_sum (3, 3) e before that (an error measure: zero for a perfect k-mesh and cutoff); energy, free_energy eV; kpoints, kpoint_weights, grid, cutoff;
iterations (of the response). All tensors in the frame of the structure.
"""
from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...core import device as machine
from ...core.errors import SetupError
from ...core.job import Result, State, Step
from ...core.structure import Structure
from ...core.units import HARTREE_EV
from ..basis import Batch, numbered, regrouped
from ..calculation import Calculation
from ..parallel import Workers
from ..params import Smearing
from ..plan import Plan, make_plan
from ..restart import pack
from ..xc import functional
from .field import Dielectric, FieldResponse, FieldState
from .params import DielectricParams

#: eV/atom: the response errs linearly in the orbitals, whose error is the root of the energy's
_GROUND_TOLERANCE = 1e-11
_SCF, _RESPONSE = 0.3, 0.7  # shares of the work


def dielectric(params: DielectricParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Task: dielectric tensor and Born charges of ``inputs["structure"]``: steps "scf" of the ground state, then steps "dielectric" of the response.

    Not converged is a result with its flag; a crystal without a gap is refused (`Result.refused`). Raises SetupError for what the response cannot do: hybrid
    and kinetic-energy functionals, terms on orbitals (DFT+U), charged cells.
    """
    started = time.monotonic()
    plan = _plan(Structure.coerce(inputs["structure"]), params)
    calculation = Calculation(plan, Workers(machine.apply_threads()), resume=None if resume is None or "response.step" in resume else resume)
    if calculation.problem.terms:
        raise SetupError(f"The response to a field does not know the term {calculation.problem.terms[0].name!r}.", hint="Take a plain density functional.")
    n_filled = [round(n / calculation.problem.model.max_occupation) for n in calculation.problem.model.channel_electrons]
    if resume is None or "response.step" not in resume:
        state = calculation.state
        for step in calculation.run():
            yield Step("scf", step.n, {"free_energy": step.free_energy * HARTREE_EV, "energy_error": step.accuracy * HARTREE_EV}, state=lambda: pack(state),
                       text=step.text, progress=min(_SCF, 0.02 * step.n))
        ground = _Ground.of(calculation, n_filled)
    else:
        ground = _Ground.unpack(resume, [block.batch for block in calculation.problem.blocks], calculation.problem.basis.device)
    if not ground.converged or ground.gap <= 0.0:
        return _refused(plan, ground)
    response = FieldResponse(calculation.problem, ground.rho, ground.orbitals, ground.eigenvalues)
    progress = response.start() if resume is None or "response.step" not in resume else _unpack(resume, response)
    steps = response.run(progress, params.response_tolerance, params.response_steps)
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return _result(plan, params, ground, stop.value, calculation, time.monotonic() - started)
        values = {f"dielectric_{name}": float(step.dielectric[i, i]) for i, name in enumerate(("xx", "yy", "zz"))} | {"residual": step.residual}
        done = np.log10(max(min(step.residual, 1.0), 1e-300)) / np.log10(params.response_tolerance)
        yield Step("dielectric", ground.steps + step.n, values, state=lambda: {**ground.pack(), **_pack(progress)},
                   text="the field is on" if step.n == 1 else "", progress=_SCF + _RESPONSE * float(np.clip(done, 0.0, 1.0)))


def _plan(structure: Structure, params: DielectricParams) -> Plan:
    law = functional(params.xc)
    if law.exact_exchange is not None or law.needs_kinetic_energy:
        raise SetupError(f"The response to a field is not available with {params.xc}.", hint="Take a functional of density and gradient, like PBE or PBEsol.")
    if params.hubbard is not None and params.hubbard.values:
        raise SetupError("The response to a field is not available with DFT+U: the occupations of its shells would answer too.",
                         hint="Leave hubbard out; finite displacements (phonons without nac) do work with it.")
    if params.charge:
        raise SetupError(f"A cell of charge {params.charge:g} e has no well-defined response to a homogeneous field.", hint="Use a neutral cell.")
    if params.dipole != "none":
        raise SetupError(f"The response to a field does not know the dipole correction (dipole = {params.dipole}).", hint="Leave dipole at none.")
    if not structure.pbc.all():
        raise SetupError(f"The response to a field needs three periodic directions; pbc is {structure.pbc.tolist()}.",
                         hint="A molecule in a box: set pbc along all three, and read ε−1 as 4π polarisability over volume.")
    plan = make_plan(structure, replace(params, smearing=Smearing(), tolerance=min(params.tolerance, _GROUND_TOLERANCE), max_steps=max(params.max_steps, 80)))
    # ∂H/∂k does not keep the real storage of Γ-only orbitals: a k-point that is not exactly Γ makes them complex
    return replace(plan, kpoints=np.full((1, 3), 1e-14)) if plan.real else plan


class _Ground:
    """What the response needs of the ground state: density, filled orbitals per block, their eigenvalues (S, K, n) as one tensor per block, gap (Ha)."""

    def __init__(self, rho: torch.Tensor, orbitals: list[torch.Tensor], eigenvalues: list[torch.Tensor], numbers: np.ndarray, warnings: tuple[str, ...]):
        self.rho, self.orbitals, self.eigenvalues, self.warnings = rho, orbitals, eigenvalues, warnings
        self.energy, self.free_energy, self.gap, self.steps, self.converged = *map(float, numbers[:3]), int(numbers[3]), bool(numbers[4])

    @classmethod
    def of(cls, calculation: Calculation, n_filled: list[int]) -> _Ground:
        """From a calculation that has run; n_filled (S,)."""
        ground, problem = calculation.ground, calculation.problem
        e = ground.eigenvalues
        top = max(float(channel[:, :n].max()) for channel, n in zip(e, n_filled, strict=True) if n)
        bottom = min((float(channel[:, n:].min()) for channel, n in zip(e, n_filled, strict=True) if channel.shape[1] > n), default=np.inf)
        orbitals = [X[:, :n_filled[block.spin]].contiguous() for block, X in zip(problem.blocks, ground.orbitals, strict=True)]
        levels = [block.of(e)[:, :n_filled[block.spin]].to(problem.basis.device) for block in problem.blocks]
        numbers = np.array([calculation.energy_at_zero, calculation.energies.free, min(bottom - top, 10.0), calculation.state.step, ground.converged])
        return cls(ground.rho, orbitals, levels, numbers, calculation.warnings)

    def pack(self) -> State:
        """Arrays for `unpack`."""
        arrays = {"ground.rho": self.rho.cpu().numpy(), "ground.numbers": np.array([self.energy, self.free_energy, self.gap, self.steps, self.converged]),
                  "ground.warnings": np.array(self.warnings, dtype=str)}
        for i, (X, e) in enumerate(zip(self.orbitals, self.eigenvalues, strict=True)):
            arrays |= {f"ground.orbitals_{i}": X.cpu().numpy(), f"ground.eigenvalues_{i}": e.cpu().numpy()}
        return arrays

    @classmethod
    def unpack(cls, arrays: State, batches: list[Batch], device: str) -> _Ground:
        """What `pack` stored, for the batches of all blocks: other numbers of k-points may be taken together than when it was stored."""
        points = iter([own for array in numbered(arrays, "ground.eigenvalues_") for own in array])
        levels = [_tensor(np.stack([next(points) for _ in range(len(batch))]), device) for batch in batches]
        return cls(_tensor(arrays["ground.rho"], device), regrouped(numbered(arrays, "ground.orbitals_"), batches), levels, arrays["ground.numbers"],
                   tuple(map(str, arrays["ground.warnings"])))


def _tensor(array: np.ndarray, device: str) -> torch.Tensor:
    return torch.from_numpy(np.array(array, copy=True)).to(device)


def _pack(state: FieldState) -> State:
    arrays = {"response.step": np.array(state.step), "response.residual": np.array(state.residual), "response.change": state.change.cpu().numpy()}
    if state.history:
        arrays["response.inputs"] = torch.stack([x for x, _ in state.history]).cpu().numpy()
        arrays["response.residuals"] = torch.stack([r for _, r in state.history]).cpu().numpy()
    for i, X in enumerate(state.responses or []):
        arrays[f"response.orbitals_{i}"] = X.cpu().numpy()
    return {name: np.array(value, copy=True) for name, value in arrays.items()}


def _unpack(arrays: State, response: FieldResponse) -> FieldState:
    device = response.problem.basis.device
    stored = numbered(arrays, "response.orbitals_")  # an empty spin has none
    responses = regrouped(stored, [block.batch for block in response.blocks]) if stored else None
    state = FieldState(_tensor(arrays["response.change"], device), int(arrays["response.step"]), float(arrays["response.residual"]), responses)
    if "response.inputs" in arrays:
        state.history = list(zip(_tensor(arrays["response.inputs"], device), _tensor(arrays["response.residuals"], device), strict=True))
    return state


def _common(plan: Plan, ground: _Ground) -> dict[str, Any]:
    return {"energy": ground.energy * HARTREE_EV, "free_energy": ground.free_energy * HARTREE_EV, "kpoints": plan.kpoints, "kpoint_weights": plan.weights,
            "grid": np.array(plan.shape), "cutoff": plan.cutoff * HARTREE_EV}


def _refused(plan: Plan, ground: _Ground) -> Result:
    if not ground.converged:
        return Result(_common(plan, ground), converged=False, structure=plan.structure, settings=plan.settings,
                      warnings=(*ground.warnings, "The ground state did not converge: no response was computed."))
    return Result(_common(plan, ground), structure=plan.structure, settings=plan.settings, warnings=ground.warnings,
                  refused=f"The crystal has no gap on this k-mesh (empty states begin {-ground.gap * HARTREE_EV:.3g} eV below the highest filled one): "
                          "a metal screens every homogeneous field.")


def _result(plan: Plan, params: DielectricParams, ground: _Ground, found: Dielectric, calculation: Calculation, wall: float) -> Result:
    total = found.born.sum(0)
    born = found.born - total / len(found.born)
    warnings = list(ground.warnings)
    if not found.converged:
        warnings.append(f"The response did not converge in {found.steps} steps: the screening density still changes by {found.residual:.2g}.")
    if np.abs(total).max() / len(born) > params.sum_limit:
        warnings.append(f"The Born charges add up to {np.abs(total).max():.2g} e instead of zero; the rest was taken off evenly. A denser k-mesh or a higher "
                        "cutoff makes it smaller.")
    values = _common(plan, ground) | {"dielectric_tensor": found.dielectric, "born_charges": born, "born_charge_sum": total,
                                      "iterations": found.steps, "wall_s": wall}
    return Result(values, converged=found.converged, structure=plan.structure, warnings=warnings,
                  settings={**plan.settings, "device": machine.describe(calculation.problem.basis.device), "gap_on_mesh_ev": ground.gap * HARTREE_EV})
