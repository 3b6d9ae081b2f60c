"""Potential files: an analytic potential written as psp8, UPF 2, UPF 1 and pspcod text and read again has the analytic form factors; what cannot be used is
refused in words."""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from solvers.core.errors import MissingError, ReadError, SetupError
from solvers.dft.pseudo import files, library, psp8
from solvers.dft.pseudo.data import electrons, valence_configuration
from solvers.dft.pseudo.gth import GTH
from solvers.validate.peers.potential_files import linear_mesh, logarithmic_mesh, on_mesh, psp8_text, upf1_text, upf2_text, with_density
from solvers.validate.peers.potentials import halved, interpolates, marked, pspcod10

Q = torch.linspace(0.0, 25.0, 173, dtype=torch.float64)
SILICON = library.entry("Si", "PBE")
WITH_CORE = replace(SILICON, core=((0.45, (4.0, -1.0)),))
FINE = (0.01, 8.0)


def saved(tmp_path, text, ending="psp8", name="X"):
    path = tmp_path / f"{name}.{ending}"
    path.write_text(text)
    return str(path)


def written(entry, form):
    """(text, ending) of an analytic entry in one of the formats."""
    if form == "psp8":
        return psp8_text(with_density(on_mesh(entry, linear_mesh(*FINE)))), "psp8"
    if form == "upf2 linear":
        return upf2_text(with_density(on_mesh(entry, linear_mesh(*FINE)))), "upf"
    mesh = logarithmic_mesh(14)
    return (upf2_text if form == "upf2" else upf1_text)(with_density(on_mesh(entry, mesh))), "UPF"


@pytest.mark.parametrize("form", ["psp8", "upf2", "upf2 linear", "upf1"])
@pytest.mark.parametrize("entry", [WITH_CORE, library.entry("Ti", "PBE"), library.entry("Ce", "PBE", "GTH-PBE-q12")], ids=lambda e: e.symbol)
def test_form_factors_are_the_analytic_ones(tmp_path, form, entry):
    text, ending = written(entry, form)
    exact, read = GTH(entry), library.find(entry.symbol, "PBE", saved(tmp_path, text, ending))
    assert read.charge == exact.charge and read.has_core == bool(entry.core) and read.xc == "PBE" and read.configuration == entry.configuration
    assert read.alpha == pytest.approx(exact.alpha, abs=2e-6 * max(1, abs(exact.alpha)))
    q = Q[1:]
    scale = float(exact.local(q[:1]).abs()[0])
    assert scale > 1
    short = exact.local(q) + 4 * math.pi * exact.charge / q**2
    assert float((read.local(q) - exact.local(q)).abs().max()) < 2e-8 * float(short.abs().max()) + 1e-6
    assert float((read.local_derivative(q) - exact.local_derivative(q)).abs().max()) < 1e-5
    for ours, theirs in zip(read.channels, exact.channels, strict=True):
        for method in ("reduced", "reduced_slope", "radial", "radial_derivative"):
            mine = torch.stack([getattr(ours, method)(i, Q) for i in range(len(ours.h))])
            exactly = torch.stack([getattr(theirs, method)(i, Q) for i in range(len(theirs.h))])
            # the operator, which no rotation among the projectors changes
            a = torch.einsum("iq,ij,jp->qp", mine, torch.as_tensor(ours.h), mine)
            b = torch.einsum("iq,ij,jp->qp", exactly, torch.as_tensor(theirs.h), exactly)
            assert float(b.abs().max()) > 0 and float((a - b).abs().max()) < 1e-6 * float(b.abs().max())
    assert float((read.core(Q) - exact.core(Q)).abs().max()) < 1e-6 * max(1.0, float(exact.core(Q).abs().max()))
    assert float((read.core_derivative(Q) - exact.core_derivative(Q)).abs().max()) < 1e-5


def test_a_mesh_that_does_not_begin_at_zero_loses_nothing(tmp_path):
    """r v + Z begins with Z: on the logarithmic mesh of hydrogen, which starts at 9e-4 bohr, the first piece is 2π Z r₀² = 5e-6 Ha bohr³."""
    hydrogen = library.entry("H", "PBE")
    mesh = logarithmic_mesh(1)
    assert 2 * math.pi * mesh[0][0] ** 2 > 5e-6
    read = library.find("H", "PBE", saved(tmp_path, upf2_text(with_density(on_mesh(hydrogen, mesh))), "upf", "H"))
    assert float((read.local(Q[1:]) - GTH(hydrogen).local(Q[1:])).abs().max()) < 1e-7
    assert read.alpha == pytest.approx(GTH(hydrogen).alpha, abs=1e-7)


