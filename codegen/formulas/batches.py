"""The matrix forms of a batch (:mod:`derive.batchform`) in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable

import sympy

from codegen.formulas.formwriter import COUNT, FormWriter
from codegen.formulas.latex import Latex
from codegen.formulas.notation import GREEK
from derive.batchform import BatchForms
from derive.network import Equation


class BatchWriter(FormWriter):
    """Equations of one sample as equations of a batch; ``rows`` if a sample is a row, else it is a column."""

    def __init__(self, writer: Latex, rows: bool) -> None:
        super().__init__(writer)
        self.rows = rows
        self.forms = self._forms(self.equation_of)

    def _forms(self, equations: Callable[[str], Equation]) -> BatchForms:
        flipped = self.writer.notation.flipped
        return BatchForms(self.tensors, equations, self.rows, flipped, self.writer.terms_in, self.factors)

    def forms_of_derivatives(self) -> BatchForms:
        """The same where δ is the derivative, whatever its sign in the notes: as programs compute it."""
        return self._forms(self.writer.equations.__getitem__)

    # letters

    def sampled(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample."""
        return self.forms.sampled(tensor)

    def letter(self, tensor: str, time: sympy.Expr | None = None) -> str:
        """Bold, and a capital for what holds the vectors of all samples."""
        name, shape = self.writer.notation.matrix(tensor), self.tensors[tensor].shape
        base = capital(name.base) if shape and self.sampled(tensor) else name.base
        return self.bold(tensor, base, name.lower, is_array=bool(shape) or self.sampled(tensor))

    def shape(self, tensor: str) -> str:
        """How many rows and columns a tensor has for a batch."""
        extent = self.tensors[tensor].size
        return f"{COUNT} \\times {extent}" if self.rows else f"{extent} \\times {COUNT}"

    # equations

    def equation(self, eq: Equation) -> str | None:
        """The right side of the equation of a value or a δ of one index at most."""
        signs = self.writer.signs
        return self.written(self.forms.equation(signs.definition(signs.equation(eq))))

    def gradient(self, eq: Equation, mean: bool) -> str | None:
        """∂L/∂W of a vector or a matrix of weights: what depends on the sample summed, or averaged, over the batch."""
        return self.written(self.forms.gradient(self.writer.signs.equation(eq), mean))


def capital(base: str) -> str:
    """The capital of a letter, if it has one; of dz it is dZ."""
    if base.startswith("\\") and not base.startswith("\\mathit"):
        name = base[1:].capitalize()
        return f"\\{name}" if name in GREEK else base
    if match := re.fullmatch(r"(\\mathit\{d|\\mathit\{|)([a-z])(.*)", base):
        return match[1] + match[2].upper() + match[3]
    return base
