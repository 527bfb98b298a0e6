"""Masks: data that the trainer draws, 0 with probability p and else 1/(1 − p), so that their mean is 1.

``dropout(h, p)`` is h times a mask of its own (Srivastava and others 2014, scaled while training).  To the calculus a
mask is an input like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Access
from derive.language import numbers, syntax
from derive.language.arguments import bind
from derive.language.scope import Shape, Value
from derive.network import Tensor

if TYPE_CHECKING:
    from derive.language.build import Builder
    from derive.language.lowering import Lowering

_PARAMETERS = tuple(syntax.Parameter(Span(0, 0), name, None) for name in ("h", "p"))


def kept(probability: sympy.Rational) -> sympy.Rational:
    """The value of an element that is not dropped."""
    return 1 / (1 - probability)


def declare_mask(builder: Builder, statement: syntax.Mask) -> None:
    """``mask m[16] = 0.2``."""
    builder.add_tensor(statement.target.name, builder.shape(statement.target), "mask")
    value = numbers.rational(statement.probability)
    builder.masks[statement.target.name.id] = _checked(value, statement.probability.span)


def dropout(lowering: Lowering, node: syntax.Call, expected: Shape | None) -> Value:
    """``dropout(h, 0.2)``: h times a fresh mask M1, M2, … of its shape."""
    builder = lowering.builder
    if lowering.scope.bound:
        raise SpecError(
            "dropout cannot stand inside an indexed equation",
            node.span,
            "",
            "declare a mask, and multiply by it: mask m[16] = 0.2 and m[i] * h[i]",
        )
    argument, given_probability = bind(node, _PARAMETERS)
    source = lowering.named(lowering.lower(argument, expected), "u", always=True)
    given = lowering.lower(given_probability, ())
    probability = given.probe()
    if not probability.is_Rational:
        raise SpecError("the probability of dropout is a number", given.span, "", "for example: dropout(h, 0.2)")
    name = f"M{1 + builder.dropouts}"
    if name in builder.spans:
        raise SpecError(
            f"the mask of this dropout would be called {name}, a name that is taken",
            node.span,
            "",
            f"rename your {name}, or declare a mask of your own: mask m[16] = 0.2",
        )
    builder.dropouts += 1
    builder.spans[name] = node.span
    builder.masks[name] = _checked(probability, given.span)
    builder.put_tensor(Tensor(name, source.shape, "mask"), node.span)
    builder.used.add(name)
    mask = Value(source.shape, lambda i: Access(name, *i), node.span, (name,))
    return lowering.elementwise(lambda a, m: a * m, node.span, source, mask)


def check_drawn(values: syntax.Values, probability: sympy.Rational) -> None:
    """A mask in a sample holds what the trainer may draw."""
    one = kept(probability)
    for place in syntax.walk(values):
        if isinstance(place, syntax.Number) and numbers.rational(place) not in (0, one):
            help = f"with probability {probability} an element is 0, else it is 1/(1 - {probability}) = {one}"
            raise SpecError("no element of this mask has such a value", place.span, "", help)


def _checked(probability: sympy.Rational, span: Span) -> sympy.Rational:
    if not 0 <= probability < 1:
        help = "it is the probability that an element becomes 0: at least 0 and below 1"
        raise SpecError("this cannot be the probability of a mask", span, "", help)
    return probability