def test_slopes_are_derivatives_and_exact_at_zero(tmp_path):
    read = library.find("Si", "PBE", saved(tmp_path, written(WITH_CORE, "psp8")[0]))
    q, step = torch.linspace(0.3, 12, 50, dtype=torch.float64), 1e-4
    for value, slope in ((read.local, read.local_derivative), (read.core, read.core_derivative)):
        assert torch.allclose((value(q + step) - value(q - step)) / (2 * step), slope(q), rtol=1e-6, atol=1e-5)
    for channel in read.channels:
        near = torch.tensor([0.0, 1e-3, 2e-3], dtype=torch.float64)
        values = channel.reduced(0, near)
        assert float(values[0].abs()) > 0.1
        # an even function: value + slope q²/2
        assert float(values[2] - values[0]) == pytest.approx(float(channel.reduced_slope(0, near)[0]) * 2e-6, rel=1e-5)
        difference = (channel.reduced(0, q + step) - channel.reduced(0, q - step)) / (2 * step)
        assert torch.allclose(difference / q, channel.reduced_slope(0, q), rtol=1e-6, atol=1e-7)


def test_tables_of_core_and_gaussian_agree_at_any_reach(tmp_path):
    """Tables grow on demand; asking beyond them changes nothing before."""
    read = library.find("Si", "PBE", saved(tmp_path, written(WITH_CORE, "upf1")[0], "UPF"))
    first = read.core(Q[:20]).clone()
    read.core(torch.tensor([70.0], dtype=torch.float64))
    assert torch.allclose(read.core(Q[:20]), first, rtol=0, atol=1e-13)


def test_what_a_file_says_is_in_its_entry(tmp_path):
    path = saved(tmp_path, upf2_text(on_mesh(WITH_CORE), info="License: CC BY 4.0 & more <b>\n Author: x"), "upf", "Si-q4")
    entry = library.entry("Si", "PBE", path)
    assert (entry.symbol, entry.name, entry.charge, entry.has_core, entry.selector) == ("Si", "Si-q4.upf", 4.0, True, path)
    assert "CC BY 4.0 & more" in entry.licence and entry.n_projectors == sum(len(m) * (2 * l + 1) for l, m in enumerate(SILICON.channel_matrices))
    assert len(entry.sha256) == 64
    plain = library.entry("Si", "PBE", saved(tmp_path, psp8_text(on_mesh(SILICON)), name="plain"))
    assert plain.licence == "not stated" and not plain.has_core and plain != entry


def test_spin_orbit_psp8_gives_its_scalar_part(tmp_path):
    text = psp8_text(with_density(on_mesh(WITH_CORE)), switch=3)
    entry = library.entry("Si", "PBE", saved(tmp_path, text))
    assert "spin-orbit" in entry.notes[0] and entry.relativity.startswith("spin-orbit")
    plain = library.find("Si", "PBE", saved(tmp_path, psp8_text(with_density(on_mesh(WITH_CORE))), name="plain"))
    read = library.live(entry)
    assert read.has_core and torch.equal(read.local(Q[1:]), plain.local(Q[1:])) and torch.equal(read.core(Q), plain.core(Q))


def test_local_part_in_the_place_of_one_l(tmp_path):
    """lloc = 1: block 1 is the local potential and there are no projectors of l = 1."""
    potential = on_mesh(SILICON)
    lines = psp8_text(potential).splitlines()
    n = len(potential.r)
    head = lines[:6]
    blocks = [lines[6 + i * (n + 1):6 + (i + 1) * (n + 1)] for i in range(3)]  # s, p, local
    head[2] = head[2].replace(" 1 4 ", " 1 1 ")
    head[4] = "2 0 0 0 0 nproj"
    moved = [*head, *blocks[0], "1", *blocks[2][1:], *lines[6 + 3 * (n + 1):]]
    read = library.find("Si", "PBE", saved(tmp_path, "\n".join(moved)))
    assert [channel.l for channel in read.channels] == [0]
    assert torch.allclose(read.local(Q[1:]), library.find("Si", "PBE", saved(tmp_path, psp8_text(potential), name="o")).local(Q[1:]), atol=1e-9)


