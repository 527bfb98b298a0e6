"""Conditions that decide each other, and kinks."""

from __future__ import annotations

import pytest
import sympy
from sympy import Abs, exp

from derive.branches import decide, kinks
from derive.expressions import Cases
from derive.functions import maximum, minimum

Z, B = sympy.symbols("z b", real=True)
ZERO, ONE = sympy.Integer(0), sympy.Integer(1)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (maximum(Z, ZERO), [(0, 0)]),
        (maximum(ZERO, Z), [(0, 0)]),
        (Cases(Z, Z, Z / 10), [(0, "1/10")]),
        (Cases(Z, Z, exp(Z) - 1), []),  # both slopes are 1
        (Cases(Z, Z, 2 * (exp(Z) - 1)), [(0, 2)]),
        (maximum(-ONE, minimum(ONE, Z)), [(-1, 0), (1, 0)]),
        (Z * maximum(ZERO, minimum(ONE, Z / 6 + ONE / 2)), [(-3, 0), (3, 1)]),
        (Abs(2 * Z - 3), [("3/2", 0)]),
        (Z * Abs(Z), []),
        (Z / (1 + Abs(Z)), []),
        (Cases(Abs(Z) - 1, Abs(Z) - ONE / 2, Z**2 / 2), []),  # Huber's loss has a slope everywhere
        (Cases(Abs(Z) - 1, 3 * Abs(Z), Z**2), [(-1, -2), (1, 2)]),
        (exp(-(Z**2)), []),
    ],
)
def test_kinks_and_the_slope_taken_there(function: sympy.Expr, expected: list[tuple[object, object]]) -> None:
    found = [(k.place, sympy.simplify(k.slope)) for k in kinks(function, Z)]
    assert found == [(sympy.Rational(p), sympy.Rational(s)) for p, s in expected]


def test_nothing_is_decided_where_there_is_one_condition() -> None:
    once = Cases(1 - Z / 2, Z, B)
    assert decide(once) is once


def test_conditions_nested_without_end_stay() -> None:
    nested = Z
    for n in range(10):
        nested = Cases(nested - n, nested, B)
    assert decide(nested) is nested
