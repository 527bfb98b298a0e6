"""A network as equations in index notation: what every later stage reads.

Nothing here knows about layers.  A dense layer, a convolution and a loss are all equations

    T[out] = reduce over some indices of body,

where the body is a SymPy scalar over :class:`~derive.expressions.Access`.  A reduction never stands inside a body:
nested sums are equations of their own, with tensors marked ``anonymous``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import sympy

from derive import output
from derive.diagnostics import Source
from derive.expressions import Access, Index, accesses, index_symbols

Role = Literal["input", "target", "mask", "weight", "constant", "count", "value", "adjoint"]
Numbers: TypeAlias = Any  # a rational, or nested lists of them in the shape of a tensor


@dataclass(frozen=True)
class Tensor:
    """A scalar (shape ``()``) or an array of real numbers.

    ``anonymous`` marks a value that no reader has a name for: a sum inside a larger formula.  ``bias`` marks weights
    that are only ever added.  Indices of dimension *d* run over ``first[d] … first[d] + shape[d] - 1``; the first is
    1 but for recurrences that start at ``h[0]`` and for tensors with a ``border``: so many zeros stand at both ends of
    every dimension, and are part of the shape.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    anonymous: bool = False
    bias: bool = False
    first: tuple[int, ...] = ()
    border: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name + (f"[{', '.join(map(str, self.shape))}]" if self.shape else "")

    def __repr__(self) -> str:
        return f"<Tensor {self}: {self.role}{', a bias' if self.bias else ''}>"

    @property
    def size(self) -> int:
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def start(self, dimension: int) -> int:
        """The first index of a dimension."""
        return self.first[dimension] if self.first else 1

    def border_of(self, dimension: int) -> int:
        """The number of zeros at either end of a dimension."""
        return self.border[dimension] if self.border else 0

    @property
    def last(self) -> tuple[int, ...]:
        """The last index of every dimension."""
        return tuple(self.start(d) + extent - 1 for d, extent in enumerate(self.shape))

    def elements(self) -> Iterator[Access]:
        """All elements, the last index fastest."""

        def walk(prefix: tuple[int, ...]) -> Iterator[Access]:
            if len(prefix) == len(self.shape):
                yield Access(self.name, *prefix)
                return
            start = self.start(len(prefix))
            for i in range(start, start + self.shape[len(prefix)]):
                yield from walk((*prefix, i))

        return walk(())


@dataclass(frozen=True)
class Equation(output.Typeset):
    """``lhs = kind over reduce of body`` for all values of the indices on the left.

    ``ranges`` gives for every index the first and the last value.  With ``accumulate`` the right side is added to
    what the left side holds already; the indices on the left may then be affine (the adjoint of a convolution).
    ``order`` lists tensors and numbers as the user wrote them, for the notes; equations that differ in it are equal.
    """

    lhs: Access
    body: sympy.Expr
    ranges: Mapping[Index, tuple[int, int]] = field(default_factory=dict)
    reduce: tuple[Index, ...] = ()
    kind: Literal["sum", "max"] = "sum"
    accumulate: bool = False
    order: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def free(self) -> tuple[Index, ...]:
        """The indices of the left side, in the order in which they stand there."""
        found: list[Index] = []
        for expression in self.lhs.indices:
            for symbol in sorted(index_symbols(expression), key=str):
                if symbol not in found:
                    found.append(symbol)
        return tuple(found)

    @cached_property
    def reads(self) -> list[Access]:
        return accesses(self.body)

    def __str__(self) -> str:
        over = f"{self.kind}[{', '.join(map(str, self.reduce))}] " if self.reduce else ""
        return f"{self.lhs} {'+=' if self.accumulate else '='} {over}{self.body}"

    def __repr__(self) -> str:
        return f"<Equation {cut(str(self))}>"


