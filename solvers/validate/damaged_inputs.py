"""Damage to what the program itself writes and reads: restart files (sealed HDF5), densities of `DFT(checkpoint=…)` (npz), recipes (TOML), parameters (JSON).

`readers()` beside `damage.samples()`: the same mutations, the same verdicts. A file that reads must hold the very arrays that were stored.
"""
from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

Reader = Callable[[bytes], str]


@cache
def _plan():
    from ase.build import bulk

    from solvers.core.structure import Structure
    from solvers.dft.params import DFTParams
    from solvers.dft.plan import make_plan
    return make_plan(Structure.from_atoms(bulk("Si")), DFTParams(cutoff=60.0, kpts="1x1x2", xc="LDA", device="cpu"))


def _state() -> dict[str, np.ndarray]:
    """Arrays of every kind that a checkpoint has; small, so that the damage hits what HDF5 says about them as often as their numbers."""
    rng = np.random.default_rng(0)
    return {"rho": rng.normal(size=(1, 4, 4, 3)) + 1j, "step": np.array(7), "energies": rng.normal(size=7), "choice": np.array(["none", "an insulator"]),
            "flags": np.array([True, False]), "orbitals_0": rng.normal(size=(1, 3, 20)) + 0j, "random": rng.integers(0, 255, 60).astype(np.uint8)}


def restart_file() -> tuple[bytes, Reader]:
    """A sealed checkpoint and its reader: what comes back is what went in, or a sentence says why not."""
    from solvers.core.sealed import seal, unseal
    state, meta = _state(), {"attempt": 1, "n": 7, "seq": 9, "frames": 0, "generation": 3}
    with tempfile.TemporaryDirectory() as folder:
        seal(Path(folder) / "ckpt-a.h5", state, meta)
        data = (Path(folder) / "ckpt-a.h5").read_bytes()

    def read(damaged: bytes) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ckpt-a.h5"
            path.write_bytes(damaged)
            arrays, found = unseal(path)
        same = found == meta and arrays.keys() == state.keys() and all(np.array_equal(arrays[name], value) for name, value in state.items())
        return "" if same else "damaged content passed for sound"
    return data, read


def density_file() -> tuple[bytes, Reader]:
    """A density as `DFT(checkpoint=…)` keeps it; what is read must be finite and fit the box it names."""
    from solvers.dft import checkpoint
    plan = _plan()
    buffer = io.BytesIO()
    bonding = np.random.default_rng(1).normal(size=(1, 6, 6, 4)) + 0j
    np.savez(buffer, numbers=plan.structure.numbers, potentials=checkpoint._potentials(plan), xc=plan.params.xc, moments=checkpoint._moments(plan),
             shape=np.array([6, 6, 6]), bonding=bonding)

    def read(damaged: bytes) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rho.npz"
            path.write_bytes(damaged)
            found = checkpoint.load_density(str(path), plan)
        if found is None:
            return ""
        values, shape = found
        sound = np.isfinite(values).all() and values.shape[1:] == (shape[0], shape[1], shape[2] // 2 + 1) and len(values) == 1
        return "" if sound else f"a density of shape {values.shape} on the box {shape} passed for sound"
    return buffer.getvalue(), read


def recipe() -> tuple[bytes, Reader]:
    """A hard recipe, its structure beside it; a recipe that reads has steps whose parameters were checked."""
    from solvers import recipes
    from solvers.core.paths import resource
    path = Path(resource("recipes", "hard", "iron-slab.toml"))
    beside = {item.name: item.read_bytes() for item in path.parent.glob("iron-slab.extxyz")}

    def read(damaged: bytes) -> str:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in beside.items():
                (Path(folder) / name).write_bytes(content)
            (Path(folder) / path.name).write_bytes(damaged)
            steps = recipes.load(Path(folder) / path.name)
        return "" if steps and all(step.id and step.do for step in steps) else "a recipe without steps passed"
    return path.read_bytes(), read


def parameters() -> tuple[bytes, Reader]:
    """Parameters as a job's spec.json holds them: many kinds of fields at once."""
    from solvers.core.errors import ReadError
    from solvers.core.params import from_dict, to_dict
    from solvers.dft.params import DFTParams
    values = to_dict(DFTParams(cutoff=300.0, kpts="4x4x4+0.5,0.5,0.5", smearing="fermi-dirac:0.05eV", pseudos={"Si": "GTH-PBE-q4"}, magmoms=(1.0, -1.0),
                               hubbard="Ni-3d=5.0", grid=(24, 24, 24), xc="PBE", device="cpu"))

    def read(damaged: bytes) -> str:
        try:
            found = json.loads(damaged)
        except (ValueError, RecursionError) as error:
            raise ReadError(f"The parameters are not JSON: {str(error)[:200]}.", hint="That is the JSON reader's own sentence.") from error
        if not isinstance(found, dict):
            raise ReadError("The parameters are no table.", hint="They are names and values.")
        from_dict(DFTParams, found)
        return ""
    return json.dumps(values, indent=1).encode(), read


def readers() -> dict[str, tuple[bytes, Reader]]:
    """kind -> (sound content, reader of damaged content: "" or what is wrong with what it read; raises QcadError)."""
    return {"restart file": restart_file(), "density file": density_file(), "recipe": recipe(), "parameters": parameters()}
