"""A CUDA device that is none: tensors that live in main memory but behave as on a card, so that the whole engine runs its CUDA road without one.

`with PretendCuda() as card:` makes `device="cuda"` work and *strict*: operands on two devices, `.numpy()` of a tensor on the card and kernels that are given
arrays of the host raise, as they do on a card (there the mistake costs an hour of a machine that is hard to come by). Kernels written for CUDA are run by the
CPU loops of the same scalar functions after their launch was checked: blocks and threads within the limits of compute capability 9.0 and enough of them,
arrays on the card, no lazily conjugated ones.

`card.counts` tells what a run would cost a card apart from arithmetic: `launches` (operations that start at least one kernel), `waits` (the host waits for the
device: values read, error flags of factorisations, sizes that depend on values) and `copies` (host to device). Memory, streams and errors of a real device are
not imitated; what is computed are the CPU's numbers.

How: every tensor on the card is a `CardTensor` around an ordinary one; `__torch_function__` sees each call of torch's Python interface with a card tensor or a
device in its arguments, checks it, runs it on the inner tensors and wraps the result. Automatic differentiation works because it happens inside.
"""
from __future__ import annotations

import contextlib
import sys
import types
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("cuda", 0)
#: limits of compute capability 9.0
MOST_BLOCKS, MOST_THREADS = (2**31 - 1, 65535, 65535), 1024

_READS = ("item", "tolist", "__float__", "__int__", "__bool__", "__index__", "__complex__", "__contains__", "equal", "allclose", "is_nonzero")
#: functions that wait for values: sizes that depend on them, and error flags that LAPACK's replacements check on the host
_WAITS = ("nonzero", "argwhere", "unique", "masked_select", "eigh", "eigvalsh", "svd", "svdvals", "lstsq", "inv", "solve", "cholesky", "pinv", "bincount")
_ON_HOST = ("numpy", "__array__", "data_ptr")
#: tensor properties and methods that start no kernel and need no check
_FREE_RESULTS = (torch.Size, torch.dtype, torch.layout)


class DeviceError(RuntimeError):
    """What would have failed on a card."""


