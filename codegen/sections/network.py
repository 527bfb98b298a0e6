"""The sections that present the network: what it is given, what it computes, what its prediction is made of."""

from __future__ import annotations

import sympy

from codegen.formulas.layout import WIDTH, visible_length
from codegen.formulas.matrices import bmatrix
from codegen.notes.document import Row, Section
from codegen.notes.lecture import Lecture
from codegen.sections.functions import functions_used
from codegen.sections.notation import SAMPLED, extents
from derive.language.masks import kept
from derive.network import Equation, Tensor
from derive.selection import choices

LISTED = 8  # tensors of one role that are listed once more, with their elements


def the_network(lecture: Lecture) -> Section:
    section = Section("The network")
    roles = {"input": "Inputs", "target": "Targets", "weight": "Weights", "constant": "Constants"}
    for role, word in roles.items():
        tensors = [t for t in lecture.network.tensors.values() if t.role == role and not t.anonymous]
        if len(tensors) > LISTED:
            section.say(f"{word}: those of the table.")
        elif tensors:
            section.say(f"{word}: {'; '.join(declared(lecture, t) for t in tensors)}.", "list")
    if coupling := lecture.network.coupling:
        index, count = str(coupling.index), lecture.writer.access(coupling.count)
        section.say(
            f"The samples of a batch are computed together: ${index} = 1, \\dots, {count}$ counts them, and "
            f"${lecture.loss}$ is the loss of the batch. For a prediction, what is taken over the samples of the batch "
            "is taken over all training data once and for all."
        )
    for name, dropped in lecture.network.masks.items():
        section.say(mask(lecture, lecture.network.tensors[name], dropped))
    for name, places in choices(lecture.network.flat_equations).items():
        letter = lecture.writer.letter(name)
        section.say(f"The elements of ${letter}$ are whole numbers from $1$ to ${places}$: each chooses a place.")
    section.code(lambda: lecture.cells.given())
    figure = lecture.drawn()
    if figure is not None:
        section.picture(figure, floats=True)
    section.say("The forward pass computes, in this order,")
    section.display(*forward_rows(lecture))
    for tensor in lecture.network.tensors.values():
        if tensor.border:
            section.say(border(lecture, tensor))
    written = element_rows(lecture) if lecture.small and lecture.options.detail != "brief" else []
    if written:
        section.say(f"Written out element by element{batch(lecture)}, this is")
        section.display(*written)
    section.code(lambda: lecture.cells.forward())
    for text, rows in functions_used(lecture.writer, lecture.network.flat_equations):
        section.say(text)
        section.display(*rows)
    section.code(lambda: lecture.cells.slopes())
    return section


def batch(lecture: Lecture) -> str:
    """For how many samples formulas are written out, where that matters."""
    coupling = lecture.network.coupling
    if coupling is None:
        return ""
    size = lecture.network.constants[coupling.count.tensor]
    return f" for a batch of ${lecture.writer.access(coupling.count)} = {size}$ samples"


def mask(lecture: Lecture, tensor: Tensor, dropped: sympy.Rational) -> str:
    """How the elements of a mask are drawn, and what they are where nothing is drawn."""
    probability, otherwise = (lecture.writer.setting(v) for v in (dropped, kept(dropped)))
    return (
        f"Mask: {declared(lecture, tensor)}. Every element is $0$ with probability ${probability}$ and ${otherwise}$ "
        "otherwise, drawn anew for every sample at every update; for a prediction, and in the numbers of a sample that "
        "gives none, it is $1$, its mean."
    )


def border(lecture: Lecture, tensor: Tensor) -> str:
    """Where a padded tensor is zero."""
    letter = lecture.writer.letter(tensor.name)
    widths = sorted({width for width in tensor.border if width})
    places = " or ".join(f"${width}$" for width in widths) + (" places" if widths != [1] else " place")
    return f"Around ${letter}$ stand zeros, so that its indices may reach {places} beyond both ends."


def declared(lecture: Lecture, tensor: Tensor) -> str:
    """``$W^{(1)}$ ($2 \\times 2$): …``: a tensor, its shape, and its elements where there are few."""
    letter = lecture.writer.letter(tensor.name)
    if not tensor.shape:
        return f"${letter}$"
    shape = " \\times ".join(extents(lecture, tensor))
    if tensor.size > 8 or (lecture.network.coupling and tensor.role in SAMPLED):  # as many as there are samples
        return f"${letter}$ with ${shape}$ elements"
    elements = [lecture.writer.access(e) for e in tensor.elements()]
    if len(tensor.shape) == 2:
        step = tensor.shape[1]
        table = [elements[n : n + step] for n in range(0, len(elements), step)]
        if tensor.name in lecture.notation.flipped:
            table = [list(column) for column in zip(*table, strict=True)]
        listed = f"{letter} = {bmatrix(table, small=True)}"
    else:
        listed = f"{letter} = ({', '.join(elements)})"
    return f"${{{listed}}}$" if visible_length(listed) <= WIDTH / 2 else f"${letter}$ with ${shape}$ elements"


def forward_rows(lecture: Lecture) -> list[Row]:
    shown = [eq for eq in lecture.network.flat_equations if not lecture.network.tensors[eq.lhs.tensor].anonymous]
    return [Row(lecture.writer.access(eq.lhs), lecture.writer.equation(eq), number=lecture.number(eq)) for eq in shown]


def element_rows(lecture: Lecture) -> list[Row]:
    """Every value of a small network, sums written out."""
    rows = []
    for eq in lecture.network.flat_equations:
        tensor = lecture.network.tensors[eq.lhs.tensor]
        if tensor.anonymous or (not tensor.shape and not eq.reduce and not _reads_sum(lecture, eq)):
            continue
        for element in tensor.elements():
            definition = lecture.scalars.definition(element)
            if definition is not None:
                rows.append(Row(lecture.writer.access(element), lecture.writer.line(definition, lecture.order(eq))))
    return rows


def _reads_sum(lecture: Lecture, eq: Equation) -> bool:
    return any(lecture.network.tensors[a.tensor].anonymous for a in eq.reads)


def made_of(lecture: Lecture) -> list[Section]:
    """The prediction down to inputs and weights: what there is to change."""
    section = Section("What the prediction is made of")
    for name in lecture.network.outputs:
        for element in lecture.network.tensors[name].elements() if lecture.small else ():
            if lecture.scalars.size(element) > 16:
                continue
            named = lecture.writer.line(lecture.scalars.definition(element) or element)
            expanded = lecture.writer.line(lecture.scalars.expanded(element))
            rows = [Row(lecture.writer.access(element), named)] + ([Row("", expanded)] if expanded != named else [])
            if not section.blocks:
                section.say("Down to inputs and weights, this is")
            section.display(*rows)
            section.code(lambda it: lecture.cells.expanded(it), element)
    if not section.blocks:
        return []
    section.say(
        "Inputs and targets are given. To change the prediction, and with it the loss, we must change the weights."
    )
    return [section]
