"""δ with the sign of a book: the derivative of the loss, or minus it.

Some books call δ minus the derivative, so that weights take a step w + η δ x.  Every formula of the derivation is about
derivatives; where δ has the other sign, each derivative with a name is −δ, put in before anything is written:
``∂L/∂w = −δ x``, and signs meet as they do in any sum or product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import sympy

from derive.evaluate import Values
from derive.expressions import Access, accesses, is_negative
from derive.network import Equation, Tensor
from derive.steps import Line, Partial, Product, Summed, Total

MARK = "∂-"  # before the name of a tensor: minus the derivative by it


def opposite(tensor: str) -> str:
    """The name of minus a derivative."""
    return MARK + tensor.removeprefix("∂")


class Signs:
    """``tensors``: the derivatives whose letter stands for minus them."""

    def __init__(self, tensors: Iterable[str] = ()) -> None:
        self.tensors = frozenset(tensors)

    def with_sums(self, equations: Iterable[Equation], tensors: Mapping[str, Tensor]) -> Signs:
        """The same signs, and that of sums without a name whose terms all have it: -(sum of -δ w) is the sum of δ w."""
        found = Signs(self.tensors)
        for eq in equations:
            plain = tensors[eq.lhs.tensor].anonymous and eq.kind == "sum" and not eq.accumulate
            if plain and all(map(is_negative, sympy.Add.make_args(found.expression(eq.body)))):
                found = Signs({*found.tensors, eq.lhs.tensor})
        return found

    def line(self, line: Line) -> Line:
        """The same line of a derivation, in δs of the other sign."""
        match line:
            case _ if not self.tensors:
                return line
            case Partial():
                return line
            case Product():
                return _product(map(self.line, line.factors))
            case Total():
                return Total(tuple(map(self.line, line.terms)))
            case Summed():
                return replace(line, line=self.line(line.line))
        return self.expression(line)

    def expression(self, e: sympy.Expr) -> sympy.Expr:
        """The same value, in δs of the other sign."""
        found = {a: -Access(opposite(a.tensor), *a.indices) for a in accesses(e) if a.tensor in self.tensors}
        return _met(e.xreplace(found)) if found else e

    def equation(self, eq: Equation) -> Equation:
        """An equation with δs of the other sign on its right; what it says of its left side stays."""
        if not self.tensors:
            return eq
        order = tuple(opposite(name) if name in self.tensors else name for name in eq.order)
        return replace(eq, body=self.expression(eq.body), order=order)

    def definition(self, eq: Equation) -> Equation:
        """The equation of a derivative as that of its δ."""
        if eq.lhs.tensor not in self.tensors:
            return eq
        eq = self.equation(eq)
        return replace(eq, lhs=Access(opposite(eq.lhs.tensor), *eq.lhs.indices), body=_met(-eq.body))

    def defining(self, line: Line) -> Line:
        """What δ is equal to, where ``line`` is equal to the derivative."""
        if not self.tensors:
            return line
        line = self.line(line)
        return _met(-line) if isinstance(line, sympy.Expr) else _product([sympy.Integer(-1), line])

    def values(self, values: Values) -> Values:
        """Numbers, with those of the δs of the other sign."""
        here = [name for name in values if name in self.tensors]
        return {**values, **{opposite(name): {n: -v for n, v in values[name].items()} for name in here}}


def _met(e: sympy.Expr) -> sympy.Expr:
    """The same value; in products the sign of a sum of nothing but differences is that of the product."""
    return e.replace(lambda inner: inner.is_Mul and any(map(_is_difference, inner.args)), _turned)


def _is_difference(e: sympy.Expr) -> bool:
    return e.is_Add and all(map(is_negative, e.args))


def _turned(product: sympy.Mul) -> sympy.Expr:
    turned = [_is_difference(factor) for factor in product.args]
    return sympy.Mul((-1) ** sum(turned), *(-f if t else f for f, t in zip(product.args, turned, strict=True)))


def _product(factors: Iterable[Line]) -> Product:
    """A product with at most one sign, which stands before it as the factor −1."""
    sign = 1
    found: list[Line] = []
    for factor in factors:
        parts = factor.factors if isinstance(factor, Product) else (factor,)
        for part in parts:
            if isinstance(part, sympy.Expr) and is_negative(part):
                sign, part = -sign, -part
            found += [part] if part != 1 else []
    return Product((*([sympy.Integer(-1)] if sign < 0 else []), *found))
