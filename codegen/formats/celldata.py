"""The first cell of a notebook, with functions, weights and samples as given or drawn; what everything is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from codegen.formats.celltext import array_text, flat, functions_in, list_text, number_text, printed_as, tuple_text
from codegen.formats.numpycode import INDENT, Arrays, Code, Elements, Names, definition, slopes
from codegen.formulas.layout import show
from codegen.options import DECIMALS, MOST_DECIMALS
from derive.derivation import Derivation
from derive.doubles import REACH, agreement
from derive.evaluate import Number
from derive.expressions import Access
from derive.gradient import adjoint_name
from derive.language.masks import kept
from derive.naming import element_names
from derive.network import Numbers, Tensor, flatten
from derive.numbers import Iteration
from derive.scalars import adjoint
from derive.selection import choices

IMPORTS = """\
import math

import numpy as np

np.set_printoptions(precision=6, suppress=True)
np.seterr(all="ignore")  # np.where works out both of its branches


def same(value, printed, places=6):
    rounding = 1e-15 + 1e-12 * abs(printed)  # of doubles
    return abs(value - printed) <= 0.51 * 10.0**-places + rounding
"""

#: Where some condition of a kink is 0 but for its rounding.
SIDE = f"""

def side(value):
    \"\"\"The sign; 0 also for what is 0 but for rounding, as 0.1 + 0.2 - 0.3: here some value lies at a kink.\"\"\"
    return np.where(np.abs(value) <= {REACH}, 0.0, np.sign(value))
