"""Derivatives by the names of weights: ``derive.gradients(net)["w5"]``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import sympy

from derive import output
from derive.diagnostics import SpecError, did_you_mean
from derive.evaluate import Values, nested
from derive.expressions import Access
from derive.naming import element_names
from derive.scalars import is_small
from derive.steps import ElementDerivation, Stepwise

if TYPE_CHECKING:
    from derive.derivation import Derivation


class UnknownName(SpecError, KeyError):
    """A weight that the network does not have; a ``KeyError`` too, so that ``in`` and ``get`` work."""

    __module__ = "derive"


class Gradients(Mapping[str, "Gradient"], output.Typeset):
    """The derivatives of the loss by the weights of a network, by name.

    Iterating gives what the notation speaks of: single weights ``w1, w2, …`` under ``notation numbered``, weight
    arrays ``W1, b1, …`` elsewhere.  Every other weight can be asked for as well: an array under either notation, and
    a single weight as ``"W1[2,3]"``.
    """

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation

    @cached_property
    def _elements(self) -> Mapping[str, Access]:
        network = self.derivation.network
        return {name: e for e, name in element_names(network.weights, network.notation).items()}

    def __getitem__(self, name: object) -> Gradient:
        key = str(name).replace(" ", "")
        if key in self._elements:
            return Gradient(self.derivation, key, self._elements[key])
        arrays = self._arrays
        if key in arrays:
            return self.array(key)
        tensor, *rest = key.removesuffix("]").split("[")
        if tensor in arrays and len(rest) == 1 and re.fullmatch(r"\d+(,\d+)*", rest[0]):
            return self.array(tensor)[tuple(map(int, rest[0].split(",")))]
        raise self._unknown(key, [*arrays, *self._elements])

    def array(self, name: str) -> Gradient:
        """The derivative by a whole weight array; needed where the numbered notation calls a single bias b1 as well."""
        if name not in self._arrays:
            raise self._unknown(name, self._arrays)
        generic = Access(name, *self.derivation.sweep.adjoints[name].indices)
        return Gradient(self.derivation, name, generic, is_array=True)

    @property
    def _arrays(self) -> list[str]:
        return [w.name for w in self.derivation.network.weights if w.shape]

    def _unknown(self, name: str, known: list[str]) -> UnknownName:
        tensor = self.derivation.network.tensors.get(name)
        if tensor is not None:
            return UnknownName(f"'{name}' is no weight but a {tensor.role}", help="derivatives are taken by weights")
        listed = ", ".join(list(self)[:8]) + (", …" if len(self) > 8 else "")
        return UnknownName(f"unknown weight '{name}'", help=did_you_mean(name, known) or f"the weights are {listed}")

    def __iter__(self) -> Iterator[str]:
        network = self.derivation.network
        return iter(self._elements if network.notation == "numbered" else [w.name for w in network.weights])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return output.text(self)

    def _ipython_key_completions_(self) -> list[str]:
        return list(dict.fromkeys([*self, *self._arrays]))


@dataclass(frozen=True, repr=False, eq=False)
class Gradient(output.Typeset):
    """∂loss/∂weight, in closed form: for a single weight or, in indices, for all weights of an array.

    ``element`` is the weight: ``W2[1, 1]``, or ``W2[i, j]`` in the indices that the formula is written in, where this
    is the derivative by a whole array (``is_array``).
    """

    derivation: Derivation
    name: str
    element: Access
    is_array: bool = False

    @property
    def text(self) -> str:
        """The derivative as plain text, ``Δ h1``; what it is the derivative of is left out."""
        return self._right("Text")

    @property
    def latex(self) -> str:
        """The derivative in LaTeX, ``\\Delta\\, h_{1}``."""
        return self._right("Latex")

    @property
    def code(self) -> str:
        """The derivative as a line that a program can read: ``Delta*h1``."""
        return self._right("Code")

    def _right(self, kind: Literal["Text", "Latex", "Code"]) -> str:
        rows = output.printers().gradient_rows(self, output.writer(kind))
        return "; ".join(r.right for r in rows)

    @property
    def matrix(self) -> str | None:
        """The derivative by an array as a product of matrices, in LaTeX; ``None`` where there is no such form."""
        row = output.printers().matrix_row(self)
        return row.right if row else None

    @property
    def expr(self) -> sympy.Expr:
        """The derivative as a SymPy expression in quantities that have a name: ``Delta*h1``.

        Raises
        ------
        SpecError
            for an array whose derivative is spread over several equations (a recurrence, a strided read).
        """
        found = output.printers().as_sympy(self)
        if found is None:
            message = f"the derivative by {self.name} is spread over several equations"
            raise SpecError(message, help=f"they are shown by repr; a single weight has one: {self._example}")
        return found

    @property
    def expanded(self) -> sympy.Expr:
        """The derivative by a single weight as a SymPy expression in inputs, targets, weights and constants alone.

        It is SymPy's own through and through (``Piecewise`` for kinks), so ``subs`` and ``lambdify`` work on it.  For
        large networks it is very long.
        """
        self._refuse_array("an expanded form")
        form: sympy.Expr = output.printers().expanded(self)
        return form

    @property
    def steps(self) -> Steps:
        """How the derivative by a single weight is found: chain rule, substitution, differentiation, names."""
        self._refuse_array("steps")
        if not is_small(self.derivation.network):
            raise SpecError("steps are worked out for small networks", help="show the derivative in indices instead")
        derived = self.derivation.lines.get(self.element) or Stepwise(self.derivation.scalars).derive(self.element)
        return Steps(self.derivation, derived)

    @property
    def value(self) -> Any:
        """The derivative at the samples and initial weights of the specification.

        A float, for an array a NumPy array of its shape; ``None`` where the specification has no such numbers.
        """
        numbers = self.derivation.numbers
        return self._number(numbers.gradient) if numbers else None

    @property
    def updated(self) -> Any:
        """The weight after one update, like :attr:`value`."""
        numbers = self.derivation.numbers
        return self._number(numbers.updated) if numbers else None

    def _number(self, values: Values) -> Any:
        if not self.is_array:
            return float(values[self.element.tensor][tuple(map(int, self.element.indices))].real)
        import numpy as np

        return np.array(nested(values[self.element.tensor], self._tensor))

    @property
    def _tensor(self) -> Any:
        return self.derivation.network.tensors[self.element.tensor]

    @property
    def _example(self) -> str:
        return f'["{self.element.tensor}[{",".join("1" * len(self.element.indices))}]"]'

    def _refuse_array(self, what: str) -> None:
        if self.is_array:
            raise SpecError(
                f"{self.name} is an array; {what} belongs to a single weight", help=f"ask for {self._example}"
            )

    def __getitem__(self, place: int | tuple[int, ...]) -> Gradient:
        """The derivative by one weight of an array; indices count from 1."""
        place = place if isinstance(place, tuple) else (place,)
        tensor = self._tensor
        fits = len(place) == len(tensor.shape) and all(
            isinstance(i, int) and 1 <= i <= n for i, n in zip(place, tensor.shape, strict=True)
        )
        if not self.is_array or not fits:
            shown = ",".join(map(str, place))
            help = f"it is {tensor}, and indices count from 1" if self.is_array else f"{self.name} is a single weight"
            raise UnknownName(f"there is no weight {self.name}[{shown}]", help=help)
        element = Access(tensor.name, *place)
        return Gradient(self.derivation, element_names([tensor], "indexed")[element], element)

    def __repr__(self) -> str:
        return output.text(self)


@dataclass(frozen=True, repr=False, eq=False)
class Steps(output.Typeset):
    """The lines by which one derivative is found, each with the rule that was used."""

    derivation: Derivation
    derived: ElementDerivation

    def __repr__(self) -> str:
        return output.text(self)
