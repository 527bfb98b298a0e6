"""Cases inside cases as rows with conditions, the way they are written."""

from __future__ import annotations

import sympy

from derive.expressions import Cases, is_negative

Condition = tuple[sympy.Expr, bool]  # u, and whether u > 0 holds
Row = tuple[sympy.Expr, tuple[Condition, ...]]


def rows(e: sympy.Expr, under: tuple[Condition, ...] = ()) -> list[Row]:
    """The values of cases with their conditions, to be read from above: the first row that holds counts."""
    if not isinstance(e, Cases):
        return [(e, under)]
    condition, positive, otherwise = e.args
    if isinstance(positive, Cases) and not isinstance(otherwise, Cases):
        return [(otherwise, (*under, (condition, False))), *rows(positive, under)]
    return [*rows(positive, (*under, (condition, True))), *rows(otherwise, under)]


def paths(e: sympy.Expr, under: tuple[Condition, ...] = ()) -> list[Row]:
    """The values of cases, each with all conditions on the way to it."""
    if not isinstance(e, Cases):
        return [(e, under)]
    condition, positive, otherwise = e.args
    return [*paths(positive, (*under, (condition, True))), *paths(otherwise, (*under, (condition, False)))]


def one_under(e: sympy.Expr) -> tuple[Condition, ...] | None:
    """The conditions under which cases are 1, if they are 0 elsewhere."""
    found = [(value, conditions) for value, conditions in paths(e) if value != 0]
    return found[0][1] if len(found) == 1 and found[0][0] == 1 else None


def content(e: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """Cases that are one number or 0, as that number times cases that are 1 or 0."""
    values = [value for value, _ in paths(e) if value != 0] if isinstance(e, Cases) else []
    if len(values) != 1 or not values[0].is_number:
        return sympy.Integer(1), e
    return values[0], _divided(e, values[0])


def _divided(e: sympy.Expr, number: sympy.Expr) -> sympy.Expr:
    return Cases(e.args[0], *(_divided(b, number) for b in e.args[1:])) if isinstance(e, Cases) else e / number


def sides(condition: Condition) -> tuple[sympy.Expr, str, sympy.Expr]:
    """Left side, relation and right side: a number alone on the right where that can be, else nothing negative."""
    u, holds = condition
    terms = sympy.Add.make_args(u)
    number = sympy.Add(*(t for t in terms if t.is_number))
    rest = [t for t in terms if not t.is_number]
    if all(is_negative(t) for t in rest):
        return -sympy.Add(*rest), "<" if holds else "≥", number
    relation = ">" if holds else "≤"
    if not any(is_negative(t) for t in rest):
        return sympy.Add(*rest), relation, -number
    left = sympy.Add(*(t for t in terms if not is_negative(t)))
    return left, relation, left - u


def between(conditions: tuple[Condition, ...]) -> tuple[sympy.Expr, str, sympy.Expr, str, sympy.Expr] | None:
    """−1 < z < 1, for two conditions that bound one thing from below and from above."""
    found = [sides(c) for c in conditions]
    lower = [(bound, relation) for _, relation, bound in found if relation in ">≥"]
    upper = [(bound, relation) for _, relation, bound in found if relation in "<≤"]
    if len(found) != 2 or found[0][0] != found[1][0] or len(lower) != 1:
        return None
    (least, above), (most, below) = lower[0], upper[0]
    return least, {">": "<", "≥": "≤"}[above], found[0][0], below, most
