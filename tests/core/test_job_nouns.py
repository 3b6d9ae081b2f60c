"""Specs survive JSON, results refuse NaN and unknown names."""

import json

import numpy as np
import pytest
from ase.build import bulk

from solvers.core.calculators import CalculatorSpec
from solvers.core.errors import MissingError, NonFiniteError, SetupError
from solvers.core.job import JobSpec, Result, Step, drain
from solvers.core.structure import Structure


def test_spec_round_trip_through_json():
    spec = JobSpec(
        "relax",
        {"force_tolerance": 0.01},
        {"structure": Structure.from_atoms(bulk("Cu")), "calculator": CalculatorSpec("emt"), "test": [Structure.from_atoms(bulk("Al"))]},
        "Cu relax",
    )
    again = JobSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert (
        again.inputs["structure"] == spec.inputs["structure"]
        and again.inputs["calculator"] == spec.inputs["calculator"]
        and again.inputs["test"] == spec.inputs["test"]
    )
    assert again.title == "Cu relax" and dict(again.params) == {"force_tolerance": 0.01}


def test_result_refuses_nan_and_unknown_names():
    with pytest.raises(NonFiniteError, match="'energy' contains NaN"):
        Result({"energy": np.nan})
    with pytest.raises(SetupError, match="Did you mean 'free_energy'"):
        Result({"free_enrgy": 1.0})
    assert Result({"energy": 1.0}).exit_code == 0 and Result({}, converged=False).exit_code == 3 and Result({}, refused="C44 < 0").exit_code == 3


def test_drain_returns_the_result_and_stops_at_nan():
    def task(value):
        yield Step("scf", 1, {"energy": value})
        return Result({"energy": 2.0})

    seen = []
    assert drain(task(1.0), seen.append).values["energy"] == 2.0 and seen[0].n == 1
    with pytest.raises(NonFiniteError, match="Step 1 of scf"):
        drain(task(float("inf")))


def test_calculator_text_forms(tmp_path):
    model = tmp_path / "m.qff"
    model.write_bytes(b"one")
    spec = CalculatorSpec.coerce(f"mlff:{model}")
    assert spec.name == "mlff" and spec.params["path"] == str(model) and list(spec.files) == [str(model)]
    model.write_bytes(b"two")
    with pytest.raises(SetupError, match="changed since it was chosen"):
        spec.create()
    with pytest.raises(MissingError, match="which is not there"):
        CalculatorSpec.coerce("mlff:/nowhere.qff")
    with pytest.raises(MissingError, match="emt"):
        CalculatorSpec.coerce("emmt").create()
    assert CalculatorSpec.coerce("emt").create().implemented_properties


def test_a_signed_material_names_its_run():
    material = {"name": "Cu", "provenance": {"run_ids": ["first"], "method": "x"}}
    assert Result({}, material=material).signed("second").material["provenance"] == {"run_ids": ["first", "second"], "method": "x"}
    assert Result({}).signed("second").material is None and material["provenance"]["run_ids"] == ["first"]


def test_a_message_that_quotes_a_million_characters_stays_readable():
    from solvers.core.errors import SetupError
    error = SetupError(f"Unknown parameter {'9' * 10**6!r}, allowed: a, b.", hint="Take a.")
    assert len(str(error)) < 400 and str(error).startswith("Unknown parameter '999") and str(error).endswith("allowed: a, b. Take a.")
    assert SetupError("x" * 600).message == "x" * 600