"""


@dataclass(frozen=True)
class Draw:
    """How numbers are drawn that a specification does not give."""

    seed: int = 0
    low: float = -1.0


class Given:
    """The names and the data of one notebook."""

    def __init__(
        self,
        derivation: Derivation,
        small: bool,
        draw: Draw,
        decimals: int = DECIMALS,
        iterations: Sequence[Iteration] = (),
    ) -> None:
        self.derivation, self.small, self.drawing, self.decimals = derivation, small, draw, decimals
        self.network, self.sweep, self.scalars = derivation.network, derivation.sweep, derivation.scalars
        self.numbers = derivation.numbers
        self.agreement = agreement(self.network, self.sweep, iterations)
        self.used = Code(reaching=self.agreement.reaching)
        self.tensors: dict[str, Tensor] = {**self.network.tensors, **self.sweep.tensors}
        self.functions = functions_in([*self.network.flat_equations, *flatten(self.sweep.equations)])
        self.names = Names(self.tensors.values(), self.functions)
        self.arrays = Arrays(self.names, self.tensors, self.used)
        self.elements = Elements(self.names, element_names(self.network.weights, self.network.notation), self.used)
        self.weights, self.data = self.network.weights, self.network.data
        self._steps = list(self.sweep.equations)
        self._known: set[str] = set()
        self._known_elements: set[Access] = set()

    # names

    def variables(self, tensors: Iterable[Tensor], new: bool = False) -> list[str]:
        """The variables of tensors, one for each element where the network is small."""
        if self.small:
            return [self.elements.name(e, new) for t in tensors for e in t.elements()]
        return [self.names.array(t.name) for t in tensors]

    def _gradients(self) -> list[str]:
        if self.small:
            return [self.elements.name(adjoint(e)) for w in self.weights for e in w.elements()]
        return [self.names.array(adjoint_name(w.name)) for w in self.weights]

    @property
    def _loss(self) -> str:
        return self.variables([self.network.tensors[self.network.loss]])[0]

    # data

    def given(self) -> str:
        """Imports, functions, constants, weights and samples."""
        lines: list[str] = []
        for function in self.functions:
            lines += ["", "", *definition(function, self.names, self.used)]
        numbers = ["", ""]
        drawn = any(w.name not in self.network.initial for w in self.weights)
        drawn |= bool(self.data) and not self.network.samples
        if drawn:
            numbers += [f"rng = np.random.default_rng({self.drawing.seed})"]
        for name, value in self.network.constants.items():
            numbers += self.assigned(self.network.tensors[name], value)
        for weight in self.weights:
            numbers += self.assigned(weight, self.network.initial.get(weight.name))
        numbers += [f"weights = {list_text(self.variables(self.weights))}"]
        names = self.variables(self.data)
        if len(self.network.samples) > 1:
            numbers += ["samples = ["]
            numbers += [f"{INDENT}({', '.join(self._sample(sample))},)," for sample in self.network.samples]
            numbers += ["]", f"{tuple_text(names)} = data = samples[0]"]
        else:
            sample = self.network.samples[0] if self.network.samples else {}
            for tensor in self.data:
                numbers += self.assigned(tensor, sample.get(tensor.name))
            numbers += [f"data = {tuple_text(names)}", "samples = [data]"]
        numbers += self._masks()
        # The functions of all formulas, derivatives included, tell whether erf is needed.
        self._used_everywhere()
        head = IMPORTS.rstrip().split("\n")
        if "erf" in self.used.functions:
            head += ["", "", "erf = np.vectorize(math.erf)"]
        else:
            head = head[2:]
        if "side" in self.used.functions:
            head += SIDE.rstrip().split("\n")
        return "\n".join([*head, *lines, *numbers])

    def _masks(self) -> list[str]:
        """What is said of the masks: how they are drawn, and that their mean is 1."""
        lines = []
        for name, dropped in self.network.masks.items():
            zero, otherwise = number_text(dropped), number_text(kept(dropped))
            mask = self.names.fresh(f"drawn_{self.names.array(name)}")
            lines += [
                "",
                f"{mask} = np.where(np.random.default_rng(1).random(100_000) < {zero}, 0.0, {otherwise})",
                f"assert abs(np.mean({mask} == 0) - {zero}) < 0.01",
                f"assert abs(np.mean({mask}) - 1) < 5 * np.std({mask}) / np.sqrt({mask}.size)",
                f"assert np.isclose((1 - {zero}) * {otherwise}, 1)",
            ]
        return lines

    def _used_everywhere(self) -> None:
        for eq in [*self.network.flat_equations, *flatten(self.sweep.equations)]:
            self.arrays._printer(eq).text(eq.body)
        for function in self.functions:
            list(slopes(function, self.names, self.used))

    def assigned(self, tensor: Tensor, value: Numbers | None) -> list[str]:
        """A tensor's numbers as given, or drawn; in a small network every element is a variable."""
        name = self.names.array(tensor.name)
        if value is not None or tensor.role == "mask":
            if not self.small:
                return [f"{name} = {array_text(tensor, value)}"]
            texts = flat(tensor, value)
            return [f"{', '.join(self.variables([tensor]))} = {', '.join(texts)}"]
        lines = [f"{name} = {text}" for text in self._drawn(tensor, name)]
        if self.small and tensor.shape:
            lines.append(f"{tuple_text(self.variables([tensor]))} = {name}.ravel()")
        return lines

    def _drawn(self, tensor: Tensor, name: str) -> list[str]:
        """Random numbers; targets of which facts are declared are probabilities, choices whole numbers."""
        size = f", {tensor.shape}" if tensor.shape else ""
        if places := choices(self.network.flat_equations).get(tensor.name):
            whole = f"rng.integers(1, {places + 1}{size})"
            return [f"{whole}.astype(float)" if size else f"float({whole})"]
        facts = [f for f in self.network.facts if f.tensor == tensor.name]
        texts = [f"rng.uniform({0.05 if facts else self.drawing.low}, 0.95{size})"]
        for fact in (f for f in facts if f.reduce):
            axes = fact.axes(len(tensor.shape))
            texts.append(f"{name} / np.sum({name}, axis={axes}, keepdims=True)")
        return texts

    def _sample(self, sample: Mapping[str, Numbers]) -> list[str]:
        if self.small:
            return [text for t in self.data for text in flat(t, sample.get(t.name))]
        return [array_text(t, sample.get(t.name)) for t in self.data]

    @property
    def _share(self) -> str:
        """What a sum over the samples is divided by: their number, where the batch has the mean of several."""
        return " / len(samples)" if self.network.batch != "sum" and len(self.network.samples) > 1 else ""

    # numbers in the text

    def agrees(self, name: str, value: Number, decimals: int = MOST_DECIMALS) -> str:
        """The assertion that a variable has the number that is printed."""
        decimals = min(decimals, self.decimals)
        printed, places = printed_as(show(value, decimals), decimals)
        return f"assert same({name}, {printed}{f', places={places}' if places != 6 else ''})"

    def value_of(self, element: Access, value: Number, new: bool = False) -> str:
        return self.agrees(self.elements.name(element, new), value)
