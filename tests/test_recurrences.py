"""Recurrences: how they are written, and their derivatives next to automatic differentiation of code by hand."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import numba
import numpy as np
import pytest
import sympy
from autograd import grad
from oracles import Data, automatic, derived, draw, network_of, sigmoid, sweep_of

from codegen.numbering import PlainText
from codegen.trainer.module import render
from derive.derivation import derive
from derive.expressions import Access, Within, index
from derive.gather import gather
from derive.network import Scan, flatten

# Networks by hand ---------------------------------------------------------------------------------------------

RNN = """
    size T = 4
    input x[T, 2]
    weight W[3, 3], U[3, 2], b[3]
    h[t] = tanh(W @ h[t-1] + U @ x[t] + b)
    y = linear(h[T])
    target r
    loss L = 1/2 * (y - r)^2
"""


def states(cell: Callable[[Any, Any], Any], state: Any, x: Any) -> list[Any]:
    """All states of a cell from ``state`` on."""
    found = []
    for row in x:
        state = cell(state, row)
        found.append(state)
    return found


def tanh_cell(w: Any, u: Any, b: Any) -> Callable[[Any, Any], Any]:
    return lambda h, x: anp.tanh(anp.dot(w, h) + anp.dot(u, x) + b)


def _rnn(d: Data) -> Any:
    h = states(tanh_cell(d["W"], d["U"], d["b"]), anp.zeros(3), d["x"])[-1]
    return 0.5 * (anp.dot(d["W1"], h)[0] - d["r"]) ** 2


GRU = """
    size T = 4
    input x[T, 2]
    weight Wz[3, 3], Uz[3, 2], bz[3], Wr[3, 3], Ur[3, 2], br[3], Wh[3, 3], Uh[3, 2], bh[3]
    z[t] = sigmoid(Wz @ h[t-1] + Uz @ x[t] + bz)
    r[t] = sigmoid(Wr @ h[t-1] + Ur @ x[t] + br)
    n[t] = tanh(Wh @ (r[t] * h[t-1]) + Uh @ x[t] + bh)
    h[t] = (1 - z[t]) * h[t-1] + z[t] * n[t]
    y[t] = linear(h[t])
    target a[T]
    loss L = sum((y - a)^2)
"""


def _gru(d: Data) -> Any:
    def cell(h: Any, x: Any) -> Any:
        z = sigmoid(anp.dot(d["Wz"], h) + anp.dot(d["Uz"], x) + d["bz"])
        r = sigmoid(anp.dot(d["Wr"], h) + anp.dot(d["Ur"], x) + d["br"])
        n = anp.tanh(anp.dot(d["Wh"], r * h) + anp.dot(d["Uh"], x) + d["bh"])
        return (1 - z) * h + z * n

    y = [anp.dot(d["W1"], h)[0] for h in states(cell, anp.zeros(3), d["x"])]
    return sum((v - a) ** 2 for v, a in zip(y, d["a"], strict=True))


LSTM = """
    size T = 3
    input x[T, 2]
    weight P[2], Q[2], R[2]
    f[t, 2] = sigmoid(dense(x[t]) + linear(h[t-1]){f})
    i[t, 2] = sigmoid(dense(x[t]) + linear(h[t-1]){i})
    g[t, 2] = tanh(dense(x[t]) + linear(h[t-1]))
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    o[t, 2] = sigmoid(dense(x[t]) + linear(h[t-1]){o})
    h[t] = o[t] * tanh(c[t])
    target r[2]
    loss L = sum((h[T] - r)^2) + sum(P^2) + sum(Q^2) + sum(R^2)
