"""Equations in index notation read back as products of matrices.

Every formula is read for two indices, those of the rows and of the columns of the result; a vector lacks one of them:

* ``Σ_k f[row, k] g[k, column]`` is a matrix product, and so is ``f[row] g[column]``;
* factors with both indices are multiplied element by element.

What is none of these has no matrix form: the functions return ``None``.  A form is a tree (:mod:`derive.formtree`),
which the notes write, a notebook computes and :mod:`derive.formproof` proves.  There are two kinds of readers: of the
vectors of one sample (:mod:`derive.vectorform`) and of the matrices of a batch (:mod:`derive.batchform`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import sympy

from derive.expressions import Access, Cases, Index, accesses, index_symbols, is_negative, rename
from derive.formtree import Applied, Elementwise, Form, Letter, Number, Ones, Positive, Power, Product, Scaled, Sum
from derive.network import Equation, Tensor

Side = Index | None  # the index of the rows or the columns; none where there is one of them only

Terms = Callable[[sympy.Expr, tuple[str, ...]], Sequence[sympy.Expr]]
Factors = Callable[[sympy.Expr], Sequence[sympy.Expr]]


def sum_terms(e: sympy.Expr, order: tuple[str, ...]) -> Sequence[sympy.Expr]:
    """The terms of a sum as they come."""
    return sympy.Add.make_args(e)


class MatrixForms:
    """The forms of one network's equations; ``rows`` if vectors are rows, else they are columns.

    Matrices of weights ``flipped`` stand the other way round than their indices.  ``equations`` are those of what has
    no name; ``terms`` and ``factors`` give the parts of sums and products in the order in which they are written.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        equations: Callable[[str], Equation],
        rows: bool,
        flipped: Collection[str] = (),
        terms: Terms = sum_terms,
        factors: Factors = sympy.Mul.make_args,
    ) -> None:
        self.tensors, self.equations, self.rows, self.flipped = tensors, equations, rows, flipped
        self.terms, self.factors = terms, factors
        self._spans: dict[Index, tuple[int, int]] = {}

    def turned(self, weight: str, indices: int) -> bool:
        """Whether a weight stands the other way round than its indices: vectors are rows, or columns."""
        return self.rows if indices == 1 else weight in self.flipped

    # what the kinds of readers differ in

    def _indices(self, e: sympy.Expr) -> set[Index]:
        """The indices of rows and columns that an expression depends on."""
        raise NotImplementedError

    def _letter(self, a: Access, row: Side, column: Side) -> Form | None:
        """An element of a tensor with a name as the matrix that it belongs to."""
        raise NotImplementedError

    def _front(self, numbers: list[sympy.Expr], free: list[sympy.Expr]) -> list[Form | None]:
        """The factors that have neither index."""
        raise NotImplementedError

    def _ones(self, index: Index, turned: bool = False) -> Ones | None:
        """A column of ones for every value of an index; ``None`` where nothing is repeated."""
        raise NotImplementedError

    def _half(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        """One of the two vectors of an outer product."""
        return self._form(e, row, column)

    # equations

    def _begin(self, eq: Equation) -> bool:
        """Whether an equation gives all of a vector or a matrix."""
        self._spans = dict(eq.ranges)
        return self._whole(eq.lhs)

    def _extent(self, index: Index) -> int:
        first, last = self._spans[index]
        return last - first + 1

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
        if not accesses(eq.body):  # a number has no rows and columns
            return None
        if eq.reduce:
            return self._summed(eq.body, eq.reduce, row, column)
        return self._form(eq.body, row, column, eq.order)

    # formulas

    def _form(self, e: sympy.Expr, row: Side, column: Side, order: tuple[str, ...] = ()) -> Form | None:
        """An expression as a matrix with these indices."""
        if not accesses(e):
            return Number(e)
        used = self._indices(e)
        lacks = [side for side in (row, column) if side is not None and side not in used]
        if lacks and not isinstance(e, sympy.Add):
            return self._repeated(e, row, column, used)
        if isinstance(e, Access):
            return self._access(e, row, column)
        if e.is_Add:
            return self._sum(e, row, column, order)
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
            return Power(form, int(e.exp), number) if e.exp.is_Integer and e.exp > 0 else None
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
        if not index_symbols(e) and before and after:  # a number: it stands in front
            factors = [form, *before, *after]
        return None if None in factors else Product(tuple(f for f in factors if f is not None))

    def _access(self, a: Access, row: Side, column: Side) -> Form | None:
        if not self.tensors[a.tensor].anonymous:
            return self._letter(a, row, column)
        eq = self.equations(a.tensor)
        mapping = {i: j for i, j in zip(eq.lhs.indices, a.indices, strict=True) if i.is_Symbol}
        clash = {s: Index(f"{s}'", integer=True, positive=True) for s in eq.reduce if s in mapping.values()}
        body, over = rename(rename(eq.body, clash), mapping), tuple(clash.get(s, s) for s in eq.reduce)
        if not over:
            return self._form(body, row, column, eq.order)
        self._spans |= {clash.get(s, s): eq.ranges[s] for s in eq.reduce}
        return self._summed(body, over, row, column) if eq.kind == "sum" else None

    def _sum(self, e: sympy.Add, row: Side, column: Side, order: tuple[str, ...]) -> Form | None:
        return self._added(self.terms(e, order), lambda term: self._form(term, row, column))

    def _added(self, terms: Sequence[sympy.Expr], read: Callable[[sympy.Expr], Form | None]) -> Form | None:
        """The sum of the forms of some terms; a single one that is not subtracted is no sum."""
        found = []
        for term in terms:
            negative = is_negative(term)
            part = read(-term if negative else term)
            if part is None:
                return None
            found.append((negative, part))
        return found[0][1] if len(found) == 1 and not found[0][0] else Sum(tuple(found))

    def _product(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        if is_negative(e):
            return self._added([e], lambda term: self._form(term, row, column))
        factors = self.factors(e)
        numbers = [f for f in factors if not accesses(f)]
        rest = [f for f in factors if accesses(f)]
        sides = {side for side in (row, column) if side is not None}
        free = [f for f in rest if not self._indices(f) & sides]
        both = [f for f in rest if self._indices(f) >= sides]
        front = self._front(numbers, free)
        rest = [f for f in rest if f not in free]
        halves = [[f for f in rest if side in self._indices(f) and f not in both] for side in (row, column)]
        forms = [self._form(f, row, column) for f in rest if f in both or not all(halves)]
        if all(halves):
            left, right = self._half(sympy.Mul(*halves[0]), row, None), self._half(sympy.Mul(*halves[1]), None, column)
            forms.insert(0, None if left is None or right is None else Product((left, right)))
        return _scaled(front, forms)

    def _summed(self, body: sympy.Expr, over: tuple[Index, ...], row: Side, column: Side) -> Form | None:
        """Σ over one index of a product, as a product of matrices."""
        if len(over) != 1 or body.is_Add:
            return None
        if is_negative(body):
            return self._added([body], lambda term: self._summed(term, over, row, column))
        used = self._indices(body)
        if {row, column} - {None} - used:
            form = self._summed(body, over, row if row in used else None, column if column in used else None)
            return None if form is None else self._along(form, body, row, column, used)
        (k,) = over
        factors = sympy.Mul.make_args(body)
        uses = {f: self._indices(f) for f in factors}
        if any({row, column} <= uses[f] for f in factors if row is not None and column is not None):
            return None
        numbers = [f for f in factors if not accesses(f)]
        if row is None and column is None:
            return self._inner(self.factors(body), k)
        if column is None:
            right = [f for f in factors if k in uses[f] and row not in uses[f]]
        elif row is None:
            right = [f for f in factors if k in uses[f] and column in uses[f]]
        else:
            right = [f for f in factors if column in uses[f]]
        loose = [f for f in factors if uses[f] == {k} and f not in right]
        if right and not any(k in uses[f] for f in right):
            right += loose
        left = [f for f in factors if f not in right + numbers]
        if column is None and not left and not self.rows:
            left, right = right, []
        if any(k not in self._indices(sympy.Mul(*half)) for half in (left, right) if half):
            return None
        return _scaled(
            [Number(sympy.Mul(*numbers))] if numbers else [], [self._multiplied(left, right, k, row, column)]
        )

    def _inner(self, factors: Sequence[sympy.Expr], k: Index) -> Form | None:
        """Σ_k of a product that has no other index, as a row times a column; a matrix that has one row is the row."""
        inner = [f for f in factors if k in self._indices(f)]
        numbers = [f for f in factors if not accesses(f)]
        free = [f for f in factors if f not in [*inner, *numbers]]
        matrices = [f for f in inner if isinstance(f, Access) and len(self._dimensions(f)) == 2]
        first = [*matrices, *inner][:1]
        rest = [f for f in inner if f not in first]
        left, right = (rest, first) if self.rows and (matrices or not rest) else (first, rest)
        return _scaled(self._front(numbers, free), [self._multiplied(left, right, k, None, None)])

    def _multiplied(
        self, left: Sequence[sympy.Expr], right: Sequence[sympy.Expr], k: Index, row: Side, column: Side
    ) -> Form | None:
        """The product of two matrices over k; what is not there is a row or a column of ones."""
        forms = [
            self._form(sympy.Mul(*half), *pair) if half else self._ones(k, turned=pair[0] != k)
            for half, pair in ((left, (row, k)), (right, (k, column)))
        ]
        return None if None in forms else Product(tuple(f for f in forms if f is not None))


def standing(letter: Letter, stands: tuple[Side, Side], row: Side, column: Side) -> Letter | None:
    """A letter whose matrix has the indices ``stands``, or its transpose, as a matrix with those asked for."""
    if stands == (row, column):
        return letter
    return Letter(letter.tensor, True, letter.time) if stands[::-1] == (row, column) else None


def _scaled(front: list[Form | None], forms: list[Form | None]) -> Form | None:
    """Numbers times the product, element by element, of matrices; ``None`` where one of them has no form."""
    numbers, matrices = [f for f in front if f is not None], [f for f in forms if f is not None]
    if len(numbers) < len(front) or len(matrices) < len(forms):
        return None
    if not matrices:
        return numbers[0] if len(numbers) == 1 else Scaled(tuple(numbers[:-1]), numbers[-1])
    matrix = matrices[0] if len(matrices) == 1 else Elementwise(tuple(matrices))
    return Scaled(tuple(numbers), matrix) if numbers else matrix
