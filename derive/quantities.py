"""What models in Python are written with: SymPy expressions for tensors, sums over indices and matrix products.

They are real scalars to SymPy, so its functions and its arithmetic take them; for whole arrays that is right, since
the language applies everything but ``@`` element by element.  What they mean is decided when the model is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy
from sympy.core.symbol import Str
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from derive.diagnostics import SpecError
from derive.expressions import Access, Index, index


class Products:
    """Gives an expression the operator ``@``."""

    def __matmul__(self, other: Any) -> MatrixProduct:
        return MatrixProduct(self, expression(other))

    def __rmatmul__(self, other: Any) -> MatrixProduct:
        return MatrixProduct(expression(other), self)


class Quantity(Products, sympy.Symbol):
    """A tensor of a model, or a scalar: ``x`` is all of it, ``x[i]`` and ``W[i, j+1]`` are elements.

    Indices count from 1.
    """

    #: An element is asked for by its index; there is no end to run to.
    __iter__ = None
    _iterable = False

    def __new__(cls, name: str) -> Quantity:
        quantity: Quantity = sympy.Symbol.__new__(cls, name, real=True)
        return quantity

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.name,), {}

    def __getitem__(self, place: Any) -> Access:
        places = place if isinstance(place, tuple) else (place,)
        if any(isinstance(p, slice) for p in places):
            raise SpecError("there are no slices", help=f"an index runs over its whole range: {self.name}[i]")
        return Access(self.name, *(expression(p) for p in places))


class MatrixProduct(Products, sympy.Expr):
    """``A @ B``: the last index of A against the first of B."""

    is_real = True
    is_commutative = True

    def _sympystr(self, printer: StrPrinter) -> str:
        return " @ ".join(f"({text})" if part.is_Add else text for part, text in self._parts(printer))

    def _latex(self, printer: LatexPrinter) -> str:
        return " ".join(f"\\left({text}\\right)" if part.is_Add else text for part, text in self._parts(printer))

    def _parts(self, printer: Any) -> list[tuple[sympy.Expr, str]]:
        return [(part, printer._print(part)) for part in self.args]


class Reduction(Products, sympy.Expr):
    """A sum, a mean or an extremum over indices, or over all elements where none are named.

    ``over`` holds the indices, those with a size of their own as pairs: ``(u, 2)`` runs from 1 to 2.
    """

    is_real = True
    is_commutative = True

    def __new__(cls, kind: str | Str, body: Any, *over: sympy.Basic) -> Reduction:
        name = kind if isinstance(kind, Str) else Str(kind)
        reduction: Reduction = sympy.Expr.__new__(cls, name, expression(body), *over)
        return reduction

    @property
    def kind(self) -> str:
        return str(self.args[0].name)

    @property
    def body(self) -> sympy.Expr:
        return self.args[1]

    @property
    def over(self) -> tuple[sympy.Basic, ...]:
        return tuple(self.args[2:])

    @property
    def indices(self) -> tuple[Index, ...]:
        return tuple(o if isinstance(o, sympy.Symbol) else o.args[0] for o in self.over)

    @property
    def free_symbols(self) -> set[sympy.Symbol]:
        return set(self.body.free_symbols) - set(self.indices)

    def _sympystr(self, printer: StrPrinter) -> str:
        indices = ", ".join(str(o) if isinstance(o, sympy.Symbol) else "{} in {}".format(*o.args) for o in self.over)
        return f"{self.kind}({indices}{': ' if indices else ''}{printer._print(self.body)})"

    def _latex(self, printer: LatexPrinter) -> str:
        sign = {"sum": "\\sum", "max": "\\max", "min": "\\min"}.get(self.kind, f"\\mathrm{{{self.kind}}}")
        indices = f"_{{{','.join(map(printer._print, self.indices))}}}" if self.over else ""
        body = printer._print(self.body)
        return f"{sign}{indices} " + (f"\\left({body}\\right)" if self.body.is_Add or not self.over else body)


class Named(sympy.Expr):
    """An argument given by name: ``huber(y, t, delta=2)``."""

    def __new__(cls, name: str | Str, value: Any) -> Named:
        named: Named = sympy.Expr.__new__(cls, name if isinstance(name, Str) else Str(name), expression(value))
        return named

    def _sympystr(self, printer: StrPrinter) -> str:
        return f"{self.args[0].name}={printer._print(self.args[1])}"

    def _latex(self, printer: LatexPrinter) -> str:
        return f"\\mathrm{{{self.args[0].name}}} = {printer._print(self.args[1])}"


def expression(thing: Any) -> sympy.Expr:
    """A SymPy expression or a Python number; text is not read, since reading it would run it."""
    try:
        found = sympy.sympify(thing, strict=True)
    except (sympy.SympifyError, TypeError):
        found = None
    if not isinstance(found, sympy.Expr):
        shown = thing if isinstance(thing, str) else type(thing).__name__
        help = "build it from symbols, as in (x + y) * z; a text with a specification goes to derive.parse"
        raise SpecError(f"'{shown}' is not an expression", help=help)
    return found


def indices(names: str) -> Any:
    """Index symbols, ``i, j = derive.indices("i j")``; one name gives one symbol."""
    found = tuple(index(name) for name in names.replace(",", " ").split())
    return found[0] if len(found) == 1 else found


def total(kind: str, body: Any, over: Iterable[Any]) -> sympy.Expr:
    """A reduction with its indices checked to be symbols, or pairs of a symbol and a size."""
    places = []
    for place in over:
        symbol, *size = place if isinstance(place, tuple | sympy.Tuple) else (place,)
        sized = not size or (len(size) == 1 and isinstance(size[0], int | sympy.Integer))
        if not isinstance(symbol, sympy.Symbol) or not sized:
            help = "make indices by: i, j = derive.indices('i j'); (i, 3) runs from 1 to 3"
            raise SpecError(f"'{place}' is not an index", help=help)
        places.append(sympy.Tuple(symbol, *size) if size else symbol)
    return Reduction(kind, body, *places)
