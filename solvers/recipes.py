"""Recipes: a TOML file of steps that build, compute and export, run one after another with every job kept.

::

    [[step]]
    id = "relaxed";  do = "relax";  from = "crystal";  calculator = { name = "dft", params = { xc = "PBE", kpts = "6x6x6" } }

`do` is a task (`solvers.tasks`), ``build.NAME`` (`solvers.build`) or ``export``. `from` names an earlier step, or a structure file beside the recipe.
`calculator` is a table, a text (``emt``, ``mlff:model.qff``) or the id of an earlier step whose calculator is used again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import tasks
from .core import registry
from .core.calculators import CalculatorSpec
from .core.errors import MissingError, ReadError, RefusedError, SetupError
from .core.job import JobSpec, Result
from .core.params import from_dict
from .core.structure import Structure

_KEYS = {"id", "do", "from", "params", "calculator", "title"}


@dataclass(frozen=True)
class RecipeStep:
    """One step as written: id, do, source (id or file), params, calculator as written."""

    id: str
    do: str
    source: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    calculator: Any = None


@dataclass
class Outcome:
    """What a step left behind: the structure, the material, the Result, the job's id, the files it wrote."""

    structure: Structure | None = None
    material: Mapping[str, Any] | None = None
    calculator: CalculatorSpec | None = None
    result: Result | None = None
    job: str = ""
    files: tuple[Path, ...] = ()


