"""Rewriting rules on a program that keep its arithmetic finite and exact; what it computes stays the same.

The scalar rules of :data:`SCALAR` look at one right side; :mod:`codegen.arithmetic.opening` looks through
definitions.  What is left are sums over an index:

===========  ==================================================================================================
attained     the terms of a maximum are stored, so that where it is attained is decided on the same bits
shift        s = Σ eᵘ, by which something is divided or whose logarithm is taken, is held as e^m Σ e^(u − m) with
             m = max u: e^u/s = e^(u − m)/s′ and log s = m + log s′
scaled       Σ eᵛ q with v the same for all terms is held as Σ q, and read as eᵛ times that
===========  ==================================================================================================

No rule knows a layer or a function of the catalogue: they speak of exponentials, logarithms, powers and sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sympy

from codegen.arithmetic import exponentials, logarithms, opening, saturation
from codegen.arithmetic.apart import apart
from codegen.arithmetic.limits import limits
from codegen.arithmetic.precise import saturated
from codegen.arithmetic.program import Program, is_plain, program_of
from codegen.arithmetic.select import select
from codegen.arithmetic.shares import rest
from derive.expressions import Access, Equal, index_symbols, rename
from derive.functions import written_out
from derive.gradient import Sweep
from derive.network import Equation, Network, Tensor
from derive.tidy import Kernel, match, quotient

MAX_POWER = 4  # e^(nu) is a power of a stored eᵘ up to this n; beyond, exp takes no longer


def stable_program(network: Network, sweep: Sweep) -> Program:
    """The equations as trainers evaluate them, whatever their order and their loops."""
    return stable(select(program_of(network, sweep)))


def stable(program: Program) -> Program:
    """Apply all rules."""
    program = attained(program).map(written_out)
    for name, rule in SCALAR:
        program = program.map(rule, name)
    program = opening.logarithm(program, named, logarithms.stable_log)
    program = opening.opened(program, named)
    program = stored_powers(scaled(shift(program.map(exponentials.dominant, "dominant"))))
    return saturated(rest(limits(program).map(logarithms.small, "small"))).map(exponentials.slope).map(apart)


def named(body: sympy.Expr) -> sympy.Expr:
    """Formulas written out, and the functions with a safe form of their own found in them."""
    body = written_out(body)
    for _, rule in SCALAR:
        body = rule(body)
    return body


def recognised(body: sympy.Expr) -> sympy.Expr:
    """All rules that look at one right side alone."""
    return exponentials.dominant(named(body))


def safe_logs(body: sympy.Expr) -> sympy.Expr:
    """Every logarithm for which there is a safe form, in that form."""
    return body.replace(sympy.log, lambda argument: _or_log(logarithms.stable_log(argument), argument))


def _or_log(found: sympy.Expr | None, argument: sympy.Expr) -> sympy.Expr:
    return sympy.log(argument) if found is None else found


#: The rules for one right side by name, in order of use.
SCALAR: tuple[tuple[str, Callable[[sympy.Expr], sympy.Expr]], ...] = (
    ("quotient", quotient),
    ("quotient", exponentials.bounded),
    ("logistic", exponentials.logistic),
    ("complement", saturation.complement),
    ("logistic", exponentials.logistic),
    ("join", exponentials.join),
    ("logarithm", safe_logs),
    ("softplus", logarithms.softplus),
)


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
        program = _reuse_program(
            program.replace_forward(position, line.with_body(terms, "attained")), kernel, "attained"
        )
        position += 1
    return program


def _reuse_program(program: Program, kernel: Kernel, rule: str) -> Program:
    """Every occurrence of the kernel's pattern, under whatever indices, as its value; (eᵘ)ⁿ is found in e^(nu) too."""

    def reuse(body: sympy.Expr) -> sympy.Expr:
        found = {}
        for atom in body.atoms(type(kernel.pattern)):
            for n in range(1, MAX_POWER + 1 if isinstance(atom, sympy.exp) else 2):
                binding = match(kernel, sympy.exp(atom.args[0] / n) if n > 1 else atom)
                if binding is not None:
                    found[atom] = kernel.value.xreplace(binding) ** n
                    break
        return body.xreplace(found)

    return program.map(reuse, rule)


def _tensor_for(access: Access, eq: Equation) -> Tensor:
    """A new tensor over the ranges that the access's indices have in an equation."""
    shape = tuple(eq.ranges[i][1] - eq.ranges[i][0] + 1 for i in access.indices)
    first = tuple(eq.ranges[i][0] for i in access.indices)
    return Tensor(access.tensor, shape, "value", anonymous=True, first=first)


