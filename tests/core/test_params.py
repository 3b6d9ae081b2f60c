"""Declared once: coercion, ranges and messages are the same for shell, window and recipe."""
from dataclasses import dataclass

import pytest

from solvers.core.errors import SetupError
from solvers.core.params import check, describe, from_dict, param, to_dict


class Mesh:
    def __init__(self, size):
        self.size = size

    @classmethod
    def coerce(cls, value):
        return value if isinstance(value, cls) else cls(tuple(int(part) for part in value.split("x")))

    def __str__(self):
        return "x".join(map(str, self.size))


@dataclass(frozen=True)
class Example:
    temperature: float = param(300.0, unit="K", low=0.0, high=1e4, help="bath")
    steps: int = param(10, low=1)
    kind: str = param("nve", choices=("nve", "nvt"))
    seed: int | None = param(None)
    wrap: bool = param(True)
    mesh: Mesh = param(default_factory=lambda: Mesh((1, 1, 1)))

    def __post_init__(self):
        check(self)


def test_text_and_numbers_give_the_same_instance():
    text = from_dict(Example, {"temperature": "450", "steps": "7", "kind": "NVT", "seed": "3", "wrap": "no", "mesh": "2x3x4"})
    assert (text.temperature, text.steps, text.kind, text.seed, text.wrap, text.mesh.size) == (450.0, 7, "nvt", 3, False, (2, 3, 4))
    assert to_dict(from_dict(Example, to_dict(text))) == to_dict(text)


@pytest.mark.parametrize("values, message", [
    ({"temperature": -1}, r"temperature = -1 is out of range\. Allowed: 0 to 10000 K"),
    ({"temperature": "warm"}, "temperature = 'warm' is not a number"),
    ({"temperature": float("nan")}, "is not finite"),
    ({"steps": 0}, "Allowed: at least 1"),
    ({"steps": 1.5}, "is not a whole number"),
    ({"kind": "npt"}, "one of nve, nvt"),
    ({"wrap": "maybe"}, "is not yes or no"),
    ({"temprature": 3}, "Did you mean 'temperature'"),
])
def test_refusals_name_parameter_value_and_range(values, message):
    with pytest.raises(SetupError, match=message):
        from_dict(Example, values)


def test_describe_lists_what_a_form_needs():
    info = {item.name: item for item in describe(Example)}
    assert info["temperature"].unit == "K" and info["temperature"].allowed == "0 to 10000 K" and info["seed"].optional and info["steps"].flag == "--steps"
