"""Recognise matrix products among the equations, from their indices alone.

``T[a, b] = Σ_r L[a, r] R[b, r]`` is a matrix product, whatever a, b and r are: a forward product, a backward product
or the gradient of a weight, whose r is the sample.  Each of a, b, r may stand for several indices.

Which of them go to BLAS was measured on one step of inputs-hidden-outputs networks (µs, float32, two Zen 4 cores):

==========  =========================  =========================
network     minibatch 32: BLAS, loops  one sample: BLAS, loops
==========  =========================  =========================
2-4-2       2.0      1.9               0.6       0.2
4-8-3       2.7      4.8               0.7       0.4
4-16-3      2.9      5.9               0.7       0.5
16-16-16    6.7      20                0.8       0.9
32-32-10    7.1      42                1.0       1.7
==========  =========================  =========================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import sympy

from codegen.trainer.nodes import SAMPLE, Matrix, Range
from derive.expressions import Access, Index, index_symbols
from derive.network import Equation

MINIBATCH = 32  # the number of samples that the cost rule reckons with
LEAST_SIDE = 2  # a side of 1 makes it a product with a vector
LEAST_WORK = 1024  # multiply-adds; below, the call costs more than loops do


@dataclass(frozen=True)
class Factors:
    """The two factors of a product with their indices, each in the order in which they are to be stored."""

    left: sympy.Expr
    right: sympy.Expr
    left_indices: tuple[Index, ...]
    right_indices: tuple[Index, ...]
    rows: int
    """Number of indices that make the rows of the result."""


def factors(eq: Equation, ranges: Mapping[Index, Range]) -> Factors | None:
    """Split ``T[a, b] = Σ_r L·R`` into its two factors; ``None`` where it is no product or a small one."""
    if eq.kind != "sum" or not eq.reduce or not all(i.is_Symbol or i == 1 for i in eq.lhs.indices):
        return None
    free, over = eq.free, eq.reduce
    if not eq.body.is_Mul or not free:
        return None
    groups = _connected(eq.body, free)
    if len(groups) != 2:
        return None
    first = max(groups, key=lambda g: free[0] in g)
    a = tuple(i for i in free if i in first)
    b = tuple(i for i in free if i not in first)
    if free != a + b or not _large(a, b, over, ranges):
        return None
    right = sympy.Mul(*(f for f in eq.body.args if index_symbols(f) & set(b)))
    left = sympy.Mul(*(f for f in eq.body.args if not index_symbols(f) & set(b)))
    if not (set(over) <= index_symbols(left) and set(over) <= index_symbols(right)):
        return None
    return Factors(left, right, a + over, b + over, len(a))


def _connected(body: sympy.Expr, free: tuple[Index, ...]) -> list[set[Index]]:
    """The free indices in groups; those that stand in one factor belong together."""
    groups = [{i} for i in free]
    for factor in body.args:
        touched = [g for g in groups if g & index_symbols(factor)]
        if len(touched) > 1:
            groups = [g for g in groups if g not in touched] + [set().union(*touched)]
    return groups


def _large(a: tuple[Index, ...], b: tuple[Index, ...], over: tuple[Index, ...], ranges: Mapping[Index, Range]) -> bool:
    sides = [prod(extent(i, ranges) for i in group) for group in (a, b, over)]
    return min(sides) >= LEAST_SIDE and prod(sides) >= LEAST_WORK


def extent(i: Index, ranges: Mapping[Index, Range]) -> int:
    """The number of values of an index; of the samples, a usual one."""
    return MINIBATCH if i is SAMPLE else ranges[i][1] - ranges[i][0] + 1


def matrix(
    access: Access, indices: tuple[Index, ...], rows: int, shape: tuple[int, ...], ranges: Mapping[Index, Range]
) -> Matrix | None:
    """The access as a matrix whose first ``rows`` indices are the rows: as it is stored, or transposed.

    ``shape`` is the array's, with the minibatch as -1.  ``None`` where the access covers only part of the array or
    stores its indices in another order.
    """
    symbols = tuple(i for i in access.indices if i.is_Symbol)
    for i, size in zip(access.indices, shape, strict=True):
        if size != (-1 if i is SAMPLE else extent(i, ranges) if i.is_Symbol else 1):
            return None
    if symbols == indices:
        return Matrix(access.tensor, _dimensions(access, rows))
    if symbols == indices[rows:] + indices[:rows]:
        return Matrix(access.tensor, _dimensions(access, len(indices) - rows), transposed=True)
    return None


def _dimensions(access: Access, symbols: int) -> int:
    """How many of the array's dimensions hold its first ``symbols`` index symbols."""
    seen = 0
    for dimension, i in enumerate(access.indices):
        if seen == symbols:
            return dimension
        seen += i.is_Symbol
    return len(access.indices)
