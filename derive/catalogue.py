"""The functions of the language for models in Python: ``from derive.catalogue import relu, softmax, cross_entropy``.

A name here makes the function of that name: applied to SymPy expressions it gives a SymPy expression, which stands for
the formula in ``derive/language/catalogue.spec``.  Beside them stand ``linear`` and ``dense``, layers that make weights
of their own, and what else the language writes as a function of tensors.
"""

from __future__ import annotations

from typing import Any

import sympy

from derive.diagnostics import did_you_mean
from derive.language.arguments import SIGNATURES
from derive.language.catalogue import catalogue
from derive.language.names import ARRANGEMENTS, MAKERS
from derive.quantities import Named, expression


class CatalogueFunction:
    """A function of the language; arguments may be given by name, as in ``huber(y, t, delta=2)``."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name
        entry = catalogue().get(name)
        self.formula = entry.text.removeprefix("define ") if entry else SIGNATURES.get(name, f"{name}(x)")
        self.__doc__ = "\n\n".join(filter(None, [self.formula, entry.summary, entry.source])) if entry else self.formula

    def __call__(self, *arguments: Any, **named: Any) -> sympy.Expr:
        given = [*map(expression, arguments), *(Named(name, value) for name, value in named.items())]
        return sympy.Function(self.name, real=True)(*given)

    def __repr__(self) -> str:
        return f"<{self.formula}>"


def __getattr__(name: str) -> CatalogueFunction:
    if name in __dir__():
        return CatalogueFunction(name)
    hint = did_you_mean(name, __dir__())
    raise AttributeError(f"the catalogue has no function {name!r}{'; ' * bool(hint)}{hint}")


def __dir__() -> list[str]:
    return sorted({*catalogue(), *MAKERS, *ARRANGEMENTS, "cases"})
