"""Functions of the printed code that SymPy has no name for, and the scalar rewritings that bring them in.

Each rewriting holds for all real numbers; the right side is safe where the left one overflows or cancels:

=========  =====================================================================
logistic   1/(1 + e⁻ᵘ) and eᵘ/(1 + eᵘ) are Sigmoid(u)
softplus   log(1 + eᵘ) is Softplus(u)
logarithm  log Sigmoid(u) = −Softplus(−u), log(1 − Sigmoid(u)) = −Softplus(u),
           log cosh u = |u| + log1p(e^(−2|u|)) − log 2, log(eᵘ q) = u + log q
entropy    x log y is XLogY(x, y), which is 0 at x = 0 whatever y is
small      log(1 + u) is Log1p(u) and eᵘ − 1 is Expm1(u)
=========  =====================================================================
"""

from __future__ import annotations

import sympy

from derive.expressions import Access, sort_key
from derive.functions import Formula


class Primitive(sympy.Function):
    """A function of real numbers that the printed code computes by routines of its own."""

    def _eval_is_real(self) -> bool:
        return True


class Sigmoid(Primitive):
    """1/(1 + e⁻ᵘ)."""

    nargs = 1


class Softplus(Primitive):
    """log(1 + eᵘ)."""

    nargs = 1


class XLogY(Primitive):
    """x log y, and 0 where x = 0."""

    nargs = 2


class Log1p(Primitive):
    """log(1 + u)."""

    nargs = 1


class Expm1(Primitive):
    """eᵘ − 1."""

    nargs = 1


def expand_formulas(expression: sympy.Expr) -> sympy.Expr:
    """Write out every function that is defined by a formula."""
    while formulas := expression.atoms(Formula):
        expression = expression.xreplace({f: f.expanded() for f in formulas})
    return expression


def exponent(expression: sympy.Expr) -> sympy.Expr | None:
    """u where the expression is eᵘ."""
    return expression.args[0] if isinstance(expression, sympy.exp) else None


def logistic(expression: sympy.Expr) -> sympy.Expr:
    """1/(1 + eᵘ)ⁿ = Sigmoid(−u)ⁿ, and eᵘ Sigmoid(−u) = Sigmoid(u)."""

    def power(base: sympy.Expr, exp: sympy.Expr) -> sympy.Expr:
        u = _one_plus_exp(base)
        return sympy.Pow(base, exp) if u is None or not exp.is_negative else Sigmoid(-u) ** (-exp)

    expression = expression.replace(sympy.Pow, power)
    return expression.replace(lambda e: e.is_Mul and e.has(Sigmoid), _absorb_exponentials)


def _one_plus_exp(expression: sympy.Expr) -> sympy.Expr | None:
    """u where the expression is 1 + eᵘ."""
    if not (expression.is_Add and len(expression.args) == 2 and 1 in expression.args):
        return None
    return exponent(expression - 1)


def _absorb_exponentials(product: sympy.Expr) -> sympy.Expr:
    factors = list(product.args)
    for e in sorted((f for f in factors if exponent(f) is not None), key=sort_key):
        for f in sorted(factors, key=sort_key):
            base, times = f.as_base_exp()
            if isinstance(base, Sigmoid) and times.is_Integer and times > 0 and e.args[0] == -times * base.args[0]:
                factors = [g for g in factors if g not in (e, f)]
                factors.append(Sigmoid(-base.args[0]) ** times)
                break
    return sympy.Mul(*factors)


def combine_exponentials(expression: sympy.Expr) -> sympy.Expr:
    """eᵘ eᵛ = e^(u + v), which may be small where one of the two overflows."""

    def combine(product: sympy.Expr) -> sympy.Expr:
        exponents = [f.args[0] for f in product.args if exponent(f) is not None]
        if len(exponents) < 2:
            return product
        return sympy.Mul(sympy.exp(sympy.Add(*exponents)), *(f for f in product.args if exponent(f) is None))

    return expression.replace(lambda e: e.is_Mul, combine)


def stable_log(argument: sympy.Expr) -> sympy.Expr | None:
    """log(argument) in a safe form, or ``None`` if no rule holds; sigmoids are recognised already."""
    if isinstance(argument, Sigmoid):
        return -Softplus(-argument.args[0])
    if argument.is_Add and isinstance(1 - argument, Sigmoid):
        return -Softplus((1 - argument).args[0])
    if (u := _one_plus_exp(argument)) is not None:
        return Softplus(u)
    if isinstance(argument, sympy.exp):
        return argument.args[0]
    if isinstance(argument, sympy.cosh):
        u = sympy.Abs(argument.args[0])
        return u + Log1p(sympy.exp(-2 * u)) - sympy.log(2)
    if argument.is_Pow and argument.exp.is_number and argument.exp.is_odd is not None:
        inner = stable_log(argument.base)
        return None if inner is None else argument.exp * inner
    if argument.is_Mul:
        return _log_of_product(argument)
    return None


def _log_of_product(product: sympy.Expr) -> sympy.Expr | None:
    """log(q r) = log q + log r, where one of the factors is positive by its form and its logarithm has a rule."""
    rules = {f: stable_log(f) for f in product.args if _is_positive(f)}
    known = {f: value for f, value in rules.items() if value is not None}
    if not known:
        return None
    rest = sympy.Mul(*(f for f in product.args if f not in known))
    base, power = rest.as_base_exp()
    logarithm = power * sympy.log(base) if power == -1 else sympy.log(rest)
    return sympy.Add(*known.values()) + logarithm


def _is_positive(expression: sympy.Expr) -> bool:
    base = expression.as_base_exp()[0] if expression.is_Pow else expression
    return isinstance(base, Sigmoid | sympy.exp | sympy.cosh) or _one_plus_exp(base) is not None


def entropy(expression: sympy.Expr) -> sympy.Expr:
    """x log y with x a quantity of the network is XLogY(x, y)."""

    def guard(product: sympy.Expr) -> sympy.Expr:
        logs = [f for f in product.args if isinstance(f, sympy.log) and f.has(Access)]
        rest = [f for f in product.args if f.has(Access) and f not in logs]
        if len(logs) != 1 or not rest or any(f.is_Pow and f.exp.is_negative for f in rest):
            return product
        number = sympy.Mul(*(f for f in product.args if not f.has(Access)))
        return number * XLogY(sympy.Mul(*rest), logs[0].args[0])

    return expression.replace(lambda e: e.is_Mul, guard)


def small(expression: sympy.Expr) -> sympy.Expr:
    """log(1 + u) and eᵘ − 1 without the rounding error of the sum."""

    def log1p(argument: sympy.Expr) -> sympy.Expr:
        plus = argument.is_Add and 1 in argument.args
        return Log1p(argument - 1) if plus else sympy.log(argument)

    def expm1(total: sympy.Expr) -> sympy.Expr:
        number = sympy.Add(*(t for t in total.args if t.is_number))
        for term in sorted(total.args, key=sort_key):
            factor, rest = term.as_coeff_Mul()
            if exponent(rest) is not None and factor == -number:
                return factor * Expm1(rest.args[0]) + sympy.Add(
                    *(t for t in total.args if t != term and not t.is_number)
                )
        return total

    return expression.replace(sympy.log, log1p).replace(lambda e: e.is_Add, expm1)