def shift(program: Program) -> Program:
    """Sums of exponentials are held relative to their largest term; terms that are read again are stored."""
    position, wanted = 0, _divided_sums(program)
    while position < len(program.forward):
        line = program.forward[position]
        eq = line.equation
        power = _shiftable(eq)
        position += 1
        if power is None or not is_plain(eq):
            continue
        if eq.lhs.tensor not in wanted:
            continue
        largest = Access(f"⌈{eq.lhs.tensor}", *eq.lhs.indices)
        exponent = power.args[0]
        term = sympy.exp(exponent - largest)
        held = line.with_body(eq.body.xreplace({power: term}), "shift")
        maximum = replace(
            line, equation=Equation(largest, exponent, eq.ranges, eq.reduce, "max"), remark="the largest exponent"
        )
        program = _unshifted_program(program, eq.lhs.tensor).replace_forward(position - 1, held)
        program = program.insert_before(position - 1, maximum, _tensor_for(largest, eq))
        stored = Access(f"⟨{eq.lhs.tensor}", *eq.free, *eq.reduce)
        shared = _reuse_program(program, Kernel(term, frozenset({*eq.free, *eq.reduce}), stored), "shift")
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
    powers = [f for f in sympy.Mul.make_args(eq.body) if exponentials.exponent(f) is not None]
    running = [f for f in powers if index_symbols(f) & set(eq.reduce)]
    return running[0] if len(running) == 1 else None


def _divided_sums(program: Program) -> set[str]:
    """The sums of exponentials by which something is divided or whose logarithm is taken, and what is divided."""
    sums = {line.equation.lhs.tensor for line in program.forward if _shiftable(line.equation) is not None}
    below: set[str] = set()
    beside: set[str] = set()
    for line in program.lines:
        body = line.equation.body
        inside = [p.base for p in body.atoms(sympy.Pow) if p.exp.is_negative]
        inside += [f.args[0] for f in body.atoms(sympy.log)]
        found = sums & {a.tensor for e in inside for a in e.atoms(Access)}
        below |= found
        beside |= {a.tensor for a in body.atoms(Access)} if found else set()
    return below | (sums & beside)


def _unshifted_program(program: Program, tensor: str) -> Program:
    """Reads of s as e^m s′, with exponentials joined and logarithms taken apart."""

    def unshift(body: sympy.Expr) -> sympy.Expr:
        reads = {a for a in body.atoms(Access) if a.tensor == tensor}
        if not reads:
            return body
        held = body.xreplace({a: sympy.exp(Access(f"⌈{tensor}", *a.indices)) * a for a in reads})
        return safe_logs(exponentials.join(opening.distributed(exponentials.join(held))))

    return program.map(unshift, "shift")


def scaled(program: Program) -> Program:
    """Σ eᵛ q with v the same for all terms is held as Σ q, and read as eᵛ times that."""
    for line in program.lines:
        eq = line.equation
        powers = [f for f in sympy.Mul.make_args(eq.body) if exponentials.exponent(f) is not None]
        own = [f for f in powers if index_symbols(f) <= set(eq.free)]
        tensor = eq.lhs.tensor
        if not own or not eq.reduce or eq.kind != "sum" or eq.accumulate or not program.tensors[tensor].anonymous:
            continue
        factor = sympy.Mul(*own)
        held = line.with_body(eq.body / factor, "scaled")
        read = Kernel(factor, frozenset(eq.free), eq.lhs)
        program = _rescaled(program, read).replace(line, held)
    return program


def stored_powers(program: Program) -> Program:
    """Exponentials that shift has stored, where the other rules have brought them in again."""
    for line in program.forward:
        eq = line.equation
        if isinstance(eq.body, sympy.exp) and eq.lhs.tensor.startswith("⟨") and is_plain(eq):
            shared = _reuse_program(program, Kernel(eq.body, frozenset(eq.free), eq.lhs), "shift")
            own = next(other for other in shared.forward if other.equation.lhs == eq.lhs)
            program = shared.replace(own, line)
    return program


def _rescaled(program: Program, read: Kernel) -> Program:
    """Every read of ``read.value`` times ``read.pattern``."""

    def rescale(body: sympy.Expr) -> sympy.Expr:
        reads = [a for a in body.atoms(Access) if a.tensor == read.value.tensor]
        places = {a: dict(zip(read.value.indices, a.indices, strict=True)) for a in reads}
        held = body.xreplace({a: a * rename(read.pattern, places[a]) for a in reads})
        return exponentials.join(held) if reads else body

    return program.map(rescale, "scaled")
