"""The numbers that equations bear, the same in the notes and in the trainer's comments, and their plain-text form."""

from __future__ import annotations

from codegen.formulas.latex import Text, equations_of
from codegen.formulas.notation import Notation
from derive.expressions import Access
from derive.gradient import Sweep
from derive.network import Equation, Network, flatten


def equation_numbers(network: Network, sweep: Sweep) -> list[tuple[int, Equation]]:
    """Number the equations: first those of the network in order, then the derivatives in order of computation.

    A sum without a name stands inside the equation that reads it, so it bears the number of that equation.
    """
    tensors = {**network.tensors, **sweep.tensors}
    numbered, number = [], 1
    for eq in [*flatten(network.equations), *flatten(sweep.equations)]:
        numbered.append((number, eq))
        number += not tensors[eq.lhs.tensor].anonymous
    return numbered


class PlainText:
    """Equations on one line each, in the notation of the notes: ``z1[i] = Σ_j W1[i,j] x[j] + b1[i]``."""

    def __init__(self, network: Network, sweep: Sweep) -> None:
        self.loss = network.loss
        self.padded = {t.name for t in network.tensors.values() if t.border}
        self.writer = Text(Notation(network, sweep), equations_of(network, sweep))

    def is_shown(self, eq: Equation) -> bool:
        """Whether an equation stands on a line of its own."""
        return not self.writer.notation.tensors[eq.lhs.tensor].anonymous

    def __call__(self, eq: Equation) -> str:
        right = self.writer.equation(eq)
        if not self.is_shown(eq):
            return f"{right}, a part of it"
        padded = eq.lhs.tensor in self.padded
        return f"{self.left(eq.lhs)} {'+=' if eq.accumulate else '='} {right}{', 0 around' if padded else ''}"

    def left(self, lhs: Access) -> str:
        """A left side: a value, a δ, or the derivative by a weight."""
        if not lhs.tensor.startswith("∂") or self.writer.notation.is_delta(lhs.tensor):
            return self.writer.access(lhs)
        return f"∂{self.loss}/∂{self.writer.access(Access(lhs.tensor[1:], *lhs.indices))}"
