"""Rules that look through definitions: what cancels is often spread over several equations.

=========  ==================================================================================================
logarithm  log p is worked out through the definition of p where there is a safe form for it
open       a quotient is worked out through the definitions of what it divides by, where these are exponentials or
           saturate: e = eᶻ, p = e/(1 + e) gives p = σ(z), and (t/σ(z)) σ(z) gives t
=========  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import sympy

from codegen.arithmetic.exponentials import exponent
from codegen.arithmetic.primitives import Erfc, Sigmoid, Softplus
from codegen.arithmetic.program import Line, Program, definitions, inlined
from derive.expressions import Access
from derive.network import Equation

INLINE_DEPTH = 3  # how many definitions deep an expression is looked through
STEEP = (sympy.exp, sympy.sinh, sympy.cosh, sympy.tanh, sympy.erf, Sigmoid, Softplus, Erfc)
Rewrite = Callable[[sympy.Expr], sympy.Expr]
Definitions = Mapping[str, Equation]


def logarithm(program: Program, named: Rewrite, stable_log: Callable[[sympy.Expr], sympy.Expr | None]) -> Program:
    """log(T[f]) and log(1 − T[f]) are worked out through the definition of T where that has a safe form."""
    defined = _whole(program)
    sums = _steep(program, {})

    def rewrite(argument: sympy.Expr) -> sympy.Expr:
        opened = argument
        for _ in range(INLINE_DEPTH):
            further = named(opened.xreplace({a: inlined(a, defined) for a in opened.atoms(Access)}))
            if further == opened:
                break
            opened = further
            if (found := stable_log(opened)) is not None:
                return found.replace(sympy.log, rewrite)
            if any(isinstance(f, Access) and f.tensor in sums for f in sympy.Mul.make_args(opened)):
                return sympy.log(opened)  # a sum of exponentials that will be shifted
        return sympy.log(argument)

    return program.map(lambda body: body.replace(sympy.log, rewrite), "logarithm")


def opened(program: Program, named: Rewrite) -> Program:
    """Quotients by steep quantities are worked out through the definitions of these."""
    defined = _whole(program)
    steep = _steep(program, defined)
    if not steep:
        return program
    elementwise = {name: defined[name] for name in steep if name in defined}
    divided = _divisors(program, defined)

    def open_line(line: Line) -> Line:
        eq = line.equation
        if eq.reduce and eq.kind == "sum" and eq.lhs.tensor in divided:
            powers = {n: d for n, d in elementwise.items() if any(exponent(f) for f in sympy.Mul.make_args(d.body))}
            line = line.with_body(named(_opened(eq.body, powers)), "open")
        below = {a.tensor for d in _denominators(line.equation.body) for a in d.atoms(Access)}
        if below & steep:
            body = _opened(line.equation.body, elementwise)
            if body != line.equation.body:
                line = line.with_body(named(body), "open")
        line = line.with_body(distributed(line.equation.body), "open")
        if eq.lhs.tensor in elementwise:
            elementwise[eq.lhs.tensor] = line.equation
        return line

    return replace(
        program, forward=tuple(map(open_line, program.forward)), backward=tuple(map(open_line, program.backward))
    )


def _whole(program: Program) -> Definitions:
    """Elementwise definitions that hold for every element of a tensor: those of recurrences may not."""
    defined = definitions(line for line in program.forward if line.scan is None)
    return {
        name: eq
        for name, eq in defined.items()
        if tuple(eq.ranges[i] for i in eq.lhs.indices) == tuple(_spans(program, name)) and not _recurs(program, name)
    }


def _recurs(program: Program, name: str) -> bool:
    return any(line.scan is not None and line.equation.lhs.tensor == name for line in program.forward)


def _spans(program: Program, name: str) -> list[tuple[int, int]]:
    tensor = program.tensors[name]
    return [(tensor.start(d), tensor.start(d) + extent - 1) for d, extent in enumerate(tensor.shape)]


def _opened(body: sympy.Expr, defined: Definitions) -> sympy.Expr:
    for _ in range(INLINE_DEPTH):
        body = body.xreplace({a: inlined(a, defined) for a in body.atoms(Access)})
    return body


def _steep(program: Program, defined: Definitions) -> set[str]:
    """Values that are exponentials, saturate, or are sums or quotients of such: they may be 0 or ∞ where others are."""
    steep: set[str] = set()
    for line in program.forward:
        eq = line.equation
        if eq.kind == "sum" and (eq.reduce or eq.lhs.tensor in defined) and _is_steep(eq.body, steep):
            steep.add(eq.lhs.tensor)
    return steep


def _is_steep(expression: sympy.Expr, steep: set[str]) -> bool:
    if isinstance(expression, Access):
        return expression.tensor in steep
    if isinstance(expression, STEEP):
        return True
    if expression.is_Mul or expression.is_Pow:
        return any(_is_steep(a, steep) for a in expression.args)
    return bool(expression.is_Add and all(a.is_number or _is_steep(a, steep) for a in expression.args))


def _divisors(program: Program, defined: Definitions) -> set[str]:
    """Tensors by which something is divided or whose logarithm is taken, directly or through a definition."""
    found: set[str] = set()
    for line in program.lines:
        body = line.equation.body
        inside = [*_denominators(body), *(f.args[0] for f in body.atoms(sympy.log))]
        found |= {a.tensor for e in inside for a in _opened(e, defined).atoms(Access)}
        found |= {a.tensor for e in inside for a in e.atoms(Access)}
    return found


def _denominators(body: sympy.Expr) -> list[sympy.Expr]:
    return [p.base for p in body.atoms(sympy.Pow) if p.exp.is_number and p.exp.is_negative]


def distributed(expression: sympy.Expr) -> sympy.Expr:
    """(q/f + r) f = q + r f, where a factor of a product cancels a divisor or an exponential inside a sum."""

    def distribute(product: sympy.Expr) -> sympy.Expr:
        if not product.is_Mul:
            return product
        bases = {f.as_base_exp()[0] for f in product.args}
        power = _has_power(product)
        for total in (f for f in product.args if f.is_Add):
            if bases & set(_denominators(total)) or (power and any(map(_has_power, total.args))):
                rest = sympy.Mul(*(f for f in product.args if f is not total))
                return sympy.Add(*(distribute(rest * term) for term in total.args))
        return product

    return expression.replace(lambda e: e.is_Mul, distribute)


def _has_power(term: sympy.Expr) -> bool:
    return any(exponent(f) is not None for f in sympy.Mul.make_args(term))
