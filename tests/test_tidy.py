"""The tidying rules: each leaves the value as it was, at thousands of points, and none brings in a pole."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import CASES, evaluated, example, network_of, sweep_of, written_out

from derive import tidy
from derive.branches import decide
from derive.evaluate import compile_scalar, context
from derive.expressions import Access, Cases, Equal, accesses, index, partial
from derive.functions import Formula, formula
from derive.gradient import Adjoint
from derive.network import Equation, Fact, Scan

POINTS = 1000
K, Y, T, P, A, B, C = (Access(name) for name in ["k", "y", "t", "p", "a", "b", "c"])
I, J = index("i"), index("j")  # noqa: E741
Z = sympy.Symbol("z", real=True)
exp, log, tanh, sinh, cosh, sin, sqrt = sympy.exp, sympy.log, sympy.tanh, sympy.sinh, sympy.cosh, sympy.sin, sympy.sqrt


def values_of(expression: sympy.Expr, points: list[dict[Access, float]]) -> list[mpmath.mpf]:
    """The expression at points, by SymPy's own mpmath printer and 40 digits."""
    function = compiled(expression)
    with mpmath.workdps(40):
        return [function(point) for point in points]


def compiled(expression: sympy.Expr) -> Callable[[dict[Access, float]], mpmath.mpf]:
    expression = written_out(expression)
    atoms = accesses(expression)
    dummies = [sympy.Dummy(real=True) for _ in atoms]
    cases = {"Cases": lambda condition, positive, otherwise: positive if condition > 0 else otherwise}
    function = sympy.lambdify(dummies, expression.xreplace(dict(zip(atoms, dummies, strict=True))), [cases, "mpmath"])
    return lambda point: function(*(mpmath.mpf(point[a]) for a in atoms))


def random_points(atoms: list[Access], spread: float = 3.0, positive: bool = False, count: int = POINTS) -> list[dict]:
    chance = random.Random(7)
    low = 0.01 if positive else -spread
    return [{a: chance.uniform(low, spread) for a in atoms} for _ in range(count)]


def agree(before: sympy.Expr, after: sympy.Expr, points: list[dict]) -> None:
    for one, other in zip(values_of(before, points), values_of(after, points), strict=True):
        assert abs(one - other) <= mpmath.mpf("1e-25") * max(1, abs(one)), f"{before} is not {after}"


# The rules that rewrite one expression ------------------------------------------------------------------------

U = A * B - C
ONE, ZERO, HALF = sympy.Integer(1), sympy.Integer(0), sympy.Rational(1, 2)
BETWEEN = Cases(1 - A, Cases(A + 1, ONE, ZERO), ZERO)

REWRITINGS: dict[str, tuple[Callable[[sympy.Expr], sympy.Expr], list[sympy.Expr]]] = {
    "cancel": (
        tidy.cancel,
        [
            P * (1 - P) * (T / P - (1 - T) / (1 - P)),
            (A**2 - B**2) / (A - B) * C,
            (A * B + A * C) / (A * (B**2 + 1)),
            exp(A) / (1 + exp(A)) * (1 + exp(A)),
            -T / P * P + P * T,
            (A + B) / (A + B) ** 2 + 1 / (A + B),
            sqrt(A**2 + 1) * (A + B) / (A**2 + 1),
        ],
    ),
    "quotient": (
        tidy.quotient,
        [
            sinh(U) / cosh(U),
            A * sinh(B) / cosh(B) + C * sinh(A) / cosh(A),
            exp(A) / (1 + exp(A)),
            B * exp(A) / (1 + exp(A)) - C,
            2 * exp(U) / (3 + exp(U)),
            exp(2 * A) / (1 + exp(2 * A)) * exp(B) / (B**2 + exp(B)),
            exp(A) / (exp(A) + exp(B)),
            exp(-A) / (1 + exp(-A)),
            exp(A) / (1 + exp(A)) ** 2,
        ],
    ),
    "branch": (
        decide,
        [
            Cases(Cases(1 - A, A, ONE) + 1, Cases(1 - A, ONE, ZERO), ZERO),
            B * Cases(A, Cases(2 * A, B, C), Cases(A / 3, A, C)) - Cases(A, ONE, ZERO),
            Cases(A, Cases(-A, B, C), Cases(-A, C, B)),
            Cases(Cases(A, B, C), Cases(B, A, Cases(A, C, ONE)), Cases(C, ONE, A)),
            Cases(Cases(A, B, -B) + Cases(B, A, C), ONE, A * B),
        ],
    ),
    "absolute": (
        tidy.absolute,
        [A * sympy.sign(A) * B + sympy.sign(B), (A - B) * sympy.sign(A - B), A**2 * sympy.sign(A), A * sympy.sign(B)],
    ),
    "sign": (
        tidy.absorb_sign,
        [-(T - Y) * K, -2 * (T - Y) * tanh(A), -(A + B) * C, -A * B, -3 * (A - B) * (B - C), A - B, -(T - Y)],
    ),
}


