"""From a program of equations to kernels: what runs in which loop, what is a matrix product, what lives in a scalar.

The schedule never changes a formula.  Each kernel first computes what depends on no sample, then what each sample
has, then what is summed over the samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

import sympy

from codegen.arithmetic.program import Line, Program, choosers, is_plain
from codegen.trainer.kinds import Kind, kinds, split
from codegen.trainer.loops import fuse, nest
from codegen.trainer.nodes import (
    SAMPLE,
    SAMPLES,
    WHOLE,
    Clear,
    Contraction,
    Loop,
    Node,
    Product,
    Range,
    read,
    tensors_of,
    walk,
    written,
)
from codegen.trainer.products import factors, matrix
from codegen.trainer.samples import statistics
from derive.expressions import Access, Index
from derive.network import Equation, Tensor

TOTAL = "loss of all samples"  # the tensor that holds Σ over the minibatch of the loss


@dataclass(frozen=True)
class Schedule:
    """The three kernels of a network, and where its quantities are kept.

    Where predictions need ``statistics`` of all samples, ``alone`` computes them from those for each sample alone.
    ``arrays`` are the intermediate tensors that need memory, ``scalars`` those that live in a local variable.
    """

    forward: tuple[Node, ...]
    losses: tuple[Node, ...]
    backward: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    kinds: Mapping[str, Kind]
    arrays: tuple[str, ...]
    scalars: frozenset[str]
    statistics: tuple[str, ...] = ()
    alone: tuple[Node, ...] = ()


def schedule(program: Program, outputs: tuple[str, ...], loss: str) -> Schedule:
    """Schedule a program; ``outputs`` are the tensors that a prediction consists of."""
    builder = Builder(program)
    needed = _ancestors(program, outputs)
    kernels = [
        builder.kernel([line for line in program.forward if line.equation.lhs.tensor in needed]),
        builder.kernel([line for line in program.forward if line.equation.lhs.tensor not in needed], loss),
        builder.kernel(program.backward),
    ]
    known = statistics(program, outputs)
    needed = _ancestors(program, outputs, known)
    alone = builder.kernel([line for line in program.forward if line.equation.lhs.tensor in needed]) if known else []
    kept = {*outputs, *known, TOTAL, *(t for t, kind in builder.kinds.items() if kind is Kind.SUMMED)}
    used = sorted({t for k in kernels for n in k for t in tensors_of(n)} - kept, key=list(builder.tensors).index)
    own = [t for t in used if builder.tensors[t].role in ("value", "adjoint") and not builder.is_gradient(t)]
    scalars = frozenset(t for t in own if _is_scalar(t, kernels) and _is_scalar(t, [alone], least=0))
    forward, losses, backward = (tuple(k) for k in kernels)
    kept_arrays = [t for t in builder.tensors if t in kept and builder.is_intermediate(t)]
    arrays = tuple(t for t in own if t not in scalars)
    places = (*arrays, *kept_arrays)
    return Schedule(forward, losses, backward, builder.tensors, builder.kinds, places, scalars, known, tuple(alone))


def _ancestors(program: Program, outputs: Iterable[str], known: Iterable[str] = ()) -> set[str]:
    """The tensors that the outputs are computed from, themselves included, where some are known already."""
    known = set(known)
    needed = set(outputs) - known
    size = -1
    while len(needed) > size:
        size = len(needed)
        for line in program.forward:
            if line.equation.lhs.tensor in needed:
                needed |= {a.tensor for a in line.equation.reads} - known
    return needed


def _is_scalar(tensor: str, kernels: Iterable[Iterable[Node]], least: int = 1) -> bool:
    """Whether a tensor is written and read in one loop body only, always the same element of it."""
    using = [k for k in kernels if any(tensor in tensors_of(n) for n in k)]
    return len(using) == least == 0 or (len(using) == 1 and at_home(tensor, tuple(using[0])))


def at_home(tensor: str, nodes: tuple[Node, ...]) -> bool:
    involved = [n for n in nodes if tensor in tensors_of(n)]
    if len(involved) == 1 and isinstance(involved[0], Loop):
        return at_home(tensor, involved[0].body)
    first = involved[0]
    if isinstance(first, Loop | Product | Contraction | Clear) or first.target.tensor != tensor or first.add:
        return False
    if any(isinstance(n, Product | Contraction | Clear) for n in walk(involved)):
        return False
    later = [a for n in involved[1:] for a in written(n) if a.tensor == tensor]
    reads = [a for n in involved for a in read(n) if a.tensor == tensor]
    return not later and all(a == first.target for a in reads)


class Builder:
    """Turns lines into nodes; collects the tensors that products need besides those of the program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.tensors: dict[str, Tensor] = {**program.tensors, TOTAL: Tensor(TOTAL, (), "value")}
        self.kinds = {**kinds(program), TOTAL: Kind.SUMMED}

    def is_intermediate(self, tensor: str) -> bool:
        """Whether memory for a tensor is to be found: it is no input, target, constant, weight or gradient."""
        defined = tensor == TOTAL or any(line.equation.lhs.tensor == tensor for line in self.program.lines)
        return defined and not self.is_gradient(tensor)

    def is_gradient(self, tensor: str) -> bool:
        """Whether a tensor is the derivative for a weight."""
        origin = self.tensors.get(tensor.removeprefix("∂"))
        return tensor.startswith("∂") and origin is not None and origin.role == "weight"

    def kernel(self, lines: Iterable[Line], loss: str | None = None) -> list[Node]:
        """The nodes of one kernel; with ``loss``, the sum of that tensor over the samples is the last of them."""
        groups = [list(g) for _, g in groupby(lines, key=lambda line: id(line.scan) if line.scan else id(line))]
        explicit = self.program.sampled is not None  # then reductions over samples stand where they are needed
        if not explicit:
            groups.sort(key=lambda g: max(self.kinds[line.equation.lhs.tensor] for line in g))
        once: list[Node] = self.cleared([line.equation for g in groups for line in g])
        each: list[Node] = []
        for group in groups:
            plain = self.kinds[group[0].equation.lhs.tensor] is Kind.PLAIN and not explicit
            target = once if plain else each
            target += self.recurrence(group) if group[0].scan else self.line(group[0], once)
        if loss is not None and explicit:
            each += nest(Equation(Access(TOTAL), Access(loss)), {})
        elif loss is not None:
            each += self.summed(Equation(Access(TOTAL), Access(loss)), (), (), once)
        return fuse(once + each)

    def cleared(self, equations: list[Equation]) -> list[Node]:
        """Tensors that are added to, or not defined everywhere, start at zero."""
        names = dict.fromkeys(eq.lhs.tensor for eq in equations)
        whole = {eq.lhs.tensor for eq in equations if not eq.accumulate and self.is_whole(eq)}
        return [Clear(name) for name in names if name not in whole]

    def is_whole(self, eq: Equation) -> bool:
        """Whether an equation defines every element of its tensor."""
        tensor = self.tensors[eq.lhs.tensor]
        indices = [i for i in eq.lhs.indices if i is not SAMPLE]
        extents = [eq.ranges[i][1] - eq.ranges[i][0] + 1 if i.is_Symbol else 1 for i in indices]
        plain = replace(eq, lhs=Access(eq.lhs.tensor, *(i for i in indices if i.is_Symbol)))
        return is_plain(plain) and tuple(extents) == tensor.shape

    def recurrence(self, group: list[Line]) -> list[Node]:
        """A loop over time around the equations of a recurrence."""
        scan = group[0].scan
        assert scan is not None
        body: list[Node] = []
        for line in group:
            body += self.line(line, body, (scan.index,))
        return [Loop(scan.index, (scan.first, scan.last), tuple(body), scan.backward, recurrent=True)]

    def line(self, line: Line, before: list[Node], fixed: tuple[Index, ...] = ()) -> list[Node]:
        """One equation; what must be there before its loop over the samples is added to ``before``."""
        eq, notes = line.equation, (line.note,)
        kind = self.kinds[eq.lhs.tensor]
        if kind is Kind.SUMMED:
            return self.summed(eq, fixed, notes, before)
        if self.program.sampled is not None:
            return self.product(eq, fixed, notes) or self.explicit(eq, fixed, notes, before)
        eq = replace(eq, lhs=self.sampled(eq.lhs), body=self.sampled(eq.body))
        return self.product(eq, fixed, notes) or nest(eq, self.ranges(eq), fixed, notes)

    def explicit(
        self, eq: Equation, fixed: tuple[Index, ...], notes: tuple[str, ...], before: list[Node]
    ) -> list[Node]:
        """An equation with the samples among its indices; sums over them are added up in the array, from zero."""
        nodes: list[Node] = []
        if SAMPLE in eq.reduce and eq.kind == "sum" and not eq.accumulate:
            if fixed:
                nodes = nest(replace(eq, body=sympy.Integer(0), reduce=()), self.ranges(eq), fixed)
            else:
                before.append(Clear(eq.lhs.tensor))
            eq = replace(eq, accumulate=True)
        return nodes + nest(eq, self.ranges(eq), fixed, notes)

    def summed(self, eq: Equation, fixed: tuple[Index, ...], notes: tuple[str, ...], before: list[Node]) -> list[Node]:
        """An equation whose left side is summed over the samples, term by term."""
        terms = split(eq.body, self.kinds)
        if any(self.kinds[a.tensor] is Kind.BATCH for a in choosers(eq.lhs)):  # another place for each sample
            terms = {**dict.fromkeys(Kind, sympy.Integer(0)), Kind.BATCH: eq.body}
            eq = replace(eq, lhs=self.sampled(eq.lhs))
        once = SAMPLES * terms[Kind.PLAIN] + terms[Kind.SUMMED]
        each = self.sampled(terms[Kind.BATCH])
        if each == 0:
            return nest(replace(eq, body=once), self.ranges(eq), fixed, notes)
        over_samples = replace(eq, body=each, reduce=(SAMPLE, *eq.reduce))
        nodes = self.product(over_samples, fixed, notes)
        if nodes:
            rest = replace(eq, body=once, accumulate=True)
            return nodes + (nest(rest, self.ranges(eq), fixed, notes) if once != 0 else [])
        start = nest(replace(eq, body=once), self.ranges(eq), fixed, notes)
        if not eq.accumulate and (once == 0 or terms[Kind.SUMMED] == 0):
            before += [Clear(eq.lhs.tensor)] if once == 0 else start
        elif once != 0:
            nodes = start
        return nodes + nest(replace(over_samples, accumulate=True), self.ranges(eq), fixed, notes)

    def sampled(self, expression: sympy.Expr) -> sympy.Expr:
        """The expression with the sample as first index of everything that each sample has."""
        return expression.xreplace({a: self.at_sample(a) for a in expression.atoms(Access)})

    def at_sample(self, access: Access) -> Access:
        indices = (self.sampled(i) if i.atoms(Access) else i for i in access.indices)
        return Access(access.tensor, *[SAMPLE] * (self.kinds[access.tensor] is Kind.BATCH), *indices)

    def ranges(self, eq: Equation) -> dict[Index, Range]:
        return {**eq.ranges, SAMPLE: WHOLE}

    def product(self, eq: Equation, fixed: tuple[Index, ...], notes: tuple[str, ...]) -> list[Node]:
        """The equation as a matrix product, with its number as a factor afterwards; nothing if it is none."""
        ranges = self.ranges(eq)
        number, body = eq.body.as_coeff_Mul()
        plain = replace(eq, body=body)
        found = None if fixed or eq.accumulate else factors(plain, ranges)
        if found is None:
            return []
        nodes: list[Node] = []
        left = self.factor(found.left, found.left_indices, nodes, eq, notes)
        right = self.factor(found.right, found.right_indices, nodes, eq, notes)
        columns = len(found.right_indices) - len(eq.reduce)
        out_matrix = matrix(eq.lhs, eq.free, found.rows, self.shape(eq.lhs.tensor), ranges)
        left_matrix = matrix(left, found.left_indices, found.rows, self.shape(left.tensor), ranges)
        right_matrix = matrix(right, found.right_indices, columns, self.shape(right.tensor), ranges)
        if out_matrix is None or left_matrix is None or right_matrix is None:
            return []
        turned = replace(right_matrix, transposed=not right_matrix.transposed)
        nodes.append(Product(out_matrix, left_matrix, turned, notes))
        if number != 1:
            nodes += nest(replace(eq, body=number * eq.lhs, reduce=()), ranges, fixed, notes)
        return nodes

    def factor(
        self, value: sympy.Expr, indices: tuple[Index, ...], nodes: list[Node], eq: Equation, notes: tuple[str, ...]
    ) -> Access:
        """A factor of a product as an access; what is more than an access is stored first."""
        if isinstance(value, Access):
            return value
        access = Access(
            f"⟨{eq.lhs.tensor}", *(i for i in indices if i is SAMPLE), *(i for i in indices if i is not SAMPLE)
        )
        own = tuple(i for i in access.indices if i is not SAMPLE)
        shape = tuple(eq.ranges[i][1] - eq.ranges[i][0] + 1 for i in own)
        first = tuple(eq.ranges[i][0] for i in own)
        self.tensors[access.tensor] = Tensor(access.tensor, shape, "value", anonymous=True, first=first)
        self.kinds[access.tensor] = Kind.BATCH if SAMPLE in indices else Kind.PLAIN
        ranges = {i: r for i, r in eq.ranges.items() if i in indices}
        note = tuple(f"{n}, a factor" for n in notes)
        nodes += nest(Equation(access, value, ranges), self.ranges(eq), (), note)
        return access

    def shape(self, tensor: str) -> tuple[int, ...]:
        """The shape of a tensor's array, the minibatch as -1."""
        batch = self.kinds[tensor] is Kind.BATCH
        return ((-1,) if batch else ()) + self.tensors[tensor].shape
