"""The task `elastic`: relaxed-ion elastic constants of a crystal with error bars, and the function `elastic_constants` that runs it in this process.

Strains chosen by rank (`strain`), ions relaxed at each (`ions`), one fit (`fit`), error terms kept apart, quality gates (`quality`), a `Material`.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.errors import NotConvergedError, RefusedError
from ..core.job import State, Step, drain
from ..core.params import from_dict
from ..core.structure import Structure
from .elastic_result import assemble
from .elastic_study import Study
from .material import Material
from .params import ElasticParams


def elastic(params: ElasticParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Task: the elastic constants of ``inputs["structure"]`` with ``inputs["calculator"]`` (a CalculatorSpec or a live ASE calculator with stress).

    One step per strain point, with its frame and a state to resume from. Returns a `Result` with stiffness, its error and a `Material`; where a quality
    gate objects, `Result.refused` holds the reason and there is no material. Raises SetupError for structures and calculators that cannot work.
    """
    study = Study(Structure.coerce(inputs["structure"]), inputs["calculator"], params)
    if resume is not None:
        study.restore(resume)
    yield from study.run()
    return assemble(study)


def elastic_constants(atoms, calculator, **params: Any) -> Material:
    """The elastic constants of `atoms` (ase.Atoms or Structure) as a `Material`; `calculator`: live ASE calculator, CalculatorSpec or text like "emt".

    Keywords are the fields of `ElasticParams`. Raises RefusedError with the reason when a quality gate objects, NotConvergedError when a cycle did not
    converge.
    """
    from ..core.calculators import CalculatorSpec
    if isinstance(calculator, (str, Mapping)):
        calculator = CalculatorSpec.coerce(calculator)
    result = drain(elastic(from_dict(ElasticParams, params), {"structure": Structure.coerce(atoms), "calculator": calculator}))
    if result.refused:
        raise (RefusedError if result.converged else NotConvergedError)(result.refused, hint="Nothing is returned because the numbers cannot be trusted.")
    return Material.from_dict(result.material)
