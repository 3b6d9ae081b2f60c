"""``qcad …``: every verb is a thin call of the public API; flags are generated from params.

Exit codes: 0 done · 1 failed · 2 wrong use · 3 finished but not converged, or refused by a quality gate · 130 Ctrl-C after a checkpoint.
With ``--json`` stdout holds exactly one JSON object; progress and messages go to stderr.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys

from .. import __version__
from ..core.errors import QcadError

#: verb -> (module below solvers.cli, one line); each module has `add(parser)` and `run(namespace) -> exit code`
VERBS: dict[str, tuple[str, str]] = {
    "build": ("build", "make or change a structure"),
    "scf": ("task", "plane-wave DFT: energy, forces, stress"),
    "bands": ("electrons", "band structure along a path, gaps, effective masses"),
    "dos": ("electrons", "density of states, projected on atoms and shells"),
    "hubbard": ("electrons", "Hubbard U of d and f shells from linear response"),
    "workfunction": ("electrons", "work function and potential across a slab"),
    "stm": ("electrons", "scanning tunnelling image of a slab"),
    "field": ("electrons", "density, localisation, potential, bands or differences in space"),
    "charges": ("electrons", "charges and moments of atoms, dipole moment"),
    "converge": ("electrons", "cutoff, k-mesh and smearing a crystal needs"),
    "relax": ("task", "relax atoms and cell"),
    "elastic": ("task", "elastic constants with error bars"),
    "phonons": ("task", "lattice vibrations: bands, density of states, thermal properties"),
    "dielectric": ("task", "dielectric tensor and Born charges of an insulator"),
    "md": ("task", "molecular dynamics"),
    "train": ("train", "fit a force field"),
    "material": ("material", "new, show, average, rotate, check"),
    "export": ("export", "write a finite-element deck"),
    "run": ("run", "run a recipe"),
    "demo": ("run", "silicon from atoms to a checked deck"),
    "jobs": ("jobs", "list, show, watch, cancel, resume jobs"),
    "project": ("project", "projects: new, list, table, pack, unpack, compact"),
    "plugins": ("admin", "list, allow, forbid plug-ins"),
    "pseudos": ("pseudos", "potentials: list, add, remove, verify, fetch"),
    "doctor": ("admin", "what works on this machine"),
    "validate": ("admin", "compare with laws and peer codes"),
    "bench": ("admin", "time against a peer"),
    "gui": ("admin", "open the window"),
}


def parser_for(verb: str, rest: list[str]) -> tuple[argparse.ArgumentParser, object]:
    """The parser of one verb and its module; `rest` lets a verb look ahead (``--calculator``) before it adds flags."""
    module = importlib.import_module(f".{VERBS[verb][0]}", __name__)
    parser = argparse.ArgumentParser(prog=f"qcad {verb}", description=VERBS[verb][1][0].upper() + VERBS[verb][1][1:] + ".", allow_abbrev=False)
    module.add(parser, verb, rest)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else there")
    return parser, module


def overview() -> str:
    """The text of ``qcad --help``."""
    lines = ["usage: qcad VERB …", "", "Q-CAD designs a material from its atoms and hands it to finite-element programs.", ""]
    lines += [f"  {verb:<12} {text}" for verb, (_, text) in VERBS.items()]
    return "\n".join([*lines, "", "`qcad VERB --help` explains one verb. First steps: `qcad demo`, or `qcad gui` for the window."])


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if argv else 2
    if argv[0] in ("--version", "version"):
        print(f"qcad {__version__}")
        return 0
    verb, rest = argv[0], argv[1:]
    if verb not in VERBS:
        import difflib

        near = difflib.get_close_matches(verb, VERBS, 1)
        print(f"qcad: there is no verb {verb!r}. " + (f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(VERBS)}."), file=sys.stderr)
        return 2
    as_json = "--json" in rest
    try:
        parser, module = parser_for(verb, rest)
        return module.run(parser.parse_args(rest), verb)
    except QcadError as error:
        return _report(error.message, error.hint, type(error).__name__, error.exit_code, as_json)
    except KeyboardInterrupt:
        return _report("Interrupted.", "Jobs that were started go on; see `qcad jobs`.", "Cancelled", 130, as_json)
    except MemoryError:
        return _report("Memory ran out in the command itself.", "Close other programs or take a smaller input.", "OutOfMemoryError", 1, as_json)
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _report(message: str, hint: str, kind: str, code: int, as_json: bool) -> int:
    print(f"qcad: {message}" + (f"\n      {hint}" if hint else ""), file=sys.stderr)
    if as_json:
        print(json.dumps({"error": {"kind": kind, "message": message, "hint": hint, "exit_code": code}}, ensure_ascii=False))
    return code
