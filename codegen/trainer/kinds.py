"""Which quantities have a value for each sample, which do not, and which are summed over the samples.

A derivative for a quantity that is the same for all samples (a weight, or anything computed from weights alone) is
wanted summed over the minibatch.  Adjoint equations are linear in adjoints, so everything that follows from a summed
adjoint is summed as well.  The mean, where the specification asks for it, is taken by the optimizer, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

import sympy

from codegen.arithmetic.program import Line, Program, choosers
from derive.expressions import Access, Within, partial
from derive.network import Tensor


class Kind(IntEnum):
    """In the order in which equations of these kinds are carried out."""

    PLAIN = 0  # depends on no sample
    BATCH = 1  # has a value for each sample
    SUMMED = 2  # summed over the samples of the minibatch


def kinds(program: Program) -> dict[str, Kind]:
    """The kind of every tensor of a program; where samples are explicit, nothing is summed that no equation sums."""
    if program.sampled is not None:
        return {name: Kind.BATCH if name in program.sampled else Kind.PLAIN for name in program.tensors}
    found = {
        name: Kind.BATCH if t.role in ("input", "target", "mask") else Kind.PLAIN for name, t in program.tensors.items()
    }
    _spread(found, program.forward, program.tensors)
    for name in program.tensors:
        origin = program.tensors.get(name.removeprefix("∂"))
        if name.startswith("∂") and origin is not None and found[origin.name] is Kind.PLAIN:
            found[name] = Kind.SUMMED
    _spread(found, program.backward, program.tensors)
    _sum_early(found, program)
    return found


def _spread(found: dict[str, Kind], lines: Iterable[Line], tensors: Mapping[str, Tensor]) -> None:
    """What is computed from a value for each sample has one itself; a recurrence is of one kind."""
    lines = list(lines)
    before: dict[str, Kind] = {}
    while before != found:  # more than once only because of recurrences
        before = dict(found)
        for line in lines:
            target = line.equation.lhs.tensor
            together = [o for o in lines if o.scan is line.scan] if line.scan else [line]
            reads = [found[a.tensor] for o in together for a in (*o.equation.reads, *choosers(o.equation.lhs))]
            if found[target] is not Kind.SUMMED:
                found[target] = max([found[target], *reads])


def _sum_early(found: dict[str, Kind], program: Program) -> None:
    """A sum that only summed derivatives read, linearly, may itself be summed over the samples."""
    for line in reversed(program.backward):
        name = line.equation.lhs.tensor
        readers = [o for o in program.lines if any(a.tensor == name for a in o.equation.reads)]
        if (
            program.tensors[name].anonymous
            and found[name] is Kind.BATCH
            and line.scan is None
            and readers
            and all(found[o.equation.lhs.tensor] is Kind.SUMMED and _linear(o, name, found) for o in readers)
        ):
            found[name] = Kind.SUMMED


def _linear(line: Line, tensor: str, found: Mapping[str, Kind]) -> bool:
    body = line.equation.body
    factors = [partial(body, a) for a in line.equation.reads if a.tensor == tensor]
    involved = [*choosers(line.equation.lhs), *(a for f in factors for a in f.atoms(Access))]
    return all(found[a.tensor] is Kind.PLAIN for a in involved)


def split(body: sympy.Expr, found: Mapping[str, Kind]) -> dict[Kind, sympy.Expr]:
    """A right side in three terms: without samples, for each sample, and in adjoints that are summed already."""
    terms = dict.fromkeys(Kind, sympy.Integer(0))
    guarded = [t for t in sympy.Add.make_args(body) if isinstance(t, Within)]
    for term in guarded:
        for kind, part in split(term.args[3], found).items():
            terms[kind] += Within(*term.args[:3], part)
    rest = body - sympy.Add(*guarded)
    for access in sorted((a for a in rest.atoms(Access) if found[a.tensor] is Kind.SUMMED), key=str):
        terms[Kind.SUMMED] += partial(body, access) * access
        rest = rest.xreplace({access: sympy.Integer(0)})
    for term in sympy.Add.make_args(rest):
        kind = max([found[a.tensor] for a in term.atoms(Access)], default=Kind.PLAIN)
        terms[kind] += term
    return terms
