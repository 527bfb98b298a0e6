"""From the syntax tree to a :class:`~derive.network.Network`: names resolved, shapes checked, layers written out.

Declarations may stand anywhere; equations stand in the order of computation, as on a board.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import NoReturn

import sympy

from derive.diagnostics import Source, Span, SpecError, did_you_mean
from derive.expressions import Index
from derive.functions import COMBINING, elementary
from derive.language import batches, checks, numbers, syntax
from derive.language.arguments import SIGNATURES, check_parameters, signature
from derive.language.catalogue import catalogue, is_catalogued
from derive.language.cycles import circle
from derive.language.definitions import Function, compile_function
from derive.language.equations import check_initials, is_zero, lower_equation, lower_loss
from derive.language.layers import mark_biases
from derive.language.masks import declare_mask
from derive.language.names import ARRANGEMENTS, MAKERS, REDUCTIONS
from derive.language.parser import parse
from derive.language.ranges import Range
from derive.language.recurrence import check_deferred
from derive.language.scans import group_recurrences
from derive.language.scope import Deferred, Scope, Shape
from derive.language.settings import Settings
from derive.network import Coupling, Equation, Fact, Network, Role, Tensor
from derive.selection import choices


def load(source: Source) -> Network:
    """The network that a specification describes; raises :class:`SpecError`."""
    try:
        return Builder(source).network(parse(source))
    except SpecError as error:
        error.source = source
        raise


class Builder:
    """The names of one specification and what they stand for, filled statement by statement."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.sizes: dict[str, int] = {}
        self.tensors: dict[str, Tensor] = {}
        self.spans: dict[str, Span] = {}
        self.used: set[str] = set()
        self.defines: dict[str, syntax.Define] = {}
        self.functions: dict[tuple[str, bool], Function] = {}
        self.equations: list[Equation] = []
        self.facts: list[Fact] = []
        self.layers: dict[str, int] = {}
        self.made: dict[str, int] = {}
        self.masks: dict[str, sympy.Rational] = {}
        self.dropouts = 0
        self.upcoming: dict[str, syntax.Equation] = {}
        self.current = ""  # the tensor whose equation is being read
        self.starts: dict[str, sympy.Rational] = {}  # where weights start that no init tells
        self.initials: dict[str, syntax.Equation] = {}
        self.deferred: list[Deferred] = []
        self.opening: list[syntax.Define] = []
        self.amidst: dict[str, set[Index]] = {}
        self.ahead: dict[str, Shape] = {}
        self.leading: dict[str, int] = {}
        self.anonymous_names: set[str] = set()
        self.selections: set[str] = set()  # those that stand for one element, E[w]
        self.reserved: frozenset[str] = frozenset()
        self.coupling: Coupling | None = None
        self.moments: dict[tuple[str, sympy.Expr], str] = {}

    # statements

    def network(self, specification: syntax.Specification) -> Network:
        statements = specification.statements
        self.reserved = frozenset(_declared_names(statements))
        settings = Settings(self)
        for kind in (syntax.Size, syntax.Define, syntax.Declaration, syntax.Mask, syntax.Constant):
            for statement in statements:
                if isinstance(statement, kind):
                    self.declare(statement, settings)
        for statement in statements:
            if isinstance(statement, syntax.Equation):
                self.announce(statement)
        self.coupling = batches.coupling(self, statements)
        for statement in statements:
            if isinstance(statement, syntax.Equation) and statement not in self.initials.values():
                self.current = statement.target.name.id
                lower_equation(self, statement)
        loss = lower_loss(self, [s for s in statements if isinstance(s, syntax.Loss)])
        check_deferred(self)
        check_initials(self)
        mark_biases(self)
        places = choices(self.equations)
        for name, values in settings.constants.items():
            checks.check_choices(places, name, values, self.spans[name])
        for statement in statements:
            settings.read(statement)
        network = Network(
            title=settings.title,
            tensors=self.tensors,
            equations=group_recurrences(self.equations, self.tensors, self.spans),
            loss=loss,
            optimizer=settings.optimizer(),
            outputs=checks.outputs(self.tensors, self.equations),
            samples=tuple(settings.samples),
            initial=settings.initial,
            constants=settings.constants,
            facts=tuple(self.facts),
            batch=settings.batch,
            notation=settings.notation,
            decimals=numbers.decimals([*statements, *(f.definition for f in self.functions.values())]),
            source=self.source,
            masks=self.masks,
            made=self.made,
        )
        checks.check(network, self)
        network = settings.finish(network)
        return batches.couple(network, self.coupling, settings.first_sample) if self.coupling else network

    def declare(self, statement: syntax.Statement, settings: Settings) -> None:
        match statement:
            case syntax.Size():
                for name, number in statement.items:
                    if number.value.denominator != 1 or number.value < 1:
                        raise SpecError("a size is a whole number from 1", number.span, "", "for example: size n = 8")
                    self.add_name(name)
                    self.sizes[name.id] = int(number.value)
            case syntax.Define():
                self.define(statement)
            case syntax.Declaration():
                for item in statement.items:
                    self.add_tensor(item.name, self.shape(item), statement.role)  # type: ignore[arg-type]
            case syntax.Mask():
                declare_mask(self, statement)
            case syntax.Constant():
                self.add_tensor(statement.target.name, self.shape(statement.target), "constant")
                tensor = self.tensors[statement.target.name.id]
                settings.constants[tensor.name] = numbers.array(statement.values, tensor, broadcast=True)

    def define(self, statement: syntax.Define) -> None:
        name = statement.name
        if is_language_function(name.id):
            raise SpecError(f"'{name.id}' is a function of the language", name.span, "", "use another name")
        if name.id in self.spans or name.id in self.defines:
            self.refuse_second(name)
        check_parameters(statement.parameters)
        self.defines[name.id] = statement

    def announce(self, statement: syntax.Equation) -> None:
        """Note what an equation will define, so that a use before it can be explained."""
        name = statement.target.name
        if any(is_zero(b) for b in statement.target.brackets or ()):
            if name.id in self.initials:
                raise SpecError(f"{name.id}[0] is given twice", statement.target.span, "", "remove one of the two")
            self.initials[name.id] = statement
            return
        self.add_name(name)
        self.upcoming[name.id] = statement
        self.leading[name.id] = self.named_indices(statement.target)

    def shape(self, item: syntax.Declared) -> tuple[int, ...]:
        """The sizes in the brackets of a declaration."""
        shape = []
        for bracket in item.brackets or ():
            shape.append(self.extent_of(bracket))
        return tuple(shape)

    def extent_of(self, node: syntax.Expr) -> int:
        """A size written as a number or by name; raises for anything else."""
        extent = self.extent(node)
        if extent is None:
            raise self.no_size(node)
        return extent

    def no_size(self, bracket: syntax.Expr) -> SpecError:
        if isinstance(bracket, syntax.Name):
            hint = did_you_mean(bracket.id, self.sizes) or f"declare it: size {bracket.id} = 8"
            return SpecError(f"unknown size '{bracket.id}'", bracket.span, "not declared", hint)
        return SpecError(
            "this is not a size", bracket.span, "", "a size is a whole number from 1, or a name: size n = 8"
        )

    def extent(self, node: syntax.Expr) -> int | None:
        """A size written as a number or by name; ``None`` for anything else."""
        match node:
            case syntax.Number() if node.value.denominator == 1 and node.value >= 1 and not node.decimal:
                return int(node.value)
            case syntax.Name() if node.id in self.sizes:
                return self.size(node.id)
        return None

    def named_indices(self, target: syntax.Declared) -> int:
        """How many brackets on the left of an equation hold the name of an index."""
        return sum(isinstance(b, syntax.Name) and b.id not in self.sizes for b in target.brackets or ())

    def size(self, name: str) -> int:
        """The value of a declared size, which counts as a use of it."""
        self.used.add(name)
        return self.sizes[name]

    # names

    def add_name(self, name: syntax.Name) -> None:
        if is_language_function(name.id):
            raise SpecError(f"'{name.id}' is a function of the language", name.span, "", "write another name")
        if name.id in self.spans or name.id in self.defines:
            self.refuse_second(name)
        self.spans[name.id] = name.span

    def refuse_second(self, name: syntax.Name) -> NoReturn:
        """Raise the error for a name that stands for something already."""
        earlier = self.defines[name.id].name.span if name.id in self.defines else self.spans[name.id]
        where = f"first on line {self.source.locate(earlier.start)[0]}"
        raise SpecError(f"'{name.id}' is declared twice", name.span, where, "remove one, or write another name")

    def check_index(self, name: syntax.Name, local: Container[str] = ()) -> None:
        """An index must not have the name of anything else: ``i[i]`` is no way to write."""
        if name.id in self.reserved or name.id in local:
            raise SpecError(
                f"'{name.id}' cannot be an index", name.span, "the name of something else", "write another letter here"
            )

    def add_tensor(self, name: syntax.Name, shape: tuple[int, ...], role: Role) -> None:
        self.add_name(name)
        self.put_tensor(Tensor(name.id, shape, role), name.span)

    def put_tensor(self, tensor: Tensor, span: Span) -> Tensor:
        if tensor.size > numbers.MAX_ELEMENTS:
            label = f"{tensor.name} has {tensor.size:,} elements" if tensor.size < 10**15 else ""
            help = f"a tensor has at most {numbers.MAX_ELEMENTS:,} elements"
            raise SpecError("this tensor is too large", span, label, help)
        self.tensors[tensor.name] = tensor
        return tensor

    def defer(self, scope: Scope, ranges: dict[Index, Range]) -> None:
        """Keep what an equation reads of the past, until all tensors are known."""
        self.deferred += [replace(d, ranges=ranges) for d in scope.deferred]

    def use(self, name: str) -> Tensor:
        self.used.add(name)
        return self.tensors[name]

    def anonymous(self) -> str:
        """A name for a value that has none; not one a user can write."""
        number = len(self.anonymous_names) + 1
        while f"Σ{number}" in self.anonymous_names:
            number += 1
        name = f"Σ{number}"
        self.anonymous_names.add(name)
        return name

    def unknown(self, name: syntax.Name, local: set[str]) -> SpecError:
        """The error for a name that means nothing here."""
        if name.id in self.upcoming:
            return self.too_early(name)
        known = {*self.tensors, *self.sizes, *local, *self.upcoming}
        if name.id in self.all_functions():
            return SpecError(
                f"'{name.id}' is a function", name.span, "", f"give it an argument: {self.signature(name.id)}"
            )
        hint = (
            did_you_mean(name.id, known) or f"declare it: input {name.id}, weight {name.id} or constant {name.id} = …"
        )
        return SpecError(f"unknown name '{name.id}'", name.span, "not declared", hint)

    def too_early(self, name: syntax.Name) -> SpecError:
        """The error for a name whose equation stands below, or is the one being read."""
        way = circle(self.upcoming, self.current, name.id)
        if len(way) == 2:
            looks_back = "a recurrence looks back by a fixed number of steps: h[t-1]; "
            looks_back += "to go through time from its end, count from there and read x[T+1-t]"
            help = looks_back if self.upcoming[name.id].target.brackets else "give the new value a name of its own"
            return SpecError(f"'{name.id}' is defined through itself", name.span, "", help)
        if way:
            help = "an equation reads what stands above it; only a recurrence reads itself, at an earlier time: h[t-1]"
            return SpecError("these equations need each other", name.span, " → ".join(way), help)
        line = self.source.locate(self.spans[name.id].start)[0]
        return SpecError(
            f"'{name.id}' is used before it is defined",
            name.span,
            f"its equation is on line {line}",
            f"move the equation of {name.id} up",
        )

    def text(self, span: Span) -> str:
        """What the user wrote there, on one line."""
        return " ".join(self.source.text[span.start : span.end].split())

    # functions

    def all_functions(self) -> set[str]:
        return {*elementary(), *COMBINING, *MAKERS, *ARRANGEMENTS, *REDUCTIONS, *catalogue(), *self.defines}

    def function(self, name: syntax.Name) -> Function:
        """A function of the user or of the catalogue, compiled when it is first used."""
        definition = self.definition(name.id)
        if definition is None:
            own = f"define {name.id}(z) = …"
            close = did_you_mean(name.id, self.all_functions())
            hint = f"{close}\nor a function of your own: {own}" if close else f"define it: {own}"
            if name.id in self.tensors:
                hint = f"{name.id} is a tensor: write {name.id}[…] for an element, or {name.id} * (…) for a product"
            raise SpecError(f"unknown function '{name.id}'", name.span, "", hint)
        key = name.id, is_catalogued(definition)
        if key not in self.functions:
            self.functions[key] = compile_function(self, name, definition)
        self.used.add(name.id)
        return self.functions[key]

    def definition(self, name: str) -> syntax.Define | None:
        """What the name of a function stands for: the user's definition hides one of the catalogue.

        The catalogue's own formulas know nothing of the user's.
        """
        own = None if self.opening and is_catalogued(self.opening[-1]) else self.defines.get(name)
        return own or (catalogue()[name].definition if name in catalogue() else None)

    def targets(self) -> list[Tensor]:
        return [t for t in self.tensors.values() if t.role == "target"]

    def signature(self, name: str) -> str:
        """How a function is called."""
        if (definition := self.definition(name)) is not None:
            return signature(name, definition.parameters)
        return SIGNATURES.get(name, f"{name}(x)")


def is_language_function(name: str) -> bool:
    """Whether a name means a function that no specification can redefine."""
    return name in elementary() or name in COMBINING or name in (*MAKERS, *ARRANGEMENTS)


def _declared_names(statements: tuple[syntax.Statement, ...]) -> list[str]:
    names = []
    for statement in statements:
        match statement:
            case syntax.Declaration():
                names += [item.name.id for item in statement.items]
            case syntax.Equation() | syntax.Constant() | syntax.Mask():
                names.append(statement.target.name.id)
            case syntax.Size():
                names += [name.id for name, _ in statement.items]
            case syntax.Rate():
                names.append(statement.name.id)
            case syntax.Loss() if statement.name:
                names.append(statement.name.id)
    return names