@pytest.mark.parametrize(("rule", "number"), [(r, n) for r, (_, es) in REWRITINGS.items() for n in range(len(es))])
def test_a_rewriting_keeps_the_value(rule: str, number: int) -> None:
    rewrite, expressions = REWRITINGS[rule]
    before = expressions[number]
    after = rewrite(before)
    agree(before, after, random_points(accesses(before)))
    assert not tidy.brings_denominator(before, after) or rule == "quotient"


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("cancel", P * (1 - P) * (T / P - (1 - T) / (1 - P)), T - P),
        ("cancel", A * (B + C) / (B + C) ** 2, A / (B + C)),
        ("quotient", A * sinh(U) / cosh(U), A * tanh(U)),
        ("quotient", exp(A) / (1 + exp(A)), 1 / (1 + exp(-A))),
        ("quotient", exp(-A) / (1 + exp(-A)), exp(-A) / (1 + exp(-A))),
        ("quotient", exp(A) / (exp(A) + exp(B)), exp(A) / (exp(A) + exp(B))),  # nothing is gained
        ("branch", Cases(Cases(1 - A, A, ONE) + 1, Cases(1 - A, ONE, ZERO), ZERO), BETWEEN),
        ("branch", Cases(A, Cases(A / 2, B, C), Cases(3 * A, B, C)), Cases(A, B, C)),
        ("branch", Cases(HALF - A / 6, A, B), Cases(HALF - A / 6, A, B)),  # nothing to decide
        ("absolute", A * sympy.sign(A) * B, B * sympy.Abs(A)),
        ("absolute", A * sympy.sign(B), A * sympy.sign(B)),
        ("cancel", 1 / (1 + sympy.Abs(A)) - sympy.Abs(A) / (1 + sympy.Abs(A)) ** 2, (1 + sympy.Abs(A)) ** -2),
        ("sign", -(T - Y), Y - T),
        ("sign", -2 * (T - Y) * A, 2 * (Y - T) * A),
        ("sign", -A * B, -A * B),
        ("sign", -(A + B) * C, -(A + B) * C),
    ],
)
def test_a_rewriting_does_what_its_name_says(rule: str, before: sympy.Expr, after: sympy.Expr) -> None:
    assert REWRITINGS[rule][0](before) == after


def test_every_rule_that_the_notes_may_name_is_tested_here() -> None:
    assert set(tidy.RULES) == {*REWRITINGS, "reuse", "hoist", "fact", "choice", "centred"}


def test_at_the_chosen_place_a_quotient_is_one() -> None:
    """p_v [w = v] / z = [w = v] at every place, with z the sum that picks p_w out; other quotients stay."""
    w, z, p = Access("w", J), Access("z", J), Access("p", J, I)
    rule = tidy.choice_of(Equation(z, Equal(w, I) * p, {I: (1, 5), J: (1, 2)}, (I,)))
    assert rule is not None
    before = -A * p * Equal(w, I) / z
    after = tidy.at_choice(before, [rule])
    assert after == -A * Equal(w, I)
    chance = random.Random(3)
    for _ in range(POINTS):
        values = {"w": {(1,): chance.randint(1, 5)}, "a": {(): chance.uniform(-3, 3)}}
        values["p"] = {(1, n): chance.uniform(0.01, 3) for n in range(1, 6)}
        values["z"] = {(1,): values["p"][1, values["w"][1,]]}
        exactly = {name: {k: context.mpf(v) for k, v in array.items()} for name, array in values.items()}
        for place in range(1, 6):
            one, other = (compile_scalar(e)({I.name: place, J.name: 1}, exactly) for e in (before, after))
            assert abs(one - other) < 1e-40
    for other in (p * Equal(w, I), p * Equal(w, J) / z, p**2 * Equal(Access("u", J), I) / z, (p + 1) * Equal(w, I) / z):
        assert tidy.at_choice(other, [rule]) == other


