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


def _workfunction(result: Result) -> list[str]:
    v, s = result.values, result.settings
    lines = [f"vacuum along {s['axis']:<11} {s['vacuum']:.2f} Å between the outermost atoms", f"Fermi energy             {float(v['fermi_energy']):.4f} eV"]
    for i, side in enumerate(("upper", "lower")):
        lines.append(f"{side + ' face':<24} work function {v['work_functions'][i]:.4f} eV, vacuum level {v['vacuum_levels'][i]:.4f} eV, "
                     f"slope {v['vacuum_slopes'][i]:.1e} eV/Å")
    return [*lines, f"dipole across the slab   {float(v['slab_dipole']):.4f} e·Å"] if "slab_dipole" in v else lines


def _stm(result: Result) -> list[str]:
    v, s = result.values, result.settings
    image = v["stm_image"]
    return [f"bias                     {s['bias']:g} V, {'filled' if s['bias'] < 0 else 'empty'} states, {s['side']} face, tip at {s['height']:g} Å",
            f"image                    {image.shape[0]} × {image.shape[1]} points, {image.min():.4g} to {image.max():.4g} {s['image_unit']}",
            f"mean at that height      {float(v['stm_current']):.4g} e/Å³"]


def _field(result: Result) -> list[str]:
    field = next(iter(result.fields.values()))
    v = result.values
    return [field.name, f"grid                     {' × '.join(map(str, field.shape))}, spin channels: {len(field.values)}",
            f"range                    {v['field_range'][0]:.6g} to {v['field_range'][1]:.6g} {field.unit}, integral {float(v['field_integral']):.6g}"]


def _charges(result: Result) -> list[str]:
    v = result.values
    keys = [(name, key) for name, key in (("Hirshfeld", "hirshfeld_charges"), ("Löwdin", "lowdin_charges"), ("moment H.", "hirshfeld_moments"),
                                          ("moment L.", "lowdin_moments")) if key in v]
    lines = ["atom         " + "".join(f"{name:>12}" for name, _ in keys) + "     (e, µ_B)"]
    lines += [f"{i:<5} {symbol:<7}" + "".join(f"{v[key][i]:12.4f}" for _, key in keys) for i, symbol in enumerate(result.structure.symbols)]
    if "dipole_moment" in v:
        lines.append("dipole moment            " + " ".join(f"{x:.4f}" for x in v["dipole_moment"]) + " e·Å")
    return lines


def _converge(result: Result) -> list[str]:
    v, s = result.values, result.settings
    lines = [f"{'purpose':<10}{'cutoff eV':>10}{'mesh':>10}{'smearing':>10}{'eV/atom':>14}{'GPa':>10}"]
    columns = (v["ladder_stages"], v["ladder_cutoffs"], v["ladder_meshes"], v["ladder_widths"], v["ladder_energies"], v["ladder_pressures"])
    lines += [f"{stage:<10}{cutoff:10.0f}{'x'.join(map(str, mesh)):>10}{width:10.3g}{energy:14.6f}{pressure:10.3f}"
              for stage, cutoff, mesh, width, energy, pressure in zip(*columns, strict=True)]
    energy, force, pressure = v["proposed_errors"]
    return [*lines, "proposed                 " + ", ".join(f"{name} = {value}" for name, value in s["proposed"].items()),
            f"its errors               {energy:.1e} eV/atom, {force:.1e} eV/Å, {pressure:.2g} GPa",
            f"its cost                 about {float(v['proposed_seconds']):.1f} s per calculation (estimate for this machine)"]


_WORDS = {"bands": _bands, "dos": _dos, "hubbard": _hubbard, "workfunction": _workfunction, "stm": _stm, "field": _field, "charges": _charges,
          "converge": _converge}
