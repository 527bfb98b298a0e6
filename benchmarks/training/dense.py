"""Fully connected networks with one kind of hidden unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training.works import FOLDER, Array, Weights, Work, cross_entropy, descend, one_hot, softmax, taught


@dataclass(frozen=True, kw_only=True)
class Dense(Work):
    """``output`` is ``sigmoid`` (with binary cross-entropy), ``softmax`` (with cross-entropy) or ``linear`` (with half
    the squared error)."""

    sizes: tuple[int, ...]
    hidden: str
    output: str

    @property
    def layers(self) -> int:
        return len(self.sizes) - 1

    @property
    def multiplications(self) -> int:
        pairs = [a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        return 3 * sum(pairs) - pairs[0]

    def spec(self) -> str:
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
        x, z = taught(self.samples, self.sizes[0], self.sizes[-1])
        if self.output == "softmax":
            return x, one_hot(z)
        return x, (z > 0 if self.output == "sigmoid" else z).astype(np.float32)

    def values(self, weights: Weights, x: Array) -> list[Array]:
        """The inputs, the hidden values and the last pre-activation."""
        values = [x]
        for n in range(1, self.layers):
            z = values[-1] @ weights[f"W{n}"].T + weights[f"b{n}"]
            values.append(np.tanh(z) if self.hidden == "tanh" else np.maximum(z, 0))
        return [*values, values[-1] @ weights[f"W{self.layers}"].T + weights[f"b{self.layers}"]]

    def update(self, weights: Weights, x: Array, t: Array) -> None:
        *values, z = self.values(weights, x)
        y = 1 / (1 + np.exp(-z)) if self.output == "sigmoid" else softmax(z) if self.output == "softmax" else z
        delta = (y - t) / np.asarray(len(x), x.dtype)
        gradient = {}
        for n in range(self.layers, 0, -1):
            gradient |= {f"W{n}": delta.T @ values[n - 1], f"b{n}": delta.sum(axis=0)}
            if n > 1:
                h = values[n - 1]
                delta = (delta @ weights[f"W{n}"]) * (1 - h * h if self.hidden == "tanh" else h > 0)
        descend(weights, gradient, self.rate)

    def loss(self, weights: Weights, x: Array, t: Array) -> float:
        z = self.values(weights, x)[-1]
        if self.output == "sigmoid":
            return float(np.mean(np.sum(np.logaddexp(0.0, z) - t * z, axis=1)))
        return cross_entropy(z, t) if self.output == "softmax" else float(0.5 * np.mean(np.sum((z - t) ** 2, axis=1)))

    def jax_loss(self, weights: Any, x: Any, t: Any) -> Any:
        import jax
        import jax.numpy as jnp

        for n in range(1, self.layers):
            z = x @ weights[f"W{n}"].T + weights[f"b{n}"]
            x = jnp.tanh(z) if self.hidden == "tanh" else jnp.maximum(z, 0)
        z = x @ weights[f"W{self.layers}"].T + weights[f"b{self.layers}"]
        if self.output == "sigmoid":
            return jnp.mean(jnp.sum(jnp.logaddexp(0.0, z) - t * z, axis=1))
        if self.output == "softmax":
            return -jnp.mean(jnp.sum(t * jax.nn.log_softmax(z), axis=1))
        return 0.5 * jnp.mean(jnp.sum((z - t) ** 2, axis=1))

    def torch_loss(self, weights: Any, x: Any, t: Any) -> Any:
        import torch
        from torch.nn import functional

        for n in range(1, self.layers):
            z = functional.linear(x, weights[f"W{n}"], weights[f"b{n}"])
            x = torch.tanh(z) if self.hidden == "tanh" else torch.relu(z)
        z = functional.linear(x, weights[f"W{self.layers}"], weights[f"b{self.layers}"])
        if self.output == "sigmoid":
            return functional.binary_cross_entropy_with_logits(z, t)
        if self.output == "softmax":
            return functional.cross_entropy(z, t)
        return 0.5 * ((z - t) ** 2).sum(dim=1).mean()

    @property
    def source(self) -> Path:
        return FOLDER / "dense.c"

    def macros(self) -> dict[str, int | str]:
        sizes = {f"S{n}": size for n, size in enumerate(self.sizes)}
        return {**sizes, self.hidden.upper(): "", self.output.upper(): "", "LAYERS": self.layers, "BATCH": self.batch}

    def to_c(self, weights: Weights) -> list[Array]:
        """Weight matrices as inputs by outputs."""
        return [w.T.copy(order="C") for w in weights.values()]

    def from_c(self, arrays: list[Array], like: Weights) -> Weights:
        return {name: a.T for name, a in zip(like, arrays, strict=True)}
