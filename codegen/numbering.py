"""The numbers that equations bear, the same in the notes and in the trainer's comments, and their plain-text form."""

from __future__ import annotations

from collections.abc import Iterable

from derive.gradient import Sweep
from derive.network import Equation, Network, Scan


def flatten(steps: Iterable[Equation | Scan]) -> list[Equation]:
    """All equations, those inside recurrences included, in order."""
    return [eq for step in steps for eq in (step.equations if isinstance(step, Scan) else (step,))]


def equation_numbers(network: Network, sweep: Sweep) -> list[tuple[int, Equation]]:
    """Number the equations: (1) … (n) those of the network in order, then the derivatives in order of computation."""
    return list(enumerate([*flatten(network.equations), *flatten(sweep.equations)], 1))


def plain_text(equation: Equation) -> str:
    """An equation on one line, written as in a specification: ``z[i] = sum(j: W[i, j]*x[j])``."""
    right = str(equation.body).replace("**", "^")
    if equation.reduce:
        right = f"{equation.kind}({', '.join(map(str, equation.reduce))}: {right})"
    return f"{equation.lhs} {'+=' if equation.accumulate else '='} {right}"
