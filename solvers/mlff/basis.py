"""The descriptor of an atom: radial functions, density moments A, and the rotation-invariant products of them that the energy is linear in.

A_{a,lm} = Σ_j f_k(r_ij) Y_lm(u_ij) over neighbours j of species J, with channel a = (J, k) and real harmonics normalised to Σ_m Y_lm(u) Y_lm(v) = P_l(u·v).

* two-body   Σ_j f_k(r_ij)
* three-body Σ_m A_{a,lm} A_{b,lm}, a <= b, l = 0…L
* four-body  Σ C^{l1 l2 l3}_{m1 m2 m3} A_{a,l1m1} A_{b,l2m2} A_{c,l3m3} for l1 <= l2 <= l3, l1+l2+l3 even, C the integral of three harmonics

The atomic cluster expansion to third order (Drautz, Phys. Rev. B 99, 014104 (2019)) in the Chebyshev basis of Artrith et al., Phys. Rev. B 96, 014112 (2017).
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement, product

import numpy as np

from solvers.core.errors import SetupError

from .harmonics import triple_integral

LARGEST_DEGREE = 4
MOST_FEATURES = 12000
_MOST_FOUR = 40  # channels of four-body terms


@dataclass(frozen=True)
class Terms:
    """Products Σ_t coefficient_t Π A, grouped by feature. first (D'+1,): range of each feature; factors (T, 3): flat index a·(L+1)²+lm, −1 = absent."""

    first: np.ndarray
    coefficients: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True)
