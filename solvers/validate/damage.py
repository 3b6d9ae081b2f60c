"""Damage: whatever a disk, a transfer or an editor does to a potential, a restart file, a recipe or parameters, the readers answer with a sentence or with
sound content, and soon; and workers killed at any moment go on where they were (`kills`).

`mutations` is deterministic; the suite takes 50 per format, ``qcad validate damage --full`` 5000.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from solvers.core.errors import QcadError

from .report import Row, compare

SECONDS = 5.0  # processor time per file: on a busy machine the clock says nothing
MEMORY = 1e9  # bytes of the whole process beyond what it had
QUICK, FULL = 50, 5000
SEED = 20261121

_WORDS = (b"nan", b"inf", b"-inf", b"-1", b"0", b"1", b"2", b"7", b"1e308", b"-1e308", b"1e-320", b"99999999999", b"4294967296", b"2147483648", b"-2147483649",
          b"", b"abc", b"0x10", b"1.0D+400", b"1.0D+02", b"1,5", b"1_0", b"++1", b"1e5", b"\xc2\xb2", b"\xd9\xa3", b"T", b"NaN(1)", b"1d", b"&", b"<",
          b'"', b"]]>")
_ENTITIES = b'<?xml version="1.0"?><!DOCTYPE UPF [<!ENTITY a "' + b"x" * 100 + b'">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 20) for i in range(8)) + b'<!ENTITY f SYSTEM "file:///etc/hostname">]>\n'


def samples() -> dict[str, tuple[str, bytes]]:
    """format -> (file name, sound content), small files of our own with everything in them that the format has."""
    from solvers.dft.pseudo.data import Shell
    from solvers.dft.pseudo.library import entry

    from .peers.potential_files import linear_mesh, logarithmic_mesh, on_mesh, psp8_text, upf1_text, upf2_text, with_density
    from .peers.potentials import pspcod10
    silicon = replace(entry("Si", "PBE"), core=((0.45, (4.0, -1.0)),))
    coarse = with_density(on_mesh(silicon, linear_mesh(0.05, 6.5)))
    wide = logarithmic_mesh(14, 0.06)
    shells = (Shell("3s", 0, 2.0, None, wide[0] * np.exp(-wide[0])), Shell("3p", 1, 2.0, None, wide[0] ** 2 * np.exp(-wide[0])))
    logarithmic = replace(with_density(on_mesh(silicon, wide)), shells=shells)
    hgh = "HGH\n14 4 010605\n3 1 1 0 2001 0\n0.44 -7.336103 0.0 0.0 0.0\n0.422738 5.906928 3.258196 0.0\n0.484278 2.727013 0.0 0.0\n 0.000373 0.014437 0.0\n"
    table = "Al GTH-NLCC-PBE-q3\n 2 1\n 0.35 2 -1.2 0.7\n NLCC 1\n 0.487749457320947 1 26.6661157296629\n 2\n 0.47 2 2.68 0.1\n 0.3\n 0.5 1 1.1\n"
    texts = {"psp8": ("Si.psp8", psp8_text(coarse, 3)), "UPF 2": ("Si.upf", upf2_text(logarithmic)), "UPF 1": ("Si.UPF", upf1_text(logarithmic)),
             "pspcod 12": ("Si.gth", pspcod10(entry("Pb", "PBE")).replace("\n 10 ", "\n 12 ") + " 0.44 0.42\n"), "pspcod 3": ("Si.hgh", hgh),
             "CP2K table": ("Al.gth", table)}
    return {kind: (name, text.encode()) for kind, (name, text) in texts.items()}


def mutations(data: bytes, count: int, seed: int = SEED) -> Iterator[bytes]:
    """`count` damaged versions of `data`; the same for the same seed."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        damaged = data
        for _ in range(1 if number % 3 else int(rng.integers(1, 4))):
            damaged = _KINDS[int(rng.integers(len(_KINDS)))](damaged or b" ", rng)
        yield damaged


def _at(data: bytes, rng: np.random.Generator) -> int:
    """A place in the data, half of the time in its first kilobyte, where the heads are."""
    return int(rng.integers(0, min(len(data), 1000) if rng.random() < 0.5 else len(data)))


def _word(data: bytes, rng: np.random.Generator) -> bytes:
    """Another word in the place of one."""
    at = _at(data, rng)
    start = max(data.rfind(b" ", 0, at), data.rfind(b"\n", 0, at), data.rfind(b'"', 0, at)) + 1
    ends = [end for end in (data.find(mark, start) for mark in (b" ", b"\n", b'"')) if end >= 0]
    return data[:start] + _WORDS[int(rng.integers(len(_WORDS)))] + data[min(ends, default=len(data)):]


def _lines(change):
    def apply(data: bytes, rng: np.random.Generator) -> bytes:
        lines = data.split(b"\n")
        row = min(len(lines) - 1, int(rng.integers(0, 12 if rng.random() < 0.5 else len(lines))))
        change(lines, row, rng)
        return b"\n".join(lines)
    return apply


def _drop(lines: list[bytes], row: int, rng: np.random.Generator) -> None:
    del lines[row]


def _double(lines: list[bytes], row: int, rng: np.random.Generator) -> None:
    lines.insert(row, lines[row])