def load(path: str | Path) -> list[RecipeStep]:
    """The steps of a recipe file, checked: known keys, unique ids, `from` and `calculator` pointing backwards, parameters valid.

    Raises ReadError for text that is not TOML, SetupError for a step that cannot work; both name the step.
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"There is no recipe {path}.", hint="Check the path; `qcad demo` runs the built-in one.") from None
    except IsADirectoryError:
        raise ReadError(f"{path} is a folder, not a recipe.", hint="Name a .toml file.") from None
    except (ValueError, RecursionError) as error:  # not TOML, not text, a number of thousands of digits
        raise ReadError(f"{path} is not a recipe: {error}.", hint="A recipe is TOML with [[step]] tables.") from None
    rows = data.get("step")
    if not isinstance(rows, list) or not rows:
        raise ReadError(f"{path} holds no [[step]] table.", hint='Write [[step]] with id and do, e.g. do = "build.bulk".')
    steps: list[RecipeStep] = []
    for number, row in enumerate(rows, 1):
        steps.append(_checked(row, number, {step.id: step for step in steps}, path.parent))
    return steps


def run(
    steps: list[RecipeStep],
    folder: Path,
    start: Callable[[JobSpec], tuple[Any, Result]],
    say: Callable[[str], None] = print,
    *,
    device: str = "auto",
    threads: int | None = None,
) -> dict[str, Outcome]:
    """Run `steps`; `start(spec) -> (job, Result)` runs one job, files go to `folder`. Returns {id: Outcome}.

    Raises RefusedError when a step's quality gate refuses, so that no later step works on a refused number.
    """
    done: dict[str, Outcome] = {}
    for number, step in enumerate(steps, 1):
        say(f"step {number}/{len(steps)}  {step.id}: {step.do}")
        before = done.get(step.source) or (Outcome(structure=_read(folder, step.source)) if step.source else Outcome())
        if step.do.startswith("build."):
            done[step.id] = Outcome(structure=_build(step, before))
        elif step.do == "export":
            done[step.id] = _export(step, before, folder)
        else:
            done[step.id] = _task(step, before, done, start, device, threads)
        for path in done[step.id].files:
            say(f"wrote {path}")
    return done


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _checked(row: Any, number: int, earlier: Mapping[str, RecipeStep], folder: Path) -> RecipeStep:
    where = f"Step {number}"
    if not isinstance(row, dict) or "id" not in row or "do" not in row:
        raise SetupError(f"{where} of the recipe needs id and do; got {row!r}.", hint='Example: id = "crystal";  do = "build.bulk"')
    if not all(isinstance(row[key], str) and row[key].strip() for key in ("id", "do")):
        raise SetupError(f"{where} of the recipe has id = {row['id']!r} and do = {row['do']!r}.", hint="Both are texts that are not empty.")
    where = f"Step {number} ({row['id']})"
    if unknown := set(row) - _KEYS:
        raise SetupError(f"{where} has the unknown key {sorted(unknown)[0]!r}.", hint=f"Allowed: {', '.join(sorted(_KEYS))}.")
    if row["id"] in earlier:
        raise SetupError(f"{where} repeats the id {row['id']!r}.", hint="Give every step its own id.")
    step = RecipeStep(str(row["id"]), str(row["do"]), str(row.get("from", "")), row.get("params", {}), row.get("calculator"))
    if step.source and step.source not in earlier and not _is_file(folder / step.source):
        raise SetupError(
            f"{where} takes its input from {step.source!r}, which is neither an earlier step nor a file in {folder}.",
            hint=f"Earlier steps: {', '.join(earlier) or 'none'}.",
        )
    if step.source and step.source not in earlier:  # outputs may go elsewhere: the file stays beside its recipe
        step = replace(step, source=str((folder / step.source).absolute()))
    if isinstance(step.calculator, str) and step.calculator in earlier and earlier[step.calculator].calculator is None:
        raise SetupError(f"{where} uses the calculator of step {step.calculator!r}, which has none.", hint="Name a step with a calculator.")
    try:
        if step.do.startswith("build."):
            from_dict(_builder(step.do).params_class(), dict(step.params))
        elif step.do == "export":
            for key in ("to", "output"):
                if key not in step.params:
                    raise SetupError(
                        f"export needs the parameter {key!r}.", hint='Example: params = { to = "calculix", units = "mm-t-s", output = "part.inp" }'
                    )
        else:
            task = tasks.get(step.do)
            from_dict(task.params_class(), dict(step.params))
            if "calculator" in task.inputs and step.calculator is not None and not (isinstance(step.calculator, str) and step.calculator in earlier):
                _check_calculator(step.calculator)
    except SetupError as error:
        raise type(error)(f"{where}: {error.message}", hint=error.hint) from error
    return step


def _check_calculator(written: Any) -> None:
    """Raise for a calculator whose name or parameters nobody knows; a model file may still be made by an earlier step."""
    name = CalculatorSpec.coerce(written).name if not isinstance(written, str) else written.removeprefix("plugin:").partition(":")[0]
    cls = registry.get("calculator", name).params_class()
    if cls is not None and not isinstance(written, str):
        from_dict(cls, dict(written.get("params", {})))


def _builder(do: str):
    from .build import BUILDERS

    name = do.removeprefix("build.")
    if name not in BUILDERS:
        raise SetupError(f"There is no builder {name!r}.", hint=f"Known: {', '.join(sorted(BUILDERS))}.")
    return BUILDERS[name]


def _read(folder: Path, name: str) -> Structure:
    from .core.bridge import read_structure

    return read_structure(folder / name)


def _build(step: RecipeStep, before: Outcome) -> Structure:
    builder = _builder(step.do)
    params = from_dict(builder.params_class(), dict(step.params))
    if not builder.needs_structure:
        return Structure.from_atoms(builder.function(params))
    if before.structure is None:
        raise SetupError(f"Step {step.id!r} changes a structure, but its source {step.source!r} has none.", hint="Set from to a step that has one.")
    return Structure.from_atoms(builder.function(before.structure.to_atoms(), params))


def _export(step: RecipeStep, before: Outcome, folder: Path) -> Outcome:
    from .continuum import Material

    if before.material is None:
        raise SetupError(f"Step {step.id!r} exports a material, but its source {step.source!r} has none.", hint="Set from to an elastic step.")
    params = dict(step.params)
    path = folder / params.pop("output")
    Material.from_dict(before.material).export(path, format=params.pop("to"), units=params.pop("units", "SI"), orientation=params.pop("orientation", None))
    if params:
        raise SetupError(f"Step {step.id!r} has the unknown export parameter {sorted(params)[0]!r}.", hint="Allowed: to, units, orientation, output.")
    return Outcome(before.structure, before.material, before.calculator, files=(path,))


def _task(
    step: RecipeStep, before: Outcome, done: Mapping[str, Outcome], start: Callable[[JobSpec], tuple[Any, Result]], device: str, threads: int | None
) -> Outcome:
    task = tasks.get(step.do)
    inputs: dict[str, Any] = {}
    if "structure" in task.inputs:
        if before.structure is None:
            raise SetupError(f"Step {step.id!r} needs a structure, but its source {step.source!r} has none.", hint="Set from to a step that has one.")
        inputs["structure"] = before.structure
    spec = None
    if "calculator" in task.inputs:
        written = "dft" if step.calculator is None else step.calculator
        spec = done[written].calculator if isinstance(written, str) and written in done else CalculatorSpec.coerce(written)
        inputs["calculator"] = spec
    formula = inputs["structure"].formula if "structure" in inputs else ""
    job, result = start(JobSpec(step.do, dict(step.params), inputs, f"{formula} {step.do}".strip(), device, threads))
    if result.refused:
        raise RefusedError(f"Step {step.id!r} is refused: {result.refused}", hint=f"The run is kept as job {job.id}.")
    return Outcome(result.structure or before.structure, result.material or before.material, spec, result, job.id)