def test_one_place_is_chosen() -> None:
    assert tidy.is_one_choice(Equal(Access("w", J), I), (I,))
    assert not tidy.is_one_choice(Equal(Access("w", J), I) * Access("p", I), (I,))
    assert not tidy.is_one_choice(Equal(Access("w", I), J), (I,))


# Any expression -----------------------------------------------------------------------------------------------

atoms = st.sampled_from([A, B, C, sympy.Integer(1), sympy.Integer(2), sympy.Rational(1, 3)])
smooth = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] / (1 + p[1] ** 2)),
        inner.map(lambda e: e / (1 + exp(e))),
        inner.map(lambda e: sinh(e) / cosh(e)),
        inner.map(lambda e: exp(e) / (1 + exp(e))),
        inner.map(lambda e: -e),
        inner.map(tanh),
        inner.map(lambda e: Cases(e, e, sympy.Integer(0))),
    ),
    max_leaves=5,
)


@settings(max_examples=40)
@given(smooth)
def test_tidying_keeps_the_value_of_any_expression(expression: sympy.Expr) -> None:
    tidied = tidy.tidy(expression)
    assert set(tidied.rules) <= set(tidy.RULES)
    assert (tidied.expression != expression) == bool(tidied.rules)
    agree(expression, tidied.expression, random_points([A, B, C], spread=2.0, count=20))


@settings(max_examples=40)
@given(smooth, st.sampled_from([A, B, C]))
def test_a_partial_derivative_is_that_of_sympy(expression: sympy.Expr, by: Access) -> None:
    symbol = sympy.Symbol("z", real=True)
    whole = written_out(expression).xreplace({by: symbol}).diff(symbol).xreplace({symbol: by})
    agree(whole, partial(expression, by), random_points([A, B, C], spread=2.0, count=20))


SYMBOLS = sympy.symbols("v0:4", real=True)
sums = st.lists(st.sampled_from([*SYMBOLS, *(-s for s in SYMBOLS), ONE, HALF, 2 * SYMBOLS[0]]), min_size=1, max_size=3)
powers = st.tuples(sums.map(sum), st.sampled_from([-2, -1, -HALF, HALF, 1, 2])).map(lambda p: p[0] ** p[1])
products = st.lists(powers, min_size=2, max_size=4).map(lambda factors: sympy.Mul(*factors, 3)).filter(lambda p: p != 0)


@settings(max_examples=200)
@given(products)
def test_nothing_cancels_in_what_is_called_in_lowest_terms(product: sympy.Expr) -> None:
    if tidy.is_in_lowest_terms(product):
        _, denominator = sympy.fraction(sympy.cancel(product))
        assert sympy.cancel(denominator / sympy.fraction(product)[1]).is_number


# Far out ------------------------------------------------------------------------------------------------------

FAR = [-1e4, -800.0, -710.0, -40.0, 0.0, 40.0, 710.0, 800.0, 1e4]


def in_floats(expression: sympy.Expr, **numbers: float) -> float:
    """The expression in plain float arithmetic, overflow giving infinity as in a compiled kernel."""

    def safe_exp(z: float) -> float:
        return math.exp(z) if z < 709 else math.inf

    plain = written_out(expression)
    names = {a: sympy.Symbol(a.tensor) for a in accesses(plain)}
    functions = {"exp": safe_exp, "tanh": math.tanh, "cosh": lambda z: (safe_exp(z) + safe_exp(-z)) / 2}
    compiled = sympy.lambdify(list(names.values()), plain.xreplace(names), [functions, "math"])
    return float(compiled(*(numbers[a.tensor] for a in names)))


