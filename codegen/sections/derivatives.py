"""The sections that derive: the update rule, the derivatives layer by layer, every weight step by step, the proof."""

from __future__ import annotations

import re
from dataclasses import replace

import sympy

from codegen.notes.document import Row, Section
from codegen.notes.lecture import Lecture
from codegen.pictures.graphs import figure_of
from codegen.sections.indices import closed_rows
from derive.expressions import Access, Within, accesses
from derive.gradient import adjoint_name
from derive.network import Scan, flatten
from derive.scalars import adjoint
from derive.steps import ElementDerivation
from derive.tidy import RULES

MAX_WAYS = 12  # derivations with a picture of the ways they follow
SHOWN = (1, 2, 3, 10, 100)  # updates whose learning rate is stated
ALIKE = 2  # derivatives of layers that are alike, to be shown in steps
ONE_PAGE = 16  # updates that stand in one block on one page

#: What the forms of the proof are, in words.
FORMS = {
    "complex step": "the loss at $w + ih$, its imaginary part",
    "central difference": "the losses at $w + h$ and $w - h$",
    "matrix form": "the products of matrices, multiplied out",
    "vector form": "the vectors of one sample, at every time",
    "batch form": "the matrices of a batch",
    "chain rule": "every line of the derivations",
    "chain rule in indices": "every line, numbers put in for its indices",
    "closed form": "the formula of every weight",
    "expanded form": "the same down to inputs and weights",
    "direct derivative": "SymPy's derivative of the whole loss",
}


def update_rule(lecture: Lecture) -> Section:
    optimizer = lecture.network.optimizer
    section = Section("The update rule")
    section.say(
        f"Training looks for weights that make ${lecture.loss}$ small. Where $\\partial {lecture.loss} / \\partial w$ "
        f"is positive, a smaller $w$ makes ${lecture.loss}$ smaller; where it is negative, a larger $w$ does. So every "
        "weight takes a small step against its derivative:"
    )
    if optimizer.is_plain_descent:
        section.display(annotated(lecture))
    else:
        section.display(*lecture.update_rows(None, optimizer.gradient))
        section.say(f"with {'; '.join(quantities(lecture))}.")
    constant = [lecture.setting(s).inline for s in optimizer.settings if s != optimizer.rate or not optimizer.schedule]
    if optimizer.schedule is not None:
        letter, formula = lecture.writer.symbol(optimizer.rate.name), lecture.writer.line(optimizer.schedule)
        section.say("The learning rate is another one in every update, number $k = 1, 2, \\dots$:")
        section.display(Row(letter, formula))
        first = ", ".join(lecture.setting(optimizer.rate, k).inline for k in SHOWN)
        section.say(f"so {first} and so on.")
    here = f"Here {', '.join(constant)}. " if constant else ""
    section.say(f"{here}All updates use the old weights on their right-hand sides.")
    if is_linear(lecture):
        section.say(
            f"None of these derivatives depends on a weight: ${lecture.loss}$ is linear in the weights, its slopes are "
            f"the same everywhere. So ${lecture.loss}$ has no least value, and descent on it never ends."
        )
    if len(lecture.network.samples) > 1:
        word = "sum" if lecture.network.batch == "sum" else "mean"
        section.say(f"With several samples, the derivative is the {word} of the samples' derivatives.")
    section.code(lambda: lecture.cells.update_rule(SHOWN))
    return section


def annotated(lecture: Lecture) -> Row:
    """The rule of gradient descent with a word under each of its quantities."""
    optimizer = lecture.network.optimizer
    words = {
        optimizer.weight: _under("w", "old weight"),
        optimizer.rate: _under(lecture.writer.symbol(optimizer.rate.name), "learning rate"),
        optimizer.gradient: _under(lecture.derivative("w"), "derivative of ", lecture.loss),
    }
    ((symbol, body),) = optimizer.updates
    lecture.writer.numbers = words
    right = lecture.writer.line(body, optimizer.order(symbol))
    lecture.writer.numbers = {}
    new, arrow = lecture.new("w")
    return Row(_under(new, "new weight"), right, relation=arrow)


def _under(formula: str, words: str, symbol: str = "") -> str:
    return f"\\underbrace{{{formula}}}_{{\\text{{{words}}}{' ' * bool(symbol)}{symbol}}}"


