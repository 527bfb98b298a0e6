"""The value of a matrix form (:mod:`derive.formtree`) where its letters have numbers.

A matrix is a list of rows.  A number goes with any matrix; everything else must have the shapes that its operation
asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Generic, TypeVar

import sympy

from derive.batchform import BatchForms
from derive.evaluate import Number as Value
from derive.evaluate import Values, compile_scalar, context, number
from derive.expressions import Index
from derive.formtree import (
    Applied,
    Count,
    Diagonal,
    During,
    Elementwise,
    Form,
    Letter,
    Number,
    Ones,
    OverTime,
    Positive,
    Power,
    Product,
    Scaled,
    Single,
    Sum,
    Transposed,
)
from derive.readform import MatrixForms
from derive.vectorform import VectorForms

Matrix = list[list[Value]]
Forms = TypeVar("Forms", bound=MatrixForms)
_PLACE = sympy.Dummy("element")  # what a function of every element is given


class ShapeError(Exception):
    """Two matrices that do not go together."""


class Standing(Generic[Forms]):
    """The numbers of samples that have the same weights, at some ``times``; how letters stand is up to subclasses."""

    def __init__(self, forms: Forms, samples: Sequence[Values], times: Mapping[Index, int] | None = None) -> None:
        self.forms, self.samples, self.times = forms, samples, dict(times or {})
        self.count = len(samples)

    def letter(self, name: str, time: sympy.Expr | None = None) -> Matrix | Value:
        """A tensor as its letter stands in the formulas."""
        raise NotImplementedError

    def _array(self, name: str, values: Iterable[Value], shape: tuple[int, ...]) -> Matrix | Value:
        """The numbers of a tensor, or of a derivative by one, as the tensor stands for one sample."""
        numbers = list(values)
        if not shape:
            return numbers[0]
        width = shape[1] if len(shape) == 2 else 1
        table = [numbers[n : n + width] for n in range(0, len(numbers), width)]
        return _transposed(table) if self.forms.turned(name.removeprefix("∂"), len(shape)) else table

    def of(self, form: Form) -> Matrix | Value:
        """The value of a form."""
        match form:
            case Number(value) | Single(value):
                return compile_scalar(value)({i.name: n for i, n in self.times.items()}, self.samples[0])
            case Count(share):
                return 1 / context.mpf(self.count) if share else context.mpf(self.count)
            case Letter(name, turned, time):
                stands = self.letter(name, time)
                return _transposed(stands) if turned and isinstance(stands, list) else stands
            case Transposed(inside):
                return _transposed(matrix(self.of(inside)))
            case Ones(extent, turned):
                ones = [context.one] * (extent or self.count)
                return [ones] if turned else _transposed([ones])
            case Sum(terms):
                values = (_each(lambda v: -v, self.of(term)) if negative else self.of(term) for negative, term in terms)
                return reduce(_plus, values)
            case Product(factors):
                return reduce(_product, map(self.of, factors))
            case Diagonal(inside):
                return _diagonal(matrix(self.of(inside)))
            case Elementwise(factors):
                return reduce(_times, map(self.of, factors))
            case Scaled(front, matrix_form):
                scale = context.fprod(map(_number, map(self.of, front)))
                return _each(lambda v: scale * v, self.of(matrix_form))
            case Power(base, exponent):
                power = int(exponent) if exponent.is_Integer else number(exponent)
                return _each(lambda v: v**power, self.of(base))
            case Positive(inside):
                return _each(lambda v: context.mpf(v.real > 0), self.of(inside))
            case Applied(call, inside):
                function = compile_scalar(call.func(_PLACE, *call.args[1:]))
                return _each(lambda v: function({_PLACE.name: v}, {}), self.of(inside))
            case During(time, first, last, inside):
                return self.of(inside) if first <= self._at(time) <= last else context.zero
            case OverTime(index, first, last, inside):
                moments = ({**self.times, index: n} for n in range(first, last + 1))
                return reduce(_plus, (type(self)(self.forms, self.samples, times).of(inside) for times in moments))

    def _at(self, moment: sympy.Expr) -> int:
        """An index expression at these times."""
        return int(moment.xreplace({index: sympy.Integer(n) for index, n in self.times.items()}))


class BatchStanding(Standing[BatchForms]):
    """The matrices of a batch; where samples are an index of the equations, there is one that is all of them."""

    def __init__(self, forms: BatchForms, samples: Sequence[Values], times: Mapping[Index, int] | None = None) -> None:
        super().__init__(forms, samples, times)
        if forms.coupling:
            self.count = int(samples[0][forms.coupling.count.tensor][()])

    def letter(self, name: str, time: sympy.Expr | None = None) -> Matrix | Value:
        if not self.forms.sampled(name):
            return self._array(name, self.samples[0][name].values(), self.forms.tensors[name].shape)
        values = [value for sample in self.samples for value in sample[name].values()]
        width = len(values) // self.count
        table = [values[n : n + width] for n in range(0, len(values), width)]
        return table if self.forms.rows else _transposed(table)

    def total(self, name: str, mean: bool) -> Matrix:
        """The derivative by a weight, as the weight stands, summed or averaged over the samples."""
        shape = self.forms.tensors[name].shape
        parts = [matrix(self._array(name, sample[name].values(), shape)) for sample in self.samples]
        share = context.mpf(1) / len(parts) if mean else context.mpf(1)
        return [[share * context.fsum(v) for v in zip(*lines, strict=True)] for lines in zip(*parts, strict=True)]


class VectorStanding(Standing[VectorForms]):
    """The vectors of one sample."""

    def letter(self, name: str, time: sympy.Expr | None = None) -> Matrix | Value:
        values, shape = self.samples[0][name], self.forms.tensors[name].shape
        if time is None:
            return self._array(name, values.values(), shape)
        moment = self._at(time)
        return self._array(name, (v for point, v in values.items() if point[0] == moment), shape[1:])


def matrix(value: Matrix | Value) -> Matrix:
    """A number as the matrix of one row and one column."""
    return value if isinstance(value, list) else [[value]]


def shape_of(value: Matrix) -> tuple[int, int]:
    return len(value), len(value[0])


def _transposed(value: Matrix) -> Matrix:
    return [list(column) for column in zip(*value, strict=True)]


def _diagonal(value: Matrix) -> Matrix:
    """The diagonal matrix of a row or a column."""
    if min(shape_of(value)) != 1:
        raise ShapeError
    elements = [v for line in value for v in line]
    return [[v if r == c else context.zero for c in range(len(elements))] for r, v in enumerate(elements)]


def _number(value: Matrix | Value) -> Value:
    """A number in front of a matrix; one of one row and one column is a number."""
    if not isinstance(value, list):
        return value
    if shape_of(value) != (1, 1):
        raise ShapeError
    return value[0][0]


def _each(function: Callable[[Value], Value], value: Matrix | Value) -> Matrix | Value:
    return [[function(v) for v in line] for line in value] if isinstance(value, list) else function(value)


def _both(function: Callable[[Value, Value], Value], one: Matrix | Value, other: Matrix | Value) -> Matrix | Value:
    if not isinstance(one, list):
        return _each(lambda v: function(one, v), other)
    if not isinstance(other, list):
        return _each(lambda v: function(v, other), one)
    if shape_of(one) != shape_of(other):
        raise ShapeError
    return [[function(a, b) for a, b in zip(*lines, strict=True)] for lines in zip(one, other, strict=True)]


def _plus(one: Matrix | Value, other: Matrix | Value) -> Matrix | Value:
    return _both(lambda a, b: a + b, one, other)


def _times(one: Matrix | Value, other: Matrix | Value) -> Matrix | Value:
    return _both(lambda a, b: a * b, one, other)


def _product(one: Matrix | Value, other: Matrix | Value) -> Matrix | Value:
    if not isinstance(one, list) or not isinstance(other, list):
        return _times(one, other)
    if shape_of(one)[1] != shape_of(other)[0]:
        raise ShapeError
    columns = _transposed(other)
    return [[context.fdot(line, column) for column in columns] for line in one]