@pytest.mark.parametrize("z", FAR)
def test_quotients_have_a_value_far_out(z: float) -> None:
    assert in_floats(tidy.quotient(exp(A) / (1 + exp(A))), a=z) == pytest.approx(
        0.5 * (1 + math.tanh(z / 2)), abs=1e-12
    )
    assert in_floats(tidy.quotient(sinh(A) / cosh(A)), a=z) == pytest.approx(math.tanh(z), abs=1e-15)


SIGMOID = formula("logistic", (Z,), 1 / (1 + exp(-Z)))
SOFTPLUS = formula("softplus_", (Z,), log(1 + exp(Z)))
TANH_BY_HAND = formula("tanh_", (Z,), (exp(Z) - exp(-Z)) / (exp(Z) + exp(-Z)))
SWISH = formula("swish_", (Z,), Z / (1 + exp(-Z)))
RELU = formula("relu_", (Z,), Cases(Z, Z, sympy.Integer(0)))
LEAKY = formula("leaky", (Z,), Cases(Z, Z, Z / 100))
ELU = formula("elu", (Z,), Cases(Z, Z, exp(Z) - 1))
SQUARE = formula("square", (Z,), Z**2)
ARSINH = formula("arsinh", (Z,), log(Z + sqrt(Z**2 + 1)))
GATED = formula("gated", (Z,), Z * SIGMOID(Z))
FORMULAS = [SIGMOID, GATED, SOFTPLUS, TANH_BY_HAND, SWISH, RELU, LEAKY, ELU, SQUARE, ARSINH]


@pytest.mark.parametrize("function", FORMULAS, ids=lambda f: f.__name__)
def test_derivative_of_a_formula_is_its_slope(function: type[Formula]) -> None:
    derivative, value = compiled(tidy.derivative_of(function, 0).subs(function.parameters[0], A)), compiled(function(A))
    chance = random.Random(3)
    with mpmath.workdps(40):
        step = mpmath.mpf("1e-13")
        for z in [mpmath.mpf(chance.uniform(-4, 4)) for _ in range(POINTS)]:
            slope = (value({A: z + step}) - value({A: z - step})) / (2 * step)
            assert abs(derivative({A: z}) - slope) < mpmath.mpf("1e-22")


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (SIGMOID, lambda s: SIGMOID(s) * (1 - SIGMOID(s))),
        (SOFTPLUS, lambda s: 1 / (1 + exp(-s))),
        (RELU, lambda s: Cases(s, sympy.Integer(1), sympy.Integer(0))),
        (SQUARE, lambda s: 2 * s),
    ],
    ids=["sigmoid", "softplus", "relu", "square"],
)
def test_derivative_of_a_formula_is_written_as_in_the_textbook(
    function: type[Formula], derivative: Callable[[sympy.Expr], sympy.Expr]
) -> None:
    assert tidy.derivative_of(function, 0) == derivative(function.parameters[0])


@pytest.mark.parametrize("z", FAR)
@pytest.mark.parametrize("function", [SIGMOID, SOFTPLUS, GATED], ids=lambda f: f.__name__)
def test_derivative_of_an_activation_is_finite_far_out(function: type[Formula], z: float) -> None:
    derivative = tidy.derivative_of(function, 0).subs(function.parameters[0], A)
    assert math.isfinite(in_floats(derivative, a=z)), f"{derivative} at {z}"


# reuse, and the guard against poles ---------------------------------------------------------------------------


def kernel_of(body: sympy.Expr, value: Access = Y) -> list[tidy.Kernel]:
    return tidy.kernels_of(Equation(value, body))


