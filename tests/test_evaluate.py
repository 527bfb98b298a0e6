"""The interpreter: slow, exact to the last of its fifty digits, and the oracle of everything else."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import sympy
from oracles import CASES, draw, exact, network_of

from derive.evaluate import DIGITS, array, carry_out, compile_scalar, context, forward, nested, number, run, sign, total
from derive.expressions import Access, Cases, Equal, index
from derive.functions import formula, maximum, minimum
from derive.network import Equation, Scan, Tensor

X, Y = Access("x"), Access("y")
I, J, T = index("i"), index("j"), index("t")  # noqa: E741
Z = sympy.Symbol("z", real=True)


def value(expression: sympy.Expr, **numbers: float | str) -> mpmath.mpf:
    return compile_scalar(expression)({}, {name: {(): context.mpf(v)} for name, v in numbers.items()})


@pytest.mark.parametrize(
    ("expression", "x", "expected"),
    [
        (X + 1, 0.5, lambda x: x + 1),
        (X * 3 - X / 7, 0.5, lambda x: x * 3 - x / 7),
        (X**5, -0.5, lambda x: x**5),
        (X**-2, -0.5, lambda x: 1 / x**2),
        (X ** sympy.Rational(1, 3), 0.5, lambda x: mpmath.cbrt(x)),
        (2**X, 0.5, lambda x: mpmath.sqrt(2)),
        (sympy.exp(X), 0.5, mpmath.exp),
        (sympy.log(X), 0.5, mpmath.log),
        (sympy.sqrt(X), 0.5, mpmath.sqrt),
        (sympy.sin(X), 0.5, mpmath.sin),
        (sympy.cos(X), 0.5, mpmath.cos),
        (sympy.sinh(X), 0.5, mpmath.sinh),
        (sympy.cosh(X), 0.5, mpmath.cosh),
        (sympy.tanh(X), 0.5, mpmath.tanh),
        (sympy.erf(X), 0.5, mpmath.erf),
        (sympy.Abs(X), -0.5, lambda x: -x),
        (sympy.sign(X), -0.5, lambda x: -1),
        (sympy.sign(X), 0, lambda x: 0),
        (Cases(X, X, 0), -0.5, lambda x: 0),
        (Cases(X, X, 0), 0.5, lambda x: x),
        (Cases(X, sympy.Integer(7), sympy.Integer(8)), 0, lambda x: 8),
        (maximum(X, sympy.Integer(2)), 0.5, lambda x: 2),
        (minimum(X, sympy.Integer(2)), 0.5, lambda x: x),
        (Equal(X, sympy.Rational(1, 2)), 0.5, lambda x: 1),
        (Equal(X, sympy.Rational(1, 2)), 0.25, lambda x: 0),
        (formula("cube", (Z,), Z**3)(X - 1), 0.5, lambda x: (x - 1) ** 3),
        (sympy.pi * X, 0.5, lambda x: mpmath.pi / 2),
        (sympy.exp(2) + 0 * X, 0.5, lambda x: mpmath.e**2),
    ],
)
def test_a_scalar_has_fifty_digits(expression: sympy.Expr, x: float, expected: Callable) -> None:
    with mpmath.workdps(DIGITS + 10):
        wanted = expected(mpmath.mpf(x))
        assert abs(value(expression, x=x) - wanted) <= mpmath.mpf(10) ** -48 * max(1, abs(wanted))


@pytest.mark.parametrize("function", [sympy.exp, sympy.tanh, sympy.sin, sympy.erf, sympy.log, sympy.Abs])
def test_a_complex_step_goes_through_every_function(function: Callable) -> None:
    step = context.mpf("1e-30")
    body = function(X + 2)
    found = compile_scalar(body)({}, {"x": {(): context.mpc("0.3", step)}}).imag / step
    symbol = sympy.Symbol("s", positive=True)
    assert abs(found - number(function(symbol + 2).diff(symbol).subs(symbol, sympy.Rational(3, 10)))) < 1e-35


def test_what_has_no_arithmetic_is_an_error() -> None:
    with pytest.raises(NotImplementedError, match="gamma"):
        compile_scalar(sympy.gamma(X))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (sympy.Rational(1, 3), "0." + "3" * 49),
        (sympy.Integer(-2), "-2"),
        (sympy.Rational(1, 10), "0.1"),
        (2, "2"),
        (0, "0"),
        (0.5, "0.5"),
        (0.0, "0"),
        (-1.25, "-1.25"),
    ],
)
def test_a_number_in_working_precision(given: sympy.Rational | float, expected: str) -> None:
    assert abs(number(given) - context.mpf(expected)) < context.mpf(10) ** -48


def test_the_sign_is_that_of_the_real_part() -> None:
    assert [sign(context.mpc(re, 1)) for re in (-2, 0, 3)] == [-1, 0, 1]


# Equations ----------------------------------------------------------------------------------------------------


def matrix(rows: list[list[float]]) -> dict[tuple[int, int], mpmath.mpf]:
    return {(i, j): context.mpf(v) for i, row in enumerate(rows, 1) for j, v in enumerate(row, 1)}


RANGES = {I: (1, 2), J: (1, 3)}
W = matrix([[1, 5, 2], [7, 3, 4]])


@pytest.mark.parametrize(
    ("equation", "result"),
    [
        (Equation(Access("r", I), Access("W", I, J), RANGES, (J,)), {(1,): 8, (2,): 14}),
        (Equation(Access("r", I), Access("W", I, J), RANGES, (J,), "max"), {(1,): 5, (2,): 7}),
        (Equation(Access("r", J), Access("W", I, J) ** 2, RANGES, (I,)), {(1,): 50, (2,): 34, (3,): 20}),
        (Equation(Access("r"), Access("W", I, J), RANGES, (I, J)), {(): 22}),
        (Equation(Access("r", I), Access("W", I, 4 - 2 * I + 1), {I: (1, 2)}), {(1,): 2, (2,): 7}),
        (Equation(Access("r", I), I * Access("W", I, 1), {I: (1, 2)}), {(1,): 1, (2,): 14}),
        (Equation(Access("r", 2 * I), Access("W", I, 1), {I: (1, 2)}), {(2,): 1, (4,): 7}),
    ],
)
def test_an_equation_is_carried_out_as_it_is_written(equation: Equation, result: dict) -> None:
    values = {"W": dict(W)}
    carry_out(equation, values)
    assert values["r"] == result


def test_an_accumulating_equation_adds_to_zero() -> None:
    """∂x[i + k − 1] += …: places that are reached twice get both, places that are not reached stay 0."""
    tensors = {"g": Tensor("g", (5,), "adjoint")}
    body = Access("W", I, J)
    equation = Equation(Access("g", I + J - 1), body, {I: (1, 2), J: (1, 3)}, accumulate=True)
    assert run([equation], {"W": dict(W)}, tensors)["g"] == {(1,): 1, (2,): 12, (3,): 5, (4,): 4, (5,): 0}


@pytest.mark.parametrize(("backward", "result"), [(False, [0, 1, 3, 7]), (True, [7, 3, 1, 0])])
def test_a_recurrence_goes_through_time_in_order(backward: bool, result: list[int]) -> None:
    shift = 1 if backward else -1
    tensors = {"h": Tensor("h", (4,), "value", first=(0,))}
    equation = Equation(Access("h", T), 2 * Access("h", T + shift) + 1, {T: (1, 3)})
    first, last = (0, 2) if backward else (1, 3)
    scan = Scan(T, first, last, (equation,), backward)
    values = run([scan], {}, tensors)
    assert [values["h"][t,] for t in range(4)] == result


# Arrays -------------------------------------------------------------------------------------------------------


def test_arrays_and_nested_lists_are_each_other_s_inverse() -> None:
    tensor = Tensor("W", (2, 3), "weight")
    lists = [[1.5, 2.0, 0.0], [-4.25, 5.0, 6.0]]
    rationals = [[sympy.Rational(v) for v in row] for row in lists]
    assert nested(array(rationals, tensor), tensor) == lists
    assert array(rationals, tensor)[2, 1] == context.mpf("-4.25")
    scalar = Tensor("c", (), "constant")
    assert nested(array(sympy.Rational(7, 20), scalar), scalar) == 0.35


def test_arrays_that_start_at_zero() -> None:
    tensor = Tensor("h", (3,), "value", first=(0,))
    assert nested({(0,): context.mpf(1), (1,): context.mpf(2), (2,): context.mpf(3)}, tensor) == [1.0, 2.0, 3.0]
    assert tensor.last == (2,)


def test_constants_take_part_in_the_forward_pass() -> None:
    network = network_of("input x[2]\nconstant c = 0.35\nweight w\nloss L = w * c * sum(x)")
    values = forward(network, {"x": {(1,): context.mpf(2), (2,): context.mpf(3)}, "w": {(): context.mpf(10)}})
    assert values["L"][()] == context.mpf("17.5")


@pytest.mark.parametrize("name", ["attention", "recurrence from a learned state", "gallery of functions", "swish"])
def test_a_whole_forward_pass_in_fifty_digits_rounds_to_the_one_in_floats(name: str) -> None:
    network = network_of(CASES[name].spec)
    data = draw(network, seed=11)
    found = forward(network, exact(network, data))[network.loss][()]
    assert math.isclose(float(found), float(CASES[name].loss(data)), rel_tol=1e-13)


def test_a_recurrence_starts_from_zero_where_nothing_else_is_said() -> None:
    network = network_of("input x[3]\nweight w\nh[t] = w * h[t-1] + x[t]\nloss L = h[3]^2")
    values = forward(network, exact(network, {"x": np.array([1.0, 2.0, 3.0]), "w": np.array(0.5)}))
    assert [float(values["h"][t,]) for t in range(4)] == [0.0, 1.0, 2.5, 4.25]


def test_what_cancels_but_for_rounding_is_zero() -> None:
    """0.1 + 0.2 - 0.3 in binary is not 0 in any number of digits; a small number beside large ones is one."""
    tenths = [number(sympy.Rational(n, 10)) for n in (1, 2, -3)]
    assert context.fsum(tenths) != 0
    assert total(tenths) == total([tenths[0], -context.fsum(tenths[1:]) - 2 * tenths[0]]) == 0
    for small in ("1e-44", "-1e-44"):
        assert total([context.mpf(1), context.mpf(small) - 1]) == pytest.approx(context.mpf(small), rel=1e-5)
    assert total([context.inf, context.mpf(1)]) == context.inf
    assert context.isnan(total([context.inf, -context.inf, context.mpf(1)]))
    assert total([context.mpc(1, "1e-60"), context.mpc(-1, 0)]).imag == context.mpf("1e-60"), "a complex step"
    assert total([]) == 0
