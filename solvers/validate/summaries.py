"""The comparisons of cells without symmetry, one line per case: what it is, who judges it, the largest deviations and whether they keep their lines."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .cases import dft, low_symmetry, magnets, potentials, upf
from .cases.dft import Case
from .report import Row, aligned

#: column -> beginnings of the names of the quantities that it collects
COLUMNS = {"energy": ("free energy", "energy"), "force": ("force", "change of force"), "stress": ("stress",), "moment": ("total moment", "moment of the shell")}
_UNITS = {"energy": "Ha/atom", "force": "Ha/bohr", "stress": "GPa", "moment": "µB"}


@dataclass(frozen=True)
class Sheet:
    """Kind of a case (insulator, metal, magnet, molecule, slab), its potentials (GTH, psp8, UPF) and what else it has in it."""

    kind: str
    potential: str
    features: str


def sheets() -> dict[str, Sheet]:
    """Every case of more than one atom that is compared with forces and without symmetry, by the name its rows bear."""
    from . import functionals, orbital_terms, slabs
    plain = (*dft.CASES.values(), *dft.ESPRESSO_CASES.values(), *magnets.MAGNETS, *magnets.FILE_CASES, *low_symmetry.MORE, *functionals.CASES, slabs.CASE)
    found = {case.name: _of_case(case) for case in plain if case.forces and len(case.symbols) > 1}
    for item in upf.CASES:
        core = any(source.core or "/" in source.selector for source in item.sources.values())
        found[item.case.name] = _of_case(item.case, "UPF " + "/".join(sorted({str(source.version) for source in item.sources.values()})), "core density" * core)
    for form in potentials.FORMS:
        kind = {"psp8": "psp8", "upf2": "UPF 2", "upf1": "UPF 1"}.get(form.writer.split()[0], "GTH, pspcod 12")
        found[form.name] = _of_case(potentials.SILICON, kind, "core density" * form.core)
    for pair in orbital_terms.PAIRS:
        if len(pair.case.symbols) > 1:
            term = "+U" if "hubbard" in pair.keywords else "D3(BJ)" if "dispersion" in pair.keywords else pair.keywords["xc"]
            found[pair.name] = _of_case(pair.case, "UPF 2" if pair.files else "GTH", term)
    for kind in functionals.KINDS:
        more = {"d3bj": "D3(BJ) alone", "d3bj-abc": "D3(BJ) with three bodies alone"}[kind]
        found[f"{functionals.MOLECULE.name}: {kind}"] = _of_case(functionals.MOLECULE, "none", more)
    return found


def _of_case(case: Case, potential: str = "", more: str = "") -> Sheet:
    if not potential:
        potential = "psp8" if any("/" in selector for selector in case.pseudos.values()) else "GTH"
    features = [case.xc, more, case.smearing[0] if case.smearing else "", "shifted mesh" if any(case.shift) else "", case.note]
    return Sheet(case.kind, potential, ", ".join(filter(None, features)))


def lines(rows: Iterable[Row]) -> list[dict]:
    """One dictionary per case without symmetry among the rows, in their order: what it is, who judges it, per column the deviation of largest share of its line
    with that line, and whether all rows of the case keep theirs."""
    known = sheets()
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.case in known:
            groups.setdefault((row.case, row.reference_name), []).append(row)
    found = []
    for (case, peer), group in groups.items():
        columns = {}
        for column, beginnings in COLUMNS.items():
            judged = [row for row in group if row.quantity.startswith(beginnings) and row.tolerance]
            if judged:
                worst = max(judged, key=lambda row: abs(row.difference) / row.tolerance)
                columns[column] = {"difference": abs(worst.difference), "line": worst.tolerance}
        if "force" in columns:
            found.append({"case": case, **known[case].__dict__, "peer": peer, **columns, "passed": all(row.passed for row in group)})
    return found


def table(rows: Iterable[Row]) -> str:
    """The lines as aligned text; empty when no case of the kind is among the rows."""
    cases = lines(rows)
    if not cases:
        return ""
    cells = [["", "without symmetry", "kind", "potentials", "features", *(f"{name}, {unit}" for name, unit in _UNITS.items()), "lines", "judged by"]]
    for case in cases:
        columns = [case.get(name) for name in COLUMNS]
        cells.append(["ok" if case["passed"] else "FAIL", case["case"], case["kind"], case["potential"], case["features"],
                      *(f"{column['difference']:.1e}" if column else "-" for column in columns),
                      " ".join(f"{column['line']:.0e}" if column else "-" for column in columns), case["peer"]])
    missed = sum(not case["passed"] for case in cases)
    return "\n".join([*aligned(cells), f"{len(cases)} cells without symmetry, " + (f"{missed} outside a line" if missed else "all within their lines")])