"""


def _lstm(d: Data, peepholes: float) -> Any:
    def gate(k: int, h: Any, x: Any, c: Any) -> Any:
        return anp.dot(d[f"W{k}"], x) + d[f"b{k}"] + anp.dot(d[f"W{k + 1}"], h) + peepholes * c

    h, c = anp.zeros(2), anp.zeros(2)
    for x in d["x"]:
        f = sigmoid(gate(1, h, x, d["P"] * c))
        i = sigmoid(gate(3, h, x, d["Q"] * c))
        c = f * c + i * anp.tanh(gate(5, h, x, 0.0))
        h = sigmoid(gate(7, h, x, d["R"] * c)) * anp.tanh(c)
    return anp.sum((h - d["r"]) ** 2) + anp.sum(d["P"] ** 2) + anp.sum(d["Q"] ** 2) + anp.sum(d["R"] ** 2)


PLAIN_LSTM = LSTM.format(f="", i="", o="")
PEEPHOLES = LSTM.format(f=" + P * c[t-1]", i=" + Q * c[t-1]", o=" + R * c[t]")

BIDIRECTIONAL = """
    size T = 4
    input x[T, 2]
    weight W[3, 3], U[3, 2], b[3], V[3, 3], A[3, 2], a[3]
    f[t] = tanh(W @ f[t-1] + U @ x[t] + b)
    g[s] = tanh(V @ g[s-1] + A @ x[T+1-s] + a)
    y[t, 2] = linear(f[t]) + dense(g[T+1-t])
    target r[T, 2]
    loss L = sum((y - r)^2)
"""


def _bidirectional(d: Data) -> Any:
    f = states(tanh_cell(d["W"], d["U"], d["b"]), anp.zeros(3), d["x"])
    g = states(tanh_cell(d["V"], d["A"], d["a"]), anp.zeros(3), d["x"][::-1])[::-1]
    y = [anp.dot(d["W1"], p) + anp.dot(d["W2"], q) + d["b2"] for p, q in zip(f, g, strict=True)]
    return sum(anp.sum((v - r) ** 2) for v, r in zip(y, d["r"], strict=True))


STACKED = """
    size T = 4
    input x[T]
    h[t, 3] = tanh(dense(x[t]) + linear(h[t-1]))
    k[t, 2] = tanh(dense(h[t]) + linear(k[t-1]))
    p[t] = softmax(k[t])
    target r[T, 2]
    loss L = -sum(t: r[t] @ log(p[t]))
"""


def _stacked(d: Data) -> Any:
    def layer(n: int, size: int, x: Any) -> list[Any]:
        return states(tanh_cell(d[f"W{n + 1}"], d[f"W{n}"], d[f"b{n}"]), anp.zeros(size), x)

    k = layer(3, 2, layer(1, 3, d["x"].reshape(4, 1)))
    return -sum(anp.dot(r, v - anp.log(anp.sum(anp.exp(v)))) for v, r in zip(k, d["r"], strict=True))


LEARNED_START = """
    size T = 3
    input x[T, 2], u[2]
    weight W[2, 2], s[2], Q[2, 2]
    h[0] = tanh(Q @ u) * s
    h[t] = tanh(W @ h[t-1] + x[t])
    y[t] = W @ h[t]
    target r[T, 2]
    loss L = mean((y - r)^2) + sum(s^2)
"""


def _learned_start(d: Data) -> Any:
    start = anp.tanh(anp.dot(d["Q"], d["u"])) * d["s"]
    h = states(lambda h, x: anp.tanh(anp.dot(d["W"], h) + x), start, d["x"])
    return anp.mean((anp.array([anp.dot(d["W"], v) for v in h]) - d["r"]) ** 2) + anp.sum(d["s"] ** 2)


TWO_BACK = """
    size T = 5
    input x[T, 2]
    weight W[2, 2], V[2, 2], a
    h[t] = tanh(W @ h[t-1] + V @ h[t-2] + a * x[t])
    loss L = sum(h^2) + sum(h[2]) * sum(h[T])
"""


def _two_back(d: Data) -> Any:
    h = [anp.zeros(2), anp.zeros(2)]
    for x in d["x"]:
        h.append(anp.tanh(anp.dot(d["W"], h[-1]) + anp.dot(d["V"], h[-2]) + d["a"] * x))
    return sum(anp.sum(v**2) for v in h) + anp.sum(h[3]) * anp.sum(h[-1])


AMIDST = """
    size T = 4
    input x[T, 2]
    weight W[2, 2], m
    v[t] = m * v[t-1] + W @ h[t-1] + x[t]
    u[t] = tanh(v[t])
    h[t] = u[t] * u[t-1] + v[t-1]
    loss L = sum(h^2)
