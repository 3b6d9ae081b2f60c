"""GTH potentials: the closed forms are the Fourier transforms of the published real-space forms, for every entry of the table."""
from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from scipy.special import erf, spherical_jn

from solvers.core.errors import MissingError, ReadError, SetupError
from solvers.core.paths import resource
from solvers.dft.pseudo import gth_table, library
from solvers.dft.pseudo.gth import GTH
from solvers.dft.pseudo.harmonics import real_harmonics, solid_harmonics, solid_harmonics_gradient

ALL = library.entries()
SOME = [library.entry(symbol, xc, name) for symbol, xc, name in
        [("H", "PBE", "gth"), ("Si", "LDA", "gth"), ("Mg", "PBE", "GTH-PBE-q10"), ("Cu", "PBE", "gth"), ("Ba", "PBE", "gth"),
         ("U", "LDA", "GTH-PADE-q32"), ("W", "PBE", "gth")]]


def legendre(n, low, high):
    t, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (high - low) * (t + 1) + low, 0.5 * (high - low) * w


def projector(channel, i, r):
    """The published real-space projector (HGH 1998, eq. 3)."""
    power = channel.l + (4 * i + 3) / 2
    return math.sqrt(2) * r ** (channel.l + 2 * i) * np.exp(-0.5 * (r / channel.radius) ** 2) / (channel.radius**power * math.sqrt(math.gamma(power)))


def test_the_table_is_the_published_file():
    folder = resource("pseudo", "gth")
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def test_every_functional_and_valence_is_there():
    count = {xc: sum(entry.xc == xc for entry in ALL) for xc in ("LDA", "PBE", "PBEsol")}
    assert count == {"LDA": 162, "PBE": 139, "PBEsol": 1}
    assert {entry.charge for entry in library.entries("Mg", "PBE")} == {2, 10}
    assert len({entry.symbol for entry in ALL}) > 95
    assert len({(entry.symbol, entry.name) for entry in ALL}) == len(ALL)


@pytest.mark.parametrize("xc", ["LDA", "PBE"])
def test_plain_alias_is_unique(xc):
    for symbol in {entry.symbol for entry in ALL}:
        assert sum(entry.plain for entry in library.entries(symbol, xc)) <= 1
    assert library.entry("Mg", xc).charge == 10 and library.entry("Na", xc).charge == 9


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: f"{entry.symbol}-{entry.name}")
def test_projectors_have_norm_one_and_h_is_symmetric(entry):
    for channel in GTH(entry).channels:
        assert np.array_equal(channel.h, channel.h.T)
        q, w = legendre(160, 0.0, 14.0 / channel.radius)
        for i in range(len(channel.h)):
            radial = channel.radial(i, torch.as_tensor(q)).numpy()
            assert (radial**2 * q**2) @ w / (2 * math.pi) ** 3 == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("entry", SOME, ids=lambda entry: f"{entry.symbol}-{entry.name}")
def test_projectors_are_hankel_transforms(entry):
    q = np.array([0.0, 0.3, 1.7, 4.0, 9.0])
    for channel in GTH(entry).channels:
        r, w = legendre(400, 0.0, 14 * channel.radius)
        for i in range(len(channel.h)):
            reference = [4 * math.pi * (spherical_jn(channel.l, x * r) * projector(channel, i, r) * r**2) @ w for x in q]
            assert channel.radial(i, torch.as_tensor(q)).numpy() == pytest.approx(np.array(reference), abs=1e-10)


