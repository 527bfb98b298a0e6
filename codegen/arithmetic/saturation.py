"""Differences that cancel: a function next to its limit, or next to its value at 0, in a form without the difference.

=======  ==============================================================================================
σ(u)     1 − σ(u) = σ(−u),  2σ(u) − 1 = tanh(u/2)
tanh u   1 + tanh u = 2σ(2u),  1 − tanh u = 2σ(−2u)
erf u    1 + erf u = erfc(−u),  1 − erf u = erfc u
cosh u   cosh u − 1 = 2 sinh²(u/2)
cos u    1 − cos u = 2 sin²(u/2)
=======  ==============================================================================================

Each says that f(u) − r is a product.  A polynomial in f(u) that is 0 at r is divided by f(u) − r, so 1 − tanh²u and
σ(u) − σ(u)² are found like 1 − tanh u; what else is added stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import sympy

from codegen.arithmetic.primitives import Erfc, Sigmoid
from derive.expressions import sort_key
from derive.tidy import MAX_DEGREE, degree_of

Product = Callable[[sympy.Expr], sympy.Expr]

#: For every function the values r that it comes close to, and f(u) − r as a product.
ROOTS: dict[type[sympy.Function], list[tuple[sympy.Rational, Product]]] = {
    Sigmoid: [
        (sympy.Integer(1), lambda u: -Sigmoid(-u)),
        (sympy.Rational(1, 2), lambda u: sympy.tanh(u / 2) / 2),
    ],
    sympy.tanh: [
        (sympy.Integer(1), lambda u: -2 * Sigmoid(-2 * u)),
        (sympy.Integer(-1), lambda u: 2 * Sigmoid(2 * u)),
    ],
    sympy.erf: [(sympy.Integer(1), lambda u: -Erfc(u)), (sympy.Integer(-1), lambda u: Erfc(-u))],
    sympy.cosh: [(sympy.Integer(1), lambda u: 2 * sympy.sinh(u / 2) ** 2)],
    sympy.cos: [(sympy.Integer(1), lambda u: -2 * sympy.sin(u / 2) ** 2)],
}


def complement(expression: sympy.Expr) -> sympy.Expr:
    """Every sum that cancels next to a value of :data:`ROOTS`, as a product."""
    if not expression.has(*ROOTS):
        return expression
    return expression.replace(lambda e: e.is_Add, _complement)


def _complement(total: sympy.Expr) -> sympy.Expr:
    if not total.is_Add:
        return total
    for atom in sorted(total.atoms(*ROOTS), key=sort_key):
        for root, product in ROOTS[type(atom)]:
            split = divided(total, atom, root)
            if split is not None:
                quotient, rest = split
                return _complement(quotient) * product(atom.args[0]) + _complement(rest)
    return total


def divided(total: sympy.Expr, atom: sympy.Expr, root: sympy.Rational) -> tuple[sympy.Expr, sympy.Expr] | None:
    """(q, rest) with total = q · (atom − root) + rest, where the terms of rest are terms of the total."""
    f = sympy.Symbol("f", real=True)
    if degree_of(total) > MAX_DEGREE:
        return None
    try:
        polynomial = sympy.Poly(total.xreplace({atom: f}), f)
    except sympy.PolynomialError:
        return None
    if polynomial.degree() < 1:
        return None
    constant = polynomial.nth(0)
    needed = sympy.expand(constant - polynomial.eval(root))  # what the constant must hold for 0 at the root
    rest = Counter(sympy.Add.make_args(sympy.expand(constant)))
    wanted = Counter(sympy.Add.make_args(needed)) if needed != 0 else Counter()
    if wanted - rest:
        return None
    remaining = sympy.Add(*(rest - wanted).elements())
    quotient, remainder = sympy.div(polynomial - remaining, sympy.Poly(f - root, f))
    return None if remainder.as_expr().expand() != 0 else (quotient.as_expr().xreplace({f: atom}), remaining)
