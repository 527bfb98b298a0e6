"""Expressions by cases: conditions that decide each other, and the kinks that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sympy

from derive.expressions import Cases, smooth, sort_key

MAX_CASES = 8  # conditions inside conditions; beyond, an expression stays as it is

_BESIDE = sympy.Rational(1, 10**9)  # how far beside a kink one looks


def decide(expression: sympy.Expr) -> sympy.Expr:
    """Every condition free of cases, and none inside a branch where it is known.

    max(min(z, 1), −1)′ is [min(z, 1) > −1] · [z < 1], which is [z < 1] · [z > −1].
    """
    if len(expression.atoms(Cases)) < 2:
        return expression
    if any(len(c.args[0].atoms(Cases)) > MAX_CASES for c in expression.atoms(Cases)):
        return expression
    return _decided(expression, {})


def _decided(e: sympy.Expr, known: Mapping[sympy.Expr, bool]) -> sympy.Expr:
    if not e.has(Cases):
        return e
    if not isinstance(e, Cases):
        return e.func(*(_decided(a, known) for a in e.args))
    condition, positive, otherwise = e.args
    inner = sorted(condition.atoms(Cases), key=sort_key)
    if inner:
        first, above, below = inner[0].args
        branches = (Cases(condition.xreplace({inner[0]: b}), positive, otherwise) for b in (above, below))
        return _decided(Cases(first, *branches), known)
    condition = _scaled(condition)
    if condition in known:
        return _decided(positive if known[condition] else otherwise, known)
    return Cases(
        condition,
        _decided(positive, {**known, condition: True, _scaled(-condition): False}),
        _decided(otherwise, {**known, condition: False}),
    )


def _scaled(condition: sympy.Expr) -> sympy.Expr:
    """A condition u > 0 without a positive factor: 3 − z for 1/2 − z/6."""
    content, primitive = condition.as_content_primitive()
    return primitive if content.is_positive else condition


@dataclass(frozen=True)
class Kink:
    """A place where a function of one variable has two slopes; ``slope`` is the one that is taken there."""

    place: sympy.Expr
    slope: sympy.Expr


def kinks(function: sympy.Expr, variable: sympy.Symbol) -> list[Kink]:
    """The kinks of a function of one variable, in their order on the line, found from its conditions.

    The function is one of numbers and ``variable`` alone; a condition must be linear in the variable, apart from
    absolute values.  Its slope is that of the derivative which is derived from the formula.
    """
    derivative = smooth(function.diff(variable))
    found = []
    for place in sorted(set(_changes(function, variable)), key=lambda p: p.evalf()):
        before, there, after = (derivative.subs(variable, place + d) for d in (-_BESIDE, 0, _BESIDE))
        if abs((after - before).evalf()) > 10**3 * _BESIDE:
            found.append(Kink(place, there))
    return found


def _changes(e: sympy.Expr, variable: sympy.Symbol) -> Iterator[sympy.Expr]:
    """Where a condition or the sign of an absolute value changes."""
    for atom in decide(e).atoms(Cases, sympy.Abs, sympy.sign):
        for plain in _without_absolutes(atom.args[0]):
            slope = plain.diff(variable)
            if slope.is_number and slope != 0:
                yield sympy.nsimplify(-plain.subs(variable, 0) / slope)


def _without_absolutes(e: sympy.Expr) -> Iterator[sympy.Expr]:
    absolutes = sorted(e.atoms(sympy.Abs), key=sort_key)
    if not absolutes:
        yield e
        return
    for sign in (1, -1):
        yield from _without_absolutes(e.xreplace({absolutes[0]: sign * absolutes[0].args[0]}))
