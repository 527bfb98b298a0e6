"""Sums, means, extrema, matrix products, the transpose, and places chosen by the data."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Access, Equal, Index, accesses, index_symbols
from derive.language import batches, syntax
from derive.language.names import BATCH
from derive.language.scope import Value, shown

if TYPE_CHECKING:
    from derive.language.lowering import Lowering

#: Data that may stand as an index.
CHOOSERS = ("input", "target", "constant")
MOST_PLACES = 2**24


def reduction(lowering: Lowering, node: syntax.Reduction) -> Value:
    """``sum(i, j: e)``, ``mean``, ``max`` and ``min`` over named indices."""
    kind = node.kind.id
    names = [n.id for n in node.indices]
    for n in node.indices:
        lowering.builder.check_index(n, lowering.scope.parameters)
        if names.count(n.id) > 1:
            raise SpecError(f"index {n.id} is named twice", n.span, "", "use two different letters")
        if n.id in lowering.scope.bound:
            raise SpecError(
                f"index {n.id} is already in use here", n.span, "bound outside this sum", "use another letter"
            )
    over = tuple(
        batches.bind(lowering, n) if n.id == BATCH else lowering.scope.bind(n.id, n.span) for n in node.indices
    )
    for s, size in zip(over, node.sizes, strict=True):
        if size is not None:
            lowering.scope.ranges[s] = (1, lowering.builder.extent_of(size))
    named = {n: s for n, s in zip(names, over, strict=True) if n != BATCH}
    inner = lowering.inside(lowering.scope.inner(bound={**lowering.scope.bound, **named}))
    body = inner.lower(node.body, None)
    for n in node.indices:
        if n.id == BATCH:
            batches.check_body(lowering, body, n)
    result = _reduce(lowering, kind, over, body, node.span)
    read = {s for p in lowering.scope.pending for s in index_symbols(p.body)}
    for n, s in zip(node.indices, over, strict=True):
        if s not in read and n.id != BATCH:
            raise SpecError(f"index {n.id} is not used", n.span, "", "remove it, or use it in the sum")
    return result


def total(lowering: Lowering, kind: str, argument: Value, span: Span) -> Value:
    """``sum(e)``, ``mean(e)``, ``max(e)``, ``min(e)`` over all elements."""
    if not argument.shape and lowering.builder.opening:
        return argument  # a loss of the catalogue serves a scalar prediction too
    if not argument.shape:
        raise SpecError(
            f"{kind} of a scalar",
            argument.span,
            "this has one element",
            f"remove {kind}, or name an index: {kind}(i: …)",
        )
    over = tuple(lowering.scope.fresh(n) for n in argument.shape)
    body = Value.scalar(argument.element(over), argument.span, argument.order)
    if kind == "mean":
        reduced = lowering.reduce("sum", over, body)
        return Value.scalar(reduced.element(()) / prod(argument.shape), span, reduced.order)
    return _reduce(lowering, kind, over, body, span)


def _reduce(lowering: Lowering, kind: str, over: tuple[Index, ...], body: Value, span: Span) -> Value:
    coupled = lowering.builder.coupling
    match kind:
        case "min":
            negative = lowering.reduce("max", over, lowering.elementwise(lambda a: -a, span, body))
            return lowering.elementwise(lambda a: -a, span, negative)
        case "mean" if coupled is not None and coupled.index in over:
            # Divided inside, so that the value is the mean: a prediction reads it for another number of samples.
            counts = [coupled.count if s == coupled.index else lowering.scope.count(s) for s in over]
            return lowering.reduce("sum", over, lowering.elementwise(lambda a: a / sympy.Mul(*counts), span, body))
        case "mean":
            count = sympy.Mul(*(lowering.scope.count(s) for s in over))
            return lowering.elementwise(lambda a: a / count, span, lowering.reduce("sum", over, body))
        case _:
            return lowering.reduce(kind, over, body)


def product(lowering: Lowering, left: Value, right: Value, span: Span) -> Value:
    """``A @ B``: the last index of A against the first of B."""
    text = lowering.builder.text
    for side in (left, right):
        if len(side.shape) not in (1, 2):
            help = "write * for a product with a scalar, or sum(i, j: …) for more indices"
            read = accesses(side.probe())
            if not side.shape and read and read[0].tensor in lowering.builder.upcoming:
                name = read[0].tensor
                help = f"nothing else tells the shape of {name}; write it on the left, as in {name}[t, 16] = …"
            raise SpecError(
                "a matrix product needs vectors or matrices",
                span,
                f"{text(side.span)} is {shown(side.shape)}",
                help,
            )
    if left.shape[-1] != right.shape[0]:
        wanted = (*left.shape[:-1], right.shape[0])
        raise SpecError(
            "shapes do not agree",
            span,
            f"{text(left.span)} is {shown(left.shape)} and {text(right.span)} is {shown(right.shape)}",
            f"the inner sizes must be equal; {text(left.span)} would need the shape {shown(wanted)}",
        )
    j = lowering.scope.fresh(right.shape[0])
    rows, columns = left.shape[:-1], right.shape[1:]

    def element(indices: tuple[sympy.Expr, ...]) -> sympy.Expr:
        return left.element((*indices[: len(rows)], j)) * right.element((j, *indices[len(rows) :]))

    return lowering.reduce("sum", (j,), Value((*rows, *columns), element, span, left.order + right.order))


def transpose(lowering: Lowering, matrix: Value, span: Span) -> Value:
    """``transpose(A)``: the same elements, rows and columns exchanged."""
    if len(matrix.shape) != 2:
        text = lowering.builder.text(matrix.span)
        help = "a vector is its own transpose: write v @ A or A @ v" if len(matrix.shape) == 1 else "write the indices"
        raise SpecError("only a matrix can be transposed", span, f"{text} is {shown(matrix.shape)}", help)
    return Value(matrix.shape[::-1], lambda indices: matrix.element(indices[::-1]), span, matrix.order)


def chooser(lowering: Lowering, value: Value) -> Access:
    """An element of the data as an index, as in ``E[w]``; it holds whole numbers from 1."""
    element = value.element(()) if not value.shape else None
    if not isinstance(element, Access) or lowering.builder.tensors[element.tensor].role not in CHOOSERS:
        text = lowering.builder.text(value.span)
        label = f"{text} is {shown(value.shape)}" if value.shape else f"{text} is not given with the data"
        help = "an index is a sum of index names, sizes and integers, or one element of an input, as in E[w] or E[w[t]]"
        raise SpecError("this cannot be an index", value.span, label, help)
    return element


def selection(lowering: Lowering, choices: dict[Index, sympy.Expr], value: Value) -> Value:
    """``E[w]`` as the sum over all places v of [w = v] E[v]."""
    for place in choices:
        if lowering.scope.ranges[place][1] > MOST_PLACES:
            help = f"single precision tells whole numbers up to {MOST_PLACES:,} apart"
            raise SpecError("too many places to choose from", value.span, "", help)
    picks = sympy.Mul(*(Equal(chooser, place) for place, chooser in choices.items()))
    order = (*value.order, *(a.tensor for a in choices.values()))
    terms = Value(value.shape, lambda indices: picks * value.element(indices), value.span, order)
    selected = lowering.reduce("sum", tuple(choices), terms)
    lowering.builder.selections.add(lowering.scope.pending[-1].lhs.tensor)
    return selected
