"""What is trained: networks, data, batches; the same for everybody who is compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Work:
    """A fully connected network with one kind of hidden unit, its data and how it is trained.

    ``output`` is ``sigmoid`` (with binary cross-entropy), ``softmax`` (with cross-entropy) or ``linear`` (with half the
    squared error).  ``epochs`` make up one measured call.
    """

    name: str
    sizes: tuple[int, ...]
    hidden: str
    output: str
    samples: int
    batch: int
    epochs: int
    rate: float

    @property
    def steps(self) -> int:
        """Updates in one call."""
        return self.epochs * -(-self.samples // self.batch)

    @property
    def multiplications(self) -> int:
        """Multiply-adds of one sample's forward and backward pass; the first layer hands nothing back."""
        pairs = [a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        return 3 * sum(pairs) - pairs[0]

    def spec(self) -> str:
        """The network in the language of derive."""
        lines, before = [f"input x[{self.sizes[0]}]"], "x"
        for n, size in enumerate(self.sizes[1:-1], 1):
            lines.append(f"h{n}[{size}] = {self.hidden}(dense({before}))")
            before = f"h{n}"
        width = "" if self.output == "sigmoid" else f"[{self.sizes[-1]}]"
        value = f"dense({before})" if self.output == "linear" else f"{self.output}(dense({before}))"
        losses = {
            "sigmoid": "binary_cross_entropy(t, y)",
            "softmax": "cross_entropy(t, y)",
            "linear": "1/2 * sum((y - t)^2)",
        }
        return "\n".join([*lines, f"y{width} = {value}", f"target t{width}", f"loss L = {losses[self.output]}", ""])

    def data(self) -> tuple[Array, Array]:
        """Inputs (samples, inputs) and targets (samples, outputs) in single precision."""
        rng = np.random.default_rng(7)
        x = rng.normal(size=(self.samples, self.sizes[0])).astype(np.float32)
        teacher = rng.normal(size=(self.sizes[0], self.sizes[-1])) / np.sqrt(self.sizes[0])
        z = np.tanh(x @ teacher) + 0.1 * rng.normal(size=(self.samples, self.sizes[-1]))
        if self.output == "sigmoid":
            return x, (z > 0).astype(np.float32)
        if self.output == "softmax":
            return x, np.eye(self.sizes[-1], dtype=np.float32)[z.argmax(axis=1)]
        return x, z.astype(np.float32)


WORKS = (
    Work("2-8-1 sigmoid, one sample at a time", (2, 8, 1), "tanh", "sigmoid", 1000, 1, 100, 0.05),
    Work("4-16-3 tanh softmax, batch 16", (4, 16, 3), "tanh", "softmax", 1600, 16, 100, 0.1),
    Work("4-32-16-4 tanh, batch 10,000", (4, 32, 16, 4), "tanh", "linear", 10_000, 10_000, 60, 0.1),
    Work("64-64-10 relu softmax, batch 32", (64, 64, 10), "relu", "softmax", 1600, 32, 60, 0.1),
    Work("784-128-10 relu softmax, batch 64", (784, 128, 10), "relu", "softmax", 6400, 64, 4, 0.1),
)

Weights = list[tuple[Array, Array]]  # (outputs, inputs) and (outputs,) for every layer


def reference(work: Work, weights: Weights) -> Weights:
    """The weights after one call, in double precision by plain NumPy: what everybody must arrive at."""
    x, t = (a.astype(float) for a in work.data())
    layers = [(w.astype(float), b.astype(float)) for w, b in weights]
    for _ in range(work.epochs):
        for start in range(0, work.samples, work.batch):
            step(work, layers, x[start : start + work.batch], t[start : start + work.batch])
    return layers


def step(work: Work, layers: Weights, x: Array, t: Array) -> None:
    """One update in place, as one writes it by hand."""
    values = [x]
    for w, b in layers[:-1]:
        z = values[-1] @ w.T + b
        values.append(np.tanh(z) if work.hidden == "tanh" else np.maximum(z, 0))
    w, b = layers[-1]
    z = values[-1] @ w.T + b
    if work.output == "sigmoid":
        y = 1 / (1 + np.exp(-z))
    elif work.output == "softmax":
        e = np.exp(z - z.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
    else:
        y = z
    delta = (y - t) / np.asarray(len(x), x.dtype)
    for n in range(len(layers) - 1, -1, -1):
        w, b = layers[n]
        dw, db = delta.T @ values[n], delta.sum(axis=0)
        if n:
            h = values[n]
            delta = (delta @ w) * (1 - h * h if work.hidden == "tanh" else h > 0)
        w -= np.asarray(work.rate, w.dtype) * dw
        b -= np.asarray(work.rate, b.dtype) * db
