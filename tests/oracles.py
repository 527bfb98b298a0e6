"""Forward passes written by hand, and what tests need to compare them with derived gradients.

A :class:`Case` is a specification and the same loss as plain autograd/NumPy code.  The code was written from the
mathematics, not from the equations of ``derive``; it is the independent side of every comparison.
"""

from __future__ import annotations

import importlib.util
import math
import operator
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import autograd.numpy as np
import numpy
import sympy
from autograd import grad
from autograd.scipy.special import erf
from hypothesis import strategies as st
from numba import njit

from codegen.trainer.imports import INTRINSICS
from codegen.trainer.module import render
from derive.diagnostics import Source
from derive.evaluate import Values, array, compile_scalar, context, forward, nested, run
from derive.expressions import Access
from derive.functions import Formula
from derive.gradient import Sweep, adjoint_name, sweep
from derive.language.build import load
from derive.network import Equation, Network, Tensor
from derive.selection import choices

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.spec"))

Data = dict[str, Any]
Loss = Callable[[Data], Any]


@dataclass(frozen=True)
class Case:
    """A specification, its loss by hand as a function of all inputs, targets and weights, and fixed numbers if any."""

    spec: str
    loss: Loss
    fixed: Mapping[str, Any] = field(default_factory=dict)


@cache
def network_of(text: str) -> Network:
    return load(Source("test.spec", text))


@cache
def sweep_of(text: str) -> Sweep:
    return sweep(network_of(text))


def imported(path: Path) -> ModuleType:
    """A generated module, imported from its file."""
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def part_of(module: ModuleType, name: str) -> Any:
    """A part of the kernels of a trainer, whose name ends in the hash of all of them."""
    return next(f for n, f in vars(module).items() if n.rpartition("_")[0] == name)


def without_instructions(module: ModuleType) -> None:
    """Let kernels that run as plain Python call, instead of operations of compiled code, what these mean.

    What they share with each other they call as plain Python, too.
    """
    for name in INTRINSICS:
        if name in vars(module):
            setattr(module, name, getattr(getattr(module, name), "in_python", getattr(module, name)))
    for name, found in list(vars(module).items()):
        if name.startswith("loops_"):
            setattr(module, name, getattr(found, "py_func", found))


def compiled(module: ModuleType, name: str) -> Callable[..., Any]:
    """A part of the kernels of a trainer as Python can call it."""
    part = part_of(module, name)

    @njit
    def called(*given):  # type: ignore[no-untyped-def]
        return part(*given)

    return called  # type: ignore[no-any-return]


def trainer_of(spec: str, folder: Path, name: str = "net_trainer") -> ModuleType:
    """The trainer of a specification, written into a folder and imported."""
    path = folder / f"{name}.py"
    text = render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name=name)
    path.write_text(text, encoding="utf-8")
    return imported(path)


def work_with(digits: int) -> None:
    """Interpret equations with so many digits; constants that were compiled have as many as there were."""
    context.dps = digits
    compile_scalar.cache_clear()


def example(name: str) -> str:
    return (ROOT / "examples" / f"{name}.spec").read_text(encoding="utf-8")


# Numbers on both sides ----------------------------------------------------------------------------------------


def draw(network: Network, seed: int = 0) -> Data:
    """Random float64 data and weights; a target of which facts are declared is one-hot."""
    chance = numpy.random.default_rng(seed)
    data: Data = {}
    for tensor in network.tensors.values():
        if tensor.role in ("input", "target", "mask", "weight"):
            data[tensor.name] = chance.uniform(-1.0, 1.0, tensor.shape)
            if places := choices(network.flat_equations).get(tensor.name):
                data[tensor.name] = chance.integers(1, places + 1, tensor.shape).astype(float)
            for fact in (f for f in network.facts if f.tensor == tensor.name):
                numbers = data[tensor.name]
                data[tensor.name] = (
                    numbers == numbers.max(axis=fact.axes(len(tensor.shape)) or None, keepdims=True)
                ).astype(float)
    return data


