"""`pw.x` and `abinit` as competitors: the same case on the same two cores, with the time at which each step's energy came."""
from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ReadError, SetupError
from ..validate.cases.dft import Case
from ..validate.peers import abinit, espresso, potentials
from .process import Measured, measure

RANKS = 2
ACCURACY = 1e-6  # Ha/atom: a run is as far as it must be when its energy stays this close to its end
THRESHOLD = 1e-9  # Ry, estimated energy error of the whole cell, on all sides
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
                "GFORTRAN_UNBUFFERED_PRECONNECTED": "y"}
_MPI = ("mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(RANKS))


@dataclass(frozen=True)
class Run:
    """One run of one program: time to `ACCURACY` including forces and stress, whole wall and CPU seconds, steps to the end, peak memory (bytes), final free
    energy (Ha)."""

    seconds: float
    wall: float
    cpu: float
    steps: int
    peak_rss: int
    energy: float


def reached(history: Sequence[tuple[float, float]], n_atoms: int, end: float) -> float:
    """Seconds to an energy within `ACCURACY` of the last one, from (seconds, energy in Ha) per step, plus what follows the last step (forces, stress)."""
    if not history:
        raise ReadError("No step's energy was printed.", hint="The program's output has another form.")
    last = history[-1][1]
    far = [i for i, (_, energy) in enumerate(history) if abs(energy - last) > ACCURACY * n_atoms]
    first = min(len(history) - 1, far[-1] + 1 if far else 0)
    return history[first][0] + end - history[-1][0]


def espresso_history(lines: Sequence[tuple[float, str]]) -> list[tuple[float, float]]:
    """(seconds, free energy in Ha) of every step in `pw.x`'s output."""
    found = [(t, re.match(r"^!?\s+total energy\s+=\s+([-+0-9.Ee]+) Ry", text)) for t, text in lines]
    return [(t, float(match[1]) / 2) for t, match in found if match]


def abinit_history(lines: Sequence[tuple[float, str]]) -> list[tuple[float, float]]:
    """(seconds, free energy in Ha) of every step in ABINIT's log."""
    found = [(t, re.match(r"^\s*ETOT\s+\d+\s+([-+0-9.EeDd]+)", text)) for t, text in lines]
    return [(t, float(match[1].replace("D", "E"))) for t, match in found if match]


def _summary(case: Case, done: Measured, history: list[tuple[float, float]]) -> Run:
    return Run(reached(history, len(case.symbols), done.wall), done.wall, done.cpu, len(history), done.peak_rss, history[-1][1])


def run_espresso(case: Case, time_limit: float) -> Run:
    """`pw.x` on two ranks; Overtime beyond `time_limit` (s)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {symbol: potentials.write(case, symbol, folder, "gth") for symbol in dict.fromkeys(case.symbols)}
        (folder / "run.in").write_text(espresso.input_text(case, files, threshold=THRESHOLD))
        done = measure([*_MPI, "pw.x", "-in", "run.in"], folder, _ENVIRONMENT, time_limit=time_limit)
    return _summary(case, done, espresso_history(done.lines))


def run_abinit(case: Case, time_limit: float) -> Run:
    """`abinit` on two ranks: k-points are shared out; a single k-point is solved by its parallel block solver (LOBPCG). Overtime beyond `time_limit` (s)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [potentials.write(case, symbol, folder) for symbol in dict.fromkeys(case.symbols)]
        if case.smearing is not None and case.smearing[0] not in abinit.OCCOPT:
            raise SetupError(f"ABINIT has no {case.smearing[0]} smearing of our definition.", hint="Choose another smearing for a case it shall run.")
        text = abinit.input_text(case, files).replace("tolvrs 1.0d-15", f"toldfe {THRESHOLD / 2!r}").replace("toldfe 0\n", "")
        if tuple(case.kpts) == (1, 1, 1):
            text += f"paral_kgb 1\nnpkpt 1\nnpband {RANKS}\nwfoptalg 114\n"
        (folder / "run.abi").write_text(text)
        done = measure([*_MPI, "abinit", "run.abi"], folder, _ENVIRONMENT, time_limit=time_limit)
    return _summary(case, done, abinit_history(done.lines))


def linear_algebra(root: Path = Path("/usr/lib")) -> str:
    """The BLAS that Debian's programs load, as its folder is named ("openblas-pthread"), "reference" for the plain one, "" where it cannot be told.

    With the plain one `pw.x` needs three times as long for 64 atoms: no competitor.
    """
    names = [path.resolve().parent.name for path in sorted(root.glob("*/libblas.so.3"))]
    return "" if not names else "reference" if names[0] == "blas" else names[0]


def peers() -> dict[str, Callable[[Case, float], Run]]:
    """The competitors installed here, by name; each takes a case and its time limit in s."""
    return {name: call for name, here, call in (("pw.x", espresso.installed(), run_espresso), ("abinit", abinit.installed(), run_abinit)) if here}
