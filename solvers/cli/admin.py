"""``qcad plugins | doctor | validate | bench | gui``."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from .. import __version__
from ..core import device, paths, registry
from ..core.errors import MissingError, SetupError


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    if verb == "plugins":
        parser.add_argument("action", nargs="?", choices=("list", "allow", "forbid"), default="list")
        parser.add_argument("name", nargs="?", help="distribution to allow or forbid")
    elif verb in ("validate", "bench"):
        parser.add_argument("area", nargs="?", help="dft, elastic, deck, md, mlff … (default: all)")
        parser.add_argument(
            "--full" if verb == "validate" else "--device",
            **({"action": "store_true", "help": "the long tier"} if verb == "validate" else {"choices": device.DEVICES, "default": "auto"}),
        )
        example = '"Si diamond PBE"' if verb == "validate" else "si8, b3, start, threads"
        parser.add_argument("--case", action="append", metavar="NAME", help=f"a case by its name, e.g. {example}; may be given again")
        if verb == "bench":
            parser.add_argument("--pairs", type=int, help="interleaved rounds per case (3)")
            parser.add_argument("--peer-limit", type=float, metavar="S", help="seconds after which a peer is stopped (600)")
    elif verb == "gui":
        parser.add_argument("file", nargs="?", help="project or structure to open")


def run(args: argparse.Namespace, verb: str) -> int:
    return {"plugins": _plugins, "doctor": _doctor, "validate": _validate, "bench": _bench, "gui": _gui}[verb](args)


def _plugins(args: argparse.Namespace) -> int:
    if args.action != "list":
        if not args.name:
            raise SetupError("No plug-in distribution was named.", hint="`qcad plugins` lists them.")
        (registry.allow if args.action == "allow" else registry.forbid)(args.name)
    rows = [
        {
            "kind": plugin.kind,
            "name": plugin.name,
            "package": plugin.package,
            "version": plugin.version,
            "path": plugin.path,
            "summary": plugin.summary,
            "state": plugin.state,
            "error": plugin.error,
        }
        for plugin in registry.plugins()
    ]
    print(
        json.dumps({"plugins": rows}, ensure_ascii=False)
        if args.json
        else "\n".join(f"{row['kind']:<12} {row['name']:<14} {row['package']:<16} {row['state']:<7} {row['summary']}" for row in rows)
    )
    return 0


def _doctor(args: argparse.Namespace) -> int:
    def version(name: str) -> str:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return "missing"

    memory = device.memory("cpu")
    report = {
        "qcad": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": device.cores(),
        "memory_gb": round(memory.total / 1e9, 1),
        "packages": {
            name: version(name)
            for name in ("numpy", "scipy", "torch", "numba", "ase", "h5py", "spglib", "scikit-fem", "PySide6-Essentials", "vtk", "pyvista", "numba-cuda")
        },
        "programs": {name: shutil.which(name) or "" for name in ("ccx", "abinit", "pw.x")},
        "data": str(paths.user_data()),
        "resources": str(paths.resource("recipes").parent),
        "display": os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "",
    }
    try:
        report["device"] = device.describe(device.resolve("auto"))
    except ImportError as error:
        report["device"] = f"torch cannot be imported: {error}"
    if args.json:
        print(json.dumps(report))
        return 0
    for name, value in report.items():
        if isinstance(value, dict):
            for key, item in value.items():
                print(f"{name:<10} {key:<20} {item or 'not found'}")
        else:
            print(f"{name:<10} {value or 'none'}")
    return 0


def _validate(args: argparse.Namespace) -> int:
    from .. import validate

    if args.case and not args.area:
        raise SetupError("--case needs an area.", hint="For example: qcad validate crystals --case \"Si diamond PBE\".")
    def tell(row: validate.Row) -> None:
        verdict = "--" if row.tolerance is None else "ok" if row.passed else "FAIL"
        print(f"{verdict:4}  {row.case}: {row.quantity} {row.difference:+.2e} {row.unit}", file=sys.stderr, flush=True)

    rows = [row for area in ([args.area] if args.area else validate.whole()) for row in validate.run(area, full=args.full, only=args.case, tell=tell)]
    if args.json:
        print(json.dumps({"rows": [row.to_dict() for row in rows]}))
    else:
        print("\n\n".join(filter(None, (validate.summary(rows), validate.table(rows)))))
    return 0 if all(row.passed is not False for row in rows) else 1


def _bench(args: argparse.Namespace) -> int:
    from .. import bench

    areas = [args.area] if args.area else bench.areas()
    rows = [row for area in areas for row in bench.run(area, device=args.device, cases=args.case, pairs=args.pairs, peer_limit=args.peer_limit)]
    print(json.dumps({"rows": [row.to_dict() for row in rows]}) if args.json else bench.table(rows))
    return 0


def _gui(args: argparse.Namespace) -> int:
    if importlib.util.find_spec("PySide6") is None or importlib.util.find_spec("qcad_gui") is None:
        raise MissingError("The window needs PySide6, VTK and pyvista, which are not installed.", hint='pip install "qcad-workbench[gui]"')
    environment = dict(os.environ)
    if root := paths.python_path():
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH", "")]))
    argv = [sys.executable, "-P", "-m", "qcad_gui.app", *([str(Path(args.file).resolve())] if args.file else [])]
    return subprocess.call(argv, env=environment)
