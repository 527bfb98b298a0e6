"""One sample after the other: one kernel that goes through the samples of an epoch and updates the weights after each.

With so few numbers as a small network has, an update is one chain of operations that wait for each other, and nothing
may stand in that chain which is not arithmetic.  So weights and the solver's state are copied into the function's own
memory before the loop over the samples and back after it; there LLVM keeps what it can in registers, and makes straight
lines of loops of two or three turns.  The update of a weight stands in the loop that gives its derivative, which then
never reaches memory.  There is no index of samples, and nothing is summed over them: for one sample, the derivative for
a weight is what its equation says.

The longest index of a statement is its innermost loop, and the longest dimension of an array its last: the units of a
layer lie side by side in a SIMD register.  Of a loop with more than :data:`SHORT` turns LLVM must not know the length,
or it writes the turns out before it looks for SIMD instructions; ``8 & lanes`` is 0 or 8 for all it knows, though every
bit of lanes is set.

Measured on kernels written by hand, one update of 2-8-1 with tanh and sigmoid (ns, float32, best of 15, two busy
Zen 4 cores): 46 in this way;
79 with every unit a scalar of its own, which LLVM does not put together again; 53 with the derivatives in arrays and
the update after them; 61 for the loops in C of ``benchmarks/training``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import sympy

from codegen.arithmetic.program import Line, Program, is_plain
from codegen.trainer.kinds import Kind
from codegen.trainer.lanes import UNROLLED, is_flat, is_legal, work
from codegen.trainer.loops import contiguity, fuse, loops
from codegen.trainer.nodes import Assign, Loop, Node, Range, Reduce, tensors_of
from codegen.trainer.products import extent
from codegen.trainer.schedule import Builder, at_home
from derive.expressions import Access, Index, index
from derive.network import Equation, Tensor

SHORT = 3  # turns of a loop that LLVM may write out
MOST_WORK = 4096  # multiply-adds of one sample
MOST_ELEMENTS = 4096  # numbers in the function's own memory; twice as much with a solver's state

Layout = tuple[int, ...]  # the dimensions of a tensor in the order in which its array has them


class Updated(sympy.Function):
    """``Updated(weight, slope)``: the weight after the solver's update, from its derivative."""

    nargs = 2


@dataclass(frozen=True)
class Sequence:
    """The kernel for one sample, the loss of which is in ``loss``; where its arrays are and how they are laid out.

    ``places`` is where each weight begins in the vectors of the solver's state, ``size`` their length.
    """

    nodes: tuple[Node, ...]
    loss: str
    tensors: Mapping[str, Tensor]
    kinds: Mapping[str, Kind]
    arrays: tuple[str, ...]
    scalars: frozenset[str]
    layouts: Mapping[str, Layout]
    places: Mapping[str, int]
    size: int


def sequence(program: Program, loss: str) -> Sequence | None:
    """The kernel for one sample after the other; ``None`` where it is not legal or not worth while."""
    builder = Builder(program)
    has_data = any(t.role in ("input", "target") for t in program.tensors.values())
    slopes = {t for t in builder.tensors if builder.is_gradient(t)}
    weights = [t.name for t in program.tensors.values() if t.role == "weight"]
    if (
        not (has_data and is_flat(program) and is_legal(program, builder) and len(slopes) == len(weights))
        or work(program.lines) > MOST_WORK
    ):
        return None
    layouts = {name: _layout(tensor) for name, tensor in builder.tensors.items()}
    nodes = tuple(fuse(_nodes(program, builder, layouts), sums=True))
    used = [t for t in builder.tensors if any(t in tensors_of(n) for n in nodes)]
    own = [t for t in used if builder.tensors[t].role in ("value", "adjoint")]
    scalars = frozenset(t for t in own if at_home(t, nodes))
    arrays = tuple(t for t in used if t not in scalars)
    if sum(builder.tensors[t].size for t in arrays) > MOST_ELEMENTS:
        return None
    ends = [0]
    for name in weights:
        ends.append(ends[-1] + builder.tensors[name].size)
    kinds = dict.fromkeys(builder.tensors, Kind.PLAIN)
    places = dict(zip(weights, ends, strict=False))
    return Sequence(nodes, loss, builder.tensors, kinds, arrays, scalars, layouts, places, ends[-1])


def _layout(tensor: Tensor) -> Layout:
    """The longest dimension last."""
    if not tensor.shape:
        return ()
    last = max(range(len(tensor.shape)), key=lambda d: (tensor.shape[d], d))
    return (*(d for d in range(len(tensor.shape)) if d != last), last)


