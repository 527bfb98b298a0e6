"""The samples in lanes: one kernel that adds the gradient of a block of samples, one sample in each SIMD lane.

Arrays of what each sample has are laid out [elements…, lane], and the innermost loop of every statement runs over the
lanes: weights are scalars there, and no lane needs another one's result.  Only a derivative for a weight, summed over
the samples, adds up the lanes, once for every weight and block.  A block that is not full repeats its last sample in
the lanes left over, so that no value is there that a sample does not have, and :data:`PRESENT` is 0 for them in every
sum over the samples.

All arrays are the function's own memory, which no other pointer reaches: LLVM need not ask whether a store changes what
is read next.  The kernel therefore does the forward and the backward pass.

It is chosen where weights fit the second cache (:func:`work`), and where much of the work is no matrix product, as in
convolutions and recurrences, which plain loops would compute ten times slower.  Measured on one update of
inputs-hidden-outputs networks with tanh and softmax (µs, float32, one Zen 4 core that others used too, so that only
ratios tell something):

==========  =============  ===================  ===================
network     multiply-adds  minibatch 32: whole  minibatch 8: whole
            of a sample    rows, lanes          rows, lanes
==========  =============  ===================  ===================
2-4-2       55             2.3      0.4         0.6      0.2
4-8-3       160            3.6      0.7         1.1      0.3
16-16-16    1,377          8.3      3.1         2.4      1.0
64-64-10    10,227         18.5     13.4        4.6      5.4
256-256-10  139,059        156      120         59       58
784-128-10  204,723        229      176         56       86
512-512-10  540,211        636      502         255      233
==========  =============  ===================  ===================

At 1000-1000-10, minibatch 128, whole rows take half the time of lanes, which read 4 MB of weights anew for every block;
and where BLAS has several threads to itself they take less from some size on, which lanes do not.

A block has up to four registers of samples, since sums over the samples end in adding up lanes, once in a block, as
long as its arrays are not much larger than the fastest cache: at 4-32-16-4, batch 10,000, blocks of two, four and eight
registers take 646, 647 and 663 µs an update; at 64-64-10, batch 32, 8.0 of one and of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod

import sympy

from codegen.arithmetic.program import Line, Program, choosers
from codegen.trainer.contractions import contraction
from codegen.trainer.kinds import Kind, split
from codegen.trainer.loops import fuse, loops, nest
from codegen.trainer.nodes import SAMPLE, SAMPLES, Assign, Clear, Loop, Node, Product, Reduce, tensors_of
from codegen.trainer.schedule import TOTAL, Builder, at_home
from derive.expressions import Access, Index, Within
from derive.network import Equation, Tensor

LANES = 16  # float32 numbers in the widest register; in float64 two registers
LEAST, LEAST_OF_LARGE = 4, 12  # samples of a minibatch; with fewer, too many lanes would do nothing
LARGE = 8192  # multiply-adds of one sample; above, whole matrices through BLAS are faster than lanes half filled
UNROLLED = 16  # terms of a sum that LLVM writes out, so that it stays in a register
MOST_WORK = 2**18  # multiply-adds of one sample; above, weights leave the second cache, and BLAS shares its work out
SHARE = 8  # unless at least this part of the work is no matrix product
MOST_ELEMENTS = 4096  # numbers of one sample; 512 KiB of a thread's memory in float64
NEAR = 640  # numbers of one sample; LANES times as many in float32 are little more than the fastest cache holds
PRESENT = "present"  # the tensor that is 1 in the lanes that hold a sample


@dataclass(frozen=True)
class Lanes:
    """The kernel for a block, the tensors in the function's memory and those in local variables."""

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    kinds: Mapping[str, Kind]
    arrays: tuple[str, ...]
    scalars: frozenset[str]
    registers: int  # of LANES samples each, in the largest block
    least: int  # samples of a minibatch

    @property
    def width(self) -> str:
        """The length of loops over the lanes, in the kernel."""
        return "(lanes[0] & LANES) * len(lanes)"


