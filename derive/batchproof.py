"""The matrix forms of a batch with numbers put in: what has to agree with the samples, one after the other.

A matrix is a list of rows.  A number goes with any matrix; everything else must have the shapes that its operation
asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import sympy

from derive.batchform import BatchForms
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
from derive.evaluate import Number as Value
from derive.evaluate import Values, compile_scalar, context
from derive.gradient import Sweep
from derive.network import Equation, Network, Scan, Tensor, flatten

Matrix = list[list[Value]]
_PLACE = sympy.Dummy("element")  # what a function of every element is given


class ShapeError(Exception):
    """Two matrices that do not go together."""


def has_batches(network: Network) -> bool:
    """Whether the samples of a batch may be put beside each other: no recurrence, and no index for them already."""
    scans = any(isinstance(step, Scan) for step in network.equations)
    return not (network.coupling or scans) and bool(network.of_role("input"))


def in_batches(network: Network, swept: Sweep) -> tuple[list[Equation], list[Equation]]:
    """The equations that are read as those of a batch: values and δs in order, then derivatives by weights."""
    forward = [eq for eq in network.flat_equations if not network.tensors[eq.lhs.tensor].anonymous]
    backward = flatten(swept.equations)
    deltas = [eq for eq in backward if eq.lhs.tensor[1:] in swept.deltas and not eq.accumulate]
    slopes = [eq for eq in backward if eq.lhs.tensor.removeprefix("∂") in swept.weights]
    return [eq for eq in [*forward, *deltas] if eq.lhs.tensor != network.loss], slopes


def differences(network: Network, swept: Sweep, samples: Sequence[Values]) -> Iterator[tuple[Value, Value]]:
    """Pairs that must be equal: an element of a matrix and what the samples, of the same weights, say it is.

    Raises
    ------
    ShapeError
        where the matrices of a form do not go together.
    """
    tensors = {**network.tensors, **swept.tensors}
    equations = {eq.lhs.tensor: eq for eq in [*network.flat_equations, *flatten(swept.equations)]}
    matrices = [t.name for t in network.weights if len(t.shape) == 2]
    mean = network.batch != "sum"
    for rows in (False, True):
        for flipped in ([], matrices) if matrices else ([],):
            forms = BatchForms(tensors, equations.__getitem__, rows, flipped)
            stands = Standing(forms, samples)
            values, slopes = in_batches(network, swept)
            for eq in values:
                if (form := forms.equation(eq)) is not None:
                    yield from _pairs(stands.of(form), stands.matrix(eq.lhs.tensor))
            for eq in slopes:
                if (form := forms.gradient(eq, mean)) is not None:
                    yield from _pairs(stands.of(form), stands.total(eq.lhs.tensor, mean))


def _pairs(found: Matrix | Value, expected: Matrix) -> Iterator[tuple[Value, Value]]:
    if not isinstance(found, list):
        found = [[found]]
    if _shape(found) != _shape(expected):
        raise ShapeError
    for one, other in zip(found, expected, strict=True):
        yield from zip(one, other, strict=True)


class Standing:
    """The matrices of the letters for a few samples, and the value of a form."""

    def __init__(self, forms: BatchForms, samples: Sequence[Values]) -> None:
        self.forms, self.samples = forms, samples

    def matrix(self, name: str) -> Matrix:
        """A tensor as its letter stands in the formulas."""
        if not self.forms.sampled(name):
            return self._weight(name, self.forms.tensors[name], self.samples[0])
        table = [list(sample[name].values()) for sample in self.samples]
        return table if self.forms.rows else _transposed(table)

    def total(self, name: str, mean: bool) -> Matrix:
        """The derivative by a weight, as the weight stands, summed or averaged over the samples."""
        weight = self.forms.tensors[name.removeprefix("∂")]
        parts = [self._weight(name, weight, sample) for sample in self.samples]
        share = context.mpf(1) / len(parts) if mean else context.mpf(1)
        return [[share * context.fsum(v) for v in zip(*lines, strict=True)] for lines in zip(*parts, strict=True)]

    def _weight(self, name: str, tensor: Tensor, values: Values) -> Matrix:
        numbers, width = list(values[name].values()), tensor.shape[1] if len(tensor.shape) == 2 else 1
        table = [numbers[n : n + width] for n in range(0, len(numbers), width)]
        return _transposed(table) if self.forms.turned(tensor.name, len(tensor.shape)) else table

    def of(self, form: Form) -> Matrix | Value:
        """The value of a form."""
        match form:
            case Number(value):
                return compile_scalar(value)({}, {})
            case Count(share):
                return 1 / context.mpf(len(self.samples)) if share else context.mpf(len(self.samples))
            case Letter(name, turned):
                matrix = self.matrix(name)
                if not self.forms.tensors[name].shape and not self.forms.sampled(name):
                    return matrix[0][0]
                return _transposed(matrix) if turned else matrix
            case Ones(extent, turned):
                ones = [context.one] * (extent or len(self.samples))
                return [ones] if turned else _transposed([ones])
            case Sum(terms):
                total: Matrix | Value = context.zero
                for n, (negative, term) in enumerate(terms):
                    value = self.of(term)
                    value = _each(lambda v: -v, value) if negative else value
                    total = _both(lambda a, b: a + b, total, value) if n else value
                return total
            case Product(factors):
                return self._folded(_product, factors)
            case Elementwise(factors):
                return self._folded(_times, factors)
            case Scaled(front, matrix_form):
                scale = context.fprod(map(_number, map(self.of, front)))
                return _each(lambda v: scale * v, self.of(matrix_form))
            case Power(base, exponent):
                return _each(lambda v: v**exponent, self.of(base))
            case Positive(inside):
                return _each(lambda v: context.mpf(v.real > 0), self.of(inside))
            case Applied(call, inside):
                function = compile_scalar(call.func(_PLACE, *call.args[1:]))
                return _each(lambda v: function({_PLACE.name: v}, {}), self.of(inside))

    def _folded(self, combine: Callable[..., Matrix | Value], factors: Sequence[Form]) -> Matrix | Value:
        found = self.of(factors[0])
        for factor in factors[1:]:
            found = combine(found, self.of(factor))
        return found


def _shape(matrix: Matrix) -> tuple[int, int]:
    return len(matrix), len(matrix[0])


def _transposed(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix, strict=True)]


def _number(value: Matrix | Value) -> Value:
    """A number in front of a matrix; one of one row and one column is a number."""
    if not isinstance(value, list):
        return value
    if _shape(value) != (1, 1):
        raise ShapeError
    return value[0][0]


def _each(function: Callable[[Value], Value], value: Matrix | Value) -> Matrix | Value:
    return [[function(v) for v in line] for line in value] if isinstance(value, list) else function(value)


def _both(function: Callable[[Value, Value], Value], one: Matrix | Value, other: Matrix | Value) -> Matrix | Value:
    if not isinstance(one, list):
        return _each(lambda v: function(one, v), other)
    if not isinstance(other, list):
        return _each(lambda v: function(v, other), one)
    if _shape(one) != _shape(other):
        raise ShapeError
    return [[function(a, b) for a, b in zip(*lines, strict=True)] for lines in zip(one, other, strict=True)]


def _times(one: Matrix | Value, other: Matrix | Value) -> Matrix | Value:
    return _both(lambda a, b: a * b, one, other)


def _product(one: Matrix | Value, other: Matrix | Value) -> Matrix | Value:
    if not isinstance(one, list) or not isinstance(other, list):
        return _times(one, other)
    if _shape(one)[1] != _shape(other)[0]:
        raise ShapeError
    columns = _transposed(other)
    return [[context.fdot(line, column) for column in columns] for line in one]
