"""The matrix form of an equation for a batch as a tree: products and sums of letters, numbers and ones."""

from __future__ import annotations

from dataclasses import dataclass

import sympy


@dataclass(frozen=True)
class Number:
    """An expression without tensors."""

    value: sympy.Expr


@dataclass(frozen=True)
class Count:
    """The number of samples, N; ``share`` for 1/N."""

    share: bool = False


@dataclass(frozen=True)
class Letter:
    """The matrix of a tensor as it stands, or ``turned``: its transpose."""

    tensor: str
    turned: bool = False


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
class Product:
    """A product of matrices."""

    factors: tuple[Form, ...]


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
    """A power element by element."""

    base: Form
    exponent: int


@dataclass(frozen=True)
class Positive:
    """1 where an element is positive, 0 elsewhere."""

    inside: Form


@dataclass(frozen=True)
class Applied:
    """A function of every element: ``call`` with its first argument replaced."""

    call: sympy.Expr
    inside: Form


Form = Number | Count | Letter | Ones | Sum | Product | Elementwise | Scaled | Power | Positive | Applied