def exact(network: Network, data: Data) -> Values:
    """The same numbers, bit for bit, in working precision."""
    return {
        name: {point_of(e): context.mpf(float(value[tuple(i - 1 for i in point_of(e))])) for e in tensor.elements()}
        for name, value in data.items()
        for tensor in [network.tensors[name]]
    }


def evaluated(network: Network, swept: Sweep, values: Values) -> Values:
    """All values and all derivatives that the equations of a network and its sweep compute from ``values``."""
    return run(swept.equations, forward(network, dict(values)), {**network.tensors, **swept.tensors})


def derived(spec: str, data: Data) -> tuple[float, dict[str, Any]]:
    """The loss and its derivatives by the weights, as the derived equations compute them."""
    network = network_of(spec)
    values = evaluated(network, sweep_of(spec), exact(network, data))
    gradients = {w.name: numpy.array(nested(values[adjoint_name(w.name)], w)) for w in network.weights}
    return float(values[network.loss][()].real), gradients


def automatic(network: Network, loss: Loss, data: Data) -> tuple[float, dict[str, Any]]:
    """The loss and its derivatives by the weights, by HIPS autograd from the code written by hand."""
    rest = {name: value for name, value in data.items() if network.tensors[name].role != "weight"}
    weights = {name: value for name, value in data.items() if name not in rest}
    gradients = grad(lambda w: loss({**rest, **w}))(weights)
    return float(loss(data)), gradients


def point_of(element: Access) -> tuple[int, ...]:
    return tuple(int(i) for i in element.indices)


def shifted_loss(network: Network, data: Values, element: Access, shift: Any) -> Any:
    """The loss where one element, of the data or of an intermediate value, is ``shift`` larger than it should be."""
    point, values = point_of(element), {name: dict(numbers) for name, numbers in data.items()}
    for name, numbers in network.constants.items():
        values.setdefault(name, array(numbers, network.tensors[name]))
    if element.tensor in values:
        values[element.tensor][point] += shift
    for step in network.equations:
        assert isinstance(step, Equation), "no element of a recurrence can be shifted"
        run([step], values, network.tensors)
        if step.lhs.tensor == element.tensor:
            values[element.tensor][point] += shift
    return values[network.loss][()]


def complex_step(network: Network, data: Values, element: Access) -> Any:
    """∂loss/∂element by the complex step, from the forward equations alone."""
    step = context.mpf(10) ** -30
    return shifted_loss(network, data, element, context.mpc(0, step)).imag / step


def elements(tensors: list[Tensor]) -> list[Access]:
    return [e for t in tensors for e in t.elements()]


def written_out(expression: sympy.Expr) -> sympy.Expr:
    """Formulas replaced by what they stand for, to the bottom."""
    while expression.has(Formula):
        expression = expression.replace(lambda e: isinstance(e, Formula), lambda e: e.expanded())
    return expression


# Functions by hand --------------------------------------------------------------------------------------------


def sigmoid(z: Any) -> Any:
    return 0.5 * (1 + np.tanh(z / 2))


def softmax(z: Any) -> Any:
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def relu(z: Any) -> Any:
    return z * (z > 0)


def cross_entropy(t: Any, p: Any) -> Any:
    return -np.sum(t * np.log(p))


# The examples -------------------------------------------------------------------------------------------------


def _two_two_one(d: Data) -> Any:
    return 0.5 * (np.dot(d["W2"], np.dot(d["W1"], d["i"]))[0] - d["actual"]) ** 2


def _gradient_descent(d: Data) -> Any:
    return d["W1"] * d["X1"] + d["W2"] * d["X2"]


def _relu_two_two(d: Data) -> Any:
    return np.sum((relu(np.dot(d["W1"], d["x"]) + d["b1"]) - d["t"]) ** 2)


def _two_layers(d: Data, hidden: Callable[[Any], Any]) -> Any:
    return np.dot(d["W2"], hidden(np.dot(d["W1"], d["x"]) + d["b1"])) + d["b2"]


def _xor(d: Data) -> Any:
    p = sigmoid(_two_layers(d, np.tanh))
    return -np.sum(d["t"] * np.log(p) + (1 - d["t"]) * np.log(1 - p))


def _iris(d: Data) -> Any:
    return cross_entropy(d["t"], softmax(_two_layers(d, np.tanh))) + 0.001 * np.sum(d["W1"] ** 2)


