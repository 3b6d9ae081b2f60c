"""``qcad train TRAIN.extxyz --test TEST.extxyz -o MODEL``: fit a force field."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .. import tasks
from ..core.errors import SetupError
from ..core.job import JobSpec
from ..core.sealed import write_file
from . import flags, running

#: name in the JSON object -> (property, factor)
_ERRORS = {
    "energy_mae_mev_per_atom": ("energy_mae", 1e3),
    "energy_rmse_mev_per_atom": ("energy_rmse", 1e3),
    "force_mae_ev_per_angstrom": ("force_mae", 1.0),
    "force_rmse_ev_per_angstrom": ("force_rmse", 1.0),
    "stress_mae_gpa": ("stress_mae", 1.0),
}


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    parser.add_argument("train", metavar="TRAIN", help="labelled frames: extxyz or traj with energy, forces and stress")
    parser.add_argument("--test", metavar="TEST", help="held-out frames (default: every tenth block of TRAIN)")
    flags.add_common(parser, output="model file (.qff)")
    parser.set_defaults(own=flags.add_params(parser, tasks.get("train").params_class(), "train", skip=("device",)))


def run(args: argparse.Namespace, verb: str) -> int:
    from ..mlff.data import hold_out, read_labelled

    if args.output is None:
        raise SetupError("No model file was named.", hint="Add -o MODEL.qff.")
    flags.check_place(args.output)
    params = flags.checked(tasks.get("train").params_class(), flags.given(args, args.own))
    frames = read_labelled(Path(args.train))
    train, test = (frames, read_labelled(Path(args.test))) if args.test else hold_out(frames)
    inputs = {"train": train, "test": test}
    job, result = running.run_job(JobSpec("train", params, inputs, f"train {Path(args.train).stem}", args.device, args.threads), args.project)
    write_file(args.output, result.files["model.qff"])
    for warning in result.warnings:
        flags.say(f"warning: {warning}")
    value = {name: float(array) for name, array in result.values.items() if array.ndim == 0}
    errors = {key: value[name] * factor if name in value else None for key, (name, factor) in _ERRORS.items()}
    report = {
        "test": errors,
        "n_parameters": int(value["n_parameters"]),
        "wall_s": running.wall_seconds(job),
        "converged": result.converged,
        "model": str(args.output),
        "job": job.id,
        "warnings": list(result.warnings),
    }
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        print("\n".join(f"{key:<28} {'unknown' if number is None else format(number, '.4g')}" for key, number in errors.items()))
        print(f"{len(train)} frames trained on, {len(test)} held out; {report['n_parameters']} parameters, {report['wall_s']:.1f} s -> {args.output}")
    return result.exit_code
