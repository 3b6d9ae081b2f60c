"""Declare a parameter once: a dataclass field with unit, range and help.

`param` makes the field; `check` validates an instance; `describe` lists the fields for the CLI, the forms, the recipes and the manual.
A field whose type has a `coerce` class method (`KPoints`, `Smearing`, …) accepts anything that method accepts and prints as text by `str`.

Params modules import neither torch nor numba, so that ``--help`` is instant.
"""
from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import MISSING, dataclass, field
from functools import cache
from typing import Any

from .errors import SetupError


def param(default: Any = MISSING, *, unit: str = "", low: float | None = None, high: float | None = None,
          choices: tuple = (), help: str = "", group: str = "", advanced: bool = False, default_factory: Any = MISSING):
    """A dataclass field with unit, inclusive range [low, high], choices and one line of help."""
    metadata = {"unit": unit, "low": low, "high": high, "choices": tuple(choices), "help": help, "group": group, "advanced": advanced}
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata=metadata)
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ParamInfo:
    """One parameter as the CLI, a form or the manual sees it."""

    name: str
    type: Any  # the base type without None: bool, int, float, str, tuple or a class with `coerce`
    optional: bool
    default: Any
    unit: str
    low: float | None
    high: float | None
    choices: tuple
    help: str
    group: str
    advanced: bool

    @property
    def flag(self) -> str:
        """The command-line flag: ``--force-tolerance``."""
        return "--" + self.name.replace("_", "-")

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        unit = f" {self.unit}" if self.unit else ""
        if self.type is bool:
            return "yes or no"
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}{unit}"
        if self.low is not None:
            return f"at least {self.low:g}{unit}"
        if self.high is not None:
            return f"at most {self.high:g}{unit}"
        word = {int: "a whole number", float: "a number", str: "text", tuple: "values separated by commas"}.get(self.type, "as described")
        return f"{word}{unit}"


@cache
def describe(cls: type) -> tuple[ParamInfo, ...]:
    """The parameters of dataclass `cls`, in order."""
    hints = typing.get_type_hints(cls)
    infos = []
    for item in dataclasses.fields(cls):
        base, optional = _without_none(hints[item.name])
        default = item.default if item.default is not MISSING else item.default_factory() if item.default_factory is not MISSING else MISSING
        meta = item.metadata
        infos.append(ParamInfo(item.name, base, optional, default, meta.get("unit", ""), meta.get("low"), meta.get("high"),
                               meta.get("choices", ()), meta.get("help", ""), meta.get("group", ""), meta.get("advanced", False)))
    return tuple(infos)


def check(instance: Any) -> None:
    """Coerce and validate every field of a frozen params dataclass in place; call it from ``__post_init__``.

    Raises SetupError naming the parameter, the value, what is allowed and an example.
    """
    for info in describe(type(instance)):
        value = getattr(instance, info.name)
        if value is None and info.optional:
            continue
        object.__setattr__(instance, info.name, _coerce(info, value))


def from_dict(cls: type, values: dict[str, Any]):
    """An instance of params dataclass `cls` from plain values (recipe, JSON, form); unknown names raise SetupError with the nearest known one."""
    import difflib
    known = {info.name for info in describe(cls)}
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise SetupError(f"Unknown parameter {name!r} for {cls.__name__}.",
                             hint=(f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}."))
    missing = [info.name for info in describe(cls) if info.default is MISSING and info.name not in values]
    if missing:
        raise SetupError(f"{cls.__name__} needs a value for {', '.join(missing)}.", hint="Give it as a flag or in the recipe.")
    return cls(**values)


def to_dict(instance: Any) -> dict[str, Any]:
    """Plain JSON values of a params instance; sub-dataclasses become their text form."""
    return {info.name: _plain(getattr(instance, info.name)) for info in describe(type(instance))}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(type(value), "coerce"):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [item for item in typing.get_args(hint) if item is not type(None)]
        return (inner[0] if len(inner) == 1 else object), len(inner) < len(typing.get_args(hint))
    return typing.get_origin(hint) or hint, False


def _coerce(info: ParamInfo, value: Any) -> Any:
    def refuse(why: str):
        return SetupError(f"{info.name} = {value!r} {why}.", hint=f"Allowed: {info.allowed}.")

    kind = info.type
    if hasattr(kind, "coerce"):
        return kind.coerce(value)
    if kind is bool:
        if isinstance(value, str) and value.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            return value.lower() in ("true", "yes", "on", "1")
        if not isinstance(value, (bool, int)):
            raise refuse("is not yes or no")
        return bool(value)
    if kind in (int, float):
        if isinstance(value, bool):
            raise refuse("is not a number")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise refuse("is not a number") from None
        if not math.isfinite(number):
            raise refuse("is not finite")
        if kind is int:
            if number != int(number):
                raise refuse("is not a whole number")
            number = int(number)
        if (info.low is not None and number < info.low) or (info.high is not None and number > info.high):
            raise refuse("is out of range")
        if info.choices and number not in info.choices:
            raise refuse("is not a choice")
        return number
    if kind is tuple:
        return tuple(value) if not isinstance(value, str) else tuple(part.strip() for part in value.split(",") if part.strip())
    if kind is str:
        value = str(value)
        if info.choices and value not in info.choices:
            folded = {str(choice).lower(): choice for choice in info.choices}
            if value.lower() in folded:
                return folded[value.lower()]
            raise refuse("is not a choice")
    return value
