"""The matrix forms with numbers put in: what has to agree with the equations in indices.

Those of a batch are held against the samples, one after the other; those of one sample against its values at every
time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from derive.batchform import BatchForms
from derive.evaluate import Number, Values
from derive.expressions import index_symbols
from derive.formvalue import BatchStanding, Matrix, ShapeError, VectorStanding, matrix, shape_of
from derive.gradient import Sweep
from derive.network import Equation, Network, Scan, Tensor, flatten
from derive.vectorform import VectorForms

Pairs = Iterator[tuple[Number, Number]]


def has_batches(network: Network) -> bool:
    """Whether the samples of a batch may be put beside each other: no recurrence, and no index for them already."""
    scans = any(isinstance(step, Scan) for step in network.equations)
    return not (network.coupling or scans) and bool(network.of_role("input"))


def named_equations(network: Network, swept: Sweep) -> tuple[list[Equation], list[Equation], list[Equation]]:
    """What is read as equations of matrices: those of values, of δs, and of derivatives by weights."""
    forward = [eq for eq in network.flat_equations if not network.tensors[eq.lhs.tensor].anonymous]
    added = {eq.lhs.tensor for eq in flatten(swept.equations) if eq.accumulate}  # in several steps
    backward = [eq for eq in flatten(swept.equations) if eq.lhs.tensor not in added]
    deltas = [eq for eq in backward if eq.lhs.tensor[1:] in swept.deltas]
    slopes = [eq for eq in backward if eq.lhs.tensor.removeprefix("∂") in swept.weights]
    return forward, deltas, slopes


def in_batches(network: Network, swept: Sweep) -> tuple[list[Equation], list[Equation]]:
    """The equations that are read as those of a batch: values and δs in order, then derivatives by weights."""
    forward, deltas, slopes = named_equations(network, swept)
    return [eq for eq in [*forward, *deltas] if eq.lhs.tensor != network.loss], slopes


def batch_differences(network: Network, swept: Sweep, samples: Sequence[Values]) -> Pairs:
    """Pairs that must be equal: an element of a matrix and what the samples, of the same weights, say it is.

    Raises
    ------
    ShapeError
        where the matrices of a form do not go together.
    """
    tensors, equations, _ = _all(network, swept)
    mean = network.batch != "sum"
    values, slopes = in_batches(network, swept)
    for rows, flipped in _layouts(network):
        forms = BatchForms(tensors, equations.__getitem__, rows, flipped)
        stands = BatchStanding(forms, samples)
        for eq in values:
            if (form := forms.equation(eq)) is not None:
                yield from _pairs(matrix(stands.of(form)), matrix(stands.letter(eq.lhs.tensor)))
        for eq in slopes:
            if (form := forms.gradient(eq, mean)) is not None:
                yield from _pairs(matrix(stands.of(form)), stands.total(eq.lhs.tensor, mean))


def vector_differences(network: Network, swept: Sweep, values: Values) -> Pairs:
    """The same for the vectors of one sample, at every time.

    Raises
    ------
    ShapeError
        where the matrices of a form do not go together.
    """
    tensors, equations, steps = _all(network, swept)
    forward, deltas, slopes = named_equations(network, swept)
    for rows, flipped in _layouts(network):
        forms = VectorForms(tensors, equations.__getitem__, steps, rows, flipped)
        for eq in [*forward, *deltas, *slopes]:
            form = forms.right(eq)
            if form is None:
                continue
            letter, _ = forms.letter(eq.lhs)
            times = sorted(index_symbols(letter.time), key=str) if letter.time is not None else []
            for moments in itertools.product(*(range(eq.ranges[t][0], eq.ranges[t][1] + 1) for t in times)):
                stands = VectorStanding(forms, [values], dict(zip(times, moments, strict=True)))
                yield from _pairs(matrix(stands.of(form)), matrix(stands.of(letter)))


def _all(network: Network, swept: Sweep) -> tuple[dict[str, Tensor], dict[str, Equation], list[Equation | Scan]]:
    """All tensors, the equation of each, and all steps."""
    steps = [*network.equations, *swept.equations]
    return {**network.tensors, **swept.tensors}, {eq.lhs.tensor: eq for eq in flatten(steps)}, steps


def _layouts(network: Network) -> Iterator[tuple[bool, list[str]]]:
    """Columns and rows, with matrices of weights that stand as their indices do or the other way round."""
    matrices = [t.name for t in network.weights if len(t.shape) == 2]
    yield from itertools.product((False, True), ([], matrices) if matrices else ([],))


def _pairs(found: Matrix, expected: Matrix) -> Pairs:
    if found == [[0]]:  # at a time at which nothing is there
        found = [[found[0][0]] * len(line) for line in expected]
    if shape_of(found) != shape_of(expected):
        raise ShapeError
    for one, other in zip(found, expected, strict=True):
        yield from zip(one, other, strict=True)
