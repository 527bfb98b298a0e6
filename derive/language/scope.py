"""What the names inside one equation mean while it is lowered, and the values that lowering passes around.

A :class:`Value` is a tensor-valued expression given by its shape and by a function from indices to the scalar at
them.  So elementwise operations compose functions, and only reductions make new equations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import sympy

from derive.diagnostics import Span
from derive.expressions import Access, Index, accesses, fresh, index, index_symbols, rename
from derive.language.ranges import Constraint, Range
from derive.network import Equation, Tensor

#: What indices without a name are called.
LETTERS = tuple("ijklmnpqrsuv")

Shape = tuple[int, ...]

Order = tuple[str, ...]
Element = Callable[[tuple[sympy.Expr, ...]], sympy.Expr]


@dataclass(frozen=True)
class Value:
    """A tensor-valued expression; ``element(indices)`` is its scalar there.

    ``order`` lists the tensors and numbers in the order in which they were written, so that notes can keep it.
    """

    shape: Shape
    element: Element
    span: Span
    order: Order = ()

    @classmethod
    def scalar(cls, expression: sympy.Expr, span: Span, order: Order | None = None) -> Value:
        return cls((), lambda _: expression, span, (str(expression),) if order is None else order)

    @classmethod
    def tensor(cls, name: str, shape: Shape, span: Span, *leading: sympy.Expr) -> Value:
        """The tensor of that name, its first indices fixed to ``leading``."""
        return cls(shape, lambda indices: Access(name, *leading, *indices), span, (name,))

    def probe(self) -> sympy.Expr:
        """The scalar at some indices: enough to ask what the value is made of."""
        return self.element(tuple(index(f"probe{n}") for n in range(len(self.shape))))


@dataclass
class Pending:
    """An equation whose ranges are not known yet."""

    lhs: Access
    body: sympy.Expr
    reduce: tuple[Index, ...]
    kind: str
    order: Order = ()


@dataclass
class Deferred:
    """A use ``h[t-1]`` of a value of the same recurrence at an earlier time.

    ``parts`` are the places of the subscripts, ``rest`` is the shape that the use was taken to have, ``ranges`` are
    those of the equation's indices once they are known.
    """

    name: str
    subscripts: tuple[sympy.Expr, ...]
    span: Span
    parts: tuple[Span, ...]
    rest: tuple[int, ...] = ()
    ranges: dict[Index, Range] = field(default_factory=dict)


@dataclass
class Scope:
    """The indices, parameters and pending equations of one equation while it is lowered.

    Index symbols are unique within the scope (a second ``j`` becomes ``j'``); :meth:`close` gives every equation
    plain letters again.  ``left`` are the indices that the left side names.
    """

    reserved: frozenset[str]
    bound: dict[str, Index] = field(default_factory=dict)
    parameters: dict[str, Value] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    spans: dict[Index, Span] = field(default_factory=dict)
    ranges: dict[Index, Range] = field(default_factory=dict)
    constraints: list[Constraint] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    deferred: list[Deferred] = field(default_factory=list)
    counts: dict[sympy.Symbol, Index] = field(default_factory=dict)
    left: tuple[Index, ...] = ()

    def bind(self, name: str, span: Span) -> Index:
        """A new index that the user calls ``name``."""
        unique = name
        while unique in self.taken:
            unique += "'"
        self.taken.add(unique)
        symbol = index(unique)
        self.spans[symbol] = span
        return symbol

    def fresh(self, size: int) -> Index:
        """A new index that has no name yet, over 1 … size."""
        letters = [name for name in LETTERS if name not in self.reserved]
        symbol = fresh(letters or ["i"], self.taken)
        self.ranges[symbol] = (1, size)
        return symbol

    def where(self, pending: Pending) -> Span:
        """The place to blame for a pending equation."""
        return next((self.spans[s] for s in pending.lhs.indices if s in self.spans), Span(0, 0))

    def count(self, symbol: Index) -> sympy.Symbol:
        """A stand-in for the number of values of an index, until its range is known."""
        stand_in = sympy.Symbol(f"#{symbol}", positive=True)
        self.counts[stand_in] = symbol
        return stand_in

    def inner(self, bound: dict[str, Index] | None = None, parameters: dict[str, Value] | None = None) -> Scope:
        """The same equation with other names: the inside of a reduction or of a user's function."""
        return replace(
            self,
            bound=self.bound if bound is None else bound,
            parameters=self.parameters if parameters is None else parameters,
        )

    def close(self, equations: list[Pending], ranges: dict[Index, Range]) -> list[Equation]:
        """Equations with their ranges, the free indices renamed to the first free letters of each equation."""
        closed = []
        counts = {c: sympy.Integer(ranges[s][1] - ranges[s][0] + 1) for c, s in self.counts.items()}
        for p in equations:
            used = index_symbols(p.lhs) | index_symbols(p.body) | set(p.reduce)
            reading = [*p.lhs.indices, *p.reduce, *sorted(used, key=str)]
            chosen = [s for s in dict.fromkeys(reading) if s in used and s in self.spans]
            letters = [name for name in LETTERS if name not in self.reserved]
            names: dict[Index, Index] = {}
            taken: set[str] = set()
            for symbol in chosen:
                names[symbol] = fresh([str(symbol).rstrip("'"), *letters], taken)
            for symbol in dict.fromkeys(reading):
                if symbol in used and symbol not in names:
                    names[symbol] = fresh(letters or ["i"], taken)
            lhs = rename(p.lhs, names)
            closed.append(
                Equation(
                    lhs,
                    rename(p.body.xreplace(counts), names),
                    {names[s]: ranges[s] for s in used},
                    tuple(names[s] for s in p.reduce),
                    "max" if p.kind == "max" else "sum",
                    order=p.order,
                )
            )
        return closed


def visible_shape(tensor: Tensor) -> Shape:
    """The shape of a tensor as a formula sees it: a border of zeros and the state h[0] of a recurrence are no part."""
    return tuple(last - tensor.border_of(d) for d, last in enumerate(tensor.last))


def shown(shape: Shape) -> str:
    """A shape in a message: ``[3, 8]`` or ``a scalar``."""
    return f"[{', '.join(map(str, shape))}]" if shape else "a scalar"


def is_simple(expression: sympy.Expr) -> bool:
    """A number or one element of a tensor: nothing that would be computed twice if it is written twice."""
    return isinstance(expression, Access) or expression.is_number or bool(expression.is_Symbol)


def reads_anonymous(expression: sympy.Expr, anonymous: set[str]) -> bool:
    """Whether a sum without a name stands inside."""
    return any(a.tensor in anonymous for a in accesses(expression))
