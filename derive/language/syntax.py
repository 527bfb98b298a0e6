"""The syntax tree of a specification: what was written, where, and nothing about what it means.

Every node carries its :class:`~derive.diagnostics.Span`.  Names are texts that have passed the name rules of the
parser (ASCII, no reserved word), so later stages may print them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from derive.diagnostics import Span


@dataclass(frozen=True)
class Node:
    """Anything with a place in the text."""

    span: Span


# Expressions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number(Node):
    """``2``, ``0.05``, ``1e-3``; exact. ``decimal`` is true when it was written with a point or an exponent."""

    value: Fraction
    decimal: bool


@dataclass(frozen=True)
class Name(Node):
    """``x``: a tensor, a size or an index."""

    id: str


@dataclass(frozen=True)
class Element(Node):
    """``W[i, j+1]``: one element of a tensor."""

    name: Name
    indices: tuple[Expr, ...]


@dataclass(frozen=True)
class Call(Node):
    """``tanh(z)``, ``max(a, b)``, ``sum(e)``: a function of the catalogue, of the user's, or a reduction over all."""

    function: Name
    arguments: tuple[Expr, ...]
    keywords: tuple[Keyword, ...] = ()


@dataclass(frozen=True)
class Keyword(Node):
    """``alpha = 0.2`` among the arguments of a call; the span is that of the name, ``id``."""

    id: str
    value: Expr


@dataclass(frozen=True)
class Ranged(Node):
    """``i in 3`` before the colon of a reduction; no expression of its own."""

    index: Expr
    size: Expr | None


@dataclass(frozen=True)
class Reduction(Node):
    """``sum(i, j: e)``: a reduction over named indices; ``kind`` is the word before the bracket.

    ``sizes`` holds the size of every index that is given one, ``sum(i in 3: e)``, and ``None`` for the others.
    """

    kind: Name
    indices: tuple[Name, ...]
    sizes: tuple[Expr | None, ...]
    body: Expr


@dataclass(frozen=True)
class Negate(Node):
    """``-e``."""

    operand: Expr


@dataclass(frozen=True)
class Binary(Node):
    """``left operator right``; the operator is one of ``+ - * / ^ @``."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Learned(Node):
    """A fresh weight in the place of an argument that a call does not give; no text of its own."""

    id: str
    start: Number


Expr = Learned | Number | Name | Element | Call | Reduction | Negate | Binary


# Values: what stands on the right of init, sample and constant --------------------------------------------------


@dataclass(frozen=True)
class Values(Node):
    """A number or a bracketed, possibly nested list of numbers.

    ``items`` is a :class:`Number` for a scalar, else a tuple of :class:`Values`.  ``flat`` marks a list written
    without brackets, ``0.1, 0.2, 0.3``.
    """

    items: Number | tuple[Values, ...]
    flat: bool = False


@dataclass(frozen=True)
class Assignment(Node):
    """``name = values`` inside ``init`` and ``sample``."""

    name: Name
    values: Values


# Statements -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Title(Node):
    """``network "Iris"``."""

    text: str


@dataclass(frozen=True)
class Declared(Node):
    """``W[16, n]`` in a declaration or on the left of an equation; ``brackets`` is ``None`` where there are none."""

    name: Name
    brackets: tuple[Expr, ...] | None


@dataclass(frozen=True)
class Declaration(Node):
    """``input x[4]``, ``target t[3]``, ``weight W[16, n], b[16]``; ``role`` is the word."""

    role: str
    items: tuple[Declared, ...]


@dataclass(frozen=True)
class Constant(Node):
    """``constant c = 0.35`` or ``constant c[2] = [1, 2]``."""

    target: Declared
    values: Values


@dataclass(frozen=True)
class Mask(Node):
    """``mask m[16] = 0.2``: the probability that an element is drawn as 0."""

    target: Declared
    probability: Number


@dataclass(frozen=True)
class Size(Node):
    """``size n = 8, m = 3``."""

    items: tuple[tuple[Name, Number], ...]


@dataclass(frozen=True)
class Parameter(Node):
    """``z``, ``alpha = 0.01`` or ``weight alpha = 0.25`` in the brackets of a definition.

    One that is ``learned`` is a fresh weight wherever a call does not give it; the default is where it starts.
    """

    id: str
    default: Number | None
    learned: bool = False


@dataclass(frozen=True)
class Define(Node):
    """``define f(a, b = 1) = body`` with an optional ``given left = right``, a fact about the arguments."""

    name: Name
    parameters: tuple[Parameter, ...]
    body: Expr
    given: tuple[Expr, Expr] | None


@dataclass(frozen=True)
class Equation(Node):
    """``h[16] = tanh(dense(x))``, ``z[i] = …``."""

    target: Declared
    body: Expr


@dataclass(frozen=True)
class Loss(Node):
    """``loss L = …``; ``name`` is ``None`` in ``loss …``."""

    name: Name | None
    body: Expr


@dataclass(frozen=True)
class Notation(Node):
    """``notation numbered``."""

    style: Name


@dataclass(frozen=True)
class Rate(Node):
    """``rate a = 0.05``: the learning rate's symbol and its value, a number or a formula of the update's number k."""

    name: Name
    value: Expr


@dataclass(frozen=True)
class Optimizer(Node):
    """``optimizer momentum(a = 0.1, mu = 0.9)``."""

    name: Name
    settings: tuple[tuple[Name, Number], ...]


@dataclass(frozen=True)
class Update(Node):
    """``update v = mu * v - a * g``, a line of the optimizer above it, or ``update v[0] = 1``, where a state starts."""

    target: Declared
    body: Expr


@dataclass(frozen=True)
class Init(Node):
    """``init w = 0.34, 0.13`` or ``init W1 = [[…]], b = 0``."""

    assignments: tuple[Assignment, ...]


@dataclass(frozen=True)
class Sample(Node):
    """``sample i = [2, 3], actual = 1``."""

    assignments: tuple[Assignment, ...]


@dataclass(frozen=True)
class Batch(Node):
    """``batch sum`` or ``batch mean``."""

    reduction: Name


Statement = (
    Title
    | Declaration
    | Mask
    | Constant
    | Size
    | Define
    | Equation
    | Loss
    | Notation
    | Rate
    | Optimizer
    | Update
    | Init
    | Sample
    | Batch
)


@dataclass(frozen=True)
class Specification:
    """All statements of one file in their order."""

    statements: tuple[Statement, ...]


def walk(tree: Node | tuple[object, ...]) -> Iterator[Node]:
    """A node, or each of several, and all nodes below, in the order of the text."""
    if isinstance(tree, Node):
        yield tree
    for part in tree if isinstance(tree, tuple) else vars(tree).values():
        if isinstance(part, Node | tuple):
            yield from walk(part)
