"""Training carried on in the notes: the table, the curve of the loss, the descent along one weight."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from oracles import example, network_of

from codegen import report
from codegen.notes import compose as notes
from codegen.notes.document import Picture
from codegen.notes.lecture import UPDATES, Lecture
from codegen.pictures.chart import Chart, Line, chart_svg, chart_tikz
from codegen.sections.training import training
from derive.derivation import derive
from derive.doubles import agreement
from derive.numbers import iterations

PAIR = (
    "input x\nweight w, b\ny = tanh(w * x + b)\ntarget t\nloss L = (y - t)^2\n"
    "init w = 0.5, b = 0.1\nsample x = 2, t = 1\nsample x = -1, t = 0.5\n"
)
OPTIMIZERS = {
    "sgd": "rate a = 0.1\n",
    "momentum": "optimizer momentum(a = 0.1, mu = 0.9)\n",
    "adam": "optimizer adam(a = 0.05)\n",
}


def by_hand(optimizer: str) -> list[float]:
    """The losses of PAIR's training in plain NumPy, gradients by hand."""
    x, t = np.array([2.0, -1.0]), np.array([1.0, 0.5])
    theta, losses = np.array([0.5, 0.1]), []
    m, v = np.zeros(2), np.zeros(2)
    for k in range(1, UPDATES + 2):
        y = np.tanh(theta[0] * x + theta[1])
        losses.append(float(np.mean((y - t) ** 2)))
        slope = 2 * (y - t) * (1 - y**2)
        g = np.array([np.mean(slope * x), np.mean(slope)])
        if optimizer == "sgd":
            theta = theta - 0.1 * g
        elif optimizer == "momentum":
            m = 0.9 * m - 0.1 * g
            theta = theta + m
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            theta = theta - 0.05 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
    return losses


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_optimizers_states_go_from_update_to_update(optimizer: str) -> None:
    derivation = derive(network_of(PAIR + OPTIMIZERS[optimizer]))
    found = iterations(derivation.network, derivation.sweep, derivation.numbers, UPDATES)
    assert [i.updates for i in found] == list(range(UPDATES + 1))
    assert [float(i.loss.real) for i in found] == pytest.approx(by_hand(optimizer), rel=1e-6)


def test_the_table_starts_with_the_numbers_of_the_notes() -> None:
    text = notes.render_markdown(derive(network_of(example("two_two_one"))), "net.spec")
    part = text[text.index("## The next updates") :].split("\n## ")[0]
    rows = re.findall(r"^\| \$(\d+)\$ \| \$(.*?)\$ \| \$(.*?)\$ \|$", part, re.MULTILINE)
    assert [int(n) for n, _, _ in rows] == list(range(UPDATES + 1))
    assert [prediction for _, prediction, _ in rows[:2]] == ["0.2171", "0.29041"]
    losses = [float(loss) for _, _, loss in rows]
    assert losses == sorted(losses, reverse=True)


def test_training_that_leaves_the_domain_ends_early() -> None:
    spec = "weight w\nloss L = log(w)\ninit w = 1\nrate a = 0.4\n"
    derivation = derive(network_of(spec))
    found = iterations(derivation.network, derivation.sweep, derivation.numbers, UPDATES)
    assert [i.updates for i in found] == [0, 1]
    assert training(Lecture(derivation)) == []


def test_doubles_agree_until_roundings_grow_or_a_kink_is_met() -> None:
    def found(spec: str) -> tuple[int, bool]:
        lecture = Lecture(derive(network_of(spec)))
        return agreement(lecture.network, lecture.sweep, lecture.iterations)

    assert found(example("two_two_one")) == (UPDATES + 1, False)
    assert found("weight w\nloss L = abs(w)\ninit w = 0.3\nrate a = 0.1\n") == (UPDATES + 1, True)
    assert found("weight w\nloss L = abs(w)\ninit w = 0.375\nrate a = 0.125\n") == (UPDATES + 1, False)
    chaotic, reaching = found("weight w\nloss L = sin(w)\ninit w = 0.3\nrate a = 1000\n")
    assert 2 <= chaotic < UPDATES
    assert not reaching


def test_the_step_follows_the_tangent_downhill() -> None:
    section = training(Lecture(derive(network_of(example("two_two_one")))))[1]
    chart = section.blocks[-1].figure
    curve, tangent, point, step = chart.lines
    assert step.points[0] == point.points[0]
    assert step.points[1][1] < step.points[0][1]
    (x0, y0), (x1, y1) = tangent.points
    at_old = y0 + (y1 - y0) * (step.points[0][0] - x0) / (x1 - x0)
    assert at_old == pytest.approx(step.points[0][1], rel=1e-9)
    assert min(y for _, y in curve.points) < step.points[0][1] < max(y for _, y in curve.points)


