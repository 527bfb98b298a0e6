"""Contributions to ∂L/∂A[f(s)] read from the other side: what ∂L/∂A[g] receives.

A contribution Σ C(s) reaches A at the affine indices f(s), s running over the ranges of an equation.  Solving f(s) = g
for as many s as there are equations gives the closed form

    ∂L/∂A[g] = Σ over the s that stay open of [the solved s lie in their ranges] C(s).

So x[i+k-1] hands ∂L/∂x[i] = Σ_k [1 ≤ i-k+1 ≤ n] …, and the past h[t-1] hands ∂L/∂h[t] = [t < T] … at t + 1: the
backward recurrence of back-propagation through time is a change of variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from derive.expressions import Access, Index, Within, extent_of, fresh, index, index_symbols, rename

Range = tuple[int, int]


@dataclass(frozen=True)
class Gathered:
    """``Σ over the indices "over" of expression``, in the target's indices; ``ranges`` are those of ``over``."""

    expression: sympy.Expr
    over: tuple[Index, ...]
    ranges: Mapping[Index, Range]


def gather(
    contribution: sympy.Expr,
    access: Access,
    ranges: Mapping[Index, Range],
    target: tuple[sympy.Expr, ...],
    target_ranges: Mapping[Index, Range],
) -> Gathered | None:
    """A contribution at ``access`` as what the place ``target`` receives.

    ``None`` where a strided read 2 i + k would have to be looked for among all i: adding up place by place,
    ∂x[2i+k] += …, is the shorter way then.
    """
    own = sorted(set().union(*(index_symbols(i) for i in access.indices)) if access.indices else set(), key=str)
    hidden = {s: index(f"{s}°") for s in own}
    known = {hidden[s]: ranges[s] for s in own} | dict(target_ranges)
    solved: dict[Index, sympy.Expr] = {}
    conditions: list[tuple[sympy.Expr, int, int]] = []
    pairs = [(rename(f, hidden), g) for f, g in zip(access.indices, target, strict=True)]
    for f, g in sorted(pairs, key=lambda pair: not pair[0].is_Symbol):
        rest = sympy.expand(rename(f, solved) - g)
        unknown = [s for s in hidden.values() if s in index_symbols(rest)]
        if not unknown:
            conditions.append((rest, 0, 0))
            continue
        longest = max(known[s][1] - known[s][0] for s in unknown)
        simple = [s for s in unknown if abs(rest.coeff(s)) == 1 and known[s][1] - known[s][0] == longest]
        if not simple:
            return None
        s = simple[0]
        value = sympy.expand(s - rest / rest.coeff(s))
        solved = {**{r: sympy.expand(rename(v, {s: value})) for r, v in solved.items()}, s: value}
    conditions = [(rename(c, solved), low, high) for c, low, high in conditions]
    conditions += [(value, *known[s]) for s, value in solved.items()]
    taken = {str(s) for g in target for s in index_symbols(g)}
    open_ = {s: h for s, h in hidden.items() if h not in solved}
    letters = {h: fresh([str(s), *"kjilmnpqr"], taken) for s, h in open_.items()}
    expression = rename(rename(contribution, hidden), {**solved, **{h: h for h in letters}})
    for condition, low, high in reversed(conditions):
        if low == high and len(index_symbols(condition)) == 1:  # t = 4, not 4 - t = 0
            (s,) = index_symbols(condition)
            if abs(slope := condition.coeff(s)) == 1:
                low = high = int((low - condition + slope * s) / slope)
                condition = s
        least, most = extent_of(condition, known)
        if most < low or least > high:
            return Gathered(sympy.Integer(0), (), {})
        if least >= low and most <= high:
            continue
        equal = low == high
        first = -sympy.oo if least >= low and not equal else sympy.Integer(low)
        last = sympy.oo if most <= high and not equal else sympy.Integer(high)
        expression = Within(condition, first, last, expression)
    return Gathered(rename(expression, letters), tuple(letters.values()), {letters[h]: known[h] for h in letters})


def collected(terms: list[sympy.Expr]) -> sympy.Expr:
    """A sum, with what is there under one condition, [t < T] a + [t < T] b, brought together: [t < T] (a + b)."""
    under: dict[tuple[sympy.Expr, ...], list[sympy.Expr]] = {}
    for term in sympy.Add.make_args(sympy.Add(*terms)):
        under.setdefault(term.args[:3] if isinstance(term, Within) else (), []).append(term)
    plain = under.pop((), [])
    return sympy.Add(*plain, *(Within(*c, sympy.Add(*(w.args[3] for w in found))) for c, found in under.items()))
