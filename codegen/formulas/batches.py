"""The matrix forms of a batch (:mod:`derive.batchform`) in LaTeX, with the letters of a notation."""

from __future__ import annotations

import re
from collections.abc import Callable

import sympy

from codegen.formulas.hues import painted
from codegen.formulas.latex import Latex
from codegen.formulas.layout import signed
from codegen.formulas.notation import GREEK
from codegen.formulas.profiles import PRODUCTS
from derive.batchform import BatchForms
from derive.batchtree import (
    Applied,
    Count,
    Elementwise,
    Form,
    Letter,
    Number,
    Ones,
    Positive,
    Power,
    Product,
    Scaled,
    Sum,
)
from derive.expressions import Access
from derive.network import Equation

COUNT = "N"
_ONES = "\\mathbf{1}"


class BatchWriter:
    """Equations of one sample as equations of a batch; ``rows`` if a sample is a row, else it is a column."""

    def __init__(self, writer: Latex, rows: bool) -> None:
        self.writer, self.rows = writer, rows
        self.tensors = writer.notation.tensors
        self.sign = PRODUCTS[writer.notation.profile.product]
        self.forms = self._forms(lambda name: writer.signs.equation(writer.equations[name]))

    def _forms(self, equations: Callable[[str], Equation]) -> BatchForms:
        flipped = self.writer.notation.flipped
        return BatchForms(self.tensors, equations, self.rows, flipped, self.writer.terms_in, self._factors)

    def forms_of_derivatives(self) -> BatchForms:
        """The same where δ is the derivative, whatever its sign in the notes: as programs compute it."""
        return self._forms(self.writer.equations.__getitem__)

    # letters

    def sampled(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample."""
        return self.forms.sampled(tensor)

    def letter(self, tensor: str) -> str:
        """Bold, and a capital for what holds the vectors of all samples."""
        name = self.writer.notation.matrix(tensor)
        shape = self.tensors[tensor].shape
        base = capital(name.base) if shape and self.sampled(tensor) else name.base
        if shape or self.sampled(tensor):
            base = f"\\mathbf{{{base}}}" if len(base) == 1 else f"\\boldsymbol{{{base}}}"
        below = ",".join(filter(None, [name.layer, name.lower]))
        text = base + (f"^{{{name.upper}}}" if name.upper else "") + (f"_{{{below}}}" if below else "")
        return painted(text, self.writer.hues.of(Access(tensor)) if self.writer.hues else None)

    def shape(self, tensor: str) -> str:
        """How many rows and columns a tensor has for a batch."""
        extent = self.tensors[tensor].size
        return f"{COUNT} \\times {extent}" if self.rows else f"{extent} \\times {COUNT}"

    def _transposed(self, letter: str) -> str:
        return f"({letter})^{{\\top}}" if "^" in letter else f"{letter}^{{\\top}}"

    # equations

    def equation(self, eq: Equation) -> str | None:
        """The right side of the equation of a value or a δ of one index at most."""
        signs = self.writer.signs
        return self._written(self.forms.equation(signs.definition(signs.equation(eq))))

    def gradient(self, eq: Equation, mean: bool) -> str | None:
        """∂L/∂W of a vector or a matrix of weights: what depends on the sample summed, or averaged, over the batch."""
        return self._written(self.forms.gradient(self.writer.signs.equation(eq), mean))

    def _factors(self, e: sympy.Expr) -> list[sympy.Expr]:
        return sorted(sympy.Mul.make_args(e), key=self.writer.factor_key)

    # formulas

    def _written(self, form: Form | None) -> str | None:
        return None if form is None else self.text(form)

    def text(self, form: Form) -> str:
        """A form in LaTeX."""
        match form:
            case Number(value):
                return self.writer.line(value)
            case Count(share):
                return f"\\frac{{1}}{{{COUNT}}}" if share else COUNT
            case Letter(tensor, turned):
                letter = self.letter(tensor)
                return self._transposed(letter) if turned else letter
            case Ones(_, turned):
                return f"{_ONES}^{{\\top}}" if turned else _ONES
            case Sum(terms):
                return signed((negative, self.text(term)) for negative, term in terms)
            case Product(factors):
                return "\\, ".join(self._wrap(self.text(f)) for f in factors)
            case Elementwise(factors):
                return f" {self.sign} ".join(self._wrap(self.text(f), factor=True) for f in factors)
            case Scaled((Count(share=False),), matrix):
                return self.writer.product([COUNT, self.text(matrix)])
            case Scaled(front, matrix):
                numbers = [self.writer.factor(f.value) if isinstance(f, Number) else self.text(f) for f in front]
                return "\\, ".join([*numbers, self._wrap(self.text(matrix))])
            case Power(base, exponent):
                return f"{self._wrap(self.text(base), raised=True)}^{{{self.sign} {exponent}}}"
            case Positive(inside):
                return self.writer.iverson(f"{self.text(inside)} > 0")
            case Applied(call, inside):
                return self.writer.call(call, operands=[self.text(inside)])

    def _wrap(self, text: str, factor: bool = False, raised: bool = False) -> str:
        """In brackets if it is a sum; also if it is a product that is a factor of an elementwise one or a base."""
        marks = (" + ", " - ", f" {self.sign} ", *(["\\, "] if factor or raised else []))
        composed = text.startswith("-") or _outside(text, marks) or (raised and "^" in text)
        return self.writer.brackets(text) if composed else text


def _outside(text: str, marks: tuple[str, ...]) -> bool:
    """Whether one of the marks stands outside of all brackets."""
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and text.startswith(marks, position):
            return True
    return False


def capital(base: str) -> str:
    """The capital of a letter, if it has one; of dz it is dZ."""
    if base.startswith("\\") and not base.startswith("\\mathit"):
        name = base[1:].capitalize()
        return f"\\{name}" if name in GREEK else base
    if match := re.fullmatch(r"(\\mathit\{d|\\mathit\{|)([a-z])(.*)", base):
        return match[1] + match[2].upper() + match[3]
    return base
