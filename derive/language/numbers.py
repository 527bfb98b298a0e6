"""Numbers in a specification: exact rationals, checked against the shapes they are meant for."""

from __future__ import annotations

from collections.abc import Iterable

import sympy

from derive.diagnostics import Span, SpecError
from derive.language import syntax
from derive.network import Numbers, Tensor

MAX_ELEMENTS = 100_000_000  # of one tensor
MAX_FILLED = 1_000_000  # elements that get one number each


def rational(number: syntax.Number) -> sympy.Rational:
    return sympy.Rational(number.value.numerator, number.value.denominator)


def fill(shape: tuple[int, ...], value: sympy.Rational) -> Numbers:
    """An array of one value; its rows are one list, which nobody changes."""
    return value if not shape else [fill(shape[1:], value)] * shape[0]


def filled(tensor: Tensor, value: sympy.Rational, span: Span) -> Numbers:
    """One value for all elements of a tensor, of which there must not be too many."""
    if tensor.size > MAX_FILLED:
        label = f"{tensor.name} has {tensor.size:,} elements"
        help = f"numbers are for at most {MAX_FILLED:,} elements; the trainer draws its own first weights"
        raise SpecError("too many numbers", span, label, help)
    return fill(tensor.shape, value)


def nested(values: syntax.Values) -> Numbers:
    """The numbers of a bracketed list, as they are nested."""
    if isinstance(values.items, syntax.Number):
        return rational(values.items)
    return [nested(v) for v in values.items]


def shape_of(values: syntax.Values) -> tuple[int, ...]:
    """The shape of a nested list, which the grammar never leaves empty; raises where rows have different lengths."""
    if isinstance(values.items, syntax.Number):
        return ()
    shapes = [shape_of(v) for v in values.items]
    for item, shape in zip(values.items, shapes, strict=True):
        if shape != shapes[0]:
            raise SpecError("the rows of this list are not of one length", item.span, "", "make all rows equally long")
    return (len(shapes), *shapes[0])


def flat(values: syntax.Values) -> list[sympy.Rational]:
    """All numbers of a list, whatever its nesting."""
    if isinstance(values.items, syntax.Number):
        return [rational(values.items)]
    return [number for item in values.items for number in flat(item)]


def array(values: syntax.Values, tensor: Tensor, broadcast: bool = False) -> Numbers:
    """Numbers for a tensor; a plain list fills it in reading order, one number fills all of it if ``broadcast``."""
    shape = shape_of(values)
    if shape == tensor.shape:
        return nested(values)
    if not shape and broadcast:
        return filled(tensor, flat(values)[0], values.span)
    numbers = flat(values)
    if len(shape) <= 1 and len(numbers) == tensor.size:
        return reshape(numbers, tensor.shape)
    wanted = "one number" if not tensor.shape else f"{tensor.size} number{'s' * (tensor.size != 1)}"
    declared = f"{tensor.name}[{', '.join(map(str, tensor.shape))}]" if tensor.shape else f"the scalar {tensor.name}"
    if len(numbers) == tensor.size:
        given = f"these are [{', '.join(map(str, shape))}]"
        raise SpecError(f"wrong shape for {tensor.name}", values.span, given, f"write a list that fits {declared}")
    given = f"{len(numbers)} given"
    raise SpecError(f"wrong number of values for {tensor.name}", values.span, given, f"{declared} needs {wanted}")


def reshape(numbers: list[sympy.Rational], shape: tuple[int, ...]) -> Numbers:
    """A flat list in row-major order as nested lists."""
    if not shape:
        return numbers[0]
    step = len(numbers) // shape[0]
    return [reshape(numbers[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def decimals(statements: Iterable[syntax.Statement]) -> frozenset[sympy.Rational]:
    """The numbers that formulas have with a decimal point: notes print them as they stand."""
    formulas: list[syntax.Node] = []
    for s in statements:
        match s:
            case syntax.Equation() | syntax.Loss() | syntax.Define() | syntax.Update():
                formulas.append(s)
            case syntax.Rate() if any(isinstance(node, syntax.Name) for node in syntax.walk(s.value)):
                formulas.append(s.value)
    literals = (node for node in syntax.walk(tuple(formulas)) if isinstance(node, syntax.Number))
    return frozenset(rational(number) for number in literals if number.decimal)
