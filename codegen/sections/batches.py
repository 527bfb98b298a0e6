"""The matrices of a batch: what is a vector for one sample is a matrix for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from codegen.formulas.batches import BatchWriter
from codegen.formulas.formwriter import COUNT, DIAGONAL, ONES
from codegen.formulas.layout import Shown, relation
from codegen.formulas.matrices import MAX_SIDE, bmatrix
from codegen.notes.document import Row, Section
from codegen.notes.lecture import Lecture
from codegen.options import MATRIX_DECIMALS
from codegen.sections.pairs import in_pairs
from derive.formproof import in_batches
from derive.formtree import Diagonal, nodes
from derive.formvalue import BatchStanding, Matrix, matrix
from derive.gradient import adjoint_name

if TYPE_CHECKING:
    from codegen.formats.batchcells import BatchCell
    from codegen.formats.coupledcells import CoupledCell


def batch_form(lecture: Lecture, section: Section) -> None:
    """The equations of a batch with the shapes of their matrices, and the numbers of a small one."""
    writer = lecture.batch
    if writer is None or not writer.values or not writer.slopes:
        return
    rows, gradients = value_rows(writer), gradient_rows(lecture, writer)
    given = [t.name for t in lecture.network.tensors.values() if t.role in ("input", "target", "mask")]
    section.say(introduction(writer, given))
    forward, deltas = ([row for name, row in rows.items() if (name[0] == "∂") is slope] for slope in (False, True))
    section.display(*in_pairs(forward), *deltas, *in_pairs(list(gradients.values())))
    for sentence in remarks(lecture, writer):
        section.say(sentence)
    section.code(lambda: "\n".join(sources(lecture, writer)))
    tables, derived = number_tables(lecture, writer, [*given, *rows])
    if tables:
        section.say("With the numbers of the samples:")
        section.display(
            *(_numbers(lecture, writer.letter(name), "", table) for name, table in tables.items()),
            *(
                _numbers(lecture, lecture.derivative(writer.letter(name)), gradients[name].right, table)
                for name, table in derived.items()
            ),
        )
        opposite = {name for name in tables if name in lecture.notation.signs.tensors}
        section.code(lambda: cell(lecture, writer).numbers(tables, opposite, derived))


def cell(lecture: Lecture, writer: BatchWriter) -> BatchCell | CoupledCell:
    """The same in NumPy."""
    from codegen.formats.batchcells import BatchCell
    from codegen.formats.coupledcells import CoupledCell

    forms = writer.forms_of_derivatives()
    if not lecture.network.coupling:
        return BatchCell(lecture.cells, forms)
    values, slopes = in_batches(lecture.network, lecture.sweep)
    return CoupledCell(lecture.cells, forms, [*values, *slopes])


def sources(lecture: Lecture, writer: BatchWriter) -> Iterator[str]:
    """The products and the updates in NumPy."""
    yield cell(lecture, writer).source()
    if lecture.network.optimizer.is_plain_descent:
        yield lecture.cells.whole_update()


def introduction(writer: BatchWriter, given: Iterable[str]) -> str:
    """How the samples stand, what is given of them, and what signs there are."""
    *shapes, last = [f"${writer.letter(name)}$ (${writer.shape(name)}$)" for name in given]
    found = [node for form in (*writer.values.values(), *writer.slopes.values()) for node in nodes(form)]
    scales = any(isinstance(node, Diagonal) for node in found)
    diagonal = f", and ${DIAGONAL}(\\cdot)$ the diagonal matrix of a vector" * scales
    return (
        f"For a batch of ${writer.count}$ samples, every sample a {'row' if writer.rows else 'column'}, with "
        f"{', '.join(shapes)}{' and ' * bool(shapes)}{last}, where ${ONES}$ is a column of as many ones as fit, by "
        f"which products add up rows or columns or repeat what is the same for all samples{diagonal}:"
    )


def remarks(lecture: Lecture, writer: BatchWriter) -> Iterator[str]:
    """What is to be said of the products."""
    network = lecture.network
    if not network.coupling:
        mean = "" if network.batch == "sum" else f"; $1/{COUNT}$ makes it their mean"
        yield f"In these products the sum over the samples is carried out{mean}."
    if network.optimizer.is_plain_descent:
        rate, old = lecture.writer.symbol(network.optimizer.rate.name), writer.letter(next(iter(writer.slopes)))
        new, sign = lecture.new(old)
        others = ", and so on" * (len(writer.slopes) > 1)
        step = f"${new} {sign} {old} - {rate}\\, \\partial {lecture.loss} / \\partial {old}$"
        yield f"All weights of an array change at once: {step}{others}."


def value_rows(writer: BatchWriter) -> dict[str, Row]:
    """Equations of values and δs, with the shapes of these."""
    return {
        name: Row(_shaped(writer.letter(name), writer.shape(name)), writer.text(form))
        for name, form in writer.values.items()
    }


def gradient_rows(lecture: Lecture, writer: BatchWriter) -> dict[str, Row]:
    """The same for derivatives by weights."""
    found = {}
    for name, form in writer.slopes.items():
        shape = lecture.notation.shape(lecture.network.tensors[name])
        if len(shape) == 1:
            shape = (1, *shape) if writer.rows else (*shape, 1)
        left = lecture.derivative(writer.letter(name))
        found[name] = Row(_shaped(left, " \\times ".join(map(str, shape))), writer.text(form))
    return found


def _shaped(letter: str, shape: str) -> str:
    return f"\\underset{{{shape}}}{{{letter}}}" if shape else letter


def number_tables(
    lecture: Lecture, writer: BatchWriter, values: list[str]
) -> tuple[dict[str, Matrix], dict[str, Matrix]]:
    """The numbers of every matrix, and of the derivatives by weights, for a few samples of a small network."""
    numbers, shape = lecture.derivation.numbers, writer.forms.shape
    if numbers is None or not lecture.small:
        return {}, {}
    stands = BatchStanding(writer.forms, numbers.samples)
    sides = [math.prod(shape(name)) if writer.sampled(name) else max(shape(name), default=1) for name in values]
    if max(stands.count, *sides, *(max(shape(name), default=1) for name in writer.slopes)) > MAX_SIDE:
        return {}, {}
    tables = {name: matrix(stands.letter(name)) for name in values if writer.shape(name)}
    opposite = lecture.notation.signs.tensors
    found = {name: [[-v for v in row] for row in t] if name in opposite else t for name, t in tables.items()}
    return found, {name: stands.total(adjoint_name(name), lecture.network.batch != "sum") for name in writer.slopes}


def _numbers(lecture: Lecture, left: str, formula: str, table: Matrix) -> Row:
    shown: list[list[Shown]] = [[lecture.show(v, MATRIX_DECIMALS) for v in line] for line in table]
    sign = relation(*(s for line in shown for s in line))
    written = bmatrix([[s.text for s in line] for line in shown])
    return Row(left, f"{formula} {sign} {written}" if formula else written, "=" if formula else sign)
