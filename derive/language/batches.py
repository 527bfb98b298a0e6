"""Reductions over the samples of a batch: the batch index is an index like any other.

Samples stay unwritten in a specification, and ``mean(batch: z[i])`` reduces over them.  Then the samples of a batch
depend on each other, and the gradient of the batch's loss is not the mean of the samples' gradients.  So
:func:`couple` writes the index of the samples out: it becomes the first index of everything that depends on a sample,
and the loss becomes the mean (or the sum) over it.  After that the whole batch is one sample, and nothing special is
left for the calculus.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Access, Index, accesses, fresh, index, rename
from derive.language import syntax
from derive.language.layers import auto_name
from derive.language.names import BATCH
from derive.language.scope import Pending, Value
from derive.network import Coupling, Equation, Fact, Network, Scan, Tensor

if TYPE_CHECKING:
    from derive.language.build import Builder
    from derive.language.lowering import Lowering

SAMPLES = 3  # in the formulas written out where the specification gives no samples


def coupling(builder: Builder, statements: Iterable[syntax.Statement]) -> Coupling | None:
    """What the samples' index and their number are called, if the equations reduce over the samples."""
    formulas = tuple(s.body for s in statements if isinstance(s, syntax.Equation | syntax.Loss))
    if not _reduces(formulas, builder, set()):
        return None
    taken = set(re.findall(r"\w+", builder.source.text))
    letter, count = fresh(("n", "s", "b"), taken), fresh(("N", "M", "B"), taken).name
    builder.tensors[count] = Tensor(count, (), "count")
    builder.reserved |= {letter.name, count}
    return Coupling(letter, Access(count))


def _reduces(tree: tuple[syntax.Expr, ...], builder: Builder, seen: set[str]) -> bool:
    for node in syntax.walk(tree):
        if isinstance(node, syntax.Reduction) and any(n.id == BATCH for n in node.indices):
            return True
        if isinstance(node, syntax.Call) and node.function.id not in seen:
            seen.add(node.function.id)
            definition = builder.definition(node.function.id)
            if definition is not None and _reduces((definition.body,), builder, seen):
                return True
    return False


# One reduction ------------------------------------------------------------------------------------------------


def bind(lowering: Lowering, name: syntax.Name) -> Index:
    """The index of the samples, as the index of a reduction."""
    found = lowering.builder.coupling
    assert found is not None
    lowering.scope.spans[found.index] = name.span
    lowering.scope.ranges[found.index] = (1, 1)  # until couple() knows how many samples there are
    return found.index


def check_body(lowering: Lowering, body: Value, name: syntax.Name) -> None:
    """What is reduced over the samples depends on them."""
    builder, pending = lowering.builder, lowering.scope.pending
    sampled = _sampled(builder.tensors, [*builder.equations, *pending], lowering.builder.coupling)
    if not any(a.tensor in sampled or a.tensor in builder.upcoming for a in accesses(body.probe())):
        help = "an input, a target or what is computed from one has a value for each sample"
        raise SpecError("this does not depend on the samples of the batch", body.span, "the same for all", help)


def _sampled(
    tensors: dict[str, Tensor], equations: Iterable[Equation | Pending], coupled: Coupling | None, loss: str = ""
) -> set[str]:
    """The tensors that have a value for each sample."""
    found = {t.name for t in tensors.values() if t.role in ("input", "target", "mask")}
    equations = [eq for eq in equations if coupled is None or coupled.index not in eq.reduce]
    size = -1
    while len(found) > size:  # more than once only where a recurrence reads what comes later
        size = len(found)
        for eq in equations:
            if eq.lhs.tensor != loss and any(a.tensor in found for a in accesses(eq.body)):
                found.add(eq.lhs.tensor)
    return found


def moments_alone(lowering: Lowering, expression: sympy.Expr) -> bool:
    """Whether an expression is made of reductions over the samples, which will have names, and of constants."""
    found, tensors = lowering.builder.coupling, lowering.builder.tensors
    if found is None:
        return False
    moments = {p.lhs.tensor for p in lowering.scope.pending if found.index in p.reduce}
    rest = {a.tensor for a in accesses(expression)} - moments
    return rest != {a.tensor for a in accesses(expression)} and all(
        name in tensors and tensors[name].role == "constant" for name in rest
    )


def name_moments(builder: Builder, pending: list[Pending], last: Pending) -> tuple[list[Pending], Pending]:
    """Reductions over the samples inside a formula get names, and equal ones one name.

    A mean is called μ, the mean of an expression in a mean v (a variance, as a rule), other reductions s.
    """
    if builder.coupling is None:
        return pending, last
    names: dict[str, str] = {}
    kept = []
    for p in pending:
        p = replace(p, body=_renamed(p.body, names))
        if builder.coupling.index in p.reduce and p.lhs.tensor in builder.anonymous_names:
            builder.anonymous_names.discard(p.lhs.tensor)
            places = {i: index(f"place{n}") for n, i in enumerate((*p.lhs.indices, *p.reduce))}
            key = (p.kind, rename(p.body, places))
            known = builder.moments.get(key)
            names[p.lhs.tensor] = known or _moment_name(builder, p.body)
            if known:
                continue
            builder.moments[key] = names[p.lhs.tensor]
            p = replace(p, lhs=Access(names[p.lhs.tensor], *p.lhs.indices))
        kept.append(p)
    return kept, replace(last, body=_renamed(last.body, names))


