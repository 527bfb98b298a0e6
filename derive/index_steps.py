"""The steps from the chain rule to a closed form in indices, as data: they hold for any width.

Beside :mod:`derive.steps`, which writes out one element of a small network, this reads the same lines off the
contributions of the reverse sweep.  With A[g] the element derived, T[s] what its paths come from and δ a name,

    ∂L/∂A[g] = Σ_s ∂L/∂T[s] · ∂T[s]/∂A[g]          chain rule, one such sum for every T that reads A
             = Σ_s δ[s] · f′(z[s]) · …              differentiation, the equations of T put in
             = Σ_s δ[s] · h[s] (1 − h[s]) · …       tidied, by named rules
             = the closed form                      named quantities

Sums without a name never show: a path leads through them to the next quantity that has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import sympy

from derive.expressions import Access, Index, Within, fresh, index, index_symbols, rename
from derive.gather import gather
from derive.gradient import Contribution
from derive.index_lines import (
    Bounds,
    Condition,
    bounds_of,
    factors_of,
    multiplied_out,
    product_of,
    put_in,
    summed,
    total_of,
)
from derive.network import Equation, cut, flatten
from derive.scalars import Scalars, adjoint
from derive.steps import Line, Partial, Product, Summed, plain

MAX_TERMS = 6  # of a sum over paths; with more of them only the result is given
LETTERS = ["k", "i", "j", "l", "m", "n", "p", "q", "r", "s"]


@dataclass(frozen=True)
class IndexStep:
    """``before`` = ``after`` by the rule ``rule``; ``uses`` are the equations put in.

    ``reasons`` are the tidying rules behind it, keys of :data:`derive.tidy.RULES`.
    """

    rule: str
    before: Line
    after: Line
    uses: tuple[Equation, ...] = ()
    reasons: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<IndexStep {self.rule}: {cut(plain(self.after))}>"


@dataclass(frozen=True)
class IndexDerivation:
    """All steps for ∂loss/∂element, an element in indices that run over ``ranges``; ``result`` is the closed form."""

    element: Access
    ranges: Mapping[Index, Bounds]
    steps: tuple[IndexStep, ...]
    result: sympy.Expr

    def __repr__(self) -> str:
        rules = ", ".join(step.rule for step in self.steps)
        return f"<IndexDerivation of {self.element}: {rules}; {cut(str(self.result))}>"

    def at(self, place: Mapping[Index, sympy.Expr]) -> IndexDerivation:
        """The same for one element: its indices put in."""
        steps = tuple(
            IndexStep(s.rule, put_in(s.before, place), put_in(s.after, place), s.uses, s.reasons) for s in self.steps
        )
        ranges = {i: r for i, r in self.ranges.items() if i not in place}
        return IndexDerivation(rename(self.element, place), ranges, steps, rename(self.result, place))


@dataclass(frozen=True)
class _Path:
    """One way down to an element: from ``top``, whose derivative is known, by partial derivatives to be multiplied.

    ``way`` are the contributions used, ``over`` the indices to be summed over, ``conditions`` where there is a term.
    """

    top: Access
    raw: tuple[sympy.Expr, ...]
    tidied: tuple[sympy.Expr, ...]
    way: tuple[Contribution, ...]
    over: Mapping[Index, Bounds]
    conditions: tuple[Condition, ...]

    @property
    def adds_up(self) -> bool:
        """Whether no maximum is on the way: its derivative is shared among the places where it is attained."""
        return all(c.equation.kind == "sum" for c in self.way)

    def followed_by(self, rest: _Path) -> _Path:
        """This way and, from where it ends, the rest."""
        return _Path(
            self.top,
            (*self.raw, *rest.raw),
            (*self.tidied, *rest.tidied),
            (*self.way, *rest.way),
            {**self.over, **rest.over},
            (*self.conditions, *rest.conditions),
        )


class IndexSteps:
    """Makes the steps in indices for the tensors of one network."""

    def __init__(self, scalars: Scalars) -> None:
        self.scalars, self.network, self.sweep = scalars, scalars.network, scalars.sweep
        self.loss = Access(self.network.loss)

    def all(self) -> Iterator[IndexDerivation]:
        """The steps for every δ from the loss backwards, then for every weight, the last first."""
        for name in [*self.sweep.deltas, *(w.name for w in reversed(self.network.weights))]:
            found = self.derive(name)
            if found is not None:
                yield found

    def derive(self, tensor: str) -> IndexDerivation | None:
        """The steps for one tensor; ``None`` where contributions can only be added up place by place."""
        found = self.sweep.adjoints[tensor]
        if found.closed is None:
            return None
        element = Access(tensor, *found.indices)
        equations = [eq for eq in flatten(self.sweep.equations) if eq.lhs == adjoint(element)]
        if len(equations) != 1:
            return None
        ranges = {i: equations[0].ranges[i] for i in found.indices if i.is_Symbol}
        start: Line = Partial(self.loss, element, total=True)
        lines: list[tuple[str, Line, tuple[Equation, ...], tuple[str, ...]]] = []
        chain = self._chain_rule(element, ranges)
        if chain is not None and chain != Partial(self.loss, element):
            lines.append(("chain rule", chain, (), ()))
        paths = self._ways(element, ranges, self._is_known)
        uses = tuple({id(c.equation): c.equation for p in paths or () for c in p.way}.values())
        if paths and len(paths) <= MAX_TERMS and all(p.adds_up for p in paths):
            lines.append(("differentiation", self._multiplied(paths, [p.raw for p in paths]), uses, ()))
            rules = tuple(dict.fromkeys(r for p in paths for c in p.way for r in c.tidied.rules))
            if rules:
                lines.append(("simplification", self._multiplied(paths, [p.tidied for p in paths]), (), rules))
        said = {r for _, _, _, reasons in lines for r in reasons}
        others = tuple(r for r in found.rules if r not in said)
        lines.append(("named quantities", found.closed, (), others))
        steps: list[IndexStep] = []
        for rule, line, uses, reasons in lines:
            before = steps[-1].after if steps else start
            if line == before or multiplied_out(before) == line:
                continue
            steps.append(IndexStep(rule, before, line, uses, reasons))
        return IndexDerivation(element, ranges, tuple(steps), found.closed)

    # paths

    def _ways(self, element: Access, ranges: Mapping[Index, Bounds], stop: Callable[[str], bool]) -> list[_Path] | None:
        """The ways down to an element from the nearest quantities at which to ``stop``; ``None`` where one is unknown.

        Indices that are summed over keep out of the way of those in ``ranges``.
        """
        found: list[_Path] = []
        for c in self.sweep.adjoints[element.tensor].contributions:
            own = _mapped(c, element, ranges)
            if own is None:
                return None
            if own.top == c.access:  # nothing arrives
                continue
            if stop(own.top.tensor):
                found.append(own)
                continue
            above = self._ways(own.top, {**ranges, **own.over}, stop)
            if above is None:
                return None
            found += [a.followed_by(own) for a in above]
        return found

    def _is_known(self, tensor: str) -> bool:
        """Whether the derivative of a tensor has a name: there the multiplied factors begin."""
        return tensor == self.network.loss or self.sweep.adjoints[tensor].named

    def _is_visible(self, tensor: str) -> bool:
        return self._is_known(tensor) or not self.network.tensors[tensor].anonymous

    # lines

    def _chain_rule(self, element: Access, ranges: Mapping[Index, Bounds]) -> Line | None:
        """Σ over the quantities T that read the element of ∂L/∂T · ∂T/∂element; ``None`` where that is not told."""
        ways = self._ways(element, ranges, self._is_visible)
        if ways is None or len(ways) > MAX_TERMS:
            return None
        groups: dict[str, list[_Path]] = {}
        for way in ways:
            groups.setdefault(way.top.tensor, []).append(way)
        if len(groups) > 1 and not all(way.adds_up for way in groups.get(self.network.loss, ())):
            return None
        terms = [
            self._multiplied(group, [w.raw for w in group])  # ∂L/∂A alone would read as the whole derivative
            if name == self.network.loss and len(groups) > 1
            else self._through(element, ranges, group)
            for name, group in groups.items()
        ]
        known = [t for t in terms if t is not None]
        return total_of(known) if known and len(known) == len(terms) else None

    def _through(self, element: Access, ranges: Mapping[Index, Bounds], group: list[_Path]) -> Line | None:
        """The term of one T that reads an element: summed over those T[s] that do, or over all of them."""
        top, over, conditions = group[0].top, group[0].over, group[0].conditions
        if top.tensor == element.tensor and len(group) > 1:
            return None
        over = {i: bounds for i, bounds in over.items() if i in index_symbols(top)}
        if len(group) > 1 or not _is_one_to_one(top, over):
            top, over = self._whole(top.tensor, ranges)
            conditions = ()
        if any(index_symbols(c[0]) - over.keys() - ranges.keys() for c in conditions):
            return None
        factor = Partial(top, element)
        if top == self.loss:
            return summed(factor, over, conditions)
        above: Line | None = None
        if not self._is_known(top.tensor):
            above = self._chain_rule(top, {**ranges, **over})
        match above:
            case Summed(Product() | Partial() as inside, outer, others):
                return summed(
                    product_of([*factors_of(inside), factor]), {**over, **bounds_of(outer)}, (*conditions, *others)
                )
            case Product() | Partial():
                return summed(product_of([*factors_of(above), factor]), over, conditions)
        return summed(Product((Partial(self.loss, top, total=True), factor)), over, conditions)

    def _whole(self, tensor: str, ranges: Mapping[Index, Bounds]) -> tuple[Access, dict[Index, Bounds]]:
        """A tensor at indices of its own that run over all of it."""
        shape = self.network.tensors[tensor]
        taken = {str(i) for i in ranges}
        letters = [fresh(LETTERS, taken) for _ in shape.shape]
        return Access(tensor, *letters), {s: (shape.start(d), shape.last[d]) for d, s in enumerate(letters)}

    def _multiplied(self, paths: list[_Path], factors: list[tuple[sympy.Expr, ...]]) -> Line:
        """For every path the derivative that it starts from times its factors, summed."""
        terms = []
        for path, own in zip(paths, factors, strict=True):
            start = [] if path.top == self.loss else [adjoint(path.top)]
            number = sympy.Mul(*(f for f in own if f.is_number))
            factors_ = [*start, *(f for f in own if not f.is_number)]
            if number != 1 or not factors_:
                factors_[:1] = [number * factors_[0]] if factors_ else [number]
            terms.append(summed(product_of(factors_), path.over, path.conditions))
        return total_of(terms)


def _mapped(c: Contribution, element: Access, ranges: Mapping[Index, Bounds]) -> _Path | None:
    """One contribution, in the indices of the element that receives it."""
    eq = c.equation
    symbols = [*eq.free, *eq.reduce]
    inside = set().union(*map(index_symbols, c.access.indices)) if c.access.indices else set()
    apart = {s: index(f"{s}′") for s in symbols if s not in inside}
    marker = Access("", *(apart.get(s, s) for s in symbols))
    found = gather(marker, c.access, eq.ranges, element.indices, ranges)
    if found is None:
        return None
    conditions: list[Condition] = []
    place = found.expression
    while isinstance(place, Within):
        conditions.append(place.args[:3])
        place = place.args[3]
    if place == 0:
        return _Path(c.access, (), (), (), {}, ())
    taken = {str(i) for i in ranges}
    bounds = {**found.ranges, **{new: eq.ranges[old] for old, new in apart.items()}}
    letters = {s: fresh([str(s).strip("′°"), *LETTERS], taken) for s in bounds}
    mapping = {s: rename(v, letters) for s, v in zip(symbols, place.indices, strict=True)}
    return _Path(
        rename(eq.lhs, mapping),
        (rename(c.partial, mapping),),
        (rename(c.tidied.expression, mapping),),
        (c,),
        {letters[s]: b for s, b in bounds.items()},
        tuple((rename(s, letters), first, last) for s, first, last in conditions),
    )


def _is_one_to_one(top: Access, over: Mapping[Index, Bounds]) -> bool:
    """Whether different values of the indices give different elements: each stands alone in some place."""
    alone = [index_symbols(i) & over.keys() for i in top.indices]
    return all({s} in alone for s in over)
