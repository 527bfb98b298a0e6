"""A small network of one-dimensional convolutions: two layers of them, then a dense one with softmax."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training.works import FOLDER, Array, Weights, Work, cross_entropy, descend, one_hot, softmax, taught


@dataclass(frozen=True, kw_only=True)
class Convolution(Work):
    """``length`` numbers in, ``channels`` of kernels as long as ``width`` in both layers, ``classes``."""

    length: int
    channels: int
    width: int
    classes: int

    @property
    def middle(self) -> int:
        return self.length - self.width + 1

    @property
    def last(self) -> int:
        return self.middle - self.width + 1

    @property
    def multiplications(self) -> int:
        first = self.channels * self.middle * self.width
        return 2 * first + 3 * self.channels * self.last * (self.channels * self.width + self.classes)

    def spec(self) -> str:
        c, w = self.channels, self.width
        return f"""\
input x[{self.length}]
weight K1[{c}, {w}], c1[{c}], K2[{c}, {c}, {w}], c2[{c}]
h1[o,i] = relu(sum(u: K1[o,u] * x[i+u-1]) + c1[o])
h2[o,i] = relu(sum(m, u: K2[o,m,u] * h1[m,i+u-1]) + c2[o])
y[{self.classes}] = softmax(dense(h2))
target t[{self.classes}]
loss L = cross_entropy(t, y)
"""

    def data(self) -> tuple[Array, Array]:
        x, z = taught(self.samples, self.length, self.classes)
        return x, one_hot(z)

    def values(self, weights: Weights, x: Array) -> tuple[Array, Array, Array]:
        windows = np.lib.stride_tricks.sliding_window_view
        h1 = np.einsum("niu,ou->noi", windows(x, self.width, axis=1), weights["K1"], optimize=True)
        h1 = np.maximum(h1 + weights["c1"][:, None], 0)
        h2 = np.einsum("nmiu,omu->noi", windows(h1, self.width, axis=2), weights["K2"], optimize=True)
        h2 = np.maximum(h2 + weights["c2"][:, None], 0)
        z = h2.reshape(len(x), -1) @ weights["W1"].reshape(self.classes, -1).T + weights["b1"]
        return h1, h2, z

    def update(self, weights: Weights, x: Array, t: Array) -> None:
        windows = np.lib.stride_tricks.sliding_window_view
        h1, h2, z = self.values(weights, x)
        delta = (softmax(z) - t) / np.asarray(len(x), x.dtype)
        d2 = (delta @ weights["W1"].reshape(self.classes, -1)).reshape(h2.shape) * (h2 > 0)
        d1 = np.zeros_like(h1)
        for u in range(self.width):
            d1[:, :, u : u + self.last] += np.einsum("noi,om->nmi", d2, weights["K2"][:, :, u], optimize=True)
        d1 *= h1 > 0
        gradient = {
            "K1": np.einsum("noi,niu->ou", d1, windows(x, self.width, axis=1), optimize=True),
            "c1": d1.sum(axis=(0, 2)),
            "K2": np.einsum("noi,nmiu->omu", d2, windows(h1, self.width, axis=2), optimize=True),
            "c2": d2.sum(axis=(0, 2)),
            "W1": (delta.T @ h2.reshape(len(x), -1)).reshape(weights["W1"].shape),
            "b1": delta.sum(axis=0),
        }
        descend(weights, gradient, self.rate)

    def loss(self, weights: Weights, x: Array, t: Array) -> float:
        return cross_entropy(self.values(weights, x)[-1], t)

    def jax_loss(self, weights: Any, x: Any, t: Any) -> Any:
        import jax
        import jax.numpy as jnp

        def layer(value: Any, kernel: Any, bias: Any) -> Any:
            z = jax.lax.conv_general_dilated(value, kernel, (1,), "VALID", dimension_numbers=("NCH", "OIH", "NCH"))
            return jnp.maximum(z + bias[:, None], 0)

        h = layer(x[:, None, :], weights["K1"][:, None, :], weights["c1"])
        h = layer(h, weights["K2"], weights["c2"]).reshape(x.shape[0], -1)
        z = h @ weights["W1"].reshape(self.classes, -1).T + weights["b1"]
        return -jnp.mean(jnp.sum(t * jax.nn.log_softmax(z), axis=1))

    def torch_loss(self, weights: Any, x: Any, t: Any) -> Any:
        from torch.nn import functional

        h = functional.relu(functional.conv1d(x[:, None, :], weights["K1"][:, None, :], weights["c1"]))
        h = functional.relu(functional.conv1d(h, weights["K2"], weights["c2"])).reshape(len(x), -1)
        return functional.cross_entropy(functional.linear(h, weights["W1"].reshape(self.classes, -1), weights["b1"]), t)

    @property
    def source(self) -> Path:
        return FOLDER / "convolution.c"

    def macros(self) -> dict[str, int | str]:
        sizes = {"LENGTH": self.length, "CHANNELS": self.channels, "WIDTH": self.width, "CLASSES": self.classes}
        return {**sizes, "BATCH": self.batch}
