"""Matrix form for a batch: the equations of one sample with the sample as one more index, read as products of matrices.

What is a vector for one sample is a matrix for N of them, X with a sample in every column or in every row; a number is
a vector.  Every formula is read for two indices, those of the rows and of the columns of the result:

* ``Σ_k f[row, k] g[k, column]`` is a matrix product, and so is ``f[row] g[column]``;
* factors with both indices are multiplied element by element;
* what lacks an index is the same along it, as a bias for all samples: b 1ᵀ, with a column 1 of ones;
* the sum over the samples in the derivative by a weight is a product as well: Δ Xᵀ.

What is none of these has no matrix form: the functions return ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import sympy

from codegen.formulas.cases import is_negative
from codegen.formulas.hues import painted
from codegen.formulas.latex import Latex
from codegen.formulas.notation import GREEK
from codegen.formulas.profiles import PRODUCTS
from derive.expressions import Access, Cases, Index, accesses, index_symbols, rename
from derive.network import Equation

COUNT = "N"
SAMPLE = Index("sample", integer=True, positive=True)
_SAMPLED = ("input", "target", "mask", "value", "adjoint")
_ONES = "\\mathbf{1}"
Side = Index | None  # the index of the rows or the columns; none where there is one of them only


class BatchWriter:
    """Equations of one sample as equations of a batch; ``rows`` if a sample is a row, else it is a column."""

    def __init__(self, writer: Latex, rows: bool) -> None:
        self.writer, self.rows = writer, rows
        self.tensors = writer.notation.tensors
        self.sign = PRODUCTS[writer.notation.profile.product]

    # letters

    def sampled(self, tensor: str) -> bool:
        """Whether a tensor has other numbers for every sample."""
        return self.tensors[tensor].role in _SAMPLED

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
        eq = self.writer.signs.definition(self.writer.signs.equation(eq))
        if len(eq.lhs.indices) > 1 or not all(i.is_Symbol for i in eq.lhs.indices) or eq.kind != "sum":
            return None
        (unit,) = eq.lhs.indices or (None,)
        sides = (SAMPLE, unit) if self.rows else (unit, SAMPLE)
        return self._summed(eq.body, eq.reduce, *sides) if eq.reduce else self._form(eq.body, *sides, eq.order)

    def gradient(self, eq: Equation, mean: bool) -> str | None:
        """∂L/∂W of a vector or a matrix of weights: what depends on the sample summed, or averaged, over the batch."""
        if eq.accumulate or eq.reduce or len(eq.lhs.indices) > 2:
            return None
        rows, columns = (*(i if i.is_Symbol else None for i in eq.lhs.indices), None, None)[:2]
        if self._turned(eq.lhs.tensor.removeprefix("∂"), len(eq.lhs.indices)):
            rows, columns = columns, rows
        text = ""
        for term in self.writer.sorted_terms(self.writer.signs.expression(eq.body)):
            negative = is_negative(term)
            term = -term if negative else term
            if any(self.sampled(a.tensor) for a in accesses(term)):
                part = self._summed(term, (SAMPLE,), rows, columns)
                part = f"\\frac{{1}}{{{COUNT}}}\\, {part}" if mean and part is not None else part
            else:
                part = self._form(term, rows, columns)
                if part is not None and not mean:  # every sample's loss has it
                    part = self.writer.product([COUNT, part])
            if part is None:
                return None
            text += (("-" if negative else "") if not text else (" - " if negative else " + ")) + part
        return text

    def _turned(self, weight: str, indices: int) -> bool:
        """Whether a weight stands the other way round than its indices: vectors are rows where samples are."""
        return self.rows if indices == 1 else weight in self.writer.notation.flipped

    # formulas

    def _form(self, e: sympy.Expr, row: Side, column: Side, order: tuple[str, ...] = ()) -> str | None:
        """An expression as a matrix with these indices."""
        if not accesses(e):
            return self.writer.line(e)
        used = self._indices(e)
        lacks = [side for side in (row, column) if side is not None and side not in used]
        if lacks and not isinstance(e, sympy.Add):
            return self._repeated(e, row, column, used)
        if isinstance(e, Access):
            return self._access(e, row, column)
        if e.is_Add:
            return self._sum(e, row, column, order)
        if e.is_Mul:
            return self._product(e, row, column)
        if e.is_Pow and e.exp.is_Integer and e.exp > 0:
            return self._over(e.base, row, column, lambda base: f"{base}^{{{self.sign} {e.exp}}}", whole=True)
        if isinstance(e, Cases) and e.args[1:] == (1, 0):
            return self._over(e.args[0], row, column, lambda inside: self.writer.iverson(f"{inside} > 0"))
        if e.is_Function and not isinstance(e, Cases) and all(a.is_number for a in e.args[1:]):
            return self._over(e.args[0], row, column, lambda inside: self.writer.call(e, operands=[inside]))
        return None

    def _over(
        self, e: sympy.Expr, row: Side, column: Side, write: Callable[[str], str], whole: bool = False
    ) -> str | None:
        text = self._form(e, row, column)
        return None if text is None else write(self._wrap(text, raised=True) if whole else text)

    def _indices(self, e: sympy.Expr) -> set[Index]:
        """The indices that an expression depends on, the sample's among them."""
        found = set(index_symbols(e))
        return found | {SAMPLE} if any(self.sampled(a.tensor) for a in accesses(e)) else found

    def _repeated(self, e: sympy.Expr, row: Side, column: Side, used: set[Index]) -> str | None:
        """What lacks an index, once for each of its values."""
        text = self._form(e, row if row in used else None, column if column in used else None)
        if text is None:
            return None
        before = [_ONES] if row is not None and row not in used else []
        after = [f"{_ONES}^{{\\top}}"] if column is not None and column not in used else []
        if not index_symbols(e) and before and after:  # a number: it stands in front
            return "\\, ".join([self._wrap(text), *before, *after])
        return "\\, ".join([*before, self._wrap(text), *after])

    def _access(self, a: Access, row: Side, column: Side) -> str | None:
        tensor = self.tensors[a.tensor]
        if tensor.anonymous:
            eq = self.writer.signs.equation(self.writer.equations[a.tensor])
            mapping = {i: j for i, j in zip(eq.lhs.indices, a.indices, strict=True) if i.is_Symbol}
            clash = {s: Index(f"{s}'", integer=True, positive=True) for s in eq.reduce if s in mapping.values()}
            body, over = rename(rename(eq.body, clash), mapping), tuple(clash.get(s, s) for s in eq.reduce)
            if not over:
                return self._form(body, row, column, eq.order)
            return self._summed(body, over, row, column) if eq.kind == "sum" else None
        places = [i for i, extent in zip(a.indices, tensor.shape, strict=True) if i.is_Symbol or extent > 1]
        lone = len(a.indices) - len(places)  # a row or a column of a matrix that has one only
        if not all(i.is_Symbol for i in places) or len(set(places)) < len(places):
            return None
        letter = self.letter(a.tensor)
        if self.sampled(a.tensor):
            if len(a.indices) > 1 or lone:
                return None
            stands = (SAMPLE, *places, None) if self.rows else (*places, SAMPLE) if places else (None, SAMPLE)
        elif len(a.indices) == 2:
            stands = tuple(i if i.is_Symbol else None for i in a.indices)
            stands = stands[::-1] if self._turned(a.tensor, 2) else stands
        elif len(a.indices) == 1:
            stands = (None, *places) if self.rows else (*places, None)
            stands = stands if places else (None, None)
        else:
            return letter
        if tuple(stands[:2]) == (row, column):
            return letter
        return self._transposed(letter) if tuple(stands[1::-1]) == (row, column) else None

    def _sum(self, e: sympy.Add, row: Side, column: Side, order: tuple[str, ...]) -> str | None:
        previous, self.writer.order = self.writer.order, order
        terms = self.writer.sorted_terms(e)
        self.writer.order = previous
        text = ""
        for term in terms:
            negative = is_negative(term)
            part = self._form(-term if negative else term, row, column)
            if part is None:
                return None
            text += (("-" if negative else "") if not text else (" - " if negative else " + ")) + part
        return text

    def _product(self, e: sympy.Expr, row: Side, column: Side) -> str | None:
        factors = sorted(sympy.Mul.make_args(e), key=self.writer.factor_key)
        numbers = [f for f in factors if not accesses(f)]
        rest = [f for f in factors if accesses(f)]
        sides = {side for side in (row, column) if side is not None}
        free = [f for f in rest if not self._indices(f) & sides]
        both = [f for f in rest if self._indices(f) >= sides]
        front = [self.writer.factor(sympy.Mul(*numbers))] if numbers else []
        front += [text for f in free for text in [self._form(f, None, None)] if text is not None]
        rest = [f for f in rest if f not in free]
        if len(front) != bool(numbers) + len(free):
            return None
        halves = [[f for f in rest if side in self._indices(f) and f not in both] for side in (row, column)]
        written = [self._form(f, row, column) for f in rest if f in both or not all(halves)]
        if all(halves):
            left, right = self._form(sympy.Mul(*halves[0]), row, None), self._form(sympy.Mul(*halves[1]), None, column)
            written.insert(0, None if left is None or right is None else f"{self._wrap(left)}\\, {self._wrap(right)}")
        if any(w is None for w in written):
            return None
        parts = [str(w) for w in written]
        parts = [self._wrap(w, factor=True) for w in parts] if len(parts) > 1 else parts
        text = f" {self.sign} ".join(parts)
        return "\\, ".join([*front, *([self._wrap(text) if front else text] if text else [])])

    def _summed(self, body: sympy.Expr, over: tuple[Index, ...], row: Side, column: Side) -> str | None:
        """Σ over one index of a product, as a product of matrices."""
        if len(over) != 1 or body.is_Add:
            return None
        (k,) = over
        factors = sympy.Mul.make_args(body)
        uses = {f: self._indices(f) for f in factors}
        if any({row, column} <= uses[f] for f in factors if row is not None and column is not None):
            return None
        numbers = [f for f in factors if not accesses(f)]
        if column is None:
            right = [f for f in factors if k in uses[f] and row not in uses[f]]
        elif row is None:
            right = [f for f in factors if k in uses[f] and column in uses[f]]
        else:
            right = [f for f in factors if column in uses[f]]
        loose = [f for f in factors if uses[f] == {k} and f not in right]
        if right and not any(k in uses[f] for f in right):
            right += loose
        left = [f for f in factors if f not in right + numbers]
        if column is None and not left and not self.rows:
            left, right = right, []
        if any(k not in self._indices(sympy.Mul(*half)) for half in (left, right) if half):
            return None
        front = [self.writer.factor(sympy.Mul(*numbers))] if numbers else []
        texts = []
        for half, sides in ((left, (row, k)), (right, (k, column))):
            if half:
                text = self._form(sympy.Mul(*half), *sides)
                if text is None:
                    return None
                texts.append(self._wrap(text))
            else:
                texts.append(_ONES if sides[0] == k else f"{_ONES}^{{\\top}}")
        return "\\, ".join([*front, *texts])

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
