"""Rewriting rules on a program that keep its arithmetic finite and exact; what it computes stays the same.

===========  ==================================================================================================
attained     the terms of a maximum are stored, so that where it is attained is decided on the same bits
logarithm    log p is worked out through the definition of p where :mod:`codegen.primitives` knows a safe form
shift        s = Σ eᵘ, by which something is divided or whose logarithm is taken, is held as e^m Σ e^(u − m) with
             m = max u: e^u/s = e^(u − m)/s′ and log s = m + log s′
===========  ==================================================================================================

The scalar rules of :mod:`codegen.primitives` follow.
"""

from __future__ import annotations

from dataclasses import replace

import sympy

from codegen import primitives
from codegen.program import Program, definitions, inlined, is_plain
from derive.expressions import Access, Equal, index_symbols
from derive.network import Equation, Tensor
from derive.tidy import Kernel, match

INLINE_DEPTH = 3  # how many definitions deep the argument of a logarithm is looked through


def stable(program: Program) -> Program:
    """Apply all rules."""
    program = attained(program)
    program = program.map(recognised)
    program = logarithm(program)
    program = shift(program)
    return program.map(lambda body: primitives.small(primitives.entropy(body)))


def recognised(body: sympy.Expr) -> sympy.Expr:
    """Formulas written out and the functions with a safe form of their own found in them."""
    return safe_logs(primitives.logistic(primitives.expand_formulas(body)))


def safe_logs(body: sympy.Expr) -> sympy.Expr:
    """Every logarithm for which there is a safe form, in that form."""
    return body.replace(sympy.log, lambda argument: _or_log(primitives.stable_log(argument), argument))


def _or_log(found: sympy.Expr | None, argument: sympy.Expr) -> sympy.Expr:
    return sympy.log(argument) if found is None else found


def attained(program: Program) -> Program:
    """``T = max body``, whose maximum is looked for again, becomes ``A = body`` and ``T = max A``."""
    position = 0
    while position < len(program.forward):
        line = program.forward[position]
        eq = line.equation
        position += 1
        if eq.kind != "max" or not eq.reduce or isinstance(eq.body, Access) or not is_plain(eq):
            continue
        terms = Access(f"⟨{eq.lhs.tensor}", *eq.free, *eq.reduce)
        kernel = Kernel(Equal(eq.body, eq.lhs), frozenset({*eq.free, *eq.reduce}), Equal(terms, eq.lhs))
        program = program.insert_before(
            position - 1,
            replace(line, equation=Equation(terms, eq.body, eq.ranges), remark="its terms"),
            _tensor_for(terms, eq),
        )
        program = _reuse_program(program.replace_forward(position, line.with_body(terms)), kernel)
        position += 1
    return program


def _reuse_program(program: Program, kernel: Kernel) -> Program:
    """Every occurrence of the kernel's pattern, under whatever indices, as its value."""

    def reuse(body: sympy.Expr) -> sympy.Expr:
        bindings = {atom: match(kernel, atom) for atom in body.atoms(type(kernel.pattern))}
        return body.xreplace({atom: kernel.value.xreplace(b) for atom, b in bindings.items() if b is not None})

    return program.map(reuse)


def _tensor_for(access: Access, eq: Equation) -> Tensor:
    """A new tensor over the ranges that the access's indices have in an equation."""
    shape = tuple(eq.ranges[i][1] - eq.ranges[i][0] + 1 for i in access.indices)
    first = tuple(eq.ranges[i][0] for i in access.indices)
    return Tensor(access.tensor, shape, "value", anonymous=True, first=first)


def logarithm(program: Program) -> Program:
    """log(T[f]) and log(1 − T[f]) are worked out through the definition of T where that has a safe form."""
    defined = definitions(program.forward)

    def rewrite(argument: sympy.Expr) -> sympy.Expr:
        opened = argument
        for _ in range(INLINE_DEPTH):
            further = opened.xreplace({a: inlined(a, defined) for a in opened.atoms(Access)})
            if further == opened:
                break
            opened = further
            if (found := primitives.stable_log(opened)) is not None:
                return found.replace(sympy.log, rewrite)
        return sympy.log(argument)

    return program.map(lambda body: body.replace(sympy.log, rewrite))


def shift(program: Program) -> Program:
    """Sums of exponentials are held relative to their largest term; terms that are read again are stored."""
    position = 0
    while position < len(program.forward):
        line = program.forward[position]
        eq = line.equation
        power = _shiftable(eq)
        position += 1
        if power is None or not is_plain(eq):
            continue
        if not any(_divides_or_logs(other.equation.body, eq.lhs.tensor) for other in program.lines):
            continue
        largest = Access(f"⌈{eq.lhs.tensor}", *eq.lhs.indices)
        exponent = power.args[0]
        term = sympy.exp(exponent - largest)
        held = replace(line.with_body(eq.body.xreplace({power: term})), remark="relative to its largest term")
        maximum = replace(
            line, equation=Equation(largest, exponent, eq.ranges, eq.reduce, "max"), remark="the largest exponent"
        )
        program = _unshifted_program(program, eq.lhs.tensor).replace_forward(position - 1, held)
        program = program.insert_before(position - 1, maximum, _tensor_for(largest, eq))
        stored = Access(f"⟨{eq.lhs.tensor}", *eq.free, *eq.reduce)
        shared = _reuse_program(program, Kernel(term, frozenset({*eq.free, *eq.reduce}), stored))
        if sum(a != b for a, b in zip(shared.lines, program.lines, strict=True)) > 1:
            terms = replace(line, equation=Equation(stored, term, eq.ranges), remark="its terms")
            program = shared.insert_before(position, terms, _tensor_for(stored, eq))
            position += 1
        position += 1
    return program


def _shiftable(eq: Equation) -> sympy.Expr | None:
    """The exponential in ``s = Σ c eᵘ`` whose exponent u runs with the summation."""
    if eq.kind != "sum" or not eq.reduce or eq.accumulate:
        return None
    powers = [f for f in sympy.Mul.make_args(eq.body) if primitives.exponent(f) is not None]
    running = [f for f in powers if index_symbols(f) & set(eq.reduce)]
    return running[0] if len(running) == 1 else None


def _divides_or_logs(body: sympy.Expr, tensor: str) -> bool:
    inside = [p.base for p in body.atoms(sympy.Pow) if p.exp.is_negative] + [f.args[0] for f in body.atoms(sympy.log)]
    return any(a.tensor == tensor for e in inside for a in e.atoms(Access))


def _unshifted_program(program: Program, tensor: str) -> Program:
    """Reads of s as e^m s′, with exponentials joined and logarithms taken apart."""

    def unshift(body: sympy.Expr) -> sympy.Expr:
        reads = {a for a in body.atoms(Access) if a.tensor == tensor}
        if not reads:
            return body
        held = body.xreplace({a: sympy.exp(Access(f"⌈{tensor}", *a.indices)) * a for a in reads})
        return safe_logs(primitives.combine_exponentials(held))

    return program.map(unshift)
