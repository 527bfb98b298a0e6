"""Matrix forms (:mod:`derive.formtree`) in LaTeX, with the letters of a notation."""

from __future__ import annotations

import sympy

from codegen.formulas.forms import ADD, ATOM, ELEMENTWISE, MUL, POW, SUM
from codegen.formulas.hues import painted
from codegen.formulas.latex import Latex
from codegen.formulas.layout import signed
from codegen.formulas.profiles import PRODUCTS
from derive.expressions import Access, Within
from derive.formtree import (
    Applied,
    Count,
    Diagonal,
    During,
    Elementwise,
    Form,
    Letter,
    Number,
    Ones,
    OverTime,
    Positive,
    Power,
    Product,
    Scaled,
    Single,
    Sum,
    Transposed,
)
from derive.network import Equation
from derive.readform import Arrangement

COUNT = "N"
ONES = "\\mathbf{1}"
DIAGONAL = "\\mathrm{diag}"
_ANYTHING = sympy.Symbol("_")


class FormWriter:
    """Writes forms; how the letters of tensors look is up to its subclasses."""

    def __init__(self, writer: Latex) -> None:
        self.writer = writer
        self.tensors = writer.notation.tensors
        self.sign = PRODUCTS[writer.notation.profile.product]

    def letter(self, tensor: str, time: sympy.Expr | None = None) -> str:
        """The letter of a whole tensor, or of what it is at one time."""
        raise NotImplementedError

    def bold(self, tensor: str, base: str, below: str = "", is_array: bool = True) -> str:
        """A name with another letter as its base, bold for an array, and with more below."""
        name = self.writer.notation.matrix(tensor)
        if is_array:
            base = f"\\mathbf{{{base}}}" if len(base) == 1 else f"\\boldsymbol{{{base}}}"
        below = ",".join(filter(None, [name.layer, below]))
        text = base + (f"^{{{name.upper}}}" if name.upper else "") + (f"_{{{below}}}" if below else "")
        return painted(text, self.writer.hues.of(Access(tensor)) if self.writer.hues else None)

    # how equations are read

    def equation_of(self, name: str) -> Equation:
        return self.writer.signs.equation(self.writer.equations[name])

    def arrangement(self, rows: bool) -> Arrangement:
        """How matrices stand, and the order of terms and factors."""
        return Arrangement(rows, self.writer.notation.flipped, self.writer.terms_in, self.writer.factors_in)

    # formulas

    def written(self, form: Form | None) -> str | None:
        return None if form is None else self.text(form)

    def text(self, form: Form, least: int = ADD) -> str:
        """A form in LaTeX, in brackets if it binds less tightly than ``least``."""
        text, binds = self._text(form)
        return text if binds >= least else self.writer.brackets(text)

    def _text(self, form: Form) -> tuple[str, int]:
        match form:
            case Number(value):
                return self.writer.with_level(value)
            case Single(value):
                return self.writer.factor(value), MUL
            case Count(share):
                return (f"\\frac{{1}}{{{COUNT}}}" if share else COUNT), ATOM
            case Letter(tensor, turned, time):
                letter = self.letter(tensor, time)
                return (_transposed(letter), POW) if turned else (letter, ATOM)
            case Transposed(inside):
                return _transposed(self.writer.brackets(self.text(inside))), POW
            case Ones(_, turned):
                return (_transposed(ONES), POW) if turned else (ONES, ATOM)
            case Sum(terms):
                (negative, first), *rest = terms
                written = [(sign, self.text(term, SUM)) for sign, term in rest]
                return signed([(negative, self.text(first, SUM if negative else ADD)), *written]), ADD
            case Product(factors):
                return "\\, ".join(self.text(f, MUL) for f in factors), MUL
            case Diagonal(Power(base, exponent, False)) if exponent.is_negative:
                return f"{self.text(Diagonal(base))}^{{{exponent}}}", POW
            case Diagonal(inside):
                return f"{DIAGONAL}{self.writer.brackets(self.text(inside))}", ATOM
            case Elementwise(factors):
                return f" {self.sign} ".join(self.text(f, POW) for f in factors), ELEMENTWISE
            case Scaled((Count(share=False),), matrix):
                text, binds = self._behind(matrix)
                return self.writer.product([COUNT, text]), binds
            case Scaled(front, matrix):
                numbers = [self.writer.factor(f.value) if isinstance(f, Number) else self.text(f, MUL) for f in front]
                text, binds = self._behind(matrix)
                return "\\, ".join([*numbers, text]), binds
            case Power(base, exponent, of_number):
                return self._power(base, exponent, of_number)
            case Positive(inside):
                return self.writer.iverson(f"{self.text(inside)} > 0"), ATOM
            case Applied(sympy.exp(), inside):  # e to the power of a matrix is something else
                return f"\\exp{self.writer.brackets(self.text(inside))}", POW
            case Applied(call, inside):
                return self.writer.call(call, operands=[self.text(inside)]), POW
            case During(time, first, last, inside):
                where = self.writer.iverson(self.writer.place(Within(time, first, last, _ANYTHING)))
                text, binds = self._behind(inside)
                return f"{where}\\, {text}", binds
            case OverTime(index, first, last, inside):
                return self.writer.reduction("sum", [(str(index), str(first), str(last))], self.text(inside, MUL)), SUM

    def _power(self, base: Form, exponent: sympy.Rational, of_number: bool) -> tuple[str, int]:
        """A power, roots as such; of a matrix it is marked as one element by element."""
        if of_number and exponent.is_negative:
            return self.writer.fraction("1", self._power(base, -exponent, True)[0]), MUL
        if exponent == sympy.Rational(1, 2):
            return self.writer.root(self.text(base)), ATOM
        if exponent == 1:
            return self._text(base)
        mark = "" if of_number else f"{self.sign} "
        return self.writer.power(self._text(base), f"{mark}{exponent}"), POW

    def _behind(self, form: Form) -> tuple[str, int]:
        """What a number or a condition stands before, and how tightly both bind."""
        least = ELEMENTWISE if isinstance(form, Elementwise) else MUL  # of such a product they are a factor
        return self.text(form, least), least


def _transposed(letter: str) -> str:
    """Aᵀ; a letter that has a superscript gets brackets."""
    composed = "^" in letter and not letter.endswith(")")
    return f"({letter})^{{\\top}}" if composed else f"{letter}^{{\\top}}"
