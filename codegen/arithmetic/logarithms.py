"""Logarithms in safe forms, and sums next to 1 without the rounding error of the sum.

Each rewriting holds for all real numbers; the right side is safe where the left one overflows or cancels:

=========  =====================================================================
logarithm  log σ(u) = −Softplus(−u), log(1 + eᵘ) = Softplus(u),
           log(eᵘ q) = u + log q, log S = M + log N (:mod:`codegen.arithmetic.exponentials`),
           log cosh u = |u| + log1p(e^(−2|u|)) − log 2, near 0 log1p(2 sinh²(u/2))
softplus   Softplus(u) − u = Softplus(−u)
small      log(1 + u) is Log1p(u) and eᵘ − 1 is Expm1(u)
=========  =====================================================================
"""

from __future__ import annotations

import sympy

from codegen.arithmetic.exponentials import exponent, logsum, one_plus_exp
from codegen.arithmetic.primitives import Expm1, Log1p, Sigmoid, Softplus
from derive.expressions import Cases, sort_key


def stable_log(argument: sympy.Expr) -> sympy.Expr | None:
    """log(argument) in a safe form, or ``None`` if no rule holds; sigmoids are recognised already."""
    if isinstance(argument, Sigmoid):
        return -Softplus(-argument.args[0])
    if argument.is_Add and isinstance(1 - argument, Sigmoid):
        return -Softplus((1 - argument).args[0])
    if (u := one_plus_exp(argument)) is not None:
        return Softplus(u)
    if isinstance(argument, sympy.exp):
        return argument.args[0]
    if isinstance(argument, sympy.cosh):
        u = argument.args[0]
        far = sympy.Abs(u) + Log1p(sympy.exp(-2 * sympy.Abs(u))) - sympy.log(2)
        return Cases(sympy.Abs(u) - 1, far, Log1p(2 * sympy.sinh(u / 2) ** 2))
    if argument.is_Pow and argument.exp.is_number and argument.exp.is_odd is not None:
        inner = stable_log(argument.base)
        return None if inner is None else argument.exp * inner
    if argument.is_Mul:
        return _log_of_product(argument)
    return logsum(argument)


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
    return isinstance(base, Sigmoid | sympy.exp | sympy.cosh) or one_plus_exp(base) is not None


def softplus(expression: sympy.Expr) -> sympy.Expr:
    """Softplus(u) − u = Softplus(−u), also with a common factor."""

    def reflect(total: sympy.Expr) -> sympy.Expr:
        for term in sorted((t for t in total.args if t.has(Softplus)), key=sort_key):
            factor, function = term.as_coeff_Mul()
            if isinstance(function, Softplus):
                linear = sympy.Add.make_args(sympy.expand(-factor * function.args[0]))
                if set(linear) <= set(total.args):
                    rest = (t for t in total.args if t != term and t not in linear)
                    return sympy.Add(factor * Softplus(-function.args[0]), *rest)
        return total

    return expression.replace(lambda e: e.is_Add, reflect) if expression.has(Softplus) else expression


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
