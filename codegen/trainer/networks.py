"""Networks in lanes: one kernel that adds the gradients of a minibatch for a block of networks, one in each SIMD lane.

The equations are those of :mod:`codegen.trainer.lanes`, with another meaning of the lane: every quantity, weights and
constants included, has the lane as its last index, and the samples follow each other in a loop.  No lane ever needs
another one's result.  What depends on no sample is computed once, before that loop; the part of a derivative that does
not differ from sample to sample is added once, after it:

    dW = Σ_samples (what each sample has) + samples · (what no sample has)

All arrays are the function's own memory, as there; weights are copied in, gradients out, once for a minibatch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import sympy

from codegen.arithmetic.program import Line, Program
from codegen.trainer.kinds import Kind, split
from codegen.trainer.lanes import Lanes, in_every_lane, is_flat, is_legal, work
from codegen.trainer.loops import fuse
from codegen.trainer.nodes import SAMPLE, SAMPLES, Clear, Node, tensors_of
from codegen.trainer.schedule import TOTAL, Builder, at_home
from derive.expressions import Access
from derive.network import Equation

MOST_WORK = 2048  # multiply-adds of one sample; above, whole matrices through BLAS are faster, a network in each thread
MOST_ELEMENTS = 2048  # numbers of one network; 256 KiB of a thread's memory in float64


@dataclass(frozen=True)
class Networks(Lanes):
    """The kernel in three parts: what is done once, then for every sample, then once again."""

    before: tuple[Node, ...]
    sample: tuple[Node, ...]
    after: tuple[Node, ...]


def networks(program: Program, loss: str) -> Networks | None:
    """The kernel for a block of networks; ``None`` where it is not legal or not worth while."""
    builder = Builder(program)
    if not (is_flat(program) and is_legal(program, builder)) or work(program.lines) > MOST_WORK:
        return None
    total = Line(0, Equation(Access(TOTAL), Access(loss)), "")
    parts = (_before(builder, program.lines), *_summed(builder, [*program.forward, total, *program.backward]))
    before, sample, after = (tuple(fuse(part)) for part in parts)
    nodes = (*before, *sample, *after)
    used = {t for n in nodes for t in tensors_of(n)}
    own = [t for t in builder.tensors if t in used and builder.is_intermediate(t) and t != TOTAL]
    scalars = frozenset(t for t in own if at_home(t, nodes))
    arrays = tuple(t for t in builder.tensors if t in used and t not in scalars)
    if sum(builder.tensors[t].size for t in arrays) > MOST_ELEMENTS:
        return None
    kinds = dict.fromkeys(builder.tensors, Kind.BATCH)
    return Networks(nodes, builder.tensors, kinds, arrays, scalars, 1, before, sample, after)


def _before(builder: Builder, lines: Iterable[Line]) -> list[Node]:
    """What depends on no sample, and zeros in everything that sums over the samples are added to."""
    plain = [line for line in lines if builder.kinds[line.equation.lhs.tensor] is Kind.PLAIN]
    nodes: list[Node] = list(builder.cleared([line.equation for line in plain]))
    for line in plain:
        nodes += in_every_lane(_laned(line.equation), builder, _notes(line))
    summed = (t for t in builder.tensors if builder.kinds[t] is Kind.SUMMED)
    return [*nodes, *(Clear(t) for t in summed)]


def _summed(builder: Builder, lines: list[Line]) -> tuple[list[Node], list[Node]]:
    """What each sample has and adds to a sum over the samples; what is added to such a sum once."""
    each = [line for line in lines if builder.kinds[line.equation.lhs.tensor] is Kind.BATCH]
    sample: list[Node] = list(builder.cleared([line.equation for line in each]))
    after: list[Node] = []
    for line in lines:
        kind, eq = builder.kinds[line.equation.lhs.tensor], line.equation
        if kind is Kind.BATCH:
            sample += in_every_lane(_laned(eq), builder, _notes(line))
        elif kind is Kind.SUMMED:
            terms = split(eq.body, builder.kinds)
            once = SAMPLES * terms[Kind.PLAIN] + terms[Kind.SUMMED]
            for nodes, body in ((sample, terms[Kind.BATCH]), (after, once)):
                if body != 0:
                    added = _laned(replace(eq, body=body, accumulate=True))
                    nodes += in_every_lane(added, builder, _notes(line))
    return sample, after


def _notes(line: Line) -> tuple[str, ...]:
    return (line.note,) if line.text else ()


def _laned(eq: Equation) -> Equation:
    """The equation with the lane as one more index of everything."""

    def laned(e: sympy.Expr) -> sympy.Expr:
        return e.xreplace({a: Access(a.tensor, SAMPLE, *a.indices) for a in e.atoms(Access)})

    return replace(eq, lhs=laned(eq.lhs), body=laned(eq.body))
