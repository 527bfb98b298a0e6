"""Equations in index notation read back as products of matrices.

Every formula is read for two indices, those of the rows and of the columns of the result; a vector lacks one of them:

* ``Σ_k f[row, k] g[k, column]`` is a matrix product, and so is ``f[row] g[column]``;
* factors with both indices are multiplied element by element;
* one with the row's or the column's only, beside such, multiplies rows or columns: ``d[row] A[row, column]`` is the
  product of a diagonal matrix and a matrix.

What is none of these has no matrix form: the functions return ``None``.  A form is a tree (:mod:`derive.formtree`),
which the notes write, a notebook computes and :mod:`derive.formproof` proves.  There are two kinds of readers: of the
vectors of one sample (:mod:`derive.vectorform`) and of the matrices of a batch (:mod:`derive.batchform`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import sympy

from derive.expressions import Access, Cases, Index, accesses, is_negative, rename
from derive.formtree import Applied, Diagonal, Form, Letter, Number, Positive, Power, Product
from derive.network import Equation, Tensor
from derive.readsum import Parts, Side, SumForms, plainest, scaled


def _terms(e: sympy.Expr, order: tuple[str, ...]) -> Sequence[sympy.Expr]:
    """The terms of a sum as they come."""
    return sympy.Add.make_args(e)


def _factors(e: sympy.Expr, order: tuple[str, ...]) -> Sequence[sympy.Expr]:
    """The factors of a product as they come."""
    return sympy.Mul.make_args(e)


@dataclass(frozen=True)
class Arrangement:
    """How matrices and formulas are written.

    Vectors, or the samples of a batch, are ``rows``, else they are columns.  Matrices of weights ``flipped`` stand the
    other way round than their indices.  ``terms`` and ``factors`` give the parts of sums and products in order.
    """

    rows: bool
    flipped: Collection[str] = ()
    terms: Parts = _terms
    factors: Parts = _factors


class MatrixForms(SumForms):
    """The forms of one network's equations; ``equations`` are those of what has no name."""

    def __init__(
        self, tensors: Mapping[str, Tensor], equations: Callable[[str], Equation], arrangement: Arrangement
    ) -> None:
        self.tensors, self.equations = tensors, equations
        self.rows, self.flipped = arrangement.rows, arrangement.flipped
        self.terms, self.factors = arrangement.terms, arrangement.factors
        self._spans: dict[Index, tuple[int, int]] = {}
        self._order: tuple[str, ...] = ()

    def turned(self, weight: str, indices: int) -> bool:
        """Whether a weight stands the other way round than its indices: vectors are rows, or columns."""
        return self.rows if indices == 1 else weight in self.flipped

    # what the kinds of readers differ in

    def right(self, eq: Equation) -> Form | None:
        """The right side of any equation."""
        raise NotImplementedError

    def _letter(self, a: Access, row: Side, column: Side) -> Form | None:
        """An element of a tensor with a name as the matrix that it belongs to."""
        raise NotImplementedError

    def _half(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        """One of the two vectors of an outer product."""
        return self._form(e, row, column)

    # equations

    def _begin(self, eq: Equation) -> bool:
        """Whether an equation gives all of a vector or a matrix."""
        self._spans, self._order = dict(eq.ranges), eq.order
        return self._whole(eq.lhs)

    def _extent(self, index: Index) -> int:
        first, last = self._spans[index]
        return last - first + 1

    def _many(self, index: Index) -> sympy.Expr | None:
        """How many values an index has."""
        return sympy.Integer(self._extent(index))

    def _dimensions(self, a: Access) -> list[tuple[sympy.Expr, int]]:
        """The indices of an element, each with the extent of its dimension."""
        return list(zip(a.indices, self.tensors[a.tensor].shape, strict=True))

    def _whole(self, a: Access) -> bool:
        """Whether the indices run over all of a tensor; zeros around it, say, are not given by its equation."""
        symbols = [i for i in a.indices if i.is_Symbol]
        extents = [(self._extent(i) if i in self._spans else 1, extent) for i, extent in self._dimensions(a)]
        return len(set(symbols)) == len(symbols) and all(one == other for one, other in extents)

    def _sides(self, indices: tuple[sympy.Expr, ...]) -> tuple[Side, Side]:
        rows, columns = (*(i if i.is_Symbol else None for i in indices), None, None)[:2]
        return rows, columns

    def _right(self, eq: Equation, row: Side, column: Side) -> Form | None:
        """The right side of an equation."""
        if self._is_number(eq.body):  # it has no rows and columns
            return None
        if eq.reduce:
            return self._summed(eq.body, eq.reduce, row, column)
        return self._form(eq.body, row, column)

    # formulas

    def _form(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        """An expression as a matrix with these indices."""
        if self._is_number(e):
            return Number(e)
        used = self._indices(e)
        lacks = [side for side in (row, column) if side is not None and side not in used]
        if lacks and not isinstance(e, sympy.Add):
            return self._repeated(e, row, column, used)
        if isinstance(e, Access):
            return self._access(e, row, column)
        if e.is_Add:
            return self._added(self.terms(e, self._order), lambda term: self._form(term, row, column))
        if e.is_Mul:
            return self._product(e, row, column)
        inside = e.base if e.is_Pow else e.args[0]
        if not (e.is_Pow or e.is_Function):
            return None
        form = self._form(inside, row, column)
        if form is None:
            return None
        if e.is_Pow:
            number = row is None and column is None
            return Power(form, e.exp, number) if e.exp.is_Rational else None
        if isinstance(e, Cases):
            return Positive(form) if e.args[1:] == (1, 0) else None
        return Applied(e, form) if all(a.is_number for a in e.args[1:]) else None

    def _repeated(self, e: sympy.Expr, row: Side, column: Side, used: set[Index]) -> Form | None:
        """What lacks an index, once for each of its values."""
        form = self._form(e, row if row in used else None, column if column in used else None)
        return None if form is None else self._along(form, e, row, column, used)

    def _along(self, form: Form, e: sympy.Expr, row: Side, column: Side, used: set[Index]) -> Form | None:
        """The form of ``e``, which lacks an index, once for each of its values."""
        before = [self._ones(row)] if row is not None and row not in used else []
        after = [self._ones(column, turned=True)] if column is not None and column not in used else []
        factors = [*before, form, *after]
        plain = not any(a.indices or self.tensors[a.tensor].anonymous for a in accesses(e))
        if not used and (plain or (before and after)):  # a number: it stands in front
            factors = [form, *before, *after]
        return None if None in factors else Product(tuple(f for f in factors if f is not None))

    def _access(self, a: Access, row: Side, column: Side) -> Form | None:
        if not self.tensors[a.tensor].anonymous:
            return self._letter(a, row, column)
        eq = self.equations(a.tensor)
        mapping = {i: j for i, j in zip(eq.lhs.indices, a.indices, strict=True) if i.is_Symbol}
        summed = {s: self._unused(s) for s in eq.reduce}
        body, over = rename(rename(eq.body, summed), mapping), tuple(summed.values())
        spans, order = self._spans, self._order
        self._spans, self._order = spans | {summed[s]: eq.ranges[s] for s in eq.reduce}, eq.order
        try:
            if not over:
                return self._form(body, row, column)
            return self._summed(body, over, row, column) if eq.kind == "sum" else None
        finally:
            self._spans, self._order = spans, order

    def _unused(self, index: Index) -> Index:
        """An index, by another name where that one has a meaning already."""
        while index in self._spans:
            index = Index(f"{index}'", integer=True, positive=True)
        return index

    def _product(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        if is_negative(e):
            return self._added([e], lambda term: self._form(term, row, column))
        factors = self.factors(e, self._order)
        numbers = [f for f in factors if self._is_number(f)]
        rest = [f for f in factors if f not in numbers]
        sides = {side for side in (row, column) if side is not None}
        free = [f for f in rest if not self._indices(f) & sides]
        both = [f for f in rest if self._indices(f) >= sides]
        front = self._front(numbers, free)
        rest = [f for f in rest if f not in free]
        halves = [[f for f in rest if side in self._indices(f) and f not in both] for side in (row, column)]
        between = bool(both) and any(halves) and not all(halves)
        forms = [self._form(f, row, column) for f in rest if f in both or not (between or all(halves))]
        if between:
            return scaled(front, [self._between(forms, *halves)])
        if all(halves):
            left, right = self._half(sympy.Mul(*halves[0]), row, None), self._half(sympy.Mul(*halves[1]), None, column)
            forms.insert(0, None if left is None or right is None else Product((left, right)))
        return scaled(front, forms)

    def _between(
        self, forms: list[Form | None], above: Sequence[sympy.Expr], beside: Sequence[sympy.Expr]
    ) -> Form | None:
        """A matrix, the product of ``forms`` element by element, between the diagonal matrices of other factors."""
        matrix = scaled([], forms)
        around = [[self._diagonal(f) for f in half] for half in (above, beside)]
        factors = [*around[0], matrix, *around[1]]
        return None if None in factors else Product(tuple(f for f in factors if f is not None))

    def _diagonal(self, e: sympy.Expr) -> Form | None:
        """The diagonal matrix of a vector, which stands in it as it does elsewhere."""
        (side,) = self._indices(e)
        form = plainest([self._form(e, side, None), self._form(e, None, side)])
        return None if form is None else Diagonal(form)


def standing(letter: Letter, stands: tuple[Side, Side], row: Side, column: Side) -> Letter | None:
    """A letter whose matrix has the indices ``stands``, or its transpose, as a matrix with those asked for."""
    if stands == (row, column):
        return letter
    return Letter(letter.tensor, True, letter.time) if stands[::-1] == (row, column) else None
