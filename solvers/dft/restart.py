"""The state of a self-consistent cycle as plain arrays, and its transfer to another geometry."""
from __future__ import annotations

import numpy as np
import torch

from .basis import Basis, Sphere, numbered, regrouped
from .mixing import AndersonMixer
from .preconditioners import Choice
from .problem import Problem
from .scf import SCFState

State = dict[str, np.ndarray]


def pack(state: SCFState) -> State:
    """Arrays from which `unpack` restores the cycle, so that it goes on exactly as if it had not been interrupted."""
    arrays = {"rho": state.rho.cpu().numpy(), "step": np.array(state.step), "accuracy": np.array(state.accuracy), "energies": np.array(state.energies),
              "accuracies": np.array(state.accuracies),
              "choice": np.array([state.choice.kind, state.choice.reason]), "choice_constant": np.array(state.choice.constant)}
    if state.occupations is not None:
        arrays["occupations"] = state.occupations.numpy()
    arrays["renewal"] = np.array([state.renewal, state.renewals, state.renewed_at])
    for i, value in enumerate(state.unknowns or []):
        arrays[f"unknowns_{i}"] = value.cpu().numpy()
    for i, X in enumerate(state.orbitals or []):
        arrays[f"orbitals_{i}"] = X.cpu().numpy()
    for i, term in enumerate(state.terms):
        arrays.update({f"term_{i}_{name}": value for name, value in term.pack().items()})
    if state.mixer is not None and state.mixer.densities:
        arrays["mixer_densities"] = torch.stack(state.mixer.densities).cpu().numpy()
        arrays["mixer_residuals"] = torch.stack(state.mixer.residuals).cpu().numpy()
        arrays["mixer_damping"] = np.array(state.mixer.damping)
    return {name: np.array(value, copy=True) for name, value in arrays.items()}


def unpack(arrays: State, problem: Problem) -> SCFState:
    """The state that `pack` stored, for the same problem."""
    device = problem.basis.device

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(arrays[name], copy=True))
    state = SCFState(tensor("rho").to(device), step=int(arrays["step"]), accuracy=float(arrays["accuracy"]), energies=arrays["energies"].tolist(),
                     accuracies=arrays["accuracies"].tolist())
    state.choice = Choice(str(arrays["choice"][0]), str(arrays["choice"][1]), float(arrays["choice_constant"]))
    if "occupations" in arrays:
        state.occupations = tensor("occupations")
    state.renewal = float(arrays["renewal"][0])
    state.renewals, state.renewed_at = (int(value) for value in arrays["renewal"][1:])
    if all(f"unknowns_{i}" in arrays for i in range(len(problem.terms))):
        state.unknowns = [tensor(f"unknowns_{i}").to(device) for i in range(len(problem.terms))]
    for i, term in enumerate(problem.terms):
        prefix = f"term_{i}_"
        term.unpack({name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)})
    state.orbitals = regrouped(numbered(arrays, "orbitals_"), [block.batch for block in problem.blocks]) if "orbitals_0" in arrays else None
    state.mixer = AndersonMixer(problem.grid, problem.terms)
    if "mixer_densities" in arrays:
        state.mixer.densities = list(tensor("mixer_densities").to(device))
        state.mixer.residuals = list(tensor("mixer_residuals").to(device))
        state.mixer.damping = float(arrays["mixer_damping"])
    return state


def transfer_density(rho: torch.Tensor, old_shape: tuple[int, int, int], new_shape: tuple[int, int, int]) -> torch.Tensor:
    """Coefficients (S, …) on the half box of `new_shape` from those of `old_shape`: same integer G, zero where the old box has none."""
    if tuple(old_shape) == tuple(new_shape):
        return rho
    out = rho.new_zeros(len(rho), new_shape[0], new_shape[1], new_shape[2] // 2 + 1)
    picks = []
    for old, new in zip(old_shape, new_shape, strict=True):
        limit = (min(old, new) - 1) // 2
        picks.append(np.concatenate([np.arange(limit + 1), np.arange(-limit, 0)]))
    last = np.arange((min(old_shape[2], new_shape[2]) - 1) // 2 + 1)
    rows = np.arange(len(rho))
    out[np.ix_(rows, picks[0] % new_shape[0], picks[1] % new_shape[1], last)] = rho[np.ix_(rows, picks[0] % old_shape[0], picks[1] % old_shape[1], last)]
    return out


def _keys(sphere: Sphere) -> np.ndarray:
    G = sphere.miller.astype(np.int64) + 2**15
    return (G[:, 0] << 32) | (G[:, 1] << 16) | G[:, 2]


def transfer_orbitals(old: Basis, orbitals: list[torch.Tensor], new: Basis) -> list[torch.Tensor] | None:
    """Orbitals of basis `old` (one tensor per batch, or per spin and batch, spin-major) in basis `new`: equal integer G keep their coefficients.

    None when the k-points or the storage differ. Not orthonormal.
    """
    if old.half != new.half or old.kpoints.shape != new.kpoints.shape or np.abs(old.kpoints - new.kpoints).max() > 1e-9:
        return None
    result = []
    count = len(old.batches)
    for channel in (orbitals[i:i + count] for i in range(0, len(orbitals), count)):
        pairs = zip(old.batches, channel, strict=True)
        coefficients = [batch.coefficients(X)[i, :, :len(sphere)] for batch, X in pairs for i, sphere in enumerate(batch.spheres)]
        for batch in new.batches:
            out = torch.zeros(len(batch), orbitals[0].shape[1], batch.n_pw, dtype=torch.complex128, device=new.device)
            for i, sphere in enumerate(batch.spheres):
                source = old.spheres[batch.first + i]
                _, here, there = np.intersect1d(_keys(sphere), _keys(source), assume_unique=True, return_indices=True)
                out[i][:, torch.from_numpy(here).to(new.device)] = coefficients[batch.first + i][:, torch.from_numpy(there).to(new.device)].to(new.device)
            result.append(batch.store(out))
    return result
