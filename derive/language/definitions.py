"""Functions given by a ``define``, the user's and the catalogue's.

A definition without reductions is a function of scalars: it stays a named function (:class:`derive.functions.Formula`)
inside equations.  One with reductions (softmax, a loss), or one that reads a weight beside its parameters, is written
out where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import SpecError
from derive.expressions import Access
from derive.functions import COMBINING, elementary, formula
from derive.language import syntax
from derive.language.arguments import leaves_learned
from derive.language.catalogue import is_catalogued
from derive.language.names import ARRANGEMENTS, MAKERS
from derive.language.numbers import rational
from derive.language.scope import Scope, Value, shown
from derive.network import Fact

if TYPE_CHECKING:
    from derive.language.build import Builder
    from derive.language.lowering import Lowering


@dataclass(frozen=True)
class Function:
    """A function of the catalogue or of the user; ``elementwise`` applies it to scalars where that is possible.

    ``placewise`` tells that its value has the shape of its arguments, even if it is written out.
    """

    definition: syntax.Define
    elementwise: Callable[..., sympy.Expr] | None
    placewise: bool

    @property
    def parameters(self) -> tuple[syntax.Parameter, ...]:
        return self.definition.parameters


def compile_function(builder: Builder, name: syntax.Name, definition: syntax.Define) -> Function:
    """Make a function out of its definition, used as ``name``; raises where it is defined through itself."""
    from derive.language.lowering import Lowering

    if definition in builder.opening:
        chain = " → ".join(d.name.id for d in (*builder.opening, definition))
        raise SpecError(f"'{name.id}' is defined through itself", name.span, chain, "a formula cannot contain itself")
    _check_parameters(definition)
    builder.opening.append(definition)
    try:
        placewise = is_elementwise(definition.body, builder)
        elementwise = None
        if placewise and not _reads_tensors(definition, builder):
            symbols = tuple(sympy.Symbol(p.id, real=True) for p in definition.parameters)
            defaults = tuple(
                (s, rational(p.default))
                for s, p in zip(symbols, definition.parameters, strict=True)
                if p.default is not None and not p.learned
            )
            values = {s.name: Value.scalar(s, definition.span) for s in symbols}
            body = Lowering(builder, Scope(builder.reserved, parameters=values)).lower(definition.body, ()).element(())
            elementwise = (
                _identity if body == symbols[0] and len(symbols) == 1 else formula(name.id, symbols, body, defaults)
            )
    finally:
        builder.opening.pop()
    return Function(definition, elementwise, placewise)


def _check_parameters(definition: syntax.Define) -> None:
    used = {node.id for node in syntax.walk(definition.body) if isinstance(node, syntax.Name)}
    for parameter in definition.parameters:
        if parameter.id not in used:
            raise SpecError(f"parameter {parameter.id} is not used", parameter.span, "", "remove it, or use it")


def _identity(argument: sympy.Expr) -> sympy.Expr:
    return argument


def is_elementwise(node: syntax.Expr, builder: Builder) -> bool:
    """Whether a body applies to scalars: no reduction, no layer, no index, only functions of the same kind."""
    match node:
        case syntax.Number() | syntax.Name():
            return True
        case syntax.Negate():
            return is_elementwise(node.operand, builder)
        case syntax.Binary():
            return node.operator != "@" and all(is_elementwise(e, builder) for e in (node.left, node.right))
        case syntax.Call():
            name = node.function.id
            if not all(is_elementwise(a, builder) for a in (*node.arguments, *(k.value for k in node.keywords))):
                return False
            if name in COMBINING:
                return len(node.arguments) > 1
            if name in elementary():
                return True
            if name in ("sum", "mean", *MAKERS, *ARRANGEMENTS):
                return False
            return builder.function(node.function).placewise
    return False


def _reads_tensors(definition: syntax.Define, builder: Builder) -> bool:
    """Whether a body reads or makes more than its parameters: then there are derivatives by more than its arguments."""
    own = {p.id for p in definition.parameters}
    calls = [node for node in syntax.walk(definition.body) if isinstance(node, syntax.Call)]
    if any((d := builder.definition(c.function.id)) and leaves_learned(c, d.parameters) for c in calls):
        return True
    called = [c.function for c in calls]
    read = [node for node in syntax.walk(definition.body) if isinstance(node, syntax.Name) and node not in called]
    if any(name.id in builder.tensors for name in read if name.id not in own):
        return True
    formulas = [name for name in called if name.id not in elementary() and name.id not in COMBINING]
    return any(builder.function(name).elementwise is None for name in formulas)


def expand(builder: Builder, function: Function, values: list[Value], lowering: Lowering, node: syntax.Call) -> Value:
    """Write a function with reductions out, its parameters standing for ``values``."""
    definition = function.definition
    parameters = dict(zip((p.id for p in definition.parameters), values, strict=True))
    inner = lowering.inside(lowering.scope.inner(bound={}, parameters=parameters))
    if definition in builder.opening:
        name = definition.name.id
        raise SpecError(f"'{name}' is defined through itself", node.span, "", "a formula cannot contain itself")
    if is_catalogued(definition) and not node.keywords:
        _check_order(builder, definition, values)
    builder.opening.append(definition)
    try:
        result = inner.lower(definition.body, None)
        if definition.given is not None:
            _declare_fact(builder, definition.given, values, inner)
    except SpecError as error:
        if not is_catalogued(definition):
            raise
        shapes = " and ".join(f"{builder.text(v.span)} is {shown(v.shape)}" for v in values)
        raise SpecError(
            error.message, node.span, shapes, f"{builder.signature(definition.name.id)}: {error.help}"
        ) from error
    finally:
        builder.opening.pop()
    return Value(result.shape, result.element, node.span, result.order)


def _check_order(builder: Builder, definition: syntax.Define, values: list[Value]) -> None:
    """A target in the place of a prediction is a slip, unless the loss is the same either way."""
    places = {p.id: n for n, p in enumerate(definition.parameters)}
    targets = {t.name for t in builder.targets()}
    own = places.get("t")
    if own is None or _is_one_of(values[own], targets):
        return
    for parameter, n in places.items():
        if _is_one_of(values[n], targets) and not _is_symmetric(builder, definition, parameter):
            usage, name = builder.signature(definition.name.id), definition.name.id
            other = builder.text(values[own].span)
            swapped = f"{parameter} = {builder.text(values[n].span)}, t = {other}"
            help = f"write {usage}; if it is meant so, name the arguments: {name}({swapped})"
            message = f"the target stands in the place of {parameter}, and {other} in that of t"
            raise SpecError(message, values[n].span, "a target", help)


def _is_one_of(value: Value, tensors: set[str]) -> bool:
    probe = value.probe()
    return isinstance(probe, Access) and probe.tensor in tensors


def _is_symmetric(builder: Builder, definition: syntax.Define, parameter: str) -> bool:
    """Whether a loss of single numbers is the same with t and ``parameter`` exchanged: at some point, to 15 digits."""
    from derive.language.lowering import Lowering

    def at(**numbers: sympy.Rational) -> sympy.Expr:
        given = {p.id: rational(p.default) for p in definition.parameters if p.default is not None} | numbers
        scope = Scope(builder.reserved, parameters={k: Value.scalar(v, definition.span) for k, v in given.items()})
        return Lowering(builder, scope).lower(definition.body, ()).element(()).evalf()

    one, other = sympy.Rational(2, 7), sympy.Rational(3, 5)
    rest = {p.id: sympy.Rational(1, 3) for p in definition.parameters if p.default is None}
    builder.opening.append(definition)
    difference = at(**{**rest, "t": one, parameter: other}) - at(**{**rest, "t": other, parameter: one})
    builder.opening.pop()
    return abs(difference) < 1e-15


def _declare_fact(
    builder: Builder, given: tuple[syntax.Expr, syntax.Expr], values: list[Value], lowering: Lowering
) -> None:
    """Keep ``given left = right`` if it speaks of a target of the network alone."""
    scope = Scope(builder.reserved, parameters=lowering.scope.parameters)
    probe = lowering.inside(scope)
    left, right = (probe.lower(side, None) for side in given)
    value = right.probe()
    if len(scope.pending) == 1 and left.element(()) == scope.pending[0].lhs:
        body, reduce = scope.pending[0].body, scope.pending[0].reduce
    elif not scope.pending:
        body, reduce = left.probe(), ()
    else:
        return
    tensors = {a.tensor for a in (body + value).atoms(Access)}
    if len(tensors) == 1 and builder.tensors.get(next(iter(tensors))) in builder.targets():
        fact = Fact(body, reduce, value, next(iter(tensors)))
        if fact not in builder.facts:
            builder.facts.append(fact)
