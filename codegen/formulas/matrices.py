"""Matrix form: index notation read back as products of matrices and vectors.

Σ_k A[i,k] b[k] is a matrix times a vector, u[i] v[j] an outer product, u[i] v[i] an elementwise one.  What is none of
these stays in index form: the functions return ``None``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import sympy

from codegen.formulas.hues import painted
from codegen.formulas.latex import Latex
from codegen.formulas.layout import signed
from codegen.formulas.profiles import PRODUCTS
from derive.expressions import Access, Cases, Index, Within, index_symbols, is_negative, rename
from derive.matrixform import Outer, is_whole, outer
from derive.network import Equation, Scan, Tensor, flatten
from derive.scalars import Scalars

MAX_SIDE = 4  # rows and columns of a matrix written out element by element


class MatrixWriter:
    """Equations with vectors and matrices in bold letters.

    Of a recurrence every time step has vectors of its own: what stands at time t, ``h[t, i]``, is the vector h with t
    below.
    """

    def __init__(self, writer: Latex, steps: Iterable[Equation | Scan] = ()) -> None:
        steps = tuple(steps)
        self.writer = writer
        self.sign = PRODUCTS[writer.notation.profile.product]
        self.rows = writer.notation.profile.rows and not writer.notation.numbered
        self.times = {step.index for step in steps if isinstance(step, Scan)}
        accesses = [a for eq in flatten(steps) for a in (eq.lhs, *eq.reads) if a.indices]
        self.sequences = {a.tensor for a in accesses if index_symbols(a.indices[0]) & self.times}

    def left(self, access: Access) -> str:
        """The left side of an equation for a whole tensor, or for one time step of a sequence."""
        return self._letter(access)[0]

    def _letter(self, access: Access) -> tuple[str, tuple[sympy.Expr, ...]]:
        """The letter of the vector or matrix that an element belongs to, and the element's indices in it."""
        if access.tensor not in self.sequences:
            return self.bold(access.tensor), access.indices
        if len(access.indices) == 1:
            return self.writer.access(access), ()
        time = self.writer.index(access.indices[0]).replace(" ", "")
        return self.bold(access.tensor, time), access.indices[1:]

    def has_vectors(self) -> bool:
        """Whether anything is an array at one time."""
        tensors = self.writer.notation.tensors.values()
        return any(len(t.shape) > (t.name in self.sequences) for t in tensors)

    def bold(self, tensor: str, time: str = "") -> str:
        """The letter of a whole tensor, bold where it is a vector or a matrix; of a sequence, at one time."""
        name = self.writer.notation.matrix(tensor)
        hue = self.writer.hues.of(Access(tensor)) if self.writer.hues else None
        if not self.writer.notation.tensors[tensor].shape:
            return painted(name.latex(), hue)
        base = f"\\mathbf{{{name.base}}}" if len(name.base) == 1 else f"\\boldsymbol{{{name.base}}}"
        below = ",".join(filter(None, [name.layer, time]))
        letter = base + (f"^{{{name.upper}}}" if name.upper else "") + (f"_{{{below}}}" if below else "")
        return painted(letter, hue)

    def has_letter(self, tensor: str) -> bool:
        """A product inside a formula has none: A B x stays in index notation."""
        return not self.writer.notation.tensors[tensor.removeprefix("∂")].anonymous

    def transposed(self, letter: str) -> str:
        """Aᵀ; a letter that has a superscript gets brackets."""
        return f"({letter})^{{\\top}}" if "^" in letter else f"{letter}^{{\\top}}"

    # right sides

    def equation(self, eq: Equation) -> str | None:
        """The right side of an equation for a vector or a scalar."""
        eq = self.writer.signs.definition(self.writer.signs.equation(eq))
        _, indices = self._letter(eq.lhs)
        if len(indices) > 1 or not all(i.is_Symbol for i in indices):
            return None
        row = indices[0] if indices else None
        return self._reduced(eq, row) if eq.reduce else self.vector(eq.body, row, eq.order)

    def vector(self, e: sympy.Expr, row: Index | None, order: tuple[str, ...] = ()) -> str | None:
        """A scalar expression in the index ``row`` as a formula for the whole vector."""
        if not e.atoms(Access):
            return self.writer.line(e)
        if isinstance(e, Access):
            return self._access(e, row)
        if e.is_Add:
            return self._sum(e, row, order)
        if e.is_Mul:
            return self._product(e, row)
        if e.is_Pow and e.exp.is_Integer and e.exp > 0:
            mark = f"{self.sign} {e.exp}" if row in index_symbols(e) else str(e.exp)
            return self._over(self.vector(e.base, row), lambda base: f"{self._raised(base, e.base)}^{{{mark}}}")
        if isinstance(e, Within):
            return self._within(e, row)
        if isinstance(e, Cases):
            positive = self.vector(e.args[0], row) if e.args[1:] == (1, 0) else None
            return self._over(positive, lambda inside: self.writer.iverson(f"{inside} > 0"))
        if e.is_Function and all(a.is_number for a in e.args[1:]):
            return self._over(self.vector(e.args[0], row), lambda inside: self.writer.call(e, operands=[inside]))
        return None

    def _within(self, e: Within, row: Index | None) -> str | None:
        """What is there at some times only."""
        place, *_, value = e.args
        text = self.vector(value, row) if row not in index_symbols(place) else None
        if text is None:
            return None
        return f"{self.writer.iverson(self.writer.place(e))}\\, {self._wrap(text, value) if value.is_Add else text}"

    @staticmethod
    def _over(inside: str | None, write: Callable[[str], str]) -> str | None:
        return None if inside is None else write(inside)

    def _access(self, a: Access, row: Index | None) -> str | None:
        if self.writer.notation.tensors[a.tensor].anonymous:
            eq = self.writer.signs.equation(self.writer.equations[a.tensor])
            mapping = {i: j for i, j in zip(eq.lhs.indices, a.indices, strict=True) if i.is_Symbol}
            clash = {s: Index(f"{s}'", integer=True, positive=True) for s in eq.reduce if s in mapping.values()}
            body = rename(rename(eq.body, clash), mapping)
            renamed = replace(eq, lhs=a, body=body, reduce=tuple(clash.get(s, s) for s in eq.reduce))
            return self._reduced(renamed, row) if eq.reduce else self.vector(body, row, eq.order)
        letter, indices = self._letter(a)
        tail = indices[-1:]
        if indices[:-1] not in ((), (1,)) or (tail and tail[0] not in (row, 1)):
            return None
        if tail and tail[0] == 1 and self.writer.notation.tensors[a.tensor].size > 1:
            return None
        turned = len(indices) == 2 and row is not None and self._stands(a.tensor)
        return self.transposed(letter) if turned else letter

    def _sum(self, e: sympy.Add, row: Index | None, order: tuple[str, ...]) -> str | None:
        found = []
        for term in self.writer.terms_in(e, order):
            negative = is_negative(term)
            part = self.vector(-term if negative else term, row)
            scalar = row is not None and row not in index_symbols(term)
            if part is None or (scalar and term.atoms(Access)):
                return None
            found.append((negative, part))
        return signed(found)

    def _product(self, e: sympy.Expr, row: Index | None) -> str | None:
        factors = sorted(sympy.Mul.make_args(e), key=self.writer.factor_key)
        scalars = [f for f in factors if row is None or row not in index_symbols(f)]
        vectors = [f for f in factors if f not in scalars]
        written = [self.vector(f, row) for f in vectors]
        if any(w is None for w in written):
            return None
        text = f" {self.sign} ".join(self._wrap(str(w), f) for w, f in zip(written, vectors, strict=True))
        front = [self.writer.factor(sympy.Mul(*scalars))] if scalars else []
        return "\\, ".join([*front, text] if text else front)

    def _reduced(self, eq: Equation, row: Index | None) -> str | None:
        """Σ over one index of a matrix and a vector."""
        if eq.kind != "sum" or len(eq.reduce) != 1:
            return None
        (inner,) = eq.reduce
        factors = sympy.Mul.make_args(eq.body)
        matrices = [f for f in factors if self._is_matrix(f) and inner in f.indices]
        rest = sympy.Mul(*(f for f in factors if f not in matrices[:1]))
        if len(matrices) != 1 or rest == 1 or (row is not None and row in index_symbols(rest)):
            return None
        matrix = matrices[0]
        place = matrix.indices.index(inner)
        if matrix.indices[1 - place] not in (row, 1) or not self.has_letter(matrix.tensor):
            return None
        letter = self.bold(matrix.tensor)
        if (place == 1) != self._stands(matrix.tensor):
            letter = self.transposed(letter)
        if self.rows:
            return self._over(self.vector(rest, inner), lambda v: f"{self._wrap(v, rest)}\\, {letter}")
        return self._over(self.vector(rest, inner), lambda v: f"{letter}\\, {self._wrap(v, rest)}")

    def _stands(self, matrix: str) -> bool:
        """Whether a matrix is written such that it multiplies vectors as the equations say: W x, or x W for rows."""
        return not self.rows or matrix in self.writer.notation.flipped

    def _is_matrix(self, e: sympy.Expr) -> bool:
        return isinstance(e, Access) and len(e.indices) == 2 and e.tensor not in self.sequences

    def _wrap(self, text: str, e: sympy.Expr) -> str:
        composed = e.is_Add or any(mark in text for mark in (" + ", " - ", "\\, ", f"{self.sign} "))
        return self.writer.brackets(text) if composed else text

    def _raised(self, text: str, base: sympy.Expr) -> str:
        """A base under an exponent."""
        return self.writer.brackets(text) if "^" in text else self._wrap(text, base)

    # gradients

    def gradient(self, eq: Equation) -> str | None:
        """∂L/∂W of a vector or matrix of weights as a sum of outer products."""
        eq = self.writer.signs.equation(eq)
        indices = eq.lhs.indices
        if eq.accumulate or len(indices) not in (1, 2) or not all(i.is_Symbol for i in indices):
            return None
        if eq.reduce:
            return self._over_time(eq, indices, self._stands(eq.lhs.tensor.removeprefix("∂")))
        texts = []
        stands = self._stands(eq.lhs.tensor.removeprefix("∂"))
        for term in self.writer.sorted_terms(eq.body):
            whole = self.writer.equations.get(term.tensor) if isinstance(term, Access) else None
            whole = whole and self.writer.signs.equation(whole)
            if whole is not None and whole.reduce and self.writer.notation.tensors[term.tensor].anonymous:
                mapping = dict(zip(whole.lhs.indices, term.indices, strict=True))
                text = self._over_time(replace(whole, body=rename(whole.body, mapping)), indices, stands)
            else:
                text = self._outer(term, stands, *indices)
            if text is None:
                return None
            texts.append(text)
        return " + ".join(texts).replace("+ -", "- ")

    def _over_time(self, eq: Equation, indices: tuple[Index, ...], stands: bool) -> str | None:
        """The sum over all time steps of an outer product: a weight that serves at every step."""
        if len(eq.reduce) != 1 or eq.reduce[0] not in self.times or eq.body.is_Add:
            return None
        (time,) = eq.reduce
        return self._over(
            self._outer(eq.body, stands, *indices),
            lambda text: self.writer.reduction("sum", [(str(time), *self.writer.ends(eq, time))], text),
        )

    def _outer(self, term: sympy.Expr, stands: bool, rows: Index, columns: Index | None = None) -> str | None:
        number, rest = term.as_coeff_Mul()
        if number.is_negative:
            return self._over(self._outer(-term, stands, rows, columns), lambda product: f"-{product}")
        if columns is not None and is_whole(term, (rows, columns)) and self.has_letter(rest.tensor):
            return (
                self.bold(rest.tensor) if number == 1 else f"{self.writer.factor(number)}\\, {self.bold(rest.tensor)}"
            )
        split = outer(term, rows, columns)
        if split is None or split.left is None or (columns is not None and split.right is None):
            return None
        left = self.vector(split.left, rows)
        right = self.vector(split.right, columns) if split.right is not None else ""
        if left is None or right is None:
            return None
        factors = [] if split.scalar == 1 else [self.writer.factor(split.scalar)]
        column = self._wrap(left, split.left)
        if split.right is None:
            return "\\, ".join([*factors, column])
        row = self._wrap(right, split.right)
        if not self.rows:
            row = self.transposed(row)
        elif stands:
            column, row = self.transposed(row), column
        else:
            column = self.transposed(column)
        factors += [column, row]
        return "\\, ".join(factors)


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
