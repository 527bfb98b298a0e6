"""Sums over all places of which one is chosen: the kernels go to that place at once.

Σ_v [w = v] f(v) becomes f(w), and ``T[v, j] = Σ_t [w[t] = v] f(v, t, j)`` becomes ``T[w[t], j] += f(w[t], t, j)`` for
every t: a read and a write at an index that is data, whatever the number of places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy

from codegen.arithmetic.program import Line, Program
from derive.expressions import Access, Index, fresh, index_symbols, rename
from derive.network import Equation
from derive.selection import chosen, pinned, selected


def select(program: Program) -> Program:
    """The program with chosen places in sums as indices."""
    forward, backward = (
        tuple(replace(line, equation=selected(line.equation)) for line in lines)
        for lines in (program.forward, program.backward)
    )
    return replace(program, forward=forward, backward=backward)


def scatter(program: Program) -> Program:
    """The program with chosen places on left sides as indices.

    ``T[v, j] = δ[j] S[v]`` with a sum ``S[v] = Σ_t [w[t] = v]`` of its own takes that sum in first, so that no pass
    over all places is left.
    """
    lines = list(program.backward)
    sums = {
        line.equation.lhs.tensor: line.equation
        for line in lines
        if program.tensors[line.equation.lhs.tensor].anonymous and line.scan is None and _is_sparse(line.equation)
    }
    lines = [part for line in lines for part in ([line] if line.scan else _taken_in(line, sums))]
    read = {a.tensor for line in lines for a in line.equation.reads}
    lines = [line for line in lines if line.equation.lhs.tensor not in sums or line.equation.lhs.tensor in read]
    return replace(program, backward=tuple(part for line in lines for part in _scattered(line)))


def _is_sparse(eq: Equation) -> bool:
    free = [i for i in eq.lhs.indices if i.is_Symbol]
    return eq.kind == "sum" and not eq.accumulate and len(free) == len(eq.lhs.indices) and bool(chosen(eq.body, free))


def _taken_in(line: Line, sums: Mapping[str, Equation]) -> list[Line]:
    """A line whose terms with a sparse sum as a factor stand on lines of their own, that sum written out."""
    eq = line.equation
    found: dict[sympy.Expr, Access] = {}
    for term in sympy.Add.make_args(eq.body) if eq.kind == "sum" else ():
        factors = [f for f in sympy.Mul.make_args(term) if isinstance(f, Access) and f.tensor in sums]
        if factors and all(i.is_Symbol for i in factors[0].indices):
            found[term] = factors[0]
    if not found:
        return [line]
    rest = sympy.Add(*(term for term in sympy.Add.make_args(eq.body) if term not in found))
    parts = [_summed(replace(eq, body=rest))] if rest != 0 else []
    for n, (term, access) in enumerate(found.items()):
        inner = sums[access.tensor]
        taken = {str(i) for i in eq.ranges}
        names: dict[Index, sympy.Expr] = dict(zip(inner.lhs.indices, access.indices, strict=True))
        names |= {i: fresh([str(i)], taken) for i in inner.reduce}
        ranges = {**eq.ranges, **{names[i]: r for i, r in inner.ranges.items()}}
        body = sympy.Mul(*(f for f in sympy.Mul.make_args(term) if f != access)) * rename(inner.body, names)
        over = (*eq.reduce, *(names[i] for i in inner.reduce))
        add = eq.accumulate or rest != 0 or n > 0
        parts.append(replace(eq, body=body, reduce=over, ranges=ranges, accumulate=add))
    return [replace(line, equation=part) for part in parts]


def _scattered(line: Line) -> list[Line]:
    """A line whose left side is chosen, term by term: first what is defined everywhere, then what is added."""
    eq = line.equation
    terms = sympy.Add.make_args(eq.body) if eq.kind == "sum" else (eq.body,)
    free = [i for i in eq.lhs.indices if i.is_Symbol]
    found = {term: chosen(term, free) for term in terms}
    if eq.kind != "sum" or not any(found.values()):
        return [line]
    rest = sympy.Add(*(term for term, choice in found.items() if choice is None))
    parts = [_summed(replace(eq, body=rest))] if rest != 0 else []
    for term, choice in found.items():
        if choice is not None:
            body, lhs = pinned(term, *choice), eq.lhs.xreplace({choice[0]: choice[1]})
            reached = index_symbols(lhs)
            over = tuple(i for i in eq.reduce if i not in reached)
            parts.append(replace(eq, lhs=lhs, body=body, reduce=over, accumulate=True))
    return [replace(line, equation=part) for part in parts]


def _summed(eq: Equation) -> Equation:
    """A sum without the terms that were taken out, and without the indices that only those had."""
    idle = [i for i in eq.reduce if i not in index_symbols(eq.body)]
    count = sympy.Mul(*(eq.ranges[i][1] - eq.ranges[i][0] + 1 for i in idle))
    return replace(eq, body=count * eq.body, reduce=tuple(i for i in eq.reduce if i not in idle))
