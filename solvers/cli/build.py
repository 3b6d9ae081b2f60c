"""``qcad build BUILDER …``: make a structure, or change one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..core.errors import SetupError
from ..core.params import from_dict
from . import flags


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    from ..build import BUILDERS

    parser.add_argument("builder", choices=sorted(BUILDERS), help="what to build")
    parser.add_argument("file", nargs="?", metavar="FILE", help="the structure to change (builders that need one)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the structure here (cif, vasp, extxyz, xyz, json; default: extxyz on stdout)")
    name = next((word for word in rest if word in BUILDERS), None)
    parser.set_defaults(own=flags.add_params(parser, BUILDERS[name].params_class(), name) if name else {})
    if name is None:
        parser.epilog = "; ".join(f"{name}: {builder.summary}" for name, builder in sorted(BUILDERS.items()))


def run(args: argparse.Namespace, verb: str) -> int:
    from ..build import BUILDERS
    from ..core.bridge import read_structure
    from ..core.structure import Structure
    from ..io.structures import write_structure

    builder = BUILDERS[args.builder]
    params = from_dict(builder.params_class(), flags.given(args, args.own))
    if builder.needs_structure and not args.file:
        raise SetupError(f"`qcad build {args.builder}` changes a structure, but no file was named.", hint=f"qcad build {args.builder} FILE …")
    atoms = builder.function(read_structure(Path(args.file)).to_atoms(), params) if builder.needs_structure else builder.function(params)
    structure = Structure.from_atoms(atoms)
    if args.output:
        write_structure(structure, args.output)
        flags.say(f"wrote {args.output}: {structure.formula}, {len(structure)} atoms, {structure.volume:.4f} Å³")
    if args.json:
        print(json.dumps({"formula": structure.formula, "n_atoms": len(structure), "volume": structure.volume, "structure": structure.to_dict()}))
    elif not args.output:
        from ase.io import write

        write("-", structure.to_atoms(), format="extxyz")
    return 0
