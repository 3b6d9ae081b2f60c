"""Messages over a pipe: magic, length, a JSON header, then raw arrays. No pickle: a reader of this format can only make numbers and text."""
from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

MAGIC = b"QCB1"
_HEADER_CAP = 256 * 2**20
_KINDS = "biufc"


class FramingError(ValueError):
    """What came through the pipe is not a message."""


def write_message(stream: BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> None:
    """Send plain JSON `header` and numeric or text `arrays`; the header's NaN are refused, arrays may hold them."""
    table, blocks = [], []
    for name, value in (arrays or {}).items():
        value = np.asarray(value)
        if value.dtype.kind == "U":
            table.append({"name": name, "text": value.tolist()})
            continue
        if value.dtype.kind not in _KINDS:
            raise TypeError(f"array {name!r} of type {value.dtype} cannot be sent")
        value = np.ascontiguousarray(value, value.dtype.newbyteorder("<")).reshape(value.shape)
        table.append({"name": name, "dtype": value.dtype.str, "shape": list(value.shape)})
        blocks.append(value)
    head = json.dumps({"header": dict(header), "arrays": table}, allow_nan=False).encode()
    stream.write(MAGIC + struct.pack("<Q", len(head)) + head)
    for value in blocks:
        stream.write(value.data.cast("B") if value.size else b"")
    stream.flush()


def read_message(read: Callable[[int], bytes], cap: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(header, arrays); `read(n)` returns exactly n bytes or raises EOFError. FramingError when it is not a message or larger than `cap` bytes."""
    start = read(len(MAGIC) + 8)
    if start[:4] != MAGIC:
        raise FramingError("not a message")
    (length,) = struct.unpack("<Q", start[4:])
    if length > min(cap, _HEADER_CAP):
        raise FramingError(f"a header of {length} bytes")
    try:
        head = json.loads(read(length))
        header, table = dict(head["header"]), list(head["arrays"])
    except (ValueError, KeyError, TypeError) as error:
        raise FramingError(f"damaged header: {error}") from error
    arrays: dict[str, np.ndarray] = {}
    for item in table:
        try:
            name = str(item["name"])
            if "text" in item:
                arrays[name] = np.array(item["text"], dtype=str)
                continue
            dtype, shape = np.dtype(str(item["dtype"])), tuple(int(n) for n in item["shape"])
        except (KeyError, TypeError, ValueError) as error:
            raise FramingError(f"damaged array: {error}") from error
        n_bytes = dtype.itemsize
        for n in shape:
            n_bytes *= n
        cap -= n_bytes
        if dtype.kind not in _KINDS or min(shape, default=0) < 0 or cap < 0:
            raise FramingError(f"array {name!r} of type {dtype} and shape {shape}")
        arrays[name] = np.frombuffer(bytearray(read(n_bytes)), dtype).reshape(shape)
    return header, arrays
