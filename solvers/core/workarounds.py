"""Ways round other projects' behaviour, each with the reason and the condition under which it goes."""
from __future__ import annotations

import importlib
import importlib.util
import sys


def numba_without_scipy() -> None:
    """Let Numba load its array functions without importing `scipy.linalg`, which it does only to see whether BLAS is there (0.2 s and 30 MiB in every process).

    Whether SciPy is installed is looked up instead; code that really calls BLAS still imports and checks it. Numba 0.61 to 0.66, `numba/np/arraymath.py`,
    `_HAVE_BLAS`. To be removed when Numba asks later. Call it before the first function is compiled or loaded.
    """
    if "numba.np.arraymath" in sys.modules:
        return
    linalg = importlib.import_module("numba.np.linalg")
    ensure, looked = getattr(linalg, "ensure_blas", None), []
    if ensure is None or importlib.util.find_spec("scipy") is None:
        return

    def ensure_when_used() -> None:
        if looked:
            ensure()
        looked.append(True)
    linalg.ensure_blas = ensure_when_used
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = ensure