def lanes(program: Program, loss: str) -> Lanes | None:
    """The kernel for a block of samples; ``None`` where it is not legal or not worth while."""
    builder = Builder(program)
    data = any(t.role in ("input", "target") for t in program.tensors.values())
    if not (data and is_legal(program, builder)):
        return None
    amount = work(program.lines)
    if amount > MOST_WORK and work(not_products(program, builder)) * SHARE < amount:
        return None
    builder.tensors[PRESENT] = Tensor(PRESENT, (), "value", anonymous=True)
    builder.kinds[PRESENT] = Kind.BATCH
    total = Line(0, Equation(Access(TOTAL), Access(loss)), "")
    computed = _pass(builder, [*program.forward, total]) + _pass(builder, program.backward)
    kept = [n for n in computed if not (isinstance(n, Clear) and builder.is_gradient(n.tensor))]
    nodes = tuple(fuse(kept))
    used = {t for n in nodes for t in tensors_of(n)}
    columns = [t for t in builder.tensors if t in used and builder.tensors[t].role in ("input", "target")]
    own = [t for t in builder.tensors if t in used and builder.is_intermediate(t) and t != TOTAL]
    scalars = frozenset(t for t in own if at_home(t, nodes))
    arrays = (*columns, *(t for t in own if t not in scalars), PRESENT, TOTAL)
    elements = sum(builder.tensors[t].size for t in arrays)
    if elements > MOST_ELEMENTS:
        return None
    registers = next(n for n in (4, 2, 1) if n == 1 or n * elements <= NEAR)
    least = LEAST if amount <= LARGE else LEAST_OF_LARGE
    return Lanes(nodes, builder.tensors, builder.kinds, arrays, scalars, registers, least)


def is_legal(program: Program, builder: Builder) -> bool:
    """Whether every sample is on its own and every derivative for a weight is a sum over the samples, read by nobody.

    Masks and places that depend on data keep the other schedule.
    """
    if program.sampled is not None or any(t.role == "mask" for t in program.tensors.values()):
        return False
    for line in program.lines:
        eq = line.equation
        if choosers(eq.lhs) or (eq.accumulate and eq.kind == "max"):
            return False
        if line.scan is not None and builder.kinds[eq.lhs.tensor] is Kind.SUMMED:
            return False
        if any(i.atoms(Access) for a in eq.reads for i in a.indices):
            return False
        if any(builder.is_gradient(a.tensor) for a in eq.reads):
            return False
    return True


def is_flat(program: Program) -> bool:
    """Whether no equation is part of a recurrence or holds in some places only."""
    return not any(line.scan is not None or line.equation.body.has(Within) for line in program.lines)


def not_products(program: Program, builder: Builder) -> list[Line]:
    """The lines that are no matrix product for whole rows."""
    found = []
    for line in program.lines:
        fixed = (line.scan.index,) if line.scan else ()
        if not any(isinstance(n, Product) for n in builder.line(line, [], fixed)):
            found.append(line)
    return found


def work(lines: Iterable[Line]) -> int:
    """Multiply-adds of one sample: the terms of all sums, and of the derivatives for weights."""
    return sum(
        prod(last - first + 1 for first, last in line.equation.ranges.values())
        for line in lines
        if line.equation.reduce or line.equation.body.is_Mul
    )


def _pass(builder: Builder, lines: Iterable[Line]) -> list[Node]:
    """The nodes of a pass: what depends on no sample, what each sample has, what is summed over the samples."""
    groups = [list(g) for _, g in groupby(lines, key=lambda line: id(line.scan) if line.scan else id(line))]
    groups.sort(key=lambda g: max(builder.kinds[line.equation.lhs.tensor] for line in g))
    nodes: list[Node] = list(builder.cleared([line.equation for g in groups for line in g]))
    for group in groups:
        scan = group[0].scan
        fixed = (scan.index,) if scan else ()
        inside = [n for line in group for n in _line(line, builder, fixed)]
        nodes += (
            [Loop(scan.index, (scan.first, scan.last), tuple(inside), scan.backward, recurrent=True)]
            if scan
            else inside
        )
    return nodes