@pytest.mark.parametrize(
    ("body", "derivative", "reused"),
    [
        (tanh(A), 1 - tanh(A) ** 2, 1 - Y**2),
        (exp(A), exp(A), Y),
        (1 + exp(A), exp(A), Y - 1),
        (2 * tanh(A) + 3, 2 - 2 * tanh(A) ** 2, 2 - (Y - 3) ** 2 / 2),
        (1 / (1 + exp(-A)), exp(-A) / (1 + exp(-A)) ** 2, Y * (1 - Y)),
        (sqrt(A), 1 / (2 * sqrt(A)), None),
        (sin(A) + tanh(A), 1 - tanh(A) ** 2, None),
    ],
)
def test_reuse_writes_a_derivative_through_the_value(
    body: sympy.Expr, derivative: sympy.Expr, reused: sympy.Expr | None
) -> None:
    """Where f can be solved for its kernel; the value of y = f(a) put back in must give the derivative again."""
    found = tidy.reuse(derivative, kernel_of(body))
    points = random_points([A], positive=True, count=1000)
    agree(derivative, found.xreplace({Y: body}), points)
    if reused is not None and not tidy.brings_denominator(derivative, reused):
        agree(found.xreplace({Y: body}), reused.xreplace({Y: body}), points)
    assert not tidy.brings_denominator(derivative, found)


@pytest.mark.parametrize(
    ("body", "kernel"),
    [(A * tanh(A), tanh(A)), (A / (1 + exp(-A)), exp(-A)), (A * exp(A), exp(A)), ((A - B) * exp(-C), exp(-C))],
)
def test_reuse_refuses_to_divide_by_what_was_no_divisor(body: sympy.Expr, kernel: sympy.Expr) -> None:
    """y = a tanh a would give tanh a = y/a: 0/0 at a = 0."""
    before = kernel * B
    after = tidy.reuse(before, kernel_of(body))
    assert not tidy.brings_denominator(before, after)
    assert after == before


@pytest.mark.parametrize(("large", "z"), [(0.0, 3.0), (1e9, -20.0), (1e9, 3.0)])
def test_reuse_loses_no_digits(large: float, z: float) -> None:
    """y = b + eᵃ must not turn eᵃ into y − b: where b is large, nothing of eᵃ is left in y."""
    found = tidy.reuse(2 * exp(A), kernel_of(1 + B + exp(A)))
    value = in_floats(found, a=z, b=large, y=1 + large + math.exp(z))
    assert value == pytest.approx(2 * math.exp(z), rel=1e-9, abs=0)


def test_reuse_matches_indices() -> None:
    known = [tidy.Kernel(tanh(Access("z", I)), frozenset({I}), Access("h", I))]
    assert tidy.reuse(tanh(Access("z", J)) ** 2, known) == Access("h", J) ** 2
    assert tidy.reuse(tanh(Access("z", J + 1)), known) == Access("h", J + 1)
    assert tidy.reuse(tanh(Access("v", J)), known) == tanh(Access("v", J))
    two = [tidy.Kernel(exp(Access("s", I, J)), frozenset({I, J}), Access("e", I, J))]
    assert tidy.reuse(exp(Access("s", J, I)), two) == Access("e", J, I)
    assert tidy.reuse(exp(Access("s", J, J)), two) == Access("e", J, J)
    diagonal = [tidy.Kernel(exp(Access("s", I, I)), frozenset({I}), Access("d", I))]
    assert tidy.reuse(exp(Access("s", I, J)), diagonal) == exp(Access("s", I, J))


POLES = {
    "silu": "input x[2]\nweight w[2], v[2]\nz[2] = w * x\nh[2] = z * sigmoid(z)\nloss L = sum(v * h)",
    "normalised": CASES["layer norm"].spec,
    "gelu": "weight w, v\nh = w * (1 + erf(w / sqrt(2))) / 2\nloss L = v * h^2",
    "product": "weight w, v\nh = w * tanh(v)\nloss L = h^2",
    "power": "weight w, v\nh = w^3 * exp(v)\nloss L = h^2 + h",
}


@pytest.mark.parametrize("name", POLES)
def test_a_derivative_has_a_value_wherever_the_loss_has_one(name: str) -> None:
    """All weights and inputs 0: where the forward pass divides by nothing that is 0, the derivatives do not either."""
    network, swept = network_of(POLES[name]), sweep_of(POLES[name])
    zero = {
        t.name: {tuple(int(i) for i in e.indices): context.mpf(0) for e in t.elements()}
        for t in network.tensors.values()
        if t.role in ("input", "target", "weight")
    }
    values = evaluated(network, swept, zero)
    assert all(context.isfinite(v) for array in values.values() for v in array.values())


