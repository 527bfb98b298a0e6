"""Expressions as a lecturer writes them: brackets, signs, fractions, powers, cases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import sympy

from codegen.formulas import cases
from codegen.formulas.forms import ADD, ATOM, MUL, POW, SUM, decimal
from codegen.formulas.layout import signed
from codegen.formulas.notation import Notation
from codegen.formulas.order import ODD, Order, Turned
from derive.expressions import Access, Cases, Equal, Within, index_symbols, is_negative
from derive.functions import Formula

_EVEN = (sympy.cosh, sympy.cos, sympy.Abs)


class ScalarWriter(Order):
    """Writes expressions of one network.

    ``numbers`` maps elements to the text of a number that stands for them (the worked example).
    """

    def __init__(self, notation: Notation) -> None:
        super().__init__(notation)
        self.numbers: Mapping[sympy.Expr, str] = {}

    @abstractmethod
    def _access(self, access: Access) -> tuple[str, int]:
        """An element, or what stands for one without a name."""

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
        if isinstance(e, Turned):
            return self.call(e.args[0], operands=[self._write(-e.args[0].args[0])[0]]), MUL
        if e.is_Function:
            return self.call(e), MUL
        if e.is_number:
            return self.constant(e), MUL
        raise NotImplementedError(f"no notation for {type(e).__name__}")

    # numbers

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

    # sums and products

    def _sum(self, e: sympy.Add) -> str:
        found = []
        for term in self.sorted_terms(e):
            negative = is_negative(term) and self._turned(term) is None
            found.append((negative, self._bracketed(self._write(-term if negative else term), SUM)))
        return signed(found)

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

    # functions, powers and cases

    def call(self, e: sympy.Expr, exponent: str = "", operands: list[str] | None = None) -> str:
        """A function of its operands; settings that differ from their defaults are shown."""
        own = e.operands if isinstance(e, Formula) else e.args
        settings = e.settings if isinstance(e, Formula) else {}
        written = {self.symbol(str(s)): self._write(value)[0] for s, value in settings.items()}
        operands = operands if operands is not None else [self._write(a)[0] for a in own]
        return self.function(e.func.__name__, operands, exponent, written)

    def _power(self, e: sympy.Pow) -> tuple[str, int]:
        if e.exp.is_Rational and e.exp.is_negative:
            return self.fraction("1", self._write(1 / e)[0]), MUL
        if e.exp == sympy.Rational(1, 2):
            return self.root(self._write(e.base)[0]), ATOM
        exponent = self._write(e.exp)[0]
        if isinstance(e.base, ODD) and e.exp.is_even and self._starts_negative(e.base.args[0]):
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


def _content(total: sympy.Add) -> tuple[sympy.Expr, sympy.Expr]:
    """A sum as a number times a sum without numbers, for SymPy multiplies numbers in: 2 (y - t), not 2 y - 2 t."""
    content, primitive = total.primitive()
    units = all(abs(t.as_coeff_Mul()[0]) == 1 for t in sympy.Add.make_args(primitive))
    return (content, primitive) if units else (sympy.Integer(1), total)