def _digits(d: Data) -> Any:
    return cross_entropy(d["t"], softmax(_two_layers(d, relu)))


def _digits_conv(d: Data) -> Any:
    x = np.pad(d["x"], 1, "constant")
    z = sum(d["K"][:, u, v, None, None] * x[u : u + 8, v : v + 8] for u in range(3) for v in range(3))
    h = relu(z + d["c"][:, None, None])
    m = np.max(np.stack([h[:, u::2, v::2] for u in range(2) for v in range(2)]), axis=0)
    return cross_entropy(d["t"], softmax(np.einsum("kcij,cij->k", d["W1"], m) + d["b1"]))


def _rnn(d: Data) -> Any:
    h = 0.0
    for x in d["x"]:
        h = np.tanh(d["w"] * h + d["u"] * x + d["b"])
    return 0.5 * (d["v"] * h - d["r"]) ** 2


def _gated(d: Data) -> Any:
    h = np.zeros(16)
    for x in d["x"]:
        u, r = (sigmoid(np.dot(d[f"W{k}"], x) + d[f"b{k}"] + np.dot(d[f"W{k + 1}"], h)) for k in (1, 3))
        g = np.tanh(np.dot(d["W5"], x) + d["b5"] + np.dot(d["W6"], r * h))
        h = u * h + (1 - u) * g
    return 0.5 * (np.dot(d["W7"], h)[0] + d["b7"][0] - d["s"]) ** 2


EXAMPLE_LOSSES: dict[str, Loss] = {
    "two_two_one": _two_two_one,
    "gradient_descent": _gradient_descent,
    "relu_two_two": _relu_two_two,
    "xor": _xor,
    "iris": _iris,
    "digits": _digits,
    "digits_conv": _digits_conv,
    "rnn": _rnn,
    "gru": _gated,
}


# Further networks ---------------------------------------------------------------------------------------------


def _convolution(d: Data) -> Any:
    z = np.array([np.dot(d["K"], d["x"][i : i + 3]) + d["b"][i] for i in range(4)])
    return np.sum((np.tanh(z) - d["t"]) ** 2)


def _stride_two(d: Data) -> Any:
    z = np.array([np.dot(d["K"], d["x"][2 * i : 2 * i + 3]) + d["b"][i] for i in range(3)])
    return 0.5 * np.sum((z - d["t"]) ** 2)


def _two_convolutions(d: Data) -> Any:
    h = np.tanh(np.array([np.dot(d["K"], d["x"][i : i + 3]) + d["b"][i] for i in range(7)]))
    g = np.array([np.dot(d["M"], h[2 * i : 2 * i + 3]) + d["c"][i] for i in range(3)])
    return np.sum(g**2) + np.sum(h**3)


def _image(d: Data) -> Any:
    x, k = d["x"], d["K"]
    z = sum(k[u, v] * x[u : u + 3, v : v + 2] for u in range(2) for v in range(3))
    return np.sum(sigmoid(z) * d["V"])


def _tied(d: Data) -> Any:
    h = np.tanh(np.dot(d["W"], d["x"]))
    return np.sum((np.dot(d["W"].T, h) - d["x"]) ** 2)


def _residual(d: Data) -> Any:
    h = np.tanh(np.dot(d["W1"], d["x"]) + d["b1"])
    h2 = h + np.dot(d["W2"], h) + d["b2"]
    y = np.dot(d["W3"], h2)[0]
    return (y - d["t"]) ** 2


def _maximum(d: Data) -> Any:
    z = np.max(d["W"] * d["x"], axis=1)
    return np.max(z) * d["a"] + np.sum(z**2)


def _minimum(d: Data) -> Any:
    return np.sum(np.min(d["W"] * d["x"], axis=0) ** 2) - np.min(d["W"])


def _mean(d: Data) -> Any:
    h = sigmoid(np.dot(d["W"], d["x"]))
    rows = np.mean(d["W"] ** 2, axis=1)
    return np.mean((h - d["t"]) ** 2) + np.mean(d["W"] ** 3) + np.sum(rows * h)