class Basis:
    """Sizes of a descriptor. species: atomic numbers, ascending; cutoffs in Å; n_radial, n_angular: functions per neighbour species;
    degree: largest l of three-body terms; n_four, degree_four: functions and largest l of four-body terms (0 functions = none)."""

    species: tuple[int, ...]
    radial_cutoff: float
    angular_cutoff: float
    n_radial: int
    n_angular: int
    degree: int
    n_four: int
    degree_four: int

    def __post_init__(self):
        if not self.species or list(self.species) != sorted(set(self.species)) or not all(1 <= z <= 118 for z in self.species):
            raise SetupError(f"species = {self.species} is no list of atomic numbers.", hint="Allowed: 1 to 118, ascending, each once.")
        if not 1.0 <= self.angular_cutoff <= self.radial_cutoff <= 20.0:
            raise SetupError(f"Cutoffs of {self.angular_cutoff} and {self.radial_cutoff} Å were asked for.",
                             hint="Allowed: 1 <= angular <= radial <= 20 Å.")
        counts = 1 <= self.n_radial <= 32 and 1 <= self.n_angular <= 32 and 0 <= self.n_four <= self.n_angular
        if not (counts and 0 <= self.degree_four <= self.degree <= LARGEST_DEGREE):
            raise SetupError(f"A descriptor of {self.n_radial}, {self.n_angular}, {self.n_four} functions and degrees {self.degree}, {self.degree_four} "
                             "cannot be made.", hint=f"Allowed: 1 to 32 functions, degrees up to {LARGEST_DEGREE}, n_four <= n_angular.")
        few = len(self.species) * self.n_four <= _MOST_FOUR  # or counting alone would take forever
        if not few or self.n_features > MOST_FEATURES:
            raise SetupError(f"{len(self.species)} species make {self.n_features if few else 'far too many'} features.",
                             hint=f"At most {MOST_FEATURES} are fitted: use a smaller preset.")

    @classmethod
    def preset(cls, name: str, species: tuple[int, ...]) -> Basis:
        """The descriptor of preset "fast", "standard" or "accurate"; fewer functions per species the more species there are."""
        radial, angular, n_radial, n_angular, degree, n_four, degree_four = {
            "fast": (5.0, 4.5, 10, 6, 3, 0, 0), "standard": (6.0, 5.0, 12, 8, 4, 4, 2), "accurate": (6.5, 5.5, 14, 10, 4, 5, 4)}[name]
        several = min(len(species), 5)
        share = {1: 1.0, 2: 0.65, 3: 0.45, 4: 0.35, 5: 0.25}[several]
        four = {1: n_four, 2: min(n_four, 2), 3: min(n_four, 1), 4: min(n_four, 1), 5: 0}[several]
        degree_four = degree_four if several < 3 else min(2, degree_four)
        return cls(tuple(sorted(species)), radial, angular, n_radial, max(2, round(share * n_angular)), degree, four, degree_four)

    # ---- sizes -------------------------------------------------------------------------------------------------------------
    @property
    def n_channels(self) -> int:
        """Density channels (J, k) of an atom."""
        return len(self.species) * self.n_angular

    @property
    def n_moments(self) -> int:
        """(L+1)² components lm."""
        return (self.degree + 1) ** 2

    @cached_property
    def n_two(self) -> int:
        """Two-body features of an atom."""
        return len(self.species) * self.n_radial

    @cached_property
    def n_three(self) -> int:
        """Three-body features of an atom."""
        return self.n_channels * (self.n_channels + 1) // 2 * (self.degree + 1)

    @cached_property
    def n_local(self) -> int:
        """Features of an atom, the constant not counted."""
        return self.n_two + self.n_three + sum(len(self._four_channels(triple)) for triple in self.triples)

    @property
    def n_features(self) -> int:
        """Parameters of the linear model: a constant and n_local weights for each species."""
        return len(self.species) * (1 + self.n_local)

    # ---- products ------------------------------------------------------------------------------------------------------------
    @cached_property
    def triples(self) -> tuple[tuple[int, int, int], ...]:
        """(l1, l2, l3) of the four-body terms."""
        if not self.n_four:
            return ()
        ranks = range(self.degree_four + 1)
        return tuple(t for t in combinations_with_replacement(ranks, 3) if t[2] <= t[0] + t[1] and sum(t) % 2 == 0)

    def _four_channels(self, triple: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        channels = [species * self.n_angular + k for species in range(len(self.species)) for k in range(self.n_four)]
        return [(a, b, c) for a, b, c in product(channels, repeat=3) if (a <= b or triple[0] != triple[1]) and (b <= c or triple[1] != triple[2])]

    @cached_property
    def three_channels(self) -> np.ndarray:
        """Channel pairs (a, b), a <= b, of the three-body features, (n, 2); feature n_two + pair·(L+1) + l."""
        return np.array(list(combinations_with_replacement(range(self.n_channels), 2)))

    @cached_property
    def four_terms(self) -> Terms:
        """Products of three moments, one group per four-body feature."""
        rows: list[tuple[float, tuple[int, ...]]] = []
        first = [0]
        for triple in self.triples:
            coupling = triple_integral(*triple)
            entries = [(tuple(index), coupling[tuple(index)]) for index in np.argwhere(np.abs(coupling) > 1e-12)]
            for channels in self._four_channels(triple):
                merged: dict[tuple[int, ...], float] = {}
                for index, value in entries:
                    key = tuple(sorted(a * self.n_moments + l * l + m for a, l, m in zip(channels, triple, index, strict=True)))
                    merged[key] = merged.get(key, 0.0) + value
                rows += [(value, key) for key, value in merged.items()]
                first.append(len(rows))
        return Terms(np.array(first, np.int64), np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.int64).reshape(-1, 3))

    @cached_property
    def terms(self) -> Terms:
        """Products of all features after the two-body ones."""
        n_l = self.degree + 1
        rows, first = [], [0]
        for a, b in self.three_channels:
            for l in range(n_l):
                rows += [(1.0, (a * self.n_moments + l * l + m, b * self.n_moments + l * l + m, -1)) for m in range(2 * l + 1)]
                first.append(len(rows))
        four = self.four_terms
        offset = len(rows)
        return Terms(np.concatenate([first, four.first[1:] + offset]).astype(np.int64), np.concatenate([[row[0] for row in rows], four.coefficients]),
                     np.concatenate([np.array([row[1] for row in rows], np.int64), four.factors]))
