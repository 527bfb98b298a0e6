"""Matrix form of one sample in LaTeX: as letters (:mod:`derive.vectorform`), and written out element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sympy

from codegen.formulas.formwriter import FormWriter
from codegen.formulas.latex import Latex
from derive.expressions import Access, rename
from derive.formtree import Form, Letter, nodes
from derive.matrixform import Outer, outer
from derive.network import Equation, Scan, Tensor
from derive.scalars import Scalars
from derive.vectorform import VectorForms

MAX_SIDE = 4  # rows and columns of a matrix written out element by element


class MatrixWriter(FormWriter):
    """Equations with vectors and matrices in bold letters.

    Of a recurrence every time step has vectors of its own: what stands at time t, ``h[t, i]``, is the vector h with t
    below.
    """

    def __init__(self, writer: Latex, steps: Iterable[Equation | Scan] = ()) -> None:
        super().__init__(writer)
        self.steps = tuple(steps)
        self.forms = self._forms(self.equation_of)

    def _forms(self, equations: Callable[[str], Equation]) -> VectorForms:
        notation = self.writer.notation
        rows = notation.profile.rows and not notation.numbered
        return VectorForms(self.tensors, equations, self.arrangement(rows), self.steps)

    def forms_of_derivatives(self) -> VectorForms:
        """The same where δ is the derivative, whatever its sign in the notes: as programs compute it."""
        return self._forms(self.writer.equations.__getitem__)

    def left(self, access: Access) -> str:
        """The left side of an equation for a whole tensor, or for one time step of a sequence."""
        return self.text(self.forms.letter(access)[0])

    def letter(self, tensor: str, time: sympy.Expr | None = None) -> str:
        """The letter of a whole tensor, bold where it is a vector or a matrix; of a sequence, at one time."""
        rank = len(self.tensors[tensor].shape)
        if time is not None and rank == 1:
            return self.writer.access(Access(tensor, time))
        if not rank:
            return self.writer.letter(tensor)
        below = "" if time is None else self.writer.index(time).replace(" ", "")
        return self.bold(tensor, self.writer.notation.matrix(tensor).base, below)

    def form(self, eq: Equation) -> Form | None:
        """The right side of an equation for a vector, a matrix of derivatives, or a number."""
        signs = self.writer.signs
        return self.forms.right(signs.definition(signs.equation(eq)))

    def gradient(self, eq: Equation) -> str | None:
        """∂L/∂W of a vector or matrix of weights as a sum of outer products."""
        return self.written(self.form(eq))

    def speaks_of_vectors(self, form: Form) -> bool:
        """Whether anything in a form is an array at one time."""
        letters = [node.tensor for node in nodes(form) if isinstance(node, Letter)]
        return any(len(self.tensors[name].shape) > (name in self.forms.sequences) for name in letters)


# matrices written out


@dataclass(frozen=True)
class Grid:
    """The elements of a weight array laid out as a matrix, and the indices that count its rows and columns.

    The numbered notation multiplies a row of inputs from the left, so there every column belongs to one unit.
    """

    rows: tuple[tuple[Access, ...], ...]
    down: sympy.Expr
    across: sympy.Expr | None


def grid(weight: Tensor, indices: tuple[sympy.Expr, ...], transposed: bool) -> Grid | None:
    """The layout of a weight array of at most four rows and columns; ``None`` for scalars and larger ones."""
    elements = list(weight.elements())
    if len(weight.shape) not in (1, 2) or max(weight.shape) > MAX_SIDE:
        return None
    if len(weight.shape) == 1:
        return Grid(tuple((e,) for e in elements), indices[0], None)
    width = weight.shape[1]
    table = tuple(tuple(elements[n : n + width]) for n in range(0, len(elements), width))
    if transposed:
        return Grid(tuple(zip(*table, strict=True)), indices[1], indices[0])
    return Grid(table, indices[0], indices[1])


def bmatrix(rows: list[list[str]], small: bool = False) -> str:
    """Rows of formulas in square brackets; small ones stand in a line of text."""
    inside = " \\\\ ".join(" & ".join(r) for r in rows)
    if small:
        return f"\\left[\\begin{{smallmatrix}} {inside} \\end{{smallmatrix}}\\right]"
    return f"\\begin{{bmatrix}} {inside} \\end{{bmatrix}}"


def product(layout: Grid | None, closed: sympy.Expr | None) -> Outer | None:
    """The factors of a gradient matrix that is one product of a scalar, a column and a row."""
    if layout is None or closed is None or closed.is_Add:
        return None
    split = outer(closed, layout.down, layout.across)
    return None if split is None or (split.left is None and split.right is None) else split


def factored(layout: Grid, closed: sympy.Expr | None, scalars: Scalars, write: Callable[..., str]) -> str | None:
    """A gradient matrix as scalar · column · row where it is one such product.

    ``write`` turns an element-level expression into text; with a second argument ``True`` into a factor.
    """
    split = product(layout, closed)
    if split is None:
        return None

    def vector(part: sympy.Expr, place: sympy.Expr, extent: int) -> list[str]:
        return [write(scalars.named(rename(part, {place: sympy.Integer(n)}))) for n in range(1, extent + 1)]

    factors = [] if split.scalar == 1 else [write(scalars.named(split.scalar), True)]
    if split.left is not None:
        factors.append(bmatrix([[v] for v in vector(split.left, layout.down, len(layout.rows))]))
    if split.right is not None and layout.across is not None:
        factors.append(bmatrix([vector(split.right, layout.across, len(layout.rows[0]))]))
    return " ".join(factors)