def _line(line: Line, builder: Builder, fixed: tuple[Index, ...]) -> list[Node]:
    """One equation; ``fixed`` is the index of the recurrence around it."""
    eq, notes = line.equation, (line.note,) if line.text else ()
    kind = builder.kinds[eq.lhs.tensor]
    if kind is Kind.PLAIN:
        return nest(eq, eq.ranges, fixed, notes)
    if kind is Kind.SUMMED:
        return _summed(eq, builder, notes)
    sampled = replace(eq, lhs=builder.sampled(eq.lhs), body=builder.sampled(eq.body))
    return _products(eq, builder, fixed, notes) or in_every_lane(sampled, builder, notes, fixed)


def _products(eq: Equation, builder: Builder, fixed: tuple[Index, ...], notes: tuple[str, ...]) -> list[Node]:
    """A sum of the product of two factors, if it is one."""
    factors = eq.body.args if eq.body.is_Mul else ()
    if eq.kind != "sum" or not eq.reduce or len(factors) != 2 or not all(isinstance(f, Access) for f in factors):
        return []
    return contraction(eq, factors, builder.kinds, builder.tensors, fixed, notes)


def in_every_lane(
    eq: Equation, builder: Builder, notes: tuple[str, ...], fixed: tuple[Index, ...] = (), near: Index | None = None
) -> list[Node]:
    """An equation for each lane, whose index is SAMPLE, the innermost; a short sum stays in a register.

    A long one is formed in its array; so is one with terms that exist in some places only, and the question where is
    asked outside the lanes.  Indices that are ``fixed`` belong to a loop around; ``near`` is the last around the lanes.
    """
    ranges = builder.ranges(eq)
    free, over = [i for i in eq.free if i is not SAMPLE and i not in fixed], list(eq.reduce)
    free.sort(key=lambda i: i is near)
    terms = prod(ranges[i][1] - ranges[i][0] + 1 for i in over)
    if not over:
        return loops([*free, SAMPLE], ranges, [Assign(eq.lhs, eq.body, eq.accumulate, notes)])
    if eq.kind == "max" or (terms <= UNROLLED and not eq.body.has(Within)):
        spans = tuple((i, ranges[i]) for i in over)
        return loops([*free, SAMPLE], ranges, [Reduce(eq.lhs, eq.kind, spans, eq.body, eq.accumulate, notes)])
    start = [] if eq.accumulate else loops([SAMPLE], ranges, [Assign(eq.lhs, sympy.Integer(0))])
    return loops(free, ranges, [*start, *loops([*over, SAMPLE], ranges, [Assign(eq.lhs, eq.body, True, notes)])])


def _summed(eq: Equation, builder: Builder, notes: tuple[str, ...]) -> list[Node]:
    """An equation summed over the samples of the block, added to what other blocks have given."""
    terms, ranges = split(eq.body, builder.kinds), builder.ranges(eq)
    once, each = SAMPLES * terms[Kind.PLAIN] + terms[Kind.SUMMED], builder.sampled(terms[Kind.BATCH])
    first = not (eq.accumulate or builder.is_gradient(eq.lhs.tensor))
    nodes: list[Node] = []
    if once != 0 or first:
        nodes += nest(replace(eq, body=once, accumulate=not first), ranges, (), notes if once != 0 else ())
    if each != 0:
        found = _gradient(eq, terms[Kind.BATCH], builder, notes)
        if found:
            return nodes + found
        spans = tuple((i, ranges[i]) for i in (*eq.reduce, SAMPLE))
        value = each * Access(PRESENT, SAMPLE)
        nodes += loops(list(eq.free), ranges, [Reduce(eq.lhs, "sum", spans, value, True, notes)])
    return nodes


def _gradient(eq: Equation, body: sympy.Expr, builder: Builder, notes: tuple[str, ...]) -> list[Node]:
    """The terms of a summed equation that each sample has, if they are products of two quantities of it, or one."""
    factors = body.args if body.is_Mul else (body, Access(PRESENT))
    if len(factors) != 2 or not all(isinstance(f, Access) and builder.kinds[f.tensor] is Kind.BATCH for f in factors):
        return []
    plain = replace(eq, body=body, accumulate=True)
    return contraction(plain, factors, builder.kinds, builder.tensors, (), notes)
