"""Matrix form for a batch: the equations of one sample with the sample as one more index, read as products of matrices.

What is a vector for one sample is a matrix for N of them, X with a sample in every column or in every row; a number is
a vector.  Every formula is read for two indices, those of the rows and of the columns of the result:

* ``Σ_k f[row, k] g[k, column]`` is a matrix product, and so is ``f[row] g[column]``;
* factors with both indices are multiplied element by element;
* what lacks an index is the same along it, as a bias for all samples: b 1ᵀ, with a column 1 of ones;
* the sum over the samples in the derivative by a weight is a product as well: Δ Xᵀ.

What is none of these has no matrix form: the functions return ``None``.  A form is a tree, which the notes write, a
notebook computes and :mod:`derive.batchproof` proves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import sympy

from derive.batchtree import (
    Applied,
    Count,
    Elementwise,
    Form,
    Letter,
    Number,
    Ones,
    Positive,
    Power,
    Product,
    Scaled,
    Sum,
)
from derive.expressions import Access, Cases, Index, accesses, index_symbols, is_negative, rename
from derive.network import Equation, Tensor

SAMPLE = Index("sample", integer=True, positive=True)
_SAMPLED = ("input", "target", "mask", "value", "adjoint")
Side = Index | None  # the index of the rows or the columns; none where there is one of them only

Terms = Callable[[sympy.Expr, tuple[str, ...]], list[sympy.Expr]]
Factors = Callable[[sympy.Expr], list[sympy.Expr]]


class BatchForms:
    """The forms of one network's equations; ``rows`` if a sample is a row, else it is a column.

    Matrices of weights ``flipped`` stand the other way round than their indices.  ``equations`` are those of what has
    no name; ``terms`` and ``factors`` give the parts of sums and products in the order in which they are written.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        equations: Callable[[str], Equation],
        rows: bool,
        flipped: Collection[str] = (),
        terms: Terms = lambda e, order: list(sympy.Add.make_args(e)),
        factors: Factors = lambda e: list(sympy.Mul.make_args(e)),
    ) -> None:
        self.tensors, self.equations, self.rows, self.flipped = tensors, equations, rows, flipped
        self.terms, self.factors = terms, factors
        self._extents: dict[Index, int | None] = {}

    def sampled(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample."""
        return self.tensors[tensor].role in _SAMPLED

    def turned(self, weight: str, indices: int) -> bool:
        """Whether a weight stands the other way round than its indices: vectors are rows where samples are."""
        return self.rows if indices == 1 else weight in self.flipped

    # equations

    def equation(self, eq: Equation) -> Form | None:
        """The right side of the equation of a value or a δ of one index at most."""
        if len(eq.lhs.indices) > 1 or not all(i.is_Symbol for i in eq.lhs.indices) or eq.kind != "sum":
            return None
        self._begin(eq)
        if not self._whole(eq.lhs):
            return None
        (unit,) = eq.lhs.indices or (None,)
        sides = (SAMPLE, unit) if self.rows else (unit, SAMPLE)
        return self._summed(eq.body, eq.reduce, *sides) if eq.reduce else self._form(eq.body, *sides, eq.order)

    def gradient(self, eq: Equation, mean: bool) -> Form | None:
        """∂L/∂W of a vector or a matrix of weights: what depends on the sample summed, or averaged, over the batch."""
        if eq.accumulate or eq.reduce or len(eq.lhs.indices) > 2:
            return None
        self._begin(eq)
        if not self._whole(eq.lhs):
            return None
        rows, columns = (*(i if i.is_Symbol else None for i in eq.lhs.indices), None, None)[:2]
        if self.turned(eq.lhs.tensor.removeprefix("∂"), len(eq.lhs.indices)):
            rows, columns = columns, rows
        terms = []
        for term in self.terms(eq.body, ()):
            negative = is_negative(term)
            term = -term if negative else term
            if SAMPLE in self._indices(term):
                part = self._summed(term, (SAMPLE,), rows, columns)
                part = Scaled((Count(share=True),), part) if mean and part is not None else part
            else:
                part = self._form(term, rows, columns)
                if part is not None and not mean:  # every sample's loss has it
                    part = Scaled((Count(),), part)
            if part is None:
                return None
            terms.append((negative, part))
        return _sum(terms)

    def _begin(self, eq: Equation) -> None:
        self._extents = {SAMPLE: None, **{i: r[1] - r[0] + 1 for i, r in eq.ranges.items()}}

    def _whole(self, a: Access) -> bool:
        """Whether the indices run over all of a tensor; zeros around it, say, are not given by its equation."""
        extents = zip(a.indices, self.tensors[a.tensor].shape, strict=True)
        return all(self._extents.get(i, extent) == extent for i, extent in extents if i.is_Symbol)

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
            return Power(form, int(e.exp)) if e.exp.is_Integer and e.exp > 0 else None
        if isinstance(e, Cases):
            return Positive(form) if e.args[1:] == (1, 0) else None
        return Applied(e, form) if all(a.is_number for a in e.args[1:]) else None

    def _indices(self, e: sympy.Expr) -> set[Index]:
        """The indices that an expression depends on, the sample's among them."""
        found = set(index_symbols(e))
        return found | {SAMPLE} if any(self._varies(a.tensor) for a in accesses(e)) else found

    def _varies(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample; one without a name, what it reads."""
        if not self.tensors[tensor].anonymous:
            return self.sampled(tensor)
        return any(self._varies(a.tensor) for a in accesses(self.equations(tensor).body))

    def _repeated(self, e: sympy.Expr, row: Side, column: Side, used: set[Index]) -> Form | None:
        """What lacks an index, once for each of its values."""
        form = self._form(e, row if row in used else None, column if column in used else None)
        return None if form is None else self._along(form, e, row, column, used)

    def _along(self, form: Form, e: sympy.Expr, row: Side, column: Side, used: set[Index]) -> Form:
        """The form of ``e``, which lacks an index, once for each of its values."""
        before = [self._ones(row)] if row is not None and row not in used else []
        after = [self._ones(column, turned=True)] if column is not None and column not in used else []
        if not index_symbols(e) and before and after:  # a number: it stands in front
            return Product((form, *before, *after))
        return Product((*before, form, *after))

    def _ones(self, index: Index, turned: bool = False) -> Ones:
        return Ones(self._extents[index], turned)

    def _access(self, a: Access, row: Side, column: Side) -> Form | None:
        tensor = self.tensors[a.tensor]
        if tensor.anonymous:
            eq = self.equations(a.tensor)
            mapping = {i: j for i, j in zip(eq.lhs.indices, a.indices, strict=True) if i.is_Symbol}
            clash = {s: Index(f"{s}'", integer=True, positive=True) for s in eq.reduce if s in mapping.values()}
            body, over = rename(rename(eq.body, clash), mapping), tuple(clash.get(s, s) for s in eq.reduce)
            if not over:
                return self._form(body, row, column, eq.order)
            self._extents |= {clash.get(s, s): eq.ranges[s][1] - eq.ranges[s][0] + 1 for s in eq.reduce}
            return self._summed(body, over, row, column) if eq.kind == "sum" else None
        places = [i for i, extent in zip(a.indices, tensor.shape, strict=True) if i.is_Symbol or extent > 1]
        lone = len(a.indices) - len(places)  # a row or a column of a matrix that has one only
        if not all(i.is_Symbol for i in places) or len(set(places)) < len(places) or not self._whole(a):
            return None
        if self.sampled(a.tensor):
            if len(a.indices) > 1 or lone:
                return None
            stands = (SAMPLE, *places, None) if self.rows else (*places, SAMPLE) if places else (None, SAMPLE)
        elif len(a.indices) == 2:
            stands = tuple(i if i.is_Symbol else None for i in a.indices)
            stands = stands[::-1] if self.turned(a.tensor, 2) else stands
        elif len(a.indices) == 1:
            stands = (None, *places) if self.rows else (*places, None)
            stands = stands if places else (None, None)
        else:
            return Letter(a.tensor)
        if tuple(stands[:2]) == (row, column):
            return Letter(a.tensor)
        return Letter(a.tensor, turned=True) if tuple(stands[1::-1]) == (row, column) else None

    def _sum(self, e: sympy.Add, row: Side, column: Side, order: tuple[str, ...]) -> Form | None:
        terms = []
        for term in self.terms(e, order):
            negative = is_negative(term)
            part = self._form(-term if negative else term, row, column)
            if part is None:
                return None
            terms.append((negative, part))
        return _sum(terms)

    def _product(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        factors = self.factors(e)
        numbers = [f for f in factors if not accesses(f)]
        rest = [f for f in factors if accesses(f)]
        sides = {side for side in (row, column) if side is not None}
        free = [f for f in rest if not self._indices(f) & sides]
        both = [f for f in rest if self._indices(f) >= sides]
        front: list[Form | None] = [Number(sympy.Mul(*numbers))] if numbers else []
        front += [self._form(f, None, None) for f in free]
        rest = [f for f in rest if f not in free]
        halves = [[f for f in rest if side in self._indices(f) and f not in both] for side in (row, column)]
        forms = [self._form(f, row, column) for f in rest if f in both or not all(halves)]
        if all(halves):
            left, right = self._form(sympy.Mul(*halves[0]), row, None), self._form(sympy.Mul(*halves[1]), None, column)
            forms.insert(0, None if left is None or right is None else Product((left, right)))
        return _scaled(front, forms)

    def _summed(self, body: sympy.Expr, over: tuple[Index, ...], row: Side, column: Side) -> Form | None:
        """Σ over one index of a product, as a product of matrices."""
        if len(over) != 1 or body.is_Add:
            return None
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
        sides = ((left, (row, k)), (right, (k, column)))
        forms = [
            self._form(sympy.Mul(*half), *pair) if half else self._ones(k, turned=pair[0] != k) for half, pair in sides
        ]
        product = None if None in forms else Product(tuple(f for f in forms if f is not None))
        return _scaled([Number(sympy.Mul(*numbers))] if numbers else [], [product])


def _sum(terms: list[tuple[bool, Form]]) -> Form:
    """A single term that is not subtracted is no sum."""
    return terms[0][1] if len(terms) == 1 and not terms[0][0] else Sum(tuple(terms))


def _scaled(front: list[Form | None], forms: list[Form | None]) -> Form | None:
    """Numbers times the product, element by element, of matrices; ``None`` where one of them has no form."""
    numbers, matrices = [f for f in front if f is not None], [f for f in forms if f is not None]
    if len(numbers) < len(front) or len(matrices) < len(forms):
        return None
    if not matrices:
        return numbers[0] if len(numbers) == 1 else Scaled(tuple(numbers[:-1]), numbers[-1])
    matrix = matrices[0] if len(matrices) == 1 else Elementwise(tuple(matrices))
    return Scaled(tuple(numbers), matrix) if numbers else matrix
