"""The benchmark's harness: times read from programs' outputs (short texts of our own making), processes measured, rows put together. Nothing is timed."""
from __future__ import annotations

import itertools
import json
import sys
import time
import weakref
from pathlib import Path

import psutil
import pytest
import torch

from solvers import bench
from solvers.bench import dft, ours, peers, shares
from solvers.bench.crystals import cases
from solvers.bench.process import Overtime, measure
from solvers.bench.shares import Shares
from solvers.core.errors import MissingError, ReadError, RunError, SetupError

DATA = Path(__file__).parent / "data"


def lines(name):
    return [(float(i), text) for i, text in enumerate((DATA / name).read_text().splitlines())]


def test_time_to_accuracy_from_a_history():
    history = peers.espresso_history(lines("espresso.txt"))
    assert [energy for _, energy in history] == pytest.approx([-7.85, -7.854495, -7.8545005, -7.85450055])
    # two atoms: 2e-6 Ha are allowed, so the third energy (at 5 s) is good; 3 s of forces and stress follow the last step
    assert peers.reached(history, 2, 10.0) == pytest.approx(5.0 + 3.0)
    assert peers.reached(history, 100, 10.0) == pytest.approx(3.0 + 3.0)
    history = peers.abinit_history(lines("abinit.txt"))
    assert len(history) == 3 and peers.reached(history, 2, 4.0) == pytest.approx(2.0 + 1.0)
    with pytest.raises(ReadError, match="another form"):
        peers.reached([], 1, 1.0)


