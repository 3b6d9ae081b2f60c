"""Averages, anisotropy and Debye temperatures against values computed independently from experimental constants."""
from __future__ import annotations

import numpy as np
import pytest

from solvers.continuum.averages import averages, cubic_shears
from solvers.continuum.directions import extremes, young_modulus, young_surface
from solvers.continuum.tensor import compliance, rotate
from solvers.continuum.waves import debye_temperature, wave_speeds
from solvers.core.errors import RefusedError

AMU = 1.66053906892e-27


def cubic(c11, c12, c44):
    c = np.zeros((6, 6))
    c[:3, :3] = c12
    c[range(3), range(3)] = c11
    c[range(3, 6), range(3, 6)] = c44
    return c * 1e9


def hexagonal(c11, c12, c44, c13, c33):
    c = cubic(c11, c12, c44)
    c[2, 2] = c33 * 1e9
    c[[0, 1, 2, 2], [2, 2, 0, 1]] = c13 * 1e9
    c[5, 5] = (c11 - c12) / 2 * 1e9
    return c


# C11 C12 C44 | K | G_V G_R G_H | G_HS | G_SC | E_H nu_H | A^U | Zener | E100 E110 E111 | theta_D | a Å, atoms per cell, mass
TABLE = {
    "Si": ((165.7, 63.9, 79.6), 97.8, (68.12, 64.95, 66.54), (66.43, 66.71), 66.60, (162.7, 0.2228), 0.2440, 1.564, (130.1, 169.1, 187.9), 646,
           (5.431, 8, 28.085)),
    "Al": ((106.8, 60.4, 28.3), 75.9, (26.26, 26.01, 26.14), (26.14, 26.15), 26.15, (70.3, 0.3455), 0.0475, 1.220, (63.2, 72.0, 75.5), 408,
           (4.0495, 4, 26.9815)),
    "Cu": ((168.3, 122.1, 75.7), 137.5, (54.66, 39.62, 47.14), (45.68, 49.33), 48.00, (126.9, 0.3462), 1.8986, 3.277, (65.6, 129.6, 191.9), 330,
           (3.6149, 4, 63.546)),
    "W": ((522.4, 204.4, 160.6), 310.4, (159.96, 159.96, 159.96), None, 159.96, (409.5, 0.2801), 0.0001, 1.010, (407.4, 410.0, 410.9), 381,
          (3.1652, 2, 183.84)),
    "MgO": ((297.9, 95.8, 154.4), 163.2, (133.06, 127.48, 130.27), (130.06, 130.53), 130.34, (308.7, 0.1847), 0.2189, 1.528, (251.3, 320.0, 352.1), 936,
            (4.212, 8, 20.152)),
    "GaAs": ((118.8, 53.8, 59.4), 75.5, (48.64, 44.63, 46.63), (46.45, 46.94), 46.75, (116.0, 0.2438), 0.4498, 1.828, (85.3, 121.3, 141.2), 344,
             (5.6533, 8, 72.32)),
    "diamond": ((1079, 124, 578), 442.3, (537.80, 533.12, 535.46), (535.28, 535.46), 535.39, (1144.5, 0.0687), 0.0439, 1.210, (1053, 1165, 1208), 2244,
                (3.567, 8, 12.011)),
    "Fe": ((231.4, 134.7, 116.4), 166.9, (89.18, 74.47, 81.83), (80.84, 83.44), 82.45, (211.0, 0.2893), 0.9874, 2.407, (132.3, 220.4, 283.3), 464,
           (2.8665, 2, 55.845)),
}


@pytest.mark.parametrize("name", TABLE)
def test_cubic_table(name):
    constants, bulk, (g_v, g_r, g_h), hs, sc, (young, nu), universal, zener, moduli, theta, (a, n, mass) = TABLE[name]
    c = cubic(*constants)
    got = averages(c)
    gpa = 1e9
    assert got.K_hill / gpa == pytest.approx(bulk, abs=0.06)
    assert (got.G_voigt / gpa, got.G_reuss / gpa, got.G_hill / gpa) == pytest.approx((g_v, g_r, g_h), abs=0.006)
    if hs:
        assert tuple(x / gpa for x in got.G_hs) == pytest.approx(hs, abs=0.006)
    assert got.G_sc / gpa == pytest.approx(sc, abs=0.006)
    assert got.G_hs[0] - 1 <= got.G_sc <= got.G_hs[1] + 1
    assert (got.young / gpa, got.poisson) == (pytest.approx(young, abs=0.06), pytest.approx(nu, abs=6e-5))
    assert got.universal == pytest.approx(universal, abs=6e-5)
    assert got.zener == pytest.approx(zener, abs=6e-4)
    assert young_modulus(c, np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]])) / gpa == pytest.approx(moduli, abs=0.6 if name == "diamond" else 0.06)
    volume = (a * 1e-10) ** 3
    assert debye_temperature(c, density=n * mass * AMU / volume, atoms_per_volume=n / volume) == pytest.approx(theta, abs=0.6)


