"""Phonon results as tables for other programs."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.units import AVOGADRO, ELEMENTARY_CHARGE
from ..io.csv import table_text

#: eV per cell in J per mole of cells
_MOLAR = ELEMENTARY_CHARGE * AVOGADRO


def thermal_table(values: Mapping[str, Any]) -> str:
    """CSV of temperature, Helmholtz energy, internal energy, entropy and heat capacity, per primitive cell (eV) and per mole of primitive cells (J)."""
    columns = ("temperature", "helmholtz_energy", "internal_energy", "entropy", "heat_capacity")
    units = {"temperature": "K", "helmholtz_energy": "eV", "internal_energy": "eV", "entropy": "eV/K", "heat_capacity": "eV/K",
             "entropy_molar": "J/(mol K)", "heat_capacity_molar": "J/(mol K)", "specific_heat": "J/(kg K)"}
    arrays = [np.asarray(values[name]) for name in ("temperatures", *columns[1:])]
    rows = [dict(zip(columns, map(float, row), strict=True)) for row in zip(*arrays, strict=True)]
    rows = [row | {"entropy_molar": row["entropy"] * _MOLAR, "heat_capacity_molar": row["heat_capacity"] * _MOLAR} for row in rows]
    for row, value in zip(rows, values["specific_heat"], strict=True):
        row["specific_heat"] = float(value)
    return table_text([*columns, "entropy_molar", "heat_capacity_molar", "specific_heat"], rows, units)


def bands_table(values: Mapping[str, Any]) -> str:
    """CSV of the band structure: length along the path (1/Å), q in fractions, one column per branch (THz, imaginary negative)."""
    frequencies = np.asarray(values["phonon_frequencies"])
    branches = [f"branch_{i + 1}" for i in range(frequencies.shape[1])]
    columns = ["distance", "q1", "q2", "q3", *branches]
    data = np.column_stack([values["phonon_distance"], values["phonon_kpath"], frequencies])
    return table_text(columns, (dict(zip(columns, map(float, row), strict=True)) for row in data), {"distance": "1/Å"} | dict.fromkeys(branches, "THz"))


def dos_table(values: Mapping[str, Any]) -> str:
    """CSV of the density of states per primitive cell."""
    rows = zip(values["phonon_dos_frequencies"], values["phonon_dos"], strict=True)
    return table_text(["frequency", "dos"], ({"frequency": float(f), "dos": float(g)} for f, g in rows), {"frequency": "THz", "dos": "1/THz"})
