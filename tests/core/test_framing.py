"""Messages over a pipe: what comes out is what went in, or FramingError."""
from __future__ import annotations

import io

import numpy as np
import pytest

from solvers.core.framing import FramingError, read_message, write_message


def sent(header, arrays):
    out = io.BytesIO()
    write_message(out, header, arrays)
    return out.getvalue()


def received(data, cap=10**6):
    stream = io.BytesIO(data)

    def read(n):
        found = stream.read(n)
        if len(found) < n:
            raise EOFError
        return found
    return read_message(read, cap)


def test_round_trip():
    arrays = {"x": np.arange(6.0).reshape(2, 3), "big": np.array([1, 2], ">i4"), "empty": np.zeros((0, 3)), "nan": np.array(np.nan),
              "words": np.array(["a", "é"]), "strided": np.arange(10)[::3], "flag": np.array([True, False])}
    header, found = received(sent({"ok": True, "é": [1, None]}, arrays))
    assert header == {"ok": True, "é": [1, None]} and found.keys() == arrays.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
    found["x"][0, 0] = 5  # what arrives belongs to the receiver


def test_objects_cannot_be_sent():
    with pytest.raises(TypeError, match="cannot be sent"):
        sent({}, {"x": np.array([object()])})
    with pytest.raises(ValueError):
        sent({"x": float("nan")}, {})


def test_damage_never_gives_anything_else():
    whole = sent({"ok": True}, {"x": np.arange(20.0), "y": np.arange(3)})
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        try:
            received(bytes(data))
        except (FramingError, EOFError):
            refused += 1
    assert refused > 20
    for cut in range(len(whole)):
        with pytest.raises((FramingError, EOFError)):
            received(whole[:cut])


def test_caps():
    with pytest.raises(FramingError, match="shape"):
        received(sent({}, {"x": np.zeros(10**5)}), cap=10**5)
    with pytest.raises(FramingError, match="not a message"):
        received(b"HTTP/1.1 200 OK\r\n\r\n")
