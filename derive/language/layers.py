"""``linear(x)`` and ``dense(x)``: layers whose weights are made for the user, and the names of what they make."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Access, partial
from derive.language import syntax
from derive.language.names import LAYERS
from derive.language.scope import Pending, Shape, Value, shown
from derive.network import Tensor

if TYPE_CHECKING:
    from derive.language.build import Builder
    from derive.language.lowering import Lowering


def makes_layer(node: syntax.Expr) -> bool:
    """Whether an expression makes a layer somewhere inside."""
    match node:
        case syntax.Call():
            values = (*node.arguments, *(k.value for k in node.keywords))
            return node.function.id in LAYERS or any(makes_layer(v) for v in values)
        case syntax.Binary():
            return makes_layer(node.left) or makes_layer(node.right)
        case syntax.Negate():
            return makes_layer(node.operand)
    return False


def layer(lowering: Lowering, node: syntax.Call, expected: Shape | None) -> Value:
    """``linear(x)`` and ``dense(x)``: fresh weights, one for each pair of an output and an element of x, and a bias.

    The weights of an image ``x[c, i, j]`` are ``W1[o, c, i, j]``: nothing is flattened.
    """
    if not set(lowering.scope.bound.values()) <= set(lowering.scope.left):
        raise SpecError(
            "a layer cannot stand inside a sum",
            node.span,
            "",
            "give it a line of its own, h[t] = dense(x[t]), or declare its weights and write W @ x + b",
        )
    if expected is None:
        raise SpecError(
            "the size of this layer is unknown",
            node.span,
            "how many outputs?",
            f"give it a line of its own, as in u[8] = {lowering.builder.text(node.span)}",
        )
    if len(expected) > 1:
        raise SpecError(
            "a layer makes a vector",
            node.span,
            f"{shown(expected)} is asked for",
            "use @ or sum(j: …) for more indices",
        )
    source = lowering.lower(node.arguments[0], None)
    source = lowering.named(source, "u", always=True)
    rows, columns = (expected or (1,))[0], source.shape or (1,)
    weight, bias = _new_weights(lowering.builder, node, rows, columns)

    def row(indices: tuple[sympy.Expr, ...]) -> sympy.Expr:
        return indices[0] if expected else sympy.Integer(1)

    order = (weight, *source.order)
    if source.shape:
        over = tuple(lowering.scope.fresh(n) for n in columns)
        terms = Value(expected, lambda i: Access(weight, row(i), *over) * source.element(over), node.span, order)
        product = lowering.reduce("sum", over, terms)
    else:
        product = Value(expected, lambda i: Access(weight, row(i), 1) * source.element(()), node.span, order)
    if bias is None:
        return product
    return Value(expected, lambda i: product.element(i) + Access(bias, row(i)), node.span, (*product.order, bias))


def _new_weights(builder: Builder, node: syntax.Call, rows: int, columns: Shape) -> tuple[str, str | None]:
    """The names of a fresh weight array and, for dense, of a bias."""
    number = 1 + max(builder.layers.values(), default=0)
    names = [f"W{number}"] + [f"b{number}"] * (node.function.id == "dense")
    for name, shape in zip(names, ((rows, *columns), (rows,)), strict=False):
        if name in builder.spans:
            raise SpecError(
                f"the weights of this layer would be called {name}, a name that is taken",
                node.span,
                "",
                f"rename your {name}, or write the layer with weights of your own: W @ x + b",
            )
        builder.spans[name] = node.span
        builder.put_tensor(Tensor(name, shape, "weight"), node.span)
        builder.layers[name] = number
        builder.used.add(name)
    return names[0], names[1] if len(names) > 1 else None


def layer_of(builder: Builder, read: list[Access], pending: list[Pending]) -> int | None:
    """The number of the layer whose weights stand in a value, looked up through its anonymous parts."""
    for access in read:
        if access.tensor in builder.layers:
            return builder.layers[access.tensor]
        for p in pending:
            if p.lhs.tensor == access.tensor and access.tensor in builder.anonymous_names:
                return layer_of(builder, sorted(p.body.atoms(Access), key=str), pending)
    return None


def auto_name(builder: Builder, letter: str, layer: int | None) -> str:
    """A free name for a pre-activation: z2 after W2, else the letter itself or the letter with a number."""
    taken = {*builder.spans, *builder.tensors, *builder.reserved}
    candidates = [f"{letter}{layer}"] if layer else [letter]
    number = 1
    while candidates[-1] in taken:
        candidates.append(f"{letter}{number}")
        number += 1
    builder.spans[candidates[-1]] = Span(0, 0)
    return candidates[-1]


def mark_biases(builder: Builder) -> None:
    """A bias is a weight array of one index that is only ever added to something, place by place."""
    for tensor in [t for t in builder.tensors.values() if t.role == "weight" and len(t.shape) == 1]:
        uses = [(eq, a) for eq in builder.equations for a in eq.reads if a.tensor == tensor.name]
        if uses and all(not eq.reduce and partial(eq.body, access) == 1 for eq, access in uses):
            builder.tensors[tensor.name] = replace(tensor, bias=True)
