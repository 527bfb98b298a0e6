"""Sums in index notation read as products of matrices: Σ_k f[row, k] g[k, column], and what lacks a side.

What is not there is a column of ones: Σ_k f[row, k] is the product of a matrix and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy

from derive.expressions import Access, Index, is_negative
from derive.formtree import Elementwise, Form, Letter, Ones, Product, Scaled, Sum, nodes
from derive.network import Tensor

Side = Index | None  # the index of the rows or the columns; none where there is one of them only

Parts = Callable[[sympy.Expr, tuple[str, ...]], Sequence[sympy.Expr]]  # the parts where the user's order is this


class SumForms:
    """The forms of sums; what they are sums of is up to :class:`derive.readform.MatrixForms`.

    ``terms`` and ``factors`` give the parts of sums and products in the order in which they are written.
    """

    tensors: Mapping[str, Tensor]
    rows: bool
    terms: Parts
    factors: Parts
    _order: tuple[str, ...]  # of what the user wrote

    def _is_number(self, e: sympy.Expr) -> bool:
        """Whether an expression has no tensors in it, but for the number of samples."""
        return all(self.tensors[a.tensor].role == "count" for a in e.atoms(Access))

    def _indices(self, e: sympy.Expr) -> set[Index]:
        """The indices of rows and columns that an expression depends on."""
        raise NotImplementedError

    def _dimensions(self, a: Access) -> list[tuple[sympy.Expr, int]]:
        """The indices of an element, each with the extent of its dimension."""
        raise NotImplementedError

    def _many(self, index: Index) -> sympy.Expr | None:
        """How many values an index has, where that can be said."""
        raise NotImplementedError

    def _ones(self, index: Index, turned: bool = False) -> Ones | None:
        """A column of ones for every value of an index; ``None`` where nothing is repeated."""
        raise NotImplementedError

    def _front(self, numbers: list[sympy.Expr], free: list[sympy.Expr]) -> list[Form | None]:
        """The factors that have neither index."""
        raise NotImplementedError

    def _form(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        """An expression as a matrix with these indices."""
        raise NotImplementedError

    def _along(self, form: Form, e: sympy.Expr, row: Side, column: Side, used: set[Index]) -> Form | None:
        """The form of ``e``, which lacks an index, once for each of its values."""
        raise NotImplementedError

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

    def _summed(self, body: sympy.Expr, over: tuple[Index, ...], row: Side, column: Side) -> Form | None:
        """Σ over one index of a product, as a product of matrices; or over two, if that is all there is."""
        if is_negative(body):
            return self._added([body], lambda term: self._summed(term, over, row, column))
        used = self._indices(body)
        if row is None and column is None and (apart := self._apart(body, over)):
            return self._added(apart, lambda term: self._over(term, over[0]))
        if len(over) == 2 and row is None and column is None:
            return self._total(body, over)
        if len(over) != 1:
            return None
        if {row, column} - {None} - used:
            form = self._summed(body, over, row if row in used else None, column if column in used else None)
            return None if form is None else self._along(form, body, row, column, used)
        (k,) = over
        factors = sympy.Mul.make_args(body)
        uses = {f: self._indices(f) for f in factors}
        if any({row, column} <= uses[f] for f in factors if row is not None and column is not None):
            return None
        numbers = [f for f in factors if self._is_number(f)]
        if row is None and column is None:
            return self._inner(self.factors(body, self._order), k)
        if column is None:
            right = [f for f in factors if k in uses[f] and row not in uses[f]]
        elif row is None:
            right = [f for f in factors if k in uses[f] and column in uses[f]]
        else:
            right = [f for f in factors if column in uses[f]]
        loose = [f for f in factors if uses[f] == {k} and f not in right]
        if right and not any(k in uses[f] for f in right):
            right += loose
        free = [f for f in factors if not uses[f] and f not in numbers]
        left = [f for f in factors if f not in right + numbers + free]
        if column is None and not left and not self.rows:
            left, right = right, []
        if any(k not in self._indices(sympy.Mul(*half)) for half in (left, right) if half):
            return None
        return scaled(self._front(numbers, free), [self._multiplied(left, right, k, row, column)])

    def _inner(self, factors: Sequence[sympy.Expr], k: Index) -> Form | None:
        """Σ_k of a product that has no other index, as a row times a column; a matrix that has one row is the row."""
        inner = [f for f in factors if k in self._indices(f)]
        numbers = [f for f in factors if self._is_number(f)]
        free = [f for f in factors if f not in [*inner, *numbers]]
        matrices = [f for f in inner if isinstance(f, Access) and len(self._dimensions(f)) == 2]
        first = [*matrices, *inner][:1]
        rest = [f for f in inner if f not in first]
        ways = [(first, rest), (rest, first)]
        if rest:  # else what is least transposed
            ways = ways[::-1][:1] if self.rows and matrices else ways[:1]
        forms = [self._multiplied(*way, k, None, None) for way in ways]
        return scaled(self._front(numbers, free), [plainest(forms)])

    def _apart(self, body: sympy.Expr, over: tuple[Index, ...]) -> list[sympy.Expr]:
        """The terms of a sum, times a number, some of which are the same for all values of the index; else none."""
        sums = [f for f in sympy.Mul.make_args(body) if f.is_Add]
        if len(over) != 1 or len(sums) != 1 or self._many(over[0]) is None or not self._is_number(body / sums[0]):
            return []
        terms = self.terms(sums[0], self._order)
        alike = [t for t in terms if over[0] not in self._indices(t)]
        return [body / sums[0] * t for t in terms] if alike else []

    def _over(self, term: sympy.Expr, k: Index) -> Form | None:
        """Σ_k of a term that may be the same for all values of k."""
        if k in self._indices(term):
            return self._summed(term, (k,), None, None)
        return self._form(term * self._many(k), None, None)

    def _total(self, body: sympy.Expr, over: tuple[Index, ...]) -> Form | None:
        """The sum of all elements of a matrix: 1ᵀ A 1."""
        factors = self.factors(body, self._order)
        inner = sympy.Mul(*(f for f in factors if self._indices(f).intersection(over)))
        numbers = [f for f in factors if self._is_number(f)]
        free = [f for f in factors if not self._indices(f) and f not in numbers]
        ways = []
        for first, second in (over, over[::-1]):
            before, after, form = self._ones(first, turned=True), self._ones(second), self._form(inner, first, second)
            ways.append(None if before is None or after is None or form is None else Product((before, form, after)))
        return scaled(self._front(numbers, free), [plainest(ways)])

    def _multiplied(
        self, left: Sequence[sympy.Expr], right: Sequence[sympy.Expr], k: Index, row: Side, column: Side
    ) -> Form | None:
        """The product of two matrices over k; what is not there is a row or a column of ones."""
        forms = [
            self._form(sympy.Mul(*half), *pair) if half else self._ones(k, turned=pair[0] != k)
            for half, pair in ((left, (row, k)), (right, (k, column)))
        ]
        return None if None in forms else Product(tuple(f for f in forms if f is not None))


def plainest(forms: Sequence[Form | None]) -> Form | None:
    """Of forms that say the same, the one in which the fewest letters are transposed."""
    found = [f for f in forms if f is not None]
    return min(found, key=lambda f: sum(isinstance(n, Letter) and n.turned for n in nodes(f)), default=None)


def scaled(front: list[Form | None], forms: list[Form | None]) -> Form | None:
    """Numbers times the product, element by element, of matrices; ``None`` where one of them has no form."""
    numbers, matrices = [f for f in front if f is not None], [f for f in forms if f is not None]
    if len(numbers) < len(front) or len(matrices) < len(forms):
        return None
    if not matrices:
        return numbers[0] if len(numbers) == 1 else Scaled(tuple(numbers[:-1]), numbers[-1])
    matrix = matrices[0] if len(matrices) == 1 else Elementwise(tuple(matrices))
    return Scaled(tuple(numbers), matrix) if numbers else matrix
