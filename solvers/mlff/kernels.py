"""Numba kernels: descriptor, energy, and forces by the adjoint. Neighbours lie in the vector lanes (last axis) of every scratch array.

With G = ∂E_i/∂A the force on a pair is ∂E_i/∂r_ij = u Σ_lm Y_lm (P'_lm − l P_lm/r) + Σ_lm P_lm ∇Y_lm / r, where P_lm = Σ_k G_{k,lm} f_k(r) and P' has f'_k:
both passes over the neighbours cost the same whatever the number of features. Plain counterpart: `reference.py`.
"""
from __future__ import annotations

import numpy as np
from numba import njit

from solvers.core.paths import use_numba_cache

from .harmonics import fill_harmonics as _fill_harmonics

use_numba_cache()
_one = njit(cache=True, fastmath=True, nogil=True, error_model="numpy", inline="always")(_fill_harmonics)


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def fill_harmonics(u, lanes, degree, out):
    """Harmonics (moments, lanes) of unit vectors u (3, lanes)."""
    for lane in range(lanes):
        _one(u[0, lane], u[1, lane], u[2, lane], degree, out[:, lane])


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def radial(r, first, last, cutoff, f, df):
    """Rows f_k = (T_k(2(r/rc−1)²−1)+1)/2 · (1−(r/rc)²)³ and df/dr, k = 0…len(f)−1, for lanes first…last."""
    n = f.shape[0]
    inverse = 1.0 / cutoff
    for lane in range(first, last):
        t = r[lane] * inverse
        x = 2.0 * (t - 1.0) * (t - 1.0) - 1.0
        f[0, lane] = 1.0
        df[0, lane] = 0.0
        if n > 1:
            f[1, lane] = x
            df[1, lane] = 1.0
    for k in range(2, n):
        for lane in range(first, last):
            t = r[lane] * inverse
            x = 2.0 * (t - 1.0) * (t - 1.0) - 1.0
            f[k, lane] = 2.0 * x * f[k - 1, lane] - f[k - 2, lane]
            df[k, lane] = 2.0 * f[k - 1, lane] + 2.0 * x * df[k - 1, lane] - df[k - 2, lane]
    for k in range(n):
        for lane in range(first, last):
            t = r[lane] * inverse
            rest = 1.0 - t * t
            cut = rest * rest * rest
            slope = -6.0 * t * rest * rest * inverse
            bend = 4.0 * (t - 1.0) * inverse
            df[k, lane] = 0.5 * (df[k, lane] * bend * cut + (f[k, lane] + 1.0) * slope)
            f[k, lane] = 0.5 * (f[k, lane] + 1.0) * cut


