"""Programs whose equations have the samples as an index: from a batch of known size to minibatches of any size.

The derivation has written the samples' index out and the number of samples as a quantity N (see
:class:`~derive.network.Coupling`).  Here that index becomes :data:`~codegen.trainer.nodes.SAMPLE`, the first of all,
and N the number of samples in the minibatch.
"""

from __future__ import annotations

from dataclasses import replace

import sympy

from codegen.arithmetic.program import Line, Program
from codegen.trainer.nodes import SAMPLE, SAMPLES
from derive.expressions import Access
from derive.network import Network, Tensor


def per_sample(network: Network) -> Network:
    """The network with the shapes that quantities have in one sample."""
    coupling = network.coupling
    if coupling is None:
        return network
    places = {eq.lhs.tensor: place for eq in network.flat_equations for place in _place(eq.lhs, coupling.index)}
    places |= {t.name: 0 for t in network.data}
    return replace(network, tensors={n: _without(t, places.get(n)) for n, t in network.tensors.items()})


def explicit(program: Program, network: Network) -> Program:
    """The program with the sample as an explicit index where the network couples the samples."""
    coupling = network.coupling
    if coupling is None:
        return program
    places = {
        line.equation.lhs.tensor: place for line in program.lines for place in _place(line.equation.lhs, coupling.index)
    }
    places |= {t.name: 0 for t in network.data}

    def moved(access: Access) -> Access:
        place = places.get(access.tensor)
        if place is None:
            return access
        rest = access.indices[:place] + access.indices[place + 1 :]
        return Access(access.tensor, access.indices[place], *rest)

    def rewritten(expression: sympy.Expr) -> sympy.Expr:
        mapping: dict[sympy.Expr, sympy.Expr] = {a: moved(a) for a in expression.atoms(Access)}
        return expression.xreplace({**mapping, coupling.count: SAMPLES}).xreplace({coupling.index: SAMPLE})

    def line(old: Line) -> Line:
        eq = old.equation
        ranges = {s: r for s, r in eq.ranges.items() if s != coupling.index}
        over = tuple(SAMPLE if s == coupling.index else s for s in eq.reduce)
        new = replace(eq, lhs=rewritten(eq.lhs), body=rewritten(eq.body), ranges=ranges, reduce=over)
        return replace(old, equation=new)

    return replace(
        program,
        forward=tuple(map(line, program.forward)),
        backward=tuple(map(line, program.backward)),
        tensors={n: _without(t, places.get(n)) for n, t in program.tensors.items()},
        sampled=frozenset(places),
    )


def statistics(program: Program, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """What the outputs of one sample need to know of all samples: reductions over them, in order of computation."""
    if program.sampled is None:
        return ()
    influenced, found, needed = set(program.sampled), set(outputs) - program.sampled, set(outputs)
    for line in program.forward:
        if any(a.tensor in influenced for a in line.equation.reads):
            influenced.add(line.equation.lhs.tensor)
    whole = influenced - program.sampled
    for line in reversed(program.forward):
        if line.equation.lhs.tensor in needed:
            read = {a.tensor for a in line.equation.reads}
            needed |= read
            if line.equation.lhs.tensor in program.sampled:
                found |= read & whole
    return tuple(name for name in program.tensors if name in found & influenced)


def _place(access: Access, index: sympy.Symbol) -> list[int]:
    """The dimension over which an index runs; none where it does not occur."""
    return [d for d, i in enumerate(access.indices) if i == index]


def _without(tensor: Tensor, place: int | None) -> Tensor:
    if place is None:
        return tensor
    shape, first, border = (v[:place] + v[place + 1 :] for v in (tensor.shape, tensor.first, tensor.border))
    return replace(tensor, shape=shape, first=first if set(first) - {1} else (), border=border)