def _several(d: Data) -> Any:
    h = np.tanh(np.dot(d["W1"], d["x"]))
    p = softmax(np.dot(d["W2"], h) + d["b2"])
    y = np.dot(d["W3"], h)[0]
    return cross_entropy(d["t"], p) + (y - d["r"]) ** 2


def _function(d: Data) -> Any:
    return (d["x"] + d["y"]) * d["z"]


def _attention(d: Data) -> Any:
    q, k, v = np.dot(d["x"], d["Q"].T), np.dot(d["x"], d["K"].T), np.dot(d["x"], d["V"].T)
    weights = softmax(np.dot(q, k.T) / np.sqrt(3.0))
    return np.sum((np.dot(weights, v) - d["t"]) ** 2)


def _layer_norm(d: Data) -> Any:
    z = np.dot(d["W"], d["x"])
    centred = z - np.mean(z)
    n = centred / np.sqrt(np.mean(centred**2) + 0.01)
    return np.sum((d["g"] * n + d["b"] - d["t"]) ** 2)


def _recurrence(d: Data, state: Any) -> Any:
    total = 0.0
    for t in range(4):
        state = np.tanh(np.dot(d["U"], state) + np.dot(d["V"], d["x"][t]))
        total = total + np.dot(d["c"], state) ** 2
    return total + np.sum(state)


def _lstm(d: Data) -> Any:
    h, c = np.zeros(2), np.zeros(2)
    for t in range(3):
        z = d["x"][t] + np.dot(d["U"], h)
        c = sigmoid(z * d["f"]) * c + sigmoid(z * d["i"]) * np.tanh(np.dot(d["A"], h) + d["x"][t])
        h = sigmoid(z + d["o"]) * np.tanh(c)
    return np.sum((h - d["r"]) ** 2) + d["f"][0] * c[1]


def _decay(d: Data) -> Any:
    y = np.dot(d["W2"], np.tanh(np.dot(d["W1"], d["x"]) + d["b1"]))[0] + d["b2"][0]
    return 0.5 * (y - d["t"]) ** 2 + 0.01 * (np.sum(d["W1"] ** 2) + np.sum(d["W2"] ** 2)) / 2


def _kinks(d: Data) -> Any:
    h = np.maximum(d["x"] * d["w"], d["v"]) + np.minimum(d["x"], d["w"] ** 2) - np.abs(d["w"] - d["v"])
    return np.sum(h * np.abs(h)) + np.max(d["v"])


def _two_arguments(d: Data) -> Any:
    def blend(u: Any, v: Any) -> Any:
        return sigmoid(u) * v + (1 - sigmoid(u)) * np.sin(v)

    h = blend(np.dot(d["W1"], d["x"]) + d["b1"], np.dot(d["W2"], d["x"]))
    return np.sum(blend(h, d["w"]) ** 2) + np.exp(blend(d["s"], 0.3))


def _diagonal(d: Data) -> Any:
    trace = np.trace(d["A"])
    return trace**2 + np.sum(np.diag(d["A"]) * d["x"]) + np.sum(d["A"] * d["A"].T)


def _neighbours(d: Data) -> Any:
    w, m = d["w"], d["M"]
    mirrored = np.sum(w * w[::-1] * d["x"])
    return np.sum((w[2:] - w[1:-1]) ** 2) + mirrored + np.dot(m[1], w[1:4]) ** 2 + np.sum(m**2) * m[0, 2]


def _swish(d: Data) -> Any:
    z = np.dot(d["W"], d["x"]) + d["b"]
    y = np.dot(d["v"], z * sigmoid(1.702 * z)) + 0.35
    return np.log(np.cosh(y - d["t"]))


def _gallery(d: Data) -> Any:
    z = d["w"] * d["x"]
    parts = np.sin(z) + np.cos(z) * np.sinh(z) - np.cosh(z) + erf(z) + np.log(1 + z**2) + np.sqrt(2 + z)
    return np.sum(parts) + np.sum((1 + np.exp(z)) ** (d["s"] / 3)) + np.sum(z) / np.sum(1 + z**2)


