"""Random networks: a specification and, drawn in the same breath, what it means in autograd's NumPy.

The two sides share nothing but the choice.  No part of ``derive`` reads the specification for the oracle:
every construction below is written twice, once in the language and once as array code, so that a mistake in reading,
lowering, differentiating or tidying shows as a difference.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import autograd.numpy as np
import numpy
from autograd import grad
from autograd.scipy.special import erf
from hypothesis import assume
from hypothesis import strategies as st
from oracles import Data, derived, imported, network_of
from test_catalogue import ACTIVATIONS, LOSSES, VECTORS, softplus, target_of

from codegen.notes import compose as notes
from codegen.trainer.module import render
from derive.derivation import derive
from derive.gradient import sweep

Shape = tuple[int, ...]
Step = Callable[[Data], Any]


@dataclass
class Draft:
    """A network as far as it is drawn: its lines, and for each name its shape and how to compute it."""

    draw: st.DrawFn
    declared: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    steps: list[tuple[str, Step]] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)  # of inputs and values
    weights: dict[str, Shape] = field(default_factory=dict)
    data: dict[str, tuple[str, Shape]] = field(default_factory=dict)  # of inputs, targets and masks: what they hold
    unused: set[str] = field(default_factory=set)
    layers: int = 0

    # choices

    def one(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def size(self, least: int = 1) -> int:
        return self.draw(st.integers(least, 4))

    def number(self) -> str:
        return self.one("0.5", "2", "1/3", "0.1", "1.5", "3")

    def node(self, ranks: tuple[int, ...] = (0, 1, 2)) -> str | None:
        """An input or a value with so many indices, one that nothing reads yet if there is one."""
        fitting = [n for n, shape in self.shapes.items() if len(shape) in ranks]
        fresh = [n for n in fitting if n in self.unused]
        chosen = self.one(*(fresh if fresh and self.one(True, True, False) else fitting)) if fitting else None
        self.unused.discard(chosen or "")
        return chosen

    def weight(self, *shape: int) -> str:
        """A weight of that shape: a fresh one, or one that is used elsewhere too."""
        fitting = [n for n, s in self.weights.items() if s == shape]
        if fitting and self.one(True, False):
            return self.one(*fitting)
        name = f"w{len(self.weights) + 1}"
        self.weights[name] = shape
        self.declared.append(f"weight {name}{brackets(shape)}")
        return name

    def layer(self, kind: str, rows: Shape, columns: Shape) -> Step:
        """What ``linear`` or ``dense`` computes from its argument; its weights are made by the language."""
        self.layers += 1
        name, bias = f"W{self.layers}", f"b{self.layers}"
        self.weights[name] = (*(rows or (1,)), *(columns or (1,)))
        if kind == "dense":
            self.weights[bias] = rows or (1,)

        def apply(d: Data, x: Any) -> Any:
            x = np.reshape(x, columns or (1,))
            y = np.tensordot(d[name], x, len(columns) or 1) + (d[bias] if kind == "dense" else 0)
            return y if rows else y[0]

        return apply

    def equation(self, shape: Shape, text: str, step: Step, left: str = "") -> str:
        """A further line ``name… = text``."""
        name = f"h{len(self.steps) + 1}"
        self.lines.append(f"{name}{left} = {text.replace('@SELF', name)}")
        self.steps.append((name, step))
        self.shapes[name] = shape
        self.unused.add(name)
        return name

    def input(self, role: str, holds: str, shape: Shape) -> str:
        name = f"{role[0]}{len(self.data) + 1}"
        self.data[name] = holds, shape
        self.declared.append(f"{role} {name}{brackets(shape)}{' = 0.25' if role == 'mask' else ''}")
        return name

    def activation(self, shape: Shape) -> tuple[str, Step]:
        """The call with ``z`` for its argument, and the function."""
        if self.one(*range(4)) == 0:
            return self.define()
        known = [call for call in ACTIVATIONS if (len(shape) == 1 and shape[0] > 1) or not call.startswith(VECTORS)]
        call = self.one("tanh(z)", "sin(z)", "tanh(z)", *known)
        return call, {"tanh(z)": np.tanh, "sin(z)": np.sin, **ACTIVATIONS}[call]

    def define(self) -> tuple[str, Step]:
        """A function of the specification's own, perhaps with a default, perhaps with a weight in it."""
        name, text, step = f"f{len(self.lines)}", *self.formula(2)
        factor = self.one("", "k", "weight")
        if factor == "weight":
            weight = self.weight()
            self.declared.append(f"define {name}(z) = {weight} * ({text}) + z")
            return f"{name}(z)", lambda z, d: d[weight] * step(z) + z
        if factor == "k":
            self.declared.append(f"define {name}(z, k = 2) = k * ({text}) + z / k")
            given, k = self.one(("", 2.0), (", 3", 3.0), (", k = 0.5", 0.5))
            return f"{name}(z{given})", lambda z: k * step(z) + z / k
        self.declared.append(f"define {name}(z) = {text} + z / 3")
        return f"{name}(z)", lambda z: step(z) + z / 3

    def formula(self, depth: int) -> tuple[str, Callable[[Any], Any]]:
        """A formula in z: text and function."""
        if not depth:
            return "z", lambda z: z
        a, f = self.formula(depth - 1)
        b, g = self.formula(self.one(0, depth - 1))
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
        return self.one(*choices.items())


