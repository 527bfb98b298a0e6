"""Single elements: definitions with every sum written out, and everything down to inputs and weights."""

from __future__ import annotations

import pytest
import sympy
from oracles import CASES, EXAMPLES, complex_step, draw, elements, exact, example, network_of, point_of, sweep_of

from derive.evaluate import compile_scalar, context, forward
from derive.expressions import Access, Cases, accesses
from derive.functions import maximum
from derive.scalars import MAX_SIZE, Scalars, adjoint, is_small


def scalars_of(spec: str) -> Scalars:
    return Scalars(network_of(spec), sweep_of(spec))


def a(name: str, *indices: int) -> Access:
    return Access(name, *indices)


TWO_TWO_ONE = example("two_two_one")
RELU = example("relu_two_two")


@pytest.mark.parametrize(
    ("spec", "element", "definition"),
    [
        (TWO_TWO_ONE, a("h", 2), a("i", 1) * a("W1", 2, 1) + a("i", 2) * a("W1", 2, 2)),
        (TWO_TWO_ONE, a("prediction"), a("h", 1) * a("W2", 1, 1) + a("h", 2) * a("W2", 1, 2)),
        (TWO_TWO_ONE, a("Error"), (a("prediction") - a("actual")) ** 2 / 2),
        (TWO_TWO_ONE, a("∂prediction"), a("prediction") - a("actual")),
        (TWO_TWO_ONE, a("i", 1), None),
        (TWO_TWO_ONE, a("W1", 1, 1), None),
        (RELU, a("L"), (a("y", 1) - a("t", 1)) ** 2 + (a("y", 2) - a("t", 2)) ** 2),
        (
            CASES["maximum over an index"].spec,
            a("z", 2),
            maximum(
                a("W", 2, 1) * a("x", 1), maximum(a("W", 2, 2) * a("x", 2), a("W", 2, 3) * a("x", 3))
            ),
        ),
        (
            CASES["convolution with stride two"].spec,
            a("z", 3),
            a("K", 1) * a("x", 5) + a("K", 2) * a("x", 6) + a("K", 3) * a("x", 7) + a("b", 3),
        ),
        (CASES["recurrence from a learned state"].spec, a("h", 0, 2), a("s", 2)),
        (CASES["diagonal"].spec, a("s"), a("A", 1, 1) + a("A", 2, 2) + a("A", 3, 3)),
    ],
)  # fmt: skip
def test_definition_of_one_element(spec: str, element: Access, definition: sympy.Expr | None) -> None:
    assert scalars_of(spec).definition(element) == definition


def test_no_anonymous_sum_is_left_in_a_definition() -> None:
    for case in CASES.values():
        scalars = scalars_of(case.spec)
        if not is_small(scalars.network):
            continue
        for tensor in scalars.tensors.values():
            if not tensor.anonymous:
                for element in tensor.elements():
                    read = accesses(scalars.definition(element) or sympy.Integer(0))
                    assert not [r for r in read if scalars.tensors[r.tensor].anonymous], element


def test_a_derivative_that_two_equations_add_to_is_one_sum() -> None:
    """With stride two, h[3], h[5] and h[7] stand in two windows, under k = 3 and k = 1."""
    spec = "weight v[9], M[3]\nh[i] = v[i]^2\ng[i] = sum(k: M[k] * h[2*i+k-2])\nloss L = sum(g^2) + sum(h^3)"
    scalars = scalars_of(spec)
    kernel = {n: {k for k in (1, 2, 3) if scalars.definition(a("∂h", n)).has(a("M", k))} for n in range(1, 10)}
    assert kernel == {1: {1}, 2: {2}, 3: {1, 3}, 4: {2}, 5: {1, 3}, 6: {2}, 7: {1, 3}, 8: {2}, 9: {3}}


@pytest.mark.parametrize("name", ["two_two_one", "relu_two_two", "xor", "gradient_descent"])
def test_expanded_forms_mention_inputs_targets_and_weights_alone(name: str) -> None:
    scalars = scalars_of(example(name))
    network = scalars.network
    for weight in elements(network.weights):
        read = accesses(scalars.expanded(adjoint(weight)))
        assert {network.tensors[r.tensor].role for r in read} <= {"input", "target", "weight"}


def test_the_prediction_down_to_inputs_and_weights() -> None:
    i1, i2 = a("i", 1), a("i", 2)
    h1 = i1 * a("W1", 1, 1) + i2 * a("W1", 1, 2)
    h2 = i1 * a("W1", 2, 1) + i2 * a("W1", 2, 2)
    assert scalars_of(TWO_TWO_ONE).expanded(a("prediction")) == h1 * a("W2", 1, 1) + h2 * a("W2", 1, 2)


@pytest.mark.parametrize("name", ["two_two_one", "relu_two_two", "xor"])
@pytest.mark.parametrize("depth", ["named", "expanded"])
def test_every_depth_of_every_formula_is_the_complex_step(name: str, depth: str) -> None:
    scalars = scalars_of(example(name))
    network = scalars.network
    data = exact(network, draw(network, seed=5))
    values = forward(network, dict(data))
    for tensor in scalars.sweep.deltas:
        for element in network.tensors[tensor].elements():
            derivative = compile_scalar(scalars.expanded(adjoint(element)))({}, values)
            values.setdefault(adjoint(element).tensor, {})[point_of(element)] = derivative
    for weight in elements(network.weights):
        form = scalars.gradient(weight) if depth == "named" else scalars.expanded(adjoint(weight))
        found = compile_scalar(form)({}, values)
        assert abs(found - complex_step(network, data, weight)) < context.mpf("1e-40")


def test_a_maximum_written_out_has_the_same_ties_as_its_branches() -> None:
    """max(a, b, c) as branches: at a tie the later one counts; so the notes and Cases speak of the same thing."""
    nested = scalars_of(CASES["maximum over an index"].spec).definition(a("z", 1))
    assert isinstance(nested, Cases)
    values = {
        "W": {(1, j): context.mpf(v) for j, v in enumerate((2, 2, 1), 1)},
        "x": dict.fromkeys(((1,), (2,), (3,)), context.one),
    }
    assert compile_scalar(nested)({}, values) == 2


@pytest.mark.parametrize(
    ("element", "size"),
    [(a("W1", 1, 1), 1), (a("h", 1), 4), (a("prediction"), 10)],
)
def test_the_size_of_an_expanded_element_is_known_without_expanding_it(element: Access, size: int) -> None:
    scalars = scalars_of(TWO_TWO_ONE)
    assert scalars.size(element) == size
    assert sum(scalars.expanded(element).count(x) for x in accesses(scalars.expanded(element))) == size


def test_counting_stops_at_a_limit() -> None:
    layers = "\n".join(f"h{n}[3] = tanh(dense({f'h{n - 1}' if n > 1 else 'x'}))" for n in range(1, 13))
    scalars = scalars_of(f"input x[3]\n{layers}\ny = linear(h12)\nloss L = y^2\n")
    assert scalars.size(a("L")) == MAX_SIZE


@pytest.mark.parametrize("name", EXAMPLES)
def test_which_networks_are_small(name: str) -> None:
    assert is_small(network_of(example(name))) == (
        name not in ("iris", "digits", "digits_conv", "digits_normalised", "gru")
    )