@pytest.mark.parametrize("name", POLES)
def test_a_derivative_divides_by_nothing_new(name: str) -> None:
    network, swept = network_of(POLES[name]), sweep_of(POLES[name])
    divided = {a.tensor for eq in network.flat_equations for d in bases(eq.body) for a in accesses(d)}
    for step in swept.equations:
        for eq in step.equations if isinstance(step, Scan) else (step,):
            assert {a.tensor for d in bases(eq.body) for a in accesses(d)} <= divided, str(eq)


def bases(expression: sympy.Expr) -> set[sympy.Expr]:
    """What an expression divides by, formulas written out."""
    plain = written_out(expression)
    return {p.base for p in plain.atoms(sympy.Pow) if p.exp.could_extract_minus_sign()}


# hoist and fact: rules about sums -----------------------------------------------------------------------------

M, N, Q = Access("m", I), Access("n", I, J), Access("q", J)


def brute_sum(body: sympy.Expr, over: tuple[sympy.Symbol, ...], size: int) -> sympy.Expr:
    points = itertools.product(range(1, size + 1), repeat=len(over))
    return sympy.Add(*(body.xreplace(dict(zip(over, map(sympy.Integer, p), strict=True))) for p in points))


@pytest.mark.parametrize(
    ("body", "over", "outside"),
    [
        (A * M, (I,), A),
        (A * M * Q, (I,), A * Q),
        (A * M * Q, (I, J), A),
        (M * N, (J,), M),
        (-2 * M * N, (J,), -2 * M),
        (N * (M + Q), (J,), sympy.Integer(1)),
        (tanh(M) * N / (1 + M**2), (J,), tanh(M) / (1 + M**2)),
        (A, (I,), A),
    ],
)
def test_hoist_moves_what_does_not_depend_on_the_index(
    body: sympy.Expr, over: tuple[sympy.Symbol, ...], outside: sympy.Expr
) -> None:
    found, inside = tidy.hoist(body, over)
    assert found == outside
    concrete = {I: sympy.Integer(1), J: sympy.Integer(2)}
    before = brute_sum(body, over, 3).xreplace(concrete)
    after = (found * brute_sum(inside, over, 3)).xreplace(concrete)
    agree(before, after, random_points(accesses(before), count=1000))


def test_a_fact_is_used_for_the_whole_sum_that_it_speaks_of_and_for_nothing_else() -> None:
    target = Access("t", I)
    facts = [Fact(target, (I,), sympy.Integer(1), "t")]
    assert tidy.apply_fact(Access("t", J), (J,), facts) == 1
    assert tidy.apply_fact(Access("u", J), (J,), facts) is None
    assert tidy.apply_fact(2 * Access("t", J), (J,), facts) is None
    assert tidy.apply_fact(Access("t", J) ** 2, (J,), facts) is None
    assert tidy.apply_fact(Access("t", J), (I, J), facts) is None
    assert tidy.apply_fact(Access("t", J), (J,), []) is None


def test_the_notes_can_say_which_rules_led_to_softmax_minus_target() -> None:
    spec = "input x[3]\nz[4] = dense(x)\np[4] = softmax(z)\ntarget t[4]\nloss L = cross_entropy(t, p)"
    found: Adjoint = sweep_of(spec).adjoints["z"]
    assert "fact" in found.rules
    assert set(found.rules) <= set(tidy.RULES)
    assert "fact" not in sweep_of(example("two_two_one")).adjoints["prediction"].rules


def test_numbers_of_a_formula_over_symbols() -> None:
    assert float(compile_scalar(Z**2 - 1 / Z)({Z.name: context.mpf(4)}, {})) == 15.75


# The four results every course knows, by general rules: their form, not only their value ------------------------


def closed_of(spec: str, tensor: str) -> sympy.Expr:
    closed = sweep_of(spec).adjoints[tensor].closed
    assert closed is not None
    return closed