def brackets(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else ""


def apply(call: str, function: Any, z: Any, d: Data) -> Any:
    """An activation; one that reads a weight takes the data too."""
    return function(z, d) if call.startswith("f") and function.__code__.co_argcount == 2 else function(z)


# Constructions: each adds an equation or two, or none where nothing fits ---------------------------------------------


def layer(n: Draft) -> None:
    x, kind, rows = n.node(), n.one("linear", "dense"), n.one((), (n.size(),), (n.size(2),))
    call, function = n.activation(rows)
    step = n.layer(kind, rows, n.shapes[x])
    n.equation(
        rows, call.replace("(z", f"({kind}({x})", 1), lambda d: apply(call, function, step(d, d[x]), d), brackets(rows)
    )


def unary(n: Draft) -> None:
    x = n.node()
    call, function = n.activation(n.shapes[x])
    n.equation(n.shapes[x], call.replace("(z", f"({x}", 1), lambda d: apply(call, function, d[x], d))


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


def convolution(n: Draft) -> None:
    x = n.node((1,))
    if x is None:
        return
    (length,) = n.shapes[x]
    size = n.draw(st.integers(1, length))
    stride = n.one(1, 2)
    k, places = n.weight(size), (length - size) // stride + 1
    index = "i+k-1" if stride == 1 else "2*i+k-2"

    def step(d: Data) -> Any:
        return np.array([np.dot(d[k], d[x][stride * i : stride * i + size]) for i in range(places)])

    n.equation((places,), f"sum(k: {k}[k] * {x}[{index}])", step, "[i]")


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
    for name in (x, w, a, y):
        if f"{name}[" not in text:
            n.unused.add(name)
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
        f"softmax({m}[i] * {w})": ("[i]", (height, width), lambda d: _softmax(d[m] * d[w])),
        f"{m} @ {w}": ("", (height,), lambda d: np.dot(d[m], d[w])),
    }
    text = n.one(*choices)
    left, shape, step = choices[text]
    n.equation(shape, text, step, left)


def _softmax(z: Any) -> Any:
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def reduced(n: Draft) -> None:
    x = n.node((1, 2))
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


def recurrence(n: Draft) -> None:
    """Over the first index of a vector or a matrix, with the state before the first step given or zero."""
    x = n.node((1, 2))
    if x is None:
        return
    times, *width = n.shapes[x]
    if not width:
        a, b = n.weight(), n.weight()
        back = n.one(1, 2)

        def scalars(d: Data) -> Any:
            h: list[Any] = []
            for t in range(times):
                h.append(np.tanh(d[a] * d[x][t] + d[b] * (h[t - back] if t >= back else 0.0)))
            return np.array(h)

        n.equation((times,), f"tanh({a} * {x}[t] + {b} * @SELF[t-{back}])", scalars, "[t]")
        return
    k = n.size()
    u, v, s = n.weight(k, k), n.weight(k, *width), n.weight(k)
    start = n.one("", "zero", "given")
    if start == "given":
        n.lines.append(f"h{len(n.steps) + 1}[0] = {s}")
    elif start == "zero":
        n.lines.append(f"h{len(n.steps) + 1}[0] = 0")

    def vectors(d: Data) -> Any:
        h, out = (d[s] if start == "given" else np.zeros(k)), []
        for t in range(times):
            h = np.tanh(np.dot(d[u], h) + np.dot(d[v], d[x][t]) + d[s])
            out.append(h)
        return np.array(out)

    n.equation((times, k), f"tanh({u} @ @SELF[t-1] + {v} @ {x}[t] + {s})", vectors, "[t]")


