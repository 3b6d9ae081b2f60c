"""``qcad train TRAIN.extxyz --test TEST.extxyz -o MODEL``: fit a force field."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .. import tasks
from ..core.errors import SetupError
from ..core.job import JobSpec
from . import flags, running


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    parser.add_argument("train", metavar="TRAIN", help="labelled frames (extxyz with energy, forces, stress) or a job id")
    parser.add_argument("--test", metavar="TEST", help="held-out frames (default: every tenth block of TRAIN)")
    flags.add_common(parser, output="model file (.qff)")
    parser.set_defaults(own=flags.add_params(parser, tasks.get("train").params_class(), "train", skip=("device",)))


def run(args: argparse.Namespace, verb: str) -> int:
    from ..mlff.data import read_labelled

    if args.output is None:
        raise SetupError("No model file was named.", hint="Add -o MODEL.qff.")
    params = flags.checked(tasks.get("train").params_class(), flags.given(args, args.own))
    inputs = {"train": read_labelled(Path(args.train)), "test": read_labelled(Path(args.test)) if args.test else []}
    job, result = running.run_job(JobSpec("train", params, inputs, f"train {Path(args.train).stem}", args.device, args.threads), args.project)
    args.output.write_bytes(result.files["model.qff"])
    value = {name: float(array) for name, array in result.values.items() if array.ndim == 0}
    report = {
        "test": {
            "energy_mae_mev_per_atom": value["energy_mae"] * 1e3,
            "energy_rmse_mev_per_atom": value["energy_rmse"] * 1e3,
            "force_mae_ev_per_angstrom": value["force_mae"],
            "force_rmse_ev_per_angstrom": value["force_rmse"],
            "stress_mae_gpa": value.get("stress_mae"),
        },
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
        test = report["test"]
        print(
            f"energy  MAE {test['energy_mae_mev_per_atom']:.2f}  RMSE {test['energy_rmse_mev_per_atom']:.2f} meV/atom\n"
            f"forces  MAE {test['force_mae_ev_per_angstrom']:.4f}  RMSE {test['force_rmse_ev_per_angstrom']:.4f} eV/Å\n"
            f"{report['n_parameters']} parameters, {report['wall_s']:.1f} s -> {args.output}"
        )
    return result.exit_code
