"""Lines of a derivation in indices: put together, with numbers in the place of indices, and carried out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import TypeAlias

import sympy

from derive.expressions import Index, rename
from derive.scalars import Scalars
from derive.steps import Line, Partial, Product, Summed, Total, evaluate_line

Bounds: TypeAlias = tuple[int, int]
Condition: TypeAlias = tuple[sympy.Expr, sympy.Expr, sympy.Expr]


def bounds_of(over: tuple[tuple[Index, int, int], ...]) -> dict[Index, Bounds]:
    """The indices that a line is summed over, each with its first and last value."""
    return {i: (first, last) for i, first, last in over}


def factors_of(line: Line) -> tuple[Line, ...]:
    """The factors of a product; of anything else, it alone."""
    return line.factors if isinstance(line, Product) else (line,)


def product_of(factors: list[Line]) -> Line:
    """A product; of one factor, this factor."""
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def total_of(terms: list[Line]) -> Line:
    """A sum; of one term, this term."""
    return terms[0] if len(terms) == 1 else Total(tuple(terms))


def summed(line: Line, over: Mapping[Index, Bounds], conditions: tuple[Condition, ...]) -> Line:
    """A line summed over indices where conditions hold; where there are none of either, the line."""
    conditions = tuple(dict.fromkeys(conditions))
    return Summed(line, tuple((i, *b) for i, b in over.items()), conditions) if over or conditions else line


def multiplied_out(line: Line) -> Line:
    """A product or a sum of plain expressions as SymPy writes it."""
    match line:
        case Product() if all(isinstance(f, sympy.Expr) for f in line.factors):
            return sympy.Mul(*line.factors)
        case Total() if all(isinstance(multiplied_out(t), sympy.Expr) for t in line.terms):
            return sympy.Add(*map(multiplied_out, line.terms))
    return line


def put_in(line: Line, place: Mapping[Index, sympy.Expr]) -> Line:
    """A line with numbers, or other indices, in the place of indices."""
    match line:
        case Partial():
            return Partial(rename(line.of, place), rename(line.by, place), line.total)
        case Product():
            return Product(tuple(put_in(f, place) for f in line.factors))
        case Total():
            terms = [term for term in (put_in(t, place) for t in line.terms) if term != 0]
            return total_of(terms) if terms else sympy.Integer(0)
        case Summed():
            conditions = [(rename(s, place), first, last) for s, first, last in line.conditions]
            if any(s.is_number and not first <= s <= last for s, first, last in conditions):
                return sympy.Integer(0)
            left = tuple(c for c in conditions if not c[0].is_number)
            return summed(put_in(line.line, place), bounds_of(line.over), left)
    return rename(line, place)


@lru_cache(maxsize=4096)  # a line repeats most of the line before
def evaluate(line: Line, scalars: Scalars) -> sympy.Expr:
    """A line for one element as one SymPy expression in named quantities, its sums and derivatives carried out."""
    match line:
        case Summed():
            spans = [range(first, last + 1) for _, first, last in line.over]
            terms = []
            for point in product(*spans):
                place = dict(zip((i for i, *_ in line.over), map(sympy.Integer, point), strict=True))
                if all(first <= rename(s, place) <= last for s, first, last in line.conditions):
                    terms.append(evaluate(put_in(line.line, place), scalars))
            return sympy.Add(*terms)
        case Product():
            return sympy.Mul(*(evaluate(f, scalars) for f in line.factors))
        case Total():
            return sympy.Add(*(evaluate(t, scalars) for t in line.terms))
        case Partial(total=True) if line.by.tensor != scalars.network.loss:
            found = scalars.sweep.adjoints[line.by.tensor]
            if not found.named and found.closed is not None:
                place = {i: v for i, v in zip(found.indices, line.by.indices, strict=True) if i.is_Symbol}
                return scalars.named(rename(found.closed, place))
    return scalars.named(evaluate_line(line, scalars))
