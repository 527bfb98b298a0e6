"""Optimizers as compiled update loops: printed from their update equations, one fused loop over all weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from codegen.identifiers import Identifiers
from codegen.printer import Printer, Used, number_lines
from derive.network import Optimizer
from derive.optimizers import CATALOGUE

#: scikit-learn's names for settings that have one.
PARAMETERS = {"mu": "momentum"}


@dataclass(frozen=True)
class Update:
    """One solver: what stands before and in its loop over the weights, and its settings under the trainer's names."""

    name: str
    body: tuple[str, ...]
    lines: tuple[str, ...]
    settings: tuple[str, ...]
    defaults: Mapping[str, float]
    states: tuple[str, ...]
    used: Used


def updates(chosen: Optimizer) -> list[Update]:
    """All solvers of the catalogue and the specification's own; its settings are the defaults."""
    solvers = {name: make(chosen.rate.name) for name, make in CATALOGUE.items()}
    solvers[chosen.name] = chosen
    found = [_update(o) for n, o in solvers.items() if n != chosen.name]
    return sorted([*found, _update(chosen)], key=lambda u: list(solvers).index(u.name))


def _update(optimizer: Optimizer) -> Update:
    used = Used()
    identifiers = Identifiers(["k", "states", "settings", "scale"])
    symbols = [optimizer.weight, optimizer.gradient, *optimizer.states, *optimizer.settings]
    names = {s: identifiers.new(s.name) for s in symbols}
    lines: list[str] = []

    def temporary(text: str) -> str:
        name = identifiers.new("v")
        lines.append(f"{name} = {text}")
        return name

    def nothing(_: sympy.Expr) -> str:
        raise AssertionError("an optimizer has no tensors")

    printer = Printer(nothing, nothing, temporary, names, used)
    for symbol, value in optimizer.updates:
        text = printer.text(value)
        lines.append(f"{names[symbol]} = {text}")
    numbers = number_lines(used)
    head = ["real = theta.dtype.type", *numbers] if any("real(" in line for line in (*numbers, *lines)) else []
    head += [f"{names[s]} = settings[{n}]" for n, s in enumerate(optimizer.settings)]
    load = [f"{names[optimizer.weight]} = theta[k]", f"{names[optimizer.gradient]} = scale * gradient[k]"]
    load += [f"{names[s]} = states[{n}, k]" for n, s in enumerate(optimizer.states)]
    store = [f"theta[k] = {names[optimizer.weight]}"]
    store += [f"states[{n}, k] = {names[s]}" for n, s in enumerate(optimizer.states)]
    parameters = {
        s: "learning_rate_init" if s == optimizer.rate else PARAMETERS.get(s.name, s.name) for s in optimizer.settings
    }
    return Update(
        optimizer.name,
        tuple(head),
        (*load, *lines, *store),
        tuple(parameters.values()),
        {parameters[s]: float(value) for s, value in optimizer.settings.items()},
        tuple(names[s] for s in optimizer.states),
        used,
    )