def test_a_broken_tail_is_cut_and_the_density_is_not(tmp_path):
    """The tail that ONCVPSP 3 writes for a dozen elements; 4π ∫ r (r v + Z) dr from 6 to 10 bohr would be 0.5 Ha bohr³ here."""
    mesh = linear_mesh(0.01, 14.0)
    healthy = with_density(on_mesh(WITH_CORE, mesh), width=2.0)
    broken = replace(healthy, screened=healthy.screened + np.where(mesh[0] > 6.5, 1.3e-3, 0.0))
    good, bad = (library.find("Si", "PBE", saved(tmp_path, upf2_text(p), "upf", name)) for p, name in ((healthy, "good"), (broken, "bad")))
    assert bad.alpha == pytest.approx(good.alpha, abs=1e-9) and "tail is broken beyond 6.0 bohr" in bad.entry.notes[0]
    assert good.entry.notes == ()
    assert electrons(bad.data) == pytest.approx(4.0, abs=1e-6) and len(bad.data.valence) == len(mesh[0])
    assert float(bad.atomic_density(torch.zeros(1, dtype=torch.float64))[0]) == pytest.approx(4.0, abs=1e-12)


def test_orbitals_and_labels(tmp_path):
    from solvers.dft.pseudo.data import Shell
    mesh = logarithmic_mesh(14)
    r = mesh[0]
    shells = (Shell("", 0, 2.0, None, r * np.exp(-r)), Shell("3p", 1, 2.0, None, r**2 * np.exp(-r)), Shell("3d", 2, 0.0, None, r**3 * np.exp(-r)))
    text = upf1_text(replace(with_density(on_mesh(SILICON, mesh)), shells=shells)).replace("\n    0  2.00", "\nXX    0  2.00")
    read = library.find("Si", "PBE", saved(tmp_path, text, "upf"))
    assert [(orbital.label, orbital.l, orbital.occupation) for orbital in read.atomic_orbitals] == [("3s", 0, 2.0), ("3p", 1, 2.0), ("3d", 2, 0.0)]
    t, w = np.polynomial.legendre.leggauss(400)
    q, w = torch.as_tensor(12.5 * (t + 1)), torch.as_tensor(12.5 * w)
    for orbital in read.atomic_orbitals:
        assert float(orbital.radial(q) ** 2 * q**2 @ w) / (2 * math.pi) ** 3 == pytest.approx(1, abs=1e-4)
    # e^{−r} exactly: cut where 1e-9 of its norm is left it would be 3e-5 off
    assert torch.allclose(read.atomic_orbitals[0].radial(q), 16 * math.pi / (1 + q**2) ** 2, rtol=0, atol=3e-7 * 16 * math.pi)
    from solvers.dft.atom import solve_atom
    assert [orbital.label for orbital in solve_atom(read).orbitals] == ["3s", "3p"]  # the file's own, occupied ones


@pytest.mark.parametrize(("change", "words"), [
    ({'pseudo_type="NC"': 'pseudo_type="US"'}, "ultrasoft"), ({'pseudo_type="NC"': 'pseudo_type="PAW"'}, "projector augmented-wave"),
    ({'is_ultrasoft="F"': 'is_ultrasoft=".true."'}, "ultrasoft"), ({'is_coulomb="F"': 'is_coulomb="T"'}, "bare Coulomb"),
    ({'has_so="F"': 'has_so="T"'}, "fully relativistic"), ({"</UPF>": ""}, "truncated"),
    ({"<PP_LOCAL": "<PP_LOKAL", "</PP_LOCAL": "</PP_LOKAL"}, "no section PP_LOCAL"),
    ({'number_of_proj="3"': 'number_of_proj="4"'}, "3 projectors; 4 were announced"), ({'z_valence="4.0000"': 'z_valence="nan"'}, "z_valence"),
    ({'element="Si"': 'element="Qq"'}, "element"), ({'angular_momentum="1"': 'angular_momentum="-3"'}, "angular_momentum"),
])
def test_refusals_of_upf_2(tmp_path, change, words):
    text = upf2_text(on_mesh(SILICON, logarithmic_mesh(14)))
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ReadError, match=words):
        library.entry("Si", "PBE", saved(tmp_path, text, "upf"))


@pytest.mark.parametrize(("change", "words"), [
    ({"   NC   ": "   US   "}, "ultrasoft"), ({"<PP_PSWFC>": "<PP_ADDINFO>\n</PP_ADDINFO>\n<PP_PSWFC>"}, "fully relativistic"),
    ({"</PP_LOCAL>": ""}, "PP_LOCAL does not end"), ({"Number of nonzero": "X"}, ""), ({"<PP_DIJ>\n    3": "<PP_DIJ>\n    9"}, "PP_DIJ")])
