"""Every task by name: params class and generator, imported on use. What the CLI, the window, recipes and workers look up."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

from .core.errors import MissingError


@dataclass(frozen=True)
class Task:
    """name, one line for menus, dotted paths of the params class and the generator, names of the inputs it needs."""

    name: str
    summary: str
    params: str
    generator: str
    inputs: tuple[str, ...]

    def params_class(self) -> type:
        """The params dataclass (imports neither torch nor numba)."""
        return _load(self.params)

    @property
    def run(self) -> Any:
        """The generator ``run(params, inputs, *, resume=None)``."""
        return _load(self.generator)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("scf", "Self-consistent energy, forces and stress (plane-wave DFT)", "solvers.dft.params:DFTParams", "solvers.dft.tasks_scf:scf", ("structure",)),
        Task("dos", "Density of states, projected on atoms and shells", "solvers.dft.params_electrons:DosParams", "solvers.dft.tasks_dos:dos", ("structure",)),
        Task(
            "workfunction",
            "Work function and potential across a slab",
            "solvers.dft.params_electrons:WorkFunctionParams",
            "solvers.dft.tasks_surface:workfunction",
            ("structure",),
        ),
        Task(
            "stm",
            "Scanning tunnelling image of a slab",
            "solvers.dft.params_electrons:StmParams",
            "solvers.dft.tasks_surface:stm",
            ("structure",),
        ),
        Task(
            "field",
            "Density, spin density, localisation, potential, bands or differences in space",
            "solvers.dft.params_electrons:FieldParams",
            "solvers.dft.tasks_fields:field",
            ("structure",),
        ),
        Task(
            "charges",
            "Charges and moments of atoms, dipole moment",
            "solvers.dft.params_electrons:ChargesParams",
            "solvers.dft.tasks_fields:charges",
            ("structure",),
        ),
        Task(
            "converge",
            "Cutoff, k-mesh and smearing a crystal needs, with cost and error",
            "solvers.dft.params_electrons:ConvergeParams",
            "solvers.dft.tasks_converge:converge",
            ("structure",),
        ),
        Task(
            "bands",
            "Band structure along a path, gaps, effective masses",
            "solvers.dft.params_electrons:BandsParams",
            "solvers.dft.tasks_bands:bands",
            ("structure",),
        ),
        Task(
            "hubbard",
            "Hubbard U of d and f shells from linear response",
            "solvers.dft.params_response:HubbardUParams",
            "solvers.dft.tasks_hubbard:hubbard_u",
            ("structure",),
        ),
        Task("relax", "Relax atoms and cell", "solvers.md.params:RelaxParams", "solvers.md.minimise:relax", ("structure", "calculator")),
        Task(
            "elastic",
            "Relaxed-ion elastic constants with error bars",
            "solvers.continuum.params:ElasticParams",
            "solvers.continuum.elastic:elastic",
            ("structure", "calculator"),
        ),
        Task(
            "phonons",
            "Phonons: bands, density of states, thermal properties, stability",
            "solvers.phonons.params:PhononParams",
            "solvers.phonons.task:phonons",
            ("structure", "calculator"),
        ),
        Task(
            "dielectric",
            "Dielectric tensor and Born charges of an insulator",
            "solvers.dft.response.params:DielectricParams",
            "solvers.dft.response.task:dielectric",
            ("structure",),
        ),
        Task("md", "Molecular dynamics", "solvers.md.params:MDParams", "solvers.md.dynamics:run", ("structure", "calculator")),
        Task("train", "Fit a force field to labelled frames", "solvers.mlff.params:TrainParams", "solvers.mlff.training:run", ("train", "test")),
    )
}


def get(name: str) -> Task:
    """The task called `name`; MissingError with the nearest name otherwise."""
    try:
        return TASKS[name]
    except KeyError:
        near = difflib.get_close_matches(name, TASKS, 1)
        raise MissingError(f"There is no task {name!r}.", hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(TASKS)}.") from None


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
