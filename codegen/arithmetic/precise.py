"""Double precision: what a stored value has lost is worked out anew from what the value was made of.

h = tanh z is 1 in sixteen digits from z = 19 on, and 1 − h² is 0 there, where the derivative is 1e-16 and has as many
digits as any number.  A quantity f between two numbers, l < f < r, loses nothing where both distances f − l and r − f
are known as products (:data:`LIMITS`).  With these,

=========  ============================================================================================
saturated  a polynomial in f that is 0 at l or r has f − l or r − f as a factor: 1 − h² = 4σ(2z)σ(−2z), and
           f − t = ((r − t)(f − l) − (t − l)(r − f))/(r − l) for data t, which may be l or r:
           p − t = (1 − t)σ(z) − tσ(−z)
=========  ============================================================================================

Both forms stand in the program, as :class:`Precise`: in single precision trainers keep the one through the stored
value, which costs no second exponential.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import sympy

from codegen.arithmetic.primitives import Erfc, Precise, Sigmoid
from codegen.arithmetic.program import Line, Program, is_plain
from codegen.arithmetic.saturation import divided
from derive.expressions import Access, Cases, Equal, Within, extent_of, index_symbols, rename, sort_key
from derive.network import Equation
from derive.tidy import denominators

DATA = ("input", "target", "constant")


@dataclass(frozen=True)
class Saturating:
    """A quantity between ``low`` and ``high``; ``above`` is its distance from the one, ``below`` that from the other.

    ``value`` is the quantity as it is read.
    """

    value: sympy.Expr
    low: sympy.Expr
    high: sympy.Expr
    above: sympy.Expr
    below: sympy.Expr


def limits_of(value: sympy.Expr, body: sympy.Expr) -> Saturating | None:
    """What is known of a value that is a f(u) + b with numbers a and b and a function f that saturates."""
    for f in sorted(body.atoms(Sigmoid, sympy.tanh, sympy.erf), key=sort_key):
        a = body.coeff(f)
        b = body - a * f
        if not (a.is_number and a.is_nonzero and b.is_number):
            continue
        u = f.args[0]
        low: int
        distances: list[sympy.Expr]
        if isinstance(f, Sigmoid):
            low, distances = 0, [Sigmoid(u), Sigmoid(-u)]
        elif isinstance(f, sympy.tanh):
            low, distances = -1, [2 * Sigmoid(2 * u), 2 * Sigmoid(-2 * u)]
        else:
            low, distances = -1, [Erfc(-u), Erfc(u)]
        ends = [(a * end + b, a * distance) for end, distance in zip((low, 1), distances, strict=True)]
        if a.is_negative:
            ends = [(end, -distance) for end, distance in reversed(ends)]
        (least, above), (most, below) = ends
        return Saturating(value, least, most, value if least == 0 else above, below)
    return None


class Exact(ABC):
    """Rewrites right sides by what is known of the quantities in them that saturate."""

    rule: str

    def __init__(self, program: Program) -> None:
        self.program = program
        self.defined: dict[str, list[Equation]] = {}
        for line in program.forward:
            self.defined.setdefault(line.equation.lhs.tensor, []).append(line.equation)

    @abstractmethod
    def find(self, body: sympy.Expr, sight: Sight) -> sympy.Expr:
        """The body with symbols for what saturates, as :meth:`Sight.mark` gives them."""

    def whole(self, total: sympy.Expr, sight: Sight) -> sympy.Expr | None:
        """A sum in double precision where it is to be taken as it stands, before its parts are rewritten."""
        return None

    def total(self, total: sympy.Expr, sight: Sight) -> sympy.Expr:
        """A sum without a difference that has lost its digits; the same sum where there is none."""
        return difference(total, sight)

    def function(self, value: sympy.Expr, sight: Sight) -> sympy.Expr:
        """The same for a function of what saturates."""
        return value

    def definition(self, access: Access, sight: Sight) -> Equation | None:
        """The one equation, elementwise, that defines an element wherever the line in sight reads it."""
        found = self.defined.get(access.tensor, [])
        found = [eq for eq in found if len(found) == 1 or not _apart(eq, access, sight)]
        if len(found) != 1 or found[0].reduce or found[0].accumulate or not is_plain(found[0]):
            return None
        return found[0] if _covers(found[0], access, sight) else None

    def rewritten(self, line: Line, backward: bool) -> Line:
        """A line with what is exact beside what it holds."""
        eq = line.equation
        if eq.kind == "max":
            return line
        roles = DATA if backward else DATA[1:]
        sight = Sight(eq, frozenset(n for n, t in self.program.tensors.items() if t.role in roles))
        body = self.find(eq.body, sight)
        return line.with_body(self.beside(body, sight).xreplace(sight.stored), self.rule) if sight.marks else line

    def program_rewritten(self) -> Program:
        """All lines rewritten."""
        forward = tuple(self.rewritten(line, False) for line in self.program.forward)
        backward = tuple(self.rewritten(line, True) for line in self.program.backward)
        return replace(self.program, forward=forward, backward=backward)

    def beside(self, e: sympy.Expr, sight: Sight) -> sympy.Expr:
        """An expression with :class:`Precise` around the smallest parts that change."""
        if isinstance(e, Precise):
            return Precise(e.args[0], self.exact(e.args[1], sight))
        if not _has(e, sight):
            return e
        if e.is_Add and (found := self.whole(e, sight)) is not None:
            return Precise(e, found)
        inside = e.func(*(self.beside(a, sight) for a in e.args)) if _is_open(e) else _branches(e, self.beside, sight)
        args = e.func(*(self.exact(a, sight) for a in e.args)) if _is_open(e) else e
        own = self.total(args, sight) if e.is_Add else self.function(args, sight)
        return inside if own == args else Precise(e, own)

    def exact(self, e: sympy.Expr, sight: Sight) -> sympy.Expr:
        """An expression as it is worked out in double precision."""
        if isinstance(e, Precise):
            return self.exact(e.args[1], sight)
        if not _has(e, sight):
            return e
        if e.is_Add and (found := self.whole(e, sight)) is not None:
            return found
        e = e.func(*(self.exact(a, sight) for a in e.args)) if _is_open(e) else _branches(e, self.exact, sight)
        return self.total(e, sight) if e.is_Add else self.function(e, sight)


@dataclass
class Sight:
    """What one equation reads: symbols for what saturates in it, and the tensors that are data."""

    equation: Equation
    data: frozenset[str]
    marks: dict[sympy.Symbol, Saturating] = field(default_factory=dict)

    def mark(self, known: Saturating) -> sympy.Symbol:
        """The symbol for a quantity."""
        for symbol, other in self.marks.items():
            if other.value == known.value:
                return symbol
        symbol = sympy.Symbol(f"saturating {len(self.marks)}", real=True)
        self.marks[symbol] = known
        return symbol

    @property
    def stored(self) -> dict[sympy.Expr, sympy.Expr]:
        return {symbol: known.value for symbol, known in self.marks.items()}

    def is_data(self, e: sympy.Expr) -> bool:
        """Whether an expression is made of data and numbers, with data in it."""
        plain = e.xreplace({a: sympy.Integer(1) for a in e.atoms(Access) if a.tensor in self.data})
        return plain != e and not plain.atoms(Access) and not plain.free_symbols - index_symbols(plain)


def saturated(program: Program) -> Program:
    """Apply the rule of that name: to what is a function that saturates, by its definition or where it stands."""
    return _Functions(program).program_rewritten()


class _Functions(Exact):
    rule = "saturated"

    def find(self, body: sympy.Expr, sight: Sight) -> sympy.Expr:
        found: dict[sympy.Expr, sympy.Expr] = {}
        for access in sorted(body.atoms(Access), key=sort_key):
            eq = self.definition(access, sight)
            inside = None if eq is None else rename(eq.body, dict(zip(eq.lhs.indices, access.indices, strict=True)))
            known = None if inside is None else limits_of(access, inside)
            if known is not None:
                found[access] = sight.mark(known)
        for f in body.atoms(Sigmoid, sympy.tanh, sympy.erf):
            known = limits_of(f, f)
            if known is not None and not f.is_number:
                found[f] = sight.mark(known)
        return body.xreplace(found)


def difference(total: sympy.Expr, sight: Sight) -> sympy.Expr:
    """A sum with differences from limits, and from data, as products."""
    if not total.is_Add:
        return total
    for symbol, known in sight.marks.items():
        if not total.has(symbol):
            continue
        found = _from_data(total, symbol, known, sight)
        if found is not None:
            product, rest = found
            return product + difference(rest, sight)
        for end, product in ((known.high, -known.below), (known.low, known.above)):
            split = None if product == known.value else divided(total, symbol, end)
            if split is not None:
                quotient, rest = split
                return difference(quotient, sight) * product + difference(rest, sight)
    return total


def _from_data(
    total: sympy.Expr, symbol: sympy.Symbol, known: Saturating, sight: Sight
) -> tuple[sympy.Expr, sympy.Expr] | None:
    """a (f − t) with data t, as a product, and what else is added."""
    own = [t for t in total.args if t.has(symbol)]
    slope = sympy.Add(*own).coeff(symbol)
    if slope == 0 or sympy.Add(*own) != sympy.expand_mul(slope * symbol):
        return None
    others = [t for t in total.args if t not in own]
    data = [t for t in others if (t / slope).is_number or (sight.is_data(t / slope) and not denominators(t / slope))]
    t = -sympy.Add(*(d / slope for d in data))
    if t.is_number:
        return None
    width = known.high - known.low
    product = (known.high - t) * (symbol if known.low == 0 else known.above) - (t - known.low) * known.below
    return slope * product / width, sympy.Add(*(o for o in others if o not in data))


def _has(e: sympy.Expr, sight: Sight) -> bool:
    return not e.is_Atom and not isinstance(e, Access | Equal) and any(e.has(symbol) for symbol in sight.marks)


def _is_open(e: sympy.Expr) -> bool:
    """Whether all arguments are numbers that may be written in another form."""
    return not isinstance(e, Access | Equal | Cases | Within)


def _branches(e: sympy.Expr, rewrite, sight: Sight) -> sympy.Expr:  # type: ignore[no-untyped-def]
    """Cases, or a guarded expression, with the branches rewritten; conditions stay."""
    fixed = 1 if isinstance(e, Cases) else 3
    return e.func(*e.args[:fixed], *(rewrite(a, sight) for a in e.args[fixed:]))


def _apart(eq: Equation, access: Access, sight: Sight) -> bool:
    """Whether an equation defines none of the elements that are read."""
    spans = _spans(eq, access, sight)
    return spans is None or any(high < a or low > b for (low, high), (a, b) in spans)


def _covers(eq: Equation, access: Access, sight: Sight) -> bool:
    spans = _spans(eq, access, sight)
    return spans is not None and all(a <= low and high <= b for (low, high), (a, b) in spans)


def _spans(eq: Equation, access: Access, sight: Sight) -> list[tuple[tuple[int, int], tuple[int, int]]] | None:
    """For every index what is read and what is defined; ``None`` where data choose."""
    found = []
    for written, wanted in zip(eq.lhs.indices, access.indices, strict=True):
        if wanted.atoms(Access):
            return None
        own = (int(written), int(written)) if written.is_number else extent_of(written, eq.ranges)
        ranges = sight.equation.ranges
        if not index_symbols(wanted) <= ranges.keys():
            return None
        found.append((extent_of(wanted, ranges), own))
    return found


def used(lines: Iterable[Line], program: Program) -> Program:
    """A program without those of the lines that nothing reads."""
    read = {a.tensor for line in program.lines for a in line.equation.reads}
    idle = {line.equation.lhs.tensor for line in lines} - read
    forward, backward = (
        tuple(line for line in part if line.equation.lhs.tensor not in idle)
        for part in (program.forward, program.backward)
    )
    return replace(program, forward=forward, backward=backward)
