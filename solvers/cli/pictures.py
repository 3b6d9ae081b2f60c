"""The only pictures drawn with matplotlib: what the shell hands out as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def young_modulus(material, path: Path) -> Path:
    """Write E(n) of `material` as a PNG: the surface in space and its cuts through the three coordinate planes. Returns `path`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    theta, phi = np.meshgrid(np.linspace(0, np.pi, 91), np.linspace(0, 2 * np.pi, 181), indexing="ij")
    directions = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)
    modulus = material.young_modulus(directions.reshape(-1, 3)).reshape(theta.shape) / 1e9
    figure = plt.figure(figsize=(11, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot(1, 2, 1, projection="3d")
    shade = plt.get_cmap("viridis")((modulus - modulus.min()) / max(float(np.ptp(modulus)), 1e-9))
    surface = directions * modulus[..., None]
    axes.plot_surface(*np.moveaxis(surface, -1, 0), facecolors=shade, rstride=1, cstride=1, linewidth=0, antialiased=False, shade=False)
    axes.set_box_aspect((1, 1, 1))
    axes.set(xlabel="x (GPa)", ylabel="y (GPa)", zlabel="z (GPa)", title=f"Young's modulus {modulus.min():.1f} to {modulus.max():.1f} GPa")
    cuts = figure.add_subplot(1, 2, 2, projection="polar")
    angle = np.linspace(0, 2 * np.pi, 361)
    for name, (i, j), line in (("xy", (0, 1), "-"), ("yz", (1, 2), "--"), ("xz", (0, 2), ":")):  # equal cuts of a cubic crystal stay visible
        n = np.zeros((len(angle), 3))
        n[:, i], n[:, j] = np.cos(angle), np.sin(angle)
        cuts.plot(angle, material.young_modulus(n) / 1e9, line, label=f"{name} plane")
    cuts.set_title("cuts (GPa)")
    cuts.legend(loc="lower left", bbox_to_anchor=(0.9, -0.05))
    figure.suptitle(f"{material.name}: {material.label}")
    figure.savefig(path)
    plt.close(figure)
    return path


def phonons(result, path: Path) -> Path:
    """Write the bands of a phonon result beside its density of states as a PNG. Returns `path`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    values, settings = result.values, result.settings
    distance, frequencies = values["phonon_distance"], values["phonon_frequencies"]
    figure, (bands, dos) = plt.subplots(1, 2, sharey=True, figsize=(9, 5), dpi=150, layout="constrained", gridspec_kw={"width_ratios": (3, 1)})
    edges = [0, *settings["breaks"], len(distance)]
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        bands.plot(distance[first:last], frequencies[first:last], color="C0", linewidth=1)
    ticks: dict[float, str] = {}
    for place, name in settings["labels"]:  # two names share a place where the path jumps
        ticks[float(distance[place])] = f"{ticks[float(distance[place])]}|{name}" if float(distance[place]) in ticks else name
    bands.set_xticks(list(ticks), list(ticks.values()))
    bands.grid(axis="x", color="0.8")
    for axes in (bands, dos):
        axes.axhline(0.0, color="0.5", linewidth=0.8)
    bands.set(xlim=(distance[0], distance[-1]), ylabel="frequency (THz), imaginary below 0")
    dos.plot(values["phonon_dos"], values["phonon_dos_frequencies"], color="C0", linewidth=1)
    dos.set(xlim=(0, None), xlabel="states/THz/cell")
    verdict = "dynamically stable" if settings["stable"] else "UNSTABLE"
    figure.suptitle(f"{result.structure.formula if result.structure is not None else ''}: phonons, {verdict}")
    figure.savefig(path)
    plt.close(figure)
    return path


def _plain(columns: int = 1, rows: int = 1, size: tuple[float, float] = (6, 5)):
    """(pyplot, figure, axes) without a display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=size, dpi=150, layout="constrained")
    return plt, figure, axes


def bands(result, path: Path) -> Path:
    """Write the bands along the path as a PNG, energies from the valence band edge (a metal: from the Fermi energy). Returns `path`."""
    values = result.values
    plt, figure, axes = _plain()
    zero, name = (float(values["band_edges"][0]), "valence band edge") if "band_edges" in values else (float(values["fermi_energy"]), "Fermi energy")
    distance, levels = values["distance"], values["eigenvalues"] - zero
    # a path jumps where two k-points share a place: no line is drawn across
    breaks = [0, *(np.flatnonzero(np.diff(distance) < 1e-12) + 1), len(distance)]
    for spin, (color, line) in enumerate((("C0", "-"), ("C3", "--"))[: len(levels)]):
        for first, last in zip(breaks[:-1], breaks[1:], strict=True):
            axes.plot(distance[first:last], levels[spin, first:last], line, color=color, linewidth=1)
    ticks: dict[float, str] = {}
    for index, label in values["labels"]:
        place = float(distance[int(index)])
        ticks[place] = f"{ticks[place]}|{label}" if place in ticks else str(label)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.grid(axis="x", color="0.8")
    axes.axhline(0.0, color="0.5", linewidth=0.8)
    title = "metal" if "band_edges" not in values else f"gap {float(values['band_gap']):.3f} eV, {result.settings['gap_kind']}"
    axes.set(xlim=(distance[0], distance[-1]), ylabel=f"energy from the {name} (eV)", title=f"{result.structure.formula}: {title}")
    figure.savefig(path)
    plt.close(figure)
    return path


def dos(result, path: Path) -> Path:
    """Write the density of states and its shares per element and shell as a PNG; spin down points downwards. Returns `path`."""
    values = result.values
    plt, figure, axes = _plain(size=(8, 4.5))
    energies = values["energies"] - float(values["dos_fermi_energy"])
    shown = energies < result.settings["complete_below"] - float(values["dos_fermi_energy"])
    kinds: dict[str, list[int]] = {}
    for row, label in enumerate(values.get("projections", ())):
        kinds.setdefault(" ".join(str(label).split()[1:]), []).append(row)  # atoms of one kind together
    for spin, total in enumerate(values["dos"]):
        sign = -1.0 if spin else 1.0
        axes.fill_between(energies[shown], sign * total[shown], color="0.85")
        axes.plot(energies[shown], sign * total[shown], color="0.4", linewidth=0.8, label=None if spin else "total")
        for i, (kind, rows) in enumerate(list(kinds.items())[:12]):
            axes.plot(energies[shown], sign * values["projected"][rows, spin].sum(0)[shown], color=f"C{i % 10}", linewidth=1, label=None if spin else kind)
    axes.axvline(0.0, color="0.5", linewidth=0.8)
    title = f"{result.structure.formula}: density of states"
    axes.set(xlabel="energy from the Fermi energy (eV)", ylabel="states/eV", title=title, xlim=(None, energies[shown][-1]))
    axes.legend(fontsize="small")
    figure.savefig(path)
    plt.close(figure)
    return path


def workfunction(result, path: Path) -> Path:
    """Write the potential across the slab with the vacuum levels and the Fermi energy as a PNG. Returns `path`."""
    values = result.values
    plt, figure, axes = _plain(size=(7, 4.5))
    zero = float(values["fermi_energy"])
    axes.plot(values["profile_positions"], values["potential_profile"] - zero, linewidth=1, label="mean over planes")
    axes.plot(values["profile_positions"], values["potential_smoothed"] - zero, linewidth=1, linestyle="--", label="smoothed over layers")
    axes.axhline(0.0, color="0.4", linewidth=0.8, label="Fermi energy")
    for side, level, color in zip(("upper", "lower"), values["vacuum_levels"] - zero, ("C2", "C3"), strict=True):
        axes.axhline(level, color=color, linewidth=0.8, linestyle=":", label=f"{side} face: {level:.3f} eV")
    title = f"{result.structure.formula}: work functions"
    axes.set(xlabel=f"position along {result.settings['axis']} (Å)", ylabel="potential of an electron (eV)", title=title)
    axes.legend(fontsize="small")
    figure.savefig(path)
    plt.close(figure)
    return path


def stm(result, path: Path) -> Path:
    """Write the tunnelling image, repeated 3 × 3, as a PNG. Returns `path`."""
    values, settings = result.values, result.settings
    plt, figure, axes = _plain(size=(6, 5))
    image, cell = np.tile(values["stm_image"], (3, 3)), values["stm_cell"]
    first = cell[0] / np.linalg.norm(cell[0])
    second = cell[1] - (cell[1] @ first) * first
    second /= np.linalg.norm(second)
    i, j = np.indices((image.shape[0] + 1, image.shape[1] + 1))
    places = (3.0 * i / image.shape[0])[..., None] * cell[0] + (3.0 * j / image.shape[1])[..., None] * cell[1]
    drawn = axes.pcolormesh(places @ first, places @ second, image, cmap="copper")
    axes.set(aspect="equal", xlabel="Å", ylabel="Å", title=f"{result.structure.formula}, {settings['bias']:g} V, {settings['side']} face")
    figure.colorbar(drawn, ax=axes, label=settings["image_unit"])
    figure.savefig(path)
    plt.close(figure)
    return path


def converge(result, path: Path) -> Path:
    """Write the changes along the ladders of cutoffs and meshes as a PNG, distances from the last rung. Returns `path`."""
    values = result.values
    plt, figure, panels = _plain(2, 1, (10, 4.5))
    for axes, stage in zip(panels, ("cutoff", "mesh"), strict=True):
        rows = values["ladder_stages"] == stage
        if stage == "mesh":  # the coarsest mesh was calculated for the cutoffs already
            rows[int(np.argmin(values["ladder_cutoffs"]))] = True
        if rows.sum() < 2:
            continue
        place = values["ladder_cutoffs"][rows] if stage == "cutoff" else values["ladder_meshes"][rows].prod(1)
        energies, pressures = values["ladder_energies"][rows], values["ladder_pressures"][rows]
        axes.semilogy(place[:-1], np.abs(energies[:-1] - energies[-1]), "o-", label="energy (eV/atom)")
        axes.semilogy(place[:-1], np.abs(pressures[:-1] - pressures[-1]), "s--", label="pressure (GPa)")
        axes.axhline(result.settings["goals"]["energy"], color="C0", linewidth=0.8, linestyle=":")
        axes.axhline(result.settings["goals"]["pressure"], color="C1", linewidth=0.8, linestyle=":")
        axes.set(xlabel="cutoff (eV)" if stage == "cutoff" else "points of the mesh", ylabel="distance from the last one")
        axes.legend(fontsize="small")
    figure.suptitle(f"{result.structure.formula}: proposed " + ", ".join(f"{name} {value}" for name, value in result.settings["proposed"].items()))
    figure.savefig(path)
    plt.close(figure)
    return path
