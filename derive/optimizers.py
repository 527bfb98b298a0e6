"""Optimizers as update equations: what stands here is what the notes print and what the trainer compiles.

Each entry maps the letter of the learning rate to an :class:`~derive.network.Optimizer` for one weight *w* with
gradient *g*.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy

from derive.network import Optimizer

DEFAULT_RATE = sympy.Rational(1, 10)


def _symbols(*names: str) -> tuple[sympy.Symbol, ...]:
    return tuple(sympy.Symbol(name, real=True) for name in names)


def sgd(rate: str) -> Optimizer:
    """Gradient descent: w ← w − a g (Robbins and Monro 1951)."""
    w, g, a = _symbols("w", "g", rate)
    return Optimizer("sgd", w, g, (), {a: DEFAULT_RATE}, a, ((w, w - a * g),))


def momentum(rate: str) -> Optimizer:
    """Heavy ball: v ← μ v − a g, w ← w + v (Polyak 1964)."""
    w, g, v, a, mu = _symbols("w", "g", "v", rate, "mu")
    settings = {a: DEFAULT_RATE, mu: sympy.Rational(9, 10)}
    return Optimizer("momentum", w, g, (v,), settings, a, ((v, mu * v - a * g), (w, w + v)))


CATALOGUE: dict[str, Callable[[str], Optimizer]] = {"sgd": sgd, "momentum": momentum}
