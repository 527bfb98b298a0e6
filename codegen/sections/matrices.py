"""The section that says the same with matrices, as letters and written out element by element."""

from __future__ import annotations

from functools import partial

import sympy

from codegen.formulas.layout import WIDTH, visible_length
from codegen.formulas.matrices import bmatrix, factored, grid
from codegen.notes.document import Row, Section
from codegen.notes.lecture import Lecture
from codegen.sections.batches import batch_form
from codegen.sections.pairs import in_pairs
from derive.expressions import Access
from derive.network import Equation


def matrix_form(lecture: Lecture) -> list[Section]:
    section = Section("The same as matrices")
    if lecture.network.coupling:
        batch_form(lecture, section)
        if section.blocks:  # written out, every element would be a sum over the samples
            return [section]
    rows = matrix_rows(lecture)
    if rows and not lecture.notation.numbered:
        section.say(layout_of(lecture))
        section.display(*rows)
        section.code(lambda: source(lecture))
    if lecture.small:
        blocks = element_matrices(lecture)
        if blocks:
            section.say("All weights of an array at once:")
            for block in blocks:
                section.display(*block, together=True)
            section.code(lambda: lecture.cells.matrices())
    batch_form(lecture, section)
    return [section] if section.blocks else []


def source(lecture: Lecture) -> str:
    """The equations of vectors and matrices in NumPy."""
    from codegen.formats.vectorcells import VectorCell

    equations = [eq for group in lecture.vector_forms for eq, _ in group]
    return VectorCell(lecture.cells, lecture.matrix.forms_of_derivatives(), equations).source()


def layout_of(lecture: Lecture) -> str:
    """How vectors and matrices stand."""
    if not lecture.notation.profile.rows:
        return "With vectors as columns, row $i$ of a weight matrix holding the weights into unit $i$:"
    return "With vectors as rows, column $j$ of the weight matrix of a layer holding the weights into unit $j$:"


def element_matrices(lecture: Lecture) -> list[list[Row]]:
    """For gradient descent, the update of every small weight array, factored and element by element."""
    optimizer = lecture.network.optimizer
    if not optimizer.is_plain_descent:
        return []
    rate = lecture.writer.line(optimizer.rate)
    blocks = []
    for weight in reversed(lecture.network.weights):
        flipped = lecture.notation.by_columns(weight.name)
        layout = grid(weight, lecture.sweep.adjoints[weight.name].indices, flipped)
        if layout is None:
            continue
        closed, sign = lecture.sweep.adjoints[weight.name].closed, lecture.step_sign(weight.name)
        old = bmatrix([[lecture.writer.access(e) for e in r] for r in layout.rows])
        new = bmatrix([[lecture.new(lecture.writer.access(e))[0] for e in r] for r in layout.rows])
        factor = optimizer.rate if sign == "-" else -optimizer.rate
        changes = [[lecture.writer.line(factor * lecture.scalars.gradient(e)) for e in r] for r in layout.rows]
        product = factored(layout, closed, lecture.scalars, partial(_symbols, lecture, sign))
        rows = [Row(new, f"{old} {sign} {rate}\\, {product}", relation=lecture.new("")[1])] if product else []
        left = "" if rows else new
        if visible_length(bmatrix(changes)) <= WIDTH - visible_length(new):
            rows.append(Row(left, f"{old} {sign} {bmatrix(changes)}", relation="=" if rows else lecture.new("")[1]))
        if rows:
            blocks.append(rows)
    return blocks


def _left(lecture: Lecture, eq: Equation) -> str:
    """The letter of a value or a δ, or ∂L/∂W."""
    of_weight = eq.lhs.tensor.removeprefix("∂")
    if eq.lhs.tensor.startswith("∂") and of_weight not in lecture.sweep.deltas:
        return lecture.derivative(lecture.matrix.left(Access(of_weight, *eq.lhs.indices)))
    return lecture.matrix.left(eq.lhs)


def _symbols(lecture: Lecture, sign: str, expression: sympy.Expr, scalar: bool = False) -> str:
    expression = lecture.unsigned(expression, sign)
    return lecture.writer.factor(expression) if scalar else lecture.writer.line(expression)


def matrix_rows(lecture: Lecture) -> list[Row]:
    """Values, then δs, then derivatives by the weights."""
    values, deltas, gradients = (
        [Row(_left(lecture, eq), lecture.matrix.text(form)) for eq, form in group] for group in lecture.vector_forms
    )
    return [*in_pairs(values), *deltas, *in_pairs(gradients)]