def test_a_process_is_measured_from_outside(tmp_path):
    code = "import time; print('one', flush=True); block = bytearray(80 * 2**20); sum(range(10**6)); time.sleep(0.25); print('two')"
    done = measure([sys.executable, "-c", code], tmp_path)
    (first, one), (second, two) = done.lines
    assert (one, two) == ("one", "two") and second - first > 0.2
    assert done.wall > 0.25 and 0.005 < done.cpu < 10.0 and done.peak_rss > 80 * 2**20
    with pytest.raises(RunError, match="status 3.*why"):
        measure([sys.executable, "-c", "print('why'); raise SystemExit(3)"], tmp_path)
    with pytest.raises(MissingError, match="no-such-program"):
        measure(["no-such-program"], tmp_path)
    with pytest.raises(RunError, match="stopped after 0.2 s"):
        measure([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(30)"], tmp_path, time_limit=0.2)


def test_a_program_that_takes_too_long_ends_with_all_it_started(tmp_path):
    """A launcher that is killed alone leaves its ranks computing."""
    child = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(Overtime, match="stopped after 2 s"):
        measure([sys.executable, "-c", code], tmp_path, time_limit=2.0)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10.0
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_cases_are_what_the_tables_name():
    keys = [item.key for item in cases()]
    assert len(set(keys)) == len(keys) and {f"b{i}" for i in range(1, 9)} <= set(keys)
    for item in cases():
        distances = item.case.atoms().get_all_distances(mic=True)
        assert len(distances) == 1 or distances[distances > 0].min() > 0.9, item.key
    assert [item.key for item in dft.select(["b3"], "cpu")] == ["b3"]
    assert all(item.group == "cuda" for item in dft.select(None, "cuda"))
    with pytest.raises(MissingError, match="b1"):
        dft.select(["b99"], "cpu")


def test_rows_from_stored_events(monkeypatch):
    events = [{"event": "imported", "bare_rss": 100 * 2**20, "at": 2.0}]
    for number, at in ((0, 3.0), (1, 8.0)):
        events += [{"event": "step", "run": number, "n": n, "seconds": float(n), "free_energy": energy, "at": at + n}
                   for n, energy in ((1, -7.8), (2, -7.9), (3, -7.9))]
        events.append({"event": "done", "run": number, "wall": 4.0, "scf": 3.0, "cpu": 5.0, "steps": 3, "applications": 20.0, "converged": True, "energy": -7.9,
                       "peak_rss": 400 * 2**20, "box": [9, 9, 9], "peak_device": 0, "at": at + 4})
    events.append({"event": "shares", "fft": 0.5, "gemm": 0.2, "eigh": 0.1, "rest": 0.2, "boxes": 10, "flops": 1e9, "wall": 1.0, "at": 20.0})

    class Done:
        peak_rss = 400 * 2**20
    monkeypatch.setattr(dft, "ours", lambda key, *options, **more: (Done, events))
    monkeypatch.setattr(dft, "peers", lambda: {"pw.x": lambda case, limit: peers.Run(6.0, 6.5, 12.0, 9, 200 * 2**20, -7.9000001)})
    row = bench.run("dft", device="cpu", cases=["b1"], pairs=2)[0]
    assert row.ours_s == pytest.approx(3.0) and row.ratio == pytest.approx(0.5) and row.peer.startswith("pw.x")
    assert row.details["ours"]["cold_s"] == pytest.approx(3.0 + 3.0)
    assert row.details["ours"]["memory_above_torch"] == 300 * 2**20 and "1.50 × pw.x" in row.note
    assert "Si2" in bench.table([row]) and json.loads(json.dumps(row.to_dict()))["ratio"] == pytest.approx(0.5)

    def unable(case, limit):
        raise SetupError("cannot do this case")
    monkeypatch.setattr(dft, "peers", lambda: {"abinit": unable, "pw.x": lambda case, limit: peers.Run(6.0, 6.5, 12.0, 9, 200 * 2**20, -7.9000001)})
    row = bench.run("dft", device="cpu", cases=["b1"], pairs=2)[0]
    assert row.ratio == pytest.approx(0.5) and "abinit failed: cannot do this case" in row.note

    asked = []

    def slow(case, limit):
        asked.append(limit)
        raise Overtime("abinit was stopped after 7 s.", hint="Choose a smaller case.")
    monkeypatch.setattr(dft, "peers", lambda: {"abinit": slow, "pw.x": lambda case, limit: peers.Run(6.0, 6.5, 12.0, 9, 200 * 2**20, -7.9000001)})
    row = bench.run("dft", device="cpu", cases=["b1"], pairs=3, peer_limit=7.0)[0]
    assert row.ratio == pytest.approx(0.5) and row.peer.startswith("pw.x") and "abinit: > 7 s" in row.note and asked == [7.0]  # not asked in every round
    monkeypatch.setattr(dft, "peers", lambda: {"abinit": slow})
    row = bench.run("dft", device="cpu", cases=["b1"], pairs=1)[0]
    assert row.ratio is None and row.peer == "no peer in time" and "abinit: > 600 s" in row.note and asked[-1] == dft.PEER_LIMIT
    with pytest.raises(MissingError, match="area"):
        bench.run("nothing")


def test_runs_of_a_process_are_measured_alone(monkeypatch, capsys):
    """While the warm run is measured the cold one's orbitals are gone: the peak beside the peers' is that of one calculation."""
    class Calculation:
        pass
    made, alive = [], []

    def run(*args, **keywords):
        alive.append(sum(reference() is not None for reference in made))
        calculation = Calculation()
        made.append(weakref.ref(calculation))
        return calculation
    monkeypatch.setattr(ours, "_run", run)
    monkeypatch.setattr(Shares, "summary", lambda self: {})
    assert ours.main(["b1", "--device", "cpu", "--repeat", "2", "--shares"]) == 0
    assert alive == [0, 0, 0] and '"imported"' in capsys.readouterr().out
    alive.clear()
    assert ours.main(["b1", "--device", "cpu", "--repeat", "1", "--motion"]) == 0
    assert alive == [0, 1]  # a next geometry starts from the last one


def test_slow_linear_algebra_of_the_peers_is_told(tmp_path):
    assert peers.linear_algebra(tmp_path) == ""
    machine = tmp_path / "x86_64-linux-gnu"
    for folder, name in (("blas", "reference"), ("openblas-pthread", "openblas-pthread")):
        (machine / folder).mkdir(parents=True)
        (machine / folder / "libblas.so.3").touch()
        (machine / "libblas.so.3").unlink(missing_ok=True)
        (machine / "libblas.so.3").symlink_to(machine / folder / "libblas.so.3")
        assert peers.linear_algebra(tmp_path) == name


def test_gains_of_threads_are_measured_in_turn(monkeypatch):
    """A machine that becomes twice as slow on the way, as a shared one does: two threads still gain what they gain."""
    clock, used = [0.0], []
    threads = [1]
    monkeypatch.setattr(shares.torch, "set_num_threads", lambda n: threads.__setitem__(0, n))
    monkeypatch.setattr(shares.torch, "get_num_threads", lambda: threads[0])
    monkeypatch.setattr(shares.time, "perf_counter", lambda: clock[0])

    def takes(seconds, gain):
        def call(self):
            used.append(threads[0])
            clock[0] += seconds / (gain if threads[0] == 2 else 1.0) * (1.0 if clock[0] < 2.5 else 2.0)
        return call
    monkeypatch.setattr(shares._Work, "fft", takes(0.01, 1.6))
    monkeypatch.setattr(shares._Work, "gemm", takes(0.02, 1.9))
    assert shares.thread_gains((4, 4, 4), 2) == pytest.approx({"fft": 1.6, "gemm": 1.9})
    assert clock[0] > 3.0 and threads == [1] and sum(a != b for a, b in itertools.pairwise(used)) > 20


def test_threads_row(monkeypatch):
    def run(key, *options, environment):
        done = {"event": "done", "run": 1, "scf": 9.0 / int(environment["QCAD_THREADS"]) ** 0.5}
        return None, [done, *([{"event": "shares", "fft": 0.6, "gemm": 0.3}] if "--shares" in options else [])]
    monkeypatch.setattr(dft, "ours", run)
    monkeypatch.setattr(shares, "thread_gains", lambda shape, n: {"fft": 1.5, "gemm": 1.8})
    row = dft.threads()
    assert row.ratio == pytest.approx(2**0.5 * (2 / 3 / 1.5 + 1 / 3 / 1.8)) and "FFT gains 1.50, GEMM 1.80" in row.note


def test_shares_sort_operations():
    A = torch.randn(200, 300, dtype=torch.float64)
    with Shares("cpu") as shares:
        for _ in range(20):
            B = A @ A.mT
            torch.linalg.eigh(B)
            torch.fft.fftn(torch.ones(24, 24, 24, dtype=torch.complex128))
            A.sum()
    found = shares.summary()
    assert all(found[name] > 0.0 for name in ("fft", "gemm", "eigh")) and sum(found[name] for name in ("fft", "gemm", "eigh", "rest")) == pytest.approx(1.0)
    assert found["flops"] == pytest.approx(20 * 2.0 * 200 * 200 * 300)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_says_so(capsys):
    from solvers.cli import main
    assert main(["bench", "dft", "--device", "cuda"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("qcad: Device 'cuda' was asked for, but torch sees no CUDA device.") and "Traceback" not in err
