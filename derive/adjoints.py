"""The adjoint of one quantity: what every equation that reads it hands down, added up and named where that helps.

The rule is that of :mod:`derive.gradient`.  A derivative that is a plain product, or that only one equation reads, is
written out where it is used; the others, shared by several weights or put together from several derivatives, are named:
the δ of the textbooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy

from derive.expressions import Access, Equal, Index, accesses, extent_of, fresh, index_symbols, partial, rename
from derive.gather import collected, gather
from derive.network import Equation, Network, Scan, Tensor, cut
from derive.tidy import (
    Kernel,
    Tidied,
    apply_fact,
    at_choice,
    hoist,
    is_centred,
    is_monomial,
    is_one_choice,
    tidy,
)

Program = list[Equation | Scan]
INLINE_LIMIT = 40  # operations; longer derivatives get a name, so that the cost stays linear in the equations


def adjoint_name(tensor: str) -> str:
    """The name of ∂loss/∂tensor; not one a user can write."""
    return f"∂{tensor}"


@dataclass(frozen=True)
class Contribution:
    """One path into a tensor: through the access ``access`` in ``equation``.

    ``upstream`` is ∂L/∂lhs as it is used, ``partial`` the scalar derivative as SymPy gives it and ``tidied`` the same
    after the rules; ``total`` is their product summed, over ``over``, at the access's indices.
    """

    equation: Equation
    access: Access
    upstream: sympy.Expr
    partial: sympy.Expr
    tidied: Tidied
    over: tuple[Index, ...]
    total: sympy.Expr
    rules: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Contribution to {adjoint_name(self.access.tensor)} through {self.access}: {cut(str(self.total))}>"


@dataclass(frozen=True)
class Adjoint:
    """∂loss/∂tensor: its paths and, in the indices ``indices``, its closed form.

    ``closed`` is ``None`` where contributions are scattered (a strided read): then only the equations say what the
    derivative is.  ``named`` tells whether other derivatives refer to it by name (a δ).
    """

    tensor: str
    indices: tuple[sympy.Expr, ...]
    contributions: tuple[Contribution, ...]
    closed: sympy.Expr | None
    rules: tuple[str, ...]
    named: bool

    def __repr__(self) -> str:
        left = Access(adjoint_name(self.tensor), *self.indices)
        right = "in several equations" if self.closed is None else f"= {cut(str(self.closed))}"
        return f"<Adjoint {left} {right}>"


@dataclass
class State:
    network: Network
    wanted: set[str]
    kernels: list[Kernel]
    choices: list[Kernel]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    contributions: dict[str, list[Contribution]] = field(default_factory=dict)
    adjoints: dict[str, Adjoint] = field(default_factory=dict)
    program: Program = field(default_factory=list)
    sums: int = 0
    absorbed: list[Equation] = field(default_factory=list)
    past: set[str] = field(default_factory=set)  # read at an earlier time by a recurrence
    recurrence: tuple[Equation, ...] = ()  # the one being differentiated


def handed_down(
    state: State, eq: Equation, program: Program, after: Program | None = None, inside: frozenset[str] = frozenset()
) -> list[Contribution]:
    """What ``eq`` hands down to every tensor that it reads.

    Sums go to ``program``, but for an equation of a recurrence those for tensors that are not ``inside`` it go to
    ``after``: they run over time.
    """
    upstream = _upstream(state, eq.lhs)
    body, share = eq.body, sympy.Integer(1)
    if eq.kind == "max":
        attained = Equal(body, eq.lhs)
        count = _new_sum(state, replace(eq, lhs=Access("", *eq.lhs.indices), body=attained, kind="sum"), program)
        share = attained / count
    found = []
    for access in eq.reads:
        if access.tensor not in state.wanted or (access.tensor == eq.lhs.tensor and access == eq.lhs):
            continue
        raw = partial(body, access)
        if raw == 0:
            continue
        tidied = tidy(raw, state.kernels)
        product = tidy(upstream * share * tidied.expression, state.kernels)
        chosen = at_choice(product.expression, state.choices)
        if chosen != product.expression:
            product = Tidied(chosen, (*product.rules, "choice"))
        over = tuple(s for s in (*eq.free, *eq.reduce) if s not in _indices_of(access))
        place = program if after is None or access.tensor in inside else after
        total, rules = _summed(state, eq, product.expression, over, place)
        rules = tuple(dict.fromkeys((*_inherited(state, eq.lhs), *tidied.rules, *product.rules, *rules)))
        found.append(Contribution(eq, access, upstream, raw, tidied, over, total, rules))
    return found


def _inherited(state: State, lhs: Access) -> tuple[str, ...]:
    """The rules behind a derivative that is written out where it is used."""
    adjoint = state.adjoints.get(lhs.tensor)
    return () if adjoint is None or adjoint.named else adjoint.rules


def _indices_of(access: Access) -> set[Index]:
    return set().union(*(index_symbols(i) for i in access.indices)) if access.indices else set()


def _upstream(state: State, lhs: Access) -> sympy.Expr:
    """∂L/∂lhs: its closed form where that is written out, its name elsewhere."""
    if lhs.tensor == state.network.loss:
        return sympy.Integer(1)
    adjoint = state.adjoints[lhs.tensor]
    if adjoint.named or adjoint.closed is None:
        return Access(adjoint_name(lhs.tensor), *lhs.indices)
    return rename(adjoint.closed, dict(zip(adjoint.indices, lhs.indices, strict=True)))


def _summed(
    state: State, eq: Equation, body: sympy.Expr, over: tuple[Index, ...], program: Program
) -> tuple[sympy.Expr, tuple[str, ...]]:
    """Σ_over body, with factors before the sum and declared facts used; a sum that stays becomes an equation."""
    if not over or body == 0:
        return body, ()
    outside, inside = hoist(body, over)
    left = tuple(s for s in over if s in index_symbols(inside))
    count = sympy.Mul(*(_extent(state, eq, s) for s in over if s not in left))
    rules = ("hoist",) if outside != 1 and outside != -1 else ()
    if not left:
        return outside * count, rules
    value = apply_fact(inside, left, state.network.facts)
    if value is not None:
        return outside * count * value, (*rules, "fact")
    if is_one_choice(inside, left):
        return outside * count, (*rules, "choice")
    if is_centred(inside, left, eq.ranges, state.network.flat_equations):
        return sympy.Integer(0), (*rules, "centred")
    lhs = Access("", *(s for s in (*eq.free, *eq.reduce) if s in index_symbols(inside) and s not in left))
    return outside * count * _new_sum(state, replace(eq, lhs=lhs, body=inside, reduce=left, kind="sum"), program), rules


def _extent(state: State, eq: Equation, s: Index) -> sympy.Expr:
    """The number of values of an index; the number of samples by its name."""
    coupling = state.network.coupling
    return coupling.count if coupling and s == coupling.index else sympy.Integer(eq.ranges[s][1] - eq.ranges[s][0] + 1)


def _new_sum(state: State, eq: Equation, program: Program) -> Access:
    """Add an equation for an anonymous sum and return the access to it."""
    used = {*eq.free, *eq.reduce}
    lhs = anonymous(state, eq.free, eq.ranges)
    program.append(Equation(lhs, eq.body, {s: r for s, r in eq.ranges.items() if s in used}, eq.reduce))
    return lhs


def anonymous(state: State, indices: tuple[Index, ...], ranges: Mapping[Index, tuple[int, int]]) -> Access:
    """A new tensor without a name of its own, over the ranges of its indices."""
    state.sums += 1
    name = f"Σ∂{state.sums}"
    shape = tuple(ranges[s][1] - ranges[s][0] + 1 for s in indices)
    first = tuple(ranges[s][0] for s in indices)
    state.tensors[name] = Tensor(name, shape, "adjoint", anonymous=True, first=first if set(first) - {1} else ())
    return Access(name, *indices)


def finish_adjoint(
    state: State, tensor: str, own: Equation | None, program: Program, outside: Program | None = None
) -> None:
    """All paths into a tensor are known: add them up, and decide whether the sum gets a name.

    Inside a recurrence ``program`` is the loop over time; what only adding up place by place can tell goes
    ``outside``, before the loop, unless it comes from the loop itself.
    """
    contributions = state.contributions.get(tensor, [])
    if tensor == state.network.loss:
        state.adjoints[tensor] = Adjoint(tensor, (), (), sympy.Integer(1), (), named=False)
        return
    shape = state.network.tensors[tensor]
    indices = own.lhs.indices if own is not None else _canonical(contributions, shape)
    ranges = _ranges(shape, indices, own)
    total, rules, scattered = gathered(state, contributions, indices, ranges, program)
    rules = tuple(dict.fromkeys([*(r for c in contributions for r in c.rules), *rules]))
    recurs = tensor in state.past
    readers = len(_readers(state, own)) if own is not None else 2
    short = sympy.count_ops(total) <= INLINE_LIMIT
    plain = (readers <= 1 and not _meet(state, total, program)) or shape.anonymous
    inline = own is not None and (is_monomial(total) or (plain and short))
    inline = inline and not scattered and not recurs
    if not inline:
        name = adjoint_name(tensor)
        state.tensors[name] = _adjoint_tensor(state, shape, scattered)
        for c in scattered:
            place = program if outside is None or c.equation in state.recurrence else outside
            place.append(_accumulate(name, c))
        if total != 0 or not scattered:
            eq = Equation(Access(name, *indices), total, ranges, accumulate=bool(scattered))
            program.append(eq if scattered else absorb(state, eq, program))
    closed = None if scattered else total
    state.adjoints[tensor] = Adjoint(tensor, indices, tuple(contributions), closed, rules, named=not inline)


def _ranges(shape: Tensor, indices: tuple[sympy.Expr, ...], own: Equation | None) -> dict[Index, tuple[int, int]]:
    """What the indices of a derivative run over: a value's equation tells, or else the whole tensor."""
    whole = {s: (shape.start(d), shape.last[d]) for d, s in enumerate(indices) if s.is_Symbol}
    return whole if own is None else {s: own.ranges[s] for s in whole}