def test_a_chart_is_drawn_inside_its_frame() -> None:
    chart = Chart((Line(((0.0, 2.0), (10.0, 2.0)), marked=True),), "x", "L", "Flat", "A line")
    assert all(0 <= y <= 4.2 for _, y in map(chart.place, chart.lines[0].points))
    root = ElementTree.fromstring(chart_svg(chart, alone=True))
    assert root.get("role") == "img"
    assert chart_tikz(chart).count("\\draw") == 2


NODE = re.compile(r"\\node\[(\w+).*?\] at \((.*?),(.*?)\) \{\$(-?[\d.]+)(?: \\cdot 10\^\{(-?\d+)\})?\$\};")
Labels = list[tuple[bool, float, float, float]]  # whether it stands below, its place in the frame, its number
Points = list[list[tuple[float, float]]]


def in_latex(text: str) -> tuple[Labels, Points]:
    """A chart read back from TikZ: its labels, and the points that are joined; places are parts of the frame."""
    frame = [float(n) for n in re.search(r"\(0,0\) rectangle \((.*?),(.*?)\);", text).groups()]
    labels = [
        (kind == "below", float(x) / frame[0], float(y) / frame[1], float(number) * 10.0 ** int(power or 0))
        for kind, x, y, number, power in NODE.findall(text)
    ]
    lines = [re.findall(r"\(([\d.]+),([\d.]+)\)", line) for line in re.findall(r"\\draw\[.*?draw=.*", text)]
    return labels, [[(float(x) / frame[0], float(y) / frame[1]) for x, y in line] for line in lines]


def in_svg(text: str) -> tuple[Labels, Points]:
    """The same from SVG."""
    root = ElementTree.fromstring(text)
    box = next(e for e in root.iter() if e.get("class") == "frame")
    width, height = float(box.get("width")), float(box.get("height"))
    labels = []
    for label in (e for e in root.iter() if e.tag.endswith("text")):
        words = "".join(("^" if part.get("dy") else "") + (part.text or "") for part in label).replace("−", "-")
        if found := re.fullmatch(r"(-?[\d.]+)(?: · 10\^(-?\d+))?", words):
            below = label.get("text-anchor") == "middle"
            y = 0.0 if below else float(round(1 - float(label.get("y")) / height))  # beside the corner, clear of others
            labels.append(
                (
                    below,
                    float(label.get("x")) / width if below else 0.0,
                    y,
                    float(found[1]) * 10.0 ** int(found[2] or 0),
                )
            )
    lines = [e.get("points").split() for e in root.iter() if e.tag.endswith("polyline")]
    return labels, [
        [(float(x) / width, 1 - float(y) / height) for x, y in (p.split(",") for p in line)] for line in lines
    ]


def on_axes(labels: Labels, points: list[tuple[float, float]]) -> np.ndarray:
    """What points stand for by the labels at the ends of the axes."""
    ends = []
    for below in (True, False):
        (first, low), (last, high) = ((place[not below], n) for b, *place, n in labels if b is below)
        assert (first, last) == (0, 1)
        ends.append((low, high - low))
    return np.array([[low + part * size for part, (low, size) in zip(p, ends, strict=True)] for p in points])


@pytest.mark.parametrize("name", ["two_two_one", "rnn", "relu_two_two"])
@pytest.mark.parametrize("read", [in_latex, in_svg])
def test_the_labels_of_the_axes_tell_what_the_curves_show(
    name: str, read: Callable[[str], tuple[Labels, Points]]
) -> None:
    """Read back: the losses of the updates, and along one weight the step from the old weight to the new one."""
    derivation = derive(network_of(example(name)))
    told = json.loads(report.render(derivation, "net.spec"))
    charts = [
        block.figure
        for section in training(Lecture(derivation))
        for block in section.blocks
        if isinstance(block, Picture)
    ]
    write = chart_tikz if read is in_latex else chart_svg
    labels, (losses,) = read(write(charts[0]))
    found = on_axes(labels, losses)
    size = np.ptp(found, axis=0)
    assert np.allclose(found[:, 0], range(UPDATES + 1), atol=0.01)
    expected = [
        float(i.loss.real) for i in iterations(derivation.network, derivation.sweep, derivation.numbers, UPDATES)
    ]
    assert expected[:2] == pytest.approx([told["loss"]["value"], told["loss"]["after"]], rel=1e-12)
    assert np.allclose(found[:, 1], expected, atol=0.0006 + 0.0006 * size[1])
    labels, lines = read(write(charts[1]))
    found = on_axes(labels, lines[-1])
    weight = max(told["weights"], key=lambda w: abs(w["gradient"]))
    size = np.ptp(on_axes(labels, lines[0]), axis=0)
    assert np.allclose(found[:, 0], [weight["value"], weight["updated"]], atol=0.0006 + 0.0006 * size[0])
    assert np.isclose(found[0, 1], told["loss"]["value"], atol=0.0006 + 0.0006 * size[1])
