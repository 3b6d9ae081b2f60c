"""``qcad material new | show | average | rotate | check``: continuum materials without a calculation."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..core.errors import RefusedError, SetupError
from . import flags

_ACTIONS = ("new", "show", "average", "rotate", "check")


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    parser.add_argument("action", choices=_ACTIONS)
    action = next((word for word in rest if word in _ACTIONS), "show")
    if action == "new":
        parser.add_argument(
            "constants",
            nargs="+",
            metavar="NAME=VALUE",
            help="in GPa: C11=168.4 C12=121.4 C44=75.4 (cubic); C11 C12 C13 C33 C44 (hexagonal); any of C11…C66; or E=… nu=…",
        )
        parser.add_argument(
            "--symmetry",
            choices=("isotropic", "cubic", "hexagonal", "tetragonal", "trigonal", "orthorhombic", "triclinic"),
            help="default: from the names given",
        )
        parser.add_argument(
            "--c-over-a", type=float, metavar="C/A", help="ratio of the lattice constants: orientations of hexagonal, trigonal and tetragonal crystals need it"
        )
        parser.add_argument("--density", type=float, metavar="KG/M3", help="mass density in kg/m³")
        parser.add_argument("--name", default="material")
        parser.add_argument("--source", default="", help="where the numbers come from: paper, data sheet")
        parser.add_argument("-o", "--output", type=Path, required="-h" not in rest and "--help" not in rest, metavar="FILE.json")
    else:
        parser.add_argument("file", type=Path, metavar="MATERIAL.json" if action != "check" else "MATERIAL.json|DECK.inp")
    if action == "rotate":
        parser.add_argument(
            "--orient", required="--help" not in rest, metavar='"[110],[001]"', help="crystal directions that become x and the xy-plane's second direction"
        )
        parser.add_argument("-o", "--output", type=Path, metavar="FILE.json")
    if action == "check":
        parser.add_argument(
            "--run", choices=("auto", "ccx", "skfem"), default="auto", help="finite-element solver (default: ccx where installed, else scikit-fem)"
        )


def run(args: argparse.Namespace, verb: str) -> int:
    return {"new": _new, "show": _show, "average": _average, "rotate": _rotate, "check": _check}[args.action](args)


def _new(args: argparse.Namespace) -> int:
    from ..continuum import material_from_constants

    values: dict[str, float] = {}
    for text in args.constants:
        name, equals, number = text.partition("=")
        if name in values:
            raise SetupError(f"{name} is given twice: {values[name]:g} and {number}.", hint="Give each constant once.")
        try:
            values[name] = float(number)
        except ValueError:
            raise SetupError(f"{text!r} is not NAME=VALUE.", hint="Example: C11=168.4 (GPa).") from None
        if not equals:
            raise SetupError(f"{text!r} is not NAME=VALUE.", hint="Example: C11=168.4 (GPa).")
    material = material_from_constants(values, symmetry=args.symmetry, density=args.density, name=args.name, source=args.source, c_over_a=args.c_over_a)
    material.save(args.output)
    flags.say(f"wrote {args.output}")
    return _print(args, material)


def _show(args: argparse.Namespace) -> int:
    from ..continuum import Material

    return _print(args, Material.load(args.file))


def _average(args: argparse.Namespace) -> int:
    from ..continuum import Material

    averages = Material.load(args.file).averages()
    if args.json:
        print(json.dumps(averages.to_dict()))
    else:
        print(averages.table())
    return 0


def _rotate(args: argparse.Namespace) -> int:
    from ..continuum import Material

    material = Material.load(args.file).rotated(args.orient)
    if args.output:
        material.save(args.output)
        flags.say(f"wrote {args.output}")
    return _print(args, material)


def _check(args: argparse.Namespace) -> int:
    from ..continuum import check_deck

    report = check_deck(args.file, solver=args.run)
    if args.json:
        print(json.dumps(report.to_dict()))
    else:
        print(report.text)
    if not report.passed:
        raise RefusedError(f"{args.file} does not reproduce its own constants: relative error {report.max_relative_error:.3g}.", hint="Do not use this deck.")
    return 0


def _print(args: argparse.Namespace, material) -> int:
    print(json.dumps(material.to_dict(), ensure_ascii=False) if args.json else material.table())
    return 0
