"""Whether a calculation fits: the estimate of its plan against the machine, before anything large is made."""
from __future__ import annotations

from dataclasses import replace

from ..core import device as machine
from ..core.errors import OutOfMemoryError
from ..core.units import HARTREE_EV
from .plan import Plan

_GIB = 2**30


def require_memory(plan: Plan, device: str) -> int:
    """The estimated need in bytes. Raises OutOfMemoryError when the whole main memory, or the free memory of the card, is smaller."""
    need = plan.estimate(device)["memory"]
    memory = machine.memory(device)
    room = memory.free if device == "cuda" else memory.total
    if need > room:
        where = "The graphics card has" if device == "cuda" else "This computer has"
        raise OutOfMemoryError(f"This calculation needs about {need / _GIB:.1f} GiB. {where} {room / _GIB:.1f} GiB.",
                               hint="Take fewer k-points, a lower cutoff, fewer atoms, symmetry where the crystal has any, or more memory.")
    return need


def explained(error: BaseException, plan: Plan) -> OutOfMemoryError | None:
    """What to say when memory ran out during a calculation: its size, the estimate, and what smaller settings would need. None for another error."""
    where = machine.ran_out(error)
    if not where:
        return None
    found, memory = plan.estimate(), machine.memory(where)
    lower, sparser = replace(plan, cutoff=0.7 * plan.cutoff), replace(plan, kpoints=plan.kpoints[::2], weights=plan.weights[::2])
    ways = [f"a cutoff of {lower.cutoff * HARTREE_EV:.0f} eV instead of {plan.cutoff * HARTREE_EV:.0f} eV about {lower.estimate()['memory'] / _GIB:.1f} GiB"]
    if len(plan.kpoints) > 1:
        ways.append(f"half as many k-points about {sparser.estimate()['memory'] / _GIB:.1f} GiB")
    place = "the graphics card" if where == "cuda" else "the computer"
    return OutOfMemoryError(
        f"The memory of {place} ran out ({str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__}). It has "
        f"{memory.total / _GIB:.1f} GiB, {memory.free / _GIB:.1f} GiB of them free now; the estimate for {found['n_plane_waves']} plane waves, "
        f"{found['n_kpoints']} k-points and {found['n_bands']} bands was {found['memory'] / _GIB:.1f} GiB.",
        hint=f"Estimates: {', '.join(ways)}. Fewer atoms, " + ("--device cpu" if where == "cuda" else "fewer threads, closing other programs")
             + " or more memory help too; then resume.")
