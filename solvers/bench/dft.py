"""The plane-wave engine beside `pw.x` and `abinit`: time to 1e-6 Ha/atom with forces and stress, CPU seconds, steps, applications, memory, shares.

Every program runs in turn on the same cores (ours, pw.x, abinit, ours, …) and ratios are taken round by round, so that a machine that slows down slows all.
Times of the peers are those of their whole process. Ours is given twice: *cold*, the whole process with its imports, and *warm*, a second calculation in the
same process; the ratio is that of the warm run, as in a study or a window, and the cold one stands beside it.
"""
from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from ..core.errors import MissingError, QcadError
from . import Row
from .crystals import BenchCase, cases
from .peers import RANKS, linear_algebra, peers, reached
from .process import Measured, Overtime, measure

PAIRS = 3
#: s after which a peer is stopped; its row then stands beside the other one
PEER_LIMIT = 600.0
#: process to first step of Si2: seconds allowed with an empty and with a filled cache of compiled kernels
START_EMPTY, START_WARM = 10.0, 3.0


def select(keys: list[str] | None, device: str) -> list[BenchCase]:
    """The cases of a device, or those named. MissingError for unknown names."""
    known = {item.key: item for item in cases()}
    for key in keys or []:
        if key not in known and key not in ("start", "threads"):
            raise MissingError(f"There is no bench case {key!r}.", hint=f"Known: {', '.join([*known, 'start', 'threads'])}.")
    return [item for key, item in known.items() if (key in keys if keys else item.group == ("cuda" if device == "cuda" else "cpu"))]


def run(device: str, keys: list[str] | None = None, pairs: int = PAIRS, peer_limit: float = PEER_LIMIT) -> list[Row]:
    """One row per case; a peer that needs longer than `peer_limit` (s) is stopped and told as such; without peers their columns stay empty. On CUDA there are
    no peers: seconds per SCF and per MD step, share of the card's limit."""
    from ..core import device as machine
    where = machine.resolve(device) if device == "cuda" else "cpu"
    chosen = select(keys, where)
    if where == "cuda":
        return [on_card(item) for item in chosen]
    rows: list[Row] = []
    for item in chosen:  # told at once: a whole list takes most of an hour
        rows.append(beside_peers(item, pairs, peer_limit))
        print(f"bench: {rows[-1].case}: {rows[-1].ours_s:.2f} s, {rows[-1].peer} {rows[-1].peer_s or 0.0:.2f} s; {rows[-1].note}", file=sys.stderr, flush=True)
    if not keys or "start" in keys:
        rows += starts()
    if not keys or "threads" in keys:
        rows.append(threads())
    return rows


def ours(key: str, *options: str, environment: dict[str, str] | None = None) -> tuple[Measured, list[dict]]:
    """The engine's own process on a case: (what was measured from outside, its JSON lines with "at" = seconds since the process began)."""
    with tempfile.TemporaryDirectory() as folder:
        root = str(Path(__file__).resolve().parents[2])
        done = measure([sys.executable, "-P", "-m", "solvers.bench.ours", key, *options], Path(folder),
                       {"PYTHONPATH": root, "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", **(environment or {})})
    return done, [{**json.loads(text), "at": t} for t, text in done.lines if text.startswith("{")]


def own_times(events: list[dict], number: int, n_atoms: int) -> dict:
    """The `done` event of a run, with `seconds` = time to accuracy including forces and stress, counted from the start of that run."""
    history = [(event["seconds"], event["free_energy"]) for event in events if event["event"] == "step" and event["run"] == number]
    finished = next(event for event in events if event["event"] == "done" and event["run"] == number)
    return {**finished, "seconds": reached(history, n_atoms, finished["wall"])}


