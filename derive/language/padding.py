"""``p = pad(x, 1)``: a tensor with zeros around, whose indices stay those of x.

``p[i]`` is ``x[i]`` for every i that x has, and 0 up to one place beyond both ends: ``K[u] * p[i+u-2]`` is a
convolution that keeps the length of x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from derive.diagnostics import SpecError
from derive.language import syntax
from derive.language.arguments import SIGNATURES
from derive.language.scope import Shape, Value, shown

if TYPE_CHECKING:
    from derive.language.build import Builder


def padding(builder: Builder, body: syntax.Expr) -> tuple[syntax.Expr, tuple[int, ...]]:
    """A right side without its ``pad``, and the widths given there; no widths where it is no ``pad``."""
    if not (isinstance(body, syntax.Call) and body.function.id == "pad"):
        return body, ()
    usage = f"write {SIGNATURES['pad']}"
    if body.keywords:
        raise SpecError("the arguments of pad have no names", body.keywords[0].span, "", usage)
    if len(body.arguments) < 2:
        raise SpecError("pad takes an argument and widths", body.span, "no width is given", usage)
    return body.arguments[0], tuple(_width(builder, node, usage) for node in body.arguments[1:])


def _width(builder: Builder, node: syntax.Expr, usage: str) -> int:
    if isinstance(node, syntax.Number) and node.value == 0:
        return 0
    width = builder.extent(node)
    if width is None:
        raise SpecError("the width of a border is a whole number", node.span, "", usage)
    return width


def borders(widths: tuple[int, ...], value: Value, leading: int, body: syntax.Expr) -> Shape:
    """The width of the border in every dimension; none along the ``leading`` indices on the left side."""
    if not any(widths):
        return ()
    if not value.shape:
        raise SpecError("a scalar has no border", body.span, "", "pad a vector, a matrix or an image")
    if len(widths) not in (1, len(value.shape)):
        help = "give one width for all dimensions, or one for each: pad(x, 0, 1, 1)"
        raise SpecError(
            "wrong number of widths", body.span, f"{len(widths)} given, and this is {shown(value.shape)}", help
        )
    return (0,) * leading + (widths if len(widths) > 1 else widths * len(value.shape))
