"""Force fields beside their plain reference and their own derivatives; and beside published errors where the benchmark's files are at hand.

The mlearn benchmark (Zuo et al., J. Phys. Chem. A 124, 731 (2020)) is not part of this program. QCAD_MLEARN names a folder with
``Si_train.extxyz``, ``Si_test.extxyz`` and so on, in eV, eV/Å and eV/Å³ (tension positive).
"""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from .cases import md as cases
from .report import Row, compare


def run(full: bool = False) -> Iterable[Row]:
    """All rows; full: the accurate preset on the benchmark beside the standard one."""
    yield from kernel_rows()
    yield from derivative_rows()
    folder = os.environ.get("QCAD_MLEARN", "")
    if folder:
        for element in cases.PUBLISHED:
            if (Path(folder) / f"{element}_train.extxyz").is_file():
                yield from benchmark_rows(Path(folder), element, "standard")
                if full:
                    yield from benchmark_rows(Path(folder), element, "accurate")


def example():
    """A random two-species model in a cell smaller than its cutoff: (model, atoms)."""
    from ase import Atoms

    from solvers.mlff import LinearModel
    from solvers.mlff.basis import Basis
    basis = Basis((13, 29), 5.0, 4.5, 4, 3, 4, 2, 4)
    rng = np.random.default_rng(0)
    model = LinearModel(basis, rng.normal(size=(2, 1 + basis.n_local)) * 0.05, False)
    cell = np.array([[4.6, 0.2, 0], [0, 4.4, -0.3], [0.4, 0, 5.0]])
    return model, Atoms(rng.choice([13, 29], 6), positions=rng.uniform(0, 1, (6, 3)) @ cell, cell=cell, pbc=True)


def kernel_rows() -> Iterator[Row]:
    """Kernel against Legendre polynomials and automatic differentiation in torch."""
    from solvers.mlff.reference import reference_evaluate
    from solvers.neighbours import neighbour_list
    model, atoms = example()
    kinds = model.kinds(atoms.numbers)
    listing = neighbour_list(atoms.positions, atoms.cell.array, True, model.cutoff)
    ours = model.evaluate(atoms.positions, atoms.cell.array, kinds, listing)
    theirs = reference_evaluate(model, atoms.positions, atoms.cell.array, kinds, listing)
    for index, quantity, tolerance, unit in ((1, "forces", cases.KERNEL_FORCE, "eV/Å"), (2, "virial", cases.KERNEL_VIRIAL, "eV")):
        place = np.unravel_index(np.argmax(np.abs(ours[index] - theirs[index])), ours[index].shape)
        yield compare("mlff", "random Al–Cu model, 6 atoms", quantity, ours[index][place], theirs[index][place], tolerance, unit,
                      "torch, automatic differentiation")


def derivative_rows() -> Iterator[Row]:
    """Forces against 5-point differences of the energy."""
    from solvers.mlff import MLFF
    model, atoms = example()
    atoms.calc = MLFF(model)
    forces = atoms.get_forces()
    atom, axis = np.unravel_index(np.argmax(np.abs(forces)), forces.shape)
    h, energies = 1e-3, []
    for k in (-2, -1, 1, 2):
        moved = atoms.copy()
        moved.calc = atoms.calc
        moved.positions[atom, axis] += k * h
        energies.append(moved.get_potential_energy())
    numeric = -(energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * h)
    yield compare("mlff", "random Al–Cu model, 6 atoms", "largest force", forces[atom, axis], numeric, cases.DERIVATIVE * abs(forces[atom, axis]), "eV/Å",
                  "5-point difference")


def benchmark_rows(folder: Path, element: str, preset: str) -> Iterator[Row]:
    """Test errors beside the published ones; printed, not judged: the published models are not linear."""
    from solvers.mlff import train
    result = train(folder / f"{element}_train.extxyz", folder / f"{element}_test.extxyz", preset=preset)
    case = f"mlearn {element}, linear, {preset}"
    for name, (energy, force) in cases.PUBLISHED[element].items():
        yield compare("mlff", case, "energy MAE", 1e3 * float(result.values["energy_mae"]), energy, None, "meV/atom", f"{name}, published")
        yield compare("mlff", case, "force MAE", float(result.values["force_mae"]), force, None, "eV/Å", f"{name}, published")