def test_refusals_of_upf_1(tmp_path, change, words):
    text = upf1_text(on_mesh(SILICON, logarithmic_mesh(14)))
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    path = saved(tmp_path, text, "upf")
    if not words:  # words behind the numbers do not matter
        assert library.entry("Si", "PBE", path).charge == 4
        return
    with pytest.raises(ReadError, match=words):
        library.entry("Si", "PBE", path)


def test_corrupt_third_projectors_are_refused_by_name(tmp_path):
    healthy = on_mesh(SILICON, linear_mesh(0.01, 6.0))
    s = healthy.channels[0]
    rng = np.random.default_rng(1)
    window = np.exp(-healthy.r)
    for garbage, words in ((rng.normal(size=len(healthy.r)) * window, "projector 3 of l = 0 jumps"), (2.0 * s.functions[0], "multiples of one another"),
                           (1e12 * s.functions[0], "is not a projector"), (healthy.r * 0 + healthy.r / 6, "has not ended")):
        coupling = np.diag([*np.diag(s.coupling), 0.3])
        damaged = replace(healthy, channels=(replace(s, functions=np.vstack([s.functions, garbage]), coupling=coupling), *healthy.channels[1:]))
        with pytest.raises(ReadError, match=words) as refusal:
            library.entry("Si", "PBE", saved(tmp_path, upf2_text(damaged), "upf"))
        assert "psp8" in str(refusal.value)
    empty = replace(healthy, channels=(replace(s, functions=np.vstack([s.functions, 0 * s.functions[0]]), coupling=np.diag([*np.diag(s.coupling), 0.0])),
                                       *healthy.channels[1:]))
    text = upf2_text(replace(empty, source="x"))
    entry = library.entry("Si", "PBE", saved(tmp_path, text, "upf"))
    assert "1 empty projectors of l = 0 are left out" in entry.notes[0]


def test_missing_cutoff_indices_and_labels_are_put_up_with(tmp_path):
    import re
    potential = on_mesh(WITH_CORE, logarithmic_mesh(14))
    text = re.sub(r' cutoff_radius_index="\d+"', "", upf2_text(potential))
    assert "cutoff_radius_index" not in text
    a = library.find("Si", "PBE", saved(tmp_path, text, "upf", "a"))
    b = library.find("Si", "PBE", saved(tmp_path, upf2_text(potential), "upf", "b"))
    assert torch.allclose(a.channels[0].reduced(0, Q), b.channels[0].reduced(0, Q), atol=1e-9)


def test_messages_of_files(tmp_path):
    for name, content, words in (("a.psp8", b"", "is empty"), ("a.psp8", b"\0\1" * 50, "binary"), ("b.upf", b"hello\n" * 30, "PP_HEADER"),
                                 ("c.psp8", b"Si\n14 4 1\n8 11 2 4 600 0\n", "line|ends after")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReadError, match=words):
            files.load(tmp_path / name)
    with pytest.raises(MissingError, match="is not there"):
        library.entry("Si", "PBE", str(tmp_path / "none.psp8"))
    with pytest.raises(ReadError, match="not a regular file"):
        library.entry("Si", "PBE", str(tmp_path) + "/")
    path = saved(tmp_path, psp8_text(on_mesh(SILICON)))
    with pytest.raises(SetupError, match="potential of Si, not of Ge"):
        library.entry("Ge", "PBE", path)


def test_a_changed_file_is_read_again_and_a_change_during_use_is_refused(tmp_path):
    path = saved(tmp_path, psp8_text(on_mesh(SILICON)))
    first = library.entry("Si", "PBE", path)
    assert files.load(path)[1] is files.load(path)[1]
    (tmp_path / "X.psp8").write_text(psp8_text(on_mesh(SILICON)) + "# more\n")
    assert library.entry("Si", "PBE", path).sha256 != first.sha256
    with pytest.raises(ReadError, match="is not the file it was"):
        files.potential_of(first)


