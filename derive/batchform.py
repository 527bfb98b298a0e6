"""Matrix form for a batch: the equations of one sample with the sample as one more index.

What is a vector for one sample is a matrix for N of them, X with a sample in every column or in every row; a number is
a vector.  Beside what :mod:`derive.readform` says of products:

* what lacks an index is the same along it, as a bias for all samples: b 1ᵀ, with a column 1 of ones;
* the sum over the samples in the derivative by a weight is a product as well: Δ Xᵀ.
"""

from __future__ import annotations

import sympy

from derive.expressions import Access, Index, accesses, index_symbols
from derive.formtree import Count, Form, Letter, Number, Ones, Scaled
from derive.network import Equation
from derive.readform import MatrixForms, Side, standing

SAMPLE = Index("sample", integer=True, positive=True)
_SAMPLED = ("input", "target", "mask", "value", "adjoint")


class BatchForms(MatrixForms):
    """The forms of one network's equations for a batch; ``rows`` if a sample is a row, else it is a column."""

    def sampled(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample."""
        return self.tensors[tensor].role in _SAMPLED

    def equation(self, eq: Equation) -> Form | None:
        """The right side of the equation of a value or a δ of one index at most."""
        if len(eq.lhs.indices) > 1 or not all(i.is_Symbol for i in eq.lhs.indices) or eq.kind != "sum":
            return None
        if not self._begin(eq):
            return None
        (unit,) = eq.lhs.indices or (None,)
        return self._right(eq, *((SAMPLE, unit) if self.rows else (unit, SAMPLE)))

    def gradient(self, eq: Equation, mean: bool) -> Form | None:
        """∂L/∂W of a vector or a matrix of weights: what depends on the sample summed, or averaged, over the batch."""
        if eq.accumulate or eq.reduce or len(eq.lhs.indices) > 2 or not self._begin(eq):
            return None
        rows, columns = self._sides(eq.lhs.indices)
        if self.turned(eq.lhs.tensor.removeprefix("∂"), len(eq.lhs.indices)):
            rows, columns = columns, rows

        def over_samples(term: sympy.Expr) -> Form | None:
            if SAMPLE in self._indices(term):
                part = self._summed(term, (SAMPLE,), rows, columns)
                return Scaled((Count(share=True),), part) if mean and part is not None else part
            part = self._form(term, rows, columns)
            return part if mean or part is None else Scaled((Count(),), part)  # every sample's loss has it

        return self._added(self.terms(eq.body, ()), over_samples)

    def _indices(self, e: sympy.Expr) -> set[Index]:
        found = set(index_symbols(e))
        return found | {SAMPLE} if any(self._varies(a.tensor) for a in accesses(e)) else found

    def _varies(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample; one without a name, what it reads."""
        if not self.tensors[tensor].anonymous:
            return self.sampled(tensor)
        return any(self._varies(a.tensor) for a in accesses(self.equations(tensor).body))

    def _front(self, numbers: list[sympy.Expr], free: list[sympy.Expr]) -> list[Form | None]:
        front: list[Form | None] = [Number(sympy.Mul(*numbers))] if numbers else []
        return front + [self._form(f, None, None) for f in free]

    def _ones(self, index: Index, turned: bool = False) -> Ones:
        return Ones(None if index == SAMPLE else self._extent(index), turned)

    def _letter(self, a: Access, row: Side, column: Side) -> Form | None:
        if not self._whole(a):
            return None
        places = [i for i in a.indices if i.is_Symbol]
        stands: tuple[Side, ...]
        if self.sampled(a.tensor):
            if len(a.indices) > 1 or len(places) < len(a.indices):
                return None
            stands = (SAMPLE, *places, None) if self.rows else (*places, SAMPLE) if places else (None, SAMPLE)
        else:
            stands = self._sides(a.indices)
            stands = stands[::-1] if self.turned(a.tensor, len(a.indices)) else stands
        return standing(Letter(a.tensor), (stands[0], stands[1]), row, column)