def test_titanium():
    c = hexagonal(162.4, 92.0, 46.7, 69.0, 180.7)
    got = averages(c)
    assert np.array([got.K_hill, got.G_voigt, got.G_reuss, got.G_hill, got.G_sc, got.young]) / 1e9 == pytest.approx([107.3, 44.09, 42.62, 43.36, 43.39, 114.6],
                                                                                                                    abs=0.06)
    assert (got.poisson, got.universal) == (pytest.approx(0.3219, abs=6e-5), pytest.approx(0.1717, abs=6e-5))
    assert got.zener is None and got.G_hs is None
    assert young_modulus(c, np.array([[0, 0, 1], [0, 1, 1], [1, 0, 0]])) / 1e9 == pytest.approx([143.271, 117.000, 104.372], abs=6e-4)
    volume = 3**0.5 / 2 * 2.951**2 * 4.686e-30
    assert debye_temperature(c, density=2 * 47.867 * AMU / volume, atoms_per_volume=2 / volume) == pytest.approx(396, abs=1)


def test_averages_do_not_depend_on_the_frame():
    from scipy.spatial.transform import Rotation
    c = cubic(168.4, 121.4, 75.4)
    turned = rotate(c, Rotation.random(random_state=5).as_matrix())
    assert np.abs(turned - c).max() > 1e9
    a, b = averages(c), averages(turned)
    assert b.G_hs == pytest.approx(a.G_hs, rel=1e-9) and b.zener == pytest.approx(a.zener, rel=1e-9)
    assert (b.G_sc, b.universal, b.young) == (pytest.approx(a.G_sc, rel=1e-9), pytest.approx(a.universal, rel=1e-9), pytest.approx(a.young, rel=1e-9))
    assert cubic_shears(hexagonal(162.4, 92.0, 46.7, 69.0, 180.7)) is None


def test_extremes_of_copper():
    """Known for a cubic crystal: E between [100] and [111]; G between (C11 − C12)/2 and C44; ν along [110] reaches its extremes across [1-10] and [001]."""
    c = cubic(168.4, 121.4, 75.4)
    found = extremes(c)
    s = compliance(c)
    assert found["young_min"].value == pytest.approx(1 / s[0, 0], rel=1e-8)
    assert found["young_max"].value / 1e9 == pytest.approx(191.150, abs=6e-4)
    assert np.abs(found["young_max"].direction) == pytest.approx(np.full(3, 3**-0.5), abs=1e-4)
    assert found["shear_min"].value == pytest.approx(23.5e9, rel=1e-8)
    assert found["shear_max"].value == pytest.approx(75.4e9, rel=1e-8)
    assert found["poisson_min"].value < -0.1 and found["poisson_max"].value > 0.7
    for extreme in found.values():
        if extreme.second is not None:
            assert abs(extreme.direction @ extreme.second) < 1e-9


def test_surface_is_closed_and_has_the_right_values():
    c = cubic(168.4, 121.4, 75.4)
    points, triangles, values = young_surface(c, 3)
    assert len(points) == 10 * 4**3 + 2 and len(triangles) == 20 * 4**3
    assert np.linalg.norm(points, axis=1) == pytest.approx(values)
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    a, b, c_ = points[triangles].transpose(1, 0, 2)
    assert np.einsum("ij,ij->i", np.cross(b, c_), a).min() > 0  # outward
    assert 66.6e9 < values.min() < 70e9 and 183e9 < values.max() < 191.2e9


def test_waves_along_100_and_110():
    c, rho = cubic(168.4, 121.4, 75.4), 8960.0
    speeds, polarisations = wave_speeds(c, rho, np.array([[1.0, 0, 0], [1, 1, 0]]))
    assert rho * speeds[0] ** 2 == pytest.approx([75.4e9, 75.4e9, 168.4e9])
    assert rho * speeds[1] ** 2 == pytest.approx([23.5e9, 75.4e9, (168.4 + 121.4 + 2 * 75.4) / 2 * 1e9])
    assert np.abs(polarisations[0, 2]) == pytest.approx([1, 0, 0])


def test_unstable_crystal_is_refused():
    with pytest.raises(RefusedError, match="unstable"):
        averages(cubic(100, 120, 50))
    with pytest.raises(RefusedError, match="unstable"):
        wave_speeds(cubic(100, 120, 50), 1000.0, np.eye(3))