def _adjoint_tensor(state: State, shape: Tensor, scattered: Sequence[Contribution]) -> Tensor:
    """∂L/∂T for every element of T that an equation defines; the zeros before a recurrence have no derivative.

    Neither have those around a padded tensor, unless contributions are added up place by place: these lie there too.
    """
    places = [(eq.lhs, eq.ranges) for eq in state.network.flat_equations if eq.lhs.tensor == shape.name]
    places += [(c.access, c.equation.ranges) for c in scattered if places]
    extents = [[extent_of(access.indices[d], ranges) for access, ranges in places] for d in range(len(shape.shape))]
    first = tuple(min((low for low, _ in e), default=shape.start(d)) for d, e in enumerate(extents))
    last = tuple(max((high for _, high in e), default=shape.last[d]) for d, e in enumerate(extents))
    return replace(
        shape,
        name=adjoint_name(shape.name),
        role="adjoint",
        shape=tuple(high - low + 1 for low, high in zip(first, last, strict=True)),
        first=first if set(first) - {1} else (),
        anonymous=False,
        bias=False,
    )


def gathered(
    state: State,
    contributions: list[Contribution],
    indices: tuple[sympy.Expr, ...],
    ranges: Mapping[Index, tuple[int, int]],
    program: Program,
) -> tuple[sympy.Expr, tuple[str, ...], list[Contribution]]:
    """All contributions at one place, the rules used, and those that can only be added up place by place."""
    terms: list[sympy.Expr] = []
    rules: list[str] = []
    scattered: list[Contribution] = []
    for c in contributions:
        found = gather(c.total, c.access, c.equation.ranges, indices, ranges)
        if found is None:
            scattered.append(c)
            continue
        lhs = Access("", *(s for s in indices if s.is_Symbol))
        whole = Equation(lhs, found.expression, {**ranges, **found.ranges}, found.over)
        term, used = _summed(state, whole, found.expression, found.over, program)
        terms.append(term)
        rules += used
    tidied = tidy(collected(terms), state.kernels)
    return tidied.expression, (*rules, *tidied.rules), scattered


