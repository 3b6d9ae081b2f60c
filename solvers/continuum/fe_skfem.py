"""The same two experiments as `fe_ccx`, in this process with scikit-fem: the constants enter as a full tensor, so no column order is involved.

It shows that the numbers in the file, read with the published order, make the right body; only a run of the program itself shows that the program reads them
so.
"""
from __future__ import annotations

import numpy as np

from .tensor import full_stiffness, strain_tensor, stress_voigt


class Block:
    """A 2×2×2 block of trilinear hexahedra with the Voigt stiffness (6, 6)."""

    def __init__(self, stiffness: np.ndarray):
        from skfem import Basis, BilinearForm, ElementHex1, ElementVector, MeshHex
        from skfem.helpers import grad
        tensor = full_stiffness(stiffness)
        self.tensor = tensor
        self.mesh = MeshHex().refined(1)
        self.basis = Basis(self.mesh, ElementVector(ElementHex1()))

        @BilinearForm
        def work(u, v, _):
            return np.einsum("ijkl,kl...,ij...->...", tensor, grad(u), grad(v), optimize=True)

        self.matrix = work.assemble(self.basis)

    def _points(self) -> np.ndarray:
        """Position (3, n_dofs) of the node of every unknown."""
        return self.basis.doflocs

    def _component(self) -> np.ndarray:
        """Axis (n_dofs,) of every unknown."""
        axis = np.empty(self.basis.N, dtype=int)
        for a in range(3):
            axis[self.basis.nodal_dofs[a]] = a
        return axis

    def mean_gradient(self, x: np.ndarray) -> np.ndarray:
        """Volume mean (3, 3) of the displacement gradient."""
        from skfem.helpers import grad
        dx = self.basis.dx
        return np.einsum("ijeq,eq->ij", np.asarray(grad(self.basis.interpolate(x))), dx) / dx.sum()

    def stress(self, strain: np.ndarray) -> np.ndarray:
        """Mean Voigt stress (6,) when the surface moves with the affine `strain` (3, 3)."""
        from skfem import condense, solve
        x = np.einsum("ij,jn->in", strain, self._points())[self._component(), np.arange(self.basis.N)]
        surface = self.basis.get_dofs().all()
        inside = np.setdiff1d(np.arange(self.basis.N), surface)
        x[inside] = 0.0
        solved = solve(*condense(self.matrix, np.zeros(self.basis.N), x=x, D=surface))
        return stress_voigt(np.einsum("ijkl,kl->ij", self.tensor, self.mean_gradient(solved)))

    def strain_under_traction(self, traction: float = 1.0) -> np.ndarray:
        """Strain (3, 3) under a uniform traction on the two x faces, isostatic supports."""
        from skfem import FacetBasis, LinearForm, condense, solve

        @LinearForm
        def pull(v, w):
            return traction * w.n[0] * v[0]

        faces = self.mesh.facets_satisfying(lambda p: (p[0] < 1e-9) | (p[0] > 1 - 1e-9), boundaries_only=True)
        load = pull.assemble(FacetBasis(self.mesh, self.basis.elem, facets=faces))
        points = self._points()
        component = self._component()

        def held(corner, axis):
            return int(np.flatnonzero((np.abs(points - np.array(corner, dtype=float)[:, None]).max(axis=0) < 1e-9) & (component == axis))[0])

        supports = np.array([held((0, 0, 0), 0), held((0, 0, 0), 1), held((0, 0, 0), 2), held((1, 0, 0), 1), held((1, 0, 0), 2), held((0, 1, 0), 2)])
        solved = solve(*condense(self.matrix, load, D=supports))
        gradient = self.mean_gradient(solved)
        return 0.5 * (gradient + gradient.T)


def stiffness(voigt: np.ndarray) -> np.ndarray:
    """Voigt stiffness (6, 6) recovered from six unit strains of the block."""
    block = Block(voigt)
    return np.stack([block.stress(strain) for strain in strain_tensor(np.eye(6))], axis=1)


def strain_under_traction(voigt: np.ndarray, traction: float = 1.0) -> np.ndarray:
    """Strain (3, 3) of the block under `traction` along x."""
    return Block(voigt).strain_under_traction(traction)
