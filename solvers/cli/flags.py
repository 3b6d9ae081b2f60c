"""Flags generated from params dataclasses, and the arguments that several verbs share."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from ..core import registry
from ..core.calculators import CalculatorSpec
from ..core.device import DEVICES
from ..core.errors import SetupError
from ..core.params import describe, from_dict, to_dict


def add_params(
    parser: argparse.ArgumentParser, cls: type, title: str, *, skip: tuple[str, ...] = (), taken: frozenset[str] = frozenset(), prefix: str = ""
) -> dict[str, str]:
    """Add one flag per parameter of `cls`; returns {destination: parameter name}.

    Values stay text here: `core.params.check` coerces and refuses them with one message for shell, window and recipe.
    A flag whose name is in `taken` is written ``--PREFIX-NAME``.
    """
    group = parser.add_argument_group(title)
    destinations = {}
    for info in describe(cls):
        if info.name in skip:
            continue
        flag = f"--{prefix}-{info.name.replace('_', '-')}" if info.name in taken else info.flag
        destination = flag.strip("-").replace("-", "_")
        default = "required" if info.default is MISSING else "default: " + ("automatic" if info.default is None else str(info.default))
        text = f"{info.help} ({info.allowed}; {default})".replace("%", "%%").strip()
        kwargs: dict[str, Any] = {"dest": destination, "default": argparse.SUPPRESS, "help": text}
        if info.type is bool:
            parser_action: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        else:
            parser_action = {"metavar": (info.unit or info.name).upper() if not info.choices else "|".join(map(str, info.choices))}
        group.add_argument(flag, **kwargs, **parser_action)
        destinations[destination] = info.name
    return destinations


def given(namespace: argparse.Namespace, destinations: dict[str, str]) -> dict[str, Any]:
    """The parameters that were set on the command line."""
    return {name: getattr(namespace, destination) for destination, name in destinations.items() if hasattr(namespace, destination)}


def checked(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    """`values` validated by `cls` and as plain JSON values, only those that were given."""
    plain = to_dict(from_dict(cls, values))
    return {name: plain[name] for name in values}


def look_ahead(rest: list[str], flag: str, default: str) -> str:
    """The value of `flag` in `rest` before the parser exists."""
    for i, word in enumerate(rest):
        if word == flag and i + 1 < len(rest):
            return rest[i + 1]
        if word.startswith(flag + "="):
            return word.split("=", 1)[1]
    return default


def calculator_class(text: str) -> tuple[str, type | None]:
    """Name and params class of the calculator called `text` on the command line."""
    name = text.partition(":")[2] if text.startswith("plugin:") else text.partition(":")[0]
    plugin = registry.get("calculator", name)
    return name, plugin.params_class()


def calculator_spec(text: str, params: dict[str, Any], device: str) -> CalculatorSpec:
    """The spec for a worker: file hashed, parameters validated, device passed on where the calculator has one."""
    spec = CalculatorSpec.coerce(text)
    name, cls = calculator_class(text)
    values = {**spec.params, **params}
    if cls is not None:
        names = {info.name for info in describe(cls)}
        if "device" in names and device != "auto":
            values["device"] = device
        values = checked(cls, values)
    elif params:
        raise SetupError(f"Calculator {name!r} takes no parameters, got {', '.join(params)}.", hint="Leave them out.")
    return CalculatorSpec(spec.name, values, spec.files)


def check_place(path: Path | None) -> None:
    """Raise SetupError when nothing can be written at `path`: a run of hours must not end with that news."""
    if path is None:
        return
    folder = path.expanduser().absolute().parent
    if path.is_dir():
        raise SetupError(f"Cannot write {path}: it is a folder.", hint="Name a file in it.")
    if not folder.is_dir():
        raise SetupError(f"Cannot write {path}: there is no folder {folder}.", hint="Make the folder, or choose another place.")
    if not os.access(folder, os.W_OK):
        raise SetupError(f"Cannot write {path}: the folder {folder} is read-only.", hint="Choose another place or change its permissions.")


def number_of_threads(text: str) -> int:
    """A whole number of threads, at least 1, from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of threads. Allowed: whole numbers from 1; leave it out to use every core.")
    return int(text)


def add_common(parser: argparse.ArgumentParser, *, output: str = "") -> None:
    """--device, --threads, --project and (with `output` as help) --output."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: CUDA where torch sees it)")
    parser.add_argument("--threads", type=number_of_threads, metavar="N", help="threads to use (default: every core)")
    parser.add_argument("--project", type=Path, metavar="NAME.qcad", help="project that keeps the job (default: the user's job folder)")
    if output:
        parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=output)


def say(text: str) -> None:
    """One line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)
