"""Layers and what stands between them: activations, joins of two paths, matrix products, masks."""

from __future__ import annotations

from fractions import Fraction

import autograd.numpy as np

from .draft import Draft, Step, brackets
from .functions import activation


def layer(n: Draft) -> None:
    x, kind, rows = n.node(), n.one("linear", "dense"), n.one((), (n.size(),), (n.size(2),))
    call, function = activation(n, rows)
    step = n.layer(kind, rows, n.shapes[x])
    text = call.replace("(z", f"({kind}({x})", 1)
    n.equation(rows, text, lambda d: function(step(d, d[x]), d), brackets(rows))


def maxout(n: Draft) -> None:
    x, rows, count = n.node(), n.one((), (n.size(),)), n.size(2, 3)
    step = n.pieces(rows, count, n.shapes[x])
    n.equation(rows, f"maxout({x}, {count})", lambda d: step(d, d[x]), brackets(rows))


def unary(n: Draft) -> None:
    x = n.node()
    call, function = activation(n, n.shapes[x])
    n.equation(n.shapes[x], call.replace("(z", f"({x}", 1), lambda d: function(d[x], d))


def join(n: Draft) -> None:
    x = n.node()
    fitting = [y for y, shape in n.shapes.items() if shape in (n.shapes[x], ()) or n.shapes[x] == ()]
    y = n.one(*fitting)
    n.unused.discard(y)
    c = n.number()
    k = float(Fraction(c))
    choices: dict[str, Step] = {
        f"{x} + {y}": lambda d: d[x] + d[y],
        f"{x} - {c} * {y}": lambda d: d[x] - k * d[y],
        f"{x} * tanh({y})": lambda d: d[x] * np.tanh(d[y]),
        f"max({x}, {y} + 0.01)": lambda d: np.maximum(d[x], d[y] + 0.01),
        f"min({x} / ({c}), {y}^2)": lambda d: np.minimum(d[x] / k, d[y] ** 2),
        f"{x} / (1 + {y}^2)": lambda d: d[x] / (1 + d[y] ** 2),
        f"-{x} + sin({x} * {y})": lambda d: -d[x] + np.sin(d[x] * d[y]),
    }
    text, step = n.one(*choices.items())
    n.equation(n.shapes[x] or n.shapes[y], text, step)


def product(n: Draft) -> None:
    x = n.node((1, 2))
    if x is None:
        return
    inner, rows = n.shapes[x][0], n.size()
    if n.one(True, False):
        w = n.weight(inner, rows)
        n.equation((rows, *n.shapes[x][1:]), f"transpose({w}) @ {x}", lambda d: np.dot(d[w].T, d[x]))
    else:
        w = n.weight(rows, inner)
        n.equation((rows, *n.shapes[x][1:]), f"tanh({w} @ {x})", lambda d: np.tanh(np.dot(d[w], d[x])))


def masked(n: Draft) -> None:
    x = n.node()
    m = n.input("mask", "m", n.shapes[x])
    n.equation(n.shapes[x], f"{x} * {m}", lambda d: d[x] * d[m])
