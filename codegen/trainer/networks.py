"""Networks in lanes: one kernel that adds the gradients of a minibatch for a block of networks, one in each SIMD lane.

The equations are those of :mod:`codegen.trainer.lanes`, with another meaning of the lane: every quantity, weights and
constants included, has the lane as its last index, and the samples follow each other in a loop.  No lane ever needs
another one's result.  What depends on no sample is computed once, before that loop; the part of a derivative that does
not differ from sample to sample is added once, after it:

    dW = Σ_samples (what each sample has) + samples · (what no sample has)

The samples come in tiles of :data:`TILE`.  Every statement is carried out for all samples of a tile before the next
one: a chain of statements each of which waits for the one before, as in a softmax, would leave most of the processor
idle, and a weight is loaded once for all of them.  So is a derivative, and stored once.  Samples that are absent from
the last tile repeat its last one, and count as zeros in the derivatives, which is why only what is zero for zeros is
added up in this way (:func:`_is_tiled`); all else is added sample by sample.  LLVM writes a tile out, so that networks
of more than :data:`FEW` equations have tiles of one sample: they take an eighth longer, but compile in time.

Weights and gradients stay where they are; all other arrays are the function's own memory, as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import sympy

from codegen.arithmetic.program import Line, Program
from codegen.trainer.kinds import Kind, split
from codegen.trainer.lanes import LEAST, Lanes, in_every_lane, is_flat, is_legal, work
from codegen.trainer.loops import fuse
from codegen.trainer.nodes import SAMPLE, SAMPLES, Clear, Loop, Node, tensors_of
from codegen.trainer.schedule import TOTAL, Builder, at_home
from derive.expressions import Access, index
from derive.network import Equation, Tensor

TILE = 4  # samples whose parts of a derivative are added up before it is stored
FEW = 20  # equations of which LLVM may write out a whole tile
PLACE = index("place")  # runs over the samples of a tile
MOST_WORK = 2048  # multiply-adds of one sample; above, whole matrices through BLAS are faster, a network in each thread
MOST_ELEMENTS = 4096  # numbers of one network; 512 KiB of a thread's memory in float64


@dataclass(frozen=True)
class Networks(Lanes):
    """The kernel in parts: what is done once, for the samples of a tile together, what each of those present is added
    to, what is added up for all of them, and what is done once again.

    ``kept`` are the tensors that have a value for every sample of a tile, of which there are ``size``.
    """

    before: tuple[Node, ...]
    sample: tuple[Node, ...]
    added: tuple[Node, ...]
    tile: tuple[Node, ...]
    after: tuple[Node, ...]
    kept: frozenset[str]
    size: int

    @property
    def width(self) -> str:
        return "lanes & LANES"


def networks(program: Program, loss: str) -> Networks | None:
    """The kernel for a block of networks; ``None`` where it is not legal or not worth while."""
    builder = Builder(program)
    if not (is_flat(program) and is_legal(program, builder)) or work(program.lines) > MOST_WORK:
        return None
    size = TILE if len(program.lines) <= FEW else 1
    parts, kept = _parts(builder, program, loss, size)
    before, sample, added, tile, after = (tuple(fuse(part)) for part in parts)
    if size == 1:
        tile = tuple(parts[3])  # nests of their own, as those of other layers are
    nodes = (*before, *sample, *added, *tile, *after)
    used = {t for n in nodes for t in tensors_of(n)}
    own = [t for t in builder.tensors if t in used and builder.is_intermediate(t) and t != TOTAL]
    scalars = frozenset(t for t in own if at_home(t, nodes))
    arrays = tuple(t for t in builder.tensors if t in used and t not in scalars)
    tensors = {name: _tiled(t, size) if name in kept else t for name, t in builder.tensors.items()}
    if sum(tensors[t].size for t in arrays) > MOST_ELEMENTS:
        return None
    kinds = dict.fromkeys(builder.tensors, Kind.BATCH)
    return Networks(nodes, tensors, kinds, arrays, scalars, 1, LEAST, before, sample, added, tile, after, kept, size)


def _parts(builder: Builder, program: Program, loss: str, size: int) -> tuple[tuple[list[Node], ...], frozenset[str]]:
    """The parts for tiles of ``size`` samples, and what is kept for every sample of a tile."""
    kinds = builder.kinds
    kept = frozenset(t for t in builder.tensors if kinds[t] is Kind.BATCH)
    total = Line(0, Equation(Access(TOTAL), Access(loss)), "")
    lines = [*program.forward, total, *program.backward]
    lines = [line for line in lines if kinds[line.equation.lhs.tensor] is not Kind.PLAIN]
    parts = [_body(line.equation, builder) for line in lines]
    tiled = [_is_tiled(line.equation, each, kinds) for line, (each, _) in zip(lines, parts, strict=True)]
    cleared = builder.cleared([line.equation for line in lines if kinds[line.equation.lhs.tensor] is Kind.BATCH])
    sample: list[Node] = list(cleared)
    added: list[Node] = []
    tile: list[Node] = []
    after: list[Node] = []
    for line, (each, once), is_tiled in zip(lines, parts, tiled, strict=True):
        eq = line.equation
        eq = replace(eq, body=each, accumulate=eq.accumulate or kinds[eq.lhs.tensor] is Kind.SUMMED)
        placed = replace(eq, ranges={**eq.ranges, PLACE: (0, size - 1)})
        if is_tiled:
            over = replace(placed, reduce=(PLACE, *eq.reduce))
            tile += in_every_lane(_laned(over, kept), builder, _notes(line))
        elif kinds[eq.lhs.tensor] is Kind.BATCH:
            sample += in_every_lane(_laned(placed, kept), builder, _notes(line), near=PLACE)
        elif each != 0:
            added += in_every_lane(_laned(eq, kept), builder, _notes(line), (PLACE,))
        if once != 0:
            after += in_every_lane(_laned(replace(eq, body=once)), builder, _notes(line))
    added = [Loop(PLACE, (0, size - 1), tuple(added))] if added else []
    return (_before(builder, program.lines), sample, added, tile, after), kept


def _before(builder: Builder, lines: Iterable[Line]) -> list[Node]:
    """What depends on no sample, and zeros in everything that sums over the samples are added to."""
    plain = [line for line in lines if builder.kinds[line.equation.lhs.tensor] is Kind.PLAIN]
    nodes: list[Node] = list(builder.cleared([line.equation for line in plain]))
    for line in plain:
        nodes += in_every_lane(_laned(line.equation), builder, _notes(line))
    summed = (t for t in builder.tensors if builder.kinds[t] is Kind.SUMMED)
    return [*nodes, *(Clear(t) for t in summed)]


def _body(eq: Equation, builder: Builder) -> tuple[sympy.Expr, sympy.Expr]:
    """What each sample has of the right side of an equation, and what a sum over the samples has once."""
    if builder.kinds[eq.lhs.tensor] is Kind.BATCH:
        return eq.body, sympy.Integer(0)
    terms = split(eq.body, builder.kinds)
    return terms[Kind.BATCH], SAMPLES * terms[Kind.PLAIN] + terms[Kind.SUMMED]


def _is_tiled(eq: Equation, each: sympy.Expr, kinds: Mapping[str, Kind]) -> bool:
    """Whether an equation sums over the samples something that is zero where all that a sample has is zero."""
    zeros = {a: 0 for a in each.atoms(Access) if kinds[a.tensor] is Kind.BATCH}
    return kinds[eq.lhs.tensor] is Kind.SUMMED and bool(eq.free) and each != 0 and each.xreplace(zeros) == 0


def _tiled(tensor: Tensor, size: int) -> Tensor:
    """The tensor with the ``size`` samples of a tile as its first dimension."""
    dimensions = range(len(tensor.shape))
    first, border = (tensor.start(d) for d in dimensions), (tensor.border_of(d) for d in dimensions)
    return replace(tensor, shape=(size, *tensor.shape), first=(0, *first), border=(0, *border))


def _notes(line: Line) -> tuple[str, ...]:
    return (line.note,) if line.text else ()


def _laned(eq: Equation, kept: frozenset[str] = frozenset()) -> Equation:
    """The equation with the lane as one more index of everything, and the sample of a tile where it is kept."""

    def laned(e: sympy.Expr) -> sympy.Expr:
        places = {a: [PLACE] * (a.tensor in kept) for a in e.atoms(Access)}
        return e.xreplace({a: Access(a.tensor, SAMPLE, *place, *a.indices) for a, place in places.items()})

    return replace(eq, lhs=laned(eq.lhs), body=laned(eq.body))
