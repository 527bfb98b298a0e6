"""The matrices of a batch: what is a vector for one sample is a matrix for all of them."""

from __future__ import annotations

from codegen.formats.batchcells import MATRIX_DECIMALS, BatchCell
from codegen.formulas.batches import BatchWriter
from codegen.formulas.formwriter import COUNT
from codegen.formulas.layout import Shown, relation
from codegen.formulas.matrices import MAX_SIDE, bmatrix
from codegen.notes.document import Row, Section
from codegen.notes.lecture import Lecture
from codegen.sections.pairs import in_pairs
from derive.evaluate import Number
from derive.formproof import has_batches, in_batches
from derive.gradient import adjoint_name

Numbers = list[list[Number]]  # in rows, as they are printed


def batch_form(lecture: Lecture, section: Section) -> None:
    """The equations of a batch with the shapes of their matrices, and the numbers of a small one."""
    writer = batch_writer(lecture)
    if writer is None:
        return
    rows, gradients = value_rows(lecture, writer), gradient_rows(lecture, writer)
    if not rows or not gradients:
        return
    given = [t.name for t in lecture.network.tensors.values() if t.role in ("input", "target", "mask")]
    shapes = ", ".join(f"${writer.letter(name)}$ (${writer.shape(name)}$)" for name in given)
    section.say(
        f"For a batch of ${COUNT}$ samples, every sample a {'row' if writer.rows else 'column'}, with {shapes} and "
        f"$\\mathbf{{1}}$, a column of ones that repeats for every sample what is the same for all:"
    )
    values, deltas = ([row for name, row in rows.items() if (name[0] == "∂") is slope] for slope in (False, True))
    section.display(*in_pairs(values), *deltas, *in_pairs(list(gradients.values())))
    mean = "" if lecture.network.batch == "sum" else f"; $1/{COUNT}$ makes it their mean"

    def cell() -> BatchCell:
        return BatchCell(lecture.cells, writer.forms_of_derivatives())

    section.code(lambda: cell().source())
    section.say(f"In these products the sum over the samples is carried out{mean}.")
    tables, slopes = number_tables(lecture, writer, [*given, *rows], list(gradients))
    if tables:
        section.say("With the numbers of the samples:")
        section.display(
            *(_numbers(lecture, writer.letter(name), "", table) for name, table in tables.items()),
            *(
                _numbers(lecture, lecture.derivative(writer.letter(name)), gradients[name].right, table)
                for name, table in slopes.items()
            ),
        )
        signs = lecture.notation.signs.tensors
        section.code(lambda: cell().numbers(tables, {name for name in tables if name in signs}, list(slopes)))


def batch_writer(lecture: Lecture) -> BatchWriter | None:
    """The writer for a batch; none where samples are an index already, where there is one, or letters would clash."""
    network = lecture.network
    if not has_batches(network) or lecture.notation.numbered:
        return None
    style = lecture.notation.profile
    writer = BatchWriter(lecture.writer, style.rows if style.samples == "vectors" else style.samples == "rows")
    names = [t.name for t in network.tensors.values() if not t.anonymous and t.name != network.loss]
    letters = [writer.letter(name) for name in (*names, *map(adjoint_name, lecture.sweep.deltas))]
    clash = len(set(letters)) < len(letters) or COUNT in network.tensors
    return None if clash or len(network.samples) == 1 else writer


def value_rows(lecture: Lecture, writer: BatchWriter) -> dict[str, Row]:
    """Values in the order of the forward pass, then δs."""
    found = {}
    for eq in in_batches(lecture.network, lecture.sweep)[0]:
        text = writer.equation(eq)
        if text is not None:
            name = eq.lhs.tensor
            found[name] = Row(_shaped(writer.letter(name), writer.shape(name)), text)
    return found


def gradient_rows(lecture: Lecture, writer: BatchWriter) -> dict[str, Row]:
    """The derivatives by the weights, summed over the samples."""
    found = {}
    for eq in in_batches(lecture.network, lecture.sweep)[1]:
        name = eq.lhs.tensor.removeprefix("∂")
        text = writer.gradient(eq, lecture.network.batch != "sum")
        if text is not None:
            shape = lecture.notation.shape(lecture.network.tensors[name])
            if len(shape) == 1:
                shape = (1, *shape) if writer.rows else (*shape, 1)
            sides = " \\times ".join(map(str, shape))
            left = lecture.derivative(writer.letter(name))
            found[name] = Row(_shaped(left, sides) if sides else left, text)
    return found


def _shaped(letter: str, shape: str) -> str:
    return f"\\underset{{{shape}}}{{{letter}}}"


def number_tables(
    lecture: Lecture, writer: BatchWriter, sampled: list[str], weights: list[str]
) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    """The numbers of every matrix, and of the derivatives by weights, for a few samples of a small network."""
    numbers = lecture.derivation.numbers
    sizes = [lecture.notation.tensors[name].size for name in sampled]
    sides = [max(lecture.network.tensors[name].shape, default=1) for name in weights]
    if numbers is None or not lecture.small or max(len(numbers.samples), *sizes, *sides) > MAX_SIDE:
        return {}, {}
    found, slopes = {}, {}
    for name in sampled:
        sign = -1 if name in lecture.notation.signs.tensors else 1
        table = [[sign * v for v in sample[name].values()] for sample in numbers.samples]
        found[name] = table if writer.rows else _turned(table)
    for name in weights:
        shape, values = lecture.network.tensors[name].shape, list(numbers.gradient[name].values())
        width = shape[1] if len(shape) == 2 else 1
        table = [values[n : n + width] for n in range(0, len(values), width)]
        turned = writer.rows if len(shape) == 1 else name in lecture.notation.flipped
        slopes[name] = _turned(table) if turned else table
    return found, slopes


def _turned(table: Numbers) -> Numbers:
    return [list(column) for column in zip(*table, strict=True)]


def _numbers(lecture: Lecture, left: str, formula: str, table: Numbers) -> Row:
    shown: list[list[Shown]] = [[lecture.show(v, MATRIX_DECIMALS) for v in line] for line in table]
    sign = relation(*(s for line in shown for s in line))
    matrix = bmatrix([[s.text for s in line] for line in shown])
    return Row(left, f"{formula} {sign} {matrix}" if formula else matrix, "=" if formula else sign)