@pytest.mark.parametrize(
    "head",
    [
        "p[4] = softmax(z)\ntarget t[4]\nloss L = cross_entropy(t, p)",
        "p[4] = sigmoid(z)\ntarget t[4]\nloss L = binary_cross_entropy(t, p)",
    ],
)
def test_probabilities_minus_targets(head: str) -> None:
    closed = closed_of(f"input x[3]\nz[4] = dense(x)\n{head}", "z")
    (i,) = closed.free_symbols
    assert closed == Access("p", i) - Access("t", i)


def test_attention_has_the_form_of_the_jacobian_of_softmax() -> None:
    """∂s[i,j] = p[i,j] ∂p[i,j] − p[i,j] Σₖ p[i,k] ∂p[i,k], whatever ∂p is."""
    spec = "input x[3,2]\nweight A[2,2]\nq[3,2] = x @ A\ns[i,j] = sum(k: q[i,k]*x[j,k])\n"
    spec += "p[i,j] = exp(s[i,j])/sum(k: exp(s[i,k]))\no[i,k] = sum(j: p[i,j]*x[j,k])\ntarget t[3,2]\n"
    spec += "loss L = squared_error(o, t)"
    swept = sweep_of(spec)
    adjoint = swept.adjoints["s"]
    assert adjoint.closed is not None
    i, j = adjoint.indices
    p, slope = (
        Access("p", i, j),
        swept.adjoints["p"].closed.xreplace(dict(zip(swept.adjoints["p"].indices, (i, j), strict=True))),
    )
    quotient = sympy.expand(adjoint.closed / p)
    assert quotient.coeff(slope) == 1
    mean = -(quotient - slope)
    assert isinstance(mean, Access)
    (defining,) = (
        e for step in swept.equations for e in [step] if isinstance(e, Equation) and e.lhs.tensor == mean.tensor
    )
    assert defining.reduce
    assert defining.body.has(Access("p", *defining.lhs.indices, *defining.reduce))


def test_layer_norm_has_its_three_terms() -> None:
    """∂z = (∂y − mean ∂y − (z − mean z) · mean((z − mean z) ∂y)/v)/√v with the variance v."""
    spec = "input x[3]\nz[4] = dense(x)\ny[4] = layer_norm(z)\nh[2] = tanh(dense(y))\ntarget t[2]\n"
    swept = sweep_of(spec + "loss L = squared_error(h, t)")
    adjoint = swept.adjoints["z"]
    assert "centred" in adjoint.rules
    assert adjoint.closed is not None
    (root,) = (f for f in adjoint.closed.args if f.is_Pow)
    bracket = adjoint.closed / root
    assert root.exp == -sympy.Rational(1, 2)
    assert bracket.is_Add
    assert len(bracket.args) == 3
    slope = swept.adjoints["y"].closed.xreplace(dict(zip(swept.adjoints["y"].indices, adjoint.indices, strict=True)))
    assert slope in bracket.args
    (last,) = (t for t in bracket.args if t.has(root.base))  # only the last term divides by the variance once more
    z = Access("z", *adjoint.indices)
    (deviation,) = (f for f in last.args if f.has(z))
    assert deviation.coeff(z) == 1
    (mean,) = (z - deviation).atoms(Access)
    assert deviation == z - mean / 4


def test_deviations_from_a_mean_add_up_to_zero_and_nothing_else_does() -> None:
    x, s = Access("x", I), Access("s")
    known = [Equation(s, x, {I: (1, 4)}, (I,))]
    over, ranges = (J,), {J: (1, 4)}
    assert tidy.is_centred(s - 4 * x.xreplace({I: J}), over, ranges, known)
    assert tidy.is_centred(A * x.xreplace({I: J}) - A * s / 4, over, ranges, known)
    assert not tidy.is_centred(s - 3 * x.xreplace({I: J}), over, ranges, known)
    assert not tidy.is_centred(s - 4 * x.xreplace({I: J}), over, {J: (2, 4)}, known)
    assert not tidy.is_centred(s - 4 * Access("y", J), over, ranges, known)
    assert not tidy.is_centred(s - 4 * x.xreplace({I: J}) ** 2, over, ranges, known)
