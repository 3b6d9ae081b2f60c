"""One-dimensional batched FFT plans from MKL's DFTI, which torch's x86-64 wheels export, callable from Numba by address.

A plan is a committed descriptor; Numba code receives three integers (forward function, backward function, descriptor) as *arguments*, so no
address is baked into compiled code and the kernels stay cacheable between processes. Where torch brings no MKL (`available()` is False) the plain
torch operator of `reference.py` is used instead.
"""
from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import numpy as np

from ...core.errors import RunError

# names of the DFTI enumeration (Intel oneMKL, mkl_dfti.h)
_COMPLEX = 32
_SINGLE, _DOUBLE = 35, 36
_NUMBER_OF_TRANSFORMS, _INPUT_STRIDES, _OUTPUT_STRIDES, _INPUT_DISTANCE, _OUTPUT_DISTANCE, _THREAD_LIMIT = 7, 12, 13, 14, 15, 27


@cache
def _library() -> ctypes.CDLL | None:
    import torch
    folder = Path(torch.__file__).parent / "lib"
    for name in ("libtorch_cpu.so", "torch_cpu.dll", "libtorch_cpu.dylib"):
        path = folder / name
        if path.is_file():
            library = ctypes.CDLL(str(path))
            return library if hasattr(library, "DftiCreateDescriptor_d_1d") else None
    return None


def available() -> bool:
    """Whether the FFT library was found."""
    return _library() is not None


@cache
def functions() -> np.ndarray:
    """Addresses (forward, backward) of the in-place transforms, int64 (2,)."""
    library = _library()
    return np.array([ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in ("DftiComputeForward", "DftiComputeBackward")], np.int64)


@cache
def plan(length: int, stride: int, distance: int, count: int, single: bool) -> int:
    """Handle of an in-place complex plan: `count` unscaled transforms of `length` points, one thread. Plans live as long as the process."""
    library = _library()
    handle = ctypes.c_void_p()
    create = library.DftiCreateDescriptor_s_1d if single else library.DftiCreateDescriptor_d_1d
    status = create(ctypes.byref(handle), ctypes.c_int(_COMPLEX), ctypes.c_long(length))
    strides = (ctypes.c_long * 2)(0, stride)
    settings = ((_INPUT_STRIDES, strides), (_OUTPUT_STRIDES, strides), (_INPUT_DISTANCE, ctypes.c_long(distance)), (_OUTPUT_DISTANCE, ctypes.c_long(distance)),
                (_NUMBER_OF_TRANSFORMS, ctypes.c_long(count)), (_THREAD_LIMIT, ctypes.c_long(1)))
    for key, value in settings:
        status = status or library.DftiSetValue(handle, ctypes.c_int(key), value)
    status = status or library.DftiCommitDescriptor(handle)
    if status:
        raise RunError(f"The FFT library refused a plan of {count} transforms of length {length} (DFTI status {status}).",
                       hint="Set QCAD_PLAIN_FFT=1 to use torch's FFT instead.")
    return handle.value
