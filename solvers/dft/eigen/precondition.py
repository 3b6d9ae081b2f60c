"""Preconditioner of Teter, Payne and Allan, Phys. Rev. B 40, 12255 (1989), eq. 5.16, with each band's own kinetic energy."""
from __future__ import annotations

import torch

from ..basis import Batch


def preconditioned_residuals(batch: Batch, X: torch.Tensor, HX: torch.Tensor, e: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(K(HX − eX), ‖HX − eX‖) per band; the plain torch form of `kernels/residuals.py`, any device."""
    R = HX - e[..., None] * X
    norms = torch.linalg.vector_norm(R, dim=-1)
    kinetic = batch.stored_kinetic[:, None, :]
    own = ((X.real**2 + X.imag**2 if X.is_complex() else X**2) * kinetic).sum(-1, keepdim=True)
    t = kinetic / own.clamp_min(1e-3)
    polynomial = 27.0 + t * (18.0 + t * (12.0 + 8.0 * t))
    return R * (polynomial / (polynomial + 16.0 * t**4)), norms
