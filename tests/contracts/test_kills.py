"""SIGKILL at random moments of a self-consistent cycle, a relaxation and dynamics with plane waves, in worker processes of their own."""
from __future__ import annotations

import pytest

from solvers.validate import kills


@pytest.mark.parametrize("case", kills.SUITE, ids=[case.name for case in kills.SUITE])
def test_a_killed_job_ends_where_an_undisturbed_one_ends(case, tmp_path):
    """Once each; `qcad validate damage` kills three times, with --full twenty times per kind, with spin, +U and hybrids."""
    found = kills.strike(case, 1, tmp_path)
    assert found.kills == 1 and found.faults == ()
    assert found.repeated <= kills.REPEATED and found.energy <= kills.ENERGY and found.along <= kills.ENERGY


def test_every_kind_is_killed_twenty_times_in_the_full_tier():
    count = {kind: sum(case.kills for case in kills.CASES if case.kind == kind) for kind in ("scf", "relax", "md")}
    assert count == {"scf": 20, "relax": 20, "md": 20}
    assert {"scf, spin", "scf, +U", "scf, HSE06", "bands", "dos", "phonons", "converge"} <= {case.name for case in kills.CASES}
