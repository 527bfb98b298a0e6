"""Training carried on: the next updates as a table, the loss from update to update, the descent along one weight."""

from __future__ import annotations

from codegen.formulas.hues import unpainted
from codegen.notes.document import Section
from codegen.notes.lecture import Lecture
from codegen.pictures.chart import Chart, Line, Point, drawable
from derive.evaluate import Number, Values, context, forward
from derive.expressions import Access
from derive.network import Tensor
from derive.numbers import Iteration, WorkedNumbers, at

POINTS = 32  # of the curve along one weight


def training(lecture: Lecture) -> list[Section]:
    """The sections, for a small network with numbers; training that leaves the domain of the loss ends there."""
    numbers, found = lecture.derivation.numbers, lecture.iterations
    if numbers is None or len(found) < 3:
        return []
    section = Section("The next updates")
    several = len(numbers.samples) > 1
    batch = (
        f" The loss is the {'sum' if lecture.network.batch == 'sum' else 'mean'} over the samples." if several else ""
    )
    section.say(
        f"Training goes on in the same way: every update starts from the weights that the one before it left.{batch}"
    )
    output = prediction(lecture)
    head = ("update", *(["prediction for the first sample" if several else "prediction"] if output else []), "loss")
    section.table(head, *(row(lecture, iteration, output) for iteration in found))
    section.code(lambda: lecture.cells.next_updates(found, output))
    if drawable(points := tuple((float(i.updates), float(i.loss.real)) for i in found)):
        section.say("The loss from update to update:")
        section.picture(curve(lecture, found, points))
    return [section, *descent(lecture, numbers)]


def prediction(lecture: Lecture) -> Tensor | None:
    """The one number that is predicted, if it is one."""
    outputs = [lecture.network.tensors[name] for name in lecture.network.outputs]
    return (
        outputs[0] if len(outputs) == 1 and outputs[0].size == 1 and outputs[0].name != lecture.network.loss else None
    )


def row(lecture: Lecture, iteration: Iteration, output: Tensor | None) -> tuple[str, ...]:
    values = [iteration.loss]
    if output is not None:
        values.insert(0, at(iteration.samples[0], next(iter(output.elements()))))
    return (str(iteration.updates), *(lecture.show(v).text for v in values))


def curve(lecture: Lecture, found: list[Iteration], points: tuple[Point, ...]) -> Chart:
    first, last = (lecture.show(i.loss, 4).text for i in (found[0], found[-1]))
    return Chart(
        (Line(points, marked=True),),
        "\\text{update}",
        unpainted(lecture.loss),
        "The loss from update to update",
        f"A curve through {len(points)} points: the loss is ${first}$ at the start and ${last}$ after "
        f"{found[-1].updates} updates.",
    )


def descent(lecture: Lecture, numbers: WorkedNumbers) -> list[Section]:
    """The loss as a function of the weight with the steepest slope, its tangent, and the step to the new weight."""
    weights = [e for w in lecture.network.weights for e in w.elements()]
    weight = max(weights, key=lambda w: abs(at(numbers.gradient, w)))
    slope, old, new = (at(v, weight) for v in (numbers.gradient, numbers.weights, numbers.updated))
    if slope == 0 or old == new:
        return []
    reach = 6 * abs(new - old)
    middle = (old + new) / 2
    places = [middle + reach * (2 * context.mpf(n) / POINTS - 1) for n in range(POINTS + 1)]
    points = tuple((float(p), float(y)) for p in places if (y := loss_at(lecture, numbers, weight, p)) is not None)
    end = loss_at(lecture, numbers, weight, new)
    if len(points) < POINTS or end is None:
        return []
    low, high = min(y for _, y in points), max(y for _, y in points)
    start, stop = (float(old), float(numbers.loss.real)), (float(new), float(end))
    if not drawable((*points, start, stop)):
        return []
    tangent = [(x, start[1] + float(slope.real) * (x - start[0])) for x, _ in points]
    inside = tuple(p for p in tangent if low <= p[1] <= high)
    symbol, loss = lecture.writer.access(weight), lecture.loss
    plain = unpainted(symbol)
    shown = {name: lecture.show(v, 4).text for name, v in (("old", old), ("new", new), ("slope", slope))}
    section = Section("The descent along one weight")
    section.say(
        f"With all other weights as they were, ${loss}$ is a function of ${symbol}$ alone. At "
        f"${symbol} = {shown['old']}$ its slope is ${shown['slope']}$, that of the dashed tangent; the step goes "
        f"against it, to ${shown['new']}$."
    )
    lines = (Line(points), *([Line(inside[:: max(1, len(inside) - 1)], "tangent")] if len(inside) > 1 else []))
    section.picture(
        Chart(
            (*lines, Line((start,), marked=True), Line((start, stop), "step")),
            plain,
            unpainted(loss),
            f"The descent along one weight, {lecture.notation.text(weight)}",
            f"The loss as a curve over the weight ${plain}$, its tangent at the old weight, and an arrow from the "
            "point of the old weight to that of the new one.",
        )
    )
    section.code(lambda: lecture.cells.descent(weight))
    return [section]


def loss_at(lecture: Lecture, numbers: WorkedNumbers, weight: Access, place: Number) -> Number | None:
    """The loss of the batch with one weight moved; ``None`` where it has no real value."""
    network = lecture.network
    moved: Values = {**numbers.weights, weight.tensor: dict(numbers.weights[weight.tensor])}
    moved[weight.tensor][tuple(int(i) for i in weight.indices)] = place
    given = [t.name for t in network.tensors.values() if t.role in ("input", "target", "mask")]
    try:
        losses = [
            forward(network, {**moved, **{name: sample[name] for name in given}})[network.loss][()]
            for sample in numbers.samples
        ]
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    total = context.fsum(losses) / (1 if network.batch == "sum" else len(losses))
    return None if total.imag or not context.isfinite(total) else total
