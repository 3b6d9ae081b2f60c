"""Parameters of a plane-wave calculation: text forms, units, messages."""
from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from solvers.core.errors import SetupError
from solvers.core.params import from_dict, to_dict
from solvers.core.units import BOLTZMANN_EV, HARTREE_EV
from solvers.dft.params import DFTParams, KPoints, Pseudos, Smearing


@pytest.mark.parametrize(("given", "text"), [
    ("4x4x4", "4x4x4"), ((4, 3, 2), "4x3x2"), (4, "4x4x4"), ("6", "6x6x6"), ([2, 2, 1], "2x2x1"), ("gamma", "1x1x1"), ("0.2/A", "0.2/A"), ("0.2/Å", "0.2/A"),
    ({"spacing": 0.25}, "0.25/A"), ({"size": (4, 4, 4), "shift": (0.5, 0.5, 0.5)}, "4x4x4+0.5,0.5,0.5"), ("4x4x4+.5,.5,0", "4x4x4+0.5,0.5,0.0"),
    ({"spacing": 0.3, "shift": (0, 0, 0.5)}, "0.3/A+0.0,0.0,0.5"),
])
def test_kpoint_forms_round_trip(given, text):
    points = KPoints.coerce(given)
    assert str(points) == text
    assert KPoints.coerce(text) == points and KPoints.coerce(points) is points


def test_spacing_contains_two_pi_and_rounds_up():
    cell = np.diag([5.0, 10.0, 2.5])
    assert KPoints.coerce("0.4/A").mesh(cell)[0] == (4, 2, 7)  # 2π/5/0.4 = 3.14, 1.57, 6.28
    assert KPoints.coerce({"spacing": 2 * np.pi / 5 / 4}).mesh(5 * np.eye(3))[0] == (4, 4, 4)  # an exact multiple gains no point
    skew = np.array([[5.0, 0, 0], [4.9, 1.0, 0], [0, 0, 5.0]])
    size, _ = KPoints.coerce("0.4/A").mesh(skew)
    reciprocal = 2 * np.pi * np.linalg.inv(skew).T
    assert all(np.linalg.norm(reciprocal, axis=1) / size <= 0.4 + 1e-12) and size[1] > size[2]
    assert KPoints.coerce("2x2x2+0.5,0,0").mesh(cell) == ((2, 2, 2), (0.5, 0.0, 0.0))


@pytest.mark.parametrize("bad", ["0x4x4", "4x4", "axbxc", (4, 4), (4, 4, 4.5), -1, "0/A", "-0.2/A", {"size": 4, "spacing": 0.2}, {"points": 3}, {}, None,
                                 "4x4x4+0.5", True])
def test_bad_kpoints_say_what_is_allowed(bad):
    with pytest.raises(SetupError, match="k-points .* are not understood.*4x4x4.*0.2/A"):
        KPoints.coerce(bad)


@pytest.mark.parametrize(("given", "kind", "width"), [
    (None, "none", 0.0), ("none", "none", 0.0), ("fixed", "none", 0.0), ("fermi-dirac:0.05eV", "fermi-dirac", 0.05),
    (("Fermi-Dirac", 0.05), "fermi-dirac", 0.05),
    ("cold:0.01Ha", "cold", 0.01 * HARTREE_EV), ("gaussian:20 meV", "gaussian", 0.02), ("mp:0.02Ry", "methfessel-paxton", 0.01 * HARTREE_EV),
    ("fd:300K", "fermi-dirac", 300 * BOLTZMANN_EV), ({"kind": "mv", "width": 0.1}, "cold", 0.1),
])
def test_smearing_forms(given, kind, width):
    smearing = Smearing.coerce(given)
    assert smearing.kind == kind and smearing.width == pytest.approx(width, rel=1e-14)
    assert Smearing.coerce(str(smearing)) == smearing


@pytest.mark.parametrize(("bad", "message"), [
    ("tepid:0.1eV", "Unknown smearing 'tepid'.*fermi-dirac"), ("cold:0.1furlong", "width '0.1furlong' is not understood.*eV, meV, Ha, Ry or K"),
    ("cold", "width 0 eV is out of range.*above 0 up to 5"), (("cold", -1), "width -1 eV"), ("cold:9eV", "width 9 eV"), (3, "Smearing 3 is not understood"),
    (("cold", "much"), "is not understood"),
])
def test_bad_smearing_messages(bad, message):
    with pytest.raises(SetupError, match=message):
        Smearing.coerce(bad)


def test_pseudos_forms():
    chosen = Pseudos.coerce({"Mg": "GTH-PBE-q2", "O": "GTH-PBE-q6"})
    assert chosen == Pseudos.coerce("Mg=GTH-PBE-q2, O=GTH-PBE-q6") == Pseudos.coerce(str(chosen))
    assert chosen.selector("Mg") == "GTH-PBE-q2" and chosen.selector("Si") == "gth"
    assert str(Pseudos.coerce("gth")) == "gth" and Pseudos.coerce("gth,Mg=GTH-PBE-q2").selector("O") == "gth"
    for bad, message in (("vasp", "library 'vasp'.*gth"), ({"silicon": "x"}, "'silicon' = 'x'"), (7, "pseudos = 7 is not understood"), ("Mg=", "'Mg' = ''")):
        with pytest.raises(SetupError, match=message):
            Pseudos.coerce(bad)


def test_params_round_trip():
    params = DFTParams(xc="lda", cutoff=500, kpts="4x4x4", grid="36,36,40", smearing=None, pseudos={"Mg": "GTH-PADE-q2"}, magmoms=[0, 0], tolerance=1e-9)
    assert (params.xc, params.cutoff, params.grid, params.smearing.kind, params.magmoms) == ("LDA", 500.0, (36, 36, 40), "none", (0.0, 0.0))
    assert from_dict(DFTParams, to_dict(params)) == params
    assert DFTParams(grid="36x36x36").grid == (36, 36, 36) == DFTParams(grid=[36, 36, 36]).grid
    assert DFTParams().smearing == Smearing("fermi-dirac", 0.05) and DFTParams().cutoff is None


@pytest.mark.parametrize(("keywords", "message"), [
    ({"xc": "B3LYP"}, "xc = 'B3LYP' is not a choice.*LDA, PBE"), ({"cutoff": -5}, "cutoff = -5 is out of range.*20 to 20000 eV"),
    ({"cutoff": float("nan")}, "cutoff = nan is not finite"),
    ({"grid": (3, 4)}, "grid = .* is not an FFT box.*36,36,36"), ({"grid": "aXb"}, "is not an FFT box"), ({"grid": (0, 4, 4)}, "is not an FFT box"),
    ({"magmoms": (0, float("inf"))}, "not finite"), ({"charge": 2.0}, "charged cell.*charged = background"),
    ({"spin": "up"}, "auto, none, collinear"), ({"magmoms": ("up",)}, "are not numbers"),
    ({"device": "tpu"}, "device = 'tpu'.*auto, cpu, cuda"),
    ({"tolerance": 0.0}, "tolerance = 0.0 is out of range"), ({"max_steps": 0}, "max_steps = 0 is out of range"),
])
def test_bad_parameters(keywords, message):
    with pytest.raises(SetupError, match=message):
        DFTParams(**keywords)


def test_help_needs_neither_torch_nor_numba():
    code = "import sys, solvers.dft, solvers.dft.params, solvers.dft.pseudo.library as l; l.listing('Si'); " \
           "bad = {'torch', 'numba'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60).stderr == ""
