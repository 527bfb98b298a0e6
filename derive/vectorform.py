"""Matrix form of one sample: equations for whole vectors, those of a recurrence for what is there at one time.

Of a sequence, ``h[t, i]``, the first index is the time, and the letter is that of the vector at time t.  Beside what
:mod:`derive.readform` says of products, a sum over all times stands as it is, and a number that depends on tensors may
stand in index form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import sympy

from derive.expressions import Access, Index, Within, accesses, index_symbols, rename
from derive.formtree import During, Form, Letter, Number, OverTime, Single, Sum, Transposed
from derive.network import Equation, Scan, Tensor, flatten
from derive.readform import Arrangement, MatrixForms, standing
from derive.readsum import Side


class VectorForms(MatrixForms):
    """The forms of one network's equations for one sample; ``steps`` are all equations and recurrences."""

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        equations: Callable[[str], Equation],
        arrangement: Arrangement,
        steps: Iterable[Equation | Scan],
    ) -> None:
        super().__init__(tensors, equations, arrangement)
        steps = tuple(steps)
        self.times = {step.index for step in steps if isinstance(step, Scan)}
        read = [a for eq in flatten(steps) for a in (eq.lhs, *eq.reads) if a.indices]
        self.sequences = {a.tensor for a in read if index_symbols(a.indices[0]) & self.times}

    def letter(self, a: Access) -> tuple[Letter, tuple[sympy.Expr, ...]]:
        """The vector or matrix that an element belongs to, and the element's indices in it."""
        if a.tensor in self.sequences:
            return Letter(a.tensor, time=a.indices[0]), a.indices[1:]
        return Letter(a.tensor), a.indices

    def right(self, eq: Equation) -> Form | None:
        weight = eq.lhs.tensor.startswith("∂") and self.tensors[eq.lhs.tensor[1:]].role == "weight"
        return self.gradient(eq) if weight else self.equation(eq)

    def equation(self, eq: Equation) -> Form | None:
        """The right side of the equation of a value or a δ that is a vector or a number."""
        _, indices = self.letter(eq.lhs)
        if eq.accumulate or eq.kind != "sum" or len(indices) > 1 or not self._begin(eq):
            return None
        unit, _ = self._sides(indices)
        return self._right(eq, *((None, unit) if self.rows else (unit, None)))

    def gradient(self, eq: Equation) -> Form | None:
        """∂L/∂W of a vector or a matrix of weights as a sum of outer products, or of such a sum over time."""
        _, indices = self.letter(eq.lhs)
        if eq.accumulate or not self.times.issuperset(eq.reduce) or len(indices) > 2 or not self._begin(eq):
            return None
        rows, columns = self._sides(indices)
        if self.turned(eq.lhs.tensor.removeprefix("∂"), len(indices)):
            rows, columns = columns, rows
        return self._right(eq, rows, columns)

    def _dimensions(self, a: Access) -> list[tuple[sympy.Expr, int]]:
        return super()._dimensions(a)[len(a.indices) - len(self.letter(a)[1]) :]

    def _indices(self, e: sympy.Expr) -> set[Index]:
        return set(index_symbols(e)) - self.times

    def _form(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        if isinstance(e, Within):
            time, first, last, value = e.args
            inside = self._form(value, row, column) if not index_symbols(time) & {row, column} else None
            return None if inside is None else During(time, first, last, inside)
        return super()._form(e, row, column)

    def _letter(self, a: Access, row: Side, column: Side) -> Form | None:
        letter, indices = self.letter(a)
        if letter.time is not None and index_symbols(letter.time) & {row, column}:
            return None
        if not self._whole(a):
            return self._single(a) if row is None and column is None else None
        stands = self._sides(indices)
        if self.turned(a.tensor, len(indices)):
            stands = stands[::-1]
        return standing(letter, stands, row, column)

    def _half(self, e: sympy.Expr, row: Side, column: Side) -> Form | None:
        if (row is None) == self.rows:
            return self._form(e, row, column)
        form = self._form(e, column, row)  # as vectors stand
        if isinstance(form, Letter):
            return replace(form, turned=not form.turned)
        return None if form is None else Transposed(form)

    def _front(self, numbers: list[sympy.Expr], free: list[sympy.Expr]) -> list[Form | None]:
        plain = [f for f in free if self._single(f) is not None]
        value = sympy.Mul(*numbers, *plain)
        front: list[Form | None] = [Single(value)] if plain else [Number(value)] if numbers else []
        return front + [self._form(f, None, None) for f in free if f not in plain]

    def _single(self, e: sympy.Expr) -> Single | None:
        return Single(e) if inlined(e, self.tensors, self.equations) is not None else None

    def _ones(self, index: Index, turned: bool = False) -> None:
        return None

    def _summed(self, body: sympy.Expr, over: tuple[Index, ...], row: Side, column: Side) -> Form | None:
        if len(over) != 1 or over[0] not in self.times:
            return super()._summed(body, over, row, column)
        inside = None if body.is_Add else self._added([body], lambda term: self._form(term, row, column))
        match inside:
            case None:
                return None
            case Sum(((True, term),)):
                return Sum(((True, OverTime(over[0], *self._spans[over[0]], term)),))
        return OverTime(over[0], *self._spans[over[0]], inside)


def inlined(e: sympy.Expr, tensors: Mapping[str, Tensor], equations: Callable[[str], Equation]) -> sympy.Expr | None:
    """An expression in tensors with names; ``None`` where a sum without one stands in it."""
    found = {}
    for a in accesses(e):
        if tensors[a.tensor].anonymous:
            eq = equations(a.tensor)
            here = {i: j for i, j in zip(eq.lhs.indices, a.indices, strict=True) if i.is_Symbol}
            body = None if eq.reduce else inlined(rename(eq.body, here), tensors, equations)
            if body is None:
                return None
            found[a] = body
    return e.xreplace(found)
