"""The numbers that equations bear, the same in the notes and in the trainer's comments, and their plain-text form."""

from __future__ import annotations

from collections.abc import Iterable

import sympy
from sympy.printing.str import StrPrinter

from derive.expressions import Cases, Equal
from derive.gradient import Sweep
from derive.network import Equation, Network, Scan


def flatten(steps: Iterable[Equation | Scan]) -> list[Equation]:
    """All equations, those inside recurrences included, in order."""
    return [eq for step in steps for eq in (step.equations if isinstance(step, Scan) else (step,))]


def equation_numbers(network: Network, sweep: Sweep) -> list[tuple[int, Equation]]:
    """Number the equations: (1) … (n) those of the network in order, then the derivatives in order of computation."""
    return list(enumerate([*flatten(network.equations), *flatten(sweep.equations)], 1))


class _Plain(StrPrinter):
    """SymPy's text with the signs of the specification language."""

    def _print_Pow(self, expr: sympy.Pow, rational: bool = False) -> str:
        return str(super()._print_Pow(expr, rational=rational)).replace("**", "^")

    def _print_Cases(self, expr: Cases) -> str:
        condition, positive, otherwise = (self._print(a) for a in expr.args)
        return f"({positive} if {condition} > 0 else {otherwise})"

    def _print_Equal(self, expr: Equal) -> str:
        left, right = (self._print(a) for a in expr.args)
        return f"(1 if {left} = {right} else 0)"


def plain_text(equation: Equation) -> str:
    """An equation on one line, written as in a specification: ``z[i] = sum(j: W[i, j]*x[j])``."""
    right = _Plain().doprint(equation.body)
    if equation.reduce:
        right = f"{equation.kind}({', '.join(map(str, equation.reduce))}: {right})"
    return f"{equation.lhs} {'+=' if equation.accumulate else '='} {right}"