def beside_peers(item: BenchCase, pairs: int, peer_limit: float = PEER_LIMIT) -> Row:
    """A case on all programs, `pairs` rounds; a peer that takes longer than `peer_limit` (s) is stopped and not asked again."""
    n_atoms = len(item.case.symbols)
    mine, cold, theirs, events, absent, late = [], [], {name: [] for name in peers()}, [], {}, []
    for number in range(pairs):
        done, events = ours(item.key, "--repeat", "2", *(["--shares"] if number == pairs - 1 else []))
        mine.append({**own_times(events, 1, n_atoms), "rss": done.peak_rss})
        first = own_times(events, 0, n_atoms)
        cold.append(first["seconds"] + next(e["at"] for e in events if e["event"] == "step" and e["run"] == 0) -
                    next(e["seconds"] for e in events if e["event"] == "step" and e["run"] == 0))
        _tell(item, number, "ours", mine[-1]["seconds"])
        for name, call in peers().items():
            if name in absent or name in late:
                continue
            try:
                theirs[name].append(call(item.case, peer_limit))
                _tell(item, number, name, theirs[name][-1].seconds)
            except Overtime:
                late.append(name)
                _tell(item, number, name, peer_limit, "more than ")
            except QcadError as error:  # what one program cannot do must not cost the others' figures
                absent[name] = error.message
    theirs = {name: runs for name, runs in theirs.items() if name not in absent and name not in late}
    shares = next(event for event in events if event["event"] == "shares")
    bare = next(event for event in events if event["event"] == "imported")["bare_rss"]
    best = min(theirs, key=lambda name: statistics.median(run.seconds for run in theirs[name])) if theirs else None
    seconds = statistics.median(run["seconds"] for run in mine)
    details = {
        "aim": item.aim, "ours": {"warm_s": seconds, "cold_s": statistics.median(cold), "cpu_s": statistics.median(run["cpu"] for run in mine),
                                  "steps": mine[-1]["steps"], "applications_per_band": mine[-1]["applications"], "converged": mine[-1]["converged"],
                                  "memory_above_torch": max(run["peak_rss"] for run in mine) - bare,
                                  "shares": {name: shares[name] for name in ("fft", "gemm", "eigh", "rest")}},
        "absent": absent, "late": {name: peer_limit for name in late}, "blas": linear_algebra(),
        "peers": {name: {"seconds": statistics.median(run.seconds for run in runs), "wall_s": statistics.median(run.wall for run in runs),
                         "cpu_s": statistics.median(run.cpu for run in runs), "steps": runs[-1].steps, "memory": runs[-1].peak_rss,
                         "energy_difference_per_atom": abs(mine[-1]["energy"] - runs[-1].energy) / n_atoms} for name, runs in theirs.items()}}
    if best is None:
        return Row(item.case.name, seconds, "no peer in time" if late else "no peer", None, None, pairs, _note(details, None), details)
    ratio = statistics.median(run["seconds"] / other.seconds for run, other in zip(mine, theirs[best], strict=True))
    return Row(item.case.name, seconds, f"{best}, {RANKS} ranks", details["peers"][best]["seconds"], ratio, pairs, _note(details, best), details)


def _tell(item: BenchCase, number: int, name: str, seconds: float, more: str = "") -> None:
    print(f"bench: {item.key}, round {number + 1}: {name} {more}{seconds:.1f} s", file=sys.stderr, flush=True)


def _note(details: dict, best: str | None) -> str:
    mine = details["ours"]
    parts = [f"aim {details['aim']:g}", f"cold {mine['cold_s']:.1f} s", f"cpu {mine['cpu_s']:.1f} s", f"{mine['steps']} steps",
             f"{mine['applications_per_band']:.1f} H/band", f"{mine['memory_above_torch'] / 2**20:.0f} MiB above torch",
             "FFT {fft:.0%} GEMM {gemm:.0%} eigh {eigh:.0%} rest {rest:.0%}".format(**mine["shares"])]
    for name, peer in details["peers"].items():
        parts.append(f"{name}: {peer['seconds']:.1f} s, cpu {peer['cpu_s']:.1f} s, {peer['steps']} steps, {peer['memory'] / 2**20:.0f} MiB, "
                     f"ΔF {peer['energy_difference_per_atom']:.0e} Ha/atom")
    parts += [f"{name}: > {seconds:g} s" for name, seconds in details["late"].items()]
    parts += [f"{name} failed: {why}" for name, why in details["absent"].items()]
    if details["peers"] and details["blas"]:
        parts.append("NOT A FAIR FIGURE: the peers load the reference BLAS, install libopenblas0-pthread" if details["blas"] == "reference"
                     else f"peers on {details['blas']}")
    if best is not None:
        parts.append(f"memory {mine['memory_above_torch'] / max(1, details['peers'][best]['memory']):.2f} × {best}")
    return "; ".join(parts)


