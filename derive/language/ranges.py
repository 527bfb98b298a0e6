"""What an index runs over, told from the shapes: ``x[i+k]`` with ``K[k]`` is a convolution without a word about sizes.

Each use ``T[…, f(i, k), …]`` of an affine index *f* in a dimension with values first … last is one constraint.
Indices that stand alone somewhere take their range from there, and all these places must agree; an access such as
``w[i+1]`` shortens it, so that ``w[i+1] - w[i]`` are the differences of neighbours.  The others get the largest range,
starting at 1, that keeps every access inside its tensor.  A range that the user gives, ``sum(i in 3: …)``, stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Index, extent_of, index_symbols

Range = tuple[int, int]


@dataclass(frozen=True)
class Constraint:
    """``first ≤ subscript ≤ last``; ``text`` is the access as the user wrote it, for messages."""

    subscript: sympy.Expr
    first: int
    last: int
    text: str
    span: Span


def solve(constraints: list[Constraint], known: dict[Index, Range], spans: dict[Index, Span]) -> dict[Index, Range]:
    """The range of every index in ``spans``; raises :class:`SpecError` where shapes clash or tell nothing."""
    ranges = dict(known)
    for c in constraints:
        if c.subscript.is_Symbol and c.subscript not in known:
            earlier = ranges.setdefault(c.subscript, (c.first, c.last))
            if earlier != (c.first, c.last):
                raise SpecError(
                    "shapes do not agree",
                    c.span,
                    f"index {_name(c.subscript)} runs to {c.last} here and to {earlier[1]} elsewhere in this equation",
                    "one index, one size: use another index, or make the sizes equal",
                )
    for symbol in ranges.keys() - known.keys():
        lasts = [_widest(symbol, c, {}) for c in constraints if index_symbols(c.subscript) == {symbol}]
        ranges[symbol] = (1, max(1, min(lasts)))
    progress = True
    while progress:
        progress = False
        for c in constraints:
            unknown = index_symbols(c.subscript) - ranges.keys()
            if len(unknown) == 1:
                symbol = unknown.pop()
                candidates = [_widest(symbol, d, ranges) for d in constraints if _decides(symbol, d, ranges)]
                ranges[symbol] = (1, max(1, min(candidates)))
                progress = True
    for symbol, span in spans.items():
        if symbol not in ranges:
            raise SpecError(
                f"nothing tells what index {_name(symbol)} runs over",
                span,
                "no tensor has this index",
                f"write it as an index on the right side, x[{_name(symbol)}], or give sizes: h[8] = …, sum(i in 8: …)",
            )
    for c in constraints:
        low, high = extent_of(c.subscript, ranges)
        if low < c.first or high > c.last:
            reached = low if low < c.first else high
            raise SpecError(
                "index out of range",
                c.span,
                f"{c.text} reaches {reached}, but this index runs from {c.first} to {c.last}",
                _advice(c, low),
            )
    return ranges


def _name(symbol: Index) -> str:
    return str(symbol).rstrip("'")


def _advice(c: Constraint, low: int) -> str:
    tensor = c.text.partition("[")[0]
    if low < c.first < 1:
        return f"make the border of {tensor} wider by {c.first - low}, or shift the index"
    if low < c.first and len(index_symbols(c.subscript)) > 1:
        return f"zeros around {tensor} make room: p = pad({tensor}, {c.first - low})"
    return "indices count from 1; shorten the range or change the size"


def _decides(symbol: Index, c: Constraint, ranges: dict[Index, Range]) -> bool:
    return index_symbols(c.subscript) - ranges.keys() == {symbol}


def _widest(symbol: Index, c: Constraint, ranges: dict[Index, Range]) -> int:
    slope = int(c.subscript.coeff(symbol))
    low, high = extent_of(c.subscript.subs(symbol, 0), ranges)
    return (c.last - high) // slope if slope > 0 else (low - c.first) // -slope
