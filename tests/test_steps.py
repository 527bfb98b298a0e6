"""The steps to a closed form: every line equals the derivative, and the rules come in a lecturer's order."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
import sympy
from oracles import complex_step, draw, elements, evaluated, exact, example, network_of, sweep_of

from derive.evaluate import Values, compile_scalar, context
from derive.expressions import Access, accesses
from derive.network import Network
from derive.scalars import Scalars
from derive.steps import (
    DOTS,
    ElementDerivation,
    Line,
    Partial,
    Product,
    Step,
    Stepwise,
    Total,
    abridged,
    evaluate_line,
    outer_derivative,
)

TWO_TWO_ONE = example("two_two_one")
SPECS = {
    "two_two_one": TWO_TWO_ONE,
    "relu_two_two": example("relu_two_two"),
    "gradient_descent": example("gradient_descent"),
    "xor": example("xor"),
    "function": "weight x, y, z\nloss f = (x + y) * z\n",
    "powers": "weight x, y\nloss f = (x * y + 1)^3 + 2 * (x - y)^2 - x^4 / 3\n",
    "residual": "input x[2]\nh[2] = tanh(dense(x))\nh2 = h + dense(h)\ny = linear(h2)\nloss L = 1/2 * (y - 3)^2\n",
    "shared scalar": "input x[2]\nweight w\nh = w * x[1]\ng = sin(w * h) + x[2]\nloss L = (h + g)^2 + exp(w)\n",
    "three layers": "input x\nh[2] = sigmoid(dense(x))\ng[2] = softplus(linear(h))\ny = dense(g)\ntarget t\n"
    "loss L = log(1 + exp(-t * y)) + 0.01 * sum(W2^2)\n",
    "softmax": "input x[2]\np[3] = softmax(linear(x))\ntarget t[3]\nloss L = cross_entropy(t, p)\n",
    "wide sum": "input x[9]\nweight w[9]\ny = sum(i: w[i] * x[i])\nloss L = tanh(y)^2\n",
    "identity": "input x[2]\nh[2] = identity(linear(x))\ny = linear(h)\nloss L = (y - 1)^2\n",
    "kinks": "input x[2]\nweight w[2], v\nh[2] = relu(w * x)\ny = max(sum(h), v)\nloss L = abs(y - 1) * y\n",
}
ORDER = ["chain rule", "substitution", "differentiation", "simplification", "named quantities"]


@cache
def stepwise_of(name: str) -> Stepwise:
    return Stepwise(Scalars(network_of(SPECS[name]), sweep_of(SPECS[name])))


def derivations(name: str) -> list[ElementDerivation]:
    stepwise = stepwise_of(name)
    network = network_of(SPECS[name])
    named = [network.tensors[d] for d in stepwise.scalars.sweep.deltas]
    return [stepwise.derive(e) for e in elements([*named, *network.weights])]


def numbers(name: str, seed: int) -> tuple[Network, Values, Values]:
    """A network, data, and all values and derivatives for them."""
    network = network_of(SPECS[name])
    data = exact(network, draw(network, seed))
    return network, data, evaluated(network, sweep_of(SPECS[name]), data)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", SPECS)
def test_every_line_is_the_derivative(name: str, seed: int) -> None:
    """With all values and δs put in, each line is ∂loss/∂element as the complex step finds it."""
    network, data, values = numbers(name, seed)
    scalars = stepwise_of(name).scalars
    for derivation in derivations(name):
        truth = complex_step(network, data, derivation.element)
        assert derivation.steps
        for step in derivation.steps:
            found = compile_scalar(evaluate_line(step.after, scalars))({}, values)
            message = f"{step.rule} for {derivation.element}: {step.after}"
            assert abs(found - truth) <= context.mpf("1e-30") * max(1, abs(truth)), message


@pytest.mark.parametrize("name", SPECS)
def test_every_equality_that_a_line_uses_holds(name: str) -> None:
    _, _, values = numbers(name, 3)
    for derivation in derivations(name):
        for step in derivation.steps:
            for left, right in step.uses:
                one, other = (compile_scalar(side)({}, values) for side in (left, right))
                assert abs(one - other) <= context.mpf("1e-40") * max(1, abs(one)), f"{left} = {right}"


@pytest.mark.parametrize("name", SPECS)
def test_the_rules_come_in_order(name: str) -> None:
    for derivation in derivations(name):
        places = [ORDER.index(step.rule) for step in derivation.steps]
        assert places == sorted(set(places)), f"{derivation.element}: {[s.rule for s in derivation.steps]}"


@pytest.mark.parametrize("name", SPECS)
def test_the_last_line_is_the_result_in_named_quantities(name: str) -> None:
    stepwise = stepwise_of(name)
    for derivation in derivations(name):
        assert evaluate_line(derivation.steps[-1].after, stepwise.scalars) == derivation.result
        assert derivation.result == stepwise.result(derivation.element)
        for access in accesses(derivation.result):
            assert not stepwise.scalars.tensors[access.tensor].anonymous


@pytest.mark.parametrize("name", SPECS)
def test_no_line_repeats_the_line_before(name: str) -> None:
    for derivation in derivations(name):
        lines = [step.after for step in derivation.steps]
        assert all(one != other for one, other in pairwise(lines)), str(derivation.element)


# The lines of the lecture -------------------------------------------------------------------------------------


def a(name: str, *indices: int) -> Access:
    return Access(name, *indices)


ERROR, PREDICTION, ACTUAL, DELTA = a("Error"), a("prediction"), a("actual"), a("∂prediction")
W = [a("W1", 1, 1), a("W1", 1, 2), a("W1", 2, 1), a("W1", 2, 2), a("W2", 1, 1), a("W2", 1, 2)]
INPUTS = [a("i", 1), a("i", 2)]
HALF = sympy.Rational(1, 2)
SQUARE = HALF * (PREDICTION - ACTUAL) ** 2
H1, H2 = (INPUTS[0] * W[0] + INPUTS[1] * W[1]), (INPUTS[0] * W[2] + INPUTS[1] * W[3])


def lines(element: Access) -> dict[str, Line]:
    return {step.rule: step.after for step in stepwise_of("two_two_one").derive(element).steps}


def factors(line: Line) -> list[Line]:
    assert isinstance(line, Product)
    return list(line.factors)


def test_the_lines_for_w6_are_those_of_the_picture() -> None:
    found = lines(W[5])
    assert list(found) == ORDER
    assert factors(found["chain rule"]) == [Partial(ERROR, PREDICTION), Partial(PREDICTION, W[5])]
    assert factors(found["substitution"]) == [
        Partial(SQUARE, PREDICTION),
        Partial(H1 * W[4] + H2 * W[5], W[5]),
    ]
    assert factors(found["differentiation"]) == [
        2, HALF, PREDICTION - ACTUAL, Partial(PREDICTION - ACTUAL, PREDICTION), H2,
    ]  # fmt: skip
    assert evaluate_line(found["simplification"], stepwise_of("two_two_one").scalars) == (PREDICTION - ACTUAL) * a(
        "h", 2
    )
    assert found["named quantities"] == DELTA * a("h", 2)


def test_the_lines_for_w1_are_those_of_the_picture() -> None:
    found = lines(W[0])
    assert list(found) == ORDER
    h1 = a("h", 1)
    assert factors(found["chain rule"]) == [
        Partial(ERROR, PREDICTION), Partial(PREDICTION, h1), Partial(h1, W[0]),
    ]  # fmt: skip
    assert factors(found["substitution"]) == [
        Partial(SQUARE, PREDICTION),
        Partial(h1 * W[4] + a("h", 2) * W[5], h1),
        Partial(H1, W[0]),
    ]
    assert factors(found["differentiation"]) == [
        2, HALF, PREDICTION - ACTUAL, Partial(PREDICTION - ACTUAL, PREDICTION), W[4], INPUTS[0],
    ]  # fmt: skip
    assert found["simplification"] == (PREDICTION - ACTUAL) * W[4] * INPUTS[0]
    assert found["named quantities"] == DELTA * W[4] * INPUTS[0]


def uses(element: Access) -> dict[sympy.Expr, sympy.Expr]:
    return {left: right for step in stepwise_of("two_two_one").derive(element).steps for left, right in step.uses}


@pytest.mark.parametrize(
    ("weight", "unit"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 1), (5, 2)], ids=[f"w{n}" for n in range(1, 7)]
)
def test_the_facts_used_for_every_weight(weight: int, unit: int) -> None:
    """What figures.md shows in boxes: Error = …, prediction = …, h = …, Δ = prediction − actual."""
    found = uses(W[weight])
    assert found[ERROR] == SQUARE
    assert found[PREDICTION] == a("h", 1) * W[4] + a("h", 2) * W[5]
    assert found[DELTA] == PREDICTION - ACTUAL
    assert found[a("h", unit)] == (H1 if unit == 1 else H2)


# Paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "element", "paths"),
    [
        ("two_two_one", W[0], 1),
        ("function", a("z"), 1),
        ("shared scalar", a("w"), 4),  # exp(w); h alone; h inside g; w inside g
        ("residual", a("W1", 1, 1), 1),  # from h's own δ
        ("powers", a("x"), 1),
    ],
)
def test_several_paths_give_a_sum(name: str, element: Access, paths: int) -> None:
    derivation = stepwise_of(name).derive(element)
    assert derivation.several_paths == (paths > 1)
    totals = [step.after for step in derivation.steps if isinstance(step.after, Total)]
    assert bool(totals) == (paths > 1)
    assert all(len(total.terms) == paths for total in totals)


def test_every_path_ends_at_its_element_and_begins_at_the_loss_or_a_named_derivative() -> None:
    for name, spec in SPECS.items():
        stepwise, network = stepwise_of(name), network_of(spec)
        for element in elements(network.weights):
            for chain in stepwise.chains(element):
                assert chain[-1] == element
                assert chain[0] == Access(network.loss) or chain[0].tensor in stepwise.scalars.sweep.deltas


# Parts --------------------------------------------------------------------------------------------------------

X, Y, Z = a("x"), a("y"), a("z")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (HALF * (Y - X) ** 2, [2, HALF, Y - X, Partial(Y - X, Y)]),
        ((Y - X) ** 2, [2, Y - X, Partial(Y - X, Y)]),
        ((Y - X) ** 3, [3, (Y - X) ** 2, Partial(Y - X, Y)]),
        (Y**2, [2 * Y]),
        (Y * X + Z, [X]),
        (sympy.exp(Y), [sympy.exp(Y)]),
    ],
)
def test_the_outer_function_is_differentiated_first(body: sympy.Expr, expected: list[Line]) -> None:
    assert outer_derivative(body, Y) == expected


def test_a_long_sum_is_abridged_to_the_terms_that_matter() -> None:
    terms = [a("w", n) * a("x", n) for n in range(1, 10)]
    assert abridged(sympy.Add(*terms), a("w", 4)) == terms[3] + DOTS
    assert abridged(sympy.Add(*terms[:6]), a("w", 4)) == sympy.Add(*terms[:6])


def test_a_line_with_dots_still_has_its_value() -> None:
    line = Partial(abridged(sympy.Add(*(a("w", n) * a("x", n) for n in range(1, 10))), a("w", 4)), a("w", 4))
    assert evaluate_line(line, stepwise_of("wide sum").scalars) == a("x", 4)


def test_partial_derivatives_hold_everything_else_fixed() -> None:
    scalars = stepwise_of("function").scalars
    assert evaluate_line(Partial(X * Y + Z**2, Y), scalars) == X
    assert evaluate_line(Partial(X, X), scalars) == 1
    assert evaluate_line(Partial(X, Y), scalars) == 0
    assert evaluate_line(Total((Product((Partial(X**2, X), Y)), Z)), scalars) == 2 * X * Y + Z
    assert evaluate_line(Partial(a("f"), Z), scalars) == X + Y
    assert Step("chain rule", X).uses == ()
