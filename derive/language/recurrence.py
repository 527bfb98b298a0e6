"""Reads of the past, ``h[t-1]``: what shape they have, how far back they reach, and whether they stay inside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Index, extent_of, index_symbols
from derive.language.ranges import Range
from derive.language.scope import Deferred, Scope, shown, visible_shape
from derive.language.shapes import length_ahead, shapes_ahead
from derive.network import Tensor

if TYPE_CHECKING:
    from derive.language.build import Builder


def is_recurrent(builder: Builder, name: str, subscripts: tuple[sympy.Expr, ...]) -> bool:
    """Whether ``name`` belongs to a recurrence that is being read, and is read in its past.

    The past is ``t - 1`` or any other constant step back; what else may look back, ``T - t``, may as well look ahead.
    An equation belongs to it that is being read or still to come, or that stands in the midst of it already.
    """
    if name in builder.amidst:
        return any(_stepping(s) in builder.amidst[name] for s in subscripts)
    statement = builder.upcoming.get(name)
    return statement is not None and bool(statement.target.brackets) and any(map(_stepping, subscripts))


def past(builder: Builder, name: str, subscripts: tuple[sympy.Expr, ...], span: Span) -> tuple[int, ...]:
    """The shape of ``name[subscripts]``, a read of the past."""
    if name in builder.tensors:
        return visible_shape(builder.tensors[name])[len(subscripts) :]
    if name not in builder.ahead:
        builder.ahead = shapes_ahead(builder)
    named, shape = builder.leading[name], builder.ahead[name]
    if not named <= len(subscripts) <= named + len(shape):
        several = f"{named} to {named + len(shape)}" if shape else str(named)
        help = f"the left side is {builder.text(builder.upcoming[name].target.span)}"
        if len(subscripts) < named:
            help += f"; with a size in it, as in {name}[t, 16] = …, a row can be read as a whole"
        raise SpecError(f"wrong number of indices for {name}", span, f"{len(subscripts)} here, not {several}", help)
    return shape[len(subscripts) - named :]


def lengths(builder: Builder, scope: Scope) -> dict[Index, Range]:
    """The range of a time index that nothing tells in its own equation but what it reads of the past."""
    told = {s for c in scope.constraints for s in index_symbols(c.subscript)}
    found: dict[Index, Range] = {}
    for d in scope.deferred:
        for dimension, subscript in enumerate(d.subscripts):
            time = _stepping(subscript)
            if time is not None and time not in told and d.name not in builder.tensors:
                length = length_ahead(builder, d.name, dimension)
                found |= {time: (1, length)} if length else {}
    return found


def keep_amidst(builder: Builder, name: str) -> None:
    """Note that ``name`` stands between a read of the past and the equation that it waits for, and the time index."""
    waiting = [d for d in builder.deferred if d.name in builder.upcoming]
    if waiting:
        builder.amidst[name] = {time for d in waiting for s in d.subscripts if (time := _stepping(s)) is not None}
    else:
        builder.amidst.clear()


def _stepping(subscript: sympy.Expr) -> Index | None:
    """The index t of a subscript t − 1."""
    step, rest = subscript.as_coeff_Add()
    return rest if rest.is_Symbol and step < 0 else None


def _reaching_back(tensor: Tensor, read: Deferred) -> Tensor:
    """The tensor with the states before its first step that a read needs, if it stood above that read."""
    first = [tensor.start(d) for d in range(len(tensor.shape))]
    for d, subscript in enumerate(read.subscripts[: len(first)]):
        if not subscript.is_Symbol:
            first[d] = min(first[d], 1 + int(subscript.subs(dict.fromkeys(index_symbols(subscript), 0))))
    shape = tuple(n + tensor.start(d) - first[d] for d, n in enumerate(tensor.shape))
    return replace(tensor, shape=shape, first=tuple(first) if set(first) - {1} else ())


def check_deferred(builder: Builder) -> None:
    """Every read of a recurrent tensor stays inside it and looks back in time only."""
    for d in builder.deferred:
        tensor = _reaching_back(builder.tensors[d.name], d)
        builder.tensors[d.name] = tensor
        if d.rest != visible_shape(tensor)[len(d.subscripts) :] or len(d.subscripts) > len(tensor.shape):
            whole = visible_shape(tensor)[builder.leading[d.name] :]
            raise SpecError(
                f"the shape of {d.name} is not clear",
                d.span,
                f"read as {shown(d.rest)} here, but its equation makes it {shown(whole)}",
                f"write its size on the left: {d.name}[t, {', '.join(map(str, whole)) or '16'}] = …",
            )
        builder.used.add(d.name)
        for dimension, subscript in enumerate(d.subscripts):
            low, high = extent_of(subscript, d.ranges)
            start = tensor.start(dimension)
            high_end = start + tensor.shape[dimension] - 1
            if low < start or high > high_end:
                raise SpecError(
                    "index out of range",
                    d.parts[dimension],
                    f"this reaches {low if low < start else high}, but the index runs from {start} to {high_end}",
                    "shorten the range or change the size",
                )