def _nodes(program: Program, builder: Builder, layouts: Mapping[str, Layout]) -> list[Node]:
    """All equations for one sample; then, weight by weight, its derivative and its update.

    A weight that the derivative of a later one is computed from is updated when all derivatives are there, and so is
    one whose derivative several equations add to.
    """
    slopes = [line for line in program.lines if builder.is_gradient(line.equation.lhs.tensor)]
    others = [line for line in program.lines if line not in slopes]
    nodes = builder.cleared([line.equation for line in (*others, *slopes)])
    cleared = {t for n in nodes for t in tensors_of(n)}
    for line in others:
        nodes += _nest(line, layouts)
    late: list[Node] = []
    for n, line in enumerate(slopes):
        weight = line.equation.lhs.tensor.removeprefix("∂")
        update = _update(builder.tensors[weight], line.equation, layouts)
        nodes += _nest(line, layouts)
        after = slopes[n + 1 :]
        if any(other.equation.lhs == line.equation.lhs for other in after):
            continue
        is_read = any(a.tensor == weight for other in after for a in other.equation.reads)
        if is_read or line.equation.lhs.tensor in cleared:
            late += update
        else:
            nodes += update
    return nodes + late


def _update(weight: Tensor, slope: Equation, layouts: Mapping[str, Layout]) -> list[Node]:
    """Loops that update every element of a weight; with the indices of its derivative, where that has all elements."""
    letters = [index(f"i{d + 1}") for d in range(len(weight.shape))]
    if is_plain(slope):
        letters = list(slope.lhs.indices)
    ranges: dict[Index, Range] = {}
    indices: list[sympy.Expr] = []
    for d, (i, size) in enumerate(zip(letters, weight.shape, strict=True)):
        ranges[i] = (weight.start(d), weight.start(d) + size - 1)
        indices.append(i if size > 1 else sympy.Integer(weight.start(d)))
    order = [i for i in (indices[d] for d in layouts[weight.name]) if i.is_Symbol]
    element, derivative = Access(weight.name, *indices), Access(f"∂{weight.name}", *indices)
    return _loops(order, ranges, Assign(element, Updated(element, derivative)))


def _nest(line: Line, layouts: Mapping[str, Layout]) -> list[Node]:
    """The loops of an equation for one sample."""
    eq, notes = line.equation, (line.note,)
    ranges: Mapping[Index, Range] = eq.ranges
    free, over = list(eq.free), list(eq.reduce)

    def worth(i: Index) -> tuple[int, int]:
        return extent(i, ranges), contiguity(i, _laid_out(eq, layouts))

    innermost = max([*free, *over], key=worth, default=None)
    around = [i for i in free if i is not innermost]
    if not over:
        order = [*around, *([innermost] if innermost else [])]
        return _loops(order, ranges, Assign(eq.lhs, eq.body, eq.accumulate, notes))
    terms = prod(extent(i, ranges) for i in over)
    if innermost in over:
        order = [*(i for i in over if i is not innermost), innermost]
        wide = extent(innermost, ranges) > SHORT
        spans = tuple((i, ranges[i]) for i in order)
        return loops(around, ranges, [Reduce(eq.lhs, eq.kind, spans, eq.body, eq.accumulate, notes, wide)])
    assert innermost is not None
    if eq.kind == "max" or terms <= UNROLLED:
        spans = tuple((i, ranges[i]) for i in over)
        return _loops([*around, innermost], ranges, Reduce(eq.lhs, eq.kind, spans, eq.body, eq.accumulate, notes))
    start = [] if eq.accumulate else _loops([innermost], ranges, Assign(eq.lhs, sympy.Integer(0)))
    return loops(around, ranges, [*start, *_loops([*over, innermost], ranges, Assign(eq.lhs, eq.body, True, notes))])


def _loops(order: list[Index], ranges: Mapping[Index, Range], statement: Node) -> list[Node]:
    """A statement inside loops, of which SIMD instructions are to carry out the innermost."""
    body = loops(order[-1:], ranges, [statement])
    wide = [replace(n, wide=extent(n.index, ranges) > SHORT) if isinstance(n, Loop) else n for n in body]
    return loops(order[:-1], ranges, wide)


def _laid_out(eq: Equation, layouts: Mapping[str, Layout]) -> Equation:
    """The equation with the indices of every access in the order of the array."""

    def turned(access: Access) -> Access:
        return Access(access.tensor, *(access.indices[d] for d in layouts[access.tensor]))

    body = eq.body.xreplace({a: turned(a) for a in eq.body.atoms(Access)})
    return replace(eq, lhs=turned(eq.lhs), body=body)
