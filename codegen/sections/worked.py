"""The worked example: formula = numbers put in = value, for everything the notes derive.

Full precision is carried throughout; what is printed is rounded, and ``=`` stands only between numbers whose printed
digits are all there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import sympy

from codegen.formulas.layout import Shown, relation
from codegen.formulas.matrices import Grid, bmatrix, factored, grid
from codegen.notes.document import Row, Section
from codegen.notes.lecture import Lecture
from codegen.pictures.graphs import figure_of
from derive.evaluate import Number, Values, compile_scalar, number
from derive.expressions import Access, accesses, rename
from derive.network import Tensor
from derive.numbers import WorkedNumbers, at
from derive.scalars import adjoint
from derive.steps import delta_elements

MAX_REMARKS = 4  # weights for which a sentence says what the sign means
APPROXIMATELY = "\\approx"
PICTURE_DECIMALS = 4  # of the numbers in a picture
COUNTED = "no one two three four five six seven eight nine ten eleven twelve".split()
MAX_SAMPLES = 6  # columns of the table of per-sample derivatives


def worked_sections(lecture: Lecture) -> list[Section]:
    """The sections with numbers, or none where the specification gives no numbers."""
    numbers = lecture.derivation.numbers
    if numbers is None:
        return []
    worked = Worked(lecture, numbers)
    if not lecture.small or lecture.options.detail == "brief":
        return [worked.summary()]
    return [worked.forward(), worked.backward(), worked.updates(), *worked.matrices(), worked.after()]


class Worked:
    """Formulas with the numbers of the first sample put in."""

    def __init__(self, lecture: Lecture, numbers: WorkedNumbers) -> None:
        self.lecture, self.numbers = lecture, numbers
        self.signs = lecture.notation.signs
        self.first: Values = self.signs.values(numbers.samples[0])
        self.marks: dict[sympy.Expr, str] = {}

    # formulas with numbers

    def put_in(self, expression: sympy.Expr, values: Values, order: tuple[str, ...] = ()) -> tuple[str, bool]:
        """The expression with the number of every element in its place, and whether all of them are exact."""
        writer = self.lecture.writer
        shown = {a: self.lecture.show(at(values, a)) for a in accesses(expression)}
        writer.numbers = {a: s.text for a, s in shown.items()}
        try:
            return writer.line(expression, order), all(s.exact for s in shown.values())
        finally:
            writer.numbers = {}

    def line(self, left: str, formula: sympy.Expr, value: Number, values: Values, order: tuple[str, ...] = ()) -> Row:
        """``left = formula = numbers = value``."""
        formula = self.signs.expression(formula)
        self.lecture.writer.numbers = self.marks
        text = self.lecture.writer.line(formula, order)
        numbers, exact = self.put_in(formula, values, order)
        result = self.lecture.show(value)
        parts = [text]
        if numbers != text and numbers != result.text:
            parts.append(("=" if exact else APPROXIMATELY) + f" {numbers}")
        sign = relation(result) if exact else APPROXIMATELY
        if result.text != text:
            parts.append(f"{sign} {result.text}")
        return Row(left, " ".join(parts))

    def named(self, delta: Access, form: sympy.Expr) -> Row:
        """The number of a δ; ``form`` is equal to the derivative, ``delta``."""
        if self.lecture.minus:
            value, form = -at(self.first, delta), self.signs.defining(form)
        else:
            value = at(self.first, delta)
        return self.line(self.lecture.writer.access(delta), form, value, self.first)

    # sections

    def forward(self) -> Section:
        lecture = self.lecture
        section = Section("The numbers: forward pass")
        several = len(self.numbers.samples) > 1
        section.say(("For the first sample, with " if several else "With ") + self.given() + " we get")
        self.picture(section, "Forward pass", self.first)
        section.display(*self.forward_rows(self.first))
        section.code(lambda: lecture.cells.first_values())
        if several:
            rows = []
            for n, sample in enumerate(self.numbers.samples, 1):
                value = lecture.show(sample[lecture.network.loss][()])
                rows.append(Row(f"{lecture.loss}_{{{n}}}", value.text, relation=relation(value)))
            total = lecture.show(self.numbers.loss)
            word = "sum" if lecture.network.batch == "sum" else "mean"
            section.say(f"The losses of the samples and their {word} are")
            section.display(*rows, Row(lecture.loss, total.text, relation=relation(total)))
            section.code(lambda: lecture.cells.batch_losses())
        decimals = lecture.options.decimals
        places = f"{COUNTED[decimals] if decimals < len(COUNTED) else decimals} place{'s' * (decimals > 1)}"
        section.say(
            f"Printed numbers are rounded to {places}; $=$ stands where nothing was lost, $\\approx$ elsewhere, and "
            "every further step uses the full precision."
        )
        return section

    def picture(self, section: Section, caption: str, values: Values) -> None:
        """The network with its numbers, where it can be drawn unit by unit."""
        if self.lecture.graph is not None and self.lecture.graph.whole:

            def text(element: Access) -> str:
                return self.lecture.show(at(values, element), PICTURE_DECIMALS).text

            section.picture(figure_of(self.lecture.graph, caption, text, text))

    def slopes(self, section: Section) -> None:
        """The derivatives on the network, their arrows turned round: how the error flows back."""
        graph = self.lecture.graph
        if graph is None or not graph.whole:
            return

        def unit(element: Access) -> str:
            found = self.lecture.sweep.adjoints.get(element.tensor)
            if found is None or found.closed is None:
                return self.lecture.writer.access(element)
            places = dict(zip(found.indices, element.indices, strict=True))
            closed = rename(found.closed, {i: n for i, n in places.items() if i.is_Symbol})
            value = compile_scalar(self.lecture.scalars.named(closed))({}, self.first)
            return self.lecture.show(value, PICTURE_DECIMALS).text

        def weight(element: Access) -> str:
            return self.lecture.show(at(self.first, adjoint(element)), PICTURE_DECIMALS).text

        section.picture(figure_of(graph, "Backward pass: derivatives of the loss", unit, weight, backward=True))

    def given(self) -> str:
        """The inputs, targets and weights of the first sample in words."""
        lecture = self.lecture
        parts = []
        for tensor in lecture.network.tensors.values():
            if tensor.role in ("count", "input", "target", "mask", "weight", "constant"):
                for e in tensor.elements():
                    value = lecture.show(at(self.first, e))
                    parts.append(f"${lecture.writer.access(e)} {relation(value)} {value.text}$")
        return ", ".join(parts)

    def forward_rows(self, values: Values, renewed: bool = False) -> list[Row]:
        """Every value with its formula and its numbers; what is ``renewed`` by an update bears the new mark."""
        lecture, rows = self.lecture, []
        if renewed and lecture.notation.marks_new:
            changed = [t for t in lecture.network.tensors.values() if t.role in ("weight", "value") and not t.anonymous]
            self.marks = {e: lecture.new(lecture.writer.access(e))[0] for t in changed for e in t.elements()}
        for eq in lecture.network.flat_equations:
            tensor = lecture.network.tensors[eq.lhs.tensor]
            for element in tensor.elements() if not tensor.anonymous else ():
                definition = lecture.scalars.definition(element)
                if definition is not None and not (definition == 0 and tensor.first):
                    left = self.marks.get(element) or lecture.writer.access(element)
                    rows.append(self.line(left, definition, at(values, element), values, lecture.order(eq)))
        self.marks = {}
        return rows

    def backward(self) -> Section:
        lecture = self.lecture
        section = Section("The numbers: derivatives")
        section.say("From the loss backwards, with the values of the forward pass:")
        self.slopes(section)
        rows = []
        for name in lecture.sweep.deltas:
            for delta in map(adjoint, delta_elements(lecture.scalars, name)):
                form = lecture.scalars.definition(delta)
                if form is not None:
                    rows.append(self.named(delta, form))
        for weight in self.weights():
            left = lecture.derivative(lecture.writer.access(weight))
            rows.append(self.line(left, lecture.scalars.gradient(weight), at(self.first, adjoint(weight)), self.first))
        section.display(*rows)
        section.code(lambda: lecture.cells.first_slopes())
        if len(self.weights()) <= MAX_REMARKS:
            section.say(" ".join(self.meaning(w) for w in self.weights()))
        if len(self.numbers.samples) > 1:
            self.table(section)
        return section

    def meaning(self, weight: Access) -> str:
        """What the sign of a derivative says about its weight."""
        lecture = self.lecture
        value = at(self.numbers.gradient, weight)
        slope = f"$\\partial {lecture.loss} / \\partial {lecture.writer.access(weight)}$"
        if value == 0:
            return f"{slope} is zero: a small change of ${lecture.writer.access(weight)}$ changes nothing."
        word, sign = ("smaller", "positive") if value > 0 else ("larger", "negative")
        return f"{slope} is {sign}: a {word} ${lecture.writer.access(weight)}$ makes ${lecture.loss}$ smaller."

    def weights(self) -> list[Access]:
        return [e for w in self.lecture.network.weights for e in w.elements()]

    def table(self, section: Section) -> None:
        """Per-sample derivatives and their mean or sum."""
        lecture, samples = self.lecture, self.numbers.samples[:MAX_SAMPLES]
        word = "sum" if lecture.network.batch == "sum" else "mean"
        section.say(f"The same for every sample, and the {word} over the batch:")
        head = ("", *(f"sample {n}" for n in range(1, len(samples) + 1)), word)
        rows = []
        for weight in self.weights():
            cells = [lecture.show(at(s, adjoint(weight)), 4).text for s in samples]
            cells.append(lecture.show(at(self.numbers.gradient, weight), 4).text)
            left = f"\\partial {lecture.loss} / \\partial {lecture.writer.access(weight)}"
            rows.append((left, *cells))
        section.table(head, *rows)
        section.code(lambda: lecture.cells.table(MAX_SAMPLES))

    def updates(self) -> Section:
        lecture = self.lecture
        optimizer = lecture.network.optimizer
        section = Section("The numbers: updates")
        rate = lecture.setting(optimizer.rate)
        section.say(f"With the learning rate {rate.inline} and the old weights on every right-hand side:")
        section.display(*(r for weight in reversed(self.weights()) for r in self.update_rows(weight)))
        section.code(lambda: lecture.cells.updated())
        return section

    def update_rows(self, weight: Access) -> list[Row]:
        """The optimizer's equations for one weight with the old numbers put in, states at their start."""
        lecture, optimizer = self.lecture, self.lecture.network.optimizer
        names = lecture.letters(weight)
        settings = {**optimizer.settings, optimizer.count: sympy.Integer(1)}
        known = {s: lecture.number_shown(value) for s, value in settings.items()}
        for state in optimizer.states:
            known[state] = lecture.number_shown(optimizer.start(state.name))
        known[optimizer.weight] = lecture.show(at(self.numbers.weights, weight))
        known[optimizer.gradient] = lecture.show(at(self.numbers.gradient, weight))
        rows = []
        if optimizer.repeats_gradient:
            gradient = known[optimizer.gradient]
            rows.append(Row(names[optimizer.gradient], gradient.text, relation(gradient)))
        for symbol, body in optimizer.updates:
            lecture.writer.numbers = {s: shown.text for s, shown in known.items()}
            text = lecture.writer.line(body, optimizer.order(symbol))
            lecture.writer.numbers = {}
            left, arrow = lecture.new(names[symbol])
            result = self.updated(weight, symbol)
            exact = all(shown.exact for s, shown in known.items() if body.has(s))
            if text == result.text:
                rows.append(Row(left, text, relation=arrow))
            else:
                sign = relation(result) if exact else APPROXIMATELY
                rows.append(Row(left, f"{text} {sign} {result.text}", relation=arrow))
            known[symbol] = result
        return rows

    def updated(self, weight: Access, symbol: sympy.Symbol) -> Shown:
        if symbol == self.lecture.network.optimizer.weight:
            return self.lecture.show(at(self.numbers.updated, weight))
        return self.lecture.show(at(self.numbers.states[str(symbol)], weight))

    def matrices(self) -> list[Section]:
        """The matrix updates of gradient descent with every number written out."""
        lecture, optimizer = self.lecture, self.lecture.network.optimizer
        if not optimizer.is_plain_descent or len(self.numbers.samples) > 1:
            return []
        layouts = [(w, layout) for w in reversed(lecture.network.weights) if (layout := self.layout(w)) is not None]
        if not layouts:
            return []
        section = Section("The numbers: updates as matrices")
        stated = [replace(lecture.setting(optimizer.rate), remark="learning rate")]
        for name in lecture.sweep.deltas:
            if not lecture.network.tensors[name].shape:
                delta = adjoint(Access(name))
                form = lecture.scalars.definition(delta)
                remark = f"{lecture.slope} of ${lecture.loss}$ by ${lecture.writer.access(Access(name))}$"
                stated.append(replace(self.named(delta, delta if form is None else form), remark=remark))
        section.say("With")
        section.display(*stated)
        section.say("all weights of an array change at once:")
        for weight, layout in layouts:
            section.display(*self.matrix_update(weight, layout), together=True)
        shown = [(layout.rows, lecture.step_sign(weight.name)) for weight, layout in layouts]
        section.code(lambda: lecture.cells.matrix_updates(shown))
        return [section]

    def layout(self, weight: Tensor) -> Grid | None:
        """A weight array as a matrix; none for large ones."""
        indices = self.lecture.sweep.adjoints[weight.name].indices
        return grid(weight, indices, self.lecture.notation.by_columns(weight.name))

    def matrix_update(self, weight: Tensor, layout: Grid) -> list[Row]:
        """Old minus rate times gradient, the product carried out, the result."""
        lecture, optimizer = self.lecture, self.lecture.network.optimizer
        rate, written = optimizer.settings[optimizer.rate], lecture.setting(optimizer.rate).right
        closed, sign = lecture.sweep.adjoints[weight.name].closed, lecture.step_sign(weight.name)

        def matrix(value: Callable[[Access], Number]) -> str:
            return bmatrix([[lecture.show(value(e)).text for e in r] for r in layout.rows])

        def change(e: Access) -> Number:
            return (1 if sign == "-" else -1) * number(rate) * at(self.numbers.gradient, e)

        old = matrix(lambda e: at(self.numbers.weights, e))
        left = bmatrix([[lecture.new(lecture.writer.access(e))[0] for e in r] for r in layout.rows])
        product = factored(layout, closed, lecture.scalars, partial(self.write, sign))
        parts = [f"{old} {sign} {written} \\cdot {product}"] if product else []
        parts += [f"{old} {sign} {matrix(change)}", matrix(lambda e: at(self.numbers.updated, e))]
        elements = [e for r in layout.rows for e in r]
        equal = relation(*(lecture.show(v) for e in elements for v in (change(e), at(self.numbers.updated, e))))
        first = Row(left, parts[0], relation=lecture.new("")[1])
        return [first, *(Row("", p, relation=equal) for p in parts[1:])]

    def write(self, sign: str, expression: sympy.Expr, scalar: bool = False) -> str:
        """The value of a factor of an update; in brackets where it is a negative one."""
        expression = self.lecture.unsigned(expression, sign)
        text = self.lecture.show(compile_scalar(expression)({}, self.first)).text
        return self.lecture.writer.brackets(text) if scalar and text.startswith("-") else text

    def after(self) -> Section:
        """The second forward pass, and what became of the loss."""
        lecture = self.lecture
        section = Section("The second forward pass")
        many = len(self.numbers.samples) > 1
        section.say("With the new weights" + (" the first sample gives" if many else " we get"))
        self.picture(section, "Forward pass with the new weights", {**self.numbers.after[0], **self.numbers.updated})
        section.display(*self.forward_rows(self.numbers.after[0], renewed=True))
        section.code(lambda: lecture.cells.after())
        before, now = lecture.show(self.numbers.loss), lecture.show(self.numbers.loss_after)
        verb = "fell" if self.numbers.loss_after < self.numbers.loss else "did not fall"
        of_batch = f" (the {'sum' if lecture.network.batch == 'sum' else 'mean'} over the samples)" if many else ""
        text = f"The loss{of_batch} {verb}: ${lecture.loss} {relation(before)} {before.text}$ before the update, "
        text += f"${lecture.new(lecture.loss)[0]} {relation(now)} {now.text}$ after it."
        section.say(text + self.closer())
        section.code(lambda: lecture.cells.losses())
        return section

    def closer(self) -> str:
        """Whether every scalar prediction moved towards its target; silent where that has no meaning."""
        network = self.lecture.network
        targets = network.of_role("target")
        if len(network.outputs) != 1 or len(targets) != 1 or len(self.numbers.samples) > 1:
            return ""
        output, target = network.tensors[network.outputs[0]], targets[0]
        if output.size != 1 or target.size != 1:
            return ""
        (goal,) = self.first[target.name].values()
        (old,), (new,) = self.first[output.name].values(), self.numbers.after[0][output.name].values()
        if abs(new - goal) >= abs(old - goal):
            return ""
        show, name = self.lecture.show, self.lecture.writer.access(next(iter(output.elements())))
        return (
            f" The prediction moved towards the target ${show(goal).text}$: ${name}$ went from ${show(old).text}$ to "
            f"${show(new).text}$. Both passes can now be repeated."
        )

    def summary(self) -> Section:
        """For a large network, or in brief: the loss before and after one update."""
        lecture = self.lecture
        section = Section("The numbers")
        before, now = lecture.show(self.numbers.loss), lecture.show(self.numbers.loss_after)
        section.say("For the samples of the specification the loss before and after one update is")
        section.display(
            Row(lecture.loss, before.text, relation(before), "before"),
            Row(lecture.loss, now.text, relation(now), "after"),
        )
        section.code(lambda: lecture.cells.losses())
        return section
