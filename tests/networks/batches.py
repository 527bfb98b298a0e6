"""Reductions over the samples of a batch: what one sample gives depends on all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as np

from .draft import Draft, letters


def normalised(n: Draft) -> None:
    """Batch normalisation, of the catalogue and by hand."""
    x = n.node((0, 1, 2))
    if x is None:
        return
    shape, i = n.shapes[x], letters(n.shapes[x])

    def scaled(z: Any) -> Any:
        return (z - np.mean(z, axis=0)) / np.sqrt(np.mean((z - np.mean(z, axis=0)) ** 2, axis=0) + 0.1)

    if len(shape) == 1 and n.one(True, False):
        n.equation_of_batch(shape, f"batch_norm({x}, eps = 0.1)", lambda batch: list(scaled(stacked(batch, x))))
        return
    mean = n.helper(f"mean(batch: {x}{i})", i)
    variance = n.helper(f"mean(batch: ({x}{i} - {mean}{i})^2)", i)
    text = f"({x}{i} - {mean}{i}) / sqrt({variance}{i} + 0.1)"
    n.equation_of_batch(shape, text, lambda batch: list(scaled(stacked(batch, x))), i)


def compared(n: Draft) -> None:
    """Each sample beside its batch."""
    x = n.node((0, 1, 2))
    if x is None:
        return
    shape, i = n.shapes[x], letters(n.shapes[x])
    value = f"{x}{i}"
    choices: dict[str, Callable[[Any], Any]] = {
        f"{value} - mean(batch: {value}^2)": lambda z: z - np.mean(z**2, axis=0),
        f"{value} * max(batch: {value})": lambda z: z * np.max(z, axis=0),
        f"min(batch: {value}) - {value}^2": lambda z: np.min(z, axis=0) - z**2,
        f"exp(tanh({value})) / sum(batch: exp(tanh({value})))": lambda z: (
            np.exp(np.tanh(z)) / np.sum(np.exp(np.tanh(z)), axis=0)
        ),
    }
    if len(shape) == 2:
        text = f"{value} / (1 + mean(batch, l: {x}[i,l]^2))"
        choices[text] = lambda z: z / (1 + np.mean(z**2, axis=(0, 2)))[None, :, None]
    text, function = n.one(*choices.items())
    n.equation_of_batch(shape, text, lambda batch: list(function(stacked(batch, x))), i)


def stacked(batch: list[Any], name: str) -> Any:
    return np.array([d[name] for d in batch])
