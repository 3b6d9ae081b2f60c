"""Training of the linear force field: the task `run` and the function `train`."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from solvers.core import device
from solvers.core.errors import NonFiniteError, SetupError
from solvers.core.job import Result, State, Step, drain
from solvers.core.params import to_dict
from solvers.core.structure import OVERLAP, Structure
from solvers.neighbours import neighbour_list

from . import modelfile, ridge
from .basis import Basis
from .data import ENERGY, Labels, hold_out, labelled, labels_of
from .model import LinearModel, Posterior, design, repulsion_of
from .params import TrainParams
from .scores import score

_MOST_POSTERIOR = 3000  # features: above, the covariance alone would be larger than any model should be
_CALIBRATION_FRAMES = 48


def train(frames: Any, test: Any = (), *, output: Path | str | None = None, watch: Callable[[Step], None] | None = None, **params: Any) -> Result:
    """Fit a force field to `frames` (labelled Atoms or Structures, or a file) and report its errors on `test`.

    Keywords are those of `TrainParams`. Without test frames every tenth block of `frames` is set aside. The model file is
    ``result.files["model.qff"]`` and is written to `output` where given; use it with ``MLFF(output)``.
    """
    from .data import read_labelled
    sets = [read_labelled(item) if isinstance(item, (str, Path)) else [labelled(frame) for frame in item] for item in (frames, test)]
    result = drain(run(TrainParams(**params), {"train": sets[0], "test": sets[1]}), watch)
    if output is not None:
        Path(output).write_bytes(result.files["model.qff"])
    return result


def run(params: TrainParams, inputs: Mapping[str, Any], *, resume: State | None = None) -> Iterator[Step]:
    """Task: ridge regression of energies, forces and virials of ``inputs["train"]`` on the descriptor, in one pass over the frames.

    Loss: each kind of label by its weight over its variance and number. The penalty is chosen, and the error bar calibrated, on blocks of
    training frames held out in turn; test errors are those of the finished file on ``inputs["test"]``, which nothing else looks at.
    """
    frames = [_as_labelled(item) for item in inputs["train"]]
    test = [_as_labelled(item) for item in inputs.get("test") or ()]
    if not test:
        frames, test = hold_out(frames)
    fitting = _Fit(params, frames)
    yield from fitting.read(resume)
    return fitting.result(test)


class _Fit:
    """One training: what is known of the labels, and the normal equations so far."""

    def __init__(self, params: TrainParams, frames: Sequence[Structure]):
        if len(frames) < 2:
            raise SetupError(f"{len(frames)} training frame(s).", hint="At least two are needed; some hundred make a force field.")
        self.params, self.frames = params, frames
        self.labels = [labels_of(frame) for frame in frames]
        self.basis = Basis.preset(params.preset, tuple(sorted({int(z) for frame in frames for z in np.unique(frame.numbers)})))
        for index, frame in enumerate(frames):
            close = neighbour_list(frame.positions, frame.cell, frame.pbc, OVERLAP)
            if len(close):
                raise SetupError(f"Training frame {index}: atoms {close.centres[0]} and {close.neighbours[0]} are less than {OVERLAP} Å apart.",
                                 hint="Remove the frame.")
        self.offsets = self._fit_offsets()
        self.targets = [self._target(k) for k in range(len(frames))]
        self.row_weights = self._row_weights()
        folds = min(params.folds, len(frames))
        self.fold = np.arange(len(frames)) * folds // len(frames)
        self.normal = ridge.Normal.empty(folds, self.basis.n_features)
        self.order = np.random.default_rng(params.seed).permutation(len(frames))
        self.n_read, self.clock = 0, 0.0

    # ---- labels ------------------------------------------------------------------------------------------------------------------
    def _kinds(self, frame: Structure) -> np.ndarray:
        return np.searchsorted(np.array(self.basis.species), frame.numbers).astype(np.int64)

    def _fit_offsets(self) -> np.ndarray:
        """Reference energy of each species: least squares on composition, smallest norm where compositions leave a choice."""
        counts = np.array([np.bincount(self._kinds(frame), minlength=len(self.basis.species)) for frame in self.frames], float)
        return np.linalg.lstsq(counts, np.array([labels.energy for labels in self.labels]), rcond=None)[0]

    def _target(self, k: int) -> Labels:
        """What the linear part has to make: labels less reference energies and less the repulsion; stress here is the virial, eV."""
        frame, labels = self.frames[k], self.labels[k]
        kinds = self._kinds(frame)
        energy, forces = labels.energy - self.offsets[kinds].sum(), labels.forces
        virial = None if labels.stress is None else -labels.stress * frame.volume
        if self.params.repulsion:
            from .repulsion import LARGEST_RADIUS
            listing = neighbour_list(frame.positions, frame.cell, frame.pbc, LARGEST_RADIUS)
            push = repulsion_of(self.basis.species, np.array(frame.positions), np.array(frame.cell), kinds, listing)
            energy -= push[0].sum()
            forces = None if forces is None else forces - push[1]
            virial = None if virial is None else virial - push[2]
        return Labels(energy, forces, virial)

    def _row_weights(self) -> tuple[float, float, float]:
        """Weight of an energy-per-atom, a force and a virial-per-atom row: wanted weight / (variance × number)."""
        energy = np.array([target.energy / len(frame) for target, frame in zip(self.targets, self.frames, strict=True)])
        forces = [target.forces.ravel() for target in self.targets if target.forces is not None]
        virial = [target.stress.ravel() / len(frame) for target, frame in zip(self.targets, self.frames, strict=True) if target.stress is not None]
        found = []
        kinds_of_label = ((self.params.energy_weight, energy - energy.mean(), 1e-4), (self.params.force_weight, np.concatenate(forces or [np.zeros(0)]), 1e-3),
                          (self.params.stress_weight, np.concatenate(virial or [np.zeros(0)]), 1e-4))
        for weight, values, floor in kinds_of_label:
            found.append(weight / (len(values) * max(float((values**2).mean()), floor**2)) if len(values) else 0.0)
        if not sum(found):
            raise SetupError("Every weight is zero: there is nothing to fit.", hint="Give energy_weight or force_weight a positive value.")
        return found[0], found[1], found[2]

    # ---- rows ----------------------------------------------------------------------------------------------------------------------
    def _design(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frame = self.frames[k]
        listing = neighbour_list(frame.positions, frame.cell, frame.pbc, self.basis.radial_cutoff)
        return design(self.basis, np.array(frame.positions), np.array(frame.cell), self._kinds(frame), listing)

    def _rows(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Weighted rows (D, n) and labels (n,) of frame k."""
        energy, forces, virial = self._design(k)
        target, n_atoms = self.targets[k], len(self.frames[k])
        weights = np.sqrt(self.row_weights)
        rows, labels = [energy[:, None] * (weights[0] / n_atoms)], [np.array([target.energy * weights[0] / n_atoms])]
        if target.forces is not None:
            rows.append(forces.reshape(len(energy), -1) * weights[1])
            labels.append(target.forces.ravel() * weights[1])
        if target.stress is not None:
            rows.append(virial.reshape(len(energy), -1) * (weights[2] / n_atoms))
            labels.append(target.stress.ravel() * (weights[2] / n_atoms))
        return np.concatenate(rows, axis=1), np.concatenate(labels)

    def read(self, resume: State | None) -> Iterator[Step]:
        """One step per batch of frames, in the seed's order; frames are prepared by threads and added in order, so the sums are the same bits."""
        if resume is not None:
            if resume["gram"].shape != self.normal.gram.shape:
                raise SetupError("The checkpoint belongs to another training.", hint="Start again.")
            self.normal = ridge.Normal(*(np.array(resume[name]) for name in ("gram", "moment", "square", "rows")))
            self.n_read, self.clock = int(resume["n_read"]), float(resume["clock"])
        n_threads = device.threads()
        batch = 4
        with ThreadPoolExecutor(n_threads) as pool:
            while self.n_read < len(self.frames) and not self._late():
                begun = time.perf_counter()
                chosen = self.order[self.n_read:self.n_read + batch]
                for k, (rows, labels) in zip(chosen, pool.map(self._rows, chosen), strict=True):
                    if not np.isfinite(rows).all():
                        raise NonFiniteError(f"The descriptor of training frame {k} is not finite.", hint="Are two atoms at the same place?")
                    self.normal.add(int(self.fold[k]), rows, labels)
                self.n_read += len(chosen)
                self.clock += time.perf_counter() - begun
                yield Step("train", -(-self.n_read // batch), {"frames": float(self.n_read), "wall_s": self.clock}, None, self._state,
                           f"{self.n_read} of {len(self.frames)} frames read", self.n_read / len(self.frames))

    def _late(self) -> bool:
        return self.params.time_limit is not None and self.clock > self.params.time_limit and self.n_read >= 2

    def _state(self) -> State:
        normal = self.normal
        return {"gram": normal.gram.copy(), "moment": normal.moment.copy(), "square": normal.square.copy(), "rows": normal.rows.copy(),
                "n_read": np.array(self.n_read), "clock": np.array(self.clock)}

    # ---- the fit -------------------------------------------------------------------------------------------------------------------
    def result(self, test: Sequence[Structure]) -> Result:
        """Solve, calibrate, write the file, and read its errors from the file."""
        begun = time.perf_counter()
        n_species = len(self.basis.species)
        free = np.zeros((n_species, 1 + self.basis.n_local), bool)
        free[:, 0] = True
        solution, folds = ridge.fit(self.normal, free.ravel())
        if not np.isfinite(solution.weights).all():
            raise NonFiniteError("The fitted weights are not finite.", hint="Look for frames with extreme labels.")
        posterior, calibration = None, {}
        if folds and self.basis.n_features <= _MOST_POSTERIOR:
            posterior, calibration = self._calibrate(solution, folds)
        weights = solution.weights.reshape(n_species, -1).copy()
        weights[:, 0] += self.offsets
        n_atoms = sum(len(self.frames[k]) for k in self.order[:self.n_read])
        info = {"program": "Q-CAD", "params": to_dict(self.params), "frames": self.n_read, "atoms": n_atoms, "penalty": solution.strength,
                "labels": self._label_counts(), **calibration}
        content = modelfile.to_bytes(LinearModel(self.basis, weights, self.params.repulsion, posterior, info))
        values: dict[str, Any] = {}
        known = [frame for frame in test if set(np.unique(frame.numbers)) <= set(self.basis.species)]
        if known:
            values |= score(modelfile.from_bytes(content), known).values()
        values |= {"n_parameters": weights.size, "wall_s": self.clock + time.perf_counter() - begun}
        return Result(values, True, warnings=self._warnings(test, known, posterior), settings=info, files={"model.qff": content})

    def _label_counts(self) -> dict[str, int]:
        """How many of the frames that were read carry each kind of label."""
        read = [self.targets[k] for k in self.order[:self.n_read]]
        return {"energy": len(read), "forces": sum(target.forces is not None for target in read), "stress": sum(target.stress is not None for target in read)}

    def _warnings(self, test: Sequence[Structure], known: Sequence[Structure], posterior: Posterior | None) -> tuple[str, ...]:
        found = []
        if self.n_read < len(self.frames):
            found.append(f"The time limit of {self.params.time_limit:g} s was reached after {self.n_read} of {len(self.frames)} frames.")
        if len(known) < len(test):
            found.append(f"{len(test) - len(known)} test frames hold elements that no training frame has; they were left out.")
        if not known:
            found.append("There is no test frame: the errors are not known.")
        if posterior is None:
            found.append("The model carries no error bar: too few frames or too many features.")
        unstressed = sum(target.stress is None for target in self.targets)
        if unstressed == len(self.targets):
            found.append("No frame has a stress: do not use this force field with a changing cell before testing its stress.")
        return tuple(found)

    def _calibrate(self, solution: ridge.Solution, folds: list[ridge.Solution]) -> tuple[Posterior, dict[str, float]]:
        """Scale the variances so that errors on held-out frames have a mean square of one standard deviation squared."""
        read = np.sort(self.order[:self.n_read])
        used = np.flatnonzero(self.normal.rows)
        chosen = read[np.unique(np.linspace(0, len(read) - 1, _CALIBRATION_FRAMES).astype(int))]
        energy_ratio, force_ratio = [], []
        for k in chosen:
            fold = folds[int(np.flatnonzero(used == self.fold[k])[0])]
            energy, forces, _ = self._design(k)
            target = self.targets[k]
            energy_ratio.append((energy @ fold.weights - target.energy) ** 2 / max(float(((energy @ fold.whitening) ** 2).sum()), 1e-300))
            if target.forces is not None:
                flat = forces.reshape(len(energy), -1)
                error = (flat.T @ fold.weights - target.forces.ravel()).reshape(-1, 3)
                variance = ((flat.T @ fold.whitening) ** 2).sum(axis=1).reshape(-1, 3).sum(axis=1)
                moved = variance > 1e-12 * variance.max(initial=0.0)  # atoms at rest by symmetry have neither force nor error
                force_ratio.append((error[moved] ** 2).sum(axis=1) / variance[moved])
        ratios = np.concatenate(force_ratio) if force_ratio else np.zeros(0)
        scales = float(np.mean(energy_ratio)), float(ratios.mean()) if len(ratios) else 0.0
        within = float((ratios <= 4.0 * scales[1]).mean()) if len(ratios) else 0.0
        return Posterior(solution.whitening, *scales), {"held_out_force_errors_within_two_deviations": within}


def _as_labelled(item: Any) -> Structure:
    return item if isinstance(item, Structure) and ENERGY in item.info else labelled(item)
