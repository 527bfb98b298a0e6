"""The scalar expressions that equations are made of.

An :class:`Access` is one element of a tensor, ``W[i, j+1]``.  SymPy sees it as a real scalar with no inner structure
worth differentiating; the calculus (:mod:`derive.gradient`) replaces accesses by dummies before SymPy differentiates.
Indices count from 1 and are affine in index symbols.

:class:`Cases` is the one way to write a function with a kink; the value *at* the kink is part of its definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

import sympy
from sympy.core.symbol import Str

Index: TypeAlias = sympy.Symbol


def index(name: str) -> Index:
    """An index symbol; integer, so that it can never be confused with a tensor or a constant of the same name."""
    return sympy.Symbol(name, integer=True, positive=True)


class Access(sympy.Expr):
    """One element of a tensor: ``Access("W", i, j)`` is ``W[i, j]``."""

    is_real = True
    is_commutative = True

    def __new__(cls, tensor: str | Str, *indices: sympy.Expr | int) -> Access:
        name = tensor if isinstance(tensor, Str) else Str(tensor)
        return sympy.Expr.__new__(cls, name, *(sympy.sympify(i) for i in indices))

    @property
    def tensor(self) -> str:
        return str(self.args[0].name)

    @property
    def indices(self) -> tuple[sympy.Expr, ...]:
        return tuple(self.args[1:])

    def _sympystr(self, printer: sympy.printing.str.StrPrinter) -> str:
        return self.tensor + (f"[{', '.join(printer._print(i) for i in self.indices)}]" if self.indices else "")

    _sympyrepr = _sympystr

    def _latex(self, printer: sympy.printing.latex.LatexPrinter) -> str:
        letter = printer._print(sympy.Symbol(self.tensor))
        return f"{{{letter}}}_{{{','.join(map(printer._print, self.indices))}}}" if self.indices else str(letter)


class Cases(sympy.Function):
    """``Cases(u, a, b)`` is *a* where u > 0 and *b* where u ≤ 0.

    The derivative is taken branch by branch; so at the kink u = 0 it is that of *b*.  ReLU is ``Cases(z, z, 0)``,
    hence ReLU'(0) = 0.
    """

    nargs = 3

    @classmethod
    def eval(cls, condition: sympy.Expr, positive: sympy.Expr, otherwise: sympy.Expr) -> sympy.Expr | None:
        if positive == otherwise:
            return positive
        if condition.is_number:
            return positive if condition > 0 else otherwise
        return None

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        condition, positive, otherwise = self.args
        return Cases(condition, positive.diff(symbol), otherwise.diff(symbol))


class Equal(sympy.Function):
    """``Equal(a, b)`` is 1 where a = b and 0 elsewhere; it picks the places where a maximum is attained.

    ``Equal(w, v)`` with an index *v* picks the place that the whole number *w* among the data chooses.
    """

    nargs = 2

    @classmethod
    def eval(cls, left: sympy.Expr, right: sympy.Expr) -> sympy.Expr | None:
        if left == right:
            return sympy.Integer(1)
        return sympy.Integer(0) if left.is_Number and right.is_Number else None

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return sympy.Integer(0)


class Within(sympy.Function):
    """``Within(i, a, b, e)`` is *e* where the index expression i lies in a ≤ i ≤ b, and 0 elsewhere.

    Elsewhere *e* is not even looked at: its elements may lie outside their tensors.  A bound may be infinite.
    """

    nargs = 4

    @classmethod
    def eval(cls, subscript: sympy.Expr, first: sympy.Expr, last: sympy.Expr, value: sympy.Expr) -> sympy.Expr | None:
        if value == 0:
            return value
        if subscript.is_number:
            return value if first <= subscript <= last else sympy.Integer(0)
        return None

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        subscript, first, last, value = self.args
        return Within(subscript, first, last, value.diff(symbol))


@lru_cache(maxsize=65536)
def sort_key(expression: sympy.Basic) -> tuple[int, str]:
    """An order that depends on nothing but what is written (no hash, no counter)."""
    text = str(expression)
    return len(text), text


@lru_cache(maxsize=8192)  # asked again and again of the same bodies
def reads(expression: sympy.Basic) -> frozenset[Access]:
    """The distinct accesses in an expression."""
    return frozenset(expression.atoms(Access))


def accesses(expression: sympy.Expr) -> list[Access]:
    """The distinct accesses in an expression, in a fixed order."""
    return sorted(reads(expression), key=sort_key)


@lru_cache(maxsize=8192)  # asked again and again of the same bodies
def index_symbols(expression: sympy.Basic) -> frozenset[Index]:
    """The index symbols that occur in an expression, inside accesses or beside them."""
    return frozenset(s for s in expression.free_symbols if s.is_integer)


def rename(expression: sympy.Expr, mapping: Mapping[Index, sympy.Expr]) -> sympy.Expr:
    """Replace index symbols, all at once."""
    return expression.xreplace(dict(mapping)) if mapping else expression


def extent_of(subscript: sympy.Expr, ranges: Mapping[Index, tuple[int, int]]) -> tuple[int, int]:
    """The least and the greatest value of an affine expression over given ranges."""
    low = high = int(subscript.subs(dict.fromkeys(index_symbols(subscript), 0)))
    for symbol in index_symbols(subscript):
        slope = int(subscript.coeff(symbol))
        ends = [slope * end for end in ranges[symbol]]
        low, high = low + min(ends), high + max(ends)
    return low, high


def fresh(preferred: Iterable[str], taken: set[str]) -> Index:
    """The first index among ``preferred`` whose name is not taken, else one with a number; marks it as taken."""
    candidates = list(preferred)
    name = next((c for c in candidates if c not in taken), None)
    number = 1
    while name is None:
        trial = f"{candidates[0]}{number}"
        name = None if trial in taken else trial
        number += 1
    taken.add(name)
    return index(name)


@lru_cache(maxsize=4096)
def partial(body: sympy.Expr, access: Access) -> sympy.Expr:
    """∂body/∂access, every other access held fixed, whatever indices it carries.

    ``x[i]`` and ``x[j]`` are different variables here even if some i equals some j: the sum over all accesses in
    the sweep accounts for both.
    """
    if body == access:
        return sympy.S.One
    if body.is_Add:  # linearity: what does not depend on the access need not be looked through, and often most does not
        return sympy.Add(*(partial(term, access) for term in body.args if access in reads(term)))
    if body.is_Mul:
        varying = [factor for factor in body.args if access in reads(factor)]
        if len(varying) == 1:
            return sympy.Mul(*(partial(f, access) if f is varying[0] else f for f in body.args))
    variable = sympy.Symbol("variable", real=True)
    return smooth(body.xreplace({access: variable}).diff(variable)).xreplace({variable: access})


class Magnitude(sympy.Function):
    """|u| of what is real, for derivatives of formulas of which SymPy cannot tell that they are: 1/√v may be none."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.sign(self.args[0])


def smooth(derivative: sympy.Expr) -> sympy.Expr:
    """A derivative with sign′(0) = 0, as is stated for every kink, where SymPy leaves a Dirac delta."""
    if not derivative.has(sympy.DiracDelta):
        return derivative
    return derivative.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))


def is_negative(term: sympy.Expr) -> bool:
    """Whether a term of a sum is written with a minus."""
    return bool(term.as_coeff_Mul()[0].is_negative)
