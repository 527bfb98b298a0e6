"""Expressions as a lecturer writes them: the order of terms and factors, brackets, signs, fractions.

SymPy keeps sums and products in an order of its own; here ``w₅ − a Δ h₁`` is written as on the board.  What the user
wrote keeps the user's order; derived expressions follow the roles of their factors: numbers, rates, δ, weights,
values, inputs.  :class:`Writer` decides all this once; its subclasses say how a fraction looks in LaTeX or in text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import sympy

from codegen.formulas import cases
from codegen.formulas.layout import signed
from codegen.formulas.notation import Notation
from codegen.formulas.signs import Signs
from derive.expressions import (
    Access,
    Cases,
    Equal,
    Index,
    Within,
    accesses,
    fresh,
    index_symbols,
    is_negative,
    rename,
    sort_key,
)
from derive.functions import Formula
from derive.network import Equation
from derive.selection import selected
from derive.steps import Line, Partial, Product, Summed, Total

ADD, SUM, MUL, POW, ATOM = range(5)  # precedence, loosest first
PLACES = 5  # decimals of a hyperparameter; smaller ones are written with a power of ten
LETTERS = ["i", "j", "k", "l", "m", "n", "p", "q", "r", "s", "u", "v"]
_ROLES = {
    "constant": 2.0,
    "count": 2.0,
    "adjoint": 3.0,
    "target": 4.5,
    "mask": 4.7,
    "weight": 4.0,
    "value": 5.0,
    "input": 6.0,
}

_EVEN = (sympy.cosh, sympy.cos, sympy.Abs)
_ODD = (sympy.sinh, sympy.sin, sympy.tanh, sympy.erf, sympy.sign)


class _Turned(sympy.Function):
    """An odd function of −u, which SymPy would write as minus that of u."""


def _content(total: sympy.Add) -> tuple[sympy.Expr, sympy.Expr]:
    """A sum as a number times a sum without numbers, for SymPy multiplies numbers in: 2 (y - t), not 2 y - 2 t."""
    content, primitive = total.primitive()
    units = all(abs(t.as_coeff_Mul()[0]) == 1 for t in sympy.Add.make_args(primitive))
    return (content, primitive) if units else (sympy.Integer(1), total)


class Writer(ABC):
    """Writes expressions of one network.

    ``numbers`` maps elements to the text of a number that stands for them (the worked example).
    """

    conjunction = " and "  # between conditions that hold together

    def __init__(self, notation: Notation, equations: Mapping[str, Equation]) -> None:
        self.notation = notation
        self.signs = Signs()  # programs speak of derivatives under every notation
        self.equations = equations
        self.numbers: Mapping[sympy.Expr, str] = {}
        self.order: tuple[str, ...] = ()
        self.scope: set[str] = set()
        self.depth = 0

    # entry points

    def line(self, line: Line, order: tuple[str, ...] = ()) -> str:
        """A line of a derivation or an expression."""
        return self._line(self.signs.line(line), order)[0]

    def equation(self, equation: Equation) -> str:
        """The right side of an equation, its reduction included."""
        equation = self.signs.equation(equation)
        self.scope = {str(s) for s in equation.free}
        try:
            return self._reduced(equation, {})[0]
        finally:
            self.scope = set()

    def factor(self, expression: sympy.Expr) -> str:
        """An expression in brackets if it needs them as a factor."""
        return self._bracketed(self._write(self.signs.expression(expression)), MUL)

    def setting(self, value: sympy.Rational) -> str:
        """A learning rate or another hyperparameter: in decimals wherever they end, small ones as powers of ten."""
        if set(sympy.factorint(value.q)) - {2, 5}:
            return self.line(value)
        exponent = -places(value)
        if exponent >= -PLACES:
            return decimal(value)
        power = self.power(("10", ATOM), str(exponent))
        return power if value.p == 1 else self.product([str(value * 10**-exponent), power])

    # lines

    def _line(self, line: Line, order: tuple[str, ...] = ()) -> tuple[str, int]:
        match line:
            case Partial():
                return self.partial(line), MUL
            case Product():
                sign = "-" if line.factors[0] == -1 else ""
                parts = [self._bracketed(self._line(f), MUL) for f in line.factors[len(sign) :]]
                return sign + self.product(parts), MUL
            case Total():
                return " + ".join(self._bracketed(self._line(t), SUM) for t in line.terms).replace("+ -", "- "), ADD
            case Summed():
                return self._summed(line), SUM
        previous, self.order = self.order, order
        try:
            return self._write(line)
        finally:
            self.order = previous

    def _summed(self, line: Summed) -> str:
        """A line summed over indices; what stands inside it keeps out of their way."""
        previous = self.scope
        self.scope = previous | {str(i) for i, *_ in line.over}
        try:
            body = self._bracketed(self._line(line.line), SUM)
        finally:
            self.scope = previous
        where = [self.iverson(self.place(Within(*condition, sympy.Symbol("_")))) for condition in line.conditions]
        body = self.product([*where, body])
        bounds = [(str(i), *self.counted(i, str(first), str(last))) for i, first, last in line.over]
        return self.reduction("sum", bounds, body) if bounds else body

    def line_in_indices(self, line: Line, indices: Iterable[Index]) -> str:
        """A line in indices, out of whose way its sums keep."""
        self.scope = {str(i) for i in indices}
        try:
            return self.line(line)
        finally:
            self.scope = set()

    # expressions

    def _write(self, e: sympy.Expr) -> tuple[str, int]:
        self.depth += 1
        try:
            return self._form(e)
        finally:
            self.depth -= 1

    def _form(self, e: sympy.Expr) -> tuple[str, int]:
        if e in self.numbers:
            return self.numbers[e], ATOM if not self.numbers[e].startswith("-") else ADD
        if isinstance(e, Access):
            return self._access(e)
        if e.is_Rational:
            return self._rational(e)
        if e.is_Add:
            content, primitive = _content(e)
            if content != 1:
                return self.product([self._write(content)[0], self.brackets(self._sum(primitive))]), MUL
            return self._sum(e), ADD
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow:
            return self._power(e)
        if e.is_Symbol:
            return self.symbol(str(e)), ATOM
        if isinstance(e, Cases):
            return self._cases(e)
        if isinstance(e, Within):
            return self.product([self.iverson(self.place(e)), self._bracketed(self._write(e.args[3]), SUM)]), SUM
        if isinstance(e, Equal):
            return self.iverson(f"{self._write(e.args[0])[0]} = {self._write(e.args[1])[0]}"), ATOM
        if isinstance(e, _EVEN) and self._starts_negative(e.args[0]):  # SymPy picks a sign; the user's order does
            return self.function(e.func.__name__, [self._write(-e.args[0])[0]]), MUL
        if isinstance(e, _Turned):
            return self.call(e.args[0], operands=[self._write(-e.args[0].args[0])[0]]), MUL
        if e.is_Function:
            return self.call(e), MUL
        if e.is_number:
            return self.constant(e), MUL
        raise NotImplementedError(f"no notation for {type(e).__name__}")

    def _access(self, access: Access) -> tuple[str, int]:
        tensor = self.notation.tensors[access.tensor]
        if tensor.anonymous:
            equation = self.equations[access.tensor]
            return self._reduced(equation, dict(zip(equation.lhs.indices, access.indices, strict=True)))
        return self.access(access), ATOM

    def _reduced(self, eq: Equation, mapping: dict[sympy.Expr, sympy.Expr]) -> tuple[str, int]:
        """The right side of an equation at other indices; bound indices keep out of the way of those in use."""
        eq = selected(self.signs.equation(eq))
        binding: dict[Index, sympy.Expr] = {i: j for i, j in mapping.items() if i.is_Symbol}
        taken = self.scope | {str(s) for j in mapping.values() for s in index_symbols(j)}
        names = {self.notation.names[t].text for t in self.notation.names}
        for s in eq.reduce:
            binding[s] = fresh([str(s), *(n for n in LETTERS if n not in names)], taken)
        previous = self.scope, self.order
        self.scope, self.order = taken, eq.order
        try:
            negative, share, rest = self._share(eq, rename(eq.body, binding))
            text, level = self._write(rest)
            if not eq.reduce:
                return text, level
            body = self._bracketed((text, level), SUM)
            text = self.reduction(eq.kind, [(str(binding[s]), *self.ends(eq, s)) for s in eq.reduce], body)
            if share == 1:
                return text, SUM
            text = self.product([self._write(share)[0], text])
            return (f"-{text}", ADD) if negative else (text, SUM)
        finally:
            self.scope, self.order = previous

    def _share(self, eq: Equation, body: sympy.Expr) -> tuple[bool, sympy.Expr, sympy.Expr]:
        """What stands before a sum over the samples, as 1/N does for a mean, and what stays inside.

        The first value tells whether there is a minus sign before it all.
        """
        coupling = self.notation.network.coupling
        if coupling is None or coupling.index not in eq.reduce or eq.kind != "sum":
            return False, sympy.Integer(1), body
        number, rest = body.as_coeff_Mul()
        mean = 1 / coupling.count in sympy.Mul.make_args(rest)
        share, inside = (1 / coupling.count, rest * coupling.count) if mean else (sympy.Integer(1), rest)
        negative = bool(number.is_negative) and share != 1
        return negative, share * (abs(number) if mean else 1), inside if mean else body

    def ends(self, eq: Equation, s: Index) -> tuple[str, str]:
        """The first and the last value of an index; the samples are counted to N."""
        first, last = map(str, eq.ranges[s])
        return self.counted(s, first, last)

    def counted(self, s: Index, first: str, last: str) -> tuple[str, str]:
        coupling = self.notation.network.coupling
        return first, self.access(coupling.count) if coupling and s == coupling.index else last

    def _rational(self, r: sympy.Rational) -> tuple[str, int]:
        if r.is_Integer:
            return str(r), ATOM if r >= 0 else ADD
        if self._is_decimal(r):
            return decimal(r), ATOM if r >= 0 else ADD
        sign = "-" if r < 0 else ""
        return sign + self.fraction(str(abs(r.p)), str(r.q)), MUL if r >= 0 else ADD

    def _is_decimal(self, r: sympy.Rational) -> bool:
        decimals = self.notation.network.decimals
        terminating = not set(sympy.factorint(r.q)) - {2, 5}
        return abs(r) in decimals or (terminating and r.q > 8 and bool(decimals))

    # sums

    def sorted_terms(self, e: sympy.Expr) -> list[sympy.Expr]:
        """The terms of a sum in the order in which they are written; a sign stands first only if the user put it."""
        terms = sorted(sympy.Add.make_args(e), key=self._term_key)
        if is_negative(terms[0]) and not (self.depth == 1 and self._in_order(terms[0])):
            positive = next((t for t in terms if not is_negative(t)), terms[0])
            terms.remove(positive)
            terms.insert(0, positive)
        return terms

    def _sum(self, e: sympy.Add) -> str:
        found = []
        for term in self.sorted_terms(e):
            negative = is_negative(term) and self._turned(term) is None
            found.append((negative, self._bracketed(self._write(-term if negative else term), SUM)))
        return signed(found)

    def terms_in(self, e: sympy.Expr, order: tuple[str, ...]) -> list[sympy.Expr]:
        """The terms of a sum in the order in which they are written where ``order`` is the user's."""
        previous, self.order = self.order, order
        terms = self.sorted_terms(e)
        self.order = previous
        return terms

    def _in_order(self, term: sympy.Expr) -> bool:
        return bool(self.order) and any(n in self.order for n in self._mentions(term))

    def _mentions(self, e: sympy.Expr) -> list[str]:
        numbers = sorted((n for n in e.atoms(sympy.Number) if n != -1), key=str)
        symbols = sorted(str(s) for s in e.free_symbols)
        return [a.tensor for a in accesses(e)] + symbols + [str(m) for n in numbers for m in (n, -n)]

    def _term_key(self, term: sympy.Expr) -> tuple[Any, ...]:
        """Terms stand as they were written: by the place of the last thing in them that was new there."""
        if self.order:
            places = [self.order.index(n) for n in self._mentions(term) if n in self.order]
            if places:
                return (0, max(places), self._indices_key(term))
        if term.is_number:
            return (-1, 0, ())
        ranks = [self.notation.rank.get(a.tensor, -1) for a in accesses(term)]
        return (1, min(ranks, default=-2), self._indices_key(term))

    @staticmethod
    def _indices_key(term: sympy.Expr) -> tuple[tuple[int, str], ...]:
        return tuple(sort_key(a) for a in sorted(term.atoms(Access), key=str))

    # products

    def _product(self, e: sympy.Mul) -> tuple[str, int]:
        number, rest = e.as_coeff_Mul()
        if (turned := self._turned(e)) is not None:
            return self._write(turned)
        number, rest = self._numbers_first(number, rest)
        if number.is_negative:
            return "-" + self._bracketed(self._write(-number * rest), SUM), ADD
        above: list[sympy.Expr] = []
        below: list[sympy.Expr] = []
        for factor in sympy.Mul.make_args(rest):
            inverted = factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative
            (below if inverted else above).append(1 / factor if inverted else factor)
        weights_last = self.notation.profile.rows and self._is_forward(rest)
        above.sort(key=lambda f: (weights_last and 4 <= self._role(f) < 4.5, self.factor_key(f)))
        below.sort(key=self.factor_key)
        if below:
            fraction_number = isinstance(number, sympy.Rational) and not self._is_decimal(number)
            top = ([sympy.Integer(number.p)] if number.p != 1 else []) if fraction_number else [number]
            bottom = [sympy.Integer(number.q)] if fraction_number and number.q != 1 else []
            return self.fraction(self._factors([*top, *above]), self._factors([*bottom, *below])), MUL
        return self._factors(([number] if number != 1 else []) + above), MUL

    def _numbers_first(self, number: sympy.Expr, rest: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
        """δ (y/2 − t/2) as 1/2 δ (y − t), and the number of a branch that is 0 elsewhere before its bracket."""
        factors = []
        for factor in sympy.Mul.make_args(rest):
            content, factor = _content(factor) if factor.is_Add else cases.content(factor)
            number *= content
            factors.append(factor)
        return number, sympy.Mul(*factors)

    def _factors(self, factors: list[sympy.Expr]) -> str:
        if not factors:
            return "1"
        if len(factors) == 1:
            return self._write(factors[0])[0]
        *written, last = [self._write(f) for f in factors]
        return self.product([*(self._bracketed(w, MUL) for w in written), self._bracketed(last, SUM)])

    def _is_forward(self, e: sympy.Expr) -> bool:
        """A product of the forward pass; the numbered notation writes the weight last in it: h₁ w₅."""
        return {self.notation.tensors[a.tensor].role for a in accesses(e)} <= {"weight", "value", "input"}

    def factor_key(self, factor: sympy.Expr) -> tuple[Any, ...]:
        """Where a factor stands in a product."""
        if self.order:
            named = [a.tensor for a in accesses(factor)] or [
                s.name for s in factor.free_symbols - index_symbols(factor)
            ]
            places = [self.order.index(name) for name in named if name in self.order]
            if places:
                return (0, max(places), self._indices_key(factor))
        return (1, self._role(factor), self._indices_key(factor))

    def _role(self, factor: sympy.Expr) -> float:
        base = factor.base if factor.is_Pow else factor
        if isinstance(base, Access):
            tensor = self.notation.tensors[base.tensor]
            rank = self.notation.rank.get(base.tensor, 0) / 1000
            if tensor.anonymous:
                return 3.1 if tensor.role == "adjoint" else 4.9
            return _ROLES[tensor.role] + rank
        if base.is_number:
            return 0.0
        if not base.atoms(Access):
            return 1.5 if base.is_Add else 1.0
        if isinstance(base, (Cases, Equal)):
            return 5.95
        inside = accesses(base)
        roles = {self.notation.tensors[a.tensor].role for a in inside}
        if "target" in roles or "adjoint" in roles:
            return 3.5 if base.is_Add else 5.9
        return max(_ROLES[r] for r in roles) + max(self.notation.rank.get(a.tensor, 0) for a in inside) / 1000 + 0.0005

    # functions

    def call(self, e: sympy.Expr, exponent: str = "", operands: list[str] | None = None) -> str:
        """A function of its operands; settings that differ from their defaults are shown."""
        own = e.operands if isinstance(e, Formula) else e.args
        settings = e.settings if isinstance(e, Formula) else {}
        written = {self.symbol(str(s)): self._write(value)[0] for s, value in settings.items()}
        operands = operands if operands is not None else [self._write(a)[0] for a in own]
        return self.function(e.func.__name__, operands, exponent, written)

    def _starts_negative(self, e: sympy.Expr) -> bool:
        """Whether a sum would be written with a sign before it, were it not for the user's order."""
        return bool(e.is_Add) and is_negative(min(e.args, key=self._term_key))

    def _turned(self, e: sympy.Expr) -> sympy.Expr | None:
        """−tanh(t − y) q as tanh(y − t) q, where that is the user's order: an odd function takes the sign in."""
        number, rest = e.as_coeff_Mul()
        factors = list(sympy.Mul.make_args(rest))
        for factor in sorted(factors, key=sort_key) if number.is_negative else ():
            if isinstance(factor, _ODD) and self._starts_negative(factor.args[0]):
                factors[factors.index(factor)] = _Turned(factor)
                return sympy.Mul(-number, *factors)
        return None

    # powers and cases

    def _power(self, e: sympy.Pow) -> tuple[str, int]:
        if e.exp.is_Rational and e.exp.is_negative:
            return self.fraction("1", self._write(1 / e)[0]), MUL
        if e.exp == sympy.Rational(1, 2):
            return self.root(self._write(e.base)[0]), ATOM
        exponent = self._write(e.exp)[0]
        if isinstance(e.base, _ODD) and e.exp.is_even and self._starts_negative(e.base.args[0]):
            return self.call(e.base, exponent, [self._write(-e.base.args[0])[0]]), MUL
        if e.base.is_Function and not isinstance(e.base, (Cases, sympy.Abs)) and e.base not in self.numbers:
            return self.call(e.base, exponent), MUL
        return self.power(self._write(e.base), exponent), POW

    def _cases(self, e: Cases) -> tuple[str, int]:
        condition, positive, otherwise = e.args
        for sign, kind in ((1, "max"), (-1, "min")):
            if sympy.expand(sign * (positive - otherwise) - condition) == 0:
                return self.function(kind, [self._write(positive)[0], self._write(otherwise)[0]]), ATOM
        *rows, (last, _) = cases.rows(e)
        number, bracket = cases.content(e)
        if number != 1:
            return self._product(number * bracket)
        if (conditions := cases.one_under(e)) is not None:
            return self.iverson(self._conditions(conditions)), ATOM
        written = [(self._write(value)[0], self._conditions(conditions)) for value, conditions in rows]
        return self.cases(written, self._write(last)[0]), ATOM

    def _conditions(self, conditions: tuple[cases.Condition, ...]) -> str:
        """Conditions that hold together."""
        if (bounds := cases.between(conditions)) is not None:
            return " ".join(part if isinstance(part, str) else self._write(part)[0] for part in bounds)
        sides = [cases.sides(c) for c in conditions]
        return self.conjunction.join(
            f"{self._write(left)[0]} {sign} {self._write(right)[0]}" for left, sign, right in sides
        )

    def place(self, e: Within) -> str:
        """Where an index lies: t = 3, t < 3, 1 ≤ i - k + 1 ≤ 4."""
        subscript, first, last, _ = e.args
        symbols = sorted(index_symbols(subscript), key=str)
        shift, moving = subscript.as_coeff_Add()
        if len(symbols) == 1 and abs(moving.coeff(symbols[0])) == 1:
            if moving != symbols[0]:
                shift, first, last = -shift, -last, -first
            name, low, high = self.index(symbols[0]), first - shift, last - shift
            if low == high:
                return f"{name} = {low}"
            if low.is_finite and high.is_finite:
                return f"{low} ≤ {name} ≤ {high}"
            return f"{name} < {high + 1}" if high.is_finite else f"{name} > {low - 1}"
        if first == last:
            left = sympy.Add(*(t for t in sympy.Add.make_args(subscript - first) if not is_negative(t)))
            return f"{self.index(left)} = {self.index(left - subscript + first)}"
        text = self.index(subscript)
        text = f"{first} ≤ {text}" if first.is_finite else text
        return f"{text} ≤ {last}" if last.is_finite else text

    def _bracketed(self, written: tuple[str, int], level: int) -> str:
        text, own = written
        return text if own >= level else self.brackets(text)

    # what it looks like

    def quantity(self, access: Access) -> str:
        """What is differentiated, or by what: an element, or in brackets the sum that has no name."""
        if self.notation.tensors[access.tensor].anonymous:
            return self.brackets(self._access(access)[0])
        return self.access(access)

    def index(self, expression: sympy.Expr) -> str:
        """An index expression."""
        return str(expression)

    @abstractmethod
    def access(self, access: Access) -> str: ...

    @abstractmethod
    def symbol(self, name: str) -> str: ...

    @abstractmethod
    def constant(self, value: sympy.Expr) -> str: ...

    @abstractmethod
    def fraction(self, above: str, below: str) -> str: ...

    @abstractmethod
    def product(self, factors: list[str]) -> str: ...

    @abstractmethod
    def power(self, base: tuple[str, int], exponent: str) -> str: ...

    @abstractmethod
    def root(self, inside: str) -> str: ...

    @abstractmethod
    def function(
        self, name: str, arguments: list[str], exponent: str = "", settings: Mapping[str, str] | None = None
    ) -> str: ...

    @abstractmethod
    def reduction(self, kind: str, bounds: list[tuple[str, str, str]], body: str) -> str: ...

    @abstractmethod
    def iverson(self, condition: str) -> str: ...

    @abstractmethod
    def cases(self, rows: list[tuple[str, str]], otherwise: str) -> str: ...

    @abstractmethod
    def brackets(self, inside: str) -> str: ...

    @abstractmethod
    def partial(self, partial: Partial) -> str: ...


def places(r: sympy.Rational) -> int:
    """How many decimals a terminating fraction has."""
    return int(max(sympy.multiplicity(2, r.q), sympy.multiplicity(5, r.q)))


def decimal(r: sympy.Rational) -> str:
    """A terminating fraction in decimals, all digits."""
    digits = places(r)
    scaled = abs(r) * 10**digits
    text = str(int(scaled)).rjust(digits + 1, "0")
    return ("-" if r < 0 else "") + text[: len(text) - digits] + ("." + text[len(text) - digits :] if digits else "")