"""


def _amidst(d: Data) -> Any:
    v, u, h = anp.zeros(2), anp.zeros(2), anp.zeros(2)
    total = 0.0
    for x in d["x"]:
        before = v, u
        v = d["m"] * v + anp.dot(d["W"], h) + x
        u = anp.tanh(v)
        h = u * before[1] + before[0]
        total = total + anp.sum(h**2)
    return total


LABELLING = """
    size T = 4
    input x[T, 2]
    h[t, 3] = tanh(dense(x[t]) + linear(h[t-1]))
    z[t, 3] = dense(h[t])
    p[t] = softmax(z[t])
    target r[T, 3]
    loss L = sum(t: cross_entropy(r[t], p[t]))
"""


def _labelling(d: Data) -> Any:
    h = states(tanh_cell(d["W2"], d["W1"], d["b1"]), anp.zeros(3), d["x"])
    z = [anp.dot(d["W3"], v) + d["b3"] for v in h]
    return -sum(anp.dot(r, v - anp.log(anp.sum(anp.exp(v)))) for v, r in zip(z, d["r"], strict=True))


NETWORKS: dict[str, tuple[str, Callable[[Data], Any]]] = {
    "rnn": (RNN, _rnn),
    "gru": (GRU, _gru),
    "lstm": (PLAIN_LSTM, lambda d: _lstm(d, 0.0)),
    "lstm with peepholes": (PEEPHOLES, lambda d: _lstm(d, 1.0)),
    "bidirectional": (BIDIRECTIONAL, _bidirectional),
    "stacked": (STACKED, _stacked),
    "every step labelled": (LABELLING, _labelling),
    "learned start": (LEARNED_START, _learned_start),
    "two steps back": (TWO_BACK, _two_back),
    "read back in the midst of a recurrence": (AMIDST, _amidst),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_automatic_differentiation(name: str) -> None:
    spec, by_hand = NETWORKS[name]
    network = network_of(spec)
    data = draw(network, seed=len(name))
    loss, gradients = derived(spec, data)
    expected_loss, expected = automatic(network, by_hand, data)
    assert loss == pytest.approx(expected_loss, rel=1e-10)
    assert set(gradients) == set(expected)
    for weight, gradient in expected.items():
        assert np.any(gradient != 0), f"the test says nothing about {weight}"
        scale = float(np.max(np.abs(gradient)))
        np.testing.assert_allclose(gradients[weight], gradient, rtol=1e-9, atol=1e-11 * scale, err_msg=weight)


@pytest.mark.parametrize("name", NETWORKS)
def test_trainers_compute_the_derived_gradient(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, for several sequences at once; the kernels run as plain Python, so an index out of range shows."""
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    spec, by_hand = NETWORKS[name]
    path = tmp_path / f"recurrence_{list(NETWORKS).index(name)}_trainer.py"
    path.write_text(render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name="net_trainer"))
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, path.stem, module)
    found.loader.exec_module(module)
    rng = np.random.default_rng(2)
    X, y = module.random_data(rng, 3)
    weights = {w: np.array(rng.standard_normal(shape) / 2) for w, shape in module.WEIGHTS.items()}
    data = {**X, **y}

    def loss(w: Any) -> Any:
        return sum(by_hand({**w, **{k: v[n] for k, v in data.items()}}) for n in range(3)) / 3

    assert module.loss(weights, X, y or None) == pytest.approx(float(loss(weights)), rel=1e-12)
    gradients = module.gradient(weights, X, y or None)
    for weight, expected in grad(loss)(weights).items():
        scale = float(np.max(np.abs(expected)))
        np.testing.assert_allclose(gradients[weight], expected, rtol=1e-9, atol=1e-11 * scale, err_msg=weight)


def test_every_step_of_a_labelled_sequence_has_the_error_of_its_own_labels() -> None:
    """Σ r = 1 holds for the labels of every step, so softmax with cross-entropy is p - r there as elsewhere."""
    swept = sweep_of(LABELLING)
    written = PlainText(network_of(LABELLING), swept)
    assert "δ_z[t,i] = p[t,i] - r[t,i]" in [written(eq) for eq in flatten(swept.equations)]


# How they are written -----------------------------------------------------------------------------------------


def shapes(spec: str) -> dict[str, tuple[int, ...]]:
    return {t.name: t.shape for t in network_of(spec).tensors.values() if not t.anonymous}


@pytest.mark.parametrize("name", NETWORKS)
def test_one_loop_over_time_for_every_direction_and_layer(name: str) -> None:
    scans = [s for s in network_of(NETWORKS[name][0]).equations if isinstance(s, Scan)]
    assert len(scans) == {"bidirectional": 2, "stacked": 2}.get(name, 1)


