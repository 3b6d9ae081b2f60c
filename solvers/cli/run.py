"""``qcad run RECIPE.toml`` and ``qcad demo``, which is a recipe followed by the finite-element check and a picture."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from .. import recipes
from ..core import paths
from ..core.errors import RefusedError
from . import flags, running


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    if verb == "run":
        parser.add_argument("recipe", type=Path, metavar="RECIPE.toml")
        parser.add_argument("--check-only", action="store_true", help="read and check the recipe, run nothing")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="where files go " + ("(default: beside the recipe)" if verb == "run" else "(default: qcad-demo in this folder)"),
    )
    flags.add_common(parser)


def run(args: argparse.Namespace, verb: str) -> int:
    return _demo(args) if verb == "demo" else _recipe(args)


def _recipe(args: argparse.Namespace) -> int:
    steps = recipes.load(args.recipe)
    if args.check_only:
        print(json.dumps({"steps": [step.id for step in steps]}) if args.json else f"{args.recipe}: {len(steps)} steps, nothing wrong")
        return 0
    folder = args.folder or args.recipe.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    done = recipes.run(steps, folder, lambda spec: running.run_job(spec, args.project), flags.say, device=args.device, threads=args.threads)
    report = {
        name: {"job": outcome.job, "files": [str(path) for path in outcome.files], "converged": outcome.result.converged if outcome.result else True}
        for name, outcome in done.items()
    }
    print(
        json.dumps({"steps": report})
        if args.json
        else "\n".join(f"{name:<16} {row['job'] or '-':<40} {' '.join(row['files'])}" for name, row in report.items())
    )
    return 0 if all(row["converged"] for row in report.values()) else 3


def _demo(args: argparse.Namespace) -> int:
    from ..continuum import Material, check_deck
    from ..core.project import Project
    from . import pictures

    started = time.monotonic()
    folder = (args.folder or Path("qcad-demo")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    steps = recipes.load(paths.resource("recipes", "demo.toml"))
    project = args.project or folder / "silicon.qcad"
    if not project.exists():
        Project.create(project).close()
    flags.say(f"Silicon, PBE, from atoms to a finite-element deck; everything is kept in {folder}")
    done = recipes.run(steps, folder, lambda spec: running.run_job(spec, project), flags.say, device=args.device, threads=args.threads)
    material = Material.from_dict(done["stiff"].material)
    material.save(folder / "silicon.json")
    reports = {}
    for name in ("calculix", "abaqus"):
        reports[name] = check_deck(done[name].files[0], material=material)
        flags.say(f"check of {done[name].files[0].name}: {reports[name].text}")
    picture = pictures.young_modulus(material, folder / "silicon-young.png")
    flags.say(f"wrote {picture}")
    with Project.open(project) as opened:
        if not opened.read_only:  # a window that owns it takes the jobs in itself
            opened.import_jobs()
    wall = time.monotonic() - started
    if args.json:
        print(
            json.dumps(
                {
                    "material": material.to_dict(),
                    "checks": {
                        name: {"passed": report.passed, "solver": report.solver, "max_relative_error": report.max_relative_error}
                        for name, report in reports.items()
                    },
                    "files": [str(path) for outcome in done.values() for path in outcome.files] + [str(picture)],
                    "project": str(project),
                    "wall_s": wall,
                }
            )
        )
    else:
        print(material.table())
        print(f'\nproject {project}\nfiles   {folder}\ntime    {wall:.0f} s\nnext    qcad gui "{project}"')
    if not all(report.passed for report in reports.values()):
        raise RefusedError("A finite-element run does not reproduce the deck's own constants.", hint="See the check lines above.")
    return 0