@pytest.mark.parametrize("entry", SOME, ids=lambda entry: f"{entry.symbol}-{entry.name}")
def test_local_part_is_a_fourier_transform(entry):
    pseudo, q = GTH(entry), np.array([0.2, 0.9, 2.5, 6.0, 12.0])
    width = entry.local_radius
    r, w = legendre(1500, 0.0, 14 * width)
    x = r / width
    short = np.exp(-0.5 * x**2) * sum(c * x ** (2 * i) for i, c in enumerate(entry.local_coefficients))
    for wavenumber in q:
        coulomb = -4 * math.pi * pseudo.charge * math.exp(-0.5 * (wavenumber * width) ** 2) / wavenumber**2  # transform of −Z erf(r/√2 r_loc)/r
        reference = coulomb + 4 * math.pi * (np.sin(wavenumber * r) / wavenumber * short * r) @ w
        assert float(pseudo.local(torch.tensor([wavenumber], dtype=torch.float64))[0]) == pytest.approx(reference, abs=1e-9 * abs(reference) + 1e-10)
    whole = 4 * math.pi * ((pseudo.charge / r * (1 - erf(x / math.sqrt(2))) + short) * r**2) @ w
    assert pseudo.alpha == pytest.approx(whole, rel=1e-8)
    small = torch.tensor([1e-3], dtype=torch.float64)
    assert float(pseudo.local(small)[0] + 4 * math.pi * pseudo.charge / small[0] ** 2) == pytest.approx(pseudo.alpha, abs=1e-3 * max(1, abs(pseudo.alpha)))


@pytest.mark.parametrize("entry", SOME, ids=lambda entry: f"{entry.symbol}-{entry.name}")
def test_derivatives_by_five_points(entry):
    pseudo, q, h = GTH(entry), torch.tensor([0.4, 1.3, 5.0, 11.0], dtype=torch.float64), 1e-3

    def slope(f):
        return (f(q - 2 * h) - 8 * f(q - h) + 8 * f(q + h) - f(q + 2 * h)) / (12 * h)

    assert torch.allclose(pseudo.local_derivative(q), slope(pseudo.local), rtol=1e-7, atol=1e-7)
    for channel in pseudo.channels:
        for i in range(len(channel.h)):
            assert torch.allclose(channel.radial_derivative(i, q), slope(lambda x, c=channel, i=i: c.radial(i, x)), rtol=1e-8, atol=1e-9)
            assert torch.allclose(channel.reduced_slope(i, q) * q, slope(lambda x, c=channel, i=i: c.reduced(i, x)), rtol=1e-8, atol=1e-9)
            assert torch.isfinite(channel.reduced_slope(i, torch.zeros(1, dtype=torch.float64))).all()


def test_alpha_terms_of_the_silicon_cell():
    """ABINIT 9.6.2, Si2 at a = 10.263141334 bohr: psp_core −0.2098884308 (PBE), −0.2946220670 (LDA) Ha."""
    volume = 10.263141334**3 / 4
    for xc, reference in (("PBE", -0.2098884308), ("LDA", -0.2946220670)):
        assert 8 / volume * 2 * library.find("Si", xc).alpha == pytest.approx(reference, abs=2e-10)


@pytest.mark.parametrize("l", range(4))
def test_harmonics_are_orthonormal_and_complete(l):
    x, wx = np.polynomial.legendre.leggauss(12)
    phi = 2 * math.pi * np.arange(16) / 16
    z, angle = np.meshgrid(x, phi, indexing="ij")
    sine = np.sqrt(1 - z**2)
    unit = torch.as_tensor(np.stack([sine * np.cos(angle), sine * np.sin(angle), z], -1))
    y = real_harmonics(l, unit).numpy().reshape(-1, 2 * l + 1)
    weight = (wx[:, None] * np.full(16, 2 * math.pi / 16)).reshape(-1)
    assert y.T @ (weight[:, None] * y) == pytest.approx(np.eye(2 * l + 1), abs=1e-12)
    assert (y**2).sum(1) == pytest.approx((2 * l + 1) / (4 * math.pi), abs=1e-12)  # Unsöld


@pytest.mark.parametrize("l", range(4))
def test_solid_harmonics_scale_and_differentiate(l):
    k = torch.as_tensor(np.random.default_rng(l).normal(size=(7, 3)))
    k[0] = 0
    assert torch.allclose(solid_harmonics(l, 2 * k), 2**l * solid_harmonics(l, k))
    k.requires_grad_(True)
    value = solid_harmonics(l, k)
    for m in range(2 * l + 1):
        expected = torch.autograd.grad(value[:, m].sum(), k, retain_graph=True)[0] if value.requires_grad else torch.zeros_like(k)  # l = 0 is constant
        assert torch.allclose(solid_harmonics_gradient(l, k)[:, m], expected)


