"""What a calculation will take, in words, before it starts. The figures come from the engine; this only phrases them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from solvers import tasks
from solvers.core import device
from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import QcadError
from solvers.core.job import JobSpec
from solvers.core.params import describe, from_dict
from solvers.core.structure import Structure, require_calculable

from .sentences import said
from .translate import tr

_SCREEN = 0.9  # share of the memory a calculation may fill before a warning


@dataclass(frozen=True)
class Estimate:
    """Sentences for people, and a warning where something speaks against starting."""

    lines: tuple[str, ...]
    warning: str = ""


def estimate(spec: JobSpec) -> Estimate:
    """The estimate for `spec` (pure; pool; imports no torch). Raises the errors that the job would raise for input that cannot work."""
    from solvers.dft.params import DFTParams

    structure = spec.inputs["structure"]
    task = tasks.get(spec.task)
    params = from_dict(task.params_class(), dict(spec.params))
    calculator = spec.inputs.get("calculator")
    if spec.task == "phonons":
        spec, evaluations, words = _phonons(spec, params, structure)
    else:
        evaluations, words = _evaluations(spec.task, params, structure)
    if calculator is None and type(params) is not DFTParams and isinstance(params, DFTParams):
        return _electrons(spec, params, structure)
    if calculator.name == "dft" if calculator is not None else isinstance(params, DFTParams):
        return _plane_waves(spec, evaluations, words)
    require_calculable(structure, periodic=False)
    return Estimate((words, tr("{name} is fast: seconds for small structures.", name=calculator.name)) if words else (tr("Seconds for small structures."),))


def _evaluations(task: str, params, structure: Structure) -> tuple[tuple[int, int], str]:
    """How many energies are computed, at least and at most, and the sentence that says so."""
    if task == "relax":
        return (5, 30), tr("A relaxation usually takes 5 to 30 energies; at most {n}.", n=params.max_steps)
    if task == "md":
        return (params.steps, params.steps), tr("{n} energies, {time:g} fs in all.", n=params.steps, time=params.steps * params.timestep)
    if task == "elastic":
        n = _strains(structure, params)
        steps = (2, 6) if params.relax_ions and len(structure) > 1 else (1, 1)
        return (n * steps[0], n * steps[1]), tr("{n} strained cells, chosen by the symmetry of the crystal.", n=n)
    return (1, 1), ""


def _phonons(spec: JobSpec, params, structure: Structure) -> tuple[JobSpec, tuple[int, int], str]:
    """(the calculation of one supercell, how many of them, the sentence that says so)."""
    from solvers.phonons.lattice import Lattice
    from solvers.phonons.supercell import choose, folded_mesh

    require_calculable(structure)
    matrix = params.matrix if params.matrix is not None else choose(structure, params.min_length, params.symmetry_tolerance)
    lattice = Lattice(structure, matrix, params.symmetry_tolerance)
    n = 1 + len(lattice.displacements(params.displacement, params.plus_minus == "always")) + bool(params.check_displacement)
    big = Structure.from_atoms(lattice.supercell)
    words = tr("{n} supercells of {atoms} atoms, chosen by the symmetry of the crystal.", n=n, atoms=len(big))
    calculator = spec.inputs["calculator"]
    if calculator.name != "dft":
        return spec, (n, n), words
    settings = plan_of(spec).settings
    given = {**calculator.params, "kpts": folded_mesh(settings["kpts"], structure.cell, matrix), "cutoff": settings["cutoff"], "symmetry": False, "grid": None}
    given.pop("magmoms", None)  # one per atom of the small cell; what they cost is known without them
    spin = {"spin": settings["spin"]} if "spin" in settings else {}
    return replace(spec, inputs={"structure": big, "calculator": CalculatorSpec("dft", {**given, **spin})}), (n, n), words


def _strains(structure: Structure, params) -> int:
    """Strained cells of an elastic study: the symmetry-reduced set, both signs, every amplitude, and the redundant check."""
    from solvers.continuum.crystal import crystal_of
    from solvers.continuum.strain import choose

    crystal = crystal_of(structure.to_atoms(), params.symmetry_tolerance)
    directions = len(choose(crystal.basis, crystal.axes, crystal.rotations))
    return 1 + 2 * directions * params.amplitudes + (2 if params.check_strain else 0) + (4 * directions if params.convergence else 0)


def plan_of(spec: JobSpec) -> Any:
    """The plan of the plane-wave calculation in `spec`, for its structure (pure; pool). Raises the errors that the job would raise."""
    from solvers.dft.params import DFTParams
    from solvers.dft.plan import make_plan

    calculator = spec.inputs.get("calculator")
    given = dict(calculator.params if calculator is not None else spec.params)
    known = {info.name for info in describe(DFTParams)}
    return make_plan(spec.inputs["structure"], from_dict(DFTParams, {name: value for name, value in given.items() if name in known}))


def _seconds(cost: dict, spec: JobSpec) -> float:
    return cost["seconds"] * device.threads() / (spec.threads or device.threads())


def _plane_waves(spec: JobSpec, evaluations: tuple[int, int], words: str) -> Estimate:
    plan = plan_of(spec)
    lines, warning = _sizes(plan, spec)
    if words:
        seconds = _seconds(plan.estimate(), spec)
        lines += [words, tr("In all about {time}.", time=_span(evaluations[0] * seconds, evaluations[1] * seconds))]
    return Estimate(tuple(lines), warning)


def _span(low: float, high: float) -> str:
    return _time(low) if _time(low) == _time(high) else f"{_time(low)} – {_time(high)}"


def _sizes(plan: Any, spec: JobSpec) -> tuple[list[str], str]:
    """Sizes, memory and time of one energy; what speaks against it."""
    cost = plan.estimate()
    seconds = _seconds(cost, spec)
    lines = [
        tr("{waves} plane waves, {kpoints} k-points, {bands} bands", waves=cost["n_plane_waves"], kpoints=cost["n_kpoints"], bands=cost["n_bands"]),
        tr("FFT box {box}, cutoff {cutoff:.0f} eV", box=" × ".join(map(str, cost["grid"])), cutoff=plan.settings["cutoff"]),
        tr("About {memory} of memory, {time} for one energy", memory=_bytes(cost["memory"]), time=_time(seconds)),
    ]
    warnings = list(map(said, plan.warnings))
    free = device.memory("cpu").free
    if cost["memory"] > _SCREEN * free:
        warnings.insert(0, tr("This needs more memory than is free ({free}).", free=_bytes(free)))
    return lines, "\n".join(warnings)


def _electrons(spec: JobSpec, params: Any, structure: Structure) -> Estimate:
    """Tasks that are plane waves themselves: their cycles and what comes after them."""
    from solvers.dft.costs import cost

    found = cost(params, structure)
    low, high = found.cycles
    words = ""
    if found.kpoints:
        words = tr("One self-consistent calculation, then bands at {n} k-points.", n=found.kpoints)
    elif found.fields:
        words = tr("One self-consistent calculation, then the response to fields along {n} directions.", n=found.fields)
    elif high > 1:
        several = tr("Usually {low} to {high} self-consistent calculations.", low=low, high=high)
        words = several if low < high else tr("{n} self-consistent calculations.", n=low)
    lines, warning = _sizes(found.plan, spec)
    least, most = (_seconds({"seconds": seconds}, spec) for seconds in found.seconds)
    if words:
        lines += [words, tr("In all about {time}.", time=_span(least, most))]
    return Estimate(tuple(lines), warning)


def compare(now: JobSpec | None, then: JobSpec) -> Estimate:
    """What a change of the plane-wave parameters does to cutoff, size and time of one energy; `now` None (or impossible): only what will be (pure; pool)."""
    plan = plan_of(then)
    cost = plan.estimate()
    rows = _figures(plan, cost, then)
    before = None
    if now is not None:
        try:
            old = plan_of(now)
            before = _figures(old, old.estimate(), now)
        except QcadError:  # what stands in the form cannot work: that is why it is being changed
            before = None
    lines = []
    for place, (text, value) in enumerate(rows):
        was = before[place][1] if before is not None else value
        lines.append(tr("{what}: {value}", what=text, value=value if was == value else f"{was} → {value}"))
    return Estimate(tuple(lines), "\n".join(map(said, plan.warnings)))


def _figures(plan: Any, cost: dict, spec: JobSpec) -> list[tuple[str, str]]:
    return [
        (tr("Cutoff"), f"{plan.settings['cutoff']:.0f} eV"),
        (tr("Valence electrons"), f"{plan.n_electrons:g}"),
        (tr("Plane waves"), f"{cost['n_plane_waves']}"),
        (tr("k-points"), f"{cost['n_kpoints']}"),
        (tr("Memory"), _bytes(cost["memory"])),
        (tr("Time for one energy"), _time(_seconds(cost, spec))),
    ]


def _bytes(size: float) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"


def _time(seconds: float) -> str:
    if seconds < 1:
        return tr("under a second")
    if seconds < 90:
        return tr("{n} s", n=f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}")
    if seconds < 5400:
        return tr("{n} min", n=f"{seconds / 60:.0f}")
    if seconds < 172800:
        return tr("{n} h", n=f"{seconds / 3600:.1f}")
    return tr("{n} days", n=f"{seconds / 86400:.0f}")
