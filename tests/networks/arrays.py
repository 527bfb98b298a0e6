"""Equations in indices: elements and rows of arrays, and reductions over them."""

from __future__ import annotations

import autograd.numpy as np

from .draft import Draft, Shape, Step, softmax


def indexed(n: Draft) -> None:
    x = n.node((1,))
    if x is None:
        return
    (length,) = n.shapes[x]
    y = n.one(*[y for y, shape in n.shapes.items() if len(shape) == 1])
    w, a = n.weight(length), n.weight(n.size(), length)
    choices: dict[str, tuple[str, Shape, Step]] = {
        f"{x}[{length + 1}-i] * {w}[i]": ("[i]", (length,), lambda d: d[x][::-1] * d[w]),
        f"sum(j: {a}[i,j] * {x}[j]) + sin({x}[1])": (
            "[i]",
            n.weights[a][:1],
            lambda d: np.dot(d[a], d[x]) + np.sin(d[x][0]),
        ),
        f"{x}[i] * {y}[j]": ("[i,j]", (length, *n.shapes[y]), lambda d: d[x][:, None] * d[y][None, :]),
        f"max(j: {a}[i,j] * {x}[j])": ("[i]", n.weights[a][:1], lambda d: np.max(d[a] * d[x], axis=1)),
        f"{x}[i]^2 - mean(j: {x}[j] * {w}[j])": ("[i]", (length,), lambda d: d[x] ** 2 - np.mean(d[x] * d[w])),
    }
    text = n.one(*choices)
    left, shape, step = choices[text]
    n.unused -= {name for name in (x, y) if f"{name}[" in text}
    n.unused |= {name for name in (x, w, a, y) if f"{name}[" not in text}
    n.equation(shape, text, step, left)


def rows(n: Draft) -> None:
    m = n.node((2,))
    if m is None:
        return
    height, width = n.shapes[m]
    w = n.weight(width)
    choices: dict[str, tuple[str, Shape, Step]] = {
        f"sum(j: {m}[i,j] * {w}[j])": ("[i]", (height,), lambda d: np.dot(d[m], d[w])),
        f"mean(i: {m}[i,j]^2) * {w}[j]": ("[j]", (width,), lambda d: np.mean(d[m] ** 2, axis=0) * d[w]),
        f"{w} @ {m}[i]": ("[i]", (height,), lambda d: np.dot(d[m], d[w])),
        f"softmax({m}[i] * {w})": ("[i]", (height, width), lambda d: softmax(d[m] * d[w])),
        f"{m} @ {w}": ("", (height,), lambda d: np.dot(d[m], d[w])),
    }
    text = n.one(*choices)
    left, shape, step = choices[text]
    n.equation(shape, text, step, left)


def reduced(n: Draft) -> None:
    x = n.node((1, 2, 3))
    if x is None:
        return
    choices: dict[str, Step] = {
        f"sum({x})": lambda d: np.sum(d[x]),
        f"mean({x}^2)": lambda d: np.mean(d[x] ** 2),
        f"max({x})": lambda d: np.max(d[x]),
        f"min({x}) + sum(sin({x}))": lambda d: np.min(d[x]) + np.sum(np.sin(d[x])),
        f"log(sum(exp({x})))": lambda d: np.log(np.sum(np.exp(d[x]))),
    }
    text, step = n.one(*choices.items())
    n.equation((), text, step)
