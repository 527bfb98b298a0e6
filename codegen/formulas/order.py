"""The order of terms and factors: what the user wrote keeps the user's, what is derived follows its roles.

The roles of factors stand in the order numbers, rates, δ, weights, values, inputs; a sum begins with a sign only if
the user's does.
"""

from __future__ import annotations

from typing import Any

import sympy

from codegen.formulas.forms import Forms
from codegen.formulas.notation import Notation
from derive.expressions import Access, Cases, Equal, accesses, index_symbols, is_negative, sort_key

_ROLES = {
    "constant": 2.0,
    "count": 2.0,
    "adjoint": 3.0,
    "target": 4.5,
    "mask": 4.7,
    "weight": 4.0,
    "value": 5.0,
    "input": 6.0,
}

ODD = (sympy.sinh, sympy.sin, sympy.tanh, sympy.erf, sympy.sign)


class Turned(sympy.Function):
    """An odd function of −u, which SymPy would write as minus that of u."""


class Order(Forms):
    """The order in which the expressions of one network are written; ``order`` is the user's of an equation."""

    def __init__(self, notation: Notation) -> None:
        self.notation = notation
        self.order: tuple[str, ...] = ()
        self.depth = 0

    # sums

    def sorted_terms(self, e: sympy.Expr) -> list[sympy.Expr]:
        """The terms of a sum in the order in which they are written; a sign stands first only if the user put it."""
        terms = sorted(sympy.Add.make_args(e), key=self._term_key)
        if is_negative(terms[0]) and not (self.depth == 1 and self._in_order(terms[0])):
            positive = next((t for t in terms if not is_negative(t)), terms[0])
            terms.remove(positive)
            terms.insert(0, positive)
        return terms

    def terms_in(self, e: sympy.Expr, order: tuple[str, ...]) -> list[sympy.Expr]:
        """The terms of a sum in the order in which they are written where ``order`` is the user's."""
        previous, self.order = self.order, order
        terms = self.sorted_terms(e)
        self.order = previous
        return terms

    def _in_order(self, term: sympy.Expr) -> bool:
        return bool(self.order) and any(n in self.order for n in self._mentions(term))

    def _mentions(self, e: sympy.Expr) -> list[str]:
        numbers = sorted((n for n in e.atoms(sympy.Number) if n != -1), key=str)
        symbols = sorted(str(s) for s in e.free_symbols)
        return [a.tensor for a in accesses(e)] + symbols + [str(m) for n in numbers for m in (n, -n)]

    def _term_key(self, term: sympy.Expr) -> tuple[Any, ...]:
        """Terms stand as they were written: by the place of the last thing in them that was new there."""
        if self.order:
            places = [self.order.index(n) for n in self._mentions(term) if n in self.order]
            if places:
                return (0, max(places), self._indices_key(term))
        if term.is_number:
            return (-1, 0, ())
        ranks = [self.notation.rank.get(a.tensor, -1) for a in accesses(term)]
        return (1, min(ranks, default=-2), self._indices_key(term))

    @staticmethod
    def _indices_key(term: sympy.Expr) -> tuple[tuple[int, str], ...]:
        return tuple(sort_key(a) for a in sorted(term.atoms(Access), key=str))

    # products

    def factor_key(self, factor: sympy.Expr) -> tuple[Any, ...]:
        """Where a factor stands in a product."""
        if self.order:
            named = [a.tensor for a in accesses(factor)] or [
                s.name for s in factor.free_symbols - index_symbols(factor)
            ]
            places = [self.order.index(name) for name in named if name in self.order]
            if places:
                return (0, max(places), self._indices_key(factor))
        return (1, self._role(factor), self._indices_key(factor))

    def factors_in(self, e: sympy.Expr, order: tuple[str, ...]) -> list[sympy.Expr]:
        """The factors of a product in the order in which they are written where ``order`` is the user's."""
        previous, self.order = self.order, order
        factors = sorted(sympy.Mul.make_args(e), key=self.factor_key)
        self.order = previous
        return factors

    def _role(self, factor: sympy.Expr) -> float:
        base = factor.base if factor.is_Pow else factor
        if isinstance(base, Access):
            tensor = self.notation.tensors[base.tensor]
            rank = self.notation.rank.get(base.tensor, 0) / 1000
            if tensor.anonymous:
                return 3.1 if tensor.role == "adjoint" else 4.9
            return _ROLES[tensor.role] + rank
        if base.is_number:
            return 0.0
        if not base.atoms(Access):
            return 1.5 if base.is_Add else 1.0
        if isinstance(base, (Cases, Equal)):
            return 5.95
        inside = accesses(base)
        roles = {self.notation.tensors[a.tensor].role for a in inside}
        if "target" in roles or "adjoint" in roles:
            return 3.5 if base.is_Add else 5.9
        return max(_ROLES[r] for r in roles) + max(self.notation.rank.get(a.tensor, 0) for a in inside) / 1000 + 0.0005

    def _is_forward(self, e: sympy.Expr) -> bool:
        """A product of the forward pass; the numbered notation writes the weight last in it: h₁ w₅."""
        return {self.notation.tensors[a.tensor].role for a in accesses(e)} <= {"weight", "value", "input"}

    # signs

    def _starts_negative(self, e: sympy.Expr) -> bool:
        """Whether a sum would be written with a sign before it, were it not for the user's order."""
        return bool(e.is_Add) and is_negative(min(e.args, key=self._term_key))

    def _turned(self, e: sympy.Expr) -> sympy.Expr | None:
        """−tanh(t − y) q as tanh(y − t) q, where that is the user's order: an odd function takes the sign in."""
        number, rest = e.as_coeff_Mul()
        factors = list(sympy.Mul.make_args(rest))
        for factor in sorted(factors, key=sort_key) if number.is_negative else ():
            if isinstance(factor, ODD) and self._starts_negative(factor.args[0]):
                factors[factors.index(factor)] = Turned(factor)
                return sympy.Mul(-number, *factors)
        return None
