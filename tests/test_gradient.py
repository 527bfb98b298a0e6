"""The reverse sweep: its equations give what automatic differentiation of code written by hand gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import (
    CASES,
    EXAMPLE_LOSSES,
    EXAMPLES,
    Case,
    Data,
    automatic,
    complex_step,
    derived,
    draw,
    elements,
    evaluated,
    exact,
    example,
    feed_forward,
    network_of,
    point_of,
    sweep_of,
)

from derive.evaluate import context
from derive.expressions import Access, Cases, index_symbols
from derive.gradient import Sweep, adjoint_name, sweep
from derive.network import Equation, Network, Scan
from derive.scalars import Scalars

ALL_CASES = {**{name: Case(example(name), loss) for name, loss in EXAMPLE_LOSSES.items()}, **CASES}


def flat(swept: Sweep) -> list[Equation]:
    return [eq for step in swept.equations for eq in (step.equations if isinstance(step, Scan) else (step,))]


def test_every_example_has_a_forward_pass_written_by_hand() -> None:
    coupled = {"digits_normalised"}  # its samples need each other: test_batch_norm.py
    assert set(EXAMPLE_LOSSES) | coupled == set(EXAMPLES)


@pytest.mark.parametrize("name", ALL_CASES)
def test_gradients_are_those_of_automatic_differentiation(name: str) -> None:
    case = ALL_CASES[name]
    network = network_of(case.spec)
    data = {**draw(network, seed=len(name)), **case.fixed}
    loss, gradients = derived(case.spec, data)
    expected_loss, expected = automatic(network, case.loss, data)
    assert loss == pytest.approx(expected_loss, rel=1e-10, abs=1e-10)
    assert set(gradients) == set(expected)
    for weight, gradient in expected.items():
        assert np.any(gradient != 0) or case.fixed, f"the test says nothing about {weight}"
        scale = max(1.0, float(np.max(np.abs(gradient))))
        np.testing.assert_allclose(gradients[weight], gradient, rtol=1e-10, atol=1e-10 * scale, err_msg=weight)


# Any feed-forward network -------------------------------------------------------------------------------------


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(feed_forward(), st.integers(0, 10**6))
def test_gradients_of_any_feed_forward_network_are_complex_steps(spec: str, seed: int) -> None:
    network = network_of(spec)
    data = exact(network, draw(network, seed))
    if "cross_entropy" not in spec:
        data = {**data, "t": {p: v + context.mpf(seed % 7) / 10 for p, v in data["t"].items()}}
    values = evaluated(network, sweep(network), data)
    for weight in elements(network.weights):
        found = values[adjoint_name(weight.tensor)][point_of(weight)]
        wanted = complex_step(network, data, weight)
        assert abs(found - wanted) <= context.mpf("1e-25") * max(1, abs(wanted)), f"{weight}\n{spec}"


# Cost ---------------------------------------------------------------------------------------------------------

WIDE = {
    "layers": "input x[7]\nh[{n}] = tanh(dense(x))\ng[{n}] = relu(h) * h\np[3] = softmax(dense(g))\ntarget t[3]\n"
    "loss L = cross_entropy(t, p) + 0.001 * sum(W1^2)",
    "layer norm": "input x[{n}]\nweight g[{n}], b[{n}]\nm = mean(x)\nv = mean(i: (g[i] * x[i] - m)^2)\n"
    "y[i] = (g[i] * x[i] - m) / sqrt(v + 0.01) + b[i]\nloss L = sum(y^4)",
    "convolution": "size n = {n}\ninput x[n]\nweight K[3], v[{m}]\nz[i] = sum(k: K[k] * x[i+k-1])\n"
    "loss L = log(1 + sum(i: v[i] * tanh(z[i])))",
}


def nodes(swept: Sweep) -> int:
    return sum(1 for eq in flat(swept) for _ in sympy.preorder_traversal(eq.body))


@pytest.mark.parametrize("name", WIDE)
def test_size_of_the_derivation_does_not_depend_on_width(name: str) -> None:
    def sizes(width: int) -> tuple[int, int, int]:
        network = network_of(WIDE[name].format(n=width, m=width - 2))
        swept = sweep(network)
        return len(network.flat_equations), len(flat(swept)), nodes(swept)

    assert sizes(8) == sizes(8000)


@pytest.mark.parametrize("name", ["xor", "iris", "digits"])
def test_derivatives_stay_short(name: str) -> None:
    """At most two derivative equations and about thirty nodes for every forward equation: no swell."""
    network, swept = network_of(example(name)), sweep_of(example(name))
    assert len(flat(swept)) <= 2 * len(network.flat_equations)
    assert nodes(swept) <= 30 * len(network.flat_equations)


@pytest.mark.parametrize("name", CASES)
def test_no_delta_no_derivative_and_no_unbound_index_is_left(name: str) -> None:
    swept = sweep_of(CASES[name].spec)
    for eq in flat(swept):
        forbidden = (sympy.KroneckerDelta, sympy.DiracDelta, sympy.Heaviside, sympy.Derivative, sympy.Piecewise)
        assert not eq.body.has(*forbidden, sympy.Dummy, sympy.Subs), str(eq)
        bound = {*eq.free, *eq.reduce}
        scans = {s.index for s in swept.equations if isinstance(s, Scan)}
        assert index_symbols(eq.body) <= bound | scans, str(eq)
        assert bound <= set(eq.ranges) | scans, str(eq)


@pytest.mark.parametrize("name", ["iris", "attention", "layer norm", "mutual recurrence", "maximum over an index"])
def test_two_sweeps_are_equal(name: str) -> None:
    one, other = sweep_of(ALL_CASES[name].spec), sweep(network_of.__wrapped__(ALL_CASES[name].spec))
    assert [str(eq) for eq in flat(one)] == [str(eq) for eq in flat(other)]
    assert one.deltas == other.deltas


# Kinks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "at", "slope"),
    [
        ("relu(w)", 0, 0),
        ("max(w, 0)", 0, 0),
        ("max(0, w)", 0, 0),
        ("min(w, 0)", 0, 0),
        ("abs(w)", 0, 0),
        ("sign(w) * w", 0, 0),
        ("max(w, 2)", 2, 0),
        ("max(2, w)", 2, 0),
        ("min(w, 2)", 2, 0),
        ("relu(w)", 1, 1),
        ("relu(w)", -1, 0),
        ("abs(w)", 3, 1),
        ("abs(w)", -3, -1),
        ("max(w, 2)", 3, 1),
        ("min(w, 2)", 3, 0),
        ("sign(w)", 3, 0),
        ("max(w^2, w)", 1, 1),  # a tie of two that are no numbers: the derivative is that of the second
        ("max(w, w^2)", 1, 2),
        ("min(w^2, w)", 1, 1),
    ],
)
def test_derivative_at_a_kink_is_the_stated_one(loss: str, at: int, slope: int) -> None:
    _, gradients = derived(f"weight w\nloss L = {loss}", {"w": np.array(float(at))})
    assert float(gradients["w"]) == slope


def test_a_maximum_shares_its_derivative_among_all_places_where_it_is_attained() -> None:
    spec = "weight w[4], a\nm = max(j: w[j])\nloss L = a * m"
    _, gradients = derived(spec, {"w": np.array([2.0, 1.0, 2.0, 2.0]), "a": np.array(6.0)})
    np.testing.assert_array_equal(gradients["w"], [2.0, 0.0, 2.0, 2.0])
    assert gradients["a"] == 2.0


# Closed forms -------------------------------------------------------------------------------------------------


def closed(network: Network, tensor: str, *indices: str) -> sympy.Expr:
    """The closed form of ∂loss/∂tensor with the index letters given."""
    found = sweep(network).adjoints[tensor]
    assert found.closed is not None
    letters = [sympy.Symbol(name, integer=True, positive=True) for name in indices]
    return found.closed.xreplace(dict(zip(found.indices, letters, strict=True)))


ROW, COLUMN = (sympy.Symbol(name, integer=True, positive=True) for name in "ij")
SOFTMAX = "input x[3]\nz[4] = dense(x)\np[4] = softmax(z)\ntarget t[4]\nloss L = cross_entropy(t, p)"
SIGMOID = "input x[3]\nz[2] = dense(x)\np[2] = sigmoid(z)\ntarget t[2]\nloss L = binary_cross_entropy(t, p)"
SCALAR_SIGMOID = "input x[3]\nz = dense(x)\ny = sigmoid(z)\ntarget t\nloss L = -(t * log(y) + (1 - t) * log(1 - y))"
TANH = "input x[3]\nz[4] = dense(x)\nh[4] = tanh(z)\nweight v[4]\nloss L = sum(v * h)"
LOGISTIC = "input x[3]\nz[4] = dense(x)\nh[4] = sigmoid(z)\nweight v[4]\nloss L = sum(v * h)"
RELU = "input x[3]\nz[4] = dense(x)\nh[4] = relu(z)\nweight v[4]\nloss L = sum(v * h)"
SOFTPLUS = "input x[3]\nz[4] = dense(x)\nh[4] = softplus(z)\nweight v[4]\nloss L = sum(v * h)"
SQUARED = "input x[3]\nz[4] = dense(x)\ntarget t[4]\nloss L = squared_error(z, t)"
LOG_COSH = "input x[3]\nz = dense(x)\ntarget t\nloss L = log(cosh(z - t))"
SPREAD = "input x[3]\nz[4] = dense(x)\nloss L = log(sum(exp(z)))"


@pytest.mark.parametrize(
    ("spec", "form"),
    [
        (SOFTMAX, Access("p", ROW) - Access("t", ROW)),
        (SIGMOID, Access("p", ROW) - Access("t", ROW)),
        (TANH, Access("v", ROW) * (1 - Access("h", ROW) ** 2)),
        (LOGISTIC, Access("v", ROW) * Access("h", ROW) * (1 - Access("h", ROW))),
        (RELU, Access("v", ROW) * Cases(Access("z", ROW), 1, 0)),
        (SOFTPLUS, Access("v", ROW) / (1 + sympy.exp(-Access("z", ROW)))),
        (SQUARED, 2 * (Access("z", ROW) - Access("t", ROW))),
    ],
    ids=["softmax", "sigmoid", "tanh", "logistic", "relu", "softplus", "squared error"],
)
def test_closed_form_of_a_layer(spec: str, form: sympy.Expr) -> None:
    network = network_of(spec)
    delta = closed(network, "z", "i")
    assert delta == form
    assert closed(network, "b1", "i") == Access("∂z", ROW)
    assert closed(network, "W1", "i", "j") == Access("∂z", ROW) * Access("x", COLUMN)


def test_closed_form_of_a_scalar_sigmoid() -> None:
    assert closed(network_of(SCALAR_SIGMOID), "z") == Access("y") - Access("t")


def test_log_cosh_gives_tanh() -> None:
    assert closed(network_of(LOG_COSH), "z") == sympy.tanh(Access("z") - Access("t"))


def test_softmax_without_a_target_that_adds_up_to_one_keeps_its_sum() -> None:
    """p − t only holds because Σ t = 1; with weights in the place of the target the derivative is p Σ t − t."""
    spec = "input x[3]\nz[2] = dense(x)\np[2] = softmax(z)\ntarget t[2]\nloss L = -sum(t * log(p))"
    assert not network_of(spec).facts
    data = {"x": np.zeros(3), "W1": np.zeros((2, 3)), "b1": np.zeros(2), "t": np.array([3.0, 1.0])}
    _, gradients = derived(spec, data)
    np.testing.assert_allclose(gradients["b1"], [2.0 - 3.0, 2.0 - 1.0], rtol=1e-14)


def test_every_weight_of_the_two_two_one_network() -> None:
    network = network_of(example("two_two_one"))
    swept = sweep(network)
    scalars = Scalars(network, swept)
    delta, i, h = Access("∂prediction"), [Access("i", n) for n in (1, 2)], [Access("h", n) for n in (1, 2)]
    w5, w6 = Access("W2", 1, 1), Access("W2", 1, 2)
    assert swept.deltas == ["prediction"]
    assert closed(network, "prediction") == Access("prediction") - Access("actual")
    expected = {
        Access("W1", 1, 1): delta * w5 * i[0],
        Access("W1", 1, 2): delta * w5 * i[1],
        Access("W1", 2, 1): delta * w6 * i[0],
        Access("W1", 2, 2): delta * w6 * i[1],
        w5: delta * h[0],
        w6: delta * h[1],
    }
    assert {w: scalars.gradient(w) for w in elements(network.weights)} == expected


@pytest.mark.parametrize(
    ("example_name", "deltas"),
    [("xor", ["z2", "z1"]), ("iris", ["z2", "z1"]), ("relu_two_two", ["z1"]), ("gradient_descent", [])],
)
def test_what_several_weights_share_has_a_name(example_name: str, deltas: list[str]) -> None:
    assert sweep_of(example(example_name)).deltas == deltas


def test_the_paths_into_a_tensor_are_kept() -> None:
    """A residual connection is two paths: one through the layer, one around it."""
    paths = sweep_of(CASES["residual"].spec).adjoints["h"].contributions
    assert sorted(str(c.access) for c in paths) == ["h[i]", "h[j]"]
    for contribution in paths:
        assert contribution.tidied.expression == contribution.partial or contribution.tidied.rules


def test_adjoints_of_a_recurrence_have_equations_that_run_backwards() -> None:
    swept = sweep_of(CASES["recurrence from zero"].spec)
    assert not any(eq.accumulate for eq in flat(swept))
    backward = [s for s in swept.equations if isinstance(s, Scan)]
    assert [(s.backward, s.first, s.last) for s in backward] == [(True, 1, 4)]


def each_equation() -> Iterator[Equation]:
    for case in CASES.values():
        yield from flat(sweep_of(case.spec))


def test_letters_of_an_equation_are_never_bound_twice() -> None:
    """Hygiene: no index of a sum is also an index of the left side."""
    for eq in each_equation():
        assert not set(eq.free) & set(eq.reduce), str(eq)
        assert len(set(eq.reduce)) == len(eq.reduce), str(eq)


def test_a_named_derivative_of_a_sum_and_a_sum_of_the_sweep_are_two_things() -> None:
    """Both come from an anonymous sum: S = Σ W V, whose derivative is no plain product, and Σ δ W."""
    spec = """
        input x[3]
        weight W[3, 3], V[3, 3]
        y[i] = (1 + sum(j: W[i,j] * V[j,i]))^3 * x[i]
        g[i] = tanh(sum(j: W[i,j] * y[j]))
        loss L = sum(g^2)
    """
    network = network_of(spec)
    names = [eq.lhs.tensor for eq in flat(sweep_of(spec))]
    assert len(set(names)) == len(names), f"an equation overwrites another: {names}"
    data = draw(network, seed=4)

    def loss(d: Data) -> Any:
        y = (1 + anp.sum(d["W"] * d["V"].T, axis=1)) ** 3 * d["x"]
        return anp.sum(anp.tanh(anp.dot(d["W"], y)) ** 2)

    _, gradients = derived(spec, data)
    _, expected = automatic(network, loss, data)
    for weight, gradient in expected.items():
        np.testing.assert_allclose(gradients[weight], gradient, rtol=1e-10, err_msg=weight)
