"""Whether a calculation fits: the estimate of its plan against the machine, before anything large is made."""
from __future__ import annotations

from ..core import device as machine
from ..core.errors import OutOfMemoryError
from .plan import Plan

_GIB = 2**30


def require_memory(plan: Plan, device: str) -> int:
    """The estimated need in bytes. Raises OutOfMemoryError when the whole main memory, or the free memory of the card, is smaller."""
    need = plan.estimate()["memory"]
    memory = machine.memory(device)
    room = memory.free if device == "cuda" else memory.total
    if need > room:
        where = "The graphics card has" if device == "cuda" else "This computer has"
        raise OutOfMemoryError(f"This calculation needs about {need / _GIB:.1f} GiB. {where} {room / _GIB:.1f} GiB.",
                               hint="Take fewer k-points, a lower cutoff, fewer atoms, symmetry where the crystal has any, or more memory.")
    return need
