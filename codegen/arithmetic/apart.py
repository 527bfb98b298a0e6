"""Two terms of which a number chooses, kept apart from each other in double precision.

Of t a + (1 − t) b, as in a cross-entropy with labels t that are 0 or 1, LLVM makes b + t (a − b): one multiplication
less, allowed where operations may be reordered.  At t = 1 that is b + (a − b), in which an a that is small beside b is
lost.  So the two terms are put together by a difference that is not reordered (:class:`Difference`):

    t a + (1 − t) b = t a − (t − 1) b

In single precision sums are right to a rounding of their largest term anyway, and stay as they are.
"""

from __future__ import annotations

import sympy

from codegen.arithmetic.primitives import Difference, Precise
from derive.expressions import Access, sort_key


def apart(e: sympy.Expr) -> sympy.Expr:
    """An expression with every such sum in a form for double precision beside the one that it has."""
    if isinstance(e, Precise):
        return Precise(e.args[0], _exact(e.args[1]))
    if e.is_Atom or isinstance(e, Access):
        return e
    inside = e.func(*(apart(a) for a in e.args))
    own = _apart(e) if e.is_Add else e
    return inside if own == e else Precise(e, _exact(e))


def _exact(e: sympy.Expr) -> sympy.Expr:
    if e.is_Atom or isinstance(e, Access):
        return e
    e = e.func(*map(_exact, e.args))
    return _apart(e) if e.is_Add else e


def _apart(total: sympy.Expr) -> sympy.Expr:
    """A sum with the terms that hold 1 − t and those that hold t on the two sides of a difference."""
    factors = {f for term in total.args for f in sympy.Mul.make_args(term) if f.is_Add and len(f.args) == 2}
    for rest in sorted((f for f in factors if 1 in f.args), key=sort_key):
        chosen = [term for term in total.args if _holds(term, 1 - rest)]
        others = [term for term in total.args if _holds(term, rest) and term not in chosen]
        if chosen and others:
            left = sympy.Add(*(term for term in total.args if term not in chosen and term not in others))
            return left + Difference(sympy.Add(*chosen), -sympy.Add(*others))
    return total


def _holds(term: sympy.Expr, factor: sympy.Expr) -> bool:
    """Whether a product holds a factor, or a power of it."""
    bases = dict(f.as_base_exp() for f in sympy.Mul.make_args(term))
    return bool(bases.get(factor, sympy.S.Zero).is_positive)