@pytest.mark.parametrize(("symbol", "name"), [("Si", "gth"), ("Ti", "GTH-PBE-q12"), ("H", "gth"), ("Pb", "gth")])
def test_pspcod_10_and_12(tmp_path, symbol, name):
    entry = library.entry(symbol, "PBE", name)
    path = saved(tmp_path, pspcod10(entry), "gth")
    assert library.entry(symbol, "PBE", path).selector == path and library.entry(symbol, "PBE", path).charge == entry.charge
    read = files.load(path)[1]
    assert read.configuration == entry.configuration and read.xc == "PBE"
    assert (read.local_radius, read.local_coefficients) == (entry.local_radius, entry.local_coefficients)
    assert [m for m in read.channel_matrices if m] == [m for m in entry.channel_matrices if m]
    with_core = pspcod10(entry).replace("\n 10 ", "\n 12 ") + " 0.44279208 0.4244\n"
    read = library.entry(symbol, "PBE", saved(tmp_path, with_core, "gth", "core"))
    from ase.data import atomic_numbers
    charge = 0.4244 * (atomic_numbers[symbol] - entry.charge)
    assert read.has_core == (charge > 0) or symbol == "H"
    assert float(library.live(read).core(torch.zeros(1, dtype=torch.float64))[0]) == pytest.approx(charge, rel=1e-6)


def test_core_of_the_cp2k_table_is_the_published_one(tmp_path):
    """Al of Willand et al., J. Chem. Phys. 138, 104109 (2013): a Gaussian of 0.48775 bohr with 0.38780 of the core's 10 electrons; CP2K's table has its
    height times 4π, 26.666."""
    text = "\n".join(["Al GTH-NLCC-PBE-q3", "2 1", "0.35 2 -1.2 0.7", "NLCC 1", "0.487749457320947 1 26.6661157296629", "1", "0.47 1 2.68"])
    entry = library.entry("Al", "PBE", saved(tmp_path, text, "gth"))
    assert entry.has_core and files.load(entry.path)[1].channel_matrices == (((2.68,),),)
    q = torch.tensor([0.0, 1.0, 2.5], dtype=torch.float64)
    expected = 10 * 0.38780 * torch.exp(-((q * 0.487749457) ** 2) / 2)
    assert torch.allclose(library.live(entry).core(q), expected, rtol=2e-4)


def test_the_mark_of_the_peers_copy_is_one_tiny_number_behind_all_projectors(tmp_path):
    text = psp8_text(on_mesh(SILICON, linear_mesh(0.01, 8.0)))
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if i > 5 and line.split()[0] == "0")
    for i in range(head + 1, head + 802):  # projectors that end, as those of files do
        if float(lines[i].split()[1]) > 3.0:
            lines[i] = " ".join([*lines[i].split()[:2], *["0.0"] * len(lines[i].split()[2:])])
    text = "\n".join(lines) + "\n"
    other = marked(text)
    changed = [(a.split(), b.split()) for a, b in zip(text.splitlines(), other.splitlines(), strict=True) if a.split() != b.split()]
    assert len(changed) == 1 and changed[0][0][:2] == changed[0][1][:2]
    assert float(changed[0][0][2]) == 0 and float(changed[0][1][2]) == 2e-10
    a, b = (library.find("Si", "PBE", saved(tmp_path, content, name=name)) for content, name in ((text, "plain"), (other, "marked")))
    assert torch.allclose(a.channels[0].radial(0, Q), b.channels[0].radial(0, Q), atol=1e-9, rtol=0)
    assert np.abs(a.channels[0].h - b.channels[0].h).max() < 1e-12
    assert marked(psp8_text(on_mesh(SILICON, linear_mesh(0.01, 3.0)))).split() == psp8_text(on_mesh(SILICON, linear_mesh(0.01, 3.0))).split()  # no room


def test_the_peers_copy_at_half_the_step_is_the_same_potential(tmp_path):
    """Filled in between the file's points it is what the analytic potential has there, and plain sums of projectors that end with a jump stay."""
    text, exact = (psp8_text(with_density(on_mesh(SILICON, linear_mesh(step, 8.0)))) for step in (0.01, 0.005))
    fine, wanted = (library.find("Si", "PBE", saved(tmp_path, content, name=name)) for content, name in ((halved(text), "fine"), (exact, "exact")))
    assert torch.allclose(fine.local(Q[1:]), wanted.local(Q[1:]), atol=1e-7, rtol=0)
    for mine, theirs in zip(fine.channels, wanted.channels, strict=True):
        for i in range(len(mine.h)):
            assert torch.allclose(mine.radial(i, Q), theirs.radial(i, Q), atol=1e-8, rtol=0)
    assert not interpolates(text, 33.8) and interpolates(text, 33.9) and not interpolates(halved(text), 130.0)

    lines = text.splitlines()
    for i in range(7, 7 + 801):  # projectors of l = 0 that jump to zero
        if float(lines[i].split()[1]) > 1.0:
            lines[i] = " ".join([*lines[i].split()[:2], *["0.0"] * len(lines[i].split()[2:])])
    before, after = (psp8.read_psp8("\n".join(content), "psp8") for content in (lines, halved("\n".join(lines)).splitlines()))
    for old, new in zip(before.channels, after.channels, strict=True):
        assert np.allclose(np.array(new.functions)[:, ::2], np.array(old.functions), atol=1e-12, rtol=0)
    old, new = before.channels[0].functions[0], after.channels[0].functions[0]
    assert abs(old[99]) > 0.1 and abs(old[101]) == 0 and np.abs(new[203:220:2]).max() > 1e-3  # a series overshoots behind a jump: that keeps the sums
    for q in np.pi / 8.0 * np.array([2, 13, 80]):  # waves that fit the mesh; others feel its end
        assert new @ np.sin(q * after.r) * after.r[1] == pytest.approx(old @ np.sin(q * before.r) * before.r[1], abs=1e-9)


