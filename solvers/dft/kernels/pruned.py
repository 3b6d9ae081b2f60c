"""Local Hamiltonian and density on the CPU: a fused, pruned loop around one-dimensional FFT plans (Numba).

One band (at Γ: one pair of real bands) at a time and per thread. A sphere fills ~1/16 of its box, so: per occupied x-plane scatter the coefficients into the
occupied (y) rows, transform z on those rows only, then y; per slab of m y-planes transform x over the occupied planes, multiply by V (or add |ψ|²), and go
back. The full box never exists and each piece stays in the second-level cache; small boxes are one slab, because a call of the FFT library costs as much
as a few short transforms.

Arrays: planes (x occupied, n2, n3), slab (n1, m n3), rows (y occupied, n3); V and rho are stored [slab, x, (y, z) within the slab]. `plans` holds the
handles of the z, y and x plans, `functions` the addresses of the forward and backward transforms; see `fft_plans`. The plain torch version is
`local.PlainOperator`.
"""
from __future__ import annotations

import math

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import use_numba_cache

use_numba_cache()
FAST = {"contract", "reassoc", "nsz", "arcp"}
njit = numba.njit(nogil=True, cache=True, fastmath=FAST)
# Parts are compiled within the two loops that use them, not as functions of their own before; and rows are copied by loops: an assignment of slices brings the
# text of its error, and with it Numba's strings. Both together were half of what an empty cache costs before the first step.
part_of = numba.njit(inline="always")


@intrinsic
def _transform(context, function, handle, data):
    """Call the C function at address `function` with two pointer-sized arguments."""
    def codegen(ctx, builder, signature, arguments):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word, word], var_arg=True)  # DFTI's entry points are variadic
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1], arguments[2]])
    return types.int64(types.int64, types.int64, types.int64), codegen


@part_of
def _clear(row):
    for j in range(row.shape[0]):
        row[j] = 0


@part_of
def _leading(occupied):
    """Number of non-negative frequencies: `occupied` lists 0..m−1 and then the negative ones, wrapped."""
    m = 0
    while m < occupied.shape[0] and occupied[m] == m:
        m += 1
    return m


@part_of
def _to_plane(plane, rows, oy, plans, backward):
    _transform(backward, plans[0], rows.ctypes.data)
    lead = _leading(oy)
    for y in range(lead, plane.shape[0] - (oy.shape[0] - lead)):
        for z in range(plane.shape[1]):
            plane[y, z] = 0
    for c in range(oy.shape[0]):
        y = oy[c]
        for z in range(plane.shape[1]):
            plane[y, z] = rows[c, z]
    _transform(backward, plans[1], plane.ctypes.data)


@part_of
def _to_slab(columns, slab, part, ox, plans, backward):
    lead = _leading(ox)
    for x in range(lead, slab.shape[0] - (ox.shape[0] - lead)):
        for j in range(slab.shape[1]):
            slab[x, j] = 0
    for c in range(ox.shape[0]):
        x = ox[c]
        for j in range(slab.shape[1]):
            slab[x, j] = columns[c, part, j]
    _transform(backward, plans[2], slab.ctypes.data)


@part_of
def _multiply(planes, slab, V, ox, plans, functions):
    columns = planes.reshape(planes.shape[0], V.shape[0], V.shape[2])
    for part in range(V.shape[0]):
        _to_slab(columns, slab, part, ox, plans, functions[1])
        here = V[part]
        for x in range(slab.shape[0]):
            for j in range(slab.shape[1]):
                slab[x, j] *= here[x, j]
        _transform(functions[0], plans[2], slab.ctypes.data)
        for c in range(ox.shape[0]):
            x = ox[c]
            for j in range(slab.shape[1]):
                columns[c, part, j] = slab[x, j]


@part_of
def _square(planes, slab, rho, weight_re, weight_im, ox, plans, functions):
    columns = planes.reshape(planes.shape[0], rho.shape[0], rho.shape[2])
    for part in range(rho.shape[0]):
        _to_slab(columns, slab, part, ox, plans, functions[1])
        target = rho[part]
        for x in range(slab.shape[0]):
            for j in range(slab.shape[1]):
                value = slab[x, j]
                target[x, j] += weight_re * value.real * value.real + weight_im * value.imag * value.imag


@part_of
def _from_plane(plane, rows, oy, plans, forward):
    _transform(forward, plans[1], plane.ctypes.data)
    for c in range(oy.shape[0]):
        y = oy[c]
        for z in range(plane.shape[1]):
            rows[c, z] = plane[y, z]
    _transform(forward, plans[0], rows.ctypes.data)


