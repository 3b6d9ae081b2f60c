"""Real solid harmonics |K|^l Y_lm(K) as polynomials in K, and their gradients: exact at K = 0.

Y_lm are orthonormal on the unit sphere. Order within a shell: m = −l … l in the usual real convention (l = 1: y, z, x).
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

from solvers.core.errors import SetupError


def solid_harmonics(l: int, vectors: Tensor) -> Tensor:
    """|K|^l Y_lm(K) of vectors (…, 3): (…, 2l+1), in units of |vectors|^l. l from 0 to 3."""
    x, y, z = vectors.unbind(-1)
    if l == 0:
        return torch.full_like(x, math.sqrt(1 / (4 * math.pi)))[..., None]
    if l == 1:
        return math.sqrt(3 / (4 * math.pi)) * torch.stack((y, z, x), -1)
    if l == 2:
        return math.sqrt(15 / (4 * math.pi)) * torch.stack((x * y, y * z, (2 * z * z - x * x - y * y) / math.sqrt(12), x * z, (x * x - y * y) / 2), -1)
    if l == 3:
        axial = 4 * z * z - x * x - y * y
        return torch.stack((math.sqrt(35 / (32 * math.pi)) * y * (3 * x * x - y * y), math.sqrt(105 / (4 * math.pi)) * x * y * z,
                            math.sqrt(21 / (32 * math.pi)) * y * axial, math.sqrt(7 / (16 * math.pi)) * z * (2 * z * z - 3 * x * x - 3 * y * y),
                            math.sqrt(21 / (32 * math.pi)) * x * axial, math.sqrt(105 / (16 * math.pi)) * z * (x * x - y * y),
                            math.sqrt(35 / (32 * math.pi)) * x * (x * x - 3 * y * y)), -1)
    raise SetupError(f"Angular momentum l = {l} has no harmonics here.", hint="Allowed: 0 to 3.")


def solid_harmonics_gradient(l: int, vectors: Tensor) -> Tensor:
    """Gradient of `solid_harmonics` with respect to the vectors: (…, 2l+1, 3)."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)

    def rows(scale: float, *triples) -> list[Tensor]:
        return [scale * torch.stack(triple, -1) for triple in triples]

    if l == 0:
        return torch.stack(rows(1.0, (zero, zero, zero)), -2)
    if l == 1:
        one = torch.ones_like(x)
        return torch.stack(rows(math.sqrt(3 / (4 * math.pi)), (zero, one, zero), (zero, zero, one), (one, zero, zero)), -2)
    if l == 2:
        s = 1 / math.sqrt(3)
        return torch.stack(rows(math.sqrt(15 / (4 * math.pi)), (y, x, zero), (zero, z, y), (-s * x, -s * y, 2 * s * z), (z, zero, x), (x, -y, zero)), -2)
    if l == 3:
        xx, yy, zz = x * x, y * y, z * z
        return torch.stack([
            *rows(math.sqrt(35 / (32 * math.pi)), (6 * x * y, 3 * xx - 3 * yy, zero)),
            *rows(math.sqrt(105 / (4 * math.pi)), (y * z, x * z, x * y)),
            *rows(math.sqrt(21 / (32 * math.pi)), (-2 * x * y, 4 * zz - xx - 3 * yy, 8 * y * z)),
            *rows(math.sqrt(7 / (16 * math.pi)), (-6 * x * z, -6 * y * z, 6 * zz - 3 * xx - 3 * yy)),
            *rows(math.sqrt(21 / (32 * math.pi)), (4 * zz - 3 * xx - yy, -2 * x * y, 8 * x * z)),
            *rows(math.sqrt(105 / (16 * math.pi)), (2 * x * z, -2 * y * z, xx - yy)),
            *rows(math.sqrt(35 / (32 * math.pi)), (3 * xx - 3 * yy, -6 * x * y, zero))], -2)
    raise SetupError(f"Angular momentum l = {l} has no harmonics here.", hint="Allowed: 0 to 3.")


def real_harmonics(l: int, unit_vectors: Tensor) -> Tensor:
    """Y_lm of unit vectors (…, 3): (…, 2l+1)."""
    return solid_harmonics(l, unit_vectors)