def test_hgh_text(tmp_path):
    """pspcod 3 stores the diagonal and leaves the couplings to eqs 20-28 of HGH; the table's PADE potential of silicon is the same one."""
    text = "\n".join(["HGH Si", "14 4 010605", "3 1 1 0 2001 0", "0.440000 -7.336103 0.0 0.0 0.0 rloc", "0.422738 5.906928 3.258196 0.0",
                      "0.484278 2.727013 0.0 0.0", " 0.000373 0.014437 0.0"])
    entry, table = files.load(saved(tmp_path, text, "hgh"))[1], library.entry("Si", "LDA")
    assert entry.xc == "LDA (Teter 93)"
    assert np.allclose(entry.channel_matrices[0], table.channel_matrices[0], atol=2e-6) and entry.channel_matrices[0][0][1] < -1
    assert np.allclose(entry.channel_matrices[1], table.channel_matrices[1], atol=2e-6)
    assert entry.local_coefficients == pytest.approx(table.local_coefficients, abs=2e-6)


def test_valence_configurations():
    assert valence_configuration(14, 4) == (2, 2) and valence_configuration(26, 16) == (4, 6, 6) and valence_configuration(31, 3) == (2, 1)
    assert valence_configuration(31, 13) == (2, 1, 10) and valence_configuration(72, 12) == (4, 6, 2) and valence_configuration(1, 1) == (1,)
    assert valence_configuration(74, 14) == (4, 6, 4) and valence_configuration(29, 11) == (1, 0, 10) and valence_configuration(58, 12) == (4, 6, 1, 1)


def test_energy_forces_and_stress_of_a_file_are_those_of_the_analytic_form(tmp_path):
    """The whole engine, with a core density: UPF numbers beside the analytic pspcod 12 text of the same potential."""
    from ase.build import bulk

    from solvers.dft import DFT
    analytic = saved(tmp_path, pspcod10(SILICON).replace("\n 10 ", "\n 12 ") + " 0.6 0.2\n", "gth")
    potential = with_density(on_mesh(files.load(analytic)[1], linear_mesh(*FINE)))
    assert potential.core is not None
    found = {}
    for name, path in (("analytic", analytic), ("upf", saved(tmp_path, upf2_text(potential), "upf"))):
        atoms = bulk("Si", a=5.43)
        atoms.rattle(0.05, seed=1)
        atoms.calc = DFT(cutoff=120, pseudos={"Si": path}, tolerance=1e-13)
        found[name] = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        origin = atoms.calc.calculation.plan.settings["pseudo_origin"]["Si"]
        assert origin["sha256"] == library.entry("Si", "PBE", path).sha256 and atoms.calc.calculation.plan.settings["pseudos"] == {"Si": path}
    for mine, exact, tolerance in zip(found["upf"], found["analytic"], (2e-7, 2e-6, 1e-7), strict=True):
        assert np.abs(np.asarray(mine) - np.asarray(exact)).max() < tolerance
    assert np.abs(found["upf"][1]).max() > 0.1


def test_paths_become_absolute_and_survive_as_text(tmp_path, monkeypatch):
    from solvers.dft.params import Pseudos
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "a, 50% b.psp8"
    odd.write_text(psp8_text(on_mesh(SILICON)))
    chosen = Pseudos.coerce({"Si": "a, 50% b.psp8", "O": "GTH-PBE-q6"})
    assert dict(chosen.chosen) == {"Si": str(odd), "O": "GTH-PBE-q6"}
    assert Pseudos.coerce(str(chosen)) == chosen and library.entry("Si", "PBE", chosen.selector("Si")).name == odd.name