def quantities(lecture: Lecture) -> list[str]:
    """What the letters in the optimizer's equations mean, settings apart."""
    optimizer = lecture.network.optimizer
    found = [f"$g = {lecture.derivative('w')}$"]
    if any(body.has(optimizer.count) for _, body in optimizer.updates):
        found.append("$k = 1, 2, \\dots$ the number of the update")
    zero = [s for s in optimizer.states if optimizer.starts.get(s, sympy.Integer(0)) == 0]
    for state in optimizer.states:
        if state not in zero:
            start = lecture.writer.line(optimizer.starts[state])
            letter = lecture.writer.symbol(state.name)
            found.append(f"${letter}$, kept from update to update, which starts at ${start}$")
    if zero:
        letters = [f"${lecture.writer.symbol(s.name)}$" for s in zero]
        several = len(letters) > 1
        listed = " and ".join(filter(None, [", ".join(letters[:-1]), letters[-1]]))
        found.append(f"{listed}, kept from update to update, which start{'' if several else 's'} at zero")
    return found


def is_linear(lecture: Lecture) -> bool:
    """Whether no derivative depends on a weight, directly or through a value."""
    closed = [lecture.sweep.adjoints[w.name].closed for w in lecture.network.weights]
    read = [a for c in closed if c is not None for a in accesses(c)]
    roles = {lecture.notation.tensors[a.tensor].role for a in read}
    return None not in closed and roles <= {"input", "target", "mask", "constant"}


def backward(lecture: Lecture) -> Section:
    """The derivative equations from the loss backwards, in index form, with the rules that shaped them."""
    section = Section("The derivatives, layer by layer")
    deltas = lecture.sweep.deltas
    if deltas:
        names = ", ".join(
            f"${lecture.delta(d)} = {lecture.minus}\\partial {lecture.loss} / "
            f"\\partial {lecture.place(lecture.generic(d))}$"
            for d in deltas
        )
        section.say(
            f"The chain rule, applied from the loss backwards. What several weights share is named once: {names}."
        )
    else:
        section.say("The chain rule gives")
    if any(eq.body.has(Within) for eq in flatten(lecture.sweep.equations)):
        section.say("A condition in square brackets is 1 where it holds and 0, with all that it multiplies, elsewhere.")
    said: set[str] = set()
    kinds: list[str] = []
    for name in [*deltas, *(w.name for w in lecture.network.weights)]:
        text = _through_time(lecture, name)
        if text and text not in said:
            section.say(text)
            said.add(text)
        _layer_block(lecture, section, name, kinds)
        section.code(lambda it: lecture.cells.layer(it), name)
    section.code(lambda: lecture.cells.as_functions())
    if not lecture.small:
        section.code(lambda: lecture.cells.updates())
    return section


def _through_time(lecture: Lecture, name: str) -> str:
    """What to know about the derivatives of a recurrence, for one that belongs to it."""
    for step in lecture.sweep.equations:
        if isinstance(step, Scan) and any(eq.lhs.tensor == adjoint_name(name) for eq in step.equations):
            time = lecture.writer.index(step.index)
            return (
                f"What is computed at time ${time}$ reaches the loss through later steps as well, so time runs "
                f"backwards here, from ${time} = {step.last}$ down to ${time} = {step.first}$: every step needs "
                "derivatives of the one after it."
            )
    return ""


def _layer_block(lecture: Lecture, section: Section, name: str, kinds: list[str]) -> None:
    """One derivative; ``kinds`` tells what the steps before it looked like, and its own are added.

    Of layers that are all alike the first ones are shown in steps, the others by analogy.
    """
    found = lecture.sweep.adjoints[name]
    element = lecture.generic(name)
    left = lecture.derivative(lecture.place(element))
    named = name in lecture.sweep.deltas
    if named:
        left = f"{lecture.delta(name)} = {lecture.minus}{left}"
    equations = [eq for eq in flatten(lecture.sweep.equations) if eq.lhs.tensor == adjoint(element).tensor]
    if found.closed is None:
        section.say(f"Contributions to ${left}$ are added one after the other:")
        left = ""
    steps = lecture.derivation.index_lines.get(name) if lecture.options.detail != "brief" else None
    if steps is not None:
        (general,) = (eq for eq in equations if eq.lhs.indices == element.indices)
        shown = closed_rows(lecture, steps, left, general, named)
        kind = re.sub(r"\d+", "", "".join(row.right for row in shown))
        by_analogy = kinds.count(kind) >= ALIKE and lecture.options.detail != "full"
        if by_analogy:
            shown = [replace(shown[-1], left=left, remark="by analogy")]
        kinds.append(kind)
        section.display(*shown)
        equations.remove(general)
        if by_analogy and not equations:
            return
    rows = []
    for eq in equations:
        side = left if eq.lhs.indices == element.indices else ""
        eq_shown = lecture.notation.signs.definition(eq) if side and named else eq
        side = side or lecture.derivative(lecture.writer.access(Access(name, *eq.lhs.indices)))
        sign = "\\mathrel{+}=" if eq.accumulate else "="
        rows.append(Row(side, lecture.writer.equation(eq_shown), sign, number=lecture.number(eq)))
    if rows:
        section.display(*rows)
    reasons = [RULES[r] for r in found.rules]
    if reasons:
        section.say(f"Rules used: {'; '.join(reasons)}.", "aside")


