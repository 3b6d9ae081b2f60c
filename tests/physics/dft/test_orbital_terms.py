"""What `pw.x` is asked beside +U, hybrids and dispersion."""
from __future__ import annotations

import re

import pytest

from solvers.validate.orbital_terms import PAIRS, peer_input


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_metals_get_bands_for_the_whole_tail_of_the_smearing(pair):
    """The number that `pw.x` takes by itself (12 for 16 electrons) cuts Fermi–Dirac's tail: 5e-6 Ha/atom in iron with U."""
    files = {symbol: f"{symbol}.UPF" for symbol in pair.case.symbols}
    for with_term in pair.runs.values():
        text = peer_input(pair, with_term, files)
        assert (pair.system if with_term else pair.plain) in text
        bands = re.findall(r"nbnd = (\d+)", text)
        assert bool(bands) == (pair.case.smearing is not None)
        if pair.name.startswith("Fe2"):
            assert int(bands[0]) >= 20
