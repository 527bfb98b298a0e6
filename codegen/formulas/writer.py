"""Lines of derivations and equations as a lecturer writes them.

SymPy keeps sums and products in an order of its own; here ``w₅ − a Δ h₁`` is written as on the board.  What the user
wrote keeps the user's order; derived expressions follow the roles of their factors: numbers, rates, δ, weights,
values, inputs.  :class:`Writer` decides all this once; its subclasses say how a fraction looks in LaTeX or in text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy

from codegen.formulas.forms import ADD, ATOM, MUL, SUM, decimal, places
from codegen.formulas.notation import Notation
from codegen.formulas.scalarwriter import ScalarWriter
from codegen.formulas.signs import Signs
from derive.expressions import Access, Index, Within, fresh, index_symbols, rename
from derive.network import Equation
from derive.selection import selected
from derive.steps import Line, Partial, Product, Summed, Total

PLACES = 5  # decimals of a hyperparameter; smaller ones are written with a power of ten
LETTERS = ["i", "j", "k", "l", "m", "n", "p", "q", "r", "s", "u", "v"]


class Writer(ScalarWriter):
    """Writes lines and equations of one network."""

    def __init__(self, notation: Notation, equations: Mapping[str, Equation]) -> None:
        super().__init__(notation)
        self.signs = Signs()  # programs speak of derivatives under every notation
        self.equations = equations
        self.scope: set[str] = set()

    # entry points

    def line(self, line: Line, order: tuple[str, ...] = ()) -> str:
        """A line of a derivation or an expression."""
        return self._line(self.signs.line(line), order)[0]

    def with_level(self, line: Line) -> tuple[str, int]:
        """The same, and how tightly it binds."""
        return self._line(self.signs.line(line))

    def line_in_indices(self, line: Line, indices: Iterable[Index]) -> str:
        """A line in indices, out of whose way its sums keep."""
        self.scope = {str(i) for i in indices}
        try:
            return self.line(line)
        finally:
            self.scope = set()

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

    def quantity(self, access: Access) -> str:
        """What is differentiated, or by what: an element, or in brackets the sum that has no name."""
        if self.notation.tensors[access.tensor].anonymous:
            return self.brackets(self._access(access)[0])
        return self.access(access)

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

    # equations

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