def _meet(state: State, expression: sympy.Expr, program: Program) -> bool:
    """Whether derivatives of several quantities come together, directly or through sums that have no name."""
    sums = {eq.lhs.tensor: eq.body for eq in program if isinstance(eq, Equation)}
    found: set[str] = set()
    waiting = accesses(expression)
    while waiting:
        tensor = waiting.pop().tensor
        if tensor in state.tensors and tensor not in found:
            found.add(tensor)
            if state.tensors[tensor].anonymous:
                waiting += accesses(sums.get(tensor, sympy.Integer(0)))
    return sum(not state.tensors[t].anonymous for t in found) > 1


def _readers(state: State, own: Equation) -> set[str]:
    """The tensors with a name that an equation hands its derivative down to."""
    found: set[str] = set()
    defining = {eq.lhs.tensor: eq for eq in state.network.flat_equations}
    for access in own.reads:
        if access.tensor in state.wanted:
            anonymous = state.network.tensors[access.tensor].anonymous
            found |= _readers(state, defining[access.tensor]) if anonymous else {access.tensor}
    return found


def absorb(state: State, eq: Equation, program: Program) -> Equation:
    """An equation whose whole right side is one anonymous sum takes the sum over."""
    if not (isinstance(eq.body, Access) and eq.body.tensor in state.tensors):
        return eq
    for n, other in enumerate(program):
        if isinstance(other, Equation) and other.lhs == eq.body and state.tensors[other.lhs.tensor].anonymous:
            if sum(eq.body.tensor in {a.tensor for a in o.reads} for o in program if isinstance(o, Equation)):
                return eq
            del program[n]
            state.absorbed.append(other)
            return replace(eq, body=other.body, reduce=other.reduce, ranges={**other.ranges, **eq.ranges})
    return eq


def _canonical(contributions: list[Contribution], shape: Tensor) -> tuple[sympy.Expr, ...]:
    """Index letters for a weight: those of its first plain access, new ones elsewhere."""
    for c in contributions:
        if _is_plain(c.access, shape):
            return c.access.indices
    taken: set[str] = set()
    return tuple(fresh(["i", "j", "k", "l", "m", "n", "p", "q"], taken) for _ in shape.shape)


def _is_plain(access: Access, shape: Tensor) -> bool:
    """Whether an access runs over its whole tensor once: distinct index symbols, or 1 in a dimension of size 1."""
    symbols = [i for i in access.indices if i.is_Symbol]
    others = [(d, i) for d, i in enumerate(access.indices) if not i.is_Symbol]
    return len(set(symbols)) == len(symbols) and all(shape.shape[d] == 1 and i == shape.start(d) for d, i in others)


def _accumulate(name: str, c: Contribution) -> Equation:
    used = _indices_of(c.access) | index_symbols(c.total)
    return Equation(
        Access(name, *c.access.indices),
        c.total,
        {s: r for s, r in c.equation.ranges.items() if s in used},
        accumulate=True,
    )
