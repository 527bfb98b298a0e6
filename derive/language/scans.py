"""Recurrences: equations whose values at t need values at t − 1 are carried out in the order of time."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import index_symbols
from derive.network import Equation, Scan, Tensor


def group_recurrences(
    equations: list[Equation], tensors: Mapping[str, Tensor], spans: Mapping[str, Span]
) -> tuple[Equation | Scan, ...]:
    """Put every maximal run of equations that need each other through time into a :class:`Scan`.

    A recurrence starts at the first equation that reads a value of the past and ends at the last equation that
    defines such a value.
    """
    defined_at = {eq.lhs.tensor: n for n, eq in enumerate(equations) if all(i.is_Symbol for i in eq.lhs.indices)}
    grouped: list[Equation | Scan] = []
    position = 0
    while position < len(equations):
        end = _last_needed(equations, position, defined_at)
        if end is None:
            grouped.append(equations[position])
            position += 1
            continue
        while (further := _furthest(equations, position, end, defined_at)) > end:
            end = further
        grouped += _scan(equations[position : end + 1], tensors, spans)
        position = end + 1
    return tuple(grouped)


def _last_needed(equations: list[Equation], position: int, defined_at: Mapping[str, int]) -> int | None:
    later = [defined_at[a.tensor] for a in equations[position].reads if defined_at.get(a.tensor, -1) >= position]
    return max(later, default=None)


def _furthest(equations: list[Equation], start: int, end: int, defined_at: Mapping[str, int]) -> int:
    ends = [_last_needed(equations, n, defined_at) for n in range(start, end + 1)]
    return max([e for e in ends if e is not None], default=end)


def _scan(equations: list[Equation], tensors: Mapping[str, Tensor], spans: Mapping[str, Span]) -> list[Equation | Scan]:
    """The run as a scan over its time index; equations that do not depend on time stand before it."""
    inside = {eq.lhs.tensor for eq in equations}
    times = {
        (eq.lhs.indices[d], eq.ranges[eq.lhs.indices[d]])
        for eq in equations
        for a in eq.reads
        if a.tensor in inside
        for d, i in enumerate(a.indices)
        if not i.is_Symbol and index_symbols(i) and d < len(eq.lhs.indices) and eq.lhs.indices[d] in index_symbols(i)
    }
    named = next((eq.lhs.tensor for eq in equations if not tensors[eq.lhs.tensor].anonymous), equations[0].lhs.tensor)
    if len(times) != 1:
        raise SpecError(
            "this recurrence has no one time index",
            spans.get(named),
            "",
            "let one index, the same in all its equations, look back: h[t] = … h[t-1] …",
        )
    time, (first, last) = times.pop()
    before = [eq for eq in equations if time not in eq.free]
    within = tuple(eq for eq in equations if time in eq.free)
    for eq in before:
        if any(a.tensor in {e.lhs.tensor for e in within} for a in eq.reads):
            raise SpecError(
                "this value stands inside a recurrence but has no time",
                spans.get(eq.lhs.tensor),
                f"index {sympy.sstr(time)} is missing",
                "give it the time index, or move it below the recurrence",
            )
    return [*before, Scan(time, first, last, within)]