def _matrix_products(d: Data) -> Any:
    m = np.dot(d["A"], d["B"])
    return np.sum(np.dot(m, d["x"]) ** 2) + np.dot(d["u"], np.dot(m, d["v"]))


def _scalar_layers(d: Data) -> Any:
    h = sigmoid(d["W1"][:, 0] * d["x"] + d["b1"])
    y = np.dot(d["W2"], h)[0] + d["b2"][0]
    return np.log(1 + np.exp(-d["t"] * y))


CASES: dict[str, Case] = {
    "convolution": Case(
        """
        input x[6]
        weight K[3], b[4]
        z[i] = sum(k: K[k] * x[i+k-1]) + b[i]
        h[i] = tanh(z[i])
        target t[4]
        loss L = squared_error(h, t)
        """,
        _convolution,
    ),
    "convolution with stride two": Case(
        """
        input x[7]
        weight K[3], b[3]
        z[i] = sum(k: K[k] * x[2*i+k-2]) + b[i]
        target t[3]
        loss L = 1/2 * sum((z - t)^2)
        """,
        _stride_two,
    ),
    "convolution of a convolution": Case(
        """
        input x[9]
        weight K[3], b[7], M[3], c[3]
        h[i] = tanh(sum(k: K[k] * x[i+k-1]) + b[i])
        g[i] = sum(k: M[k] * h[2*i+k-2]) + c[i]
        loss L = sum(g^2) + sum(h^3)
        """,
        _two_convolutions,
    ),
    "image convolution": Case(
        """
        input x[4, 4]
        weight K[2, 3], V[3, 2]
        z[i,j] = sum(u, v: K[u,v] * x[i+u-1, j+v-1])
        loss L = sum(i, j: sigmoid(z[i,j]) * V[i,j])
        """,
        _image,
    ),
    "tied weights": Case(
        """
        input x[3]
        weight W[2, 3]
        h[2] = tanh(W @ x)
        y[i] = sum(j: W[j,i] * h[j])
        loss L = sum((y - x)^2)
        """,
        _tied,
    ),
    "residual": Case(
        """
        input x[2]
        h[3] = tanh(dense(x))
        h2 = h + dense(h)
        y = linear(h2)
        target t
        loss L = (y - t)^2
        """,
        _residual,
    ),
    "maximum over an index": Case(
        """
        input x[3]
        weight W[4, 3], a
        z[i] = max(j: W[i,j] * x[j])
        m = max(i: z[i])
        loss L = m * a + sum(z^2)
        """,
        _maximum,
    ),
    "maximum with ties": Case(
        """
        input x[3]
        weight W[4, 3], a
        z[i] = max(j: W[i,j] * x[j])
        m = max(i: z[i])
        loss L = m * a + sum(z^2)
        """,
        _maximum,
        fixed={
            "x": numpy.array([1.0, 2.0, 1.0]),
            "W": numpy.array([[1.0, 0.5, 0.25], [0.5, 0.5, 1.0], [1.0, 0.5, 1.0], [0.25, 0.125, 0.125]]),
            "a": numpy.array(3.0),
        },
    ),
    "minimum": Case(
        """
        input x[3]
        weight W[2, 3]
        z[j] = min(i: W[i,j] * x[j])
        loss L = sum(z^2) - min(W)
        """,
        _minimum,
    ),
    "mean": Case(
        """
        input x[3]
        weight W[4, 3]
        h[i] = sigmoid(sum(j: W[i,j] * x[j]))
        r[i] = mean(j: W[i,j]^2)
        target t[4]
        loss L = mean((h - t)^2) + mean(W^3) + sum(r * h)
        """,
        _mean,
    ),
    "several outputs and targets": Case(
        """
        input x[3]
        h[4] = tanh(linear(x))
        p[3] = softmax(dense(h))
        y = linear(h)
        target t[3], r
        loss L = cross_entropy(t, p) + (y - r)^2
        """,
        _several,
    ),
    "function without inputs": Case("weight x, y, z\nloss f = (x + y) * z\n", _function),
    "attention": Case(
        """
        input x[4, 2]
        weight Q[3, 2], K[3, 2], V[2, 2]
        q[i,c] = sum(d: Q[c,d] * x[i,d])
        k[i,c] = sum(d: K[c,d] * x[i,d])
        v[i,c] = sum(d: V[c,d] * x[i,d])
        s[i,j] = sum(c: q[i,c] * k[j,c]) / sqrt(3)
        a[i,j] = exp(s[i,j]) / sum(l: exp(s[i,l]))
        y[i,c] = sum(j: a[i,j] * v[j,c])
        target t[4, 2]
        loss L = sum((y - t)^2)
        """,
        _attention,
    ),
    "layer norm": Case(
        """
        input x[3]
        weight W[4, 3], g[4], b[4]
        z[i] = sum(j: W[i,j] * x[j])
        m = mean(z)
        v = mean(i: (z[i] - m)^2)
        y[i] = g[i] * (z[i] - m) / sqrt(v + 0.01) + b[i]
        target t[4]
        loss L = squared_error(y, t)
        """,
        _layer_norm,
    ),
    "recurrence from zero": Case(
        """
        input x[4, 2]
        weight U[3, 3], V[3, 2], c[3]
        h[t,j] = tanh(sum(k: U[j,k] * h[t-1,k]) + sum(k: V[j,k] * x[t,k]))
        y[t] = sum(j: c[j] * h[t,j])
        loss L = sum(y^2) + sum(j: h[4,j])
        """,
        lambda d: _recurrence(d, np.zeros(3)),
    ),
    "recurrence from a learned state": Case(
        """
        input x[4, 2]
        weight U[3, 3], V[3, 2], c[3], s[3]
        h[0,j] = s[j]
        h[t,j] = tanh(sum(k: U[j,k] * h[t-1,k]) + sum(k: V[j,k] * x[t,k]))
        y[t] = sum(j: c[j] * h[t,j])
        loss L = sum(y^2) + sum(j: h[4,j])
        """,
        lambda d: _recurrence(d, d["s"]),
    ),
    "mutual recurrence": Case(
        """
        input x[3, 2]
        weight U[2, 2], A[2, 2], f[2], i[2], o[2]
        z[t,j] = x[t,j] + sum(k: U[j,k] * h[t-1,k])
        c[t,j] = sigmoid(z[t,j] * f[j]) * c[t-1,j] + sigmoid(z[t,j] * i[j]) * tanh(sum(k: A[j,k] * h[t-1,k]) + x[t,j])
        h[t,j] = sigmoid(z[t,j] + o[j]) * tanh(c[t,j])
        target r[2]
        loss L = sum(j: (h[3,j] - r[j])^2) + f[1] * c[3,2]
        """,
        _lstm,
    ),
    "weight decay": Case(
        """
        input x[2]
        h[3] = tanh(dense(x))
        y = dense(h)
        target t
        loss L = 1/2 * (y - t)^2 + 0.01 * (sum(W1^2) + sum(W2^2)) / 2
        """,
        _decay,
    ),
    "kinks": Case(
        """
        input x[4]
        weight w[4], v[4]
        h[4] = max(x * w, v) + min(x, w^2) - abs(w - v)
        loss L = sum(h * abs(h)) + max(v)
        """,
        _kinks,
    ),
    "function of two arguments": Case(
        """
        define blend(u, v) = sigmoid(u) * v + (1 - sigmoid(u)) * sin(v)
        input x[2]
        weight w[3], s
        h[3] = blend(dense(x), linear(x))
        loss L = sum(blend(h, w)^2) + exp(blend(s, 0.3))
        """,
        _two_arguments,
    ),
    "diagonal": Case(
        """
        input x[3]
        weight A[3, 3]
        s = sum(i: A[i,i])
        loss L = s^2 + sum(i: A[i,i] * x[i]) + sum(i, j: A[i,j] * A[j,i])
        """,
        _diagonal,
    ),
    "neighbours, mirror images and rows": Case(
        """
        input x[5]
        weight w[5], M[2, 3]
        d[i] = w[i+2] - w[i+1]
        e[i] = w[i] * w[6-i] * x[i]
        r = sum(j: M[2,j] * w[j+1])
        loss L = sum(d^2) + sum(e) + r^2 + sum(M^2) * M[1,3]
        """,
        _neighbours,
    ),
    "swish": Case(
        """
        define swish(z) = z * sigmoid(1.702 * z)
        size n = 8
        input x[n]
        weight W[16, n], b[16], v[16]
        constant c = 0.35
        z[i] = sum(j: W[i,j] * x[j]) + b[i]
        h[i] = swish(z[i])
        y = sum(i: v[i] * h[i]) + c
        target t
        loss L = log(cosh(y - t))
        """,
        _swish,
    ),
    "gallery of functions": Case(
        """
        input x[3]
        weight w[3], s
        z[i] = w[i] * x[i]
        loss L = sum(sin(z) + cos(z) * sinh(z) - cosh(z) + erf(z) + log(1 + z^2) + sqrt(2 + z)) \
            + sum((1 + exp(z))^(s/3)) + sum(z) / sum(1 + z^2)
        """,
        _gallery,
    ),
    "matrix products": Case(
        """
        input x[3]
        weight A[2, 4], B[4, 3], u[2], v[3]
        loss L = sum((A @ B @ x)^2) + u @ (A @ B @ v)
        """,
        _matrix_products,
    ),
    "scalar in, scalar out": Case(
        """
        input x
        h[3] = sigmoid(dense(x))
        y = dense(h)
        target t
        loss L = log(1 + exp(-t * y))
        """,
        _scalar_layers,
    ),
}


