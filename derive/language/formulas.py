"""Formulas of a few named numbers: the right sides of updates and of learning rates, in which no tensor is known.

They are lowered as the body of a ``define`` is, and written out: no function that has a formula stays in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Span, SpecError, did_you_mean
from derive.functions import written_out
from derive.language import syntax
from derive.language.arguments import signature
from derive.language.definitions import Function, is_elementwise
from derive.language.lowering import Lowering
from derive.language.scope import Order, Scope, Value

if TYPE_CHECKING:
    from derive.language.build import Builder

#: A function that has no place in a network, since its derivative says nothing.
FLOOR = syntax.Define(
    Span(0, 0),
    syntax.Name(Span(0, 0), "floor"),
    (syntax.Parameter(Span(0, 0), "x", None),),
    syntax.Name(Span(0, 0), "x"),
    None,
)


class Formulas:
    """Lowers formulas in which the names of ``symbols`` alone mean something.

    ``what`` says in messages what the formula is; ``functions`` are those of a catalogue, which a ``define`` of the
    user's hides.
    """

    def __init__(
        self,
        builder: Builder,
        what: str,
        symbols: Mapping[str, sympy.Symbol],
        functions: Mapping[str, syntax.Define] | None = None,
    ) -> None:
        self.what, self.outer = what, builder
        self.builder = type(builder)(builder.source)
        self.builder.defines = {"floor": FLOOR, **(functions or {}), **builder.defines}
        self.builder.functions["floor", False] = Function(FLOOR, sympy.floor, True)
        self.known = symbols

    def lower(self, node: syntax.Expr) -> tuple[sympy.Expr, Order]:
        """The formula in symbols, and the order in which the user wrote what is in it."""
        self.check(node)
        values = {name: Value.scalar(symbol, node.span, (name,)) for name, symbol in self.known.items()}
        value = Lowering(self.builder, Scope(frozenset(), parameters=values)).lower(node, ())
        self.outer.used |= self.builder.used & self.outer.defines.keys()
        return written_out(value.element(())), value.order

    def with_first(self, node: syntax.Expr, name: str) -> syntax.Expr:
        """The formula with ``name`` put in where a function has a first parameter of that name but gets no such thing.

        In ``rate a = cosine(0.1, 1000)`` it goes without saying that the number of the update comes first.
        """
        match node:
            case syntax.Call():
                arguments = tuple(self.with_first(a, name) for a in node.arguments)
                definition = self.builder.defines.get(node.function.id)
                nodes = syntax.walk((*arguments[:1], *node.keywords))
                read = {n.id for n in nodes if isinstance(n, syntax.Name | syntax.Keyword)}
                if definition is not None and definition.parameters[0].id == name and name not in read:
                    _check_rest(node, definition)
                    arguments = (syntax.Name(node.function.span, name), *arguments)
                return replace(node, arguments=arguments)
            case syntax.Negate():
                return replace(node, operand=self.with_first(node.operand, name))
            case syntax.Binary():
                return replace(node, left=self.with_first(node.left, name), right=self.with_first(node.right, name))
        return node

    def check(self, node: syntax.Expr) -> None:
        """Raise for everything that is no function of single numbers."""
        match node:
            case syntax.Name() if node.id not in self.known and node.id != "pi":
                help = did_you_mean(node.id, self.known) or f"{self.what} can use {', '.join(self.known)}"
                raise SpecError(f"'{node.id}' has no meaning in {self.what}", node.span, "", help)
            case syntax.Element() | syntax.Reduction() | syntax.Binary(operator="@"):
                raise self.refuse(node)
            case syntax.Call():
                for argument in (*node.arguments, *(keyword.value for keyword in node.keywords)):
                    self.check(argument)
                if not is_elementwise(node, self.builder):
                    raise self.refuse(node)
            case syntax.Negate():
                self.check(node.operand)
            case syntax.Binary():
                self.check(node.left)
                self.check(node.right)

    def refuse(self, node: syntax.Expr) -> SpecError:
        help = "write functions of numbers: exp, log, sqrt, abs, sign, tanh, max(a, b), min(a, b), one of yours"
        return SpecError(f"this cannot stand in {self.what}", node.span, "", help)


def _check_rest(call: syntax.Call, definition: syntax.Define) -> None:
    """Raise where the arguments are too few or too many for the parameters but the first."""
    _, *rest = definition.parameters
    least, given = sum(p.default is None for p in rest), len(call.arguments) + len(call.keywords)
    if not least <= given <= len(rest):
        name, first = definition.name.id, definition.parameters[0].id
        wanted = str(least) if least == len(rest) else f"{least} to {len(rest)}"
        message = f"{name} takes {wanted} argument{'s' * (wanted != '1')} beside {first}"
        raise SpecError(message, call.span, f"{given} given", f"write {signature(name, rest)}")