def gated(n: Draft) -> None:
    """Two equations that need each other through time, after the fashion of a gated recurrent unit."""
    x = n.node((2,))
    if x is None:
        return
    times, width = n.shapes[x]
    k = n.size()
    u, v, w = n.weight(k, k), n.weight(k, width), n.weight(k, width)
    number = len(n.steps) + 1
    z, h = f"h{number}", f"h{number + 1}"

    def both(d: Data) -> Any:
        state, out = np.zeros(k), []
        for t in range(times):
            gate = 1 / (1 + np.exp(-(np.dot(d[v], d[x][t]) + np.dot(d[u], state))))
            state = (1 - gate) * state + gate * np.tanh(np.dot(d[w], d[x][t]))
            out.append((gate, state))
        return np.array([g for g, _ in out]), np.array([s for _, s in out])

    n.equation((times, k), f"sigmoid({v} @ {x}[t] + {u} @ {h}[t-1])", lambda d: both(d)[0], "[t]")
    n.equation((times, k), f"(1 - {z}[t]) * {h}[t-1] + {z}[t] * tanh({w} @ {x}[t])", lambda d: both(d)[1], f"[t, {k}]")
    n.unused.discard(z)


def masked(n: Draft) -> None:
    x = n.node()
    m = n.input("mask", "m", n.shapes[x])
    n.equation(n.shapes[x], f"{x} * {m}", lambda d: d[x] * d[m])


CONSTRUCTIONS = [
    layer,
    layer,
    layer,
    unary,
    join,
    join,
    product,
    convolution,
    indexed,
    rows,
    reduced,
    recurrence,
    gated,
]


# Whole networks ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """A specification, its loss by hand, its data and weights."""

    spec: str
    loss: Step
    numbers: Data
    weights: tuple[str, ...]
    data: Mapping[str, tuple[str, Shape]]  # what inputs, targets and masks hold

    def __repr__(self) -> str:
        return f"\n{self.spec}\n" + "\n".join(f"{k} = {numpy.array2string(v)}" for k, v in self.numbers.items())


@st.composite
def networks(draw: st.DrawFn, most: int = 7) -> Made:
    """One to three inputs, up to ``most`` constructions, one or two losses, terms of weights."""
    n = Draft(draw)
    for _ in range(draw(st.integers(1, 3))):
        shape = n.one((), (n.size(2),), (n.size(2),), (n.size(2), n.size()))
        name = n.input("input", "x", shape)
        n.shapes[name] = shape
        n.unused.add(name)
    for _ in range(draw(st.integers(1, most))):
        n.one(*CONSTRUCTIONS)(n)
    terms: list[tuple[str, Step]] = [_loss(n) for _ in range(draw(st.integers(1, 2)))]
    for w in n.weights:
        if w.startswith("w"):
            terms.append(n.one((f"0.01 * l2({w})", lambda d, w=w: 0.01 * np.sum(d[w] ** 2)),
                               (f"l1({w}) / 10", lambda d, w=w: np.sum(np.abs(d[w])) / 10)))  # fmt: skip
    for x in [x for x in n.shapes if x in n.unused]:
        over = "sum" if n.shapes[x] else ""
        terms.append((f"0.1 * {over}(cos({x}))", lambda d, x=x: 0.1 * np.sum(np.cos(d[x]))))
    n.lines.append("loss L = " + " + ".join(text for text, _ in terms))

    def loss(d: Data) -> Any:
        d = dict(d)
        for name, step in n.steps:
            d[name] = step(d)
        return sum(term(d) for _, term in terms)

    return Made("\n".join([*n.declared, *n.lines, ""]), loss, _numbers(n), tuple(n.weights), n.data)


def _loss(n: Draft) -> tuple[str, Step]:
    """A loss of the catalogue on a fresh output layer, a dense one with nothing behind it."""
    x = n.node()
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


def _filled(holds: str, shape: Shape, chance: numpy.random.Generator) -> Any:
    """An array of what the letter stands for in :data:`test_catalogue.LOSSES`; ``x`` is an input, ``m`` a mask."""
    match holds:
        case "s":
            return numpy.where(chance.uniform(-1, 1, shape) > 0, 1.0, -1.0)
        case "c":
            share = chance.uniform(0.1, 1.0, shape)
            return share / numpy.sum(share)
        case "o":
            size = int(numpy.prod(shape))
            return numpy.eye(size)[chance.integers(size)].reshape(shape)
        case "n":
            return chance.integers(0, 5, shape)
        case "b":
            return chance.integers(0, 2, shape)
        case "m":
            return numpy.where(chance.uniform(0, 1, shape) < 0.25, 0.0, 1 / 0.75)
        case _:
            return chance.uniform(-2, 2, shape)