# Any feed-forward network ------------------------------------------------------------------------------------

_ACTIVATIONS = ["identity", "sigmoid", "tanh", "relu", "softplus", "sin", "abs", "erf", "bent"]
_RANDOM_LOSSES = [
    "loss L = squared_error(y, t)",
    "loss L = 1/2 * sum((y - t)^2) + 0.01 * sum(W1^2)",
    "loss L = mean(log(cosh(y - t)))",
    "p = softmax(y)\nloss L = cross_entropy(t, p)",
    "p = sigmoid(y)\nloss L = binary_cross_entropy(t, p)",
    "loss L = max(y) + sum(sqrt(1 + (y - t)^2))",
]


@st.composite
def feed_forward(draw: st.DrawFn) -> str:
    """A specification: one to three layers, perhaps with a residual or a skip connection, and a loss."""
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    lines = [f"input x[{widths[0]}]"]
    name, width, skipped = "x", widths[0], ""
    for layer, size in enumerate(widths[1:], 1):
        kind = draw(st.sampled_from(["dense", "linear"]))
        activation = draw(st.sampled_from(_ACTIVATIONS))
        body = f"{activation}({kind}({name}))"
        if size == width and draw(st.booleans()):
            body = f"{name} + {body}"
        elif draw(st.booleans()) and not skipped:
            weight = f"S{layer}"
            skipped = f"weight {weight}[{size}, {widths[0]}]"
            body = f"{body} {draw(st.sampled_from('*+'))} ({weight} @ x)"
        lines.append(f"h{layer}[{size}] = {body}")
        name, width = f"h{layer}", size
    outputs = draw(st.integers(1, 3))
    loss = draw(st.sampled_from(_RANDOM_LOSSES)).replace("p =", f"p[{outputs}] =")
    lines += [skipped, f"y[{outputs}] = dense({name})", f"target t[{outputs}]", loss]
    bent = ["define bent(z) = sqrt(z^2 + 1) - 1 + z"] * any("bent(" in line for line in lines)
    return "\n".join([*bent, *lines, ""])


