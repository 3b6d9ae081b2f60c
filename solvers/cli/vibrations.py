"""What ``qcad phonons`` and ``qcad dielectric`` write and say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import SetupError
from ..core.job import Result
from ..core.sealed import write_file

SUFFIXES = (".png", ".csv", ".yaml")


def check_output(path: Path | None) -> None:
    """Refuse a file type before anything ran."""
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise SetupError(f"--output {path} has the type {path.suffix or '(none)'!r}.", hint="Allowed: .png (picture), .csv (tables), .yaml (phonopy's file).")


def write(result: Result, path: Path) -> list[Path]:
    """Write `result` as the picture, the tables or phonopy's file that the suffix of `path` asks for; returns the files."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        from . import pictures

        return [pictures.phonons(result, path)]
    if suffix == ".yaml":
        write_file(path, result.files["phonopy.yaml"])
        return [path]
    from ..phonons import tables

    files = [path, path.with_name(f"{path.stem}-bands.csv"), path.with_name(f"{path.stem}-dos.csv")]
    for file, make in zip(files, (tables.thermal_table, tables.bands_table, tables.dos_table), strict=True):
        write_file(file, make(result.values).encode())
    return files


def words(result: Result) -> list[str]:
    """The result for people."""
    from ..core.units import BOLTZMANN_EV, THZ_INVERSE_CM, THZ_MEV

    v, s = result.values, result.settings
    lines = [
        f"supercell                {s['n_supercell_atoms']} atoms, {s['n_displacements']} displacements",
        f"verdict                  {'dynamically stable' if s['stable'] else 'UNSTABLE'}; lowest frequency {float(v['lowest_frequency']):.4f} THz",
        f"zero-point energy        {float(v['zero_point_energy']):.6f} eV per primitive cell of {len(v['primitive_numbers'])} atoms",
        f"Debye temperature        {float(v['debye_temperature']):.1f} K",
        "at Γ       THz       meV      1/cm",
    ]
    lines += [f"{'':>6} {f:9.4f} {f * THZ_MEV:9.4f} {f * THZ_INVERSE_CM:9.3f}" for f in map(float, v["phonon_gamma"])]
    room = int(abs(v["temperatures"] - 300.0).argmin())
    atoms = 3.0 * len(v["primitive_numbers"]) * BOLTZMANN_EV
    lines.append(f"heat capacity at {float(v['temperatures'][room]):g} K: {float(v['heat_capacity'][room]) / atoms:.4f} × 3 k_B per atom")
    checks: dict[str, Any] = s["checks"]
    if checks.get("check_displacement") is not None:
        lines.append(f"check by a random displacement: forces within {checks['check_displacement']:.2%} of the harmonic ones")
    return lines


def field_words(result: Result) -> list[str]:
    """The response to a field for people."""
    if "dielectric_tensor" not in result.values:
        return ["no dielectric tensor"]
    lines = ["dielectric tensor (electrons only)"]
    lines += ["   " + " ".join(f"{float(x):10.5f}" for x in row) for row in result.values["dielectric_tensor"]]
    lines.append("Born charges (e), rows: field along x, y, z")
    for symbol, charges in zip(result.structure.symbols, result.values["born_charges"], strict=True):
        lines += [f"{symbol if i == 0 else '':<3}" + " ".join(f"{float(x):10.5f}" for x in row) for i, row in enumerate(charges)]
    lines.append(f"their sum before it was removed: up to {abs(result.values['born_charge_sum']).max():.4f} e")
    return lines
