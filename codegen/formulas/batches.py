"""The matrix forms of a batch (:mod:`derive.batchform`) in LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cached_property

import sympy

from codegen.formulas.formwriter import COUNT, FormWriter
from codegen.formulas.latex import Latex
from codegen.formulas.notation import GREEK
from derive.batchform import BatchForms
from derive.formproof import in_batches
from derive.formtree import Form
from derive.gradient import Sweep
from derive.network import Equation


class BatchWriter(FormWriter):
    """Equations of one sample as equations of a batch; ``rows`` if a sample is a row, else it is a column."""

    def __init__(self, writer: Latex, sweep: Sweep, rows: bool) -> None:
        super().__init__(writer)
        self.network, self.sweep, self.rows = writer.notation.network, sweep, rows
        self.forms = self._forms(self.equation_of)

    def _forms(self, equations: Callable[[str], Equation]) -> BatchForms:
        return BatchForms(self.tensors, equations, self.arrangement(self.rows), self.network.coupling)

    def forms_of_derivatives(self) -> BatchForms:
        """The same where δ is the derivative, whatever its sign in the notes: as programs compute it."""
        return self._forms(self.writer.equations.__getitem__)

    # letters

    @property
    def count(self) -> str:
        """The number of samples."""
        coupling = self.network.coupling
        return self.writer.access(coupling.count) if coupling else COUNT

    def sampled(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample."""
        return self.forms.sampled(tensor)

    def letter(self, tensor: str, time: sympy.Expr | None = None) -> str:
        """Bold, and a capital for what holds the vectors of all samples."""
        name, shape = self.writer.notation.matrix(tensor), self.forms.shape(tensor)
        base = capital(name.base) if shape and self.sampled(tensor) else name.base
        return self.bold(tensor, base, name.lower, is_array=bool(shape) or self.sampled(tensor))

    def shape(self, tensor: str) -> str:
        """How many rows and columns a tensor has for a batch; none if it is a number."""
        shape = self.forms.shape(tensor)
        if self.sampled(tensor):
            extents = [self.count, str(math.prod(shape))]
        else:
            extents = [str(extent) for extent in (shape if len(shape) != 1 else (1, *shape))]
        turned = not self.rows and (self.sampled(tensor) or len(shape) == 1)
        return " \\times ".join(reversed(extents) if turned else extents)

    # equations

    @cached_property
    def values(self) -> dict[str, Form]:
        """The right sides of the equations of values, in the order of the forward pass, then of δs."""
        equations, signs = in_batches(self.network, self.sweep)[0], self.writer.signs
        found = {eq.lhs.tensor: self.forms.equation(signs.definition(signs.equation(eq))) for eq in equations}
        return {name: form for name, form in found.items() if form is not None}

    @cached_property
    def slopes(self) -> dict[str, Form]:
        """∂L/∂W of vectors and matrices of weights: what depends on the sample summed, or averaged, over the batch."""
        equations, mean = in_batches(self.network, self.sweep)[1], self.network.batch != "sum"
        found = {
            eq.lhs.tensor.removeprefix("∂"): self.forms.gradient(self.writer.signs.equation(eq), mean)
            for eq in equations
        }
        return {name: form for name, form in found.items() if form is not None}


def capital(base: str) -> str:
    """The capital of a letter, if it has one; of dz it is dZ."""
    if base.startswith("\\") and not base.startswith("\\mathit"):
        name = base[1:].capitalize()
        return f"\\{name}" if name in GREEK else base
    if match := re.fullmatch(r"(\\mathit\{d|\\mathit\{|)([a-z])(.*)", base):
        return match[1] + match[2].upper() + match[3]
    return base
