"""A network as far as it is drawn: the lines of its specification and, beside them, how to compute each name.

All steps work on a batch, a list of the samples' names and numbers, since a reduction over ``batch`` reads all of them;
most are functions of one sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as np
from hypothesis import strategies as st
from oracles import Data

Shape = tuple[int, ...]
Step = Callable[[Data], Any]
BatchStep = Callable[[list[Data]], list[Any]]


@dataclass(frozen=True)
class Datum:
    """What an input, a target or a mask holds, by a letter as in :func:`networks.data.filled`, and its shape."""

    role: str
    holds: str
    shape: Shape


@dataclass
class Draft:
    """Lines, weights, data and steps."""

    draw: st.DrawFn
    declared: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    steps: list[tuple[str, BatchStep]] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)  # of inputs and values
    weights: dict[str, Shape] = field(default_factory=dict)
    data: dict[str, Datum] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    layers: int = 0
    coupled: bool = False  # whether something is reduced over the samples of a batch

    # choices

    def one(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def size(self, least: int = 1, most: int = 4) -> int:
        return self.draw(st.integers(least, most))

    def number(self) -> str:
        return self.one("0.5", "2", "1/3", "0.1", "1.5", "3")

    def node(self, ranks: tuple[int, ...] = (0, 1, 2, 3)) -> str | None:
        """An input or a value with so many indices, one that nothing reads yet if there is one."""
        fitting = [n for n, shape in self.shapes.items() if len(shape) in ranks]
        fresh = [n for n in fitting if n in self.unused]
        chosen = self.one(*(fresh if fresh and self.one(True, True, False) else fitting)) if fitting else None
        self.unused.discard(chosen or "")
        return chosen

    # names

    def input(self, role: str, holds: str, shape: Shape) -> str:
        """Data of the samples: an input, a target, a mask."""
        name = f"{role[0]}{len(self.data) + 1}"
        self.data[name] = Datum(role, holds, shape)
        self.declared.append(f"{role} {name}{brackets(shape)}{' = 0.2' if role == 'mask' else ''}")
        return name

    def weight(self, *shape: int) -> str:
        """A weight of that shape: a fresh one, or one that is used elsewhere too."""
        fitting = [n for n, s in self.weights.items() if s == shape and n.startswith("w")]
        if fitting and self.one(True, False):
            return self.one(*fitting)
        name = f"w{len(self.weights) + 1}"
        self.weights[name] = shape
        self.declared.append(f"weight {name}{brackets(shape)}")
        return name

    def constant(self, shape: Shape, numbers: Any) -> str:
        name = f"c{len(self.declared) + 1}"
        self.declared.append(f"constant {name}{brackets(shape)} = {numbers.tolist()}")
        return name

    def layer(self, kind: str, rows: Shape, columns: Shape) -> Step:
        """What ``linear`` or ``dense`` computes from its argument; its weights are made by the language."""
        name, bias = self._made(kind, rows or (1,), columns)

        def apply(d: Data, x: Any) -> Any:
            y = np.tensordot(d[name], np.reshape(x, columns or (1,)), len(columns) or 1) + (d[bias] if bias else 0)
            return y if rows else y[0]

        return apply

    def pieces(self, rows: Shape, count: int, columns: Shape) -> Step:
        """What ``maxout`` computes: the largest of so many dense pieces."""
        name, bias = self._made("dense", (*(rows or (1,)), count), columns)

        def apply(d: Data, x: Any) -> Any:
            y = np.tensordot(d[name], np.reshape(x, columns or (1,)), len(columns) or 1) + d[bias]
            return np.max(y, axis=1) if rows else np.max(y[0])

        return apply

    def _made(self, kind: str, rows: Shape, columns: Shape) -> tuple[str, str]:
        self.layers += 1
        name, bias = f"W{self.layers}", f"b{self.layers}" if kind == "dense" else ""
        self.weights[name] = (*rows, *(columns or (1,)))
        if bias:
            self.weights[bias] = rows
        return name, bias

    # lines

    def equation(self, shape: Shape, text: str, step: Step, left: str = "") -> str:
        """A further line ``name… = text`` whose value the rest may read."""
        return self._line(shape, text, lambda batch: [step(d) for d in batch], left)

    def equation_of_batch(self, shape: Shape, text: str, step: BatchStep, left: str = "") -> str:
        """One that reads all samples."""
        self.coupled = True
        return self._line(shape, text, step, left)

    def helper(self, text: str, left: str = "") -> str:
        """A line that only what follows in the same construction reads."""
        name = f"p{len(self.lines) + 1}"
        self.lines.append(f"{name}{left} = {text}")
        return name

    def _line(self, shape: Shape, text: str, step: BatchStep, left: str) -> str:
        name = f"h{len(self.steps) + 1}"
        self.lines.append(f"{name}{left} = {text.replace('@SELF', name)}")
        self.steps.append((name, step))
        self.shapes[name] = shape
        self.unused.add(name)
        return name


def brackets(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else ""


def letters(shape: Shape, names: str = "ijl") -> str:
    """Indices for every dimension, ``[i,j]``."""
    return f"[{','.join(names[: len(shape)])}]" if shape else ""


def softmax(z: Any) -> Any:
    """Along the last axis."""
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)
