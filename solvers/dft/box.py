"""Sizes of the FFT box: the smallest 2,3,5-smooth box that holds the density of a cutoff sphere. Hartree atomic units; imports no torch."""
from __future__ import annotations

import math

import numpy as np

from ..core.errors import SetupError


def smooth(n: int) -> int:
    """The smallest integer ≥ n with no prime factor above 5."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def smallest_shape(cell: np.ndarray, cutoff: float, factor: float = 2.0) -> tuple[int, int, int]:
    """Least numbers of points that hold every |G| ≤ factor·√(2·cutoff): n_i = 2⌊|a_i|·G_max/2π⌋ + 1. cell rows in bohr, cutoff in Ha."""
    reach = np.linalg.norm(cell, axis=1) * factor * math.sqrt(2.0 * cutoff) / (2.0 * math.pi)
    return tuple(2 * int(math.floor(x + 1e-9)) + 1 for x in reach)


def default_shape(cell: np.ndarray, cutoff: float, equal_axes: tuple[tuple[int, ...], ...] = ()) -> tuple[int, int, int]:
    """The smallest 2,3,5-smooth box that represents the density of the cutoff sphere exactly; axes in one group of `equal_axes` get equal lengths."""
    shape = [smooth(n) for n in smallest_shape(cell, cutoff)]
    for group in equal_axes:
        longest = max(shape[axis] for axis in group)
        for axis in group:
            shape[axis] = longest
    return tuple(shape)


def check_shape(shape: tuple[int, int, int], cell: np.ndarray, cutoff: float) -> None:
    """Raise SetupError when a box given by the user cannot even hold the wave functions' spheres without overlap of their images."""
    least = smallest_shape(cell, cutoff, factor=1.0)
    if len(shape) != 3 or any(int(n) != n or n < m for n, m in zip(shape, least, strict=True)):
        exact = default_shape(cell, cutoff)
        raise SetupError(f"grid = {tuple(shape)} is too small for this cutoff.",
                         hint=f"At least {least} points are needed, {exact} represent the density exactly; leave grid unset to take the latter.")
