"""What a schedule consists of: loops, assignments, reductions and matrix products over arrays; plain data, printable.

Every node that computes something bears ``notes``: the numbers of the equations with their text.  The samples of a
minibatch are one more index, :data:`SAMPLE`, the first of every array that has a value for each sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import sympy

from derive.expressions import Access, Index, index

SAMPLE = index("sample")  # runs over the samples of a minibatch
SAMPLES = sympy.Symbol("samples", positive=True)  # their number, as a real number
Range = tuple[int, int]
WHOLE: Range = (0, -1)  # the range of SAMPLE: known only when the kernel runs
Loops = tuple[tuple[Index, Range], ...]


@dataclass(frozen=True)
class Assign:
    """``target = value``, or ``target += value``."""

    target: Access
    value: sympy.Expr
    add: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reduce:
    """``target = kind over loops of value`` in a scalar, or ``target += …``; SIMD instructions do a ``wide`` one."""

    target: Access
    kind: Literal["sum", "max"]
    loops: Loops
    value: sympy.Expr
    add: bool = False
    notes: tuple[str, ...] = ()
    wide: bool = False


@dataclass(frozen=True)
class Contraction:
    """``target = Σ over of left · right`` for all rows and columns at once, or ``target += …``; see `contraction`.

    ``rows`` occur in the target and on the left, ``columns`` in the target and on the right.
    """

    target: Access
    left: Access
    right: Access
    rows: Loops
    columns: Loops
    over: Loops
    add: bool = False
    notes: tuple[str, ...] = ()

    @property
    def value(self) -> sympy.Expr:
        return self.left * self.right


@dataclass(frozen=True)
class Loop:
    """``body`` for every value of an index, from the last to the first if ``backward``; SIMD does a ``wide`` one.

    The turns of a ``recurrent`` one need each other's results.
    """

    index: Index
    range: Range
    body: tuple[Node, ...]
    backward: bool = False
    wide: bool = False
    recurrent: bool = False


@dataclass(frozen=True)
class Matrix:
    """An array read as a matrix: of its dimensions the first ``rows`` are the rows, the others the columns."""

    tensor: str
    rows: int
    transposed: bool = False


@dataclass(frozen=True)
class Product:
    """The matrix product ``out = left · right``."""

    out: Matrix
    left: Matrix
    right: Matrix
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clear:
    """Set every element of a tensor to zero."""

    tensor: str


Node = Assign | Reduce | Contraction | Loop | Product | Clear


def walk(nodes: Iterable[Node]) -> Iterator[Node]:
    """All nodes, those inside loops included."""
    for node in nodes:
        yield node
        if isinstance(node, Loop):
            yield from walk(node.body)


def written(node: Node) -> list[Access]:
    """The accesses that a node writes, inside it included."""
    return [n.target for n in walk([node]) if isinstance(n, Assign | Reduce | Contraction)]


def read(node: Node) -> list[Access]:
    """The accesses that a node reads, inside it included."""
    computing = [n for n in walk([node]) if isinstance(n, Assign | Reduce | Contraction)]
    values = [e for n in computing for e in (n.value, *n.target.indices)]
    return [a for value in values for a in value.atoms(Access)]


def tensors_of(node: Node) -> set[str]:
    """Every tensor that occurs in a node."""
    found = {a.tensor for a in (*written(node), *read(node))}
    for n in walk([node]):
        if isinstance(n, Product):
            found |= {n.out.tensor, n.left.tensor, n.right.tensor}
        elif isinstance(n, Clear):
            found.add(n.tensor)
    return found


def renamed(node: Node, mapping: Mapping[Index, Index]) -> Node:
    """The node with other index symbols."""
    if isinstance(node, Loop):
        body = tuple(renamed(n, mapping) for n in node.body)
        return replace(node, index=mapping.get(node.index, node.index), body=body)
    if isinstance(node, Reduce):
        loops = tuple((mapping.get(i, i), r) for i, r in node.loops)
        return replace(node, target=node.target.xreplace(mapping), value=node.value.xreplace(mapping), loops=loops)
    if isinstance(node, Assign):
        return replace(node, target=node.target.xreplace(mapping), value=node.value.xreplace(mapping))
    if isinstance(node, Contraction):
        target, left, right = (a.xreplace(mapping) for a in (node.target, node.left, node.right))
        groups = (node.rows, node.columns, node.over)
        rows, columns, over = (tuple((mapping.get(i, i), r) for i, r in group) for group in groups)
        return Contraction(target, left, right, rows, columns, over, node.add, node.notes)
    return node
