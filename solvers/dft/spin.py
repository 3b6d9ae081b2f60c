"""Collinear spin: densities as (charge, magnetisation) or (n↑, n↓), potentials as derivatives by the one or the other.

A density is (S, …) with S = 1: (n,) or S = 2: (n, m) with n = n↑ + n↓, m = n↑ − n↓. A potential is the derivative of the energy by it: ∂E/∂n = (V↑ + V↓)/2,
∂E/∂m = (V↑ − V↓)/2, so that a plain sum over rows of potential times density is right for either form.
"""
from __future__ import annotations

import torch


def density_channels(rho: torch.Tensor) -> torch.Tensor:
    """(n↑, n↓) of (n, m); a single row is returned as it is."""
    return rho if len(rho) == 1 else torch.stack([rho[0] + rho[1], rho[0] - rho[1]]) * 0.5


def charge_and_moment(channels: torch.Tensor) -> torch.Tensor:
    """(n, m) of (n↑, n↓); a single row is returned as it is."""
    return channels if len(channels) == 1 else torch.stack([channels[0] + channels[1], channels[0] - channels[1]])


def potential_channels(potential: torch.Tensor) -> torch.Tensor:
    """(V↑, V↓) of (∂E/∂n, ∂E/∂m)."""
    return charge_and_moment(potential)


def potential_derivatives(channels: torch.Tensor) -> torch.Tensor:
    """(∂E/∂n, ∂E/∂m) of (V↑, V↓)."""
    return density_channels(channels)
