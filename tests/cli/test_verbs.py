"""Verbs end to end on a cheap calculator: exit codes, one JSON object, files, messages."""

import subprocess
import sys

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT


@pytest.fixture
def copper(qcad):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.write(qcad.folder / "cu.xyz", format="extxyz")
    return atoms


def test_overview_and_version_are_instant_and_import_no_torch(qcad):
    assert "elastic constants with error bars" in qcad("--help").stdout
    assert qcad("--version").stdout.startswith("qcad ")
    code = "import sys, solvers.cli as c; c.parser_for('scf', []); sys.exit(bool({'torch', 'numba', 'PySide6'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], env=qcad.environment, check=True)


def test_relax_writes_structure_and_one_object(qcad, copper):
    report = qcad.json("relax", "cu.xyz", "--calculator", "emt", "--force-tolerance", "0.001", "-o", "out.cif")
    assert report["converged"] and report["max_force"] <= 1e-3 and (qcad.folder / "out.cif").is_file()
    copper.calc = EMT()
    assert report["energy"] < copper.get_potential_energy() - 1e-3
    listed = qcad.json("jobs")["jobs"]
    assert [row["id"] for row in listed] == [report["job"]] and listed[0]["state"] == "finished"


def test_not_converged_is_a_result_with_exit_code_3(qcad, copper):
    done = qcad("relax", "cu.xyz", "--calculator", "emt", "--force-tolerance", "1e-7", "--max-steps", "2", code=3)
    assert "NOT CONVERGED" in done.stdout and "not converged" in done.stderr


def test_md_reports_speed_and_writes_frames(qcad, copper):
    report = qcad.json(
        "md", "cu.xyz", "--calculator", "emt", "--ensemble", "nve", "--temperature", "300", "--timestep", "2", "--steps", "40", "-o", "run.extxyz"
    )
    assert report["atom_steps_per_s"] > 0 and "energy_drift_ev_per_atom_per_ns" in report
    from ase.io import read

    assert len(read(qcad.folder / "run.extxyz", ":")) > 1


@pytest.mark.parametrize(
    "words, message",
    [
        (("scff",), "Did you mean 'scf'"),
        (("relax", "none.cif", "--calculator", "emt"), "none.cif is not there"),
        (("relax", "cu.xyz", "--calculator", "ent"), "Did you mean 'emt'"),
        (("relax", "cu.xyz", "--calculator", "emt", "--force-tolerance", "-1"), "is out of range"),
        (("scf", "cu.xyz", "--xc", "B3LYP"), "one of LDA, PBE"),
        (("scf", "cu.xyz", "--kpts", "4by4"), "k-points '4by4' are not understood"),
        (("run", "none.toml"), "There is no recipe"),
        (("jobs", "show", "nothing"), "No job"),
        (("material", "show", "none.json"), "none.json"),
    ],
)
def test_wrong_use_is_exit_2_and_one_sentence(qcad, copper, words, message):
    done = qcad(*words, code=2)
    assert message in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def test_errors_are_one_object_with_json(qcad):
    assert qcad.json("relax", "none.cif", "--calculator", "emt", code=2)["error"]["exit_code"] == 2


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\xff" * 500, b"2\n\nCu 0 0"])
def test_bad_structure_files(qcad, content):
    (qcad.folder / "bad.xyz").write_bytes(content)
    done = qcad("relax", "bad.xyz", "--calculator", "emt", code=2)
    assert "bad.xyz" in done.stderr and "Traceback" not in done.stderr


def test_build_then_change(qcad):
    qcad("build", "bulk", "--symbol", "Al", "--structure", "fcc", "--a", "4.05", "-o", "al.cif")
    report = qcad.json("build", "supercell", "al.cif", "--size", "2x2x2")
    assert report["n_atoms"] == 8


def test_material_from_constants_to_a_checked_deck(qcad):
    qcad("material", "new", "C11=168.4", "C12=121.4", "C44=75.4", "--density", "8960", "--name", "Cu", "-o", "cu.json")
    report = qcad.json("export", "cu.json", "--to", "calculix", "--units", "mm-t-s", "--orient", "[110],[001]", "-o", "cu.inp")
    assert report["units"] == "mm-t-s" and "*ELASTIC" in (qcad.folder / "cu.inp").read_text()
    assert qcad.json("material", "check", "cu.inp", "--run", "skfem")["passed"]
    assert qcad.json("material", "average", "cu.json")
    done = qcad("material", "new", "C11=100", "C12=150", "C44=50", "-o", "bad.json", code=2)
    assert "Born" in done.stderr


def test_a_recipe_runs_and_keeps_its_jobs(qcad):
    (qcad.folder / "r.toml").write_text("""
[[step]]
id = "crystal"
do = "build.bulk"
params = { symbol = "Cu", structure = "fcc", a = 3.7 }
[[step]]
id = "relaxed"
do = "relax"
from = "crystal"
params = { cell = "full", stress_tolerance = 0.01 }
calculator = "emt"
[[step]]
id = "stiff"
do = "elastic"
from = "relaxed"
calculator = "relaxed"
[[step]]
id = "deck"
do = "export"
from = "stiff"
params = { to = "abaqus", units = "SI", output = "cu.inp" }
""")
    report = qcad.json("run", "r.toml")["steps"]
    assert report["stiff"]["converged"] and (qcad.folder / "cu.inp").is_file() and len(qcad.json("jobs")["jobs"]) == 2


def test_doctor_and_plugins(qcad):
    assert qcad.json("doctor")["packages"]["numpy"] != "missing"
    assert {"dft", "emt", "mlff"} <= {row["name"] for row in qcad.json("plugins")["plugins"]}
    assert all(row["cutoff_ha"] is None or row["cutoff_ha"] > 0 for row in qcad.json("pseudos", "list", "Si")["pseudos"])