def _swap(lines: list[bytes], row: int, rng: np.random.Generator) -> None:
    other = int(rng.integers(0, len(lines)))
    lines[row], lines[other] = lines[other], lines[row]


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 30))):
        damaged[_at(data, rng)] = int(rng.integers(256))
    return bytes(damaged)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[:_at(data, rng)]


def _hole(data: bytes, rng: np.random.Generator) -> bytes:
    at = _at(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 2000)):]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    at = _at(data, rng)
    return data[:at] + data[at:at + int(rng.integers(1, 3000))] * int(rng.integers(2, 40)) + data[at:]


def _wipe(data: bytes, rng: np.random.Generator) -> bytes:
    at, length = _at(data, rng), int(rng.integers(1, 600))
    return data[:at] + bytes([int(rng.choice([0, 32, 48, 57, 255]))]) * length + data[at + length:]


def _flood(data: bytes, rng: np.random.Generator) -> bytes:
    at = _at(data, rng)
    return data[:at] + bytes([int(rng.choice([32, 10, 57, 40, 60]))]) * 1_000_000 + data[at:]


def _odd(data: bytes, rng: np.random.Generator) -> bytes:
    """Other encodings, line ends, a document type with entities, nothing at all."""
    return [data.decode("latin-1").encode("utf-16"), data.replace(b"\n", b"\r"), data.replace(b"\n", b"\r\n"), _ENTITIES + data, data.upper(), data.lower(),
            b"", b"\n", data + data, data.replace(b"E", b"D"), data.replace(b" ", b"\t"), data[::-1]][int(rng.integers(12))]


_KINDS = (_word, _word, _word, _word, _lines(_drop), _lines(_double), _lines(_swap), _flip, _cut, _hole, _repeat, _wipe, _flood, _odd)


@dataclass(frozen=True)
class Outcome:
    """What became of one damaged file: "refused" with its sentence, "read" (and usable), or "fault" with what went wrong; processor seconds it took."""

    state: str
    text: str
    seconds: float


def outcome(data: bytes, name: str) -> Outcome:
    """Read `data` as a potential in a file called `name` and use what is read."""
    return verdict(lambda: _use(data, name))


def verdict(read: Callable[[], tuple[str, str]]) -> Outcome:
    """The outcome of `read`, which returns a state and a text or raises."""
    started = time.process_time()
    try:
        state, text = read()
    except QcadError as error:
        words = str(error)
        state, text = ("refused", words) if 15 < len(words) < 900 and error.hint else ("fault", f"no sentence: {words[:200]!r}")
    except Exception as error:  # the point of the exercise: anything but a sentence is a fault
        state, text = "fault", f"{type(error).__name__}: {error}"
    return Outcome(state, text, time.process_time() - started)


def _use(data: bytes, name: str) -> tuple[str, str]:
    import torch

    from solvers.dft.pseudo import files
    from solvers.dft.pseudo.gth import GTH
    from solvers.dft.pseudo.gth_table import GTHEntry
    from solvers.dft.pseudo.numerical import NumericalPotential
    entry, found = files.entry_of(data, name), files.parse(data, name)
    live = GTH(found) if isinstance(found, GTHEntry) else NumericalPotential(entry, found)
    q = torch.tensor([0.3, 2.0, 6.0], dtype=torch.float64)
    values = [live.local(q), live.core(q), torch.tensor([live.alpha])]
    values += [channel.reduced(i, q) for channel in live.channels for i in range(len(channel.h))]
    values += [torch.as_tensor(channel.h).flatten() for channel in live.channels]
    if not all(bool(torch.isfinite(value).all()) for value in values):
        return "fault", "form factors are not finite"
    if any(float(value.abs().max()) > 1e9 for value in values if value.numel()):
        return "fault", f"form factors reach {max(float(value.abs().max()) for value in values if value.numel()):.3g}"
    return "read", ""


def run(full: bool = False) -> Iterator[Row]:
    """Faults, slowest file and memory per format."""
    from . import kills
    from .damaged_inputs import readers
    jobs = [(kind, data, partial(_potential, name)) for kind, (name, data) in samples().items()]
    jobs += [(kind, data, partial(_own, reader)) for kind, (data, reader) in readers().items()]
    for kind, data, judge in jobs:
        before = _memory()
        found = [judge(damaged) for damaged in mutations(data, FULL if full else QUICK)]
        faults = [item.text for item in found if item.state == "fault"]
        refused = sum(item.state == "refused" for item in found)
        yield compare("damage", kind, "faults", float(len(faults)), 0.0, 0.5, "files", "a sentence for each", faults[0][:120] if faults else "")
        yield compare("damage", kind, "slowest file", max(item.seconds for item in found), 0.0, SECONDS, "s", f"{SECONDS:g} s",
                      f"{refused} of {len(found)} refused")
        yield compare("damage", kind, "memory", (_memory() - before) / 1e6, 0.0, MEMORY / 1e6, "MB", f"{MEMORY / 1e6:g} MB")
    yield from kills.run(full)


def _potential(name: str, data: bytes) -> Outcome:
    return outcome(data, name)


def _own(reader: Callable[[bytes], str], data: bytes) -> Outcome:
    def read() -> tuple[str, str]:
        wrong = reader(data)
        return ("fault", wrong) if wrong else ("read", "")
    return verdict(read)


def _memory() -> float:
    """Largest resident size so far, bytes."""
    try:
        import resource
    except ImportError:  # not a POSIX system: what is resident now
        import psutil
        return float(psutil.Process().memory_info().rss)
    import sys
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)