def _renamed(body: sympy.Expr, names: dict[str, str]) -> sympy.Expr:
    return body.xreplace({a: Access(names[a.tensor], *a.indices) for a in accesses(body) if a.tensor in names})


def _moment_name(builder: Builder, body: sympy.Expr) -> str:
    assert builder.coupling is not None
    read = [a.tensor for a in accesses(body)]
    mean = builder.coupling.count.tensor in read
    letter = ("v" if set(read) & set(builder.moments.values()) else "mu") if mean else "s"
    layers = [int(found[1]) for name in read if (found := re.fullmatch(r"[A-Za-z]+([1-9]\d*)", name))]
    return auto_name(builder, letter, min(layers, default=None))


# The whole network --------------------------------------------------------------------------------------------


def couple(network: Network, found: Coupling, first_sample: Span | None) -> Network:
    """The network with the index of the samples written out; its one sample is the batch."""
    if len(network.samples) == 1:
        help = "add samples, or leave this one out: the formulas do without"
        raise SpecError("a batch of one sample has no statistics", first_sample, "the only one", help)
    size = len(network.samples) or SAMPLES
    sampled = _sampled(dict(network.tensors), network.flat_equations, found, network.loss)
    out = _WritingOut(network, found, size, sampled)
    steps: list[Equation | Scan] = []
    for step in network.equations:
        if isinstance(step, Scan):
            steps.append(replace(step, equations=tuple(e for eq in step.equations for e in out.equations(eq))))
        else:
            steps += out.equations(step)
    return replace(
        network,
        tensors={name: out.tensor(t) for name, t in out.tensors.items()},
        equations=tuple(steps),
        outputs=tuple(name for name in network.outputs if name in sampled),
        samples=_stacked(network.samples),
        constants={**network.constants, found.count.tensor: sympy.Integer(size)},
        facts=tuple(Fact(out.sampled(f.body), f.reduce, f.value, f.tensor) for f in network.facts),
        coupling=found,
    )


class _WritingOut:
    """Puts the samples' index in front of the indices of what each sample has."""

    def __init__(self, network: Network, found: Coupling, size: int, names: set[str]) -> None:
        self.network, self.found, self.size, self.names = network, found, size, names
        self.tensors = dict(network.tensors)

    def tensor(self, tensor: Tensor) -> Tensor:
        if tensor.name not in self.names:
            return tensor
        first = (1, *tensor.first) if tensor.first else ()
        border = (0, *tensor.border) if tensor.border else ()
        return replace(tensor, shape=(self.size, *tensor.shape), first=first, border=border)

    def sampled(self, expression: sympy.Expr) -> sympy.Expr:
        read = [a for a in accesses(expression) if a.tensor in self.names]
        return expression.xreplace({a: Access(a.tensor, self.found.index, *a.indices) for a in read})

    def equations(self, eq: Equation) -> list[Equation]:
        """An equation, or two where a reduction cannot be the whole right side any more."""
        n = self.found.index
        reads = any(a.tensor in self.names for a in eq.reads)
        if eq.lhs.tensor == self.network.loss and reads and n not in eq.reduce:
            return self.loss(eq)
        if n in eq.reduce and eq.lhs.tensor in self.names:  # one element of a tensor, the others of which differ
            return self.split(eq)
        ranges = {**eq.ranges, n: (1, self.size)} if reads or eq.lhs.tensor in self.names else eq.ranges
        order = tuple(sorted(eq.reduce, key=lambda i: i != n))
        return [replace(eq, lhs=self.sampled(eq.lhs), body=self.sampled(eq.body), ranges=ranges, reduce=order)]

    def loss(self, eq: Equation) -> list[Equation]:
        """The loss of the batch: the mean or the sum over the samples."""
        if eq.kind == "max" and eq.reduce:
            return self.split(eq)
        share = self.found.count if self.network.batch == "mean" else sympy.Integer(1)
        return self.equations(replace(eq, body=eq.body / share, reduce=(self.found.index, *eq.reduce)))

    def split(self, eq: Equation) -> list[Equation]:
        """First the reduction, under a name of its own, then its value in its place."""
        number = 1
        while f"Σ{number}" in self.tensors:
            number += 1
        part = Access(f"Σ{number}", *eq.free)
        shape = tuple(eq.ranges[i][1] - eq.ranges[i][0] + 1 for i in eq.free)
        self.tensors[part.tensor] = Tensor(part.tensor, shape, "value", anonymous=True)
        if self.found.index not in eq.reduce:
            self.names.add(part.tensor)
        ranges = {i: eq.ranges[i] for i in eq.free}
        whole = Equation(eq.lhs, part, ranges, order=eq.order)
        return [*self.equations(replace(eq, lhs=part)), *self.equations(whole)]


def _stacked(samples: tuple[object, ...]) -> tuple[dict[str, list[object]], ...]:
    """All samples as one."""
    rows: list[dict[str, object]] = [dict(s) for s in samples]  # type: ignore[call-overload]
    return ({name: [row[name] for row in rows] for name in rows[0]},) if rows else ()
