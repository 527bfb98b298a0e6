"""Numbers that users hand over for the tensors of a network, checked, and numbers handed back."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import Any

import sympy

from derive.diagnostics import SpecError, did_you_mean
from derive.evaluate import Number, Values, array, context, nested, number, run
from derive.expressions import Access
from derive.network import Equation, Network, Role, Scan, Tensor
from derive.selection import choices


def given(network: Network, data: Mapping[str, Any], needed: Collection[Role]) -> Values:
    """Data for one sample in working precision: what is given, else initial weights, masks that are 1, and constants.

    Raises
    ------
    SpecError
        for a name that takes no data, for a tensor of a ``needed`` role without numbers, for a wrong shape.
    """
    takes = {t.name: t for t in [*network.data, *network.weights]}
    for name in data:
        if name not in takes:
            help = did_you_mean(name, takes) or f"numbers are given for {', '.join(takes)}"
            raise SpecError(f"'{name}' is not an input, target or weight", help=help)
    values = {n: array(v, takes[n]) for n, v in network.initial.items() if n not in data}
    values |= {m.name: {_place(e): context.one for e in m.elements()} for m in network.of_role("mask")}
    values |= {name: array(v, network.tensors[name]) for name, v in network.constants.items()}
    values |= {name: _array(takes[name], numbers) for name, numbers in data.items()}
    for tensor in takes.values():
        if tensor.role in needed and tensor.name not in values:
            raise SpecError(f"no numbers are given for the {tensor.role} {tensor}", help=f"add: {tensor.name}=…")
    for name, last in choices(network.flat_equations).items():
        for value in values.get(name, {}).values() if name in data else ():
            if not context.isint(value) or not 1 <= value <= last:
                help = f"{name} chooses one of {last} places: whole numbers from 1 to {last}"
                raise SpecError(f"{float(value):g} is no place that {name} may choose", help=help)
    return values


def computed(steps: Iterable[Equation | Scan], values: Values, tensors: Mapping[str, Tensor]) -> Values:
    """Equations carried out on numbers; raises :class:`SpecError` where something has no real value."""
    try:
        run(steps, values, tensors)
        real = all(context.isfinite(v) and not v.imag for array in values.values() for v in array.values())
    except (ZeroDivisionError, ValueError, OverflowError):
        real = False
    if not real:
        help = "look for a logarithm or a root of something negative, or a division by zero"
        raise SpecError("the network has no real value at these numbers", help=help)
    return values


def _array(tensor: Tensor, numbers: Any) -> dict[tuple[int, ...], Number]:
    """Numbers or nested sequences of them, in the shape of a tensor."""
    numbers = numbers.tolist() if hasattr(numbers, "tolist") else numbers
    shape = _shape(tensor, numbers)
    if shape != tensor.shape:
        have = f"[{', '.join(map(str, shape))}]" if shape else "a number"
        want = f"[{', '.join(map(str, tensor.shape))}]" if tensor.shape else "one number"
        help = f"{want} is needed, one sample at a time; this is {have}"
        raise SpecError(f"wrong shape for {tensor.name}", help=help)
    found = {}
    for element in tensor.elements():
        place = _place(element)
        value = numbers
        for i in place:
            value = value[i - 1]
        found[place] = _number(tensor, value)
    return found


def _place(element: Access) -> tuple[int, ...]:
    return tuple(int(i) for i in element.indices)


def _shape(tensor: Tensor, numbers: Any) -> tuple[int, ...]:
    if not isinstance(numbers, list | tuple):
        return ()
    shapes = {_shape(tensor, row) for row in numbers}
    if len(shapes) > 1:
        raise SpecError(f"wrong shape for {tensor.name}", help="make all rows equally long")
    return (len(numbers), *(shapes.pop() if shapes else ()))


def _number(tensor: Tensor, value: Any) -> Number:
    if isinstance(value, Fraction):
        return number(sympy.Rational(value.numerator, value.denominator))
    if isinstance(value, sympy.Expr) and value.is_number and value.is_real:
        return number(value)
    try:
        converted = context.mpf(value if isinstance(value, int | float) else float(value))
    except (TypeError, ValueError):
        raise SpecError(f"'{value}' is no real number", help=f"{tensor} holds real numbers") from None
    if not math.isfinite(converted):
        raise SpecError(f"'{value}' is no real number", help=f"{tensor} holds finite numbers")
    return converted


def floats(network: Network, values: Values) -> dict[str, Any]:
    """What has a name as Python floats and NumPy arrays of float64."""
    import numpy as np

    named = [t for t in network.tensors.values() if t.name in values and not t.anonymous]
    return {t.name: np.array(nested(values[t.name], t)) if t.shape else float(values[t.name][()].real) for t in named}