@njit
def apply_complex(X, Y, V, kinetic, segments, positions, ox, oy, first, step, rows, planes, slab, plans, functions):
    """Y[b] = (T + V) X[b] for bands b = first, first+step, …; X, Y (bands, n_pw); V [slab, x, yz] divided by the number of grid points."""
    flat = rows.reshape(-1)
    for b in range(first, X.shape[0], step):
        for a in range(ox.shape[0]):
            _clear(flat)
            for j in range(segments[a], segments[a + 1]):
                flat[positions[j]] = X[b, j]
            _to_plane(planes[a], rows, oy, plans, functions[1])
        _multiply(planes, slab, V, ox, plans, functions)
        for a in range(ox.shape[0]):
            _from_plane(planes[a], rows, oy, plans, functions[0])
            for j in range(segments[a], segments[a + 1]):
                Y[b, j] = flat[positions[j]] + kinetic[j] * X[b, j]


@njit
def density_complex(X, weights, rho, segments, positions, ox, oy, first, step, rows, planes, slab, plans, functions):
    """rho[slab, x, yz] += Σ_b weights[b] |ψ_b(r)|² over bands first, first+step, …; bands of zero weight cost nothing."""
    flat = rows.reshape(-1)
    for b in range(first, X.shape[0], step):
        if weights[b] == 0.0:
            continue
        for a in range(ox.shape[0]):
            _clear(flat)
            for j in range(segments[a], segments[a + 1]):
                flat[positions[j]] = X[b, j]
            _to_plane(planes[a], rows, oy, plans, functions[1])
        _square(planes, slab, rho, weights[b], weights[b], ox, plans, functions)


@part_of
def _scatter_pair(X, b1, b2, flat, a, segments, positions, half, conjugate):
    """Coefficients of ψ1 + i ψ2 on the full sphere from the half spheres of two real functions; √2 of the storage is undone for G ≠ 0 only up to a common
    factor.
    """
    root2 = math.sqrt(2.0)
    _clear(flat)
    for j in range(segments[a], segments[a + 1]):
        h = half[j]
        c1 = X[b1, h]
        c2 = X[b2, h]
        if h == 0:
            c1 = c1 * root2
            c2 = c2 * root2
        if conjugate[j] == 0:
            flat[positions[j]] = complex(c1.real - c2.imag, c1.imag + c2.real)
        else:
            flat[positions[j]] = complex(c1.real + c2.imag, c2.real - c1.imag)


@njit
def apply_gamma(X, Y, V, kinetic, segments, positions, half, conjugate, plus, minus, ox, oy, first, step, rows, planes, slab, full, plans, functions):
    """As `apply_complex` for real functions on the half sphere (X, Y complex views of the real storage), two bands per transform."""
    flat = rows.reshape(-1)
    root2 = math.sqrt(2.0)
    n_bands = X.shape[0]
    for pair in range(first, (n_bands + 1) // 2, step):
        b1 = 2 * pair
        b2 = min(b1 + 1, n_bands - 1)
        for a in range(ox.shape[0]):
            _scatter_pair(X, b1, b2, flat, a, segments, positions, half, conjugate)
            _to_plane(planes[a], rows, oy, plans, functions[1])
        _multiply(planes, slab, V, ox, plans, functions)
        for a in range(ox.shape[0]):
            _from_plane(planes[a], rows, oy, plans, functions[0])
            for j in range(segments[a], segments[a + 1]):
                full[j] = flat[positions[j]]
        for h in range(X.shape[1]):
            u = full[plus[h]]
            v = full[minus[h]]
            y1 = complex(0.5 * (u.real + v.real), 0.5 * (u.imag - v.imag))
            y2 = complex(0.5 * (u.imag + v.imag), 0.5 * (v.real - u.real))
            if h == 0:
                y1 = complex(u.real / root2, 0.0)
                y2 = complex(u.imag / root2, 0.0)
            Y[b1, h] = y1 + kinetic[h] * X[b1, h]
            if b2 != b1:
                Y[b2, h] = y2 + kinetic[h] * X[b2, h]


@njit
def density_gamma(X, weights, rho, segments, positions, half, conjugate, ox, oy, first, step, rows, planes, slab, plans, functions):
    """As `density_complex` for real functions: real and imaginary parts of one transform belong to two bands."""
    flat = rows.reshape(-1)
    n_bands = X.shape[0]
    for pair in range(first, (n_bands + 1) // 2, step):
        b1 = 2 * pair
        b2 = min(b1 + 1, n_bands - 1)
        w1 = 0.5 * weights[b1]
        w2 = 0.5 * weights[b2] if b2 != b1 else 0.0
        if w1 == 0.0 and w2 == 0.0:
            continue
        for a in range(ox.shape[0]):
            _scatter_pair(X, b1, b2, flat, a, segments, positions, half, conjugate)
            _to_plane(planes[a], rows, oy, plans, functions[1])
        _square(planes, slab, rho, w1, w2, ox, plans, functions)
