"""What things are called in the notes: one place that maps tensors, elements and derivatives to LaTeX and to text.

Names come from the specification.  A name of several letters is set as a word; digits at its end are a subscript for
scalars and a layer number in brackets for arrays; names of Greek letters become the letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy

from codegen.formulas.profiles import DIFFERENTIAL, LAYERS, MARKS, profile
from codegen.formulas.signs import Signs, opposite
from derive.diagnostics import SpecError
from derive.expressions import Access
from derive.gradient import Sweep, adjoint_name
from derive.naming import MAX_NUMBERED, element_names
from derive.network import Network, Tensor, flatten

GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
).split()
GREEK_LETTERS = dict(zip(GREEK, "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", strict=True))


def word(name: str) -> str:
    """A name without digits or underscores, in LaTeX."""
    if len(name) == 1:
        return name
    if name in GREEK:
        letter = {"epsilon": "varepsilon"}.get(name, name)
        return f"\\{letter}"
    return f"\\mathit{{{name}}}"


@dataclass(frozen=True)
class Name:
    """A base with what stands below and above it, in LaTeX and in plain text."""

    base: str
    upper: str
    lower: str
    text: str
    layer: str = ""  # the number of a layer where it stands below, before the indices

    def latex(self, *indices: str) -> str:
        lower = (self.lower, *indices) if self.lower else indices
        separator = "," if any(len(i) > 1 and not i.startswith("\\") for i in lower) else ""
        inside = ",".join(filter(None, [self.layer, separator.join(lower)]))
        below = f"_{{{inside}}}" if inside else ""
        above = f"^{{{self.upper}}}" if self.upper else ""
        return self.base + above + below


def name_of(name: str, is_array: bool, layer: str = "round") -> Name:
    """The typeset form of an identifier; digits at the end of an array's are the number of a ``layer``, set so."""
    stem, *rest = name.split("_")
    if rest[-1:] == ["hat"]:
        inner = name_of(name.removesuffix("_hat"), is_array, layer)
        return Name(f"\\hat{{{inner.base}}}", inner.upper, inner.lower, f"{inner.text}_hat", inner.layer)
    match = re.fullmatch(r"([A-Za-z]+)(\d+)", stem)
    letters, digits = match.groups() if match else (stem, "")
    if not re.fullmatch(r"[A-Za-z]+", letters):  # digits inside, as in a1b2: one word
        return Name(f"\\mathit{{{name.replace('_', chr(92) + '_')}}}", "", "", name)
    tail = [part if part.isdigit() or len(part) == 1 else f"\\mathrm{{{part}}}" for part in rest]
    text = GREEK_LETTERS.get(letters, letters) + digits + "".join(f"_{p}" for p in rest)
    if is_array:
        number = LAYERS[layer].format(digits) if digits else ""
        if layer == "below":
            return Name(word(letters), ",".join(tail), "", text, number)
        return Name(word(letters), ",".join([number] * bool(number) + tail), "", text)
    return Name(word(letters), "", ",".join([digits] * bool(digits) + tail), text)


