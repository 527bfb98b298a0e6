"""What the parts of an expression look like, in LaTeX or in text: what every way of writing has a form for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import sympy

from derive.expressions import Access
from derive.steps import Partial

ADD, SUM, ELEMENTWISE, MUL, POW, ATOM = range(6)  # precedence, loosest first


class Forms(ABC):
    """The forms of one way of writing."""

    conjunction = " and "  # between conditions that hold together

    def index(self, expression: sympy.Expr) -> str:
        """An index expression."""
        return str(expression)

    @abstractmethod
    def access(self, access: Access) -> str: ...

    @abstractmethod
    def symbol(self, name: str) -> str: ...

    @abstractmethod
    def constant(self, value: sympy.Expr) -> str: ...

    @abstractmethod
    def fraction(self, above: str, below: str) -> str: ...

    @abstractmethod
    def product(self, factors: list[str]) -> str: ...

    @abstractmethod
    def power(self, base: tuple[str, int], exponent: str) -> str: ...

    @abstractmethod
    def root(self, inside: str) -> str: ...

    @abstractmethod
    def function(
        self, name: str, arguments: list[str], exponent: str = "", settings: Mapping[str, str] | None = None
    ) -> str: ...

    @abstractmethod
    def reduction(self, kind: str, bounds: list[tuple[str, str, str]], body: str) -> str: ...

    @abstractmethod
    def iverson(self, condition: str) -> str: ...

    @abstractmethod
    def cases(self, rows: list[tuple[str, str]], otherwise: str) -> str: ...

    @abstractmethod
    def brackets(self, inside: str) -> str: ...

    @abstractmethod
    def partial(self, partial: Partial) -> str: ...

    def _bracketed(self, written: tuple[str, int], level: int) -> str:
        text, own = written
        return text if own >= level else self.brackets(text)


def places(r: sympy.Rational) -> int:
    """How many decimals a terminating fraction has."""
    return int(max(sympy.multiplicity(2, r.q), sympy.multiplicity(5, r.q)))


def decimal(r: sympy.Rational) -> str:
    """A terminating fraction in decimals, all digits."""
    digits = places(r)
    scaled = abs(r) * 10**digits
    text = str(int(scaled)).rjust(digits + 1, "0")
    return ("-" if r < 0 else "") + text[: len(text) - digits] + ("." + text[len(text) - digits :] if digits else "")