def test_rows_without_a_recurrence() -> None:
    spec = "input x[5, 3]\nweight W[2, 3]\nq[t] = W @ x[t]\ns[i] = q[i] @ q[1]\nloss L = sum(s)"
    assert {k: v for k, v in shapes(spec).items() if k in "qs"} == {"q": (5, 2), "s": (5,)}


@pytest.mark.parametrize(
    ("equations", "state"),
    [
        ("h[t] = tanh(W @ h[t-1] + x[t])", (5, 3)),  # h[0] is stored beside h[1] … h[4]
        ("h[t] = tanh(h[t-1] @ W + x[t])", (5, 3)),
        ("z[t] = W @ h[t-1]\nh[t] = tanh(z[t]) + x[t]", (5, 3)),
        ("z[t] = 2 * h[t-1]\nh[t] = tanh(z[t]) + W @ x[t]", (5, 3)),
        ("z[t] = h[t-1] @ h[t-1]\nh[t] = z[t] * x[t] + W[1]", (5, 3)),
        ("z[t] = W @ h[t-1]\ng[t] = 2 * h[t-1]\nh[t] = g[t] / (1 + z[t] @ z[t] + x[t,1]^2)", (5, 3)),
        ("h[t] = mean(x[t]) * h[t-1] + W[1,1]", (5,)),
        ("h[t] = softmax(h[t-1] + x[t]) + W[1]", (5, 3)),
        ("z[t] = squared_error(h[t-1], x[t])\nh[t] = z[t] * W[1]", (5, 3)),
        ("h[t, 3] = tanh(linear(h[t-1])) + sum(W) + x[t,1]", (5, 3)),
        ("h[t] = x[t] + tanh(dense(h[t-1])) + sum(W)", (5, 3)),
        ("h[t, 3, 2] = tanh(W @ h[t-1]) + x[t,1]", (5, 3, 2)),
    ],
)
def test_the_shape_of_a_state_is_told_from_the_equations(equations: str, state: tuple[int, ...]) -> None:
    spec = f"size T = 4\ninput x[T, 3]\nweight W[3, 3]\n{equations}\nloss L = sum(h^2)"
    assert shapes(spec)["h"] == state


def test_layers_in_a_recurrence_have_one_set_of_weights() -> None:
    spec = "size T = 7\ninput x[T, 3]\nh[t, 5] = tanh(dense(x[t]) + linear(h[t-1]))\ny[t] = linear(h[t])\nloss sum(y)"
    weights = {w.name: w.shape for w in network_of(spec).weights}
    assert weights == {"W1": (5, 3), "b1": (5,), "W2": (5, 5), "W3": (1, 5)}
    assert [w.name for w in network_of(spec).weights if w.bias] == ["b1"]


# The backward recurrence --------------------------------------------------------------------------------------


