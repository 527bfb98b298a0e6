"""Shares of a sum: p = X/S with S = Σ X, of which one may be all but 1.

The terms X are exponentials relative to the largest (rule shift), so one of them is 1.  Beside S kernels hold T, the
sum of all terms up to 1/2, and D, that of the others.  A term X > 1/2 stands alone above the others just where
X + T = S, and then

=====  ===================================================================================================
rest   1 − p = T/S and log S = log(1 + T)
=====  ===================================================================================================

without a difference; elsewhere the differences lose nothing.  The derivative of a softmax is w − p Σ w with
w = p ∂L/∂p, where all differ by little from the term that stands alone.  As Σ p = 1, it is

    (d − p Σ d)/D  with d = w D − X W, and d = 0 for the term that stands alone,

where W is the sum of w over the places that D adds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy

from codegen.arithmetic.precise import Exact, Saturating, Sight, difference, used
from codegen.arithmetic.primitives import Difference, Log1p, Precise
from codegen.arithmetic.program import Line, Program, is_plain
from derive.expressions import Access, Cases, Index, rename, sort_key
from derive.network import Equation, Tensor

HALF, QUARTER = sympy.Rational(1, 2), sympy.Rational(1, 4)


@dataclass(frozen=True)
class Shared:
    """S = Σ X with X = exp(``exponent`` − ``largest``), T and D, for the indices of the line that defines S."""

    line: Line
    terms: Access
    rest: Access
    top: Access
    exponent: sympy.Expr
    largest: Access

    @property
    def total(self) -> Access:
        return self.line.equation.lhs

    @property
    def over(self) -> tuple[Index, ...]:
        return self.line.equation.reduce

    def alone(self, at: Mapping[Index, sympy.Expr]) -> sympy.Expr:
        """What is positive just where the term at a place is more than 1/2 and the only one."""
        return rename(self.terms + self.rest - self.total + QUARTER, at)

    def complement(self, at: Mapping[Index, sympy.Expr]) -> sympy.Expr:
        """1 − X/S."""
        return Cases(self.alone(at), rename(self.rest, at), rename(self.total - self.terms, at)) / rename(
            self.total, at
        )


def rest(program: Program) -> Program:
    """Apply the rule of that name."""
    shared = shared_sums(program)
    if not shared:
        return program
    for s in shared:
        program = inserted(program, s.line, _sum(s.line, s.top, Cases(s.terms - HALF, s.terms, 0)))
        program = inserted(program, s.line, _sum(s.line, s.rest, Cases(s.terms - HALF, 0, s.terms)))
    rewriting = _Shares(program, shared)
    program = rewriting.program_rewritten()
    for line, parts in rewriting.relative.values():
        for part in reversed(parts):
            program = inserted(program, line, rewriting.rewritten(part, True))
    names = {a.tensor for s in shared for a in (s.rest, s.top)}
    return used((line for line in program.lines if line.equation.lhs.tensor in names), program)


def shared_sums(program: Program) -> list[Shared]:
    """The sums S = Σ X of stored exponentials relative to their largest."""
    defined = {line.equation.lhs.tensor: line.equation for line in program.forward}
    found = []
    for line in program.forward:
        eq = line.equation
        terms = eq.body
        if eq.kind != "sum" or not eq.reduce or eq.accumulate or not is_plain(eq) or not isinstance(terms, Access):
            continue
        own = defined.get(terms.tensor)
        if own is None or not isinstance(own.body, sympy.exp) or own.reduce or own.lhs != terms:
            continue
        for largest in sorted(own.body.atoms(Access), key=sort_key):
            top = defined.get(largest.tensor)
            if top is None or (top.kind, top.reduce, top.lhs) != ("max", eq.reduce, largest):
                continue
            if own.body.args[0] == top.body - largest:
                rest_of, top_of = (Access(sign + eq.lhs.tensor, *eq.lhs.indices) for sign in ("⌊", "⌉"))
                found.append(Shared(line, terms, rest_of, top_of, top.body, largest))
    return found


def inserted(program: Program, line: Line, new: Line) -> Program:
    """The program with a new line behind another one."""
    eq = new.equation
    shape = tuple(eq.ranges[i][1] - eq.ranges[i][0] + 1 for i in eq.lhs.indices)
    first = tuple(eq.ranges[i][0] for i in eq.lhs.indices)
    tensor = Tensor(eq.lhs.tensor, shape, "value", anonymous=True, first=first)
    forward, backward = (
        tuple(each for old in part for each in ((old, new) if _defines(old, line) else (old,)))
        for part in (program.forward, program.backward)
    )
    return replace(program, forward=forward, backward=backward, tensors={**program.tensors, tensor.name: tensor})


def _sum(line: Line, access: Access, body: sympy.Expr) -> Line:
    """A sum over what another line adds up, in double precision."""
    eq = replace(line.equation, lhs=access, body=Precise(sympy.S.Zero, body))
    return replace(line, equation=eq, remark="in double precision", rules=())


def _defines(line: Line, other: Line) -> bool:
    return line.equation.lhs == other.equation.lhs and line.equation.reduce == other.equation.reduce


@dataclass(frozen=True)
class _Place:
    """Where a share stands: whose it is, and what the indices of the sum and of its terms are there."""

    shared: Shared
    at: Mapping[Index, sympy.Expr]


class _Shares(Exact):
    rule = "rest"

    def __init__(self, program: Program, shared: list[Shared]) -> None:
        super().__init__(program)
        self.shared = {s.total.tensor: s for s in shared}
        self.sums = {line.equation.lhs.tensor: line for line in program.lines if _is_sum(line)}
        self.places: dict[sympy.Expr, _Place] = {}
        self.relative: dict[str, tuple[Line, list[Line]]] = {}

    def find(self, body: sympy.Expr, sight: Sight) -> sympy.Expr:
        found: dict[sympy.Expr, sympy.Expr] = {}
        for access in sorted(body.atoms(Access), key=sort_key):
            eq = self.definition(access, sight)
            inside = None if eq is None else rename(eq.body, dict(zip(eq.lhs.indices, access.indices, strict=True)))
            place = None if inside is None else self.place(inside)
            if place is not None:
                found[access] = self.marked(access, place, sight)
        body = body.replace(lambda e: e.is_Mul, lambda e: self.quotient(e, sight))
        for total in (a for a in body.atoms(Access) if a.tensor in self.shared):
            at = dict(zip(self.shared[total.tensor].total.indices, total.indices, strict=True))
            found[sympy.log(total)] = sympy.log(self.marked(total, _Place(self.shared[total.tensor], at), sight))
        return body.xreplace(found)

    def marked(self, value: sympy.Expr, place: _Place, sight: Sight) -> sympy.Symbol:
        self.places[value] = place
        return sight.mark(Saturating(value, sympy.S.Zero, sympy.S.One, value, place.shared.complement(place.at)))

    def quotient(self, product: sympy.Expr, sight: Sight) -> sympy.Expr:
        """A product with (X/S)ⁿ as a share."""
        powers = dict(f.as_base_exp() for f in product.args if isinstance(f.as_base_exp()[0], Access))
        for terms, n in powers.items():
            for total, m in powers.items():
                if n.is_Integer and 0 < n <= -m and (place := self.place(terms / total)) is not None:
                    return product * (total / terms) ** n * self.marked(terms / total, place, sight) ** n
        return product

    def place(self, share: sympy.Expr) -> _Place | None:
        """Whose share X/S an expression is."""
        numerator, denominator = share.as_numer_denom()
        shared = self.shared.get(denominator.tensor) if isinstance(denominator, Access) else None
        if shared is None or not isinstance(numerator, Access) or numerator.tensor != shared.terms.tensor:
            return None
        at = dict(zip(shared.terms.indices, numerator.indices, strict=True))
        return _Place(shared, at) if rename(shared.total, at) == denominator else None

    def function(self, value: sympy.Expr, sight: Sight) -> sympy.Expr:
        """log S = log(1 + T) where one term stands alone."""
        if not isinstance(value, sympy.log) or value.args[0] not in sight.marks:
            return value
        total = sight.marks[value.args[0]].value
        if total.tensor not in self.shared:
            return value
        rest_of = rename(self.shared[total.tensor].rest, self.places[total].at)
        return Log1p(Cases(rest_of - total + sympy.Rational(3, 2), rest_of, total - 1))

    def whole(self, total: sympy.Expr, sight: Sight) -> sympy.Expr | None:
        """w − p Σ w relative to the largest term, where there is such a difference."""
        for share in sight.marks:
            if total.has(share) and (found := self.difference_from_mean(total, share, sight)) is not None:
                return found
        return None

    def total(self, total: sympy.Expr, sight: Sight) -> sympy.Expr:
        return difference(self.grouped(total, sight), sight)

    def difference_from_mean(self, total: sympy.Expr, share: sympy.Symbol, sight: Sight) -> sympy.Expr | None:
        """k (p v − w) + q with v = Σ w, as k (p Σ d − d)/D + q."""
        place = self.places[sight.marks[share].value]
        for term in total.args:
            for v in sorted((f for f in sympy.Mul.make_args(term) if isinstance(f, Access)), key=sort_key):
                line = self.sums.get(v.tensor)
                if line is None or share not in sympy.Mul.make_args(term):
                    continue
                k, w = term / (share * v), self.own_term(line.equation, v, place, sight)
                if w is None or k.has(share):
                    continue
                others = sympy.expand(total - term)
                q = sympy.expand(others + k * w)
                if q != 0 and len(sympy.Add.make_args(q)) >= len(sympy.Add.make_args(others)):
                    continue
                own = self.relative_to_top(line, v, place)
                if own is not None:
                    d = _from_top(place.shared, place.at, self.exact(w, sight), own[0])
                    return k * (share * own[1] - d) / rename(place.shared.top, place.at) + self.exact(q, sight)
        return None

    def own_term(self, eq: Equation, v: Access, place: _Place, sight: Sight) -> sympy.Expr | None:
        """The term of v = Σ w at the place of a share."""
        shared = place.shared.line.equation
        if [eq.ranges[i] for i in eq.reduce] != [shared.ranges[i] for i in place.shared.over]:
            return None
        own = dict(zip(eq.lhs.indices, v.indices, strict=True))
        own |= {i: place.at[j] for i, j in zip(eq.reduce, place.shared.over, strict=True)}
        return self.find(rename(eq.body, own), sight)

    def relative_to_top(self, line: Line, v: Access, place: _Place) -> tuple[Access, Access] | None:
        """W and Σ d, for which lines are noted."""
        eq, shared = line.equation, place.shared
        back = {written: i for i, written in zip(eq.lhs.indices, v.indices, strict=True)}
        at: dict[Index, sympy.Expr] = dict(zip(shared.over, eq.reduce, strict=True))
        for i in shared.total.indices:
            if place.at[i] not in back and not place.at[i].is_number:
                return None
            at[i] = back.get(place.at[i], place.at[i])
        top, differences = (Access(sign + eq.lhs.tensor, *eq.lhs.indices) for sign in ("⌉", "⌊"))
        parts = [
            _sum(line, top, Cases(rename(shared.terms, at) - HALF, eq.body, 0)),
            _sum(line, differences, _from_top(shared, at, eq.body, top)),
        ]
        if self.relative.setdefault(eq.lhs.tensor, (line, parts))[1] != parts:
            return None
        return Access(top.tensor, *v.indices), Access(differences.tensor, *v.indices)

    def grouped(self, total: sympy.Expr, sight: Sight) -> sympy.Expr:
        """u − m − log S with u − m first: it is 0 for the largest term, and log S may be small."""
        if not total.is_Add:
            return total
        for shared in self.shared.values():
            for largest in (a for a in total.atoms(Access) if a.tensor == shared.largest.tensor):
                number = total.coeff(largest)
                if not number.is_number or number.is_zero:
                    continue
                at: dict[Index, sympy.Expr] = dict(zip(shared.largest.indices, largest.indices, strict=True))
                for u in self.exponents(shared, at, total):
                    parts = [-number * t for t in sympy.Add.make_args(u)]
                    if set(parts) <= set(total.args):
                        left = sympy.Add(*(t for t in total.args if t not in parts)) - number * largest
                        return -number * Difference(Difference(u, largest), sympy.expand_mul(left / number))
        return total

    def exponents(self, shared: Shared, at: Mapping[Index, sympy.Expr], total: sympy.Expr) -> list[sympy.Expr]:
        """The exponent u at the places that a sum reads."""
        found = []
        for mine in sorted(shared.exponent.atoms(Access), key=sort_key):
            for theirs in sorted((a for a in total.atoms(Access) if a.tensor == mine.tensor), key=sort_key):
                binding = {i: j for i, j in zip(mine.indices, theirs.indices, strict=True) if i in shared.over}
                if set(shared.over) <= binding.keys():
                    found.append(rename(shared.exponent, {**at, **binding}))
        return found


def _from_top(shared: Shared, at: Mapping[Index, sympy.Expr], w: sympy.Expr, top: Access) -> sympy.Expr:
    """d = w D − X W, and 0 for the term that stands alone."""
    return Cases(shared.alone(at), 0, w * rename(shared.top, at) - rename(shared.terms, at) * top)


def _is_sum(line: Line) -> bool:
    eq = line.equation
    return eq.kind == "sum" and bool(eq.reduce) and not eq.accumulate and is_plain(eq)
