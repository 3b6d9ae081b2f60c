"""Chemical formulas in the order in which people write them: the less electronegative element first (SiO2, Ni3Al, NH3), organic molecules after Hill.

Order: Nomenclature of Inorganic Chemistry, IUPAC Recommendations 2005, Table VI (element sequence). C and H together: Hill, J. Am. Chem. Soc. 22, 478 (1900).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

_NEGATIVE_FIRST = (
    "F Cl Br I At Ts O S Se Te Po Lv H N P As Sb Bi Mc C Si Ge Sn Pb Fl B Al Ga In Tl Nh Zn Cd Hg Cn Cu Ag Au Rg Ni Pd Pt Ds Co Rh Ir Mt Fe Ru Os Hs "
    "Mn Tc Re Bh Cr Mo W Sg V Nb Ta Db Ti Zr Hf Rf Sc Y Lu Yb Tm Er Ho Dy Tb Gd Eu Sm Pm Nd Pr Ce La Lr No Md Fm Es Cf Bk Cm Am Pu Np U Pa Th Ac "
    "Be Mg Ca Sr Ba Ra Li Na K Rb Cs Fr Og Rn Xe Kr Ar Ne He"
).split()
_PLACE = {symbol: -place for place, symbol in enumerate(_NEGATIVE_FIRST)}


def formula(symbols: Iterable[str], *, empirical: bool = False) -> str:
    """The formula of these chemical symbols (one per atom), "" for none; `empirical` divides by the common factor; unknown symbols (X) stand last."""
    counts = Counter(symbols)
    if empirical and counts:
        common = math.gcd(*counts.values())
        counts = Counter({symbol: count // common for symbol, count in counts.items()})
    if {"C", "H"} <= counts.keys():
        order = ["C", "H", *sorted(counts.keys() - {"C", "H"})]
    else:
        order = sorted(counts, key=lambda symbol: (_PLACE.get(symbol, 1), symbol))
    return "".join(f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in order)
