"""Checks on the whole network, once every statement has been read."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import sympy

from derive.diagnostics import Span, SpecError
from derive.expressions import Access
from derive.language import syntax
from derive.network import Equation, Fact, Network, Numbers, Tensor

if TYPE_CHECKING:
    from derive.language.build import Builder


def outputs(tensors: Mapping[str, Tensor], equations: list[Equation]) -> tuple[str, ...]:
    """The predictions: values with a name that know nothing of the targets and meet them in an equation."""
    aware: set[str] = {t.name for t in tensors.values() if t.role == "target"}
    found: dict[str, None] = {}
    for eq in equations:
        read = [a.tensor for a in eq.reads]
        if any(name in aware for name in read):
            aware.add(eq.lhs.tensor)
            found |= dict.fromkeys(n for n in read if n not in aware and tensors[n].role == "value")
    return tuple(name for name in found if not tensors[name].anonymous and _sees_input(name, tensors, equations))


def _sees_input(name: str, tensors: Mapping[str, Tensor], equations: list[Equation]) -> bool:
    inputs = {t.name for t in tensors.values() if t.role == "input"}
    seen = set(inputs)
    for eq in equations:
        if any(a.tensor in seen for a in eq.reads):
            seen.add(eq.lhs.tensor)
    return name in seen or not inputs


def check(network: Network, builder: Builder) -> None:
    """Something to learn, and nothing written in vain."""
    if not network.weights:
        raise SpecError(
            "there is nothing to learn", None, "", "declare weights (weight w) or use a layer: linear(x), dense(x)"
        )
    needed = _needed(network)
    if not needed & {t.name for t in network.weights}:
        raise SpecError(
            "the loss does not depend on any weight",
            builder.spans[network.loss],
            "",
            "let a weight, or a value computed from one, enter it",
        )
    for name, span in builder.spans.items():
        tensor = network.tensors.get(name)
        if tensor is not None and not tensor.anonymous and name not in needed:
            what = "no path leads from it to the loss" if tensor.role == "value" else "it never enters the loss"
            raise SpecError(f"'{name}' is not used", span, what, "use it or remove it")
        if tensor is None and name in builder.sizes and name not in builder.used:
            raise SpecError(f"size '{name}' is not used", span, "", "use it or remove it")
    for name, definition in builder.defines.items():
        if name not in builder.used:
            raise SpecError(f"function '{name}' is not used", definition.name.span, "", "use it or remove it")


def _needed(network: Network) -> set[str]:
    needed = {network.loss}
    changed = True
    while changed:
        before = len(needed)
        for eq in reversed(network.flat_equations):
            if eq.lhs.tensor in needed:
                needed |= {a.tensor for a in eq.reads}
        changed = len(needed) > before
    return needed


def check_facts(facts: list[Fact], sample: Mapping[str, Numbers], statement: syntax.Sample) -> None:
    """A sample must satisfy what was declared of its targets, since the formulas rely on it."""
    for fact in facts:
        if not fact.reduce or fact.tensor not in sample:
            continue
        values = sample[fact.tensor]
        totals: dict[tuple[int, ...], sympy.Expr] = {}
        for point in _points(values):
            row = tuple(n for d, n in enumerate(point) if d not in fact.axes(len(point)))
            totals[row] = totals.get(row, sympy.Integer(0)) + _at(fact.body, point, values)
        total = next((v for v in totals.values() if abs(v - fact.value) > sympy.Rational(1, 10**9)), None)
        if total is not None:
            span = next(a.values.span for a in statement.assignments if a.name.id == fact.tensor)
            raise SpecError(
                f"the elements of {fact.tensor} must add up to {fact.value}",
                span,
                f"they add up to {float(total):g}",
                "this loss is meant for probabilities: one 1 among zeros, or numbers that add up to 1",
            )


def check_choices(places: Mapping[str, int], name: str, values: Numbers, span: Span) -> None:
    """Data that choose a place hold whole numbers from 1 to the number of places."""
    last = places.get(name)
    for point in _points(values) if last else ():
        number = _element(values, point)
        if number.q != 1 or not 1 <= number <= last:
            where = f"{name}[{', '.join(map(str, point))}]" if point else name
            help = f"{name} chooses one of {last} places: write whole numbers from 1 to {last}"
            raise SpecError("no such place", span, f"{where} is {number}", help)


def _points(values: Numbers) -> list[tuple[int, ...]]:
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0]
    return list(product(*(range(1, n + 1) for n in shape)))


def _at(body: sympy.Expr, point: tuple[int, ...], values: Numbers) -> sympy.Expr:
    value = sympy.sympify(_element(values, point))
    return body.xreplace(dict.fromkeys(body.atoms(Access), value))


def _element(values: Numbers, point: tuple[int, ...]) -> Any:
    for i in point:
        assert isinstance(values, list)
        values = values[i - 1]
    return values
