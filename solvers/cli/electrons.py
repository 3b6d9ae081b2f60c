"""``qcad bands | dos | … FILE``: tasks of the plane-wave engine that look at the electrons of one structure."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from .. import tasks
from ..core.errors import SetupError
from ..core.job import JobSpec, Result
from ..core.sealed import write_file
from . import flags, running

#: verb -> suffixes that --output may have, and what is written then
_OUTPUT = {
    "bands": {".png": "picture", ".csv": "table of the bands"},
    "dos": {".png": "picture", ".csv": "table of the densities of states"},
    "hubbard": {".csv": "table of the sites"},
    "workfunction": {".png": "picture", ".csv": "profile of the potential", ".cube": "potential in space"},
    "stm": {".png": "picture", ".csv": "table of the image", ".cube": "density of the states in the window"},
    "field": {".cube": "field in space"},
    "charges": {".csv": "table of the atoms"},
    "converge": {".png": "picture", ".csv": "table of the calculations", ".json": "proposed keywords of DFT(...)"},
}
#: what the JSON object of a verb holds besides the common keys
_KEYS = {
    "bands": ("energy", "fermi_energy", "band_gap", "direct_gap", "band_edges", "band_edge_kpoints", "kpath", "distance", "labels", "eigenvalues", "mass_edges",
              "inverse_mass", "inverse_mass_error", "touching_edges", "inverse_mass_along", "inverse_mass_along_error", "mass_directions",
              "projections", "band_projections"),
    "dos": ("energy", "fermi_energy", "dos_fermi_energy", "dos_at_fermi", "energies", "dos", "integrated_dos", "projections", "projected", "d_band_atoms",
            "d_band_centre", "d_band_width", "d_band_share", "spilling"),
    "workfunction": ("energy", "fermi_energy", "work_functions", "vacuum_levels", "ionisation_energies", "vacuum_slopes", "slab_dipole", "profile_positions",
                     "potential_profile", "potential_smoothed"),
    "stm": ("energy", "fermi_energy", "stm_image", "stm_cell", "stm_current"),
    "field": ("energy", "fermi_energy", "field_range", "field_integral"),
    "charges": ("energy", "hirshfeld_charges", "hirshfeld_moments", "lowdin_charges", "lowdin_moments", "magmom", "dipole_moment", "spilling"),
    "converge": ("cutoff", "proposed_mesh", "proposed_errors", "proposed_seconds", "ladder_stages", "ladder_cutoffs", "ladder_meshes", "ladder_widths",
                 "ladder_energies", "ladder_pressures", "ladder_seconds", "smearing_energies"),
    "hubbard": ("hubbard_u", "hubbard_u_error", "hubbard_sites", "response_bare", "response_screened", "response_asymmetry"),
}
_SETTINGS = {"bands": ("gap_kind", "path", "n_bands"), "dos": ("method", "dos_kpts", "complete_below"),
             "hubbard": ("sites", "hubbard_projection", "supercell", "potentials"), "workfunction": ("axis", "vacuum"),
             "stm": ("bias", "mode", "height", "side", "axis", "image_unit"), "field": ("kind",), "charges": ("finite_axes",),
             "converge": ("proposed", "goals")}


def add(parser: argparse.ArgumentParser, verb: str, rest: list[str]) -> None:
    parser.add_argument("file", metavar="FILE", help="structure: cif, POSCAR, extxyz, xyz, traj, cube, json")
    flags.add_common(parser, output="write " + ", ".join(f"a {text} ({suffix})" for suffix, text in _OUTPUT[verb].items()))
    parser.set_defaults(own=flags.add_params(parser, tasks.get(verb).params_class(), verb, skip=("device",)))


def run(args: argparse.Namespace, verb: str) -> int:
    from ..core.bridge import read_structure

    flags.check_place(args.output)
    if args.output and args.output.suffix.lower() not in _OUTPUT[verb]:
        raise SetupError(
            f"--output {args.output} has the type {args.output.suffix or '(none)'!r}.",
            hint="Allowed: " + ", ".join(f"{suffix} ({text})" for suffix, text in _OUTPUT[verb].items()) + ".",
        )
    params = flags.checked(tasks.get(verb).params_class(), flags.given(args, args.own))
    structure = read_structure(Path(args.file))
    job, result = running.run_job(JobSpec(verb, params, {"structure": structure}, f"{structure.formula} {verb}", args.device, args.threads), args.project)
    if args.output:
        write(verb, result, args.output)
        flags.say(f"wrote {args.output}")
    report = summary(verb, result) | {"wall_s": running.wall_seconds(job), "job": job.id}
    if args.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        from . import electron_words

        print("\n".join([*electron_words.words(verb, result),
                         f"job {job.id}: {'converged' if result.converged else 'NOT CONVERGED'}, {report['wall_s']:.1f} s on {report['device']}"]))
    for warning in result.warnings:
        flags.say(f"warning: {warning}")
    if result.refused:
        flags.say(f"refused: {result.refused}")
    return result.exit_code


def summary(verb: str, result: Result) -> dict[str, Any]:
    """The JSON object of a verb."""
    report: dict[str, Any] = {key: result.values[key].tolist() for key in _KEYS[verb] if key in result.values}
    report |= {key: result.settings[key] for key in _SETTINGS[verb] if key in result.settings}
    if "labels" in report:
        report["labels"] = [[int(index), name] for index, name in report["labels"]]
    return report | {"converged": bool(result.converged), "refused": result.refused, "warnings": list(result.warnings),
                     "device": result.settings.get("device", "cpu")}


def write(verb: str, result: Result, path: Path) -> None:
    """Write `result` as what the suffix of `path` asks for."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        from . import pictures

        getattr(pictures, verb)(result, path)
    elif suffix == ".cube":
        from ..io.cube import write_cube

        field = next(iter(result.fields.values()))
        for component, place in _components(field, path):
            write_cube(place, result.structure, field, component=component)
    elif suffix == ".json":
        write_file(path, (json.dumps(result.settings["proposed"], indent=1, ensure_ascii=False) + "\n").encode())
    elif suffix == ".csv":
        from ..io.csv import write_table

        columns, units = _TABLES[verb](result)
        names = list(columns)
        write_table(path, names, [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)], units)


