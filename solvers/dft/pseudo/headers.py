"""What the heads of potential files say in words and codes: element, functional, licence, recommended cutoff."""
from __future__ import annotations

import re

from solvers.core.errors import ReadError

#: ABINIT's pspxc (libxc pairs are negative) -> our functional; 2 and 7 are fits of the same LDA to 1e-4 Ha
PSPXC = {2: "LDA", 7: "LDA", -1012: "LDA", -1013: "LDA", 11: "PBE", -101130: "PBE", -116133: "PBEsol", -130101: "PBE", -133116: "PBEsol"}
_PSPXC_NAMES = {1: "LDA (Teter 93)", 3: "LDA (Perdew-Zunger)", 4: "LDA (Wigner)", 18: "BLYP", -497: "SCAN", -263267: "SCAN"}
#: functional strings of UPF files, upper case with single spaces -> ours
_UPF = {"PBE": "PBE", "SLA PW PBX PBC": "PBE", "SLA PW PBE PBE": "PBE", "PBESOL": "PBEsol", "SLA PW PSX PSC": "PBEsol",
        "PW": "LDA", "SLA PW NOGX NOGC": "LDA", "SLA PW": "LDA", "LDA": "LDA", "SLA+PW+NOGX+NOGC": "LDA", "SLA-PW-NOGX-NOGC": "LDA", "SLA-PW-PBX-PBC": "PBE",
        "SLA+PW+PBX+PBC": "PBE", "SLA-PW-PBE-PBE": "PBE", "SLA+PW+PBE+PBE": "PBE", "SLA-PW-PSX-PSC": "PBEsol", "SLA+PW+PSX+PSC": "PBEsol"}


def functional_of_pspxc(code: int) -> str:
    """"LDA", "PBE", "PBEsol", or words for what the code stands for."""
    return PSPXC.get(code) or _PSPXC_NAMES.get(code) or f"pspxc {code}"


def functional_of_upf(text: str) -> str:
    """"LDA", "PBE", "PBEsol", or the file's own words."""
    words = " ".join(text.upper().split())
    return _UPF.get(words) or ({"SLA PZ NOGX NOGC": "LDA (Perdew-Zunger)", "PZ": "LDA (Perdew-Zunger)"}.get(words)) or words[:40] or "not stated"


def symbol_of(number: float, name: str) -> tuple[str, int]:
    """(symbol, atomic number) of a nuclear charge; ReadError when it is none of an element."""
    from ase.data import chemical_symbols
    if not 1 <= number <= 103 or abs(number - round(number)) > 1e-3:
        raise ReadError(f"{name} gives the nuclear charge {number:g}, which no element from H to Lr has.", hint="The file is damaged.")
    return chemical_symbols[round(number)], round(number)


def licence_of(text: str) -> str:
    """The first line that speaks of a licence or copyright, "not stated" where there is none."""
    found = []
    for line in text[:20_000].splitlines() + text[-20_000:].splitlines():
        if re.search(r"licen[cs]e|copyright|creative\s+commons|©|public domain", line, re.I):
            words = " ".join(line.strip(" #!*<>-\t").split())
            if words and words not in found:
                found.append(words[:160])
    return "; ".join(found[:3]) or "not stated"


def cutoff_hint(text: str) -> float | None:
    """Recommended cutoff in Ha: what the head says in words (SPMS: for 1e-4 Ha per atom; others: suggested minimum), or the "normal" hint of a DOJO_REPORT;
    None where nothing is said."""
    stated = (re.search(r"Ecut \(1e-4 Ha/atom accuracy\):\s*([\d.]+)\s*Ha", text), 1.0), (re.search(r"cutoff for wavefunctions:\s*([\d.]+)\s*Ry", text), 0.5)
    for found, factor in stated:
        if found and 2 <= float(found[1]) * factor <= 500:
            return float(found[1]) * factor
    match = re.search(r'"(?:pp_?gen_)?hints"\s*:\s*\{(.{0,400}?)\}\s*\}', text, re.S) or re.search(r'"(?:ppgen_)?hints"\s*:\s*\{(.{0,400})', text, re.S)
    if match:
        normal = re.search(r'"normal"\s*:\s*\{[^{}]*"ecut"\s*:\s*([\d.]+)', match[1])
        if normal and 2 <= float(normal[1]) <= 500:
            return float(normal[1])
    return None
