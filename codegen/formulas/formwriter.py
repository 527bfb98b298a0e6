"""Matrix forms (:mod:`derive.formtree`) in LaTeX, with the letters of a notation."""

from __future__ import annotations

import sympy

from codegen.formulas.hues import painted
from codegen.formulas.latex import Latex
from codegen.formulas.layout import signed
from codegen.formulas.profiles import PRODUCTS
from derive.expressions import Access, Within
from derive.formtree import (
    Applied,
    Count,
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

COUNT = "N"
_ONES = "\\mathbf{1}"
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

    def factors(self, e: sympy.Expr) -> list[sympy.Expr]:
        return sorted(sympy.Mul.make_args(e), key=self.writer.factor_key)

    # formulas

    def written(self, form: Form | None) -> str | None:
        return None if form is None else self.text(form)

    def text(self, form: Form) -> str:
        """A form in LaTeX."""
        match form:
            case Number(value):
                return self.writer.line(value)
            case Single(value):
                return self.writer.factor(value)
            case Count(share):
                return f"\\frac{{1}}{{{COUNT}}}" if share else COUNT
            case Letter(tensor, turned, time):
                letter = self.letter(tensor, time)
                return _transposed(letter) if turned else letter
            case Transposed(inside):
                return _transposed(self.writer.brackets(self.text(inside)))
            case Ones(_, turned):
                return _transposed(_ONES) if turned else _ONES
            case Sum(terms):
                return signed((negative, self.text(term)) for negative, term in terms)
            case Product(factors):
                return "\\, ".join(self._wrap(f) for f in factors)
            case Elementwise(factors):
                return f" {self.sign} ".join(self._wrap(f, factor=True) for f in factors)
            case Scaled((Count(share=False),), matrix):
                return self.writer.product([COUNT, self.text(matrix)])
            case Scaled(front, matrix):
                numbers = [self.writer.factor(f.value) if isinstance(f, Number) else self._wrap(f) for f in front]
                return "\\, ".join([*numbers, self._behind(matrix)])
            case Power(base, exponent, of_number):
                return f"{self._wrap(base, raised=True)}^{{{'' if of_number else f'{self.sign} '}{exponent}}}"
            case Positive(inside):
                return self.writer.iverson(f"{self.text(inside)} > 0")
            case Applied(call, inside):
                return self.writer.call(call, operands=[self.text(inside)])
            case During(time, first, last, inside):
                where = self.writer.iverson(self.writer.place(Within(time, first, last, _ANYTHING)))
                return f"{where}\\, {self._behind(inside)}"
            case OverTime(index, first, last, inside):
                return self.writer.reduction("sum", [(str(index), str(first), str(last))], self._wrap(inside))

    def _behind(self, form: Form) -> str:
        """What a number or a condition stands before."""
        return self.text(form) if isinstance(form, Elementwise) else self._wrap(form)

    def _wrap(self, form: Form, factor: bool = False, raised: bool = False) -> str:
        """In brackets if it is a sum; also if it is a product that is a factor of an elementwise one or a base."""
        text = self.text(form)
        marks = (" + ", " - ", f" {self.sign} ", "\\sum", *(["\\, "] if factor or raised else []))
        composed = text.startswith("-") or _outside(text, marks)
        composed |= raised and ("^" in text or isinstance(form, Applied))
        return self.writer.brackets(text) if composed else text


def _transposed(letter: str) -> str:
    """Aᵀ; a letter that has a superscript gets brackets."""
    composed = "^" in letter and not letter.endswith(")")
    return f"({letter})^{{\\top}}" if composed else f"{letter}^{{\\top}}"


def _outside(text: str, marks: tuple[str, ...]) -> bool:
    """Whether one of the marks stands outside of all brackets."""
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and text.startswith(marks, position):
            return True
    return False