@njit(cache=True, nogil=True, error_model="numpy")
def gather(atom, positions, cell, kinds, offsets, neighbours, shifts, radial_cutoff, angular_cutoff, n_species, starts, others, u, r):
    """Neighbours of `atom` within the cutoffs, grouped by species and, within it, those inside the angular cutoff first.

    starts (2·n_species+1,): lanes of group 2s (angular) and 2s+1 (the rest); others: atom per lane; u (3, lanes), r (lanes,).
    """
    begin, end = offsets[atom], offsets[atom + 1]
    starts[:] = 0
    for sweep in range(2):
        for pair in range(begin, end):
            other = neighbours[pair]
            sx, sy, sz = shifts[pair, 0], shifts[pair, 1], shifts[pair, 2]
            x = positions[other, 0] - positions[atom, 0] + (sx * cell[0, 0] + sy * cell[1, 0] + sz * cell[2, 0])
            y = positions[other, 1] - positions[atom, 1] + (sx * cell[0, 1] + sy * cell[1, 1] + sz * cell[2, 1])
            z = positions[other, 2] - positions[atom, 2] + (sx * cell[0, 2] + sy * cell[1, 2] + sz * cell[2, 2])
            distance2 = x * x + y * y + z * z
            if distance2 >= radial_cutoff * radial_cutoff:
                continue
            group = 2 * kinds[other] + (0 if distance2 < angular_cutoff * angular_cutoff else 1)
            if sweep == 0:
                starts[group + 1] += 1
            else:
                lane = starts[group]
                starts[group] += 1
                distance = np.sqrt(distance2)
                others[lane], r[lane] = other, distance
                inverse = 1.0 / distance
                u[0, lane], u[1, lane], u[2, lane] = x * inverse, y * inverse, z * inverse
        if sweep == 0:
            for group in range(2 * n_species):
                starts[group + 1] += starts[group]
    for group in range(2 * n_species, 0, -1):  # the second sweep moved every start to its end
        starts[group] = starts[group - 1]
    starts[0] = 0


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def moments(starts, n_species, n_angular, n_moments, f, harmonics, A):
    """A (channels, moments) = Σ_j f_k Y_lm over the angular neighbours of each species."""
    for species in range(n_species):
        first, last = starts[2 * species], starts[2 * species + 1]
        for k in range(n_angular):
            for lm in range(n_moments):
                total = 0.0
                for lane in range(first, last):
                    total += f[k, lane] * harmonics[lm, lane]
                A[species * n_angular + k, lm] = total


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def pair_gradients(first, degree, P, dP, harmonics, u, r, table, coefficients, gradient):
    """Add ∂E_i/∂r_ij to gradient (3, lanes) for the lanes from `first` on, from P and dP (moments, n); P is divided by r."""
    n_moments, n = P.shape
    l = 0
    for lm in range(n_moments):
        if lm == (l + 1) ** 2:
            l += 1
        for i in range(n):
            lane = first + i
            P[lm, i] /= r[lane]
            along = harmonics[lm, i] * (dP[lm, i] - l * P[lm, i])
            gradient[0, lane] += along * u[0, lane]
            gradient[1, lane] += along * u[1, lane]
            gradient[2, lane] += along * u[2, lane]
    for entry in range(table.shape[0]):
        axis, high, low = table[entry, 0], table[entry, 1], table[entry, 2]
        coefficient = coefficients[entry]
        for i in range(n):
            gradient[axis, first + i] += coefficient * P[high, i] * harmonics[low, i]


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def local_energy(A, three, degree, four_coefficients, four_factors, G):
    """Three- and four-body energy of one atom and G = ∂E/∂A. three (L+1, channels, channels) symmetric; four_coefficients include the weights."""
    n_channels = A.shape[0]
    energy = 0.0
    for l in range(degree + 1):
        for lm in range(l * l, (l + 1) * (l + 1)):
            for a in range(n_channels):
                total = 0.0
                for b in range(n_channels):
                    total += three[l, a, b] * A[b, lm]
                G[a, lm] = 2.0 * total
                energy += total * A[a, lm]
    flat, slope = A.reshape(-1), G.reshape(-1)
    for term in range(four_coefficients.shape[0]):
        i, j, k = four_factors[term, 0], four_factors[term, 1], four_factors[term, 2]
        coefficient = four_coefficients[term]
        ci = coefficient * flat[i]
        jk = flat[j] * flat[k]
        energy += ci * jk
        slope[i] += coefficient * jk
        slope[j] += ci * flat[k]
        slope[k] += ci * flat[j]
    return energy


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate(begin, end, positions, cell, kinds, offsets, neighbours, shifts, radial_cutoff, angular_cutoff, degree, constants, two, three,
             four_coefficients, four_factors, table, coefficients, energies, forces, virial):
    """Energy of atoms begin…end and what it adds to forces (N, 3) and virial (3, 3) = −∂E/∂strain.

    kinds (N,): index of the species; constants (S,); two (S, S, n_radial), three (S, L+1, channels, channels), four_coefficients (S, terms): weights by
    central species; table, coefficients: `harmonics.gradient_table`. energies (N,) is written, forces and virial are added to.
    """
    n_species, n_radial = two.shape[1], two.shape[2]
    n_channels = three.shape[2]
    n_angular, n_moments = n_channels // n_species, (degree + 1) ** 2
    width = 1
    for atom in range(begin, end):
        width = max(width, offsets[atom + 1] - offsets[atom])
    starts = np.zeros(2 * n_species + 1, np.int64)
    others = np.empty(width, np.int64)
    u, r, gradient = np.empty((3, width)), np.empty(width), np.empty((3, width))
    g, dg = np.empty((n_radial, width)), np.empty((n_radial, width))
    # (rows, lanes of one species) arrays, packed one species after the other, so that every sum over neighbours or functions is one small matrix product
    f_all, df_all = np.empty(n_angular * width), np.empty(n_angular * width)
    harmonics_all, P_all, dP_all = np.empty(n_moments * width), np.empty(n_moments * width), np.empty(n_moments * width)
    A, G = np.zeros((n_channels, n_moments)), np.zeros((n_channels, n_moments))
    for atom in range(begin, end):
        kind = kinds[atom]
        gather(atom, positions, cell, kinds, offsets, neighbours, shifts, radial_cutoff, angular_cutoff, n_species, starts, others, u, r)
        lanes = starts[2 * n_species]
        energy = constants[kind]
        radial(r, 0, lanes, radial_cutoff, g, dg)
        gradient[:, :lanes] = 0.0
        for species in range(n_species):
            for lane in range(starts[2 * species], starts[2 * species + 2]):
                slope = 0.0
                for k in range(n_radial):
                    energy += two[kind, species, k] * g[k, lane]
                    slope += two[kind, species, k] * dg[k, lane]
                for axis in range(3):
                    gradient[axis, lane] += slope * u[axis, lane]
        for species in range(n_species):
            first, last = starts[2 * species], starts[2 * species + 1]
            n = last - first
            block = A[species * n_angular:(species + 1) * n_angular]
            if n == 0:
                block[:] = 0.0
                continue
            f = f_all[n_angular * first:n_angular * last].reshape(n_angular, n)
            df = df_all[n_angular * first:n_angular * last].reshape(n_angular, n)
            harmonics = harmonics_all[n_moments * first:n_moments * last].reshape(n_moments, n)
            radial(r[first:last], 0, n, angular_cutoff, f, df)
            fill_harmonics(u[:, first:last], n, degree, harmonics)
            np.dot(f, harmonics.T, block)
        energy += local_energy(A, three[kind], degree, four_coefficients[kind], four_factors, G)
        for species in range(n_species):
            first, last = starts[2 * species], starts[2 * species + 1]
            n = last - first
            if n == 0:
                continue
            slope_of = G[species * n_angular:(species + 1) * n_angular]
            P = P_all[n_moments * first:n_moments * last].reshape(n_moments, n)
            dP = dP_all[n_moments * first:n_moments * last].reshape(n_moments, n)
            np.dot(slope_of.T, f_all[n_angular * first:n_angular * last].reshape(n_angular, n), P)
            np.dot(slope_of.T, df_all[n_angular * first:n_angular * last].reshape(n_angular, n), dP)
            harmonics = harmonics_all[n_moments * first:n_moments * last].reshape(n_moments, n)
            pair_gradients(first, degree, P, dP, harmonics, u, r, table, coefficients, gradient)
        energies[atom] = energy
        for lane in range(lanes):
            other = others[lane]
            for axis in range(3):
                forces[atom, axis] += gradient[axis, lane]
                forces[other, axis] -= gradient[axis, lane]
                for along in range(3):
                    virial[axis, along] -= r[lane] * u[along, lane] * gradient[axis, lane]


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def features(positions, cell, kinds, offsets, neighbours, shifts, radial_cutoff, angular_cutoff, degree, n_species, n_radial, n_angular, first,
             term_coefficients, factors, table, coefficients):
    """The rows that a frame gives to the linear fit, atoms of one central species after the other.

    values (N, D): features of every atom; forces (S·D, N, 3): −∂(Σ_i features)/∂positions; virials (S·D, 3, 3): −∂(Σ_i features)/∂strain.
    """
    n_atoms = positions.shape[0]
    n_moments, n_channels = (degree + 1) ** 2, n_species * n_angular
    n_two, n_products = n_species * n_radial, first.shape[0] - 1
    n_local = n_two + n_products
    width = 1
    for atom in range(n_atoms):
        width = max(width, offsets[atom + 1] - offsets[atom])
    starts = np.zeros(2 * n_species + 1, np.int64)
    others = np.empty(width, np.int64)
    u, r, slope = np.empty((3, width)), np.empty(width), np.empty((3, width))
    g, dg = np.empty((n_radial, width)), np.empty((n_radial, width))
    f, df = np.empty((n_angular, width)), np.empty((n_angular, width))
    harmonics = np.empty((n_moments, width))
    steep = np.empty((3, n_moments, width))  # ∇Y_lm − l Y_lm u, over r
    A = np.empty((n_channels, n_moments))
    dA = np.empty((n_angular, n_moments, 3, width))  # ∂(f_k Y_lm)/∂r_ij
    by_moment, touched, seen = np.empty(A.size), np.empty(A.size, np.int64), np.empty(A.size, np.int64)
    values = np.zeros((n_atoms, n_local))
    forces = np.zeros((n_species * n_local, n_atoms, 3))
    virials = np.zeros((n_species * n_local, 3, 3))
    for atom in range(n_atoms):
        gather(atom, positions, cell, kinds, offsets, neighbours, shifts, radial_cutoff, angular_cutoff, n_species, starts, others, u, r)
        lanes = starts[2 * n_species]
        block = kinds[atom] * n_local
        radial(r, 0, lanes, radial_cutoff, g, dg)
        for species in range(n_species):
            for k in range(n_radial):
                row = species * n_radial + k
                for lane in range(starts[2 * species], starts[2 * species + 2]):
                    values[atom, row] += g[k, lane]
                    for axis in range(3):
                        push = dg[k, lane] * u[axis, lane]
                        forces[block + row, atom, axis] += push
                        forces[block + row, others[lane], axis] -= push
                        for along in range(3):
                            virials[block + row, axis, along] -= push * u[along, lane] * r[lane]
            radial(r, starts[2 * species], starts[2 * species + 1], angular_cutoff, f, df)
        fill_harmonics(u, lanes, degree, harmonics)
        moments(starts, n_species, n_angular, n_moments, f, harmonics, A)
        l = 0
        for lm in range(n_moments):
            if lm == (l + 1) ** 2:
                l += 1
            for axis in range(3):
                for lane in range(lanes):
                    steep[axis, lm, lane] = -l * harmonics[lm, lane] * u[axis, lane] / r[lane]
        for entry in range(table.shape[0]):
            axis, high, low = table[entry, 0], table[entry, 1], table[entry, 2]
            for lane in range(lanes):
                steep[axis, high, lane] += coefficients[entry] * harmonics[low, lane] / r[lane]
        for species in range(n_species):
            begin, end = starts[2 * species], starts[2 * species + 1]
            for k in range(n_angular):
                for lm in range(n_moments):
                    for axis in range(3):
                        for lane in range(begin, end):
                            dA[k, lm, axis, lane] = df[k, lane] * harmonics[lm, lane] * u[axis, lane] + f[k, lane] * steep[axis, lm, lane]
        flat = A.reshape(-1)
        seen[:] = 0
        for product in range(n_products):
            row = n_two + product
            slope[:, :lanes] = 0.0
            total, n_touched = 0.0, 0
            for term in range(first[product], first[product + 1]):
                whole = term_coefficients[term]
                for place in range(3):
                    if factors[term, place] >= 0:
                        whole *= flat[factors[term, place]]
                total += whole
                for place in range(3):
                    index = factors[term, place]
                    if index < 0:
                        continue
                    weight = term_coefficients[term]
                    for other_place in range(3):
                        if other_place != place and factors[term, other_place] >= 0:
                            weight *= flat[factors[term, other_place]]
                    if seen[index] != product + 1:  # many terms share few moments: their derivatives first, then the neighbours
                        seen[index] = product + 1
                        by_moment[index] = 0.0
                        touched[n_touched] = index
                        n_touched += 1
                    by_moment[index] += weight
            for slot in range(n_touched):
                index = touched[slot]
                weight = by_moment[index]
                channel, lm = index // n_moments, index % n_moments
                species, k = channel // n_angular, channel % n_angular
                for axis in range(3):
                    for lane in range(starts[2 * species], starts[2 * species + 1]):
                        slope[axis, lane] += weight * dA[k, lm, axis, lane]
            values[atom, row] = total
            for lane in range(lanes):
                for axis in range(3):
                    push = slope[axis, lane]
                    forces[block + row, atom, axis] += push
                    forces[block + row, others[lane], axis] -= push
                    for along in range(3):
                        virials[block + row, axis, along] -= push * u[along, lane] * r[lane]
    return values, forces, virials
