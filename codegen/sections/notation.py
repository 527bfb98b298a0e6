"""The section that opens the notes: what every letter means, and the shape of what it stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from codegen.formulas.profiles import PRODUCTS
from codegen.notes.document import Section
from codegen.notes.lecture import Lecture
from derive.expressions import Access, index
from derive.formtree import Elementwise, nodes
from derive.network import Tensor

Entry: TypeAlias = tuple[str, str, str]

_UNITS = (index("j"), index("k"))
ROWS = 24  # of a table; in a longer one layers that are alike share a row
SAMPLED = ("input", "target", "mask")  # roles of what is given for every sample

_WORDS = {
    "input": "input",
    "target": "target",
    "mask": "mask, zeros and their counterparts drawn anew for every sample",
    "constant": "constant",
    "count": "number of samples in the batch",
}


def notation(lecture: Lecture) -> Section:
    """A table of symbols: tensors, derivatives that have a name, the learning rate, marks and signs that occur."""
    section = Section("Notation")
    computed = [lecture.network.tensors[eq.lhs.tensor] for eq in lecture.network.flat_equations]
    given = [t for t in lecture.network.tensors.values() if t not in computed]
    rows = [_tensor(lecture, t) for t in dict.fromkeys((*given, *computed)) if not t.anonymous]
    rows += [_delta(lecture, name) for name in lecture.sweep.deltas]
    rate = lecture.network.optimizer.rate
    if lecture.network.weights:
        rows.append((f"${lecture.writer.symbol(rate.name)}$", "learning rate", "number"))
        rows.append(_new(lecture))
    sign = PRODUCTS[lecture.notation.profile.product]
    forms = [form for group in lecture.vector_forms for _, form in group] if not lecture.notation.numbered else []
    if lecture.network.coupling and lecture.batch is not None:
        forms += [*lecture.batch.values.values(), *lecture.batch.slopes.values()]
    if any(isinstance(node, Elementwise) for form in forms for node in nodes(form)):
        rows.append((f"${sign}$", "product element by element", ""))
    section.terms(("symbol", "meaning", "shape"), *(_together(rows) if len(rows) > ROWS else rows))
    return section


def _together(rows: list[Entry]) -> list[Entry]:
    """Rows that differ in numbers alone, the layers of a deep network, as one row from the first to the last."""
    groups: dict[Entry, list[Entry]] = {}
    for row in rows:
        letter, meaning, shape = row
        groups.setdefault((re.sub(r"\d+", "", letter), re.sub(r"\d+", "", meaning), shape), []).append(row)
    found = []
    for group in groups.values():
        if len(group) < 3 or "\\dots" in group[0][0]:  # a letter for many weights is long enough by itself
            found += group
            continue
        meanings = [meaning for _, meaning, _ in group]
        layers = [int(match[1]) for meaning in meanings if (match := _LAYER.search(meaning))]
        in_turn = len(layers) < len(group) or layers == list(range(layers[0], layers[0] + len(layers)))
        if layers:
            listed = f"{layers[0]} to {layers[-1]}" if in_turn else _listed(layers, in_turn)
            text = _LAYER.sub(f"layers {listed}", meanings[0], count=1)
        else:
            words, *_ = meanings[0].partition("$")  # the same before every formula
            text = words + _listed([meaning.removeprefix(words) for meaning in meanings], in_turn)
        found.append((_listed([letter for letter, _, _ in group], in_turn), text, group[0][2]))
    return found


_LAYER = re.compile(r"layer (\d+)")


def _listed(items: Sequence[object], in_turn: bool) -> str:
    """First to last where all between them are clear, else the second as well, of three all."""
    shown = items if len(items) == 3 else items[:2] if not in_turn else items[:1]
    return ", ".join([*map(str, shown), *(["…", str(items[-1])] if len(shown) < len(items) else [])])


def _tensor(lecture: Lecture, tensor: Tensor) -> tuple[str, str, str]:
    notation = lecture.notation
    letter = lecture.writer.letter(tensor.name)
    if notation.numbered and tensor.role == "weight" and tensor.shape:
        first, *_, last = [lecture.writer.access(e) for e in (*tensor.elements(), *tensor.elements())]
        letter = f"{first}, \\dots, {last}" if tensor.size > 2 else first if tensor.size == 1 else f"{first}, {last}"
    return f"${letter}$", _meaning(lecture, tensor), _shape(extents(lecture, tensor))


def _meaning(lecture: Lecture, tensor: Tensor) -> str:
    network, style = lecture.network, lecture.notation.profile
    if tensor.role in _WORDS:
        return _WORDS[tensor.role]
    made = network.made.get(tensor.name, 0)
    if tensor.role == "weight":
        word = ("bias" if tensor.size == 1 else "biases") if tensor.bias else "weight" + "s" * (tensor.size > 1)
        return f"{word} of layer {made + style.first_weights - 1}{_order(lecture, tensor)}" if made else word
    if tensor.name == network.loss:
        return "loss"
    if tensor.name in network.outputs:
        return "prediction"
    if made:
        return f"pre-activation of layer {made + style.first_values - 1}"
    equations = [eq for eq in network.flat_equations if eq.lhs.tensor == tensor.name]
    sources = network.reads()[tensor.name]
    layers = {network.made.get(name, 0) for name in sources}
    if len(sources) == 1 and min(layers) > 0:
        return f"activation of layer {layers.pop() + style.first_values - 1}"
    numbers = [f"({lecture.number(eq)})" for eq in equations]
    return f"computed by {' and '.join(numbers)}"


def _order(lecture: Lecture, weight: Tensor) -> str:
    """Which index of a weight is which."""
    if len(weight.shape) != 2 or weight.size == 1 or lecture.notation.numbered:
        return ""
    return f"; ${lecture.notation.latex(Access(weight.name, *_UNITS))}$ leads to unit $j$ from $k$"


def _delta(lecture: Lecture, name: str) -> tuple[str, str, str]:
    letter = lecture.writer.letter(f"∂{name}")
    tensor = lecture.notation.tensors[name]
    place = lecture.place(lecture.generic(name)) if tensor.anonymous else lecture.writer.letter(name)
    return (
        f"${letter}$",
        f"{'minus the ' * bool(lecture.minus)}derivative ${lecture.minus}\\partial {lecture.loss} / \\partial {place}$",
        _shape(extents(lecture, tensor)),
    )


def _new(lecture: Lecture) -> tuple[str, str, str]:
    new, relation = lecture.new("w")
    if lecture.notation.marks_new:
        return f"${new}$", "new value of $w$, after an update", ""
    return f"$w {relation} \\dots$", "the new value takes the place of the old one", ""


def extents(lecture: Lecture, tensor: Tensor) -> tuple[str, ...]:
    """The extents of a tensor as the notation has them; what runs over the samples of a batch has their number N."""
    sides = tuple(map(str, lecture.notation.shape(tensor)))
    coupling = lecture.network.coupling
    if coupling is None:
        return sides
    computed = (eq.lhs for eq in lecture.network.flat_equations if eq.lhs.tensor == tensor.name)
    sampled = tensor.role in SAMPLED or any(lhs.indices[:1] == (coupling.index,) for lhs in computed)
    return (lecture.writer.access(coupling.count), *sides[1:]) if sampled else sides


def _shape(shape: tuple[str, ...]) -> str:
    sides = " \\times ".join(shape)
    return f"${sides}$" if shape else "number"
