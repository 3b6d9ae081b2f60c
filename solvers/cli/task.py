"""``qcad scf | relax | elastic | md FILE …``: one task on one structure."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .. import tasks
from ..core.job import JobSpec, Result
from ..core.sealed import write_file
from . import flags, running, vibrations

_DEFAULT_CALCULATOR = "dft"
_OUTPUT = {
    "scf": "write the density as a cube file",
    "relax": "write the relaxed structure",
    "elastic": "write the material as JSON",
    "md": "write the trajectory as extxyz",
    "dielectric": "write tensors and charges as JSON",
    "phonons": "write a picture (.png), tables (.csv) or phonopy's file (.yaml)",
}
#: what the JSON object of a verb holds besides `converged`, `warnings`, `wall_s`, `device`, `job`
_KEYS = {
    "scf": ("energy", "free_energy", "forces", "stress", "pulay_stress", "fermi_energy", "iterations", "grid", "cutoff"),
    "relax": ("energy", "free_energy", "forces", "stress", "cell", "positions", "volume", "max_force", "max_stress", "iterations"),
    "elastic": ("stiffness", "stiffness_error", "bulk_modulus", "shear_modulus", "young_modulus", "poisson_ratio", "density"),
    "phonons": (
        "phonon_gamma", "lowest_frequency", "zero_point_energy", "debye_temperature", "temperatures", "helmholtz_energy", "internal_energy", "entropy",
        "heat_capacity", "phonon_dos_frequencies", "phonon_dos", "phonon_kpath", "phonon_distance", "phonon_frequencies", "max_force", "born_charges",
        "dielectric_tensor",
    ),
    "dielectric": ("dielectric_tensor", "born_charges", "born_charge_sum", "energy", "free_energy", "iterations", "grid", "cutoff"),
    "md": ("atom_steps_per_s", "energy_drift", "temperature", "total_energy", "iterations"),
}
_RENAMED = {"energy_drift": "energy_drift_ev_per_atom_per_ns"}


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    task = tasks.get(verb)
    parser.add_argument("file", metavar="FILE", help="structure: cif, POSCAR, extxyz, xyz, traj, cube, json")
    flags.add_common(parser, output=_OUTPUT[verb])
    own = flags.add_params(parser, task.params_class(), verb, skip=("device",))
    parser.set_defaults(own=own, of_calculator={})
    if "calculator" in task.inputs:
        text = flags.look_ahead(rest, "--calculator", _DEFAULT_CALCULATOR)
        parser.add_argument(
            "--calculator", default=_DEFAULT_CALCULATOR, metavar="dft|emt|mlff:PATH|plugin:NAME", help="what computes energies and forces (default: dft)"
        )
        name, cls = flags.calculator_class(text)
        if cls is not None:
            taken = frozenset(info.flag for info in flags.describe(task.params_class()))
            parser.set_defaults(
                of_calculator=flags.add_params(
                    parser, cls, f"calculator {name}", skip=("device", "path"), taken=frozenset(flag[2:].replace("-", "_") for flag in taken), prefix=name
                )
            )


def run(args: argparse.Namespace, verb: str) -> int:
    from ..core.bridge import read_structure

    task = tasks.get(verb)
    flags.check_place(args.output)
    if verb == "phonons":
        vibrations.check_output(args.output)
    params = flags.checked(task.params_class(), flags.given(args, args.own))
    inputs: dict[str, Any] = {"structure": read_structure(Path(args.file))}
    if "calculator" in task.inputs:
        inputs["calculator"] = flags.calculator_spec(args.calculator, flags.given(args, args.of_calculator), args.device)
    title = f"{inputs['structure'].formula} {verb}"
    job, result = running.run_job(JobSpec(verb, params, inputs, title, args.device, args.threads), args.project)
    if args.output:
        write_output(verb, job, result, args.output)
    report = summary(verb, result) | {"wall_s": running.wall_seconds(job), "job": job.id}
    print(json.dumps(report, ensure_ascii=False) if args.json else words(verb, report, result))
    for warning in result.warnings:
        flags.say(f"warning: {warning}")
    if result.refused:
        flags.say(f"refused: {result.refused}")
    elif not result.converged:
        flags.say("not converged: the numbers are the last ones reached; see the history in the job")
    return result.exit_code


def summary(verb: str, result: Result) -> dict[str, Any]:
    """The JSON object of a verb."""
    report: dict[str, Any] = {_RENAMED.get(key, key): result.values[key].tolist() for key in _KEYS[verb] if key in result.values}
    if verb == "phonons":
        report |= {key: result.settings[key] for key in ("stable", "labels", "breaks", "checks", "supercell")}
    if verb == "elastic" and result.material is not None:
        report["material"] = dict(result.material)
    report |= {
        "converged": bool(result.converged),
        "refused": result.refused,
        "warnings": list(result.warnings),
        "device": result.settings.get("device", "cpu"),
    }
    return report


def write_output(verb: str, job, result: Result, path: Path) -> None:
    """Write what the verb is for: density cube, relaxed structure, material, force field, trajectory."""
    if verb == "scf":
        from ..io.cube import write_cube

        write_cube(path, result.structure, result.fields["density"])
    elif verb == "relax":
        from ..io.structures import write_structure

        write_structure(result.structure, path)
    elif verb == "elastic":
        from ..continuum import Material

        if result.material is None:
            flags.say(f"nothing written to {path}: the run gave no material")
            return
        Material.from_dict(result.material).save(path)
    elif verb == "phonons":
        for file in vibrations.write(result, path):
            flags.say(f"wrote {file}")
        return
    elif verb == "dielectric":
        write_file(path, json.dumps(summary(verb, result), ensure_ascii=False, indent=1).encode())
    elif verb == "train":
        write_file(path, result.files["model.qff"])
    else:
        from ..io.structures import write_frames

        write_frames(job.trajectory(), path)
    flags.say(f"wrote {path}")


def words(verb: str, report: dict[str, Any], result: Result) -> str:
    """The result for people."""
    from ..core import units

    lines = []
    if verb in ("scf", "relax"):
        lines.append(f"energy (zero smearing)   {report['energy']:.8f} eV      free energy {report['free_energy']:.8f} eV")
        if "stress" in report:
            pressure = -sum(report["stress"][:3]) / 3 * units.EV_PER_ANGSTROM3_GPA
            lines.append(f"pressure                 {pressure:.4f} GPa")
        if "pulay_stress" in report:
            lines.append(
                f"Pulay stress estimate    {report['pulay_stress'] * units.EV_PER_ANGSTROM3_GPA:.4f} GPa (missing plane waves, not in the numbers above)"
            )
        if "forces" in report:
            lines.append("largest force            {:.6f} eV/Å".format(max((sum(c * c for c in row) ** 0.5 for row in report["forces"]), default=0.0)))
        for key in ("grid", "cutoff", "iterations"):
            if key in report:
                lines.append(f"{key:<24} {report[key]}" + (" eV" if key == "cutoff" else ""))
    elif verb == "elastic":
        from ..continuum import Material

        lines.append(Material.from_dict(result.material).table() if result.material else "no material")
    elif verb == "phonons":
        lines += vibrations.words(result)
    elif verb == "dielectric":
        lines += vibrations.field_words(result)
    else:
        lines += [f"{key:<32} {value:.6g}" for key, value in report.items() if isinstance(value, float)]
    lines.append(f"job {report['job']}: {'converged' if report['converged'] else 'NOT CONVERGED'}, {report['wall_s']:.1f} s on {report['device']}")
    return "\n".join(lines)
