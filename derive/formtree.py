"""The matrix form of an equation as a tree: products and sums of letters, numbers and ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy

from derive.expressions import Index


@dataclass(frozen=True)
class Number:
    """An expression without tensors, but for the number of samples where they are an index."""

    value: sympy.Expr


@dataclass(frozen=True)
class Count:
    """The number of samples, N; ``share`` for 1/N."""

    share: bool = False


@dataclass(frozen=True)
class Single:
    """A number that depends on tensors, in index form."""

    value: sympy.Expr


@dataclass(frozen=True)
class Letter:
    """The matrix of a tensor as it stands, or ``turned``: its transpose; of a sequence, what it is at one ``time``."""

    tensor: str
    turned: bool = False
    time: sympy.Expr | None = None


@dataclass(frozen=True)
class Ones:
    """A column of ones, as many as an index has values (``None``: as there are samples), or ``turned`` a row."""

    extent: int | None
    turned: bool = False


@dataclass(frozen=True)
class Sum:
    """Terms, each with whether it is subtracted."""

    terms: tuple[tuple[bool, Form], ...]


@dataclass(frozen=True)
class Transposed:
    """The transpose of what is no letter."""

    inside: Form


@dataclass(frozen=True)
class Product:
    """A product of matrices."""

    factors: tuple[Form, ...]


@dataclass(frozen=True)
class Diagonal:
    """The diagonal matrix of the elements of a vector."""

    inside: Form


@dataclass(frozen=True)
class Elementwise:
    """A product element by element."""

    factors: tuple[Form, ...]


@dataclass(frozen=True)
class Scaled:
    """Numbers times a matrix."""

    front: tuple[Form, ...]
    matrix: Form


@dataclass(frozen=True)
class Power:
    """A power element by element, or of a number."""

    base: Form
    exponent: sympy.Rational
    of_number: bool = False


@dataclass(frozen=True)
class Positive:
    """1 where an element is positive, 0 elsewhere."""

    inside: Form


@dataclass(frozen=True)
class Applied:
    """A function of every element: ``call`` with its first argument replaced."""

    call: sympy.Expr
    inside: Form


@dataclass(frozen=True)
class During:
    """What is there where first ≤ ``time`` ≤ last only."""

    time: sympy.Expr
    first: sympy.Expr
    last: sympy.Expr
    inside: Form


@dataclass(frozen=True)
class OverTime:
    """A sum over the steps of time from first to last."""

    index: Index
    first: int
    last: int
    inside: Form


Form = (
    Number | Single | Count | Letter | Ones | Sum | Product | Diagonal | Elementwise | Scaled | Power | Positive
    | Applied | During | OverTime | Transposed
)  # fmt: skip


def parts(form: Form) -> tuple[Form, ...]:
    """What a form is put together from."""
    match form:
        case Sum(terms):
            return tuple(term for _, term in terms)
        case Product(factors) | Elementwise(factors):
            return factors
        case Scaled(front, matrix):
            return (*front, matrix)
        case (
            Power(inside)
            | Positive(inside)
            | Applied(_, inside)
            | Transposed(inside)
            | Diagonal(inside)
            | During(inside=inside)
            | OverTime(inside=inside)
        ):
            return (inside,)
    return ()


def nodes(form: Form) -> Iterator[Form]:
    """A form and all its parts."""
    yield form
    for part in parts(form):
        yield from nodes(part)
