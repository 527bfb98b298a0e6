"""What is trained: networks, data, batches; the same for everybody who is compared.

Every network says once how each of the others writes it: its equations in the language of derive, the update by hand in
NumPy, the loss in JAX and in PyTorch, and the sizes for its program in C.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
Weights = dict[str, Array]  # by name, in the trainer's shapes and order
FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Work(ABC):
    """A network, its data and how it is trained; ``epochs`` make up one measured call.

    ``goal`` is a loss for which the time to reach it is reported, 0 for none.
    """

    name: str
    samples: int
    batch: int
    epochs: int
    rate: float
    goal: float = 0.0

    @property
    def steps(self) -> int:
        """Updates in one call."""
        return self.epochs * -(-self.samples // self.batch)

    @property
    @abstractmethod
    def multiplications(self) -> int:
        """Multiply-adds of one sample's forward and backward pass; the first layer hands nothing back."""

    @abstractmethod
    def spec(self) -> str:
        """The network in the language of derive."""

    @abstractmethod
    def data(self) -> tuple[Array, Array]:
        """Inputs and targets in single precision, one sample a row."""

    @abstractmethod
    def update(self, weights: Weights, x: Array, t: Array) -> None:
        """One step of gradient descent in place, as one writes it by hand with NumPy."""

    @abstractmethod
    def loss(self, weights: Weights, x: Array, t: Array) -> float:
        """The mean loss, with NumPy."""

    @abstractmethod
    def jax_loss(self, weights: Any, x: Any, t: Any) -> Any: ...

    @abstractmethod
    def torch_loss(self, weights: Any, x: Any, t: Any) -> Any: ...

    @property
    @abstractmethod
    def source(self) -> Path:
        """The program in C: ``train(epochs, samples, x, t, rate, weights…)``."""

    @abstractmethod
    def macros(self) -> dict[str, int | str]:
        """What the C program is compiled for."""

    def to_c(self, weights: Weights) -> list[Array]:
        """Copies of the weights in the order and shapes of the C program."""
        return [w.copy() for w in weights.values()]

    def from_c(self, arrays: list[Array], like: Weights) -> Weights:
        return dict(zip(like, arrays, strict=True))

    def trained(self, weights: Weights, dtype: type, epochs: int | None = None) -> Weights:
        """The weights after one call, by NumPy in the given precision."""
        x, t = (a.astype(dtype) for a in self.data())
        weights = {name: w.astype(dtype) for name, w in weights.items()}
        for _ in range(self.epochs if epochs is None else epochs):
            for start in range(0, self.samples, self.batch):
                self.update(weights, x[start : start + self.batch], t[start : start + self.batch])
        return weights

    def epochs_to_goal(self, weights: Weights, most: int = 100) -> int | None:
        """After how many epochs the mean loss is below the goal, in double precision: the same for everybody."""
        x, t = (a.astype(float) for a in self.data())
        weights = {name: w.astype(float) for name, w in weights.items()}
        for epoch in range(1, most + 1):
            for start in range(0, self.samples, self.batch):
                self.update(weights, x[start : start + self.batch], t[start : start + self.batch])
            if self.loss(weights, x, t) < self.goal:
                return epoch
        return None


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(z: Array, t: Array) -> float:
    """The mean over the samples of the cross-entropy of softmax(z)."""
    top = z.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z - top).sum(axis=1)) - (t * (z - top)).sum(axis=1)))


def descend(weights: Weights, gradient: dict[str, Array], rate: float) -> None:
    """w ← w - rate · ∂w in place, without a change of precision."""
    for name, g in gradient.items():
        weights[name] -= np.asarray(rate, g.dtype) * g


def taught(samples: int, inputs: int, outputs: int) -> tuple[Array, Array]:
    """Normal inputs (samples, inputs) and what a random layer answers to them, with noise (samples, outputs)."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(samples, inputs)).astype(np.float32)
    teacher = rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
    return x, np.tanh(x @ teacher) + 0.1 * rng.normal(size=(samples, outputs))


def one_hot(z: Array) -> Array:
    return np.eye(z.shape[1], dtype=np.float32)[z.argmax(axis=1)]
