"""Systems that are known to be hard: with default settings each must converge, unattended, within `STEPS` self-consistent steps.

Inputs are the recipes in ``resources/recipes/hard``: potential, cutoff and mesh fixed there, everything else left to the program.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from solvers import recipes, tasks
from solvers.core.job import JobSpec, Result, drain
from solvers.core.params import from_dict
from solvers.core.paths import resource

from .report import Row, compare

#: self-consistent steps allowed
STEPS = 60
#: systems that take less than about a minute on one core
QUICK = ("hydrogen-atom", "aluminium-slab-8")
#: slabs of one metal: the longest may take this many steps more than the shortest
SLABS, MORE_STEPS = ("aluminium-slab-8", "aluminium-slab-16", "aluminium-slab-32"), 3


def names() -> tuple[str, ...]:
    """The systems, by recipe name."""
    return tuple(sorted(path.stem for path in Path(resource("recipes", "hard")).glob("*.toml")))


def solve(name: str) -> Result:
    """Result of the last step of a hard recipe."""
    from tempfile import TemporaryDirectory
    path = Path(resource("recipes", "hard", f"{name}.toml"))
    with TemporaryDirectory() as folder:
        def start(spec: JobSpec) -> tuple[SimpleNamespace, Result]:
            task = tasks.get(spec.task)
            return SimpleNamespace(id=""), drain(task.run(from_dict(task.params_class(), dict(spec.params)), spec.inputs))
        outcomes = recipes.run(recipes.load(path), Path(folder), start, say=lambda text: None)
    return list(outcomes.values())[-1].result


def run(full: bool = False) -> Iterator[Row]:
    """Steps of every system; the quick ones unless `full`. A system that does not converge counts as one step too many."""
    steps = {}
    for name in names():
        if full or name in QUICK:
            result = solve(name)
            steps[name] = int(result.values["iterations"]) if result.converged else STEPS + 1
            note = f"residual {float(result.values['residual_history'][-1]):.1e} eV" + ("" if result.converged else ", not converged")
            yield compare("hard", name, "self-consistent steps", steps[name], 0, STEPS, "", "most allowed", note)
    if all(name in steps for name in SLABS):
        yield compare("hard", "aluminium slabs", "steps, thickest less thinnest", steps[SLABS[-1]] - steps[SLABS[0]], 0, MORE_STEPS, "", "most allowed")
