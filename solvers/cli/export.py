"""``qcad export MATERIAL.json --to FORMAT``: one deck through an exporter plug-in, read back before it is believed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..core import registry
from . import flags


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    parser.add_argument("material", type=Path, metavar="MATERIAL.json")
    parser.add_argument("--to", required=True, choices=sorted(plugin.name for plugin in registry.plugins("exporter")), help="finite-element program")
    parser.add_argument(
        "--units", default="mm-t-s", choices=("SI", "mm-t-s", "mm-kg-ms", "um-kg-s"), help="unit system, declared in the deck's header (default: mm-t-s)"
    )
    parser.add_argument(
        "--orient", metavar='"[110],[001]"', help="crystal directions along the part's x and in its xy-plane (default: the crystal's own frame)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: the material's name with the units in the file name")


def run(args: argparse.Namespace, verb: str) -> int:
    from ..continuum import Material

    material = Material.load(args.material)
    path = args.output or args.material.with_name(f"{args.material.stem}-{args.units}.inp")
    text = material.export(path, format=args.to, units=args.units, orientation=args.orient)
    flags.say(f"wrote {path}")
    if args.json:
        print(json.dumps({"file": str(path), "format": args.to, "units": args.units, "orientation": args.orient, "lines": text.count("\n")}))
    return 0