def every_weight(lecture: Lecture) -> list[Section]:
    """Chain rule, substitution, differentiation, named quantities and update for every weight that is shown.

    The δs that a shown weight needs come before; the other weights follow by analogy, and all updates are listed.
    """
    lines, total = lecture.derivation.lines, sum(w.size for w in lecture.network.weights)
    every = len(lecture.chosen) == total
    if not lecture.chosen:
        return []
    section = Section("Every weight, step by step" if every else "Chosen weights, step by step")
    if not every:
        section.say("The other weights follow by analogy; all their updates stand in the table after this section.")
    needed = lines.keys() if every else _needed(lecture)
    for element, derived in lines.items():
        if element not in needed:
            continue
        is_weight = element.tensor in lecture.sweep.weights
        _steps(lecture, section, derived, "" if is_weight else lecture.writer.access(adjoint(element)), is_weight)
        if is_weight:
            section.say("Hence the update")
            section.display(*lecture.update_rows(element, derived.result))
            section.code(lambda it: lecture.cells.one_update(it), derived)
    return [section]


def _needed(lecture: Lecture) -> set[Access]:
    """The shown weights, and everything whose derivative theirs are made of."""
    lines, found = lecture.derivation.lines, set(lecture.chosen)
    named = {adjoint(element): element for element in lines}
    waiting = list(found)
    while waiting:
        for a in accesses(lines[waiting.pop()].result):
            element = named.get(a)
            if element is not None and element not in found:
                found.add(element)
                waiting.append(element)
    return found


def _steps(lecture: Lecture, section: Section, derived: ElementDerivation, name: str, drawn: bool) -> None:
    element = lecture.place(derived.element)
    minus = lecture.minus if name else ""
    section.head(f"{name + ' = ' if name else ''}{minus}\\partial {lecture.loss} / \\partial {element}")
    graph = lecture.graph
    if drawn and graph is not None and graph.whole and len(lecture.derivation.lines) <= MAX_WAYS:
        names, way = lecture.writer.access, graph.way(derived.element)
        section.picture(figure_of(graph, f"The ways of {derived.element} to the prediction", names, names, way=way))
    left = minus + lecture.derivative(element)
    signed = lecture.notation.signs.defining if name else lecture.notation.signs.line
    rows = []
    for step in derived.steps:
        rows.append(Row(left, lecture.writer.line(signed(step.after)), remark=step.rule))
        left = ""
    if name:
        rows.append(Row("", name))
    section.display(*rows)
    uses = [(a, b) for step in derived.steps for a, b in step.uses]
    if uses:
        facts = ", ".join(f"${lecture.writer.line(a)} = {short(lecture, b)}$" for a, b in dict(uses).items())
        section.say(f"with {facts}.", "with")
    section.code(lambda it: lecture.cells.steps(it), derived)


def short(lecture: Lecture, expression: sympy.Expr) -> str:
    return lecture.writer.line(expression, lecture.orders.get(expression, ()))


def all_updates(lecture: Lecture) -> Section:
    section = Section("All updates")
    weights = list(reversed([e for w in lecture.network.weights for e in w.elements()]))
    optimizer = lecture.network.optimizer
    rows = []
    for weight in weights:
        written = lecture.update_rows(weight, lecture.scalars.gradient(weight))
        rows += written[:1] if optimizer.repeats_gradient else written
    if optimizer.repeats_gradient:
        section.say("The derivatives that the equations of the update rule take for $g$, one for each weight:")
    else:
        section.say("Every new weight, from the old ones alone:")
    section.display(*rows, together=len(rows) <= ONE_PAGE)
    section.code(lambda: lecture.cells.updates())
    return section


def proof(lecture: Lecture) -> Section:
    section = Section("How these formulas were checked")
    proof = lecture.derivation.proof
    where = " at narrow sizes (the formulas hold for any width)" if proof.narrow else ""
    section.say(
        f"Before they were printed, all derivatives were compared{where} at {proof.points} random points in 50-digit "
        "arithmetic with what was found in other ways; the largest differences:"
    )
    rows = [(c.name, FORMS[c.name], f"{c.comparisons}", _power(c.error)) for c in proof.checks]
    section.terms(("form", "what is compared", "number", "difference"), *rows)
    section.code(lambda: lecture.cells.proof())
    return section


def _power(error: float) -> str:
    if error == 0:
        return "none"
    return f"below $10^{{{int(f'{error:e}'.split('e')[1]) + 1}}}$"
