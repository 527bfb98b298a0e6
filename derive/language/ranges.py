"""What an index runs over, told from the shapes: ``x[i+k]`` with ``K[k]`` is a convolution without a word about sizes.

Each use ``T[…, f(i, k), …]`` of an affine index *f* in a dimension with values first … last is one constraint.
Indices that stand alone somewhere take their range from there, and all these places must agree; an access such as
``w[i+1]`` shortens it, so that ``w[i+1] - w[i]`` are the differences of neighbours, which ``v[i] * (w[i+1] - w[i])``
weighs by a v that is as long as they are.  The others get the largest range, starting at 1, that keeps every access
inside its tensor; the states before a recurrence, ``h[0]``, make none longer, so ``h[T+1-t]`` is h from its end.  A
range that the user gives, ``sum(i in 3: …)``, stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Index, extent_of, index_symbols

Range = tuple[int, int]


@dataclass(frozen=True)
class Constraint:
    """``first ≤ subscript ≤ last``; ``text`` is the access as the user wrote it, for messages.

    A range that nothing but such accesses tells keeps the subscript at ``told_from`` or more.
    """

    subscript: sympy.Expr
    first: int
    last: int
    text: str
    span: Span
    told_from: int = 1

    @property
    def tensor(self) -> str:
        return self.text.partition("[")[0]


def solve(constraints: list[Constraint], known: dict[Index, Range], spans: dict[Index, Span]) -> dict[Index, Range]:
    """The range of every index in ``spans``; raises :class:`SpecError` where shapes clash or tell nothing."""
    ranges = dict(known)
    for symbol in sorted({c.subscript for c in constraints if c.subscript.is_Symbol} - known.keys(), key=str):
        ranges[symbol] = (1, _last_alone(symbol, constraints))
    progress = True
    while progress:
        progress = False
        for c in constraints:
            unknown = index_symbols(c.subscript) - ranges.keys()
            if len(unknown) == 1:
                (symbol,) = unknown
                deciding = [d for d in constraints if _decides(symbol, d, ranges)]
                candidates = [_widest(symbol, d, ranges, d.told_from) for d in deciding]
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


def _last_alone(symbol: Index, constraints: list[Constraint]) -> int:
    """Where an index ends that stands alone: all such places agree, or do so with what other accesses leave of them."""
    alone = [c for c in constraints if c.subscript == symbol]
    inside = [c for c in constraints if index_symbols(c.subscript) == {symbol}]
    last = min(_widest(symbol, c, {}, c.first) for c in inside)
    for c in alone:
        if c.last != alone[0].last and not all(_ends_at(last, d, symbol, inside) for d in (alone[0], c)):
            raise SpecError(
                "shapes do not agree",
                c.span,
                f"index {_name(symbol)} runs to {c.last} here and to {alone[0].last} elsewhere in this equation",
                "one index, one size: use another index, or make the sizes equal",
            )
    return max(1, last)


def _ends_at(last: int, alone: Constraint, symbol: Index, inside: list[Constraint]) -> bool:
    """Whether the accesses to the tensor of one that stands alone, such as ``w[i+1]`` beside ``w[i]``, end there."""
    return min(_widest(symbol, c, {}, c.first) for c in inside if c.tensor == alone.tensor) == last


def _advice(c: Constraint, low: int) -> str:
    symbols = index_symbols(c.subscript)
    if low < c.first < 1:
        return f"make the border of {c.tensor} wider by {c.first - low}, or shift the index"
    if low < c.first and len(symbols) > 1:
        return f"zeros around {c.tensor} make room: p = pad({c.tensor}, {c.first - low})"
    if low < c.first and symbols and c.subscript.coeff(symbol := next(iter(symbols))) == 1:
        name, shift = _name(symbol), c.first - low
        moved = sympy.sstr(c.subscript + shift).replace(str(symbol), name)
        return f"indices count from 1: write {name}+{shift} for {name} on the right side, this index being {moved} then"
    return "indices count from 1; shorten the range or change the size"


def _decides(symbol: Index, c: Constraint, ranges: dict[Index, Range]) -> bool:
    return index_symbols(c.subscript) - ranges.keys() == {symbol}


def _widest(symbol: Index, c: Constraint, ranges: dict[Index, Range], first: int) -> int:
    """Where an index ends that keeps a subscript between ``first`` and the last place."""
    slope = int(c.subscript.coeff(symbol))
    low, high = extent_of(c.subscript.subs(symbol, 0), ranges)
    return (c.last - high) // slope if slope > 0 else (low - first) // -slope
