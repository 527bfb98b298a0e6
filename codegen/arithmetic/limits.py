"""Derivatives at points where the formula is 0/0 and its limit is known.

=======  ===============================================================================================
entropy  x log y is XLogY(x, y): 0 at x = 0 whatever y is (0 log 0 = 0)
share    its derivative x/y is XOverY(x, y): 0 at x = 0, since x log y does not depend on y there
norm     the derivative of the root of a sum of squares, x/‖x‖, counts as 0 at x = 0 as sign(0) does
=======  ===============================================================================================

A derivative that is infinite in the mathematics, −t/p at p = 0 where t > 0 or that of √z at 0, stays infinite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy

from codegen.arithmetic.primitives import XLogY, XOverY
from codegen.arithmetic.program import Program, definitions, inlined
from derive.expressions import Access, Cases, index_symbols, sort_key
from derive.network import Equation
from derive.tidy import Kernel, match


def limits(program: Program) -> Program:
    """Apply the rules: entropy everywhere, the others to derivatives."""
    program = program.map(entropy, "entropy")
    pairs = _pairs(program)
    defined = {line.equation.lhs.tensor: line.equation for line in program.forward}
    backward = (line.with_body(share(line.equation.body, pairs), "share") for line in program.backward)
    backward = (line.with_body(norm(line.equation.body, defined), "norm") for line in backward)
    return replace(program, backward=tuple(backward))


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


def _pairs(program: Program) -> list[tuple[Kernel, sympy.Expr]]:
    """For every x log y the divisors y, also those in the definition of y, each with the factors of x."""
    defined = definitions(program.forward)
    found = []
    for line in program.forward:
        for atom in sorted(line.equation.body.atoms(XLogY), key=sort_key):
            x, y = atom.args
            opened = y.xreplace({a: inlined(a, defined) for a in y.atoms(Access)})
            divisors = {y, *(f for f in sympy.Mul.make_args(opened) if f.has(Access) and not f.is_Pow)}
            for divisor in sorted(divisors, key=sort_key):
                kernel = Kernel(divisor, frozenset(index_symbols(divisor)), divisor)
                found += [(kernel, f) for f in sympy.Mul.make_args(x) if isinstance(f, Access) or f.is_Add]
    return found


def share(expression: sympy.Expr, pairs: list[tuple[Kernel, sympy.Expr]]) -> sympy.Expr:
    """x/y as XOverY(x, y), for the x and y that stand in an x log y."""

    def guard(product: sympy.Expr) -> sympy.Expr:
        for divisor in [1 / f for f in product.args if f.is_Pow and f.exp == -1]:
            for kernel, x in pairs:
                binding = match(kernel, divisor)
                numerator = None if binding is None else x.xreplace(binding)
                for factor in product.args:
                    base, power = factor.as_base_exp()
                    if numerator is not None and base in (numerator, -numerator) and power.is_positive:
                        return product / base * divisor * XOverY(base, divisor)
        return product

    return expression.replace(lambda e: e.is_Mul, guard) if pairs else expression


def norm(expression: sympy.Expr, defined: Mapping[str, Equation]) -> sympy.Expr:
    """Products that divide by the root of a sum of squares, which are 0 where that is 0."""

    def guard(product: sympy.Expr) -> sympy.Expr:
        for f in product.args:
            if f.is_Pow and f.exp.is_negative and (2 * f.exp).is_odd and _is_sum_of_squares(f.base, defined):
                return Cases(f.base, product, 0)
        return product

    return expression.replace(lambda e: e.is_Mul, guard)


def _is_sum_of_squares(expression: sympy.Expr, defined: Mapping[str, Equation], depth: int = 3) -> bool:
    """Whether an expression is never negative by its form and may be 0: no positive number is added."""
    if isinstance(expression, Access):
        eq = defined.get(expression.tensor)
        return eq is not None and depth > 0 and _is_sum_of_squares(eq.body, defined, depth - 1)
    if expression.is_Add:
        return all(_is_sum_of_squares(t, defined, depth) for t in expression.args)
    if expression.is_Mul:
        number, rest = expression.as_coeff_Mul()
        return bool(number.is_positive) and all(
            _is_sum_of_squares(f, defined, depth) for f in sympy.Mul.make_args(rest)
        )
    return bool(expression.is_Pow and expression.exp.is_even) or isinstance(expression, sympy.Abs)