def test_unknown_angular_momentum_is_refused():
    with pytest.raises(SetupError, match="l = 4.*Allowed: 0 to 3"):
        solid_harmonics(4, torch.zeros(1, 3))
    with pytest.raises(SetupError, match="l = 7"):
        solid_harmonics_gradient(7, torch.zeros(1, 3))


@pytest.mark.parametrize(("arguments", "message"), [
    (("Xx", "PBE"), "no potential for element 'Xx'.*Did you mean 'Xe'"),
    (("U", "PBE"), "U has no default GTH potential for PBE.*U=GTH-PBE-q14"),
    (("Si", "PBEsol"), "Si has no GTH potential for PBEsol.*GTH-PBE-q4"),
    (("Si", "PBE", "GTH-PBE-q9"), "no potential named 'GTH-PBE-q9'.*GTH-PADE-q4, GTH-PBE-q4"),
])
def test_missing_potentials_name_what_exists(arguments, message):
    with pytest.raises(MissingError, match=message):
        library.entry(*arguments)


def test_explicit_name_crosses_functionals_but_alias_does_not():
    assert library.entry("Si", "LDA", "GTH-PBE-q4").xc == "PBE"
    assert library.entry("Si", "LDA", "gth-lda").name == "GTH-PADE-q4"
    assert library.find("Mg", "PBE", "GTH-PBE-q2").charge == 2


def test_softer_valences():
    assert [entry.name for entry in library.softer(library.entry("Mg", "PBE"))] == ["GTH-PBE-q2"]
    assert "Mg=GTH-PBE-q2" in library.softer_hint(library.entry("Mg", "PBE"))
    assert library.softer(library.entry("Si", "PBE")) == () and library.softer_hint(library.entry("Si", "PBE")) == ""


NLCC = """
Si GTH-PBE-q4 GTH-PBE
    2    2
     0.44000000    1    -6.26928833
    1
     0.43563383    1     8.95174150
C GTH-NLCC-PBE-q4
    2    2
     0.31479500    2    -6.92437000     0.96036000
    NLCC 1
         0.27440000    1    57.12865000
    1
     0.30232200    1     9.57595000
Ge GTH-PBE-q4
    2    2
     0.54000000    0
    0
    NLCC 1
         0.3 1 2.0
"""


def test_core_corrected_entries_are_read(tmp_path):
    path = tmp_path / "table"
    path.write_text(NLCC)
    entries = {entry.symbol: entry for entry in gth_table.read_table(path)}
    assert {symbol: entry.has_core for symbol, entry in entries.items()} == {"Si": False, "C": True, "Ge": True}
    assert entries["C"].core == ((0.2744, (57.12865,)),) and len(entries["C"].channel_radii) == 1


@pytest.mark.parametrize(("text", "message"), [
    ("", "holds no GTH potential"),
    ("  0.44 1 -6.2\n", "line 1.*before any element"),
    ("Si GTH-PBE-q4\n 2 2\n 0.44 1 -6.2\n 1\n 0.4 2 1.0 2.0\n", "line 1.*Si GTH-PBE-q4 is damaged"),
    ("Si GTH-PBE-q4\n 2 2\n 0.44 1 -6.2\n 0\n 7.0\n", "1 numbers too many"),
    ("Si GTH-PBE-q4\n 2 3\n 0.44 1 -6.2\n 0\n", "lists 5 electrons"),
    ("Si GTH-PBE-q4\n 2 2\n 0.44 1 abc\n 0\n", "damaged"),
])
def test_damaged_tables_are_named(tmp_path, text, message):
    path = tmp_path / "table"
    path.write_text(text)
    with pytest.raises(ReadError, match=message):
        gth_table.read_table(path)
