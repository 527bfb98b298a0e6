"""From syntax to index notation: the right side of one equation becomes scalars over accesses.

Elementwise operations compose; every reduction (``sum``, ``max``, ``@``, a layer) becomes an equation of its own,
whose value is anonymous unless it is the whole right side.  The argument of a named function that contains a
reduction gets a name: it is the pre-activation that a lecturer would write as z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Span, SpecError, did_you_mean
from derive.expressions import Access, Index, accesses, index_symbols
from derive.functions import COMBINING, Formula, elementary
from derive.language import names, syntax
from derive.language.arguments import bind, by_place
from derive.language.batches import moments_alone
from derive.language.definitions import expand
from derive.language.layers import auto_name, layer, layer_of, learned, makes_layer
from derive.language.masks import dropout
from derive.language.numbers import rational
from derive.language.ranges import Constraint
from derive.language.recurrence import is_recurrent, past
from derive.language.reductions import chooser, product, reduction, selection, total, transpose
from derive.language.scope import (
    Deferred,
    Pending,
    Scope,
    Shape,
    Value,
    is_simple,
    reads_anonymous,
    shown,
    visible_shape,
)

if TYPE_CHECKING:
    from derive.language.build import Builder

MAX_EXPONENT = 1000
MAX_TOWER = 4  # constant powers in each other's exponents; SymPy's time for comparing them grows exponentially


class Lowering:
    """Lowers the expressions of one equation; ``builder`` holds the tensors, sizes and functions known so far."""

    def __init__(self, builder: Builder, scope: Scope) -> None:
        self.builder = builder
        self.scope = scope

    def inside(self, scope: Scope) -> Lowering:
        return Lowering(self.builder, scope)

    def lower(self, node: syntax.Expr, expected: Shape | None) -> Value:
        """The value of an expression; ``expected`` is the shape that the left side asks for, where it does."""
        match node:
            case syntax.Number():
                return Value.scalar(rational(node), node.span)
            case syntax.Learned():
                return learned(self, node)
            case syntax.Name():
                return self.name(node)
            case syntax.Element():
                return self.element(node)
            case syntax.Negate():
                return self.elementwise(lambda a: -a, node.span, self.lower(node.operand, expected))
            case syntax.Binary():
                return self.binary(node, expected)
            case syntax.Reduction():
                return reduction(self, node)
            case syntax.Call():
                return self.call(node, expected)
        raise AssertionError(node)

    # names and elements

    def name(self, node: syntax.Name) -> Value:
        scope, builder = self.scope, self.builder
        if node.id in scope.parameters:
            return scope.parameters[node.id]
        if node.id in builder.tensors:
            return Value.tensor(node.id, visible_shape(builder.use(node.id)), node.span)
        if node.id in scope.bound:
            return Value.scalar(scope.bound[node.id], node.span)
        if node.id in builder.sizes:
            return Value.scalar(sympy.Integer(builder.size(node.id)), node.span)
        if node.id == "pi":  # where nothing of the specification has that name
            return Value.scalar(sympy.pi, node.span)
        raise builder.unknown(node, {*scope.parameters, *scope.bound})

    def element(self, node: syntax.Element) -> Value:
        subscripts = tuple(self.subscript(i) for i in node.indices)
        name = node.name.id
        if name in self.scope.parameters:
            value = self.scope.parameters[name]
            shape, element, order = value.shape, value.element, value.order
            ends: tuple[tuple[int, int, int], ...] = tuple((1, extent, 1) for extent in shape)
        elif is_recurrent(self.builder, name, subscripts):
            parts = tuple(i.span for i in node.indices)
            rest = past(self.builder, name, subscripts, node.span)
            self.scope.deferred.append(Deferred(name, subscripts, node.span, parts, rest))
            return Value.tensor(name, rest, node.span, *subscripts)
        elif name in self.builder.tensors:
            tensor = self.builder.use(name)
            shape = visible_shape(tensor)
            element, order = Value.tensor(name, shape, node.span).element, (name,)
            starts = [tensor.start(d) for d in range(len(shape))]
            ends = tuple(
                (start, last, start if tensor.border_of(d) else max(1, start))
                for d, (start, last) in enumerate(zip(starts, tensor.last, strict=True))
            )
        else:
            raise self.builder.unknown(node.name, {*self.scope.parameters})
        if len(subscripts) > len(shape):
            one = "one index" if len(shape) == 1 else f"{len(shape)} indices"
            raise SpecError(
                f"too many indices for {name}",
                node.span,
                f"{name} is {shown(shape)}",
                f"give {name} {one}" if shape else f"write {name} without brackets",
            )
        choices: dict[Index, sympy.Expr] = {}
        if any(isinstance(s, Access) for s in subscripts):
            places = [self.scope.fresh(n) for n in shape[: len(subscripts)]]
            choices = {v: s for v, s in zip(places, subscripts, strict=True) if isinstance(s, Access)}
            subscripts = tuple(v if v in choices else s for v, s in zip(places, subscripts, strict=True))
        text = self.builder.text(node.span)
        for subscript, extent, around, part in zip(subscripts, shape, ends, node.indices, strict=False):
            # An index alone runs over what an equation defines; only h[t-1] reads h[0], only x[i+u-2] reads a border.
            first, last, told_from = (1, extent, 1) if subscript.is_Symbol else around
            self.scope.constraints.append(Constraint(subscript, first, last, text, part.span, told_from))
        rest = shape[len(subscripts) :]
        value = Value(rest, lambda indices: element((*subscripts, *indices)), node.span, order)
        return selection(self, choices, value) if choices else value

    def subscript(self, node: syntax.Expr) -> sympy.Expr:
        """An affine expression in indices, sizes and integers, or an element of the data that chooses a place."""
        help = "an index is a sum of index names, sizes and integers, as in x[i+k-1] or x[2*i]"
        match node:
            case syntax.Number() if node.value.denominator == 1 and not node.decimal:
                return sympy.Integer(node.value.numerator)
            case syntax.Name() if node.id in self.scope.bound:
                return self.scope.bound[node.id]
            case syntax.Name() if node.id in self.builder.sizes:
                return sympy.Integer(self.builder.size(node.id))
            case syntax.Name() if node.id in self.builder.tensors or node.id in self.scope.parameters:
                return chooser(self, self.name(node))
            case syntax.Element():
                return chooser(self, self.element(node))
            case syntax.Name():
                hint = did_you_mean(node.id, {*self.scope.bound, *self.builder.sizes})
                raise SpecError(
                    f"unknown index '{node.id}'",
                    node.span,
                    "not an index of this equation",
                    hint or f"bind it: on the left side, or as in sum({node.id}: …)",
                )
            case syntax.Negate():
                return -self.subscript(node.operand)
            case syntax.Binary(operator="+" | "-" | "*" as operator):
                left, right = self.subscript(node.left), self.subscript(node.right)
                if left.atoms(Access) or right.atoms(Access):
                    help = "let the data hold the place itself: E[w]"
                    raise SpecError("a place that the data choose stands alone", node.span, "not in a sum", help)
                if operator == "*" and index_symbols(left) and index_symbols(right):
                    raise SpecError("an index must be affine", node.span, "a product of two indices", help)
                return {"+": left + right, "-": left - right, "*": left * right}[operator]
        raise SpecError("this cannot be an index", node.span, "", help)

    # elementwise operations

    def elementwise(self, function: Callable[..., sympy.Expr], span: Span, *operands: Value) -> Value:
        """Apply a scalar function at every place; scalars go with any shape."""
        shape: Shape = ()
        for operand in operands:
            if operand.shape and shape and operand.shape != shape:
                first = next(o for o in operands if o.shape == shape)
                raise self.clash(first, operand, span)
            shape = shape or operand.shape

        known: dict[tuple[sympy.Expr, ...], sympy.Expr] = {}  # formulas may read their arguments often, and be nested

        def element(indices: tuple[sympy.Expr, ...]) -> sympy.Expr:
            if indices in known:
                return known[indices]
            result = function(*(o.element(indices if o.shape else ()) for o in operands))
            if result.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I):
                raise SpecError("this has no real value", span, "a division by zero, or a root or logarithm of a "
                                "negative number", "change the numbers, or make the argument a tensor")  # fmt: skip
            known[indices] = result
            return result

        if not shape:
            element(())
        return Value(shape, element, span, tuple(dict.fromkeys(name for o in operands for name in o.order)))

    def clash(self, left: Value, right: Value, span: Span) -> SpecError:
        text = self.builder.text
        return SpecError(
            "shapes do not agree",
            span,
            f"{text(left.span)} is {shown(left.shape)} and {text(right.span)} is {shown(right.shape)}",
            "elementwise operations need equal shapes; a scalar goes with any shape",
        )

    def binary(self, node: syntax.Binary, expected: Shape | None) -> Value:
        if node.operator == "@":
            return product(self, self.lower(node.left, None), self.lower(node.right, None), node.span)
        if node.operator == "^":
            return self.power(node, expected)
        left, right = self.operands((node.left, node.right), expected)
        if node.operator == "/" and not right.shape and right.element(()).is_zero:
            raise SpecError("division by zero", node.right.span, "this is 0", "divide by something else")
        operations: dict[str, Callable[[sympy.Expr, sympy.Expr], sympy.Expr]] = {
            "+": lambda a, b: a + b,
            "-": lambda a, b: a - b,
            "*": lambda a, b: a * b,
            "/": lambda a, b: a / b,
        }
        return self.elementwise(operations[node.operator], node.span, left, right)

    def operands(self, nodes: tuple[syntax.Expr, ...], expected: Shape | None) -> list[Value]:
        """Lower operands; one that makes a layer takes its size from the others if the left side tells none.

        ``h2 = h + dense(h)``: without brackets on the left, the layer is as large as h.
        """
        if expected == () and any(makes_layer(n) for n in nodes):
            plain = [self.lower(n, expected) if not makes_layer(n) else None for n in nodes]
            shape = next((v.shape for v in plain if v is not None and v.shape), expected)
            return [v if v is not None else self.lower(n, shape) for v, n in zip(plain, nodes, strict=True)]
        return [self.lower(n, expected) for n in nodes]

    def power(self, node: syntax.Binary, expected: Shape | None) -> Value:
        base, exponent = self.lower(node.left, expected), self.lower(node.right, None)
        value = exponent.element(()) if not exponent.shape else None
        if value is not None and value.is_number:
            if _height(value) >= MAX_TOWER:
                label = f"powers stand on each other more than {MAX_TOWER} high"
                raise SpecError("this power is too deep", node.right.span, label, "write the exponent as a number")
            bits = 1
            if not base.shape and base.element(()).is_Rational:
                number = base.element(())
                bits = max(abs(number.p).bit_length(), abs(number.q).bit_length())
                if number.is_zero and value.is_negative:
                    raise SpecError("division by zero", node.span, "0 to a negative power", "change the exponent")
            if abs(value) * bits > MAX_EXPONENT:
                raise SpecError(
                    "this power is too large", node.right.span, "", f"here exponents go up to {MAX_EXPONENT // bits}"
                )
        return self.elementwise(lambda a, b: a**b, node.span, base, exponent)

    # reductions

    def reduce(self, kind: str, over: tuple[Index, ...], body: Value) -> Value:
        """An anonymous tensor: ``kind`` over the indices ``over`` of ``body``, at every place of body's shape."""
        inner = tuple(self.scope.fresh(n) for n in body.shape)
        scalar = body.element(inner)
        outer = tuple(s for s in self.scope_order(scalar) if s not in over and s not in inner)
        name = self.builder.anonymous()
        self.scope.pending.append(Pending(Access(name, *outer, *inner), scalar, over, kind, body.order))
        return Value.tensor(name, body.shape, body.span, *outer)

    def scope_order(self, scalar: sympy.Expr) -> list[Index]:
        """The indices of a scalar that this equation binds, in the order of binding."""
        used = index_symbols(scalar)
        bound = [s for s in self.scope.bound.values() if s in used]
        return bound + sorted(used - set(bound), key=str)

    # functions

    def call(self, node: syntax.Call, expected: Shape | None) -> Value:
        name = node.function.id
        if name in ("sum", "mean") or (name in ("max", "min") and len(node.arguments) == 1):
            (argument,) = by_place(node, 1)
            return total(self, name, self.lower(argument, None), node.span)
        if name in COMBINING:
            count, combine = COMBINING[name]
            return self.elementwise(combine, node.span, *self.operands(by_place(node, count), expected))
        if name in names.LAYERS:
            return layer(self, node, expected)
        if name == "dropout":
            return dropout(self, node, expected)
        if name == "pad":
            help = f"give it a line of its own: p = {self.builder.text(node.span)}"
            raise SpecError("pad makes a tensor of its own", node.span, "not a whole right side", help)
        if name == "transpose":
            (argument,) = by_place(node, 1)
            return transpose(self, self.lower(argument, None), node.span)
        if name in elementary():
            (argument,) = by_place(node, 1)
            return self.elementwise(elementary()[name], node.span, self.named(self.lower(argument, expected)))
        function = self.builder.function(node.function)
        arguments = bind(node, function.parameters)
        if function.elementwise is not None:
            values = [self.named(v) for v in self.operands(arguments, expected)]
            return self.elementwise(_worked(function.elementwise), node.span, *values)
        if function.placewise or sum(p.default is None for p in function.parameters) == 1:
            values = self.operands(arguments, expected)
        else:
            values = [self.lower(a, None) for a in arguments]
        values = [self.named(v, p.id, always=True) for v, p in zip(values, function.parameters, strict=True)]
        return expand(self.builder, function, values, self, node)

    def named(self, value: Value, letter: str = "z", always: bool = False) -> Value:
        """The value itself if it is simple, else a named tensor that holds it.

        Arguments of elementwise functions are named when they contain a reduction (``tanh(W @ x + b)``); arguments
        of functions that read them more than once are named ``always``.
        """
        probe = value.probe()
        if moments_alone(self, probe):
            return value
        unnamed = self.builder.anonymous_names - self.builder.selections
        if is_simple(probe) and not reads_anonymous(probe, unnamed):
            return value
        if not always and not reads_anonymous(probe, unnamed):
            return value
        number = layer_of(self.builder, accesses(probe), self.scope.pending)
        name = auto_name(self.builder, letter, number)
        if isinstance(probe, Access) and self.scope.pending and self.scope.pending[-1].lhs.tensor == probe.tensor:
            self.builder.anonymous_names.discard(probe.tensor)
            last = self.scope.pending[-1]
            self.scope.pending[-1] = replace(last, lhs=Access(name, *last.lhs.indices))
            leading = probe.indices[: len(probe.indices) - len(value.shape)]
            return Value.tensor(name, value.shape, value.span, *leading)
        inner = tuple(self.scope.fresh(n) for n in value.shape)
        scalar = value.element(inner)
        outer = tuple(s for s in self.scope_order(scalar) if s not in inner)
        self.scope.pending.append(Pending(Access(name, *outer, *inner), scalar, (), "sum", value.order))
        return Value.tensor(name, value.shape, value.span, *outer)


def _worked(function: Callable[..., sympy.Expr]) -> Callable[..., sympy.Expr]:
    """The function, but worked out where all arguments are numbers: of f(-1) one must see whether it has a value."""

    def apply(*arguments: sympy.Expr) -> sympy.Expr:
        result = function(*arguments)
        return result.expanded() if isinstance(result, Formula) and all(a.is_number for a in arguments) else result

    return apply


def _height(number: sympy.Expr) -> int:
    """How many powers of constants stand in each other's exponents: 2 for ``2^(3^0.5)``."""
    below = max(map(_height, number.args), default=0)
    return max(below, 1 + _height(number.exp)) if isinstance(number, sympy.Pow) else below
