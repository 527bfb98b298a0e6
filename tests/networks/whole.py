"""Whole networks: inputs, constructions, losses, terms of weights, and numbers for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import autograd.numpy as np
import numpy
from hypothesis import strategies as st
from oracles import Data
from test_catalogue import LOSSES, VECTORS, target_of

from derive.language.batches import SAMPLES

from . import arrays, batches, dense, images, sequences
from .data import numbers
from .draft import Datum, Draft, Shape, Step, brackets, softmax

#: What is drawn, the more often the more often it stands here.  Each adds equations, or none where nothing fits.
CONSTRUCTIONS: list[Callable[[Draft], None]] = [
    *[dense.layer] * 4,
    *[dense.unary] * 2,
    *[dense.join] * 2,
    dense.maxout,
    dense.product,
    dense.masked,
    arrays.indexed,
    arrays.rows,
    arrays.reduced,
    *[images.convolution] * 2,
    images.pooling,
    sequences.recurrence,
    sequences.gated,
    sequences.cell,
    sequences.attention,
    sequences.table,
]
COUPLED = [batches.normalised, batches.compared]


@dataclass(frozen=True)
class Made:
    """A specification, the losses of the samples of a batch by hand, and numbers."""

    spec: str
    losses: Callable[[list[Data]], list[Any]]
    weights: Data
    samples: tuple[Data, ...]
    data: Mapping[str, Datum]
    coupled: bool
    batch: str  # whether the loss of a batch is the "mean" or the "sum"

    def loss(self, weights: Data, samples: tuple[Data, ...]) -> Any:
        """The loss of a batch."""
        losses = self.losses([{**sample, **weights} for sample in samples])
        return sum(losses) / (len(losses) if self.batch == "mean" else 1)

    @property
    def basis(self) -> tuple[Data, ...]:
        """The samples of which the derivation speaks: one, or a batch where samples depend on each other."""
        return self.samples if self.coupled else self.samples[:1]

    @property
    def numbers(self) -> Data:
        """Those for the derivation's tensors."""
        if not self.coupled:
            return {**self.samples[0], **self.weights}
        return {**{n: numpy.stack([s[n] for s in self.samples]) for n in self.data}, **self.weights}

    def __repr__(self) -> str:
        return f"\n{self.spec}\n" + "\n".join(f"{k} = {numpy.array2string(v)}" for k, v in self.numbers.items())


@st.composite
def networks(draw: st.DrawFn, most: int = 7, coupled: bool = True) -> Made:
    """One to three inputs, up to ``most`` constructions, one or two losses, terms of weights.

    In one of four networks, unless they may not be ``coupled``, something may be reduced over the samples of a batch.
    """
    n = Draft(draw)
    for _ in range(draw(st.integers(1, 3))):
        shape = n.one((), (n.size(2),), (n.size(2),), (n.size(2), n.size()), (n.size(1, 2), n.size(2), n.size(2)))
        name = n.input("input", "x", shape)
        n.shapes[name] = shape
        n.unused.add(name)
    known = CONSTRUCTIONS + 3 * COUPLED if coupled and n.one(True, False, False, False) else CONSTRUCTIONS
    for _ in range(draw(st.integers(1, most))):
        n.one(*known)(n)
    terms: list[tuple[str, Step]] = [_loss(n) for _ in range(draw(st.integers(1, 2)))]
    for w in n.weights:
        if w.startswith("w"):
            terms.append(n.one((f"0.01 * l2({w})", lambda d, w=w: 0.01 * np.sum(d[w] ** 2)),
                               (f"l1({w}) / 10", lambda d, w=w: np.sum(np.abs(d[w])) / 10)))  # fmt: skip
    for x in [x for x in n.shapes if x in n.unused]:
        over = "sum" if n.shapes[x] else ""
        terms.append((f"0.1 * {over}(cos({x}))", lambda d, x=x: 0.1 * np.sum(np.cos(d[x]))))
    n.lines.append("loss L = " + " + ".join(text for text, _ in terms))
    batch = n.one("mean", "mean", "mean", "sum")
    if batch == "sum":
        n.lines.append("batch sum")

    def losses(samples: list[Data]) -> list[Any]:
        known = [dict(d) for d in samples]
        for name, step in n.steps:
            for d, value in zip(known, step(known), strict=True):
                d[name] = value
        return [sum(term(d) for _, term in terms) for d in known]

    weights, samples = numbers(n, SAMPLES)
    return Made("\n".join([*n.declared, *n.lines, ""]), losses, weights, samples, n.data, n.coupled, batch)


def _loss(n: Draft) -> tuple[str, Step]:
    """A loss of the catalogue on a fresh output layer, a dense one with nothing behind it."""
    x = n.node()
    if n.one(*range(8)) == 0:
        return _of_class(n, x)
    call = n.one(*(c for c in LOSSES if not c.startswith(("l1", "l2", "elastic"))))
    of = target_of(call)
    rows: Shape = (n.size(2),) if call.startswith(VECTORS) or "softmax" in call else n.one((), (n.size(2),))
    step = n.layer("dense", rows, n.shapes[x])
    y = n.equation(rows, f"dense({x})", lambda d: step(d, d[x]), brackets(rows))
    n.unused.discard(y)
    t = n.input("target", of, rows) if of else ""
    text = call.replace(f"({of}, ", f"({t}, ").replace(f", {of}", f", {t}")
    text = text.replace("(y", f"({y}").replace(" y)", f" {y})").replace(", y", f", {y}")
    function = LOSSES[call]
    return text, lambda d: function(d[y], d[t]) if t else function(d[y])


def _of_class(n: Draft, x: str) -> tuple[str, Step]:
    """The logarithm of the probability of a class that is given by its number."""
    rows = (n.size(2),)
    step = n.layer("dense", rows, n.shapes[x])
    p = n.equation(rows, f"softmax(dense({x}))", lambda d: softmax(step(d, d[x])), brackets(rows))
    n.unused.discard(p)
    t = n.input("target", f"k{rows[0]}", ())
    return f"-log({p}[{t}])", lambda d: -np.log(d[p][sequences.place(d[t])])
