"""Optimizers and learning-rate schedules: the catalogues', and those that a specification defines in the same way.

An optimizer is an ``optimizer`` statement with the ``update`` lines that follow it.  In an update *w* is the weight,
*g* its gradient and *k* the number of the update, from 1; beside them there are the settings and the quantities
that updates define.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import Source, SpecError
from derive.language import syntax
from derive.language.equations import is_zero
from derive.language.formulas import Formulas
from derive.language.names import example
from derive.language.numbers import rational
from derive.language.parser import parse, read
from derive.network import Optimizer

if TYPE_CHECKING:
    from derive.language.build import Builder

WEIGHT, GRADIENT = sympy.Symbol("w", real=True), sympy.Symbol("g", real=True)
COUNT = sympy.Symbol("k", positive=True)
GIVEN = {"w": "the weight", "g": "the gradient", "k": "the number of the update"}


@dataclass(frozen=True)
class Definition:
    """An ``optimizer`` statement and the ``update`` lines below it."""

    statement: syntax.Optimizer
    updates: tuple[syntax.Update, ...]


def definitions(statements: Iterable[syntax.Statement]) -> list[Definition]:
    """The optimizers of a text, each with its lines."""
    found: list[Definition] = []
    for statement in statements:
        if isinstance(statement, syntax.Optimizer):
            found.append(Definition(statement, ()))
        elif isinstance(statement, syntax.Update):
            if not found:
                help = "write above it: optimizer mine(a = 0.1)"
                raise SpecError("an update belongs to an optimizer", statement.span, "no optimizer above", help)
            found[-1] = replace(found[-1], updates=(*found[-1].updates, statement))
    return found


@lru_cache(maxsize=2)
def source_of(catalogue: str) -> Source:
    """The text of one of the catalogues, ``optimizers`` or ``schedules``."""
    return read(Path(__file__).with_name(f"{catalogue}.spec"))


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Definition]:
    """What ``optimizers.spec`` says of its optimizers, by name."""
    return {d.statement.name.id: d for d in definitions(parse(source_of("optimizers")).statements)}


@lru_cache(maxsize=32)
def catalogued(name: str) -> Optimizer:
    """An optimizer of the catalogue, with its settings."""
    from derive.language.build import Builder

    return compile_optimizer(Builder(source_of("optimizers")), catalogue()[name], None)


@lru_cache(maxsize=1)
def schedules() -> Mapping[str, syntax.Define]:
    """The definitions of ``schedules.spec``, by name."""
    return {s.name.id: s for s in parse(source_of("schedules")).statements if isinstance(s, syntax.Define)}


def with_rate(optimizer: Optimizer, letter: str) -> Optimizer:
    """The same optimizer with another letter for its learning rate."""
    new = {optimizer.rate: sympy.Symbol(letter, real=True)}
    name = {optimizer.rate.name: letter}
    return replace(
        optimizer,
        rate=new[optimizer.rate],
        settings={new.get(s, s): value for s, value in optimizer.settings.items()},
        updates=tuple((s, body.xreplace(new)) for s, body in optimizer.updates),
        starts={s: body.xreplace(new) for s, body in optimizer.starts.items()},
        orders={s: tuple(name.get(n, n) for n in order) for s, order in optimizer.orders.items()},
    )


def compile_optimizer(builder: Builder, definition: Definition, rate: syntax.Name | None) -> Optimizer:
    """An optimizer from its lines; ``rate`` is the learning rate's name where a ``rate`` line gives it one.

    Raises :class:`SpecError` for lines that make no sense or that do nothing.
    """
    statement = definition.statement
    keys = [*([rate] if rate else []), *(key for key, _ in statement.settings)]
    for key in keys:
        if key.id in GIVEN:
            help = f"in updates {key.id} is {GIVEN[key.id]}; write another letter"
            raise SpecError(f"'{key.id}' cannot be a setting", key.span, "", help)
    names = list(dict.fromkeys(key.id for key in keys))
    if not names:
        help = f"its first setting is the learning rate: optimizer {statement.name.id}(a = 0.1)"
        raise SpecError(f"{statement.name.id} has no learning rate", statement.span, "", help)
    settings = {name: sympy.Symbol(name, real=True) for name in names}
    starts, lines = _by_target(definition, settings)
    if "w" not in lines:
        help = "the last line says what the new weight is: update w = w - a * g"
        raise SpecError(f"{statement.name.id} does not update the weight w", statement.span, "", help)
    targets = {name: WEIGHT if name == "w" else sympy.Symbol(name, real=True) for name in lines}
    formulas = Formulas(builder, "an update", {**settings, **targets, "w": WEIGHT, "g": GRADIENT, "k": COUNT})
    lowered = {targets[name]: formulas.lower(line.body) for name, line in lines.items()}
    before = Formulas(builder, "the start of a state", settings)
    updates = {symbol: body for symbol, (body, _) in lowered.items()}
    optimizer = Optimizer(
        name=statement.name.id,
        weight=WEIGHT,
        gradient=GRADIENT,
        count=COUNT,
        states=_states(updates),
        settings={settings[key.id]: rational(value) for key, value in statement.settings},
        rate=settings[names[0]],
        updates=tuple(updates.items()),
        starts={targets[name]: before.lower(line.body)[0] for name, line in starts.items()},
        orders={symbol: order for symbol, (_, order) in lowered.items()},
    )
    _refuse_idle(optimizer, definition, starts, lines, rate)
    return optimizer


def _by_target(
    definition: Definition, settings: Mapping[str, sympy.Symbol]
) -> tuple[dict[str, syntax.Update], dict[str, syntax.Update]]:
    """The lines ``update s[0] = …`` and ``update s = …``, by what they define."""
    starts: dict[str, syntax.Update] = {}
    lines: dict[str, syntax.Update] = {}
    for line in definition.updates:
        name, brackets = line.target.name, line.target.brackets
        if brackets is not None and not (len(brackets) == 1 and is_zero(brackets[0])):
            help = f"write {name.id} for the new value, {name.id}[0] for the value before the first update"
            raise SpecError("an update speaks of one weight, so it has no indices", line.target.span, "", help)
        if name.id in settings:
            help = "a setting keeps its value; give what changes another name"
            raise SpecError(f"'{name.id}' is a setting of {definition.statement.name.id}", name.span, "", help)
        if name.id in ("g", "k"):
            raise SpecError(f"'{name.id}' is {GIVEN[name.id]}", name.span, "", "write another name")
        if brackets is not None and name.id == "w":
            raise SpecError("where weights start is no business of an optimizer", line.target.span, "", example("init"))
        found = lines if brackets is None else starts
        if name.id in found:
            help = "remove one of the two, or give one of them another name"
            raise SpecError(f"'{line.target.name.id}' is updated twice", line.target.span, "", help)
        found[name.id] = line
    for started, line in starts.items():
        if started not in lines:
            raise SpecError(f"'{started}' is never updated", line.target.span, "", f"write below: update {started} = …")
    return starts, lines


def _states(updates: Mapping[sympy.Symbol, sympy.Expr]) -> tuple[sympy.Symbol, ...]:
    """What is read in its own line or before it, so that its value from the update before counts."""
    place = {symbol: n for n, symbol in enumerate(updates)}
    kept = {s for n, body in enumerate(updates.values()) for s in body.free_symbols & place.keys() if place[s] >= n}
    return tuple(s for s in updates if s in kept and s != WEIGHT)


def _refuse_idle(
    optimizer: Optimizer,
    definition: Definition,
    starts: Mapping[str, syntax.Update],
    lines: Mapping[str, syntax.Update],
    rate: syntax.Name | None,
) -> None:
    """Raise for whatever the new weight does not depend on."""
    updates = dict(optimizer.updates)
    needed = {WEIGHT}
    while further := {s for n in needed if n in updates for s in updates[n].free_symbols} - needed:
        needed |= further
    needed |= {s for n in needed if n in optimizer.starts for s in optimizer.starts[n].free_symbols}
    for name, line in starts.items():
        if not any(s.name == name for s in optimizer.states):
            help = f"{name} is written before it is read: remove this line"
            raise SpecError(f"the start of '{name}' has no effect", line.target.span, "", help)
    if GRADIENT not in needed:
        help = "let g, the derivative of the loss by the weight, enter it: update w = w - a * g"
        raise SpecError("the new weight does not depend on the gradient", lines["w"].span, "", help)
    spans = {name: line.target.span for name, line in lines.items()}
    spans |= {key.id: key.span for key, _ in definition.statement.settings}
    spans |= {rate.id: rate.span} if rate else {}
    for name, span in spans.items():
        if not any(s.name == name for s in needed):
            help = "use it or remove it"
            if rate is not None and name == rate.id and definition.statement.settings:
                first = definition.statement.settings[0][0].id
                help = f"let {name} enter the updates, or remove this line: then {first} is the learning rate"
            raise SpecError(f"'{name}' is not used", span, "the new weight does not depend on it", help)
