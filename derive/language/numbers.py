"""Numbers in a specification: exact rationals, checked against the shapes they are meant for."""

from __future__ import annotations

import sympy

from derive.diagnostics import SpecError
from derive.language import syntax
from derive.network import Numbers, Tensor

MAX_ELEMENTS = 20_000_000  # of one tensor


def rational(number: syntax.Number) -> sympy.Rational:
    return sympy.Rational(number.value.numerator, number.value.denominator)


def fill(shape: tuple[int, ...], value: sympy.Rational) -> Numbers:
    """An array of one value."""
    return value if not shape else [fill(shape[1:], value) for _ in range(shape[0])]


def nested(values: syntax.Values) -> Numbers:
    """The numbers of a bracketed list, as they are nested."""
    if isinstance(values.items, syntax.Number):
        return rational(values.items)
    return [nested(v) for v in values.items]


def shape_of(values: syntax.Values) -> tuple[int, ...]:
    """The shape of a nested list; raises where rows have different lengths."""
    if isinstance(values.items, syntax.Number):
        return ()
    if not values.items:
        raise SpecError("an empty list", values.span, "", "write numbers: [1, 2]")
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
        return fill(tensor.shape, flat(values)[0])
    numbers = flat(values)
    if len(shape) <= 1 and len(numbers) == tensor.size:
        return reshape(numbers, tensor.shape)
    wanted = "one number" if not tensor.shape else f"{tensor.size} number{'s' * (tensor.size != 1)}"
    declared = f"{tensor.name}[{', '.join(map(str, tensor.shape))}]" if tensor.shape else f"the scalar {tensor.name}"
    got = f"{len(numbers)} given" if len(numbers) != tensor.size else f"these are [{', '.join(map(str, shape))}]"
    raise SpecError(f"wrong number of values for {tensor.name}", values.span, got, f"{declared} needs {wanted}")


def reshape(numbers: list[sympy.Rational], shape: tuple[int, ...]) -> Numbers:
    """A flat list in row-major order as nested lists."""
    if not shape:
        return numbers[0]
    step = len(numbers) // shape[0]
    return [reshape(numbers[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def literals(statement: object) -> list[syntax.Number]:
    """Every number literal below a node of the syntax tree."""
    if isinstance(statement, syntax.Number):
        return [statement]
    if isinstance(statement, tuple):
        return [n for item in statement for n in literals(item)]
    if isinstance(statement, syntax.Node):
        return [n for value in vars(statement).values() for n in literals(value)]
    return []