def starts() -> list[Row]:
    """Process to the first step of Si2 with an empty and with a filled cache of compiled kernels."""
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for name, aim in (("empty", START_EMPTY), ("warm", START_WARM)):
            _, events = ours("b1", "--repeat", "1", "--first-step", environment={"NUMBA_CACHE_DIR": cache})
            seconds = next(event["at"] for event in events if event["event"] == "step")
            rows.append(Row(f"start: Si2's first step, {name} cache", seconds, "allowed", aim, seconds / aim, 1, "whole process", {"aim": 1.0}))
    return rows


def threads() -> Row:
    """Si64 on one and on two threads, against what FFT and GEMM gain from the second thread here and now: measured in turn between the runs."""
    from .shares import thread_gains
    times, found, shares = {}, [], {}
    for n in (1, 2):
        _, events = ours("b8", "--repeat", "2", *(["--shares"] if n == 1 else []), environment={"QCAD_THREADS": str(n), "OMP_NUM_THREADS": str(n)})
        times[n] = next(event["scf"] for event in events if event["event"] == "done" and event["run"] == 1)
        shares = next((event for event in events if event["event"] == "shares"), shares)
        found.append(thread_gains((72, 72, 72), 2))
    fft, gemm = (statistics.mean(gains[name] for gains in found) for name in ("fft", "gemm"))
    weight = shares["fft"] / max(1e-9, shares["fft"] + shares["gemm"])
    possible = 1.0 / (weight / fft + (1.0 - weight) / gemm)
    gained = times[1] / times[2]
    return Row("threads: Si64, 1 → 2", times[2], "1 thread", times[1], gained / possible, 1,
               f"gained {gained:.2f}, FFT gains {fft:.2f}, GEMM {gemm:.2f}; the ratio is gained/possible, aim ≥ 0.9", {"aim": 0.9, "gains": found})


def on_card(item: BenchCase) -> Row:
    """Seconds of a self-consistent calculation with forces and stress, of a next geometry, the share of the card's measured FFT and GEMM limits, and for small
    cases how many times faster the card is than two cores of its host."""
    from .shares import machine_limits
    _, events = ours(item.key, "--device", "cuda", "--repeat", "2", "--motion", "--shares")
    n_atoms = len(item.case.symbols)
    warm, moved = own_times(events, 1, n_atoms), own_times(events, 2, n_atoms)
    shares = next(event for event in events if event["event"] == "shares")
    limits = machine_limits(tuple(warm["box"]), "cuda", real=tuple(item.case.kpts) == (1, 1, 1))
    cores = None
    if item.on_cores:
        _, alone = ours(item.key, "--repeat", "2", environment={"QCAD_THREADS": "2", "OMP_NUM_THREADS": "2"})
        cores = own_times(alone, 1, n_atoms)["wall"]
    at_best = shares["boxes"] * limits["fft_s"] + shares["flops"] / limits["gemm_flops"]
    details = {"scf_s": warm["scf"], "with_forces_s": warm["wall"], "motion_step_s": moved["wall"], "steps": warm["steps"],
               "applications_per_band": warm["applications"],
               "shares": {name: shares[name] for name in ("fft", "gemm", "eigh", "rest")}, "limit_s": at_best, "of_limit": at_best / warm["scf"],
               "limits": limits, "two_cores_s": cores, "speed_up": None if cores is None else cores / warm["wall"],
               "peak_device": warm["peak_device"], "converged": warm["converged"]}
    note = (f"SCF {warm['scf']:.2f} s in {warm['steps']} steps, {warm['applications']:.1f} H/band; next geometry {moved['wall']:.2f} s; "
            f"{at_best / warm['scf']:.0%} of the card's FFT + GEMM limit; " + "FFT {fft:.0%} GEMM {gemm:.0%} eigh {eigh:.0%} rest {rest:.0%}".format(**shares) +
            f"; {warm['peak_device'] / 2**30:.1f} GiB; one box {1e6 * limits['fft_s']:.0f} µs, GEMM {limits['gemm_flops'] / 1e12:.1f} TFLOP/s")
    if cores is None:
        return Row(item.case.name, warm["wall"], "none on cuda", None, None, 1, note, details)
    return Row(item.case.name, warm["wall"], "ours on 2 cores", cores, warm["wall"] / cores, 1, f"{cores / warm['wall']:.1f} × two cores; {note}", details)
