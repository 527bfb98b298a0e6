"""Recognise sums of products of two tensors among the equations of a block of samples, from their indices alone.

``T[r, c] = Σ_k L[r, k] R[c, k]`` with affine indices is one contraction, whatever r, c and k are: the layers of a
dense network, a convolution with its channels, a step of a recurrence, and the derivatives of all of them.  Weights
are numbers, and the other factor has the samples in lanes; for the derivative for a weight both factors have, and the
sum is taken over the samples too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

import sympy

from codegen.trainer.kinds import Kind
from codegen.trainer.loops import loops
from codegen.trainer.nodes import SAMPLE, Contraction, Loops, Node, Range
from derive.expressions import Access, Index, index_symbols
from derive.network import Equation, Tensor

LEAST_WORK = 64  # products of a sample; below, plain loops are as fast and compile sooner,
LEAST_SUMS = 8  # unless each would add up the lanes of a register for its own result
Steps = dict[Index, int]


def contraction(
    eq: Equation,
    factors: tuple[Access, ...],
    kinds: Mapping[str, Kind],
    tensors: Mapping[str, Tensor],
    fixed: tuple[Index, ...] = (),
    notes: tuple[str, ...] = (),
) -> list[Node]:
    """``eq``, a sum of the product of its two factors, as a contraction inside loops; nothing if it is none.

    Accesses come without the sample; the indices ``fixed`` belong to a loop around.
    """
    ranges = eq.ranges
    free, over = [i for i in eq.free if i not in fixed], [i for i in eq.reduce if i not in fixed]
    least = LEAST_WORK if kinds[eq.lhs.tensor] is Kind.BATCH else LEAST_SUMS
    if not free or prod(length(ranges[i]) for i in (*free, *over)) < least:
        return []
    if not all(i.is_Symbol or i.is_Integer for i in eq.lhs.indices) or not all(map(is_affine, factors)):
        return []
    left, right = sorted(factors, key=lambda a: (kinds[a.tensor] is Kind.BATCH, free[-1] in used(a)))
    if kinds[left.tensor] is Kind.BATCH and not used(left):
        left, right = right, left  # more results in registers at a time
    if kinds[right.tensor] is not Kind.BATCH:
        return []
    rows = [i for i in free if i in used(left) - used(right)]
    columns = [i for i in free if i in used(right) - used(left)]
    rows = joint(rows, ranges, [steps(a, tensors) for a in (eq.lhs, left)])
    columns = joint(columns, ranges, [steps(a, tensors) for a in (eq.lhs, right)])
    around = [i for i in free if i not in (*rows, *columns)]
    r, c, k = (tuple((i, ranges[i]) for i in group) for group in (rows, columns, over))
    target, left, right = (
        Access(a.tensor, *[SAMPLE] * (kinds[a.tensor] is Kind.BATCH), *a.indices) for a in (eq.lhs, left, right)
    )
    node = Contraction(target, left, right, r, c, k, eq.accumulate, notes)
    return loops(around, ranges, [node])


def own(access: Access) -> tuple[sympy.Expr, ...]:
    """The indices of an access but the sample."""
    return tuple(i for i in access.indices if i is not SAMPLE)


def used(access: Access) -> set[Index]:
    return set().union(*(index_symbols(e) for e in access.indices))


def is_affine(access: Access) -> bool:
    """Whether every index is a sum of whole multiples of index symbols, none of them read from data."""
    return not any(e.atoms(Access) for e in access.indices) and all(
        e.coeff(s).is_Integer for e in map(sympy.expand, access.indices) for s in index_symbols(e)
    )


def length(span: Range) -> int:
    return span[1] - span[0] + 1


def steps(access: Access, tensors: Mapping[str, Tensor]) -> Steps:
    """By how many elements an access moves when an index grows by one; the samples count as one element."""
    found: Steps = {}
    shape = tensors[access.tensor].shape
    for d, e in enumerate(own(access)):
        for s in index_symbols(e):
            found[s] = found.get(s, 0) + int(sympy.expand(e).coeff(s)) * prod(shape[d + 1 :])
    return found


def place(access: Access, tensors: Mapping[str, Tensor], first: Mapping[Index, int]) -> sympy.Expr:
    """The number of the element before which all others come, where indices take their ``first`` values."""
    tensor = tensors[access.tensor]
    parts = (
        (e.xreplace({i: sympy.Integer(n) for i, n in first.items()}) - tensor.start(d)) * prod(tensor.shape[d + 1 :])
        for d, e in enumerate(own(access))
    )
    return sympy.expand(sympy.Add(*parts))


def joint(indices: list[Index], ranges: Mapping[Index, Range], all_steps: Iterable[Steps]) -> list[Index]:
    """The last of the indices that together make one, because each goes on in memory where the next one ends."""
    all_steps = list(all_steps)
    found = indices[-1:]
    for i in reversed(indices[:-1]):
        if any(s.get(i, 0) != s.get(found[0], 0) * length(ranges[found[0]]) for s in all_steps):
            break
        found.insert(0, i)
    return found


def spans(node: Contraction, tensors: Mapping[str, Tensor]) -> tuple[tuple[int, int, int], ...]:
    """(extent, step in the target, step on its side) of the rows and of the columns, then for every sum (extent, step
    on the left, step on the right)."""
    target, left, right = (steps(a, tensors) for a in (node.target, node.left, node.right))

    def span(group: Loops, one: Steps, two: Steps) -> tuple[int, int, int]:
        last = group[-1][0] if group else None
        extent = prod(length(r) for _, r in group)
        return (extent, one.get(last, 0), two.get(last, 0)) if last is not None else (1, 0, 0)

    sums: list[Loops] = []
    remaining = list(node.over)
    while remaining:
        group = joint([i for i, _ in remaining], dict(remaining), [left, right])
        sums.insert(0, tuple((i, r) for i, r in remaining if i in group))
        remaining = [(i, r) for i, r in remaining if i not in group]
    return (
        span(node.rows, target, left),
        span(node.columns, target, right),
        *(span(group, left, right) for group in sums),
    )
