"""How electrons fill bands: occupations, Fermi energy and entropy term of every smearing kind. Hartree.

With x = (μ − ε)/width. Every kind obeys d(entropy)/dx = width · x · df/dx, so that E + entropy is stationary in the occupations.
Fermi–Dirac: N. D. Mermin, Phys. Rev. 137, A1441 (1965). Gaussian: C.-L. Fu, K.-M. Ho, Phys. Rev. B 28, 5480 (1983).
Methfessel–Paxton of order 1: M. Methfessel, A. T. Paxton, Phys. Rev. B 40, 3616 (1989). Cold: N. Marzari et al.,
Phys. Rev. Lett. 82, 3296 (1999), in its original form.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.core.errors import NonFiniteError, SetupError

from .special import erf, erfc, expit, xlogy

if TYPE_CHECKING:
    from torch import Tensor

_ROOT_PI = math.sqrt(math.pi)
#: share of a full band below which a band holds nothing
_EMPTY = 1e-6


def occupation(kind: str, x: np.ndarray) -> np.ndarray:
    """f(x), 0 far below zero and 1 far above."""
    if kind == "fermi-dirac":
        return expit(x)
    if kind == "gaussian":
        return 0.5 * erfc(-x)
    if kind == "methfessel-paxton":
        return 0.5 * erfc(-x) + x * np.exp(-x * x) / (2 * _ROOT_PI)
    if kind == "cold":
        y = x - 1 / math.sqrt(2)
        return 0.5 * (1 + erf(y)) + np.exp(-y * y) / math.sqrt(2 * math.pi)
    raise SetupError(f"Unknown smearing {kind!r}.", hint="Allowed: none, fermi-dirac, gaussian, methfessel-paxton, cold.")


def occupation_slope(kind: str, x: np.ndarray) -> np.ndarray:
    """df/dx, the smeared delta function."""
    if kind == "fermi-dirac":
        return expit(x) * expit(-x)
    if kind == "gaussian":
        return np.exp(-x * x) / _ROOT_PI
    if kind == "methfessel-paxton":
        return (1.5 - x * x) * np.exp(-x * x) / _ROOT_PI
    y = x - 1 / math.sqrt(2)
    return (2 - math.sqrt(2) * x) * np.exp(-y * y) / _ROOT_PI


def entropy(kind: str, x: np.ndarray) -> np.ndarray:
    """−TS of one state in units of the width."""
    if kind == "fermi-dirac":
        f = expit(x)
        return xlogy(f, f) + xlogy(expit(-x), expit(-x))
    if kind == "gaussian":
        return -np.exp(-x * x) / (2 * _ROOT_PI)
    if kind == "methfessel-paxton":
        return (2 * x * x - 1) * np.exp(-x * x) / (4 * _ROOT_PI)
    y = x - 1 / math.sqrt(2)
    return y * np.exp(-y * y) / math.sqrt(2 * math.pi)


def occupy(eigenvalues: Tensor | np.ndarray, weights: Any, n_electrons: float, kind: str, width: float,
           max_occupation: float = 2.0) -> tuple[Any, float, float]:
    """(occupations like `eigenvalues`, Fermi energy Ha, −TS Ha) that hold `n_electrons`.

    eigenvalues: (n_spin, n_k, n_bands) Ha; weights: (n_k,) that sum to 1; width: Ha (kT for Fermi–Dirac), unused for "none"; occupations run from
    0 to max_occupation (a little outside for methfessel-paxton and cold) and do not contain the weights. In a gap the Fermi energy is mid-gap.

    Raises SetupError when the bands cannot hold the electrons or when fixed occupations would need a fraction of a band.
    """
    values = _numpy(eigenvalues)
    weights = _numpy(weights).reshape(1, -1, 1)
    if not np.isfinite(values).all():
        raise NonFiniteError("An eigenvalue is not finite.", hint="The self-consistent cycle has diverged.")
    room = max_occupation * values.shape[0] * values.shape[2]
    if not 0 < n_electrons <= room * (1 + 1e-12):
        raise SetupError(f"{n_electrons:g} electrons do not fit into {values.shape[2]} bands, which hold at most {room:g}.", hint="Compute more bands.")
    if kind == "none":
        filling, fermi, free = _fixed(values, n_electrons, max_occupation)
    else:
        if not width > 0:
            raise SetupError(f"Smearing {kind!r} came with width {width:g} Ha.", hint="The width must be positive; use 'none' for fixed occupations.")
        fermi = _fermi_energy(values, weights, n_electrons, kind, width, max_occupation)
        x = (fermi - values) / width
        filling = max_occupation * occupation(kind, x)
        free = width * max_occupation * float((weights * entropy(kind, x)).sum())
    return _like(filling, eigenvalues), fermi, free


def occupy_spins(eigenvalues: Tensor, weights: Any, n_electrons: float, kind: str, width: float,
                 moment: float | None = None) -> tuple[Tensor, np.ndarray, float]:
    """(occupations like `eigenvalues` (S, K, B), Fermi energy of every spin (S,) Ha, −TS Ha).

    moment: n↑ − n↓ where it is fixed, which fills each spin for itself. Raises SetupError as `occupy` does.
    """
    n_spin = len(eigenvalues)
    if n_spin == 1 or moment is None:
        filling, fermi, free = occupy(eigenvalues, weights, n_electrons, kind, width, 2.0 / n_spin)
        return filling, np.full(n_spin, fermi), free
    filling, levels, free = eigenvalues.new_zeros(eigenvalues.shape), np.zeros(2), 0.0
    for spin, electrons in enumerate((0.5 * (n_electrons + moment), 0.5 * (n_electrons - moment))):
        if electrons < 1e-9:  # an empty spin: its Fermi energy lies far below its states
            levels[spin] = float(eigenvalues[spin].min()) - 1.0
            continue
        part, levels[spin], entropy_energy = occupy(eigenvalues[spin:spin + 1], weights, electrons, kind, width, 1.0)
        filling[spin], free = part[0], free + entropy_energy
    return filling, levels, free


def missing_bands(eigenvalues: np.ndarray, fermi: float | np.ndarray, kind: str, width: float) -> int:
    """How many bands (…, K, B) lack above the highest: 0 when its occupation and its entropy are below 1e-6 at every k-point.

    Else as many as reach that energy where levels go on as dense as the upper half of those at hand, at least four and a fifth, at most as many again: metal
    films hold many bands within a few widths, and bands added a few at a time each cost the cycle steps. fermi: Ha, one number or one per spin (S,)."""
    if kind == "none":
        return 0
    x = (np.reshape(fermi, (-1, 1)) - eigenvalues[..., -1]) / width
    share = np.maximum(np.abs(occupation(kind, x)), np.abs(entropy(kind, x)))
    if share.max() <= _EMPTY:
        return 0
    bands = eigenvalues.shape[-1]
    upper = max(1, bands // 2)
    spacing = (eigenvalues[..., -1] - eigenvalues[..., -1 - upper]) / upper if bands > 1 else np.full(x.shape, np.inf)
    lacking = np.maximum(_reach(kind) + x, 0.0) * width / np.maximum(spacing, 1e-6)
    return int(min(max(4, bands // 5, math.ceil(lacking.max())), max(4, bands)))


@cache
def _reach(kind: str) -> float:
    """Widths above the Fermi energy where occupation and entropy have fallen below `_EMPTY` for good."""
    x = np.linspace(0.0, 30.0, 3001)
    return float(x[np.maximum(np.abs(occupation(kind, -x)), np.abs(entropy(kind, -x))) > _EMPTY][-1])


def to_zero(kind: str, free: float, entropy_energy: float) -> float:
    """Energy extrapolated to zero smearing from the free energy F = E − TS and the entropy term −TS, all in one unit.

    F + TS/2 (Fermi–Dirac, Gaussian), F + TS/3 (Methfessel–Paxton of order 1), F (cold, fixed).
    """
    share = {"fermi-dirac": 0.5, "gaussian": 0.5, "methfessel-paxton": 1 / 3}.get(kind, 0.0)
    return free - share * entropy_energy


def _fixed(values: np.ndarray, n_electrons: float, max_occupation: float) -> tuple[np.ndarray, float, float]:
    n_spin, n_k, n_bands = values.shape
    full = n_electrons / (max_occupation * n_spin)
    n_filled = round(full)
    if abs(full - n_filled) > 1e-9:
        raise SetupError(f"{n_electrons:g} electrons do not fill whole bands.",
                         hint="Use a smearing, e.g. fermi-dirac:0.05eV: fixed occupations need an even number of electrons.")
    order = np.sort(values, axis=-1)
    threshold = order[..., n_filled - 1:n_filled]
    filling = max_occupation * (np.argsort(np.argsort(values, axis=-1, kind="stable"), axis=-1, kind="stable") < n_filled)
    top = float(threshold.max())
    return filling, (top if n_filled == n_bands else 0.5 * (top + float(order[..., n_filled].min()))), 0.0


def _fermi_energy(values, weights, n_electrons, kind, width, max_occupation) -> float:
    def count(mu: float, which: str = kind) -> float:
        return max_occupation * float((weights * occupation(which, (mu - values) / width)).sum())

    monotonic = kind if kind in ("fermi-dirac", "gaussian") else "gaussian"
    noise = 1e-12 * max(1.0, n_electrons)
    reach = 60 * width if monotonic == "fermi-dirac" else 12 * width
    low, high = float(values.min()) - reach, float(values.max()) + reach
    # all energies between the two crossings hold the electrons to rounding: their middle is mid-gap in an insulator and the root in a metal
    below = _crossing(lambda mu: count(mu, monotonic) > n_electrons - noise, low, high)
    above = _crossing(lambda mu: count(mu, monotonic) > n_electrons + noise, below, high)
    full = n_electrons > max_occupation * values.shape[0] * values.shape[2] - 1e-9
    fermi = high if full else 0.5 * (below + above)
    if abs(count(fermi) - n_electrons) <= noise:
        return fermi
    return _nearest_root(lambda mu: count(mu) - n_electrons, fermi, width)


def _crossing(beyond: Callable[[float], bool], low: float, high: float) -> float:
    """Where `beyond` turns true between low and high, to the last bit."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return 0.5 * (low + high)


def _nearest_root(surplus, start: float, width: float) -> float:
    """The rising zero of `surplus` nearest to `start`: occupations of methfessel-paxton and cold are not monotonic and can have several."""
    for span in (0.1, 1.0, 4.0, 12.0):
        grid = start + width * span * np.linspace(-1, 1, 41)
        excess = np.array([surplus(mu) for mu in grid])
        rising = np.nonzero((excess[:-1] <= 0) & (excess[1:] > 0))[0]
        if len(rising):
            best = rising[np.argmin(np.abs(0.5 * (grid[rising] + grid[rising + 1]) - start))]
            return _crossing(lambda mu: surplus(mu) > 0.0, float(grid[best]), float(grid[best + 1]))
    raise NonFiniteError(f"No Fermi energy was found near {start:.6g} Ha.", hint="Use fermi-dirac or gaussian smearing, or a smaller width.")


def _numpy(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value, float)


def _like(array: np.ndarray, example: Any) -> Any:
    if hasattr(example, "detach"):
        import torch
        return torch.as_tensor(array, dtype=example.dtype, device=example.device)
    return array
