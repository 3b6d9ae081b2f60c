"""Labelled frames: how energies, forces and stresses travel with a `Structure`, and the reader that makes such frames.

A frame carries ``info["ref_energy"]`` (eV, the free energy where there is one: forces belong to it), ``arrays["ref_forces"]`` (N, 3) eV/Å and
``info["ref_stress"]`` (six numbers, eV/Å³, Voigt xx yy zz yz xz xy, positive in tension). Other names would be taken for results of a calculator.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from solvers.core.errors import ReadError, SetupError
from solvers.core.structure import Structure

ENERGY, FORCES, STRESS = "ref_energy", "ref_forces", "ref_stress"
_ENERGY_NAMES = (ENERGY, "free_energy", "REF_energy", "energy", "dft_energy", "Energy")
_FORCE_NAMES = (FORCES, "forces", "REF_forces", "force", "dft_forces")
_STRESS_NAMES = (STRESS, "stress", "REF_stress")
_VIRIAL_NAMES = ("virial", "REF_virial", "virials")


@dataclass(frozen=True)
class Labels:
    """energy in eV, forces (N, 3) eV/Å or None, stress (3, 3) eV/Å³ or None."""

    energy: float
    forces: np.ndarray | None
    stress: np.ndarray | None


def labelled(frame: Any) -> Structure:
    """`frame` (Atoms or Structure) as a Structure with labels under the names above.

    Labels are taken from an attached calculator's results (free energy before energy) or from info and arrays under the usual names; a virial
    is turned into a stress. SetupError without an energy, for shapes that do not fit and for numbers that are not finite.
    """
    structure = Structure.coerce(frame)
    results = getattr(getattr(frame, "calc", None), "results", None) or {}
    info, arrays = dict(getattr(frame, "info", {})), dict(frame.arrays)
    energy = _first(results, ("free_energy", "energy"), _first(info, _ENERGY_NAMES))
    if energy is None:
        raise SetupError(f"A frame of {len(structure)} atoms ({structure.formula}) has no energy.",
                         hint="Training needs an energy for every frame: info key 'energy' in extxyz.")
    forces = _first(results, ("forces",), _first(arrays, _FORCE_NAMES))
    stress = _first(results, ("stress",), _first(info, _STRESS_NAMES))
    if stress is None and structure.pbc.all():
        virial = _first(info, _VIRIAL_NAMES)
        stress = None if virial is None else -np.asarray(virial, float) / structure.volume
    drop = {*_ENERGY_NAMES, *_STRESS_NAMES, *_VIRIAL_NAMES}
    own_info = {name: value for name, value in structure.info.items() if name not in drop} | {ENERGY: _finite("energy", energy, ())}
    own_arrays = {name: value for name, value in structure.arrays.items() if name not in _FORCE_NAMES}
    if forces is not None:
        own_arrays[FORCES] = _finite("forces", forces, (len(structure), 3))
    if stress is not None and np.isfinite(np.asarray(stress, float)).all():  # a stress of NaN is how trajectories say "none"
        own_info[STRESS] = [float(value) for value in _voigt(stress)]
    return structure.with_(info=own_info, arrays=own_arrays)


def labels_of(structure: Structure) -> Labels:
    """The labels of a labelled structure. SetupError when it carries none."""
    if ENERGY not in structure.info:
        raise SetupError(f"A frame of {len(structure)} atoms carries no {ENERGY!r}.", hint="Make frames with solvers.mlff.labelled or read_labelled.")
    stress = structure.info.get(STRESS) if structure.pbc.all() else None
    tensor = None if stress is None else np.asarray(stress, float)[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    forces = structure.arrays.get(FORCES)
    return Labels(float(structure.info[ENERGY]), None if forces is None else np.array(forces, float), tensor)


def read_labelled(path: Path | str) -> list[Structure]:
    """Every frame of a file (extxyz, traj …), labelled; parsed in the sandboxed child process. ReadError names the first frame without an energy."""
    from solvers.core.bridge import read_trajectory
    trajectory = read_trajectory(path)
    frames = []
    for index in range(len(trajectory)):
        try:
            frames.append(labelled(trajectory.frame(index)))
        except SetupError as error:
            raise ReadError(f"{Path(path).name}, frame {index}: {error.message}", hint=error.hint) from error
    return frames


def hold_out(frames: Sequence[Any], every: int = 10) -> tuple[list[Any], list[Any]]:
    """(training, test): every tenth block of consecutive frames set aside; whole blocks, because neighbours in a trajectory are nearly copies."""
    n_blocks = min(len(frames), 5 * every)
    block = np.arange(len(frames)) * n_blocks // max(len(frames), 1)
    aside = block % every == every - 1
    return [frame for frame, out in zip(frames, aside, strict=True) if not out], [frame for frame, out in zip(frames, aside, strict=True) if out]


def _first(source: Any, names: Sequence[str], otherwise: Any = None) -> Any:
    return next((source[name] for name in names if source.get(name) is not None), otherwise)


def _finite(what: str, value: Any, shape: tuple[int, ...]) -> Any:
    array = np.asarray(value, float)
    array = array.reshape(shape) if array.size == int(np.prod(shape)) else array
    if array.shape != shape or not np.isfinite(array).all():
        raise SetupError(f"The label {what} has shape {array.shape}{'' if np.isfinite(array).all() else ' and is not finite'}.",
                         hint=f"Needed: shape {shape}, finite numbers.")
    return float(array) if shape == () else array


def _voigt(stress: Any) -> np.ndarray:
    stress = np.asarray(stress, float)
    if stress.shape == (6,):
        return stress
    if stress.size != 9:
        raise SetupError(f"The label stress has shape {stress.shape}.", hint="Needed: six Voigt components or a 3 × 3 tensor.")
    tensor = stress.reshape(3, 3)
    return (0.5 * (tensor + tensor.T))[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
