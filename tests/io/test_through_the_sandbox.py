"""What our writers write, the sandboxed reader reads; what it must not misread, it refuses."""
from __future__ import annotations

import numpy as np
import pytest

from solvers import build
from solvers.core.bridge import read_structure
from solvers.core.errors import ReadError
from solvers.core.structure import Structure
from solvers.io import write_structure


@pytest.fixture(scope="module")
def structure():
    crystal = build.crystal(spacegroup="136", sites="Ti 2a 0 0 0; O 4f 0.3053 0.3053 0", a=4.594, c=2.959)
    return Structure.from_atoms(build.rattle(crystal, amplitude=0.03, seed=5)).with_(info={})


@pytest.mark.parametrize("name", ["x.cif", "POSCAR", "x.vasp", "x.extxyz", "x.xyz", "x.json"])
def test_round_trip(structure, tmp_path, name):
    write_structure(structure, tmp_path / name)
    back = read_structure(tmp_path / name)
    assert sorted(back.symbols) == sorted(structure.symbols) and not back.info
    assert not set(back.arrays) - set(structure.arrays)
    if name == "x.json":
        assert back == structure
    if name in ("x.extxyz", "x.json"):
        assert (back.positions == structure.positions).all() and (back.cell == structure.cell).all()
    elif name != "x.xyz":
        assert back.volume == pytest.approx(structure.volume, rel=1e-7)
        distance = np.sort(structure.to_atoms().get_all_distances(mic=True).ravel())
        assert np.allclose(np.sort(back.to_atoms().get_all_distances(mic=True).ravel()), distance, atol=1e-6) and distance.max() > 2


def test_a_partly_occupied_site_is_not_read_as_full(structure, tmp_path):
    write_structure(structure, tmp_path / "x.cif")
    text = (tmp_path / "x.cif").read_text()
    assert text.count(" 1.0000") == 6
    (tmp_path / "x.cif").write_text(text.replace(" 1.0000", " 0.7500", 1))
    with pytest.raises(ReadError, match=r"partly occupied site \(Ti 0.75\).*ordered cell"):
        read_structure(tmp_path / "x.cif")
