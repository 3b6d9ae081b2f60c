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
