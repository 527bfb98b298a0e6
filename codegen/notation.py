"""What things are called in the notes: one place that maps tensors, elements and derivatives to LaTeX and to text.

Names come from the specification.  A name of several letters is set as a word; digits at its end are a subscript for
scalars and a layer number in brackets for arrays; names of Greek letters become the letters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sympy

from derive.expressions import Access
from derive.gradient import Sweep
from derive.naming import element_names
from derive.network import Network

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

    def latex(self, *indices: str) -> str:
        lower = (self.lower, *indices) if self.lower else indices
        separator = "," if any(len(i) > 1 and not i.startswith("\\") for i in lower) else ""
        below = f"_{{{separator.join(lower)}}}" if lower else ""
        above = f"^{{{self.upper}}}" if self.upper else ""
        return self.base + above + below


def name_of(name: str, is_array: bool) -> Name:
    """The typeset form of an identifier."""
    stem, *rest = name.split("_")
    if rest[-1:] == ["hat"]:
        inner = name_of(name.removesuffix("_hat"), is_array)
        return Name(f"\\hat{{{inner.base}}}", inner.upper, inner.lower, f"{inner.text}_hat")
    match = re.fullmatch(r"([A-Za-z]+)(\d+)", stem)
    letters, digits = match.groups() if match else (stem, "")
    if not re.fullmatch(r"[A-Za-z]+", letters):  # digits inside, as in a1b2: one word
        return Name(f"\\mathit{{{name.replace('_', chr(92) + '_')}}}", "", "", name)
    tail = [part if part.isdigit() or len(part) == 1 else f"\\mathrm{{{part}}}" for part in rest]
    text = GREEK_LETTERS.get(letters, letters) + digits + "".join(f"_{p}" for p in rest)
    if is_array:
        upper = ",".join([f"({digits})"] * bool(digits) + tail)
        return Name(word(letters), upper, "", text)
    return Name(word(letters), "", ",".join([digits] * bool(digits) + tail), text)


class Notation:
    """The names of one network's quantities and of their derivatives."""

    def __init__(self, network: Network, sweep: Sweep) -> None:
        self.network = network
        self.numbered = network.notation == "numbered"
        self.tensors = {**network.tensors, **sweep.tensors}
        self.names = {t.name: name_of(t.name, bool(t.shape)) for t in network.tensors.values() if not t.anonymous}
        self.deltas = self._delta_names(sweep)
        self.changing = {str(network.optimizer.rate)} if network.optimizer.schedule is not None else set()
        self.elements = element_names(network.weights, network.notation) if self.numbered else {}
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
        layers = {d: self.names[d].upper.strip("()") for d in deltas if d in self.names}
        for d in deltas:
            if len(deltas) == 1:
                found[d] = Name("\\delta", "", "", "δ")
            elif all(layers.get(x, "").isdigit() for x in deltas if self.tensors[x].shape) and _digits(d):
                found[d] = Name("\\delta", f"({_digits(d)})", "", f"δ{_digits(d)}")
            else:
                name = self.names.get(d) or Name("\\Sigma", "", d.strip("Σ"), d)
                upper = (
                    name.base
                    + (f"^{{{name.upper}}}" if name.upper else "")
                    + (f"_{{{name.lower}}}" if name.lower else "")
                )
                found[d] = Name("\\delta", upper, "", f"δ_{name.text}")
        return found

    def symbol(self, name: str) -> Name:
        """The name of a setting, or of what an optimizer computes; a learning rate that changes bears a k below."""
        found = name_of(name, is_array=False)
        if name not in self.changing:
            return found
        return Name(found.base, found.upper, ",".join(filter(None, [found.lower, "k"])), f"{found.text}_k")

    # elements

    def latex(self, access: Access, indices: list[str] | None = None) -> str:
        """An access, its indices already typeset."""
        if access in self.elements and access.indices:
            letter, number = self.elements[access][0], self.elements[access][1:]
            return f"{letter}_{{{number}}}"
        indices = indices if indices is not None else [sympy.latex(i) for i in access.indices]
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
