"""The reverse sweep: closed-form derivatives of the loss for every tensor, as equations in index notation.

The whole calculus is one rule (Griewank and Walther 2008, ch. 3, in index notation).  For every access ``A[f]`` in
the body of ``T[out] = Σ_red body``,

    ∂L/∂A[f]  +=  Σ over (out ∪ red) not in f of  ∂L/∂T[out] · ∂body/∂A[f],

where SymPy differentiates the scalar ``body``.  For ``T = max_red body`` the derivative reaches the places where the
maximum is attained, in equal parts.  No width enters: the cost is one scalar derivative per access.

What one equation hands down and how it is added up stands in :mod:`derive.adjoints`, recurrences in
:mod:`derive.through_time`; here is the way through all equations, from the last to the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from derive.adjoints import Adjoint, Contribution, State, adjoint_name, finish_adjoint, handed_down
from derive.network import Equation, Network, Scan, Tensor, cut, flatten
from derive.through_time import finish_start, sweep_scan
from derive.tidy import choice_of, kernels_of

__all__ = ["Adjoint", "Contribution", "Sweep", "adjoint_name", "sweep"]

MAX_SHOWN = 24  # equations in a repr


@dataclass(frozen=True)
class Sweep:
    """The derivatives of the loss: one :class:`Adjoint` a tensor, and the equations that compute them in order.

    ``absorbed`` are anonymous sums that closed forms mention and that became whole right sides in ``equations``.
    """

    adjoints: Mapping[str, Adjoint]
    equations: tuple[Equation | Scan, ...]
    absorbed: tuple[Equation, ...]
    tensors: Mapping[str, Tensor]
    weights: frozenset[str]

    def __repr__(self) -> str:
        lines = [f" {cut(str(eq))}" for eq in flatten(self.equations)]
        more = [f" … and {len(lines) - MAX_SHOWN} more"] if len(lines) > MAX_SHOWN else []
        return "\n".join([f"<Sweep: {len(lines)} derivative equations>", *lines[:MAX_SHOWN], *more])

    @property
    def deltas(self) -> list[str]:
        """The tensors whose derivative has a name and is no weight's, from the loss backwards."""
        return [n for n, a in self.adjoints.items() if a.named and n not in self.weights]


def sweep(network: Network) -> Sweep:
    """Differentiate the loss with respect to every tensor that it depends on through a weight."""
    kernels = [k for eq in network.flat_equations for k in kernels_of(eq)]
    choices = [k for eq in network.flat_equations if (k := choice_of(eq)) is not None]
    state = State(network, _wanted(network), kernels, choices)
    for step in reversed(network.equations):
        if isinstance(step, Scan):
            sweep_scan(state, step)
        elif step.lhs.tensor in state.wanted:
            if step.lhs.tensor in state.adjoints:
                finish_start(state, step)
            else:
                finish_adjoint(state, step.lhs.tensor, step, state.program)
            for contribution in handed_down(state, step, state.program):
                state.contributions.setdefault(contribution.access.tensor, []).append(contribution)
    for weight in network.weights:
        finish_adjoint(state, weight.name, None, state.program)
    program = _without_dead(state.program, [adjoint_name(w.name) for w in network.weights])
    weights = frozenset(w.name for w in network.weights)
    return Sweep(state.adjoints, tuple(program), tuple(state.absorbed), state.tensors, weights)


def _wanted(network: Network) -> set[str]:
    """Weights and every value computed from them."""
    wanted = {w.name for w in network.weights}
    size = -1
    while len(wanted) > size:  # more than once only where a recurrence reads what comes later
        size = len(wanted)
        for eq in network.flat_equations:
            if any(a.tensor in wanted for a in eq.reads):
                wanted.add(eq.lhs.tensor)
    return wanted


def _without_dead(program: list[Equation | Scan], results: list[str]) -> list[Equation | Scan]:
    """Leave out sums that no derivative uses in the end."""
    needed = set(results)
    kept: list[Equation | Scan] = []
    for step in reversed(program):
        equations = step.equations if isinstance(step, Scan) else (step,)
        if isinstance(step, Scan) or step.lhs.tensor in needed:
            needed |= {a.tensor for eq in equations for a in eq.reads}
            kept.append(step)
    return kept[::-1]
