"""The words of a notebook's cells: numbers, lists and definitions as Python source."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sympy

from codegen.formats.numpycode import INDENT
from codegen.formulas.layout import Shown, mantissa_places
from derive.expressions import Access, accesses
from derive.functions import Formula
from derive.network import Equation, Numbers, Tensor
from derive.tidy import derivative_of

ALIKE = 8  # elements that are all listed though they are equal


def functions_in(equations: Iterable[Equation]) -> list[Any]:
    """All functions given by a formula, those inside formulas and their derivatives included, in the order met."""
    found: list[Any] = []
    waiting: list[Any] = [type(f) for eq in equations for f in sorted(eq.body.atoms(Formula), key=str)]
    while waiting:
        function = waiting.pop(0)
        if function not in found:
            found.append(function)
            places = [n for n, p in enumerate(function.parameters) if p not in function.defaults]
            bodies = [function.body, *(derivative_of(function, n) for n in places)]
            waiting += [type(f) for body in bodies for f in sorted(body.atoms(Formula), key=str)]
    return found


def needed(wanted: Iterable[Access], definitions: dict[Access, sympy.Expr]) -> dict[Access, sympy.Expr]:
    """The definitions of what is wanted and of all that these read."""
    found: dict[Access, sympy.Expr] = {}
    waiting = list(reversed(list(wanted)))
    while waiting:
        element = waiting.pop()
        if element in definitions and element not in found:
            found[element] = definitions[element]
            waiting += reversed(accesses(definitions[element]))
    return found


def printed_as(shown: Shown, decimals: int) -> tuple[str, int]:
    """A printed number as Python writes it, and the decimal place up to which it holds."""
    parts = re.fullmatch(r"(-?[\d.]+)(?: \\cdot 10\^\{(-?\d+)\})?", shown.text)
    assert parts is not None, shown.text
    mantissa, exponent = parts.groups()
    if exponent is not None:
        return f"{mantissa}e{exponent}", mantissa_places(decimals) - int(exponent)
    return mantissa, max(decimals, 9) if shown.exact else decimals


def flat(tensor: Tensor, value: Numbers | None) -> list[str]:
    """The numbers of all elements in order; a mask that is not given is 1."""

    def walk(part: Numbers, depth: int) -> Iterable[str]:
        if depth == 0:
            return [number_text(part)]
        return [text for item in part for text in walk(item, depth - 1)]

    return ["1.0"] * tensor.size if value is None else list(walk(value, len(tensor.shape)))


def array_text(tensor: Tensor, value: Numbers | None) -> str:
    numbers = iter(flat(tensor, value))

    def nest(shape: tuple[int, ...]) -> str:
        if not shape:
            return next(numbers)
        return f"[{', '.join(nest(shape[1:]) for _ in range(shape[0]))}]"

    if value is None and tensor.shape:
        return f"np.ones({tensor.shape})"
    if tensor.size > ALIKE and len(alike := set(flat(tensor, value))) == 1:
        return f"np.full({tensor.shape}, {alike.pop()})"
    return f"np.array({nest(tensor.shape)})" if tensor.shape else next(numbers)


def number_text(value: sympy.Expr) -> str:
    return repr(float(value))


def tuple_text(names: list[str]) -> str:
    return ", ".join(names) if len(names) > 1 else f"({''.join(names)}{',' * len(names)})"


def list_text(names: list[str]) -> str:
    return f"[{', '.join(names)}]"


def indented(lines: Iterable[str]) -> list[str]:
    return [INDENT + line if line else line for line in lines]


def nested(names: list[str], shape: tuple[int, ...]) -> str:
    """The elements of an array as lists in lists."""
    if len(shape) < 2:
        return list_text(names)
    size = len(names) // shape[0]
    return list_text([nested(names[n : n + size], shape[1:]) for n in range(0, len(names), size)])


def filled(head: str, items: list[str], tail: str, width: int = 110) -> list[str]:
    """Items between brackets, on several lines where one is too long."""
    line = f"{head}{', '.join(items)}{tail}"
    if len(line) <= width:
        return [line]
    lines = [INDENT]
    for item in items:
        if len(lines[-1]) + len(item) > width and lines[-1].strip():
            lines.append(INDENT)
        lines[-1] += f"{item}, "
    return [head, *(line.rstrip() for line in lines), tail]
