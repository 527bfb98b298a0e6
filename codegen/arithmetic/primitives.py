"""Functions of the printed code that SymPy has no name for; :mod:`codegen.arithmetic.stable` brings them in."""

from __future__ import annotations

import sympy


class Primitive(sympy.Function):
    """A function of real numbers that the printed code computes by routines of its own."""

    def _eval_is_real(self) -> bool:
        return True


class Sigmoid(Primitive):
    """1/(1 + e⁻ᵘ)."""

    nargs = 1


class SigmoidSlope(Primitive):
    """σ(u) σ(−u) = eᵘ/(1 + eᵘ)², the derivative of σ."""

    nargs = 1


class Softplus(Primitive):
    """log(1 + eᵘ)."""

    nargs = 1


class Erfc(Primitive):
    """1 − erf u."""

    nargs = 1


class XLogY(Primitive):
    """x log y, and 0 where x = 0."""

    nargs = 2


class XOverY(Primitive):
    """x / y, and 0 where x = 0."""

    nargs = 2


class Log1p(Primitive):
    """log(1 + u)."""

    nargs = 1


class Expm1(Primitive):
    """eᵘ − 1."""

    nargs = 1


class Difference(Primitive):
    """a − b of rounded numbers, which is rounded before anything else is added to it."""

    nargs = 2


class Precise(Primitive):
    """``Precise(short, exact)``: two forms of one number, ``exact`` in double precision and ``short`` in single."""

    nargs = 2

    @classmethod
    def eval(cls, short: sympy.Expr, exact: sympy.Expr) -> sympy.Expr | None:
        return short if short == exact else None

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return Precise(*(form.diff(symbol) for form in self.args))
