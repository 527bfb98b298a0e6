"""Back-propagation through time: the derivatives of a recurrence are a recurrence from its last step to its first."""

from __future__ import annotations

from dataclasses import replace

import sympy

from derive.adjoints import (
    Contribution,
    Program,
    State,
    absorb,
    adjoint_name,
    anonymous,
    finish_adjoint,
    gathered,
    handed_down,
)
from derive.expressions import Access, index_symbols, partial
from derive.network import Equation, Scan
from derive.tidy import Tidied


def sweep_scan(state: State, scan: Scan) -> None:
    """Back-propagation through time: the equations of a recurrence in reverse, for the last time step first.

    What h[t] receives from the step after it, where h is read as h[t-1], is not known yet when ∂h[t] is added up: it
    is worked out at the end of that step.  So it stands in ∂h[t] under a name of its own, at t + 1.  Tensors that are
    not part of the recurrence get their share afterwards, summed over time.
    """
    inside = frozenset(eq.lhs.tensor for eq in scan.equations)
    awaited = {(n, c.access): c for n, eq in enumerate(scan.equations) for c in _awaited(state, scan, eq, inside)}
    for c in awaited.values():
        state.contributions.setdefault(c.access.tensor, []).append(c)
    state.past |= {c.access.tensor for c in awaited.values()}
    state.recurrence = scan.equations
    body: Program = []
    after: Program = []
    for n, eq in reversed(list(enumerate(scan.equations))):
        if eq.lhs.tensor not in state.wanted:
            continue
        finish_adjoint(state, eq.lhs.tensor, eq, body, state.program)
        for c in handed_down(state, eq, body, after, inside):
            expected = awaited.get((n, c.access))
            if expected is None:
                state.contributions.setdefault(c.access.tensor, []).append(c)
                continue
            name, used = expected.total, index_symbols(expected.total)
            ranges = {s: r for s, r in eq.ranges.items() if s in used}
            body.append(absorb(state, Equation(name, c.total, ranges), body))
            paths = state.contributions[c.access.tensor]
            paths[paths.index(expected)] = replace(c, total=name)
    state.program.append(replace(scan, equations=tuple(e for e in body if isinstance(e, Equation)), backward=True))
    state.program += after
    for tensor in inside & state.adjoints.keys():
        found, adjoint = tuple(state.contributions.get(tensor, ())), state.adjoints[tensor]
        rules = tuple(dict.fromkeys((*adjoint.rules, *(r for c in found for r in c.rules))))
        state.adjoints[tensor] = replace(adjoint, contributions=found, rules=rules)


def _awaited(state: State, scan: Scan, eq: Equation, inside: frozenset[str]) -> list[Contribution]:
    """What an equation of a recurrence will hand to the past: contributions whose value has but a name so far."""
    found = []
    for access in eq.reads:
        past = access.tensor in inside & state.wanted and scan.index not in access.indices
        raw = partial(eq.body, access) if past else sympy.Integer(0)
        if raw != 0:
            indices = tuple(dict.fromkeys(s for i in access.indices for s in sorted(index_symbols(i), key=str)))
            total = anonymous(state, indices, eq.ranges)
            found.append(Contribution(eq, access, sympy.Integer(1), raw, Tidied(raw), (), total, ()))
    return found


def finish_start(state: State, own: Equation) -> None:
    """∂L/∂h[0], the state before a recurrence: what the first step hands back."""
    name = adjoint_name(own.lhs.tensor)
    contributions = state.contributions.get(own.lhs.tensor, [])
    ranges = {s: own.ranges[s] for s in own.free}
    total, _, scattered = gathered(state, contributions, own.lhs.indices, ranges, state.program)
    if not scattered:
        state.program.append(absorb(state, Equation(Access(name, *own.lhs.indices), total, ranges), state.program))
