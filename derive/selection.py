"""Whole numbers among the data that choose a place in a tensor: the words of an embedding, the class of a sample.

``E[w]`` is Σ_v [w = v] E[v], so the calculus needs no rule of its own: ∂E[v] = [w = v] δ.  Whoever prints or computes
such a sum may take the one term that is not zero: Σ_v [w = v] f(v) = f(w).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import sympy

from derive.expressions import Access, Equal, Index
from derive.network import Equation


def choices(equations: Iterable[Equation]) -> dict[str, int]:
    """The tensors whose elements choose a place, each with the number of places: they hold whole numbers from 1."""
    found: dict[str, int] = {}
    for eq in equations:
        for choice in eq.body.atoms(Equal):
            chooser, place = choice.args
            if isinstance(chooser, Access) and place.is_Symbol:
                last = eq.ranges[place][1]
                found[chooser.tensor] = min(last, found.get(chooser.tensor, last))
    return found


def chosen(term: sympy.Expr, indices: Iterable[sympy.Expr]) -> tuple[Index, Access] | None:
    """An index among ``indices`` that a product pins to a chooser, and the chooser."""
    for factor in sympy.Mul.make_args(term):
        if isinstance(factor, Equal) and isinstance(factor.args[0], Access) and factor.args[1] in set(indices):
            return factor.args[1], factor.args[0]
    return None


def pinned(term: sympy.Expr, place: Index, chooser: Access) -> sympy.Expr:
    """A product without its factor [chooser = place], at that place."""
    rest = sympy.Mul(*(f for f in sympy.Mul.make_args(term) if f != Equal(chooser, place)))
    return rest.xreplace({place: chooser})


def selected(eq: Equation) -> Equation:
    """The equation with every sum Σ_v [w = v] f(v) replaced by f(w)."""
    while eq.kind == "sum" and (found := chosen(eq.body, eq.reduce)) is not None:
        place, _ = found
        eq = replace(eq, body=pinned(eq.body, *found), reduce=tuple(i for i in eq.reduce if i != place))
    return eq
