"""Colours: a symbol has one wherever it stands, the one of the picture; legible, and nothing without them is lost."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from test_formats import formulas, needs_node, node
from test_notes import complaints, needs_latex, run_latex

from codegen.formulas.hues import DARK, LIGHT, repainted, unpainted
from codegen.notes import compose as notes
from codegen.notes.lecture import Lecture
from codegen.options import Options
from codegen.outputs import KINDS
from codegen.pictures.tikz import tikz
from derive.cli import DONE, main
from derive.derivation import Derivation, derive
from derive.language.build import load
from derive.language.parser import read

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
COLOURED = Options(colour=True)
PAPER, NIGHT = "FFFEFB", "17181B"


@cache
def example(name: str) -> Derivation:
    return derive(load(read(EXAMPLES / f"{name}.spec")))


def linear(colour: str) -> list[float]:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


#: Viénot, Brettel and Mollon (1999): what protanopes and deuteranopes see of linear red, green and blue.
BLIND = {
    "protanopia": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deuteranopia": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


@pytest.mark.parametrize(("hues", "page"), [(LIGHT, PAPER), (LIGHT, "FFFFFF"), (DARK, NIGHT)])
def test_every_colour_can_be_read(hues: tuple[str, ...], page: str) -> None:
    assert min(contrast(hue, page) for hue in hues) >= 4.5


@pytest.mark.parametrize("hues", [LIGHT, DARK])
@pytest.mark.parametrize("sight", BLIND)
def test_colours_side_by_side_differ_for_readers_who_do_not_see_all(hues: tuple[str, ...], sight: str) -> None:
    """The first four, those of small networks."""
    seen = [tuple(sum(m * c for m, c in zip(row, linear(h), strict=True)) for row in BLIND[sight]) for h in hues[:4]]
    for one, other in combinations(seen, 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.07


def painted(text: str) -> dict[str, set[str]]:
    """The hues that every symbol bears."""
    found = defaultdict(set)
    for hue, symbol in re.findall(r"\\hue\{(\d)\}\{((?:[^{}]|\{[^{}]*\})*)\}", text):
        found[symbol].add(hue)
    return found


@pytest.mark.parametrize("name", ["two_two_one", "iris", "rnn", "xor"])
def test_a_symbol_keeps_its_colour_everywhere(name: str) -> None:
    text = notes.render(example(name), "net.spec", COLOURED)
    found = painted(text)
    assert len(found) > 5
    assert {symbol: hues for symbol, hues in found.items() if len(hues) != 1} == {}


def test_it_is_the_colour_of_the_picture() -> None:
    """figures.md, 1: the weights into one unit share a colour."""
    lecture = Lecture(example("two_two_one"), COLOURED)
    figure = lecture.drawn()
    assert figure is not None
    found = painted(notes.render(example("two_two_one"), "net.spec", COLOURED))
    arrows = {edge.label: str(edge.colour) for edge in figure.edges}
    assert len(arrows) == 6
    assert {label: found[label] for label in arrows} == {label: {hue} for label, hue in arrows.items()}
    assert found["w_{1}"] == found["w_{2}"] != found["w_{3}"] == found["w_{4}"] != found["w_{5}"] == found["w_{6}"]
    assert "\\hue" not in tikz(figure)


@pytest.mark.parametrize("name", ["two_two_one", "iris"])
def test_colours_change_nothing_else(name: str) -> None:
    """Lines end where they did, and the notes grow by less than a third."""
    plain, coloured = (notes.render(example(name), "net.spec", options) for options in (Options(), COLOURED))
    assert unpainted(coloured) == plain
    assert len(coloured) < 4 / 3 * len(plain)
    assert "\\hue{" not in plain


def test_formats_have_commands_of_their_own() -> None:
    markdown = notes.render_markdown(example("two_two_one"), "net.spec", COLOURED)
    page = notes.render_page(example("two_two_one"), "net.spec", COLOURED)
    quarto = KINDS[".qmd"].render(example("two_two_one"), "net.spec", Path("net.qmd"), COLOURED)
    assert "\\hue" not in f"{markdown}{page}{quarto}"
    assert f"\\textcolor{{#{LIGHT[0]}}}{{w_{{1}}}}" in markdown
    assert '<mrow class="hue0">' in page
    assert all(f"--hue{n}: #{hue};" in page for hues in (LIGHT, DARK) for n, hue in enumerate(hues))
    assert repainted("\\hue{2}{w}", lambda hue: f"\\c{hue}") == "\\c2{w}"


@needs_node
def test_katex_takes_the_colours() -> None:
    found = formulas(notes.render_markdown(example("two_two_one"), "net.spec", COLOURED))
    assert node("katex.mjs", stdin=json.dumps(found)) == []


@needs_latex
def test_latex_takes_the_colours(tmp_path: Path) -> None:
    (tmp_path / "notes.tex").write_text(notes.render(example("two_two_one"), "net.spec", COLOURED), encoding="utf-8")
    run_latex(tmp_path, "-draftmode")
    assert complaints(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "expected"), [("", False), ("--colour", True), ("--color", True), ("--colour --no-color", False)]
)
def test_the_command_line_switches_them(
    words: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(EXAMPLES / "gradient_descent.spec"), "-q", "-o", "net.tex", *words.split()]) == DONE
    assert ("\\hue{" in Path("net.tex").read_text("utf-8")) == expected
