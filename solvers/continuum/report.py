"""A `Material` in words: the table people read, and the statements that stand in every deck's header."""
from __future__ import annotations

import numpy as np

from ..core.errors import QcadError
from ..core.units import GPA_PASCAL
from .material import Material
from .tensor import NAMES_21, UPPER, mandel_eigenvalues

#: what the error budget of a computed tensor knows; a source that is absent is written as unknown
SOURCES = ("fit", "amplitude", "cutoff", "k-mesh")
_MODEL = "model_error"


def constants(material: Material, index: int = 0, threshold: float = 1e-6) -> list[tuple[str, float, float | None]]:
    """(name, value, 95 % half width or None) in GPa of the constants above `threshold` of the largest, at one temperature."""
    c = material.stiffness[index] / GPA_PASCAL
    error = material.error()
    if error is not None:
        error = (error if error.ndim == 2 else error[index]) / GPA_PASCAL
    return [(name, float(c[i, j]), None if error is None else float(error[i, j]))
            for name, i, j in zip(NAMES_21, *UPPER, strict=True) if abs(c[i, j]) > threshold * np.abs(c).max()]


def uncertainty_words(material: Material) -> list[str]:
    """Sentences on the error bars: total, each source, what is unknown, and the model error that is not included."""
    model = material.provenance.get(_MODEL)
    tail = f"model error not included: {model}" if model else "model error: unknown, not included"
    if not material.covariance:
        return ["uncertainty: unknown", tail]
    names = [*[name for name in SOURCES if name in material.covariance], *[name for name in material.covariance if name not in SOURCES]]
    parts = [f"{name} {_largest(material, name):.3g} GPa" for name in names]
    computed = material.provenance.get("method", "") != "typed in"
    parts += [f"{name} unknown" for name in SOURCES if name not in material.covariance and computed and name in material.provenance.get("error_sources",
                                                                                                                                        SOURCES)]
    return [f"uncertainty: 95 %, sources in quadrature; largest half width {_largest(material):.3g} GPa", "largest by source: " + ", ".join(parts), tail]


def _largest(material: Material, source: str | None = None) -> float:
    return float(np.max(material.error(source))) / GPA_PASCAL


def frame_words(material: Material) -> list[str]:
    """Which crystal directions the axes of the tensor are."""
    if material.lattice is None:
        turned = np.abs(material.R_lattice_to_frame - np.eye(3)).max() > 1e-12
        rows = "; ".join(f"{axis} = ({', '.join(f'{v:.6f}' for v in row)})" for axis, row in zip("xyz", material.R_lattice_to_frame, strict=True))
        return [f"axes in the frame of the constants as given: {rows}" if turned else "axes: frame of the constants as given; no lattice known"]
    inverse = np.linalg.inv(material.axes)  # unit axes of the frame in lattice coordinates
    words = []
    for axis, row in zip("xyz", inverse, strict=True):
        scaled = row / np.abs(row).max()
        words.append(f"{axis} || {_miller(scaled)}")
    lattice = "; ".join("(" + ", ".join(f"{value:.6f}" for value in vector) + ")" for vector in material.axes / np.linalg.norm(material.axes[0]))
    return ["axes along lattice directions: " + ", ".join(words), f"lattice vectors in these axes, in units of the first: {lattice}"]


def _miller(direction: np.ndarray) -> str:
    """Smallest whole-number direction within 1e-4, decimals otherwise."""
    for factor in range(1, 13):
        whole = np.round(direction * factor)
        if np.abs(whole - direction * factor).max() < 1e-4 * factor:
            return "[" + " ".join(f"{int(value)}" for value in whole) + "]"
    return "[" + " ".join(f"{value:.4f}" for value in direction) + "]"


def provenance_words(material: Material) -> list[str]:
    """Method, functional, potentials, conditions, run ids: one statement per line, "unknown" where nothing is known."""
    p = material.provenance
    lines = [f"method: {p.get('method') or 'unknown'}", f"conditions: {p.get('conditions') or 'unknown'}"]
    if p.get("functional"):
        lines.append(f"functional: {p['functional']}")
    for key in ("calculator", "settings", "source", "program"):
        if p.get(key):
            lines.append(f"{key}: {_flat(p[key])}")
    for name, digest in dict(p.get("potentials") or {}).items():
        lines.append(f"potential: {name} sha256 {digest}")
    runs = p.get("run_ids") or []
    lines.append(f"runs: {', '.join(map(str, runs)) if runs else 'none recorded'}")
    return lines


