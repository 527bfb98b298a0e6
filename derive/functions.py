"""Functions of one element: the elementary ones SymPy knows, and :class:`Formula`, everything defined by a formula.

A formula stays a named function inside equations, so that notes print σ(z) and kernels may compute it stably; its
derivative is derived from the formula, once, and expressed through the function's own value where that is rational:
σ' = σ(1 − σ).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar

import sympy
from mpmath.libmp import prec_to_dps

from derive.expressions import Cases, Equal


class Formula(sympy.Function):
    """A function given by a formula in its parameters; made by :func:`formula`."""

    parameters: ClassVar[tuple[sympy.Symbol, ...]]
    body: ClassVar[sympy.Expr]
    defaults: ClassVar[dict[sympy.Symbol, sympy.Rational]]

    def _eval_is_real(self) -> bool:
        return True

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        return self.expanded().evalf(prec_to_dps(prec))  # never what mpmath calls by this name

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        from derive.tidy import derivative_of

        function: Any = type(self)
        derivative = derivative_of(function, argindex - 1)
        return derivative.xreplace(dict(zip(self.parameters, self.args, strict=True)))

    def expanded(self) -> sympy.Expr:
        """The formula with the arguments put in."""
        return self.body.xreplace(dict(zip(self.parameters, self.args, strict=True)))

    @property
    def operands(self) -> tuple[sympy.Expr, ...]:
        """The arguments for the parameters without a default."""
        return tuple(a for p, a in zip(self.parameters, self.args, strict=True) if p not in self.defaults)

    @property
    def settings(self) -> dict[sympy.Symbol, sympy.Expr]:
        """The other arguments, where they differ from the default."""
        given = zip(self.parameters, self.args, strict=True)
        return {p: a for p, a in given if p in self.defaults and a != self.defaults[p]}


@lru_cache(maxsize=4096)
def formula(
    name: str,
    parameters: tuple[sympy.Symbol, ...],
    body: sympy.Expr,
    defaults: tuple[tuple[sympy.Symbol, sympy.Rational], ...] = (),
) -> type[Formula]:
    """The function ``name(parameters) = body``; the same one for the same formula, so that networks compare equal.

    ``defaults`` pairs parameters with the numbers that they are by default.
    """
    members = {"parameters": parameters, "body": body, "nargs": len(parameters), "defaults": dict(defaults)}
    return type(name, (Formula,), members)


def written_out(expression: sympy.Expr) -> sympy.Expr:
    """An expression with every function that is defined by a formula written out."""
    while formulas := expression.atoms(Formula):
        expression = expression.xreplace({f: f.expanded() for f in formulas})
    return expression


def maximum(left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    """max(left, right); at a tie the derivative is that of the argument that is a number, else of the second."""
    if left.is_number and not right.is_number:
        left, right = right, left
    return Cases(_difference(left, right), left, right)


def minimum(left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    """min(left, right), with the tie broken as in :func:`maximum`."""
    if left.is_number and not right.is_number:
        left, right = right, left
    return Cases(_difference(right, left), left, right)


class Largest(sympy.Function):
    """The largest of many numbers; at a tie the equal ones share the derivative, as where a tensor is reduced to it.

    Nested :func:`maximum`, cases inside cases, would have twice as many for every one.
    """

    def _eval_is_real(self) -> bool:
        return True

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        chosen = [Equal(arg, self) for arg in self.args]
        return chosen[argindex - 1] / sympy.Add(*chosen)


def _difference(left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    """left − right, shorter where terms cancel: t − y for q (t − y) − (q − 1) (t − y)."""
    plain, expanded = left - right, sympy.expand(left - right)
    return expanded if sympy.count_ops(expanded) < sympy.count_ops(plain) else plain


#: Functions of several arguments, by name: how many, and what they make.
COMBINING: dict[str, tuple[int, Callable[..., sympy.Expr]]] = {
    "max": (2, maximum),
    "min": (2, minimum),
    "cases": (3, Cases),
}


@lru_cache(maxsize=1)
def elementary() -> dict[str, Callable[[sympy.Expr], sympy.Expr]]:
    """The elementary functions of the language, by name."""
    return {
        "exp": sympy.exp,
        "log": sympy.log,
        "sqrt": sympy.sqrt,
        "abs": sympy.Abs,
        "sign": sympy.sign,
        "sin": sympy.sin,
        "cos": sympy.cos,
        "sinh": sympy.sinh,
        "cosh": sympy.cosh,
        "tanh": sympy.tanh,
        "erf": sympy.erf,
    }
