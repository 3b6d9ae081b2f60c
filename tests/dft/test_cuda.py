"""CPU and CUDA give one physics: energies, forces and stress to 1e-9 Ha. Run with `pytest -m gpu` on a machine that has a device."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from solvers.core.structure import Structure
from solvers.core.units import HARTREE_EV
from solvers.dft.calculation import Calculation
from solvers.dft.params import DFTParams
from solvers.dft.plan import make_plan

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def crystals():
    """Insulator at Γ (real), on a mesh (padded batches), metal, semicore, magnet."""
    silicon, aluminium = bulk("Si", "diamond", a=5.43), bulk("Al", "fcc", a=4.04, cubic=True)
    for atoms in (silicon, aluminium):
        atoms.rattle(0.05, seed=3)
    yield "gamma", silicon.repeat(2), {"kpts": "1x1x1", "cutoff": 8 * HARTREE_EV}
    yield "mesh", silicon, {"kpts": "3x3x3", "cutoff": 15 * HARTREE_EV}
    yield "metal", aluminium, {"kpts": "3x3x3", "cutoff": 10 * HARTREE_EV, "smearing": ("fermi-dirac", 0.01 * HARTREE_EV)}
    yield "semicore", bulk("MgO", "rocksalt", a=4.26), {"kpts": "2x2x2", "cutoff": 40 * HARTREE_EV, "pseudos": {"Mg": "GTH-PBE-q10"}}
    oxygen = Atoms("O2", [[3, 3, 3], [3, 3, 4.22]], cell=[6, 6.2, 7], pbc=True)
    yield "magnet", oxygen, {"kpts": "1x1x1", "cutoff": 25 * HARTREE_EV, "spin": "collinear", "magmoms": (1.0, 1.0),
                             "smearing": ("fermi-dirac", 0.005 * HARTREE_EV)}


@pytest.mark.parametrize("name", ["gamma", "mesh", "metal", "semicore", "magnet"])
def test_cpu_and_cuda_agree(name):
    atoms, options = next((atoms, options) for key, atoms, options in crystals() if key == name)
    found = []
    for device in ("cpu", "cuda"):
        params = DFTParams(**options, tolerance=1e-12, device=device)
        calculation = Calculation(make_plan(Structure.from_atoms(atoms), params))
        for _ in calculation.run():
            pass
        assert calculation.ground.converged
        found.append((calculation.energies.free, calculation.forces, calculation.stress * calculation.problem.basis.volume))
    (e1, f1, s1), (e2, f2, s2) = found
    assert abs(e1 - e2) < 1e-9 * len(atoms)
    assert np.abs(f1 - f2).max() < 1e-9 and np.abs(s1 - s2).max() < 1e-9  # both took the same path, so that only rounding divides them
    assert np.abs(s1).max() > 1e-4


def test_kernels_agree_with_their_references():
    from solvers.dft.kernels import accumulate, boxes, phases
    from solvers.dft.terms import ewald
    generator = torch.Generator().manual_seed(1)
    fields = torch.randn(2, 3, 1000, dtype=torch.complex128, generator=generator)
    weights, rho = torch.rand(2, 3, dtype=torch.float64, generator=generator), torch.zeros(1000, dtype=torch.float64)
    accumulate.accumulate_torch(fields, weights, 0.5 * weights, rho)
    on_card = torch.zeros(1000, dtype=torch.float64, device="cuda")
    accumulate.accumulate(fields.cuda(), weights.cuda(), 0.5 * weights.cuda(), on_card)
    assert torch.allclose(on_card.cpu(), rho, rtol=1e-13)
    inverse = torch.randint(-4, 900, (2, 1000), generator=generator, dtype=torch.int32)
    values = torch.randn(2, 3, 900, dtype=torch.complex128, generator=generator)
    assert torch.equal(boxes.scatter(values.cuda(), inverse.cuda()).cpu(), boxes.scatter_torch(values, inverse))
    rng = np.random.default_rng(2)
    fractional, forms = torch.rand(20, 3, dtype=torch.float64, generator=generator), torch.randn(4, 500, dtype=torch.complex128, generator=generator)
    miller = rng.integers(-9, 10, size=(500, 3)).astype(np.int32)
    out = torch.zeros(80, 500, dtype=torch.complex128, device="cuda")
    phases.projector_rows(fractional.cuda(), miller, np.array([0.1, 0.2, 0.3]), forms.cuda(), False, out)
    assert torch.allclose(out.cpu(), phases.projectors_torch(fractional, miller, np.array([0.1, 0.2, 0.3]), forms, False), atol=1e-12)
    cell, positions, charges = 20 * np.eye(3), 20 * rng.uniform(size=(60, 3)), rng.uniform(1, 4, size=60)
    for a, b in zip(ewald.ewald(cell, positions, charges), ewald.ewald(cell, positions, charges, device="cuda"), strict=True):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-9)
