"""What the notes say about the functions given by a formula: definition, derivative, and the slope at kinks."""

from __future__ import annotations

from typing import Any

import sympy

from codegen.formulas.writer import Writer
from codegen.notes.document import Row
from derive.branches import Kink, kinks
from derive.expressions import Cases
from derive.functions import Formula, written_out
from derive.network import Equation
from derive.tidy import derivative_of


def functions_used(writer: Writer, equations: list[Equation]) -> list[tuple[str, list[Row]]]:
    """Words and rows about every function that the equations use, those inside their formulas included."""
    rows: list[Row] = []
    remarks: list[str] = []
    used = _applications(equations)
    for name, function in used.items():
        rows += function_rows(writer, function)
        if found := kinks_of(function):
            remarks.append(_at_kinks(writer, found, f"of ${writer.function(name, ['z'])}$" if len(used) > 1 else ""))
    if not rows:
        return []
    if any(derivative_of(f, 0).atoms(Cases) for f in used.values()):
        bracket = "a bracket $[z > 0]$ is 1 where the condition holds and 0 elsewhere"
        remarks = [f"{bracket}, so {remarks[0]}", *remarks[1:]] if remarks else [bracket]
    text = "The functions in it and their derivatives are"
    return [(f"{text} ({'; '.join(remarks)})" if remarks else text, rows)]


def _applications(equations: list[Equation]) -> dict[str, Any]:
    """The functions by name, in the order in which they are met; after each those that stand in its formula."""
    found: dict[str, Any] = {}
    waiting = [f for eq in equations for f in sorted(eq.body.atoms(Formula), key=str)]
    while waiting:
        function = type(waiting.pop(0))
        if function.__name__ not in found:
            found[function.__name__] = function
            waiting = sorted(function.body.atoms(Formula), key=str) + waiting
    return found


def function_rows(writer: Writer, function: Any) -> list[Row]:
    """The formula, with the numbers that its parameters are by default, and a derivative by each other parameter."""
    operands = [p for p in function.parameters if p not in function.defaults]
    call = writer.call(function(*(function.defaults.get(p, p) for p in function.parameters)))
    defaults = [f"{writer.line(p)} = {writer.line(value)}" for p, value in function.defaults.items()]
    rows = [Row(call, writer.line(function.body) + (f" \\qquad ({defaults[0]})" if len(defaults) == 1 else ""))]
    if len(defaults) > 1:
        rows.append(Row("", " \\text{ with } " + ",\\; ".join(defaults), relation=""))
    for n, parameter in enumerate(function.parameters):
        if parameter in operands:
            left = f"\\frac{{\\partial}}{{\\partial {writer.line(parameter)}}}\\, {call}"
            rows.append(Row(left, writer.line(derivative_of(function, n))))
    return rows


def kinks_of(function: Any) -> list[Kink]:
    """The kinks of a function in its first argument, the other parameters being what they are by default.

    Those without a default are any number, so only what does not depend on it is a kink.
    """
    first, *others = (p for p in function.parameters if p not in function.defaults)
    body = written_out(function.body).xreplace(function.defaults)
    found, again = (kinks(body.xreplace(dict.fromkeys(others, sympy.Rational(k, 7))), first) for k in (2, 3))
    found = [kink for kink in found if any(kink.place == other.place for other in again)]
    slopes = (written_out(derivative_of(function, 0)).subs(first, kink.place) for kink in found)
    return [Kink(k.place, s if not s.atoms(Cases) else k.slope) for k, s in zip(found, slopes, strict=True)]


def _at_kinks(writer: Writer, found: list[Kink], whose: str) -> str:
    letter = sympy.Symbol("z", real=True)
    places = " and ".join(f"${writer.line(letter)} = {writer.line(k.place)}$" for k in found)
    slopes = " and ".join(_word(writer.line(k.slope)) for k in found)
    many = "s" if len(found) > 1 else ""
    return f"at the kink{many}{f' {whose}' if whose else ''}, {places}, the derivative is taken to be {slopes}"


def _word(formula: str) -> str:
    return formula if formula.isdigit() else f"${formula}$"