def _numbers(n: Draft) -> Data:
    """Data of each kind, and weights, from one seed."""
    chance = numpy.random.default_rng(n.draw(st.integers(0, 2**31)))
    numbers: Data = {name: _filled(holds, shape, chance) for name, (holds, shape) in n.data.items()}
    numbers |= {name: chance.uniform(-1.2, 1.2, shape) for name, shape in n.weights.items()}
    return {name: numpy.asarray(value, dtype=float) for name, value in numbers.items()}


def check(made: Made) -> None:
    """Loss and gradients of the derived equations are those of automatic differentiation."""
    expected = automatic(made, made.numbers)
    agree(derived(made.spec, made.numbers), expected)


def check_trainer(made: Made, folder: Path) -> None:
    """Those of the generated trainer in float64 are, too, as means over two samples."""
    other = {n: 0.7 * v if n in made.data and made.data[n][0] == "x" else v for n, v in made.numbers.items()}
    pair = [automatic(made, numbers) for numbers in (made.numbers, other)]
    slopes = {w: (pair[0][1][w] + pair[1][1][w]) / 2 for w in made.weights}
    network = network_of(made.spec)
    path = folder / "net_trainer.py"
    path.write_text(render(network, sweep(network), spec_name="net.spec", module_name="net_trainer"), encoding="utf-8")
    module = imported(path)
    both = {n: numpy.stack([made.numbers[n], other[n]]) for n in made.data}
    x, y, masks = ({n: both[n] for n in both if n[0] == letter} for letter in "itm")
    weights = {w: made.numbers[w] for w in made.weights}
    given = {"masks": masks} if masks else {}
    loss, gradients = module.loss(weights, x, y or None, **given), module.gradient(weights, x, y or None, **given)
    agree((loss, gradients), ((pair[0][0] + pair[1][0]) / 2, slopes))


def automatic(made: Made, numbers: Data) -> tuple[float, Data]:
    """Loss and gradients of the array code; what is not finite, or far too large for float64, says nothing."""
    rest = {name: value for name, value in numbers.items() if name not in made.weights}
    weights = {name: numbers[name] for name in made.weights}
    with numpy.errstate(all="ignore"):
        loss = float(made.loss(numbers))
        slopes = grad(lambda w: made.loss({**rest, **w}))(weights)
    sizes = [float(numpy.max(numpy.abs(slope))) for slope in slopes.values()]
    assume(numpy.isfinite(loss) and all(numpy.isfinite(sizes)) and max(map(abs, [loss, *sizes])) < 1e12)
    return loss, slopes


def agree(found: tuple[float, Data], expected: tuple[float, Data]) -> None:
    """Equal to 1e-9: the loss, and of each array the largest difference relative to the largest derivative."""
    (loss, gradients), (wanted, slopes) = found, expected
    sizes = [float(numpy.max(numpy.abs(slope))) for slope in slopes.values()]
    assert abs(loss - wanted) <= 1e-9 * max(1, abs(wanted)), f"the loss is {loss}, and should be {wanted}"
    for name, slope in slopes.items():
        scale = max(float(numpy.max(numpy.abs(slope))), 1e-3 * max(sizes), 1e-6)
        error = float(numpy.max(numpy.abs(gradients[name] - slope))) / scale
        assert error <= 1e-9, f"∂L/∂{name} is\n{gradients[name]}\nand should be\n{slope}"


def check_notes(made: Made, folder: Path, render: Callable[..., str] = notes.render) -> int:
    """The network is derived, proved and printed, and LaTeX takes the notes; the number of boxes that are too large."""
    text = render(derive(network_of(made.spec)), "net.spec")
    (folder / "notes.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "notes.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "undefined" not in done.stdout, done.stdout[-2000:]
    return sum(float(much) > 2 for much in re.findall(r"Overfull \\[hv]box \(([\d.]+)pt", done.stdout))


def check_slides(made: Made, folder: Path) -> int:
    """The same for slides, which nothing may be too large for."""
    too_large = check_notes(made, folder, notes.render_slides)
    assert too_large == 0
    return too_large