# Reading LaTeX numbers ----------------------------------------------------------------------------------------


class Unreadable(ValueError):
    """A formula holds something besides numbers."""


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<command>\\(?:[A-Za-z]+|.))|(?P<sign>[-+*/^_(){}\[\]<>=,&|])|(?P<letter>[A-Za-z]))"
)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "\\exp": math.exp,
    "\\log": math.log,
    "\\tanh": math.tanh,
    "\\sinh": math.sinh,
    "\\cosh": math.cosh,
    "\\sin": math.sin,
    "\\cos": math.cos,
    "\\max": max,
    "\\min": min,
    "\\sigma": lambda z: 0.5 * (1 + math.tanh(z / 2)),
    "erf": math.erf,
    "ReLU": lambda z: max(z, Fraction(0)),
    "sgn": lambda z: Fraction((z > 0) - (z < 0)),
    "softplus": lambda z: math.log1p(math.exp(z)),
}


def read_latex(text: str) -> Fraction | float:
    """The value of a LaTeX formula that holds numbers alone, a Fraction where no function is in it.

    Raises :class:`Unreadable` where anything but numbers stands in it.
    """
    text = re.sub(r"\\(?:left|right|[bB]igg?[lr]|[,;:!]|quad)(?![A-Za-z])", " ", text).replace(
        "\\mathrm{", "\\mathrm {"
    )
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unreadable(text)
        tokens.append(match.group().strip())
        position = match.end()
    reader = _LatexReader(tokens)
    value = reader.sum()
    if reader.here:
        raise Unreadable(f"{reader.here} in {text}")
    return value