def _components(field, path: Path) -> list[tuple[str, Path]]:
    """What is written where: one file, or one for each spin of a field whose spins cannot be added."""
    if len(field.values) == 1 or field.unit != "1":
        return [("total", path)]
    return [(spin, path.with_name(f"{path.stem}-{spin}{path.suffix}")) for spin in ("up", "down")]


def _bands_table(result: Result) -> tuple[dict[str, Any], dict[str, str]]:
    values = result.values
    names = dict((int(index), name) for index, name in values["labels"])
    columns: dict[str, Any] = {"distance": values["distance"], **{f"k{i + 1}": values["kpath"][:, i] for i in range(3)}}
    columns["point"] = [names.get(i, "") for i in range(len(values["distance"]))]
    spins = values["eigenvalues"]
    bands = {f"band {b + 1}{_spin(s, len(spins))}": spins[s, :, b] for s in range(len(spins)) for b in range(spins.shape[2])}
    return columns | bands, {"distance": "1/Å", **dict.fromkeys(bands, "eV")}


def _dos_table(result: Result) -> tuple[dict[str, Any], dict[str, str]]:
    values = result.values
    n = len(values["dos"])
    columns: dict[str, Any] = {"energy": values["energies"], "energy from E_F": values["energies"] - values["dos_fermi_energy"]}
    states = {f"total{_spin(s, n)}": values["dos"][s] for s in range(n)}
    states |= {f"{name}{_spin(s, n)}": values["projected"][p, s] for p, name in enumerate(values.get("projections", ())) for s in range(n)}
    counts = {f"integrated{_spin(s, n)}": values["integrated_dos"][s] for s in range(n)}
    return columns | states | counts, {"energy": "eV", "energy from E_F": "eV", **dict.fromkeys(states, "states/eV")}


def _hubbard_table(result: Result) -> tuple[dict[str, Any], dict[str, str]]:
    values = result.values
    columns = {"atom": values["hubbard_sites"], "shell": [name.split()[0] for name in result.settings["sites"]], "U": values["hubbard_u"],
               "standard error": values["hubbard_u_error"]}
    return columns, {"U": "eV", "standard error": "eV"}


def _spin(spin: int, n: int) -> str:
    return "" if n == 1 else (" up", " down")[spin]


def _workfunction_table(result: Result) -> tuple[dict[str, Any], dict[str, str]]:
    values = result.values
    columns = {"position": values["profile_positions"], "potential": values["potential_profile"], "smoothed": values["potential_smoothed"]}
    return columns, {"position": "Å", "potential": "eV", "smoothed": "eV"}


def _stm_table(result: Result) -> tuple[dict[str, Any], dict[str, str]]:
    image = result.values["stm_image"]
    i, j = (index.ravel() for index in np.indices(image.shape))
    places = (i / image.shape[0])[:, None] * result.values["stm_cell"][0] + (j / image.shape[1])[:, None] * result.values["stm_cell"][1]
    unit = "e/Å³" if result.settings["mode"] == "height" else "Å"
    return {"x": places[:, 0], "y": places[:, 1], "z": places[:, 2], "image": image.ravel()}, {"x": "Å", "y": "Å", "z": "Å", "image": unit}


def _charges_table(result: Result) -> tuple[dict[str, Any], dict[str, str]]:
    values = result.values
    columns: dict[str, Any] = {"atom": np.arange(len(result.structure)), "element": result.structure.symbols}
    units = {}
    for name, key, unit in (("Hirshfeld charge", "hirshfeld_charges", "e"), ("Löwdin charge", "lowdin_charges", "e"),
                            ("Hirshfeld moment", "hirshfeld_moments", "µ_B"), ("Löwdin moment", "lowdin_moments", "µ_B")):
        if key in values:
            columns[name], units[name] = values[key], unit
    return columns, units


def _converge_table(result: Result) -> tuple[dict[str, Any], dict[str, str]]:
    values = result.values
    columns = {"purpose": values["ladder_stages"], "cutoff": values["ladder_cutoffs"], "mesh": ["x".join(map(str, mesh)) for mesh in values["ladder_meshes"]],
               "smearing": values["ladder_widths"], "energy": values["ladder_energies"], "pressure": values["ladder_pressures"],
               "largest force": np.linalg.norm(values["ladder_forces"], axis=2).max(1), "estimated cost": values["ladder_seconds"]}
    return columns, {"cutoff": "eV", "smearing": "eV", "energy": "eV/atom", "pressure": "GPa", "largest force": "eV/Å", "estimated cost": "s"}


_TABLES = {"bands": _bands_table, "dos": _dos_table, "hubbard": _hubbard_table, "workfunction": _workfunction_table, "stm": _stm_table,
           "charges": _charges_table, "converge": _converge_table}
