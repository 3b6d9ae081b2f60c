"""Potential files beside the programs that read the same ones: psp8 beside ABINIT, UPF 1 and 2 and GTH with a core density beside `pw.x`.

All files are made here from one analytic potential (`peers/potential_files.py`), so that this needs no files of others and the energies of different forms are
also held against each other. What is not installed is left out, and said.
"""
from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from solvers.dft.pseudo.library import entry

from .cases import potentials as cases
from .cases.dft import Case
from .cases.potentials import Form
from .dft import ours, without_mean
from .peers import abinit, espresso
from .peers.potential_files import linear_mesh, logarithmic_mesh, on_mesh, psp8_text, upf1_text, upf2_text, with_density
from .peers.potentials import pspcod10
from .report import Row, compare

_ENDINGS = {"psp8": "psp8", "upf2": "upf", "upf1": "UPF", "pspcod12": "gth"}
_PEERS = {"abinit": abinit, "espresso": espresso}


def text_of(form: Form) -> str:
    """The file of a form."""
    silicon = entry("Si", "LDA")
    kind, _, switch = form.writer.partition(" ")
    if kind == "pspcod12":
        return pspcod10(silicon).replace("\n 10 -1012 ", "\n 12 7 ") + " {!r} {!r}\n".format(*cases.CORE_12)
    if form.core:
        silicon = replace(silicon, core=cases.CORE)
    mesh = linear_mesh(0.01, 6.0 if kind == "psp8" else 12.0) if form.mesh == "linear" else logarithmic_mesh(14)
    potential = with_density(on_mesh(silicon, mesh))
    return psp8_text(potential, int(switch or 1)) if kind == "psp8" else {"upf2": upf2_text, "upf1": upf1_text}[kind](potential)


def case_of(form: Form, folder: Path) -> Case:
    """The crystal with the form's file, written into `folder`."""
    kind = form.writer.partition(" ")[0]
    path = folder / f"{form.name.replace(' ', '-').replace(',', '')}.{_ENDINGS[kind]}"
    path.write_text(text_of(form))
    return replace(cases.SILICON, name=form.name, pseudos={"Si": str(path)})


def form_rows(form: Form, folder: Path) -> Iterator[Row]:
    """Energy, worst force and (ABINIT) stress of one form beside its peer."""
    peer = _PEERS[form.peer]
    case = case_of(form, folder)
    theirs = peer.run(case, _fresh(folder, form.name))
    mine = ours(case, theirs["box"], symmetry=False)
    name, n = theirs.get("version") or peer.version(), len(case.symbols)
    yield compare("potentials", form.name, "free energy", mine["energy"] / n, theirs["energy"] / n, cases.ENERGY, "Ha/atom", name)
    a, b = without_mean(mine["forces"]), without_mean(theirs["forces"])
    worst = np.unravel_index(np.abs(a - b).argmax(), a.shape)
    yield compare("potentials", form.name, f"force {worst[0]}{'xyz'[worst[1]]} (worst of {a.size})", a[worst], b[worst], cases.FORCE, "Ha/bohr", name)
    if "stress" in theirs:
        worst = np.unravel_index(np.abs(mine["stress"] - theirs["stress"]).argmax(), (3, 3))
        label = "".join("xyz"[i] for i in worst)
        # `pw.x` 6.7 drops a term of the stress of analytic projectors with l ≥ 1: told, not judged
        judged = None if form.writer == "pspcod12" and form.peer == "espresso" else cases.STRESS
        yield compare("potentials", form.name, f"stress {label} (worst of 9)", mine["stress"][worst], theirs["stress"][worst], judged, "GPa", name)


def agreement_rows(folder: Path) -> Iterator[Row]:
    """Our energies of the forms against each other and against the analytic potential."""
    n = len(cases.SILICON.symbols)
    analytic = ours(cases.SILICON, derivatives=False, symmetry=False)["energy"]
    with_core = None
    for form in cases.FORMS:
        if form.writer == "pspcod12":
            continue
        energy = ours(case_of(form, folder), derivatives=False, symmetry=False)["energy"]
        if form.core and with_core is None:
            with_core = energy
            yield compare("potentials", form.name, "effect of the core density", energy / n, analytic / n, None, "Ha/atom", "itself without a core")
            continue
        reference, name = (with_core, "itself as psp8") if form.core else (analytic, "itself, analytic")
        yield compare("potentials", form.name, "free energy", energy / n, reference / n, cases.ENERGY, "Ha/atom", name)


def tail_rows(folder: Path) -> Iterator[Row]:
    """A tail like that of a dozen published UPF files: r v + Z jumps beyond 6.5 bohr. Ours does not see it in UPF; `pw.x`, which integrates to 10 bohr, shifts
    as ours does when the same numbers come as a psp8 file that reaches to 10 bohr, which is never cut."""
    n = len(cases.SILICON.symbols)
    found: dict[str, float] = {}
    for name, height in (("healthy", 0.0), ("broken", 1e-3)):
        for kind, end in (("upf", 12.0), ("psp8", 10.0)):
            mesh = linear_mesh(0.01, end)
            potential = with_density(on_mesh(entry("Si", "LDA"), mesh))
            potential = replace(potential, screened=potential.screened + np.where(mesh[0] > 6.5, height, 0.0))
            path = folder / f"{name}.{kind}"
            path.write_text(upf2_text(potential) if kind == "upf" else psp8_text(potential))
            case = replace(cases.SILICON, name=name, pseudos={"Si": str(path)}, forces=False)
            found[f"{name} {kind}"] = ours(case, derivatives=False, symmetry=False)["energy"] / n
            if kind == "upf" and espresso.installed():
                found[f"{name} pw.x"] = espresso.run(case, _fresh(folder, name))["energy"] / n
    yield compare("potentials", "broken tail", "free energy", found["broken upf"], found["healthy upf"], 1e-10, "Ha/atom", "itself with a healthy tail")
    if espresso.installed():
        shift = found["broken psp8"] - found["healthy psp8"]
        yield compare("potentials", "broken tail", "shift by the tail to 10 bohr", shift, found["broken pw.x"] - found["healthy pw.x"],
                      cases.TAIL * abs(shift), "Ha/atom", espresso.version())


def run(full: bool = False) -> Iterator[Row]:
    """All forms; full adds those that differ little from others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from agreement_rows(folder)
        yield from tail_rows(folder)
        for form in cases.FORMS:
            if _PEERS[form.peer].installed() and (full or form.core):
                yield from form_rows(form, folder)


def _fresh(folder: Path, name: str) -> Path:
    path = folder / f"run-{name.replace(' ', '-')}"
    path.mkdir(exist_ok=True)
    return path
