"""Minimisers as ask–tell objects: `tell(x, energy, gradient)` returns the next point. All of their memory goes through `state`/`restore`.

x is any flat vector; what it means (atoms, cell), which directions are allowed and how far a step may go is the caller's business, passed
in as `project`, `limit` and a preconditioner.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

Project = Callable[[np.ndarray], np.ndarray]
Limit = Callable[[np.ndarray], float]


class Minimiser(Protocol):
    def tell(self, x: np.ndarray, energy: float, gradient: np.ndarray) -> np.ndarray: ...
    def state(self) -> dict[str, np.ndarray]: ...
    def restore(self, state: dict[str, np.ndarray]) -> None: ...


class LBFGS:
    """Limited-memory BFGS in the metric of a preconditioner, with backtracking on the energy.

    Two-loop recursion: Nocedal & Wright, Numerical Optimization (2006), algorithm 7.4, with the initial Hessian P·(yᵀP⁻¹y / sᵀy) as in
    Packwood et al., J. Chem. Phys. 144, 164109 (2016). A step that raises the energy by more than `noise` (eV) is shortened, unless the
    rise is within `contradiction` (eV) and the slope along the step has fallen: with a finite basis the zero of the stress is not quite the
    minimum of the energy, and it is the zero of forces and stress that is looked for. When four shortenings do not help the history is dropped.
    """

    MEMORY = 20
    ARMIJO = 1e-4
    FLATTER = 0.9
    TRIES = 4

    def __init__(self, solve: Project, project: Project, limit: Limit, noise: float, contradiction: float):
        self.solve, self.project, self.limit, self.noise, self.contradiction = solve, project, limit, noise, contradiction
        self.anchor: tuple[np.ndarray, float, np.ndarray] | None = None  # last accepted x, energy, gradient
        self.direction = np.zeros(0)
        self.length, self.tries = 1.0, 0
        self.steps: list[np.ndarray] = []
        self.changes: list[np.ndarray] = []

    def tell(self, x, energy, gradient):
        if self.anchor is not None:
            x0, energy0, gradient0 = self.anchor
            slope = float(gradient0 @ self.direction)
            higher = energy > energy0 + self.ARMIJO * self.length * slope + self.noise
            if energy <= energy0 + self.contradiction and abs(gradient @ self.direction) <= self.FLATTER * abs(slope):
                higher = False
            if higher and self.tries < self.TRIES:
                curvature = 2.0 * (energy - energy0 - self.length * slope) / self.length**2
                best = -slope / curvature if curvature > 0 else 0.5 * self.length
                self.length = float(np.clip(best, 0.1 * self.length, 0.5 * self.length))
                self.tries += 1
                return x0 + self.length * self.direction
            if higher:
                self.steps, self.changes = [], []
            else:
                step, change = x - x0, gradient - gradient0
                if step @ change > 1e-8 * np.linalg.norm(step) * np.linalg.norm(change):
                    self.steps, self.changes = [*self.steps, step][-self.MEMORY:], [*self.changes, change][-self.MEMORY:]
        self.anchor, self.tries = (x.copy(), float(energy), gradient.copy()), 0
        direction = self.project(-self._inverse_hessian(gradient))
        if gradient @ direction >= 0:
            self.steps, self.changes = [], []
            direction = self.project(-self.solve(gradient))
        self.direction = direction * self.limit(direction)
        self.length = 1.0
        return x + self.direction

    def _inverse_hessian(self, gradient):
        q = gradient.copy()
        weights = []
        for step, change in zip(reversed(self.steps), reversed(self.changes), strict=True):
            weight = (step @ q) / (change @ step)
            weights.append(weight)
            q -= weight * change
        q = self.solve(q)
        if self.steps:
            q *= (self.steps[-1] @ self.changes[-1]) / (self.changes[-1] @ self.solve(self.changes[-1]))
        for step, change, weight in zip(self.steps, self.changes, reversed(weights), strict=True):
            q += step * (weight - (change @ q) / (change @ step))
        return q

    def state(self):
        n = len(self.direction)
        x0, energy0, gradient0 = self.anchor if self.anchor is not None else (np.zeros(0), np.nan, np.zeros(0))
        return {"anchor": x0, "anchor_energy": np.array(energy0), "anchor_gradient": gradient0, "direction": self.direction, "length": np.array(self.length),
                "tries": np.array(self.tries), "steps": np.array(self.steps).reshape(len(self.steps), n),
                "changes": np.array(self.changes).reshape(len(self.changes), n)}

    def restore(self, state):
        if len(state["anchor"]):
            self.anchor = (np.array(state["anchor"]), float(state["anchor_energy"]), np.array(state["anchor_gradient"]))
        self.direction, self.length, self.tries = np.array(state["direction"]), float(state["length"]), int(state["tries"])
        self.steps, self.changes = [np.array(row) for row in state["steps"]], [np.array(row) for row in state["changes"]]


class FIRE:
    """Fast inertial relaxation engine: Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), unit masses, half a step back after going
    uphill (Guénolé et al., Comput. Mater. Sci. 175, 109584 (2020))."""

    STEP, LONGEST, DELAY, GROW, SHRINK, MIX, MIX_SHRINK = 0.1, 1.0, 5, 1.1, 0.5, 0.1, 0.99

    def __init__(self, project: Project, limit: Limit):
        self.project, self.limit = project, limit
        self.velocity = np.zeros(0)
        self.step, self.mix, self.downhill = self.STEP, self.MIX, 0

    def tell(self, x, energy, gradient):
        force = -gradient
        if not len(self.velocity):
            self.velocity = np.zeros_like(x)
        back = 0.0
        if force @ self.velocity > 0:
            self.downhill += 1
            norm = np.linalg.norm(force)
            self.velocity = (1 - self.mix) * self.velocity + self.mix * force * (np.linalg.norm(self.velocity) / norm if norm else 0.0)
            if self.downhill > self.DELAY:
                self.step, self.mix = min(self.step * self.GROW, self.LONGEST), self.mix * self.MIX_SHRINK
        elif self.velocity.any():
            back = -0.5 * self.step * self.velocity
            self.velocity = np.zeros_like(x)
            self.step, self.mix, self.downhill = self.step * self.SHRINK, self.MIX, 0
        self.velocity = self.velocity + self.step * force
        move = self.project(back + self.step * self.velocity)
        return x + move * self.limit(move)

    def state(self):
        return {"velocity": self.velocity, "step": np.array(self.step), "mix": np.array(self.mix), "downhill": np.array(self.downhill)}

    def restore(self, state):
        self.velocity, self.step, self.mix, self.downhill = np.array(state["velocity"]), float(state["step"]), float(state["mix"]), int(state["downhill"])
