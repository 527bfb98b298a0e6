"""``linear(x)``, ``dense(x)``, ``maxout(x, k)``: layers whose weights are made for the user, and their names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Access, partial
from derive.language import syntax
from derive.language.arguments import by_place
from derive.language.names import LAYERS
from derive.language.numbers import rational
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

    ``maxout(x, k)`` is the largest of k dense pieces, ``max(p: sum(j: W1[i, p, j] * x[j]) + b1[i, p])`` (Goodfellow,
    Warde-Farley, Mirza, Courville & Bengio 2013).
    """
    argument, *counts = by_place(node, 2 if node.function.id == "maxout" else 1)
    pieces = tuple(_pieces(lowering.builder, count) for count in counts)
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
    source = lowering.lower(argument, None)
    source = lowering.named(source, "u", always=True)
    rows, columns = (expected or (1,))[0], source.shape or (1,)
    weight, bias = _new_weights(lowering.builder, node, (rows, *pieces), columns)
    piece = tuple(lowering.scope.fresh(n) for n in pieces)

    def unit(indices: tuple[sympy.Expr, ...]) -> tuple[sympy.Expr, ...]:
        return (indices[0] if expected else sympy.Integer(1), *piece)

    order = (weight, *source.order)
    if source.shape:
        over = tuple(lowering.scope.fresh(n) for n in columns)
        terms = Value(expected, lambda i: Access(weight, *unit(i), *over) * source.element(over), node.span, order)
        result = lowering.reduce("sum", over, terms)
    else:
        result = Value(expected, lambda i: Access(weight, *unit(i), 1) * source.element(()), node.span, order)
    if bias is not None:
        product, order = result, (*result.order, bias)
        result = Value(expected, lambda i: product.element(i) + Access(bias, *unit(i)), node.span, order)
    return lowering.reduce("max", piece, result) if piece else result


def _pieces(builder: Builder, node: syntax.Expr) -> int:
    """The number of pieces of a unit."""
    extent = builder.extent(node)
    if extent is None:
        raise builder.no_size(node)
    return extent


def learned(lowering: Lowering, node: syntax.Learned) -> Value:
    """A fresh scalar weight for a learned parameter: alpha1, alpha2, … in order of appearance."""
    builder = lowering.builder
    number = 1 + sum(re.fullmatch(rf"{node.id}\d+", name) is not None for name in builder.starts)
    name = f"{node.id}{number}"
    _make_weight(builder, Tensor(name, (), "weight"), node.span, f"give it one of yours: {node.id} = …")
    builder.starts[name] = rational(node.start)
    return Value.tensor(name, (), node.span)


def _make_weight(builder: Builder, weight: Tensor, span: Span, instead: str) -> None:
    if weight.name in builder.spans:
        message = f"a weight made here would be called {weight.name}, a name that is taken"
        raise SpecError(message, span, "", f"rename your {weight.name}, or {instead}")
    builder.spans[weight.name] = span
    builder.put_tensor(weight, span)
    builder.used.add(weight.name)


def _new_weights(builder: Builder, node: syntax.Call, units: Shape, columns: Shape) -> tuple[str, str | None]:
    """The names of a fresh weight array and, but for linear, of a bias."""
    number = 1 + max(builder.layers.values(), default=0)
    names = [f"W{number}"] + [f"b{number}"] * (node.function.id != "linear")
    for name, shape in zip(names, ((*units, *columns), units), strict=False):
        instead = "write the layer with weights of your own: W @ x + b"
        _make_weight(builder, Tensor(name, shape, "weight"), node.span, instead)
        builder.layers[name] = builder.made[name] = number
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
    builder.made[candidates[-1]] = layer or 0
    return candidates[-1]


def mark_biases(builder: Builder) -> None:
    """A bias is a weight array that is only ever added to something, place by place; of one index, or a layer's own."""
    weights = [t for t in builder.tensors.values() if t.role == "weight"]
    for tensor in [t for t in weights if len(t.shape) == 1 or t.name in builder.layers]:
        uses = [(eq, a) for eq in builder.equations for a in eq.reads if a.tensor == tensor.name]
        if uses and all((not eq.reduce or eq.kind == "max") and partial(eq.body, access) == 1 for eq, access in uses):
            builder.tensors[tensor.name] = replace(tensor, bias=True)
