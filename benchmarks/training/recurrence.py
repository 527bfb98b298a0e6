"""A recurrent network: a layer of tanh units that reads a sequence, then softmax of its last state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training.works import FOLDER, Array, Weights, Work, cross_entropy, descend, one_hot, softmax, taught


@dataclass(frozen=True, kw_only=True)
class Recurrence(Work):
    """``times`` vectors of ``inputs`` numbers, ``units`` that remember, ``classes``."""

    times: int
    inputs: int
    units: int
    classes: int

    @property
    def multiplications(self) -> int:
        return self.times * self.units * (2 * self.inputs + 3 * self.units) + 3 * self.units * self.classes

    def spec(self) -> str:
        return f"""\
input x[{self.times}, {self.inputs}]
h[t, {self.units}] = tanh(dense(x[t]) + linear(h[t-1]))
y[{self.classes}] = softmax(dense(h[{self.times}]))
target goal[{self.classes}]
loss L = cross_entropy(goal, y)
"""

    def data(self) -> tuple[Array, Array]:
        x, z = taught(self.samples, self.times * self.inputs, self.classes)
        return x, one_hot(z)

    def sequence(self, x: Any) -> Any:
        return x.reshape(len(x), self.times, self.inputs)

    def states(self, weights: Weights, x: Array) -> list[Array]:
        """The states before the first step and after each."""
        h = [np.zeros((len(x), self.units), x.dtype)]
        given = self.sequence(x) @ weights["W1"].T + weights["b1"]
        for t in range(self.times):
            h.append(np.tanh(given[:, t] + h[-1] @ weights["W2"].T))
        return h

    def update(self, weights: Weights, x: Array, t: Array) -> None:
        h = self.states(weights, x)
        delta = (softmax(h[-1] @ weights["W3"].T + weights["b3"]) - t) / np.asarray(len(x), x.dtype)
        gradient = {"W3": delta.T @ h[-1], "b3": delta.sum(axis=0)}
        back, deltas = delta @ weights["W3"], []
        for n in range(self.times, 0, -1):
            deltas.append(back * (1 - h[n] * h[n]))
            back = deltas[-1] @ weights["W2"]
        all_deltas = np.concatenate(deltas[::-1])
        gradient["W1"] = all_deltas.T @ self.sequence(x).swapaxes(0, 1).reshape(-1, self.inputs)
        gradient["W2"] = all_deltas.T @ np.concatenate(h[:-1])
        gradient["b1"] = all_deltas.sum(axis=0)
        descend(weights, gradient, self.rate)

    def loss(self, weights: Weights, x: Array, t: Array) -> float:
        return cross_entropy(self.states(weights, x)[-1] @ weights["W3"].T + weights["b3"], t)

    def jax_loss(self, weights: Any, x: Any, t: Any) -> Any:
        import jax
        import jax.numpy as jnp

        given = self.sequence(x).swapaxes(0, 1) @ weights["W1"].T + weights["b1"]
        start = jnp.zeros((len(x), self.units), x.dtype)
        h, _ = jax.lax.scan(lambda h, g: (jnp.tanh(g + h @ weights["W2"].T), None), start, given)
        return -jnp.mean(jnp.sum(t * jax.nn.log_softmax(h @ weights["W3"].T + weights["b3"]), axis=1))

    def torch_loss(self, weights: Any, x: Any, t: Any) -> Any:
        import torch
        from torch.nn import functional

        given = functional.linear(self.sequence(x), weights["W1"], weights["b1"])
        h = torch.zeros((len(x), self.units))
        for n in range(self.times):
            h = torch.tanh(given[:, n] + functional.linear(h, weights["W2"]))
        return functional.cross_entropy(functional.linear(h, weights["W3"], weights["b3"]), t)

    @property
    def source(self) -> Path:
        return FOLDER / "recurrence.c"

    def macros(self) -> dict[str, int | str]:
        sizes = {"TIMES": self.times, "INPUTS": self.inputs, "UNITS": self.units, "CLASSES": self.classes}
        return {**sizes, "BATCH": self.batch}
