"""Steps in indices, for networks that are too large for every weight, and one weight of each array in full."""

from __future__ import annotations

from dataclasses import replace

from codegen.formulas.layout import relation, visible_length
from codegen.notes.document import Row, Section
from codegen.notes.lecture import Lecture
from codegen.sections.pairs import in_pairs
from codegen.sections.worked import Worked
from derive.expressions import Access
from derive.index_steps import IndexDerivation
from derive.network import Equation
from derive.numbers import at

ONE_LINE = 50.0  # characters of a chain of equalities that stands on one line
CLOSED = "named quantities"  # the last rule: its line is an equation with a number


def step_rows(lecture: Lecture, derivation: IndexDerivation, left: str, named: bool = False) -> list[Row]:
    """One row for every step, with the rule and the equations that it uses; the last of them is the closed form.

    If what is derived is ``named`` δ, the steps have its sign.
    """
    signed = lecture.notation.signs.defining if named else lecture.notation.signs.line
    rows: list[Row] = []
    for step in derivation.steps:
        used = ", ".join(f"({n})" for n in sorted({lecture.number(eq) or 0 for eq in step.uses}) if n)
        text = lecture.writer.line_in_indices(signed(step.after), derivation.ranges)
        if rows and rows[-1].right == text:
            continue
        rows.append(Row(left, text, remark=f"{step.rule} of {used}" if used else step.rule))
        left = ""
    return rows


def closed_rows(
    lecture: Lecture, derivation: IndexDerivation, left: str, equation: Equation, named: bool = False
) -> list[Row]:
    """The steps to a derivative, the last line being its equation, with its number."""
    *rows, last = step_rows(lecture, derivation, left, named)
    text = lecture.writer.equation(lecture.notation.signs.definition(equation) if named else equation)
    if last.remark != CLOSED and derivation.steps[-1].rule == CLOSED and last.right != text:
        rows, last = [*rows, last], Row("", text)
    elif rows and rows[-1].right == text:
        last = rows.pop()
    last = replace(last, right=text, remark="" if last.remark == CLOSED else last.remark)
    return [*rows, replace(last, number=lecture.number(equation))]


def one_of_each(lecture: Lecture) -> list[Section]:
    """The chosen weights, one of every array where none is asked for: indices put in, updates, numbers."""
    shown = [w for w in lecture.chosen if w.indices and w.tensor in lecture.derivation.index_lines]
    if not shown:
        return []
    section = Section("Chosen weights" if lecture.options.weights else "One weight of each array")
    section.say("With numbers in the place of the indices; the other weights of an array by analogy.")
    section.display(*(row for weight in shown for row in in_pairs(single(lecture, weight), 2 * len(shown))))
    section.code(lambda: lecture.cells.chosen(shown))
    return [section]


def single(lecture: Lecture, weight: Access) -> list[Row]:
    """The chain rule for one weight down to its closed form, on one line; its update; and the same in numbers."""
    derivation = lecture.derivation.index_lines[weight.tensor]
    pairs = zip(derivation.element.indices, weight.indices, strict=True)
    here = derivation.at({i: n for i, n in pairs if i.is_Symbol})
    left = lecture.derivative(lecture.writer.access(weight))
    steps = step_rows(lecture, here, left)
    shown = list(dict.fromkeys(row.right for row in (steps[0], steps[-1])))
    rows = [Row(left, shown[0]), *(Row("", text) for text in shown[1:])]
    if sum(map(visible_length, shown)) < ONE_LINE:
        rows = [Row(left, " = ".join(shown))]
    rows += lecture.update_rows(weight, here.result)
    numbers = lecture.derivation.numbers
    if numbers is not None:
        slope = lecture.show(at(numbers.gradient, weight))
        rows += [Row(left, slope.text, relation(slope)), *Worked(lecture, numbers).update_rows(weight)]
    return rows
