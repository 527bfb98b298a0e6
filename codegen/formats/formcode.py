"""Matrix forms (:mod:`derive.formtree`) as NumPy source, which a student can read beside the formula."""

from __future__ import annotations

import sympy

from codegen.formats.cells import Cells
from codegen.formats.numpycode import NumpyPrinter
from codegen.trainer.printer import ATOM, PRODUCT, SUM
from derive.expressions import Access
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
    parts,
)
from derive.readform import MatrixForms
from derive.vectorform import inlined

_PLACE = sympy.Dummy()
_HOLE = "\0"  # where the argument of a function stands
_SUM, _PRODUCT, _ATOM = range(3)  # how tightly a text binds


class FormCode:
    """Forms as expressions; what arrays are called and how they stand is up to subclasses."""

    count = ""  # the number of samples

    def __init__(self, cells: Cells, forms: MatrixForms) -> None:
        self.cells, self.forms, self.tensors = cells, forms, forms.tensors

    def _letter(self, letter: Letter) -> str:
        """A tensor as it stands in the formulas."""
        raise NotImplementedError

    def _is_scalar(self, tensor: str) -> bool:
        """Whether the letter of a tensor is a number."""
        raise NotImplementedError

    def _element(self, element: Access) -> str:
        """One element of a tensor, in a number that is written in indices."""
        raise NotImplementedError

    def _ones(self, extent: int | None, turned: bool) -> str:
        """A column or a row of ones."""
        length = self.count if extent is None else str(extent)
        return f"np.ones({f'(1, {length})' if turned else f'({length}, 1)'})"

    def text(self, form: Form, least: int = _SUM) -> str:
        """A form as source, in brackets if it binds less tightly than ``least``."""
        text, binds = self._text(form)
        return text if binds >= least else f"({text})"

    def _text(self, form: Form) -> tuple[str, int]:
        match form:
            case Number(value):
                return self._printer().text(value, ATOM), _ATOM
            case Single(value):
                return self._single(inlined(value, self.tensors, self.forms.equations))
            case Count(share):
                return (f"1 / {self.count}", _PRODUCT) if share else (self.count, _ATOM)
            case Letter():
                return self._letter(form), _ATOM
            case Transposed(inside):
                return f"{self.text(inside, _ATOM)}.T", _ATOM
            case Ones(extent, turned):
                return self._ones(extent, turned), _ATOM
            case Sum():
                first, *rest = self.terms(form)
                return " ".join([first.removeprefix("+ ").replace("- ", "-", 1 if first[0] == "-" else 0), *rest]), _SUM
            case Product(factors):
                text, number = self.text(factors[0], _ATOM), self._is_number(factors[0])
                for factor in factors[1:]:
                    sign = "*" if number or self._is_number(factor) else "@"
                    text, number = f"{text} {sign} {self.text(factor, _ATOM)}", number and self._is_number(factor)
                return text, _PRODUCT
            case Diagonal(inside):
                return f"np.diagflat({self.text(inside)})", _ATOM
            case Elementwise(factors):
                return " * ".join(self.text(f, _ATOM) for f in factors), _PRODUCT
            case Scaled(front, matrix):
                numbers = [self.text(f, _PRODUCT if not n else _ATOM) for n, f in enumerate(front)]
                least = _PRODUCT if isinstance(matrix, Elementwise) else _ATOM
                return " * ".join([*numbers, self.text(matrix, least)]), _PRODUCT
            case Power(base, exponent):
                power = int(exponent) if exponent.is_Integer else float(exponent)
                return f"{self.text(base, _ATOM)}**{power}", _PRODUCT
            case Positive(inside):
                return f"1.0 * ({self.cells.used.side(self.text(inside, _PRODUCT))} > 0)", _PRODUCT
            case Applied(call, inside):
                text = self._printer().text(call.func(_PLACE, *call.args[1:]))
                written = self.text(inside)
                text = text.replace(f"({_HOLE})", f"({written})").replace(f"({_HOLE}, ", f"({written}, ")
                return text.replace(_HOLE, f"({written})"), _ATOM
            case During(time, first, last, inside):
                return f"({self.text(inside)} if {self._while(time, first, last)} else 0.0)", _ATOM
            case OverTime(index, first, last, inside):
                moments = f"for {self.cells.names.index(index)} in range({first - 1}, {last})"
                return f"sum({self.text(inside)} {moments})", _ATOM

    def terms(self, form: Sum) -> list[str]:
        """The terms of a sum, each behind its sign."""
        return [f"{'-' if negative else '+'} {self.text(term, _PRODUCT)}" for negative, term in form.terms]

    def _single(self, value: sympy.Expr) -> tuple[str, int]:
        text = self._printer().text(value)
        levels = {ATOM: _ATOM, PRODUCT: _PRODUCT, SUM: _SUM}
        return text, next(binds for level, binds in levels.items() if self._printer().text(value, level) == text)

    def _while(self, time: sympy.Expr, first: sympy.Expr, last: sympy.Expr) -> str:
        """The condition that a time lies between two, counted from 0."""
        place = self.cells.arrays.position(time)
        if first == last:
            return f"{place} == {int(first) - 1}"
        before = f"{int(first) - 1} <= " if first.is_finite else ""
        return f"{before}{place}" + (f" <= {int(last) - 1}" if last.is_finite else "")

    def _is_number(self, form: Form) -> bool:
        match form:
            case Number() | Single() | Count():
                return True
            case Letter(tensor):
                return self._is_scalar(tensor)
            case Ones():
                return False
        return all(map(self._is_number, parts(form)))

    def _printer(self) -> NumpyPrinter:
        cells = self.cells
        return NumpyPrinter(self._element, cells.arrays.position, {_PLACE: _HOLE}, cells.names.functions, cells.used)