@dataclass(frozen=True)
class Scan(output.Typeset):
    """Equations carried out for ``index`` = first … last one after the other: a recurrence over time."""

    index: Index
    first: int
    last: int
    equations: tuple[Equation, ...]
    backward: bool = False

    def __repr__(self) -> str:
        first, last = (self.last, self.first) if self.backward else (self.first, self.last)
        return f"<Scan {self.index} = {first} … {last}: {cut('; '.join(map(str, self.equations)))}>"


def flatten(steps: Iterable[Equation | Scan]) -> list[Equation]:
    """All equations, those inside recurrences included, in order."""
    return [eq for step in steps for eq in (step.equations if isinstance(step, Scan) else (step,))]


@dataclass(frozen=True)
class Fact:
    """``kind over reduce of body`` equals ``value``: something the user declared of the data."""

    body: sympy.Expr
    reduce: tuple[Index, ...]
    value: sympy.Expr
    tensor: str

    def axes(self, rank: int) -> tuple[int, ...]:
        """The dimensions that are summed over; the fact holds at every place of the others.

        Of an array of ``rank`` dimensions the last ones count: the index of a sample may stand before them or not.
        """
        indices = self.body.indices if isinstance(self.body, Access) else ()
        return tuple(d + rank - len(indices) for d, i in enumerate(indices) if i in self.reduce)

    def __repr__(self) -> str:
        over = f"sum[{', '.join(map(str, self.reduce))}] " if self.reduce else ""
        return f"<Fact {over}{self.body} = {self.value}>"


@dataclass(frozen=True)
class Optimizer(output.Typeset):
    """Update equations for one weight *w* with gradient *g*, in the order in which they are carried out.

    ``updates`` pairs a symbol with its new value; what stands on the right of a later equation is the new one.
    ``states`` are those symbols that an update finds as the one before it left them; before the first they are what
    ``starts`` says, a formula of the settings, or zero.  All other symbols on the left hold within one update.
    ``count`` is the number of the update, from 1.  ``settings`` are the hyperparameters with their values, ``rate``
    the learning rate among them; with a ``schedule``, a formula of ``count``, its value is that of the first update.
    ``orders`` keeps for each symbol the order in which the user wrote its new value, for the notes.
    """

    name: str
    weight: sympy.Symbol
    gradient: sympy.Symbol
    count: sympy.Symbol
    states: tuple[sympy.Symbol, ...]
    settings: Mapping[sympy.Symbol, sympy.Expr]
    rate: sympy.Symbol
    updates: tuple[tuple[sympy.Symbol, sympy.Expr], ...]
    starts: Mapping[sympy.Symbol, sympy.Expr] = field(default_factory=dict)
    orders: Mapping[sympy.Symbol, tuple[str, ...]] = field(default_factory=dict)
    schedule: sympy.Expr | None = None

    def __repr__(self) -> str:
        updates = "; ".join(f"{symbol} ← {body}" for symbol, body in self.updates)
        settings = ", ".join(f"{symbol} = {float(value):g}" for symbol, value in self.settings.items())
        return f"<Optimizer {self.name}: {updates} with {settings}>"

    @property
    def is_plain_descent(self) -> bool:
        """Whether the one update is w ← w − rate · g, so that arrays of weights are updated as matrices."""
        return self.updates == ((self.weight, self.weight - self.rate * self.gradient),)

    @property
    def repeats_gradient(self) -> bool:
        """Whether the gradient occurs more than once, so that it is better named than written out."""
        return sum(int(body.count(self.gradient)) for _, body in self.updates) > 1

    def order(self, symbol: sympy.Symbol) -> tuple[str, ...]:
        """The order of what stands on the right of a symbol's equation."""
        return self.orders.get(symbol, (self.weight.name,))

    def start(self, state: str) -> sympy.Expr:
        """The value of a state before the first update."""
        formula = next((body for s, body in self.starts.items() if s.name == state), sympy.Integer(0))
        return formula.xreplace(self.settings)

    def rate_at(self, update: int) -> sympy.Expr:
        """The learning rate of an update, the first being number 1."""
        if self.schedule is None:
            return self.settings[self.rate]
        return self.schedule.xreplace({self.count: sympy.Integer(update)})