def test_the_derivative_of_a_simple_recurrent_network_has_the_textbook_form() -> None:
    """Goodfellow, Bengio and Courville (2016), eq. 10.19–10.22: δ[t] from the output and from δ[t+1]; sums over t."""
    swept = sweep_of(RNN)
    assert swept.deltas == ["y", "h", "z"]
    (scan,) = (s for s in swept.equations if isinstance(s, Scan))
    assert scan.backward
    assert (scan.first, scan.last) == (1, 4)
    written = PlainText(network_of(RNN), swept)
    lines = [written(eq) for eq in flatten(swept.equations) if written.is_shown(eq)]
    assert lines == [
        "δ_y = y - r",
        "δ_h[t,i] = [t = 4] δ_y W1[1,i] + [t < 4] Σ_j δ_z[t+1,j] W[j,i]",
        "δ_z[t,i] = δ_h[t,i] (1 - h[t,i]^2)",
        "∂L/∂W[i,j] = Σ_t δ_z[t,i] h[t-1,j]",
        "∂L/∂U[i,j] = Σ_t δ_z[t,i] x[t,j]",
        "∂L/∂b[i] = Σ_t δ_z[t,i]",
        "∂L/∂W1[1,i] = δ_y h[4,i]",
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_derivative_has_a_closed_form(name: str) -> None:
    swept = sweep_of(NETWORKS[name][0])
    assert all(found.closed is not None for found in swept.adjoints.values())
    assert not any(eq.accumulate for eq in flatten(swept.equations))


def test_the_derivation_does_not_grow_with_the_length() -> None:
    short, long = (sweep_of(GRU.replace("T = 4", f"T = {n}")) for n in (4, 1000))
    assert [str(eq).replace("1000", "4") for eq in flatten(long.equations)] == [
        str(eq) for eq in flatten(short.equations)
    ]


# Reading a contribution from the other side -------------------------------------------------------------------

ROW, J, K, G = map(index, "ijkg")


@pytest.mark.parametrize(
    ("indices", "ranges", "target", "sizes", "expected", "over"),
    [
        ((ROW,), {ROW: (1, 4)}, (G,), {G: (1, 4)}, Access("c", G), ()),
        ((ROW - 1,), {ROW: (1, 4)}, (G,), {G: (1, 4)}, Within(G + 1, -sympy.oo, 4, Access("c", G + 1)), ()),
        ((ROW - 1,), {ROW: (1, 4)}, (sympy.Integer(0),), {}, Access("c", 1), ()),
        ((ROW + 2,), {ROW: (1, 3)}, (G,), {G: (1, 5)}, Within(G - 2, 1, sympy.oo, Access("c", G - 2)), ()),
        ((6 - ROW,), {ROW: (1, 5)}, (G,), {G: (1, 5)}, Access("c", 6 - G), ()),
        ((sympy.Integer(3),), {}, (G,), {G: (1, 4)}, Within(G, 3, 3, Access("c")), ()),
        ((ROW, ROW), {ROW: (1, 4)}, (G, K), {G: (1, 4), K: (1, 4)}, Within(G - K, 0, 0, Access("c", G)), ()),
        (
            (ROW + J - 1,),
            {ROW: (1, 5), J: (1, 3)},
            (G,),
            {G: (1, 7)},
            Within(G - J + 1, 1, 5, Access("c", G - J + 1, J)),
            (J,),
        ),
    ],
)
def test_a_contribution_is_gathered(
    indices: Any, ranges: Any, target: Any, sizes: Any, expected: sympy.Expr, over: Any
) -> None:
    found = gather(Access("c", *sorted(ranges, key=str)), Access("a", *indices), ranges, target, sizes)
    assert found is not None
    assert (found.expression, found.over) == (expected, over)


def test_a_strided_read_stays_a_scatter_where_looking_for_it_would_cost_more() -> None:
    ranges = {ROW: (1, 50), K: (1, 3)}
    assert gather(Access("c", ROW, K), Access("x", 2 * ROW + K), ranges, (G,), {G: (3, 103)}) is None


LONG_LSTM = """
    size T = 1000
    input x[T, 8]
    f[t, 16] = sigmoid(dense(x[t]) + linear(h[t-1]))
    i[t, 16] = sigmoid(dense(x[t]) + linear(h[t-1]))
    o[t, 16] = sigmoid(dense(x[t]) + linear(h[t-1]))
    g[t, 16] = tanh(dense(x[t]) + linear(h[t-1]))
    c[t] = f[t] * c[t-1] + i[t] * g[t]
    h[t] = o[t] * tanh(c[t])
    y[t] = linear(h[t])
    target r[T]
    loss L = mean((y - r)^2)
"""


def test_a_thousand_steps_are_derived_and_proved_in_seconds() -> None:
    began = time.process_time()
    derivation = derive(network_of(LONG_LSTM))
    assert time.process_time() - began < 10
    assert derivation.proof.narrow
    assert all(check.holds for check in derivation.proof.checks)


def test_every_line_of_a_small_lstm_is_derived_and_proved_in_seconds() -> None:
    spec = LONG_LSTM.replace("1000", "4").replace("x[T, 8]", "x[T]").replace("16", "2")
    spec = spec.replace("y[t] = linear(h[t])", "y = linear(h[T])").replace("r[T]", "r")
    began = time.process_time()
    derivation = derive(network_of(spec.replace("mean((y - r)^2)", "(y - r)^2")))
    assert time.process_time() - began < 10
    weights = {e for e in derivation.lines if e.tensor in derivation.sweep.weights}
    assert len(weights) == sum(w.size for w in derivation.network.weights) == 34