class Notation:
    """The names of one network's quantities and of their derivatives."""

    def __init__(self, network: Network, sweep: Sweep, notation: str = "") -> None:
        self.network = network
        self.profile = profile(notation or network.notation)
        self.numbered = self.profile.numbered
        self.tensors = {**network.tensors, **sweep.tensors}
        self.names = self._tensor_names()
        self.flipped = self._flipped()
        self.deltas = self._delta_names(sweep)
        self.signs = Signs(map(adjoint_name, sweep.deltas) if self.profile.sign == "minus" else ())
        for d in list(sweep.deltas) if self.signs.tensors else ():
            value = opposite(adjoint_name(d))[1:]
            self.tensors[value], self.deltas[value] = self.tensors[d], self.deltas[d]
        if self.signs.tensors:
            self.signs = self.signs.with_sums(flatten((*sweep.equations, *sweep.absorbed)), self.tensors)
            self.tensors |= {opposite(name): self.tensors[name] for name in self.signs.tensors}
        self.changing = {str(network.optimizer.rate)} if network.optimizer.schedule is not None else set()
        self.elements = self._numbered_elements() if self.numbered else {}
        order = [t.name for t in network.weights]
        for eq in network.flat_equations:
            order += [*eq.order, eq.lhs.tensor]
        self.rank = {name: n for n, name in enumerate(dict.fromkeys(order))}
        targets = [t.name for t in network.of_role("target")]
        self.rank |= {name: len(order) + n for n, name in enumerate(targets)}

    def _delta_names(self, sweep: Sweep) -> dict[str, Name]:
        """Δ for the derivative of a scalar prediction in the numbered notation, δ with a layer elsewhere."""
        found: dict[str, Name] = {}
        deltas = list(sweep.deltas)
        if deltas and self.numbered and not self.tensors[deltas[0]].shape:
            found[deltas.pop(0)] = Name("\\Delta", "", "", "Δ")
        arrays = [d for d in deltas if self.tensors[d].shape]
        layered = all(_digits(d) and self._number(self.names.get(d)) for d in arrays)
        spelt = self._deltas_spelt(deltas, layered)
        if min(len({n.latex() for n in spelt.values()}), len({n.text for n in spelt.values()})) < len(spelt):
            # Their numbers are not those of layers, as of two scalars h1 and o1.
            spelt = self._deltas_spelt(deltas, layered=False)
        return found | spelt

    def _deltas_spelt(self, deltas: list[str], layered: bool) -> dict[str, Name]:
        """δs with the numbers of their layers, or with the names of what they are the derivatives by."""
        found = {}
        letter = word(self.profile.delta)
        for d in deltas:
            name = self.names.get(d) or Name("\\Sigma", "", d.strip("Σ"), d)
            numbered = bool(layered and _digits(d))
            text = "δ" if len(deltas) == 1 else f"δ{_digits(d)}" if numbered else f"δ_{name.text}"
            if self.profile.delta == DIFFERENTIAL:
                base = f"\\mathit{{d{name.base}}}" if len(name.base) == 1 else f"d{name.base}"
                found[d] = replace(name, base=base, text=text)
            elif len(deltas) == 1 and self.profile.delta not in self._settings() and not self._layered(d):
                found[d] = Name(letter, "", "", text)
            elif numbered:
                upper = name.upper or ("" if name.layer else LAYERS[self.profile.layer].format(_digits(d)))
                found[d] = Name(letter, upper, "", text, name.layer)
            else:
                found[d] = Name(letter, replace(name, layer="", lower=name.lower or name.layer).latex(), "", text)
        return found

    def _layered(self, tensor: str) -> bool:
        """Whether a δ that is the only one bears the number of its layer all the same."""
        return self.profile.lone_delta == "layered" and self.network.made.get(tensor, 0) > 0

    @staticmethod
    def _number(name: Name | None) -> str:
        """The number of the layer in a name."""
        return re.sub(r"[^\d]", "", name.layer or name.upper) if name else ""

    def _tensor_names(self) -> dict[str, Name]:
        """The names of the network's tensors: the user's as they are, those of layers in the letters of the profile."""
        own = [t for t in self.network.tensors.values() if not t.anonymous]
        plain = {t.name: name_of(t.name, bool(t.shape), self.profile.layer) for t in own}
        spelt = plain | {t.name: self._made_name(t) for t in own if t.name in self.network.made}
        shown = [name.latex() for name in spelt.values()] + [name_of(s, False).latex() for s in self._settings()]
        return spelt if len(set(shown)) == len(shown) else plain

    def _made_name(self, tensor: Tensor) -> Name:
        """The name of what the language has made, in the letters of the profile and counted as it counts layers."""
        letters, digits = re.fullmatch(r"([A-Za-z]+)(\d*)", tensor.name).groups()  # type: ignore[union-attr]
        style, layer = self.profile, self.network.made[tensor.name]
        spelt = {"W": style.weight, "b": style.bias, "z": style.preactivation, "u": style.activation}
        first = style.first_weights if tensor.role == "weight" else style.first_values
        if digits and int(digits) == layer:
            digits = str(layer + first - 1)
        letter = spelt.get(letters, letters)
        is_array = bool(tensor.shape) or style.lone_delta == "layered"
        return replace(name_of(letter + digits, is_array, style.layer), text=name_of(tensor.name, False).text)

    def matrix(self, tensor: str) -> Name:
        """The name of a whole tensor, which has another letter than its elements in some books."""
        name = self.name(tensor)
        if self.profile.matrix and tensor in self.network.made and len(self.tensors[tensor].shape) == 2:
            return replace(name, base=word(self.profile.matrix)) if name.base == word(self.profile.weight) else name
        return name

    def _flipped(self) -> frozenset[str]:
        """The weight matrices of layers where the first index is the one that they lead from."""
        if not self.profile.rows or self.numbered:
            return frozenset()
        return frozenset(w.name for w in self.network.weights if w.name in self.network.made and len(w.shape) == 2)

    def by_columns(self, weight: str) -> bool:
        """Whether the weights into one unit are a column of the matrix."""
        return self.numbered or weight in self.flipped

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """The shape of a tensor as its indices are written."""
        return tensor.shape[::-1] if tensor.name in self.flipped else tensor.shape

    def _numbered_elements(self) -> Mapping[Access, str]:
        """w1, w2, …; refused where the specification was not read so, and they are too many or have other meanings."""
        count = sum(w.size for w in self.network.weights)
        if self.network.notation != "numbered" and count > MAX_NUMBERED:
            raise SpecError(f"{count:,} weights are too many to be numbered", help="leave --notation numbered out")
        names = element_names(self.network.weights, "numbered")
        taken = {t.name for t in self.network.tensors.values() if not (t.role == "weight" and t.shape)}
        for element, name in names.items():
            if element.indices and name in taken:
                help = f"rename {name}, or leave --notation numbered out"
                raise SpecError(f"'{name}' is the name of a numbered weight too", help=help)
        return names

    def _rate(self) -> str:
        """The letter of a learning rate that nobody has named; none where it stands for something else already."""
        return self.profile.rate if self.profile.rate not in {*self.network.tensors, *self._settings()} else ""

    def _settings(self) -> set[str]:
        """What the optimizer's equations speak of, the learning rate apart."""
        optimizer = self.network.optimizer
        symbols = {optimizer.gradient, optimizer.count, *optimizer.settings, *(s for s, _ in optimizer.updates)}
        return {s.name for s in symbols - {optimizer.rate}}

    def new(self, symbol: str) -> tuple[str, str]:
        """What is new in the mark of the profile, and the relation after it: a star before it and =, or an arrow."""
        mark, relation = MARKS[self.profile.new]
        return mark.replace("#", symbol), relation

    @property
    def marks_new(self) -> bool:
        """Whether what is new is told from what is old by a mark."""
        return self.new("w")[0] != "w"

    def symbol(self, name: str) -> Name:
        """The name of a setting, or of what an optimizer computes; a learning rate that changes bears a k below."""
        return self.setting(name, "k" if name in self.changing else "")

    def setting(self, name: str, update: str = "") -> Name:
        """The name of a setting in one update, whose number stands below."""
        found = name_of(name, is_array=False)
        if name in self.network.made and name == str(self.network.optimizer.rate) and self._rate():
            found = replace(name_of(self._rate(), is_array=False), text=found.text)
        if not update:
            return found
        return replace(found, lower=",".join(filter(None, [found.lower, update])), text=f"{found.text}_{update}")

    # elements

    def latex(self, access: Access, indices: list[str] | None = None) -> str:
        """An access, its indices already typeset."""
        if access in self.elements and access.indices:
            letter, number = self.elements[access][0], self.elements[access][1:]
            return f"{letter}_{{{number}}}"
        indices = indices if indices is not None else [sympy.latex(i) for i in access.indices]
        if access.tensor in self.flipped:
            indices = indices[::-1]
        return self.name(access.tensor).latex(*indices)

    def text(self, access: Access) -> str:
        """The same in plain text: ``w5``, ``h2``, ``W1[i,j]``, ``Δ``."""
        if access in self.elements and access.indices:
            return self.elements[access]
        name = self.name(access.tensor).text
        if not access.indices:
            return name
        inner = ",".join(str(i).replace(" ", "") for i in access.indices)
        return f"{name}{inner}" if inner.isdigit() and self.numbered else f"{name}[{inner}]"

    def name(self, tensor: str) -> Name:
        """The name of a tensor or of a derivative."""
        if tensor.startswith("∂"):
            return self.deltas.get(tensor[1:]) or Name(f"\\bar{{{self.names[tensor[1:]].base}}}", "", "", tensor)
        return self.names[tensor]

    def is_delta(self, tensor: str) -> bool:
        return tensor.startswith("∂") and tensor[1:] in self.deltas


def _digits(name: str) -> str:
    match = re.fullmatch(r"[A-Za-z]+(\d+)", name)
    return match.group(1) if match else ""
