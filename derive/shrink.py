"""A narrow copy of a network: the same equations at small sizes.

A formula in index notation holds for any width, so it can be proved where every width is two or three; that keeps
the proof of a 784-128-10 network as cheap as that of a 3-2-3 one.

What has to stay equal (a dimension and the index that runs over it) is shortened by one and the same number, its
*cut*.  An affine access such as ``x[2*i+u-2]`` must stay inside its tensor: where it would not, the cut of that
dimension is made smaller.  Cuts only ever get smaller, and cuts of zero are the network itself, so this ends.  An
access that counts from the end, ``h[T]`` or ``x[T+1-t]``, counts from the new end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import sympy

from derive.expressions import Access, Index, accesses, index_symbols
from derive.network import Equation, Network, Scan, Tensor, flatten

Dimension: TypeAlias = tuple[str, int]
Runner: TypeAlias = tuple[int, Index]  # an index of the equation with this number
Label: TypeAlias = Dimension | Runner


def shrink(network: Network) -> Network:
    """The network with each independent size replaced by 2 or 3, alternating, where affine indices allow it."""
    cuts = _Cuts(network)
    cuts.settle()
    tensors = {name: cuts.tensor(t) for name, t in network.tensors.items()}
    numbers = iter(range(len(network.flat_equations)))
    steps: list[Equation | Scan] = []
    for step in network.equations:
        if isinstance(step, Equation):
            steps.append(cuts.equation(next(numbers), step))
            continue
        within = [(next(numbers), eq) for eq in step.equations]
        last = step.last - cuts.of((within[0][0], step.index))
        steps.append(replace(step, last=last, equations=tuple(cuts.equation(n, eq) for n, eq in within)))
    constants = {name: _corner(numbers, tensors[name].shape) for name, numbers in network.constants.items()}
    if coupling := network.coupling:
        constants[coupling.count.tensor] = sympy.Integer(
            next(eq.ranges[coupling.index][1] for eq in flatten(steps) if coupling.index in eq.ranges)
        )
    return replace(
        network, tensors=tensors, equations=tuple(steps), samples=(), initial={}, constants=constants, source=None
    )


def _corner(numbers: object, shape: tuple[int, ...]) -> object:
    if not shape:
        return numbers
    assert isinstance(numbers, list)
    return [_corner(row, shape[1:]) for row in numbers[: shape[0]]]


@dataclass
class _Cuts:
    """By how much every dimension and every index is shortened; those of one group by the same number."""

    network: Network
    group: dict[Label, int] = field(default_factory=dict)
    cut: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        extents: dict[Label, int] = {}
        for t in self.network.tensors.values():
            extents |= {(t.name, d): t.last[d] - t.border_of(d) - max(t.start(d), 1) + 1 for d in range(len(t.shape))}
        for n, eq in enumerate(self.network.flat_equations):
            extents |= {(n, i): last - first + 1 for i, (first, last) in eq.ranges.items()}
        self.group = {label: n for n, label in enumerate(extents)}
        self.join_all()
        least: dict[int, int] = {}
        for label, extent in extents.items():
            least[self.group[label]] = min(extent, least.get(self.group[label], extent))
        for n, (group, extent) in enumerate(least.items()):
            self.cut[group] = max(0, extent - (2 + n % 2))

    def of(self, label: Label) -> int:
        return self.cut[self.group[label]]

    def join_all(self) -> None:
        """An index goes with the dimension that it runs over, the time of a recurrence with itself."""
        for n, eq in enumerate(self.network.flat_equations):
            for access in (eq.lhs, *eq.reads):
                tensor = self.network.tensors[access.tensor]
                for d, i in enumerate(access.indices):
                    if i.is_Symbol and (access is eq.lhs or eq.ranges[i][1] == tensor.last[d] - tensor.border_of(d)):
                        self.join((access.tensor, d), (n, i))
        numbers = iter(range(len(self.network.flat_equations)))
        for step in self.network.equations:
            within = [next(numbers) for _ in (step.equations if isinstance(step, Scan) else (step,))]
            for n in within[1:]:
                assert isinstance(step, Scan)
                self.join((within[0], step.index), (n, step.index))

    def join(self, one: Label, other: Label) -> None:
        old, new = self.group[one], self.group[other]
        if old != new:
            self.group |= dict.fromkeys([label for label, group in self.group.items() if group == old], new)

    def settle(self) -> None:
        """Make cuts smaller until every access stays inside its tensor."""
        wanting = True
        while wanting:
            wanting = False
            for n, eq in enumerate(self.network.flat_equations):
                for dimension, too_far in self.overruns(n, eq):
                    self.cut[self.group[dimension]] -= too_far
                    wanting = True

    def overruns(self, n: int, eq: Equation) -> Iterator[tuple[Dimension, int]]:
        """The dimensions that an equation needs to be longer, and by how much."""
        for access in (eq.lhs, *eq.reads):
            tensor = self.network.tensors[access.tensor]
            for d, i in enumerate(access.indices):
                low, high = self.reach(n, eq, self.index(tensor, d, i, eq))
                dimension = (access.tensor, d)
                too_far = max(tensor.start(d) - low, high - (tensor.last[d] - self.of(dimension)))
                if too_far > 0:
                    yield dimension, too_far

    def reach(self, n: int, eq: Equation, i: sympy.Expr) -> tuple[int, int]:
        """The least and the greatest value of an index expression at the new sizes."""
        low = high = int(i.as_coeff_Add()[0]) if not i.is_Integer else int(i)
        for symbol in index_symbols(i):
            first, last = eq.ranges[symbol]
            ends = [int(i.coeff(symbol)) * end for end in (first, last - self.of((n, symbol)))]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def index(self, tensor: Tensor, d: int, i: sympy.Expr, eq: Equation) -> sympy.Expr:
        """An index expression, from the new end if it counts from the end."""
        slopes = [int(i.coeff(s)) for s in index_symbols(i)]
        if any(slope > 0 for slope in slopes):
            return i
        greatest = i.xreplace({s: sympy.Integer(eq.ranges[s][0]) for s in index_symbols(i)})
        return i - self.of((tensor.name, d)) if greatest == tensor.last[d] else i

    def tensor(self, t: Tensor) -> Tensor:
        return replace(t, shape=tuple(extent - self.of((t.name, d)) for d, extent in enumerate(t.shape)))

    def equation(self, n: int, eq: Equation) -> Equation:
        ranges = {i: (first, last - self.of((n, i))) for i, (first, last) in eq.ranges.items()}
        return replace(eq, lhs=self.access(eq.lhs, eq), body=self.body(eq), ranges=ranges)

    def body(self, eq: Equation) -> sympy.Expr:
        changed: Mapping[Access, Access] = {a: self.access(a, eq) for a in accesses(eq.body)}
        return eq.body.xreplace({a: b for a, b in changed.items() if a != b})

    def access(self, a: Access, eq: Equation) -> Access:
        tensor = self.network.tensors[a.tensor]
        return Access(a.tensor, *(self.index(tensor, d, i, eq) for d, i in enumerate(a.indices)))
