"""From one equation to a loop nest, and from loop nests that follow each other to fewer of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy

from codegen.trainer.nodes import SAMPLE, Assign, Loop, Node, Range, Reduce, read, renamed, written
from derive.expressions import Access, Index, index_symbols
from derive.network import Equation

LANES = 8  # float32 numbers in a register


def nest(
    eq: Equation, ranges: Mapping[Index, Range], fixed: tuple[Index, ...] = (), notes: tuple[str, ...] = ()
) -> list[Node]:
    """Loops that carry out an equation; ``fixed`` indices belong to a loop around them.

    The samples are the outermost loop.  The innermost index is the one that most accesses have as their last: memory
    is read in order and LLVM can use SIMD instructions.  If that is an index of the reduction, the sum is formed in a
    scalar; else it is formed in the array itself, which is set to zero first.  What is zero everywhere needs no sum.
    """
    if eq.body == 0 and eq.kind == "sum":
        if eq.accumulate:
            return []
        eq = replace(eq, reduce=())
    free = [i for i in eq.free if i not in fixed]
    over = [i for i in eq.reduce if i not in fixed]
    for position, i in enumerate(over):
        if i is SAMPLE and eq.kind == "sum":  # a sum over the samples is added up in the array, sample by sample
            rest = tuple(over[:position] + over[position + 1 :])
            inner = nest(replace(eq, reduce=rest, accumulate=True), ranges, (*fixed, SAMPLE), notes)
            return [Loop(SAMPLE, ranges[SAMPLE], tuple(inner))]
    outer = [SAMPLE] if SAMPLE in free else []
    free = [i for i in free if i is not SAMPLE]
    innermost = max([*free, *over], key=lambda i: (length(i, eq, ranges), contiguity(i, eq)), default=None)
    if not over:
        order = [i for i in free if i is not innermost] + [innermost] if innermost in free else free
        return loops(outer + order, ranges, [Assign(eq.lhs, eq.body, eq.accumulate, notes)])
    if innermost in over or eq.kind == "max":
        order = [i for i in over if i is not innermost] + ([innermost] if innermost in over else [])
        reduction = Reduce(eq.lhs, eq.kind, tuple((i, ranges[i]) for i in order), eq.body, eq.accumulate, notes)
        return loops(outer + free, ranges, [reduction])
    assert innermost is not None
    around = [i for i in free if i is not innermost]
    adding = loops([*over, innermost], ranges, [Assign(eq.lhs, eq.body, True, notes)])
    if not eq.accumulate:
        adding = [*loops([innermost], ranges, [Assign(eq.lhs, sympy.Integer(0))]), *adding]
    return loops(outer + around, ranges, adding)


def loops(order: list[Index], ranges: Mapping[Index, Range], body: list[Node]) -> list[Node]:
    """``body`` inside loops, the first index outermost."""
    for i in reversed(order):
        body = [Loop(i, ranges[i], tuple(body))]
    return body


def length(i: Index, eq: Equation, ranges: Mapping[Index, Range]) -> int:
    """How well an index of a convolution does as the innermost: pixels fill SIMD instructions, kernels of 3 do not."""
    if all(e.is_Symbol or e.is_Integer for access in (eq.lhs, *eq.reads) for e in access.indices):
        return 0
    return min(ranges[i][1] - ranges[i][0] + 1, LANES) if contiguity(i, eq) > 0 else 0


def contiguity(i: Index, eq: Equation) -> int:
    """How well an index does as the innermost: accesses along the last dimension minus those across the others."""
    score = 0
    for access, weight in [(eq.lhs, 2), *((a, 1) for a in eq.reads)]:
        for dimension, expression in enumerate(access.indices):
            if i in index_symbols(expression):
                last = dimension == len(access.indices) - 1 and abs(expression.coeff(i)) == 1
                score += weight if last else -2
    return score


def fuse(nodes: list[Node], sums: bool = False) -> list[Node]:
    """Join loops over the same range that follow each other, where no iteration needs another one's results.

    A sum inside keeps the other statements of a loop from SIMD instructions; ``sums`` are said to be so short that they
    do not, unless they are wide.
    """
    fused: list[Node] = []
    for node in nodes:
        joined = _join(fused[-1], node, sums) if fused else None
        if joined is None:
            fused.append(node)
        else:
            fused[-1] = joined
    return [replace(n, body=tuple(fuse(list(n.body), sums))) if isinstance(n, Loop) else n for n in fused]


def _join(first: Node, second: Node, sums: bool) -> Loop | None:
    if not (isinstance(first, Loop) and isinstance(second, Loop)):
        return None
    if (first.index is SAMPLE) != (second.index is SAMPLE):
        return None
    if (first.range, first.backward, first.wide) != (second.range, second.backward, second.wide):
        return None
    if first.index is not SAMPLE and _is_leaf(first, sums) != _is_leaf(second, sums):
        return None
    perfect = _is_perfect(first) and _is_perfect(second)
    if first.index is not SAMPLE and not (_is_leaf(first, sums) or perfect or (_is_lanes(first) and _is_lanes(second))):
        return None
    if _uses(second, first.index) and first.index is not second.index:
        return None
    second = renamed(second, {second.index: first.index})
    assert isinstance(second, Loop)
    return replace(first, body=first.body + second.body) if _independent(first, second) else None


def _is_leaf(loop: Loop, sums: bool) -> bool:
    return all(isinstance(n, Assign) or (sums and isinstance(n, Reduce) and not n.wide) for n in loop.body)


def _is_perfect(loop: Loop) -> bool:
    return len(loop.body) == 1 and isinstance(loop.body[0], Loop)


def _is_lanes(loop: Loop) -> bool:
    return all(isinstance(n, Loop) and (n.index is SAMPLE or _is_lanes(n)) for n in loop.body)


def _uses(loop: Loop, i: Index) -> bool:
    inside = [n.index for n in loop.body if isinstance(n, Loop)]
    return i in inside or any(i in index_symbols(e) for a in (*read(loop), *written(loop)) for e in a.indices)


def _independent(first: Loop, second: Loop) -> bool:
    """Whether two accesses of the two loops to one tensor, one of them a write, meet in the same iteration only."""
    pairs = [(a, b) for a in written(first) for b in (*read(second), *written(second))]
    pairs += [(a, b) for a in read(first) for b in written(second)]
    return all(_same_iteration(a, b, first.index) for a, b in pairs if a.tensor == b.tensor)


def _same_iteration(a: Access, b: Access, i: Index) -> bool:
    return any(
        x == y and index_symbols(x) == {i} and not x.atoms(Access) for x, y in zip(a.indices, b.indices, strict=True)
    )