def _flat(value, inner: bool = False) -> str:
    """Settings on one line: ``xc=PBE, kpts=6x6x6``; a k-mesh in its text form, other nested tables in brackets."""
    if isinstance(value, dict) and set(value) == {"size", "shift"}:
        return _flat(value["size"]) + ("+" + ",".join(f"{part:g}" for part in value["shift"]) if any(value["shift"]) else "")
    if isinstance(value, dict):
        text = ", ".join(f"{key}={_flat(item, True)}" for key, item in value.items() if item is not None)
        return f"({text})" if inner and len(value) > 1 else text
    if isinstance(value, (list, tuple)):
        return "x".join(map(_flat, value)) if all(isinstance(item, (int, float)) for item in value) else ", ".join(map(_flat, value))
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def range_words(material: Material) -> str:
    """The temperatures the numbers are meant for."""
    if material.temperatures is not None and len(material.temperatures) > 1:
        return f"temperature range: {material.temperatures[0]:g} to {material.temperatures[-1]:g} K, {len(material.temperatures)} rows; constant outside"
    if material.validity is not None:
        low, high = material.validity
        return f"temperature range: {low:g} K only" if low == high else f"temperature range: {low:g} to {high:g} K"
    return "temperature range: unknown"


def table(material: Material) -> str:
    """Constants with error bars, averages, anisotropy, extremes, Debye temperature, frame and provenance."""
    lines = [f"{material.name}   {material.label}"]
    temperatures = material.temperatures if material.temperatures is not None else [None]
    for index, temperature in enumerate(temperatures):
        if temperature is not None:
            lines.append(f"T = {temperature:g} K")
        for name, value, error in constants(material, index):
            lines.append(f"  {name}  {value:12.4f} GPa" + ("" if error is None else f"  ± {error:.4f}"))
    density = "unknown" if material.density is None else ", ".join(f"{value:.2f}" for value in np.ravel(material.density))
    lines.append(f"density  {density} kg/m³")
    if material.specific_heat is not None:
        heat = material.specific_heat
        room = f"{heat.at(300.0):.2f} J/(kg K) at 300 K; " if heat.temperatures[0] <= 300.0 <= heat.temperatures[-1] else ""
        lines.append(f"specific heat  {room}{heat.words.removeprefix('specific heat: ')}")
    if len(material.stiffness) == 1:
        lines += _derived(material)
    lines += _measured(material)
    return "\n".join(lines + uncertainty_words(material) + [range_words(material)] + frame_words(material) + provenance_words(material))


def _measured(material: Material) -> list[str]:
    """What a computed tensor says beside itself: clamped-ion constants (in the frame they were computed in) and the stress of the unstrained crystal."""
    p, lines = material.provenance, []
    if p.get("clamped_stiffness_pa") and np.abs(material.R_lattice_to_frame - np.eye(3)).max() < 1e-12:
        clamped = Material(p["clamped_stiffness_pa"])
        lines.append("clamped ions  " + "  ".join(f"{name} {value:.4f}" for name, value, _ in constants(clamped, threshold=1e-4)) + " GPa")
    if p.get("zero_strain_stress_gpa"):
        lines.append(f"stress of the unstrained crystal  {' '.join(f'{value:.4f}' for value in p['zero_strain_stress_gpa'])} GPa (xx yy zz yz xz xy)")
    return lines


def _derived(material: Material) -> list[str]:
    lines = [f"Mandel eigenvalues  {'  '.join(f'{value / GPA_PASCAL:.3f}' for value in mandel_eigenvalues(material.stiffness_voigt))} GPa"
             f"  ({'stable' if material.stable else 'UNSTABLE'}, Born)"]
    try:
        a, extremes = material.averages(), material.extremes()
    except QcadError as error:
        return [*lines, f"averages: {error}"]
    lines.append(a.table())
    gpa = {name: extreme.value / GPA_PASCAL for name, extreme in extremes.items()}
    lines.append(f"E  {gpa['young_min']:.3f} to {gpa['young_max']:.3f} GPa   G  {gpa['shear_min']:.3f} to {gpa['shear_max']:.3f} GPa   "
                 f"nu  {extremes['poisson_min'].value:.4f} to {extremes['poisson_max'].value:.4f}  over all directions")
    if material.density is not None and material.atoms_per_volume is not None:
        lines.append(f"elastic Debye temperature  {material.debye_temperature():.1f} K")
    return lines