_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "\\le": operator.le,
    "\\ge": operator.ge,
}


class _LatexReader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place = tokens, 0

    @property
    def here(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.here
        if not token or (expected and token != expected):
            raise Unreadable(f"{token!r} in the place of {expected!r}: {' '.join(self.tokens)}")
        self.place += 1
        return token

    def sum(self) -> Fraction | float:
        negative = self.here == "-"
        if self.here in ("-", "+"):
            self.take()
        total = -self.product() if negative else self.product()
        while self.here in ("-", "+"):
            sign = self.take()
            term = self.product()
            total = total + term if sign == "+" else total - term
        return total

    def product(self) -> Fraction | float:
        value = self.power()
        while self.here and self.here not in (")", "}", "]", "-", "+", *_RELATIONS, ",", "&", "|", "\\end", "\\\\"):
            if self.here == "\\cdot":
                self.take()
            value = value * self.power()
        return value

    def power(self) -> Fraction | float:
        value = self.atom()
        if self.here == "^":
            value = value ** self.exponent()
        return value

    def exponent(self) -> Any:
        self.take("^")
        if self.here != "{":
            return int(self.take())
        exponent = self.group()
        return int(exponent) if exponent == int(exponent) else float(exponent)

    def group(self) -> Fraction | float:
        self.take("{")
        value = self.sum()
        self.take("}")
        return value

    def atom(self) -> Fraction | float:
        token = self.take()
        if re.fullmatch(r"\d+(\.\d+)?", token):
            return Fraction(token)
        match token:
            case "(":
                value = self.sum()
                self.take(")")
                return value
            case "|":
                value = abs(self.sum())
                self.take("|")
                return value
            case "\\frac":
                return self.group() / self.group()
            case "\\sqrt":
                return math.sqrt(self.group())
            case "[":
                return self.condition("]")
            case "e":
                self.take("^")
                return math.exp(self.group())
            case "\\begin":
                return self.cases()
        if token == "\\mathrm":
            self.take("{")
            token = ""
            while self.here != "}":
                token += self.take()
            self.take("}")
        if token not in _FUNCTIONS:
            raise Unreadable(token)
        exponent = self.exponent() if self.here == "^" else 1
        self.take("(")
        arguments = [self.sum()]
        while self.here == ",":
            self.take()
            arguments.append(self.sum())
        self.take(")")
        return _FUNCTIONS[token](*arguments) ** exponent

    def condition(self, end: str) -> Fraction:
        holds, left = True, self.sum()
        while self.here in _RELATIONS or self.here == ",":
            if self.here == ",":
                self.take()
                left = self.sum()
            sign, right = self.take(), self.sum()
            if sign not in _RELATIONS:
                raise Unreadable(sign)
            holds, left = holds and _RELATIONS[sign](left, right), right
        if end:
            self.take(end)
        return Fraction(holds)

    def cases(self) -> Fraction | float:
        for expected in "{cases}":
            self.take(expected)
        rows = []
        while True:
            value = self.sum()
            self.take("&")
            if self.here == "\\text":
                break
            rows.append((self.condition(""), value))
            self.take("\\\\")
        while self.here and self.here != "\\end":
            self.take()
        for expected in ("\\end", *"{cases}"):
            self.take(expected)
        return next((row for holds, row in rows if holds), value)