def test_an_output_that_cannot_be_written_is_refused_before_the_run(qcad, copper):
    done = qcad("relax", "cu.xyz", "--calculator", "emt", "-o", "nowhere/x.cif", code=2)
    assert "there is no folder" in done.stderr and "Make the folder" in done.stderr and not list((qcad.folder / "data").glob("jobs/*"))
    assert "it is a folder" in qcad("md", "cu.xyz", "--calculator", "emt", "-o", ".", code=2).stderr
    assert "there is no folder" in qcad("material", "new", "E=200", "nu=0.3", "-o", "nowhere/x.json", code=1).stderr


@pytest.mark.parametrize("count", ["0", "-3", "two"])
def test_threads_are_at_least_one(qcad, copper, count):
    assert "is not a number of threads. Allowed: whole numbers from 1" in qcad("scf", "cu.xyz", f"--threads={count}", code=2).stderr


def test_a_finished_job_gives_its_output_later(qcad, copper):
    qcad("project", "new", "p.qcad")
    job = qcad.json("md", "cu.xyz", "--calculator", "emt", "--steps", "20", "--project", "p.qcad", "-o", "first.extxyz")["job"]
    assert qcad.json("jobs", "show", job, "--project", "p.qcad", "-o", "later.extxyz")["state"] == "finished"
    assert (qcad.folder / "later.extxyz").read_bytes() == (qcad.folder / "first.extxyz").read_bytes()


def test_the_hint_to_resume_names_the_project(tmp_path):
    from types import SimpleNamespace

    from solvers.cli.running import resume_hint

    assert resume_hint(SimpleNamespace(id="j1", path=tmp_path / "a b.qcad" / "jobs" / "j1")).startswith(f"`qcad jobs resume j1 --project '{tmp_path}")
    assert resume_hint(SimpleNamespace(id="j1", path=tmp_path / "jobs" / "j1")) == "`qcad jobs resume j1` continues it."


@pytest.mark.parametrize(
    "words, message",
    [
        (("pseudos", "list", "Qq"), "There is no potential for element 'Qq'"),
        (("pseudos", "list", "--xc", "FOO"), "Functionals: LDA, PBE"),
        (("material", "new", "C11=168", "C11=121", "C44=75", "-o", "x.json"), "C11 is given twice: 168 and 121"),
        (("material", "new", "E=200", "G=80", "-o", "x.json"), "takes exactly E (GPa) and nu"),
        (("material", "new", "E=200", "nu=0.3", "--density", "nan", "-o", "x.json"), "The density holds NaN or infinity"),
        (("material", "new", "C11=162", "C12=92", "C13=69", "C33=180", "C44=47", "--c-over-a", "-1", "-o", "x.json"), "c/a = -1 is out of range"),
    ],
)
def test_slips_of_the_pen_are_named(qcad, words, message):
    assert message in qcad(*words, code=2).stderr


def test_directions_of_a_hexagonal_lattice_need_its_ratio(qcad):
    titanium = ("material", "new", "C11=162.4", "C12=92", "C13=69", "C33=180.7", "C44=46.7", "-o", "ti.json")
    qcad(*titanium)
    assert "--c-over-a" in qcad("material", "rotate", "ti.json", "--orient", "[2-1-13],[01-10]", code=2).stderr
    qcad(*titanium, "--c-over-a", "1.588")
    stiffness = qcad.json("material", "rotate", "ti.json", "--orient", "[2-1-13],[01-10]")["stiffness_pa"][0]
    # <11-23> lies at atan(1/1.588) from the c axis: C'_11 = C11 s⁴ + C33 c⁴ + 2 (C13 + 2 C44) s² c²
    cosine2 = 1.588**2 / (1 + 1.588**2)
    expected = 162.4 * (1 - cosine2) ** 2 + 180.7 * cosine2**2 + 2 * (69 + 2 * 46.7) * (1 - cosine2) * cosine2
    assert stiffness[0][0] / 1e9 == pytest.approx(expected, rel=1e-9)


def test_own_potentials_from_shell_to_calculation(qcad):
    from ase.build import bulk

    from solvers.dft.pseudo.library import entry
    from solvers.validate.peers.potential_files import on_mesh, psp8_text

    bulk("Si", a=5.43).write(qcad.folder / "si.xyz", format="extxyz")
    (qcad.folder / "Si.psp8").write_text(psp8_text(on_mesh(entry("Si", "PBE"))))
    added = qcad.json("pseudos", "add", "Si.psp8", "--set", "mine", "--licence", "CC0", "--no-scan")["added"]
    assert (added[0]["selector"], added[0]["licence"], added[0]["cutoff_kind"]) == ("mine", "CC0", "unknown")
    listed = {row["selector"]: row for row in qcad.json("pseudos", "list", "Si")["pseudos"]}
    assert listed["mine"]["sha256"] == added[0]["sha256"] and {"licence", "nlcc", "relativity"} <= set(listed["GTH-PBE-q4"])
    result = qcad.json("scf", "si.xyz", "--pseudos", "mine", "--cutoff", "120", "--tolerance", "1e-4")
    assert -205 < result["energy"] < -185
    stored = qcad.folder / "data" / "pseudos" / "mine" / "Si.psp8"
    stored.write_text(stored.read_text().replace("14.0", "14.1", 1))
    assert qcad.json("pseudos", "verify", code=1)["potentials"][0]["state"] == "changed"
    assert "licence: GPL-3.0" in qcad("pseudos", "list", "--sources").stdout
