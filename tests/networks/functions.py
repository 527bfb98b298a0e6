"""Activations of the catalogue and functions of the specification's own, drawn formula by formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as np
from autograd.scipy.special import erf
from oracles import Data
from test_catalogue import ACTIVATIONS, VECTORS, softplus

from .draft import Draft, Shape

#: Of the argument, and of the data where it reads a weight.
Function = Callable[[Any, Data], Any]


def activation(n: Draft, shape: Shape) -> tuple[str, Function]:
    """The call with ``z`` for its argument, and the function."""
    if n.one(*range(4)) == 0:
        return define(n)
    if n.one(*range(12)) == 0:
        return learned(n)
    known = [call for call in ACTIVATIONS if (len(shape) == 1 and shape[0] > 1) or not call.startswith(VECTORS)]
    call = n.one("tanh(z)", "sin(z)", "tanh(z)", *known)
    function = {"tanh(z)": np.tanh, "sin(z)": np.sin, **ACTIVATIONS}[call]
    return call, lambda z, d: function(z)


def learned(n: Draft) -> tuple[str, Function]:
    """A slope that is learned, by a weight that the language makes or by one of the specification."""
    if n.one(True, False):
        slope = n.weight()
        return f"prelu(z, {slope})", lambda z, d: np.where(z > 0, z, d[slope] * z)
    slope = f"alpha{1 + sum(w.startswith('alpha') for w in n.weights)}"
    n.weights[slope] = ()
    return "prelu(z)", lambda z, d: np.where(z > 0, z, d[slope] * z)


def define(n: Draft) -> tuple[str, Function]:
    """A function of the specification's own, perhaps with a default, perhaps with a weight in it."""
    name, text, step = f"f{len(n.declared)}", *formula(n, 2)
    factor = n.one("", "k", "weight")
    if factor == "weight":
        weight = n.weight()
        n.declared.append(f"define {name}(z) = {weight} * ({text}) + z")
        return f"{name}(z)", lambda z, d: d[weight] * step(z) + z
    if factor == "k":
        n.declared.append(f"define {name}(z, k = 2) = k * ({text}) + z / k")
        given, k = n.one(("", 2.0), (", 3", 3.0), (", k = 0.5", 0.5))
        return f"{name}(z{given})", lambda z, d: k * step(z) + z / k
    n.declared.append(f"define {name}(z) = {text} + z / 3")
    return f"{name}(z)", lambda z, d: step(z) + z / 3


def formula(n: Draft, depth: int) -> tuple[str, Callable[[Any], Any]]:
    """A formula in z: text and function."""
    if not depth:
        return "z", lambda z: z
    a, f = formula(n, depth - 1)
    b, g = formula(n, n.one(0, depth - 1))
    choices: dict[str, Callable[[Any], Any]] = {
        f"tanh({a})": lambda z: np.tanh(f(z)),
        f"({a}) * ({b})": lambda z: f(z) * g(z),
        f"({a} - 0.3 * ({b}))": lambda z: f(z) - 0.3 * g(z),
        f"sqrt(1 + ({a})^2)": lambda z: np.sqrt(1 + f(z) ** 2),
        f"exp(-abs({a}))": lambda z: np.exp(-np.abs(f(z))),
        f"max({a}, 0.1 * ({b}) + 0.05)": lambda z: np.maximum(f(z), 0.1 * g(z) + 0.05),
        f"cases({a} - 0.2, {b}, ({a}) / 2)": lambda z: np.where(f(z) > 0.2, g(z), f(z) / 2),
        f"({a}) / (2 + ({b})^2)": lambda z: f(z) / (2 + g(z) ** 2),
        f"log(1 + exp({a}))": lambda z: softplus(f(z)),
        f"sin({a}) * erf({b})": lambda z: np.sin(f(z)) * erf(g(z)),
    }
    return n.one(*choices.items())
