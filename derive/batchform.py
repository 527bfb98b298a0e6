"""Matrix form for a batch: the equations of one sample with the sample as one more index.

What is a vector for one sample is a matrix for N of them, X with a sample in every column or in every row; a number is
a vector.  Where equations reduce over the samples (:class:`derive.network.Coupling`), that index stands in them; in
all others it is thought in front of the indices of whatever differs between samples.  Beside what
:mod:`derive.readform` says of products:

* what lacks an index is the same along it, as a bias for all samples: b 1ᵀ, with a column 1 of ones;
* the sum over the samples in the derivative by a weight is a product as well: Δ Xᵀ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy

from derive.expressions import Access, Index, accesses, index_symbols
from derive.formtree import Count, Form, Letter, Number, Ones, Scaled
from derive.network import Coupling, Equation, Tensor
from derive.readform import Arrangement, MatrixForms, standing
from derive.readsum import Side

SAMPLE = Index("sample", integer=True, positive=True)
_DATA = ("input", "target", "mask")
_COMPUTED = ("value", "adjoint")


class BatchForms(MatrixForms):
    """The forms of one network's equations for a batch; with ``coupling`` the samples are an index of the equations."""

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        equations: Callable[[str], Equation],
        arrangement: Arrangement,
        coupling: Coupling | None = None,
    ) -> None:
        super().__init__(tensors, equations, arrangement)
        self.coupling = coupling
        self.sample = coupling.index if coupling else SAMPLE

    def sampled(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample."""
        role = self.tensors[tensor].role
        if self.coupling and role in _COMPUTED:
            return self.equations(tensor).lhs.indices[:1] == (self.sample,)
        return role in _DATA or role in _COMPUTED

    def shape(self, tensor: str) -> tuple[int, ...]:
        """The shape of a tensor for one sample."""
        shape = self.tensors[tensor].shape
        return shape[1:] if self.coupling and self.sampled(tensor) else shape

    def right(self, eq: Equation, mean: bool = True) -> Form | None:
        """The right side of any equation; derivatives by weights are summed or averaged over the samples."""
        weight = eq.lhs.tensor.startswith("∂") and self.tensors[eq.lhs.tensor[1:]].role == "weight"
        return self.gradient(eq, mean) if weight else self.equation(eq)

    def equation(self, eq: Equation) -> Form | None:
        """The right side of the equation of a value or a δ."""
        if not all(i.is_Symbol for i in eq.lhs.indices) or eq.accumulate or eq.kind != "sum" or not self._begin(eq):
            return None
        sides = self._stands(eq.lhs)
        return None if sides is None else self._right(eq, *sides)

    def gradient(self, eq: Equation, mean: bool) -> Form | None:
        """∂L/∂W of a vector or a matrix of weights: what depends on the sample summed, or averaged, over the batch."""
        if eq.accumulate or len(eq.lhs.indices) > 2 or not self._begin(eq):
            return None
        rows, columns = self._sides(eq.lhs.indices)
        if self.turned(eq.lhs.tensor.removeprefix("∂"), len(eq.lhs.indices)):
            rows, columns = columns, rows
        if self.coupling:
            return self._right(eq, rows, columns)
        if eq.reduce:
            return None

        def over_samples(term: sympy.Expr) -> Form | None:
            if SAMPLE in self._indices(term):
                part = self._summed(term, (SAMPLE,), rows, columns)
                return Scaled((Count(share=True),), part) if mean and part is not None else part
            part = self._form(term, rows, columns)
            return part if mean or part is None else Scaled((Count(),), part)  # every sample's loss has it

        return self._added(self.terms(eq.body, eq.order), over_samples)

    def _indices(self, e: sympy.Expr) -> set[Index]:
        found = set(index_symbols(e))
        if self.coupling is None and any(self._varies(a.tensor) for a in accesses(e)):
            found.add(SAMPLE)
        return found

    def _varies(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample; one without a name, what it reads."""
        if not self.tensors[tensor].anonymous:
            return self.sampled(tensor)
        return any(self._varies(a.tensor) for a in accesses(self.equations(tensor).body))

    def _front(self, numbers: list[sympy.Expr], free: list[sympy.Expr]) -> list[Form | None]:
        front: list[Form | None] = [Number(sympy.Mul(*numbers))] if numbers else []
        return front + [self._form(f, None, None) for f in free]

    def _many(self, index: Index) -> sympy.Expr | None:
        if index != self.sample:
            return super()._many(index)
        return self.coupling.count if self.coupling else None

    def _ones(self, index: Index, turned: bool = False) -> Ones:
        return Ones(None if index == self.sample else self._extent(index), turned)

    def _stands(self, a: Access) -> tuple[Side, Side] | None:
        """The indices of rows and columns of the matrix that an element belongs to."""
        if not self.sampled(a.tensor):
            sides = self._sides(a.indices)
            return (sides[::-1] if self.turned(a.tensor, len(a.indices)) else sides) if len(a.indices) < 3 else None
        sample, *units = a.indices if self.coupling else (SAMPLE, *a.indices)
        if len(units) > 1 or not all(i.is_Symbol for i in (sample, *units)):
            return None
        (unit,) = units or (None,)
        return (sample, unit) if self.rows else (unit, sample)

    def _letter(self, a: Access, row: Side, column: Side) -> Form | None:
        sides = self._stands(a) if self._whole(a) else None
        return None if sides is None else standing(Letter(a.tensor), sides, row, column)
