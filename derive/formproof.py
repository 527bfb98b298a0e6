"""The matrix forms with numbers put in: what has to agree with the equations in indices.

Those of a batch are held against the samples, one after the other; those of one sample against its values at every
time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from derive.batchform import BatchForms
from derive.evaluate import Number, Values
from derive.expressions import index_symbols
from derive.formtree import Form, Letter, nodes
from derive.formvalue import BatchStanding, Forms, Matrix, ShapeError, VectorStanding, matrix, shape_of
from derive.gradient import Sweep
from derive.network import Equation, Network, Scan, Tensor, flatten
from derive.readform import Arrangement
from derive.vectorform import VectorForms

Pairs = Iterator[tuple[Number, Number]]


def has_batches(network: Network) -> bool:
    """Whether the samples of a batch may be put beside each other: there are some, and no recurrence."""
    scans = any(isinstance(step, Scan) for step in network.equations)
    return not scans and bool(network.of_role("input"))


def named_equations(network: Network, swept: Sweep) -> tuple[list[Equation], list[Equation], list[Equation]]:
    """What is read as equations of matrices: those of values, of δs, and of derivatives by weights."""
    forward = [eq for eq in network.flat_equations if not network.tensors[eq.lhs.tensor].anonymous]
    added = {eq.lhs.tensor for eq in flatten(swept.equations) if eq.accumulate}  # in several steps
    backward = [eq for eq in flatten(swept.equations) if eq.lhs.tensor not in added]
    deltas = [eq for eq in backward if eq.lhs.tensor[1:] in swept.deltas]
    slopes = [eq for eq in backward if eq.lhs.tensor.removeprefix("∂") in swept.weights]
    return forward, deltas, slopes


def in_batches(network: Network, swept: Sweep) -> tuple[list[Equation], list[Equation]]:
    """The equations that are read as those of a batch: values and δs in order, then derivatives by weights.

    The loss is among them where its equation is about the batch.
    """
    forward, deltas, slopes = named_equations(network, swept)
    return [eq for eq in [*forward, *deltas] if network.coupling or eq.lhs.tensor != network.loss], slopes


@dataclass(frozen=True)
class Reading(Generic[Forms]):
    """An equation with its matrix form, and the reader that found it."""

    forms: Forms
    equation: Equation
    form: Form


def batch_readings(network: Network, swept: Sweep) -> list[Reading[BatchForms]]:
    """All forms of a batch, however samples and weights stand."""
    tensors, equations, _ = _all(network, swept)
    values, slopes = in_batches(network, swept)
    matrices = [w.name for w in network.weights if len(w.shape) == 2]
    found = []
    for rows in (False, True):
        said: set[int] = set()  # the equations that say the same however matrices of weights stand
        for flipped in ([], matrices) if matrices else ([],):
            forms = BatchForms(tensors, equations.__getitem__, Arrangement(rows, flipped), network.coupling)
            for eq in (*values, *slopes):
                form = forms.right(eq, network.batch != "sum") if id(eq) not in said else None
                if form is None:
                    continue
                found.append(Reading(forms, eq, form))
                letters = {node.tensor for node in nodes(form) if isinstance(node, Letter)}
                if not letters.union([eq.lhs.tensor.removeprefix("∂")]).intersection(matrices):
                    said.add(id(eq))
    return found


def batch_differences(network: Network, readings: Sequence[Reading[BatchForms]], samples: Sequence[Values]) -> Pairs:
    """Pairs that must be equal: an element of a matrix and what the samples, of the same weights, say it is.

    Where samples are an index, the one of ``samples`` is the whole batch.

    Raises
    ------
    ShapeError
        where the matrices of a form do not go together.
    """
    mean = network.batch != "sum"
    for reading in readings:
        stands, name = BatchStanding(reading.forms, samples), reading.equation.lhs.tensor
        of_weight = reading.forms.tensors[name.removeprefix("∂")].role == "weight"
        expected = stands.total(name, mean) if of_weight else matrix(stands.letter(name))
        yield from _pairs(matrix(stands.of(reading.form)), expected)


def vector_readings(network: Network, swept: Sweep) -> list[Reading[VectorForms]]:
    """All forms of one sample, vectors being columns, or rows that go with the matrices of layers."""
    tensors, equations, steps = _all(network, swept)
    made = [w.name for w in network.weights if w.name in network.made and len(w.shape) == 2]
    found = []
    for rows, flipped in ((False, []), (True, made)):
        forms = VectorForms(tensors, equations.__getitem__, Arrangement(rows, flipped), steps)
        read = [(eq, forms.right(eq)) for group in named_equations(network, swept) for eq in group]
        found += [Reading(forms, eq, form) for eq, form in read if form is not None]
    return found


def vector_differences(readings: Sequence[Reading[VectorForms]], values: Values) -> Pairs:
    """Pairs that must be equal: an element of a vector, at every time, and the value that it has by its equation.

    Raises
    ------
    ShapeError
        where the matrices of a form do not go together.
    """
    for reading in readings:
        eq = reading.equation
        letter, _ = reading.forms.letter(eq.lhs)
        times = sorted(index_symbols(letter.time), key=str) if letter.time is not None else []
        for moments in itertools.product(*(range(eq.ranges[t][0], eq.ranges[t][1] + 1) for t in times)):
            stands = VectorStanding(reading.forms, [values], dict(zip(times, moments, strict=True)))
            yield from _pairs(matrix(stands.of(reading.form)), matrix(stands.of(letter)))


def _all(network: Network, swept: Sweep) -> tuple[dict[str, Tensor], dict[str, Equation], list[Equation | Scan]]:
    """All tensors, the equation of each, and all steps."""
    steps = [*network.equations, *swept.equations]
    return {**network.tensors, **swept.tensors}, {eq.lhs.tensor: eq for eq in flatten(steps)}, steps


def _pairs(found: Matrix, expected: Matrix) -> Pairs:
    if found == [[0]]:  # at a time at which nothing is there
        found = [[found[0][0]] * len(line) for line in expected]
    if shape_of(found) != shape_of(expected):
        raise ShapeError
    for one, other in zip(found, expected, strict=True):
        yield from zip(one, other, strict=True)