@dataclass(frozen=True)
class Coupling:
    """The samples of a batch as an index of the equations: ``index`` runs over them, ``count`` is their number."""

    index: Index
    count: Access


@dataclass(frozen=True)
class Network(output.Typeset):
    """One specification, resolved: tensors, equations in the order of computation, one scalar loss, numbers.

    ``source`` is the text that it was read from; it plays no part in comparisons.
    Where equations reduce over the samples of a batch, ``coupling`` names the samples' index, which is the first of
    everything that depends on a sample, and the one sample is the whole batch; elsewhere samples stay unwritten.
    ``made`` lists what no user has named, weights and values of layers and the learning rate, with the number of the
    layer, or 0 where there is none.
    ``masks`` gives for every tensor of that role the probability that an element of it is drawn as 0.
    """

    title: str
    tensors: Mapping[str, Tensor]
    equations: tuple[Equation | Scan, ...]
    loss: str
    optimizer: Optimizer
    outputs: tuple[str, ...]
    samples: tuple[Mapping[str, Numbers], ...] = ()
    initial: Mapping[str, Numbers] = field(default_factory=dict)
    constants: Mapping[str, Numbers] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    batch: Literal["mean", "sum"] = "mean"
    notation: str = "indexed"
    decimals: frozenset[sympy.Rational] = frozenset()
    masks: Mapping[str, sympy.Rational] = field(default_factory=dict)
    coupling: Coupling | None = None
    made: Mapping[str, int] = field(default_factory=dict)
    source: Source | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return output.text(self)

    @property
    def spec(self) -> str:
        """The specification of the network: the text that it was read from, or that stands for a model in Python.

        Raises
        ------
        ValueError
            where there is none: the network was put together by hand.
        """
        if self.source is None:
            raise ValueError("this network was not read from a specification")
        return self.source.text

    def of_role(self, role: Role) -> list[Tensor]:
        """The tensors of one role, in the order of their declaration."""
        return [t for t in self.tensors.values() if t.role == role]

    @property
    def weights(self) -> list[Tensor]:
        return self.of_role("weight")

    @property
    def data(self) -> list[Tensor]:
        """What every sample has of its own: inputs, targets and masks."""
        return [*self.of_role("input"), *self.of_role("target"), *self.of_role("mask")]

    @property
    def flat_equations(self) -> list[Equation]:
        """All equations, those inside recurrences included, in order."""
        return flatten(self.equations)

    def reads(self, past: bool = True) -> dict[str, set[str]]:
        """For every value with a name the tensors with a name in its equations, also those in sums without one.

        Without the ``past``, what a recurrence reads of its own earlier steps, h[t-1], is left out.
        """
        found: dict[str, set[str]] = {}
        for step in self.equations:
            equations = step.equations if isinstance(step, Scan) else (step,)
            own = {eq.lhs.tensor for eq in equations} if isinstance(step, Scan) and not past else set()
            for eq in equations:
                now = [a for a in eq.reads if not (a.tensor in own and _is_past(a))]
                inner = (found.get(a.tensor, set()) if self.tensors[a.tensor].anonymous else {a.tensor} for a in now)
                found[eq.lhs.tensor] = found.get(eq.lhs.tensor, set()).union(*inner)
        return {name: inner for name, inner in found.items() if not self.tensors[name].anonymous}


def _is_past(access: Access) -> bool:
    """Whether an access looks back along an index: h[t-1]."""
    return any(not i.is_Symbol and index_symbols(i) and i.as_coeff_Add()[0] < 0 for i in access.indices)


def cut(text: str, width: int = 160) -> str:
    """A text on one line, its end left out where it is long."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
