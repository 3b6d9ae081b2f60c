"""Vocabulary of results: name -> unit, symbolic shape, meaning, sign. `Result` takes no other names.

Symbols in shapes: N atoms, K k-points, B bands, T temperatures, F frames, S spin channels, Q points of a phonon path, E frequencies.
"""
from __future__ import annotations

from dataclasses import dataclass

from .errors import SetupError


@dataclass(frozen=True)
class Property:
    name: str
    unit: str
    shape: tuple
    meaning: str


_ROWS = (
    ("energy", "eV", (), "total energy extrapolated to zero smearing"),
    ("free_energy", "eV", (), "E − TS; what forces, stress and training labels belong to"),
    ("energies", "eV", ("N",), "energy per atom; with a density of states the middle of each interval"),
    ("forces", "eV/Å", ("N", 3), "−∂(free energy)/∂positions, exact gradient of the discrete energy"),
    ("mean_force", "eV/Å", (3,), "mean of the forces: size of the egg-box effect"),
    ("stress", "eV/Å³", (6,), "∂(free energy)/∂strain / volume, Voigt xx yy zz yz xz xy, positive in tension"),
    ("pulay_stress", "eV/Å³", (), "Francis–Payne estimate of the missing-basis pressure, sign as `stress`"),
    ("pressure", "GPa", (), "−Tr(stress)/3"),
    ("magmom", "µ_B", (), "total magnetic moment, n↑ − n↓"),
    ("magmoms", "µ_B", ("N",), "atomic magnetic moments"),
    ("lowdin_charges", "e", ("N",), "valence charge of each potential minus the Löwdin electrons at its atom, positive where electrons are missing"),
    ("lowdin_moments", "µ_B", ("N",), "magnetic moments of the Löwdin populations"),
    ("hubbard_sites", "1", ("sites",), "atom of each shell that carries a Hubbard term, counted from 0"),
    ("hubbard_occupations", "1", ("S", "sites", "m"), "eigenvalues of the occupation matrices of the Hubbard shells"),
    ("hubbard_moments", "µ_B", ("sites",), "magnetic moments of the Hubbard shells"),
    ("hubbard_u", "eV", ("sites",), "Hubbard U of each site from linear response"),
    ("hubbard_u_error", "eV", ("sites",), "standard error of U from the fits of the response"),
    ("response_bare", "1/eV", ("sites", "sites"), "change of the occupations with a potential on one shell, unscreened"),
    ("response_screened", "1/eV", ("sites", "sites"), "change of the occupations with a potential on one shell, self-consistent"),
    ("response_asymmetry", "1", (), "largest asymmetry of the screened response relative to its largest element"),
    ("absolute_magmom", "µ_B", (), "∫ |n↑ − n↓| over the cell: not zero in an antiferromagnet"),
    ("uncertainty", "eV/Å", ("N",), "one standard deviation of the force magnitude"),
    ("fermi_energy", "eV", (), "chemical potential; zero without the G = 0 α-term"),
    ("eigenvalues", "eV", ("S", "K", "B"), "Kohn–Sham eigenvalues"),
    ("occupations", "1", ("S", "K", "B"), "occupation of each state, 0 to 2/S"),
    ("kpoints", "1", ("K", 3), "fractional k-points of the irreducible mesh"),
    ("kpoint_weights", "1", ("K",), "weights, sum 1"),
    ("entropy_energy", "eV", (), "−TS of the smearing"),
    ("energy_terms", "eV", ("terms",), "contributions to the total energy"),
    ("grid", "1", (3,), "FFT box"),
    ("cutoff", "eV", (), "plane-wave cutoff |k+G|²/2"),
    ("iterations", "1", (), "self-consistency steps taken"),
    ("history", "eV", ("F",), "free energy at each step"),
    ("residual_history", "eV", ("F",), "estimate of the remaining energy error at each step"),
    ("positions", "Å", ("N", 3), "atomic positions"),
    ("cell", "Å", (3, 3), "cell vectors as rows"),
    ("volume", "Å³", (), "cell volume"),
    ("max_force", "eV/Å", (), "largest force on any free atom"),
    ("max_stress", "GPa", (), "largest deviation of a stress component from the target"),
    ("stiffness", "Pa", (6, 6), "elastic stiffness, Voigt xx yy zz yz xz xy, in the frame of the structure"),
    ("stiffness_error", "Pa", (6, 6), "95 % half width, sources in quadrature, model error not included"),
    ("stiffness_covariance", "Pa²", (21, 21), "covariance of the 21 upper-triangle constants"),
    ("stiffness_clamped", "Pa", (6, 6), "elastic stiffness with the ions held at their affine positions"),
    ("bulk_modulus", "Pa", (), "Voigt–Reuss–Hill"),
    ("shear_modulus", "Pa", (), "Voigt–Reuss–Hill"),
    ("young_modulus", "Pa", (), "of the isotropic polycrystal, Voigt–Reuss–Hill"),
    ("poisson_ratio", "1", (), "of the isotropic polycrystal, Voigt–Reuss–Hill"),
    ("density", "kg/m³", (), "mass density"),
    ("temperature", "K", (), "temperature"),
    ("kinetic_energy", "eV", (), "kinetic energy of the nuclei"),
    ("total_energy", "eV", (), "kinetic plus potential energy"),
    ("energy_drift", "eV/atom/ns", (), "slope of the conserved energy"),
    ("atom_steps_per_s", "1/s", (), "speed of a molecular-dynamics run"),
    ("energy_mae", "eV/atom", (), "mean absolute error of the energy on the test set"),
    ("energy_rmse", "eV/atom", (), "root mean square error of the energy on the test set"),
    ("force_mae", "eV/Å", (), "mean absolute error of force components on the test set"),
    ("force_rmse", "eV/Å", (), "root mean square error of force components on the test set"),
    ("stress_mae", "GPa", (), "mean absolute error of stress components on the test set"),
    ("n_parameters", "1", (), "number of fitted parameters"),
    ("phonon_frequencies", "THz", ("Q", "B"), "frequencies along the standard path; imaginary ones are negative"),
    ("phonon_kpath", "1", ("Q", 3), "points of the path in fractions of the primitive reciprocal cell"),
    ("phonon_distance", "1/Å", ("Q",), "length along the path, 2π included"),
    ("phonon_gamma", "THz", ("B",), "frequencies at Γ without the splitting of longitudinal and transverse modes"),
    ("phonon_dos_frequencies", "THz", ("E",), "frequencies of the density of states"),
    ("phonon_dos", "1/THz", ("E",), "phonon density of states per primitive cell; integral 3 per atom"),
    ("temperatures", "K", ("T",), "temperatures of the thermal properties"),
    ("helmholtz_energy", "eV", ("T",), "free energy of the vibrations per primitive cell, zero point included"),
    ("internal_energy", "eV", ("T",), "energy of the vibrations per primitive cell, zero point included"),
    ("entropy", "eV/K", ("T",), "entropy of the vibrations per primitive cell"),
    ("heat_capacity", "eV/K", ("T",), "heat capacity at constant volume per primitive cell"),
    ("zero_point_energy", "eV", (), "zero-point energy per primitive cell"),
    ("debye_temperature", "K", (), "from the second moment of the phonon spectrum"),
    ("lowest_frequency", "THz", (), "lowest phonon frequency found; negative is imaginary: the crystal is unstable"),
    ("force_constants", "eV/Å²", ("n", "N", 3, 3), "∂²E/∂u∂u of primitive-cell atoms with supercell atoms, symmetrised"),
    ("primitive_cell", "Å", (3, 3), "primitive cell that q-points refer to, rows"),
    ("primitive_numbers", "1", ("n",), "atomic numbers in the primitive cell"),
    ("dielectric_tensor", "1", (3, 3), "electronic (clamped-ion) dielectric tensor ε∞"),
    ("born_charges", "e", ("N", 3, 3), "Born effective charges Z*: force along j per field along i (first index: field)"),
    ("born_charge_sum", "e", (3, 3), "sum of the Born charges over the atoms before it is removed: zero for a converged calculation"),
    ("wall_s", "s", (), "wall-clock time"),
    ("kpath", "1", ("K", 3), "fractional k-points along a path, of the cell of the result's structure"),
    ("distance", "1/Å", ("K",), "length of the path up to each k-point"),
    ("labels", "1", ("L", 2), "index into the path and name of its special points"),
    ("band_gap", "eV", (), "smallest gap between filled and empty bands, 0 for a metal"),
    ("direct_gap", "eV", (), "smallest gap at one k-point, 0 for a metal"),
    ("band_edges", "eV", (2,), "valence and conduction band edge"),
    ("band_edge_kpoints", "1", (2, 3), "where they lie, fractional"),
    ("mass_edges", "1", ("E",), "names of the edges that have a mass tensor"),
    ("inverse_mass", "1/mₑ", ("E", 3, 3), "inverse effective-mass tensor, Cartesian, negative at a maximum"),
    ("inverse_mass_error", "1/mₑ", ("E", 3, 3), "difference of the finite-difference orders"),
    ("mass_kpoints", "1", ("E", 3), "refined place of each edge, fractional"),
    ("mass_energies", "eV", ("E",), "energy of each refined edge"),
    ("touching_edges", "1", ("D",), "bands that touch at an edge and so have no tensor"),
    ("inverse_mass_along", "1/mₑ", ("D", "directions"), "their inverse masses along `mass_directions`"),
    ("inverse_mass_along_error", "1/mₑ", ("D", "directions"), "difference of the finite-difference orders"),
    ("dos", "states/eV", ("S", "E"), "density of states of the cell, mean over each interval; without spin it counts both spins"),
    ("integrated_dos", "1", ("S", "E"), "states below each energy"),
    ("projected", "states/eV", ("P", "S", "E"), "shares of atoms, shells or orbitals in the density of states"),
    ("projections", "1", ("P",), "their names: place of the atom from 0, element, shell, orbital"),
    ("dos_fermi_energy", "eV", (), "Fermi energy of the mesh of the density of states"),
    ("dos_at_fermi", "states/eV", ("S",), "density of states at the Fermi energy"),
    ("dos_mesh", "1", (3,), "k-mesh of the density of states"),
    ("d_band_atoms", "1", ("D",), "atoms with d states, from 0"),
    ("d_band_centre", "eV", ("D", "S"), "mean energy of the d states of each, from the Fermi energy"),
    ("d_band_width", "eV", ("D", "S"), "their standard deviation"),
    ("d_band_share", "1", ("D", "S"), "share of the d states that the computed bands hold"),
    ("spilling", "1", (), "share of the occupied states outside the span of the atomic orbitals"),
    ("ladder_stages", "1", ("R",), "what each calculation of a convergence study was for: cutoff, mesh, check, smearing"),
    ("ladder_cutoffs", "eV", ("R",), "their cutoffs"),
    ("ladder_meshes", "1", ("R", 3), "their k-meshes"),
    ("ladder_widths", "eV", ("R",), "their smearing widths, 0 for fixed occupations"),
    ("ladder_energies", "eV/atom", ("R",), "their energies at zero smearing"),
    ("ladder_forces", "eV/Å", ("R", "N", 3), "their forces"),
    ("ladder_pressures", "GPa", ("R",), "their pressures"),
    ("ladder_seconds", "s", ("R",), "their estimated cost"),
    ("proposed_mesh", "1", (3,), "k-mesh proposed"),
    ("proposed_errors", "eV/atom, eV/Å, GPa", (3,), "estimated errors of energy, forces and pressure at the proposed settings"),
    ("proposed_seconds", "s", (), "estimated cost of one calculation with them"),
    ("smearing_energies", "eV, eV/atom", ("W", 2), "smearing width and energy at zero smearing"),
    ("mass_directions", "1", ("directions", 3), "Cartesian directions"),
)
PROPERTIES: dict[str, Property] = {row[0]: Property(*row) for row in _ROWS}


def known(name: str) -> Property:
    """The property called `name`; SetupError with the nearest name otherwise."""
    try:
        return PROPERTIES[name]
    except KeyError:
        import difflib
        near = difflib.get_close_matches(name, PROPERTIES, 1)
        raise SetupError(f"Unknown result property {name!r}.", hint=f"Did you mean {near[0]!r}?" if near else "Add it to core/properties.py.") from None
