"""Pictures of networks: who is joined to whom by which weight, and that SVG and TikZ draw it."""

from __future__ import annotations

import re
from math import hypot
from pathlib import Path
from xml.etree import ElementTree

import pytest

from codegen.notes.compose import render_page
from codegen.notes.lecture import Lecture
from codegen.pictures.figure import RADIUS, Figure, Labels, curve
from codegen.pictures.graphs import figure_of
from codegen.pictures.svg import svg
from codegen.pictures.tikz import tikz
from derive.cli import main
from derive.derivation import derive
from derive.diagnostics import Source
from derive.expressions import Access
from derive.language.build import load
from derive.language.parser import read

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SVG = "{http://www.w3.org/2000/svg}"


def lecture(text: str) -> Lecture:
    return Lecture(derive(load(Source("net.spec", text))))


def example(name: str) -> Lecture:
    return Lecture(derive(load(read(EXAMPLES / f"{name}.spec"))))


def joined(figure: Figure) -> set[tuple[str, str, str]]:
    return {(figure.nodes[e.start].label, e.label, figure.nodes[e.end].label) for e in figure.edges}


def test_the_network_of_the_document_is_drawn_as_there():
    figure = example("two_two_one").drawn()
    assert joined(figure) == {
        ("i_{1}", "w_{1}", "h_{1}"),
        ("i_{2}", "w_{2}", "h_{1}"),
        ("i_{1}", "w_{3}", "h_{2}"),
        ("i_{2}", "w_{4}", "h_{2}"),
        ("h_{1}", "w_{5}", "\\mathit{prediction}"),
        ("h_{2}", "w_{6}", "\\mathit{prediction}"),
    }
    assert [b.title for b in figure.boxes] == ["Inputs", "Hidden", "Output"]
    colours = {(e.end, e.colour) for e in figure.edges}
    assert len(colours) == len({end for end, _ in colours}) == len({colour for _, colour in colours})


def test_an_activation_is_part_of_its_unit_and_a_bias_stands_below():
    figure = example("xor").drawn()
    assert sum(n.look == "hidden" for n in figure.nodes) == 4
    assert [n.below for n in figure.nodes if n.look == "output"] == ["+\\, b^{(2)}_{1}"]


def test_of_many_units_the_first_and_the_last_are_drawn_with_dots_between():
    figure = example("digits").drawn()
    labels = [n.label for n in figure.nodes if n.look == "input"]
    assert labels == ["x_{1}", "x_{2}", "x_{3}", "x_{64}"]
    assert sum(n.look == "dots" for n in figure.nodes) == 4
    assert not any(e.label for e in figure.edges)


def test_the_ways_from_a_weight_to_the_prediction():
    drawn = example("two_two_one")
    way = drawn.graph.way(Access("W1", 2, 1))  # w3, from i1 to h2
    assert way == {Access("W1", 2, 1), Access("h", 2), Access("W2", 1, 2), Access("prediction")}
    figure = figure_of(drawn.graph, "ways", drawn.writer.access, drawn.writer.access, way=way)
    assert {e.label for e in figure.edges if e.emphasis == "strong"} == {"w_{3}", "w_{6}"}


def test_a_function_of_weights_is_drawn_as_its_equations():
    figure = lecture("weight x, y, z\nq = x + y\nloss f = q * z\n").drawn()
    assert joined(figure) == {("x", "", "q"), ("y", "", "q"), ("q", "", "f"), ("z", "", "f")}
    assert "q is computed from x, y" in figure.description


def test_a_recurrence_is_drawn_without_its_past():
    figure = lecture("input x[3]\nweight u, w\nh[k] = w * h[k-1] + u * x[k]\ntarget t\nloss L = (h[3] - t)^2\n").drawn()
    assert ("h", "", "h") not in joined(figure)
    assert ("x", "", "h") in joined(figure)


@pytest.mark.parametrize("name", ["gru", "rnn", "digits_conv", "digits_normalised"])
def test_an_arrow_passes_by_what_stands_in_its_way(name):
    figure = example(name).drawn()
    left, top, right, bottom = figure.extent
    for e in figure.edges:
        a, b = figure.nodes[e.start], figure.nodes[e.end]
        for n in range(101):
            x, y = curve((a.x, a.y), (b.x, b.y), e.bend, n / 100)
            assert left <= x <= right
            assert top <= y <= bottom
            assert all(hypot(x - o.x, y - o.y) > RADIUS for o in figure.nodes if o not in (a, b))


def test_what_softmax_is_of_has_a_column_of_its_own():
    assert [b.title for b in example("digits").drawn().boxes] == ["Inputs", "Hidden", "Pre-activation", "Output"]


@pytest.mark.parametrize("name", ["two_two_one", "xor", "iris", "digits", "gradient_descent"])
def test_svg_is_well_formed_and_says_what_it_shows(name):
    figure = example(name).drawn()
    root = ElementTree.fromstring(svg(figure, alone=True))
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}title").text == figure.caption
    assert root.find(f"{SVG}desc").text == figure.description
    assert len(root.findall(f"{SVG}path")) == len(figure.edges)
    left, top, width, height = map(float, root.get("viewBox").split())
    for rect in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
        assert left <= x
        assert x + w <= left + width
        assert top <= y
        assert y + h <= top + height


@pytest.mark.parametrize("name", ["two_two_one", "xor", "digits"])
def test_tikz_has_every_node_and_arrow(name):
    figure = example(name).drawn()
    text = tikz(figure)
    assert len(re.findall(r"\\node.* \(n\d+\) at", text)) == len(figure.nodes)
    assert len(re.findall(r"\\draw.*\(n\d+\) (--|\.\.)", text)) == len(figure.edges)


def test_names_inside_pictures_of_one_page_differ():
    text = render_page(derive(load(read(EXAMPLES / "two_two_one.spec"))), "net.spec")
    names = re.findall(r' id="([^"]+)"', text)
    assert len(names) == len(set(names))


def test_labels_on_crossing_arrows_stand_apart():
    labels = Labels()
    first = labels.place((0, 0), (4, 2), 0.6)
    second = labels.place((0, 2), (4, 0), 0.6)
    there = [(4 * first, 2 * first), (4 * second, 2 - 2 * second)]
    assert abs(there[0][0] - there[1][0]) > 0.6 or abs(there[0][1] - there[1][1]) > 0.4


def test_a_picture_is_a_kind_of_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["-q", str(EXAMPLES / "two_two_one.spec"), "-o", "net.svg"]) == 0
    ElementTree.parse("net.svg")


def test_a_convolution_reads_what_it_is_computed_from():
    """q[i+u-2] looks beside, not back in time."""
    figure = example("digits_conv").drawn()
    assert {("q", "", "z"), ("h", "", "m"), ("m", "", "z^{(1)}")} <= joined(figure)