class CardTensor(torch.Tensor):
    """A tensor on the pretend card; `inner` is an ordinary tensor with its values."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> CardTensor:
        shell = torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device="cpu")
        shell.inner = inner
        return shell

    @classmethod
    def __torch_function__(cls, func: Callable, kinds: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Check, run inside, wrap."""
        return _current()._call(func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func: Callable, kinds: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Nothing may reach the shell itself."""
        raise DeviceError(f"{func} reached a tensor on the card past its Python interface.")

    def __repr__(self) -> str:
        return f"CardTensor({self.inner!r})"


_active: list[PretendCuda] = []


def _current() -> PretendCuda:
    if not _active:
        raise DeviceError("A tensor of the pretend card was used after the card was gone.")
    return _active[-1]


class _Functions(TorchFunctionMode):
    def __torch_function__(self, func: Callable, kinds: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _current()._call(func, args, kwargs or {})


class _Launches(TorchDispatchMode):
    """Counts operations on inner tensors that a card would start kernels for."""

    def __init__(self, card: PretendCuda):
        super().__init__()
        self.card = card

    def __torch_dispatch__(self, func: Any, kinds: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if self.card._depth and not _is_view(func):
            name = func._schema.name.split("::")[-1]
            self.card.counts["launches"] += 1
            self.card.operations[name] += 1
            if self.card.trace:
                self.card.places[_caller()] += 1
        return func(*args, **(kwargs or {}))


def _caller() -> str:
    """The engine's own function at work, "file:function"."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if "solvers" in path and "pretend_cuda" not in path:
            return f"{path.rsplit('/', 1)[1]}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "outside"


def _leaves(item: Any) -> list:
    if isinstance(item, (tuple, list)):
        return [leaf for part in item for leaf in _leaves(part)]
    return _leaves(tuple(item.values())) if isinstance(item, dict) else [item]


def _mapped(change: Callable, item: Any) -> Any:
    """Tensors of nested arguments and results changed."""
    if isinstance(item, torch.Tensor):
        return change(item)
    if isinstance(item, (tuple, list)):
        return type(item)([_mapped(change, part) for part in item])
    return {key: _mapped(change, part) for key, part in item.items()} if isinstance(item, dict) else item


@cache
def _is_view(func: Any) -> bool:
    returns = func._schema.returns
    alias = bool(returns) and all(item.alias_info is not None and not item.alias_info.is_write for item in returns)
    return alias or func._schema.name.split("::")[-1].startswith(("empty", "new_empty", "_local_scalar_dense", "resize", "set_", "lift"))


class PretendCuda:
    """The pretend card; see the module. kernels: take the road of compiled CUDA kernels (else that of a machine without Numba-CUDA: torch's own operations).

    memory: bytes that the card says it has; trace: also count launches by the engine's functions (`places`).
    """

    def __init__(self, kernels: bool = True, memory: int = 8 * 2**30, trace: bool = False):
        self.kernels, self.memory, self.trace = kernels, memory, trace
        self.counts: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.places: Counter[str] = Counter()
        self._depth = 0
        self._stack = contextlib.ExitStack()

    # ---- coming and going ----------------------------------------------------------------------------------------------------
    def __enter__(self) -> PretendCuda:
        for name, value in {"is_available": lambda: True, "get_device_name": lambda *given: "a pretend card", "synchronize": lambda *given: None,
                            "mem_get_info": lambda *given: (self.memory, self.memory), "max_memory_allocated": lambda *given: 0,
                            "reset_peak_memory_stats": lambda *given: None, "empty_cache": lambda: None, "device_count": lambda: 1,
                            "current_device": lambda: 0}.items():
            self._replace(torch.cuda, name, value)
        self._replace(torch.autograd.Function, "apply", classmethod(self._custom(torch.autograd.Function.__dict__["apply"].__func__)))
        from solvers.dft.kernels import boxes
        modules = [module for module in list(sys.modules.values()) if getattr(module, "_cuda_works", None) is boxes._cuda_works]
        for module in modules:
            self._replace(module, "_cuda_works", lambda: self.kernels)
        self._stub_kernels()
        _active.append(self)
        self._stack.callback(_active.pop)
        self._stack.enter_context(_Launches(self))
        self._stack.enter_context(_Functions())
        return self

    def __exit__(self, *why: Any) -> None:
        self._stack.close()

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        missing = object()
        before = owner.__dict__.get(name, missing)
        setattr(owner, name, value)
        self._stack.callback(lambda: delattr(owner, name) if before is missing else setattr(owner, name, before))

    def reset(self) -> None:
        """Count from zero."""
        for counter in (self.counts, self.operations, self.waits, self.places):
            counter.clear()

    # ---- one call ------------------------------------------------------------------------------------------------------------
    def _call(self, func: Callable, args: tuple, kwargs: dict) -> Any:
        name = getattr(func, "__name__", str(func)).removeprefix("linalg_")
        if name == "__get__":
            return self._property(func, args)
        flat = _leaves((args, kwargs))
        mine = [item for item in flat if isinstance(item, CardTensor)]
        target, args, kwargs = self._target(name, args, kwargs)
        if not mine and target != "cuda":
            return func(*args, **kwargs)
        if name in _ON_HOST:
            raise DeviceError(f"{name} of a tensor on the card: copy it with .cpu() first.")
        if name in ("cpu",) or (target == "cpu" and mine):
            self._wait(name)
            return self._inside(func, args, kwargs)
        moved = name in ("to", "type_as", "cuda") and not isinstance(args[0], CardTensor)
        if moved or (target == "cuda" and not mine):
            if moved or name in ("tensor", "as_tensor"):
                self.counts["copies"] += 1
            return self._wrap(args[0].clone() if name == "cuda" else self._inside(func, args, kwargs), (), {})
        self._check(func, name, args, kwargs)
        if name in _READS:
            self._wait(name)
            return self._inside(func, args, kwargs, count=name in ("equal", "allclose"))
        if name in _WAITS:
            self._wait(name)
        return self._wrap(self._inside(func, args, kwargs), args, kwargs)

    def _property(self, func: Callable, args: tuple) -> Any:
        owner = args[0]
        if not isinstance(owner, CardTensor):
            return func(*args)
        name = resolve_name(func) or ""
        if ".device." in name or func.__self__ is torch.Tensor.device:
            return DEVICE
        if func.__self__ is torch.Tensor.is_cuda:
            return True
        return self._wrap(self._inside(func, args, {}), args, {})

    def _custom(self, apply: Callable) -> Callable:
        """Functions with derivatives of their own are applied inside, after their forward pass was tried on the card."""
        def call(function: Any, *given: Any) -> Any:
            if not any(isinstance(item, CardTensor) for item in given):
                return apply(function, *given)
            function.forward(types.SimpleNamespace(save_for_backward=lambda *kept: None), *given)
            with torch._C.DisableTorchFunction():
                return self._wrap(apply(function, *(item.inner if isinstance(item, CardTensor) else item for item in given)), given, {})
        return call

    def _target(self, name: str, args: tuple, kwargs: dict) -> tuple[str | None, tuple, dict]:
        """(device asked for, arguments with the host in its place)."""
        found = None

        def swap(item: Any, wanted: bool) -> Any:
            nonlocal found
            if isinstance(item, torch.device) or (wanted and isinstance(item, str)):
                kind = torch.device(item).type
                found = kind
                return torch.device("cpu") if kind == "cuda" else item
            return item
        if "device" in kwargs:
            kwargs = {**kwargs, "device": swap(kwargs["device"], True)}
        if name == "to":
            other = [item for item in args[1:] if isinstance(item, torch.Tensor)]
            if other:
                found = "cuda" if isinstance(other[0], CardTensor) else "cpu"
            else:
                args = (args[0], *(swap(item, isinstance(item, str)) for item in args[1:]))
        elif name in ("type_as",):
            found = "cuda" if isinstance(args[1], CardTensor) else "cpu"
        elif found is None and args and isinstance(args[-1], torch.device):
            args = (*args[:-1], swap(args[-1], False))
        if found == "cuda" and args and isinstance(args[0], CardTensor):
            found = None  # stays where it is
        return found, args, kwargs

    def _check(self, func: Callable, name: str, args: tuple, kwargs: dict) -> None:
        """Raise where operands are on two devices."""
        if name in ("copy_", "set_", "backward", "grad"):
            if name == "copy_" and any(not isinstance(item, CardTensor) for item in args[:2] if isinstance(item, torch.Tensor)):
                self.counts["copies"] += 1
                if not isinstance(args[0], CardTensor):
                    self._wait("copy_")
            return
        if name in ("__getitem__", "__setitem__", "index_put_", "index_put"):
            if not isinstance(args[0], CardTensor):
                raise DeviceError(f"{name}: a tensor on the host indexed with, or filled from, one on the card.")
            for index in _leaves(args[1]):
                if isinstance(index, (np.ndarray, torch.Tensor)) and not isinstance(index, CardTensor):
                    self.counts["copies"] += 1  # allowed: torch copies the indices
                kind = getattr(getattr(index, "inner", index), "dtype", None)
                if name == "__getitem__" and kind in (torch.bool, np.bool_):
                    self._wait("mask")
            operands = _leaves(args[2:])
        else:
            operands = _leaves((args, kwargs))
        for item in operands:
            if isinstance(item, torch.Tensor) and not isinstance(item, CardTensor) and (item.dim() > 0 or name in ("cat", "stack", "mm", "matmul", "bmm")):
                raise DeviceError(f"{name}: operands on two devices, shapes "
                                  f"{[(tuple(x.shape), 'cuda' if isinstance(x, CardTensor) else 'cpu') for x in operands if isinstance(x, torch.Tensor)]}.")
            if isinstance(item, np.ndarray) and item.ndim:
                raise DeviceError(f"{name}: an array of NumPy beside a tensor on the card.")

    def _wait(self, name: str) -> None:
        self.counts["waits"] += 1
        self.waits[f"{name} in {_caller()}"] += 1

    def _inside(self, func: Callable, args: tuple, kwargs: dict, count: bool = True) -> Any:
        def bare(item: Any) -> Any:
            return item.inner if isinstance(item, CardTensor) else item
        self._depth += count
        try:
            return func(*_mapped(bare, args), **_mapped(bare, kwargs))
        finally:
            self._depth -= count

    def _wrap(self, result: Any, args: tuple, kwargs: dict) -> Any:
        known = {id(item.inner): item for item in _leaves((args, kwargs)) if isinstance(item, CardTensor)}

        def dress(item: Any) -> Any:
            if not isinstance(item, torch.Tensor) or isinstance(item, CardTensor):
                return item
            return known.get(id(item)) if id(item) in known else CardTensor(item)
        if isinstance(result, torch.Tensor):
            return dress(result)
        if result is None or isinstance(result, (*_FREE_RESULTS, int, float, bool, str)):
            return result
        return _mapped(dress, result)

    # ---- kernels -------------------------------------------------------------------------------------------------------------
    def _stub_kernels(self) -> None:
        """Modules in the place of those that need numba.cuda, whose launchers check and then run the CPU loops."""
        from solvers.dft import kernels
        from solvers.dft.kernels import accumulate, boxes, gga, lattice_sums, mgga, phases

        def flat(kernel: Callable) -> Callable:
            return lambda *arrays: kernel(*(a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arrays))

        def family(kernel: Callable, single: bool) -> Callable:
            def call(rho, sigma, share, mu, kappa, beta, *results):
                arrays = [a.reshape(-1) if single else a for a in (rho, sigma, *results)]
                kernel(arrays[0], arrays[1], (share, mu, kappa, beta), *arrays[2:])
            return call
        found = {
            "boxes_cuda": {"scatter": boxes.scatter_cpu, "gather": boxes.gather_cpu, "scatter_pairs": boxes.scatter_pairs_cpu,
                           "gather_pairs": boxes.gather_pairs_cpu, "gather_image": boxes.gather_image_cpu},
            "accumulate_cuda": {"accumulate": accumulate.accumulate_cpu},
            "phases_cuda": {"factor": phases.factor_cpu, "projectors": phases.projectors_cpu},
            "lattice_sums_cuda": {"factors": lattice_sums.factors_cpu, "smooth": lattice_sums.smooth_cpu, "near": lattice_sums.near_cpu},
            "gga_cuda": {"unpolarised": family(gga.unpolarised_cpu, True), "polarised": family(gga.polarised_cpu, False)},
            "mgga_cuda": {"unpolarised": mgga.unpolarised_cpu, "polarised": mgga.polarised_cpu}}
        for module_name, entries in found.items():
            module = types.ModuleType(f"solvers.dft.kernels.{module_name}")
            for name, loop in entries.items():
                setattr(module, name, Kernel(self, name, loop))
            self._replace(kernels, module_name, module)
            before = sys.modules.get(module.__name__)
            sys.modules[module.__name__] = module
            self._stack.callback(lambda key=module.__name__, old=before: sys.modules.pop(key) if old is None else sys.modules.__setitem__(key, old))
        kernels.gga_cuda.launch = lambda rho, sigma, family, *results: self._points(kernels.gga_cuda, rho, sigma, *family, *results)
        kernels.mgga_cuda.launch = lambda *arrays: self._points(kernels.mgga_cuda, *arrays)

    @staticmethod
    def _points(module: types.ModuleType, rho: CardTensor, *rest: Any) -> None:
        """What the functions `launch` of the functionals' modules do (the simulator runs those themselves)."""
        kernel = module.unpolarised if len(rho) == 1 else module.polarised
        kernel[-(-rho.shape[1] // 128), 128](rho, *rest)


class Kernel:
    """A stand-in for a compiled CUDA kernel: `kernel[blocks, threads](*arguments)`."""

    def __init__(self, card: PretendCuda, name: str, loop: Callable):
        self.card, self.name, self.loop = card, name, loop

    def elements(self, *arguments: Any) -> int:
        """Threads that the kernel needs: one per element of its last argument, per atom (`near`) or per point (functionals)."""
        if self.name == "near":
            return arguments[-1].shape[0]
        return arguments[0].shape[-1] if "polarised" in self.name else arguments[-1].numel()

    def __getitem__(self, shape: tuple) -> Callable:
        blocks, threads = shape
        blocks = (blocks,) if isinstance(blocks, int) else tuple(blocks)
        if not all(isinstance(n, int) and 1 <= n <= most for n, most in zip(blocks, MOST_BLOCKS, strict=False)) or not 1 <= threads <= MOST_THREADS:
            raise DeviceError(f"{self.name}: {blocks} blocks of {threads} threads cannot be launched.")

        def launch(*arguments: Any) -> None:
            for item in arguments:
                if isinstance(item, np.ndarray) or (isinstance(item, torch.Tensor) and not isinstance(item, CardTensor)):
                    raise DeviceError(f"{self.name} was given an array of the host.")
                if isinstance(item, CardTensor) and (item.inner.is_conj() or item.inner.is_neg()):
                    raise DeviceError(f"{self.name} was given a lazily conjugated tensor: its memory holds other numbers.")
            covered, needed = int(np.prod(blocks)) * threads, self.elements(*arguments)
            if covered < needed:
                raise DeviceError(f"{self.name}: {covered} threads for {needed} elements.")
            self.card.counts["launches"] += 1
            self.card.operations[f"kernel {self.name}"] += 1
            with torch._C.DisableTorchFunction():
                self.loop(*(item.inner.detach().numpy() if isinstance(item, CardTensor) else item for item in arguments))
        return launch
