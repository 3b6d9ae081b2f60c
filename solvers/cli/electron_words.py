"""What the verbs of `electrons.py` say to people."""

from __future__ import annotations

import numpy as np

from ..core.job import Result


def words(verb: str, result: Result) -> list[str]:
    """The result of `verb` in lines."""
    return _WORDS[verb](result)


def _bands(result: Result) -> list[str]:
    v, s = result.values, result.settings
    lines = [f"path                     {s['path']}, {len(v['kpath'])} k-points, {v['eigenvalues'].shape[2]} bands, cell of {len(result.structure)} atoms",
             f"Fermi energy             {float(v['fermi_energy']):.4f} eV"]
    if s["gap_kind"] == "metal":
        return [*lines, "gap                      none: a metal (on this mesh and path)"]
    lines.append(f"gap                      {float(v['band_gap']):.4f} eV, {s['gap_kind']}; smallest direct gap {float(v['direct_gap']):.4f} eV")
    for name, energy, kpoint in zip(("valence", "conduction"), v["band_edges"], v["band_edge_kpoints"], strict=True):
        lines.append(f"{name + ' band edge':<24} {energy:.4f} eV at k = " + " ".join(f"{x:.4f}" for x in kpoint) + " (sampled)")
    for i, name in enumerate(v.get("mass_edges", ())):
        inverse, error = v["inverse_mass"][i], float(np.abs(v["inverse_mass_error"][i]).max())
        lines.append(f"masses, {name + ' edge':<16} " + ", ".join(f"{1 / x:.4f}" if abs(x) > 1e-6 else "flat" for x in np.linalg.eigvalsh(inverse))
                     + f" mₑ at k = {' '.join(f'{x:.4f}' for x in v['mass_kpoints'][i])} (error of 1/m {error:.1e})")
    for name, row in zip(v.get("touching_edges", ()), v.get("inverse_mass_along", ()), strict=True):
        lines.append(f"masses, {name:<16} " + ", ".join(f"{1 / x:.3f}" if abs(x) > 1e-6 else "flat" for x in row) + " mₑ along x, y, z, xy, xyz (bands touch)")
    return lines


def _dos(result: Result) -> list[str]:
    v, s = result.values, result.settings
    lines = [f"mesh                     {'x'.join(map(str, s['dos_kpts']['size']))}, {s['method']}",
             f"Fermi energy             {float(v['dos_fermi_energy']):.4f} eV ({float(v['fermi_energy']):.4f} eV on the self-consistent mesh)",
             "states at E_F            " + ", ".join(f"{x:.4f}" for x in v["dos_at_fermi"]) + " states/eV"]
    if "spilling" in v:
        lines.append(f"outside atomic orbitals  {float(v['spilling']):.2%} of the electrons")
    for i, atom in enumerate(v.get("d_band_atoms", ())):
        lines.append(f"d band of atom {atom:<9} centre " + ", ".join(f"{x:.3f}" for x in v["d_band_centre"][i]) + " eV, width "
                     + ", ".join(f"{x:.3f}" for x in v["d_band_width"][i]) + " eV")
    return lines


def _hubbard(result: Result) -> list[str]:
    v, s = result.values, result.settings
    lines = [f"supercell                {'x'.join(map(str, s['supercell']))}, projection {s['hubbard_projection']}"]
    lines += [f"{'U of ' + name:<24} {U:.3f} ± {error:.3f} eV" for name, U, error in zip(s["sites"], v["hubbard_u"], v["hubbard_u_error"], strict=True)]
    return [*lines, f"asymmetry of response    {float(v['response_asymmetry']):.2%}"]


_WORDS = {"bands": _bands, "dos": _dos, "hubbard": _hubbard}
