"""Slides: LaTeX takes them without a word, frames hold what stands on them, and from step to step nothing moves."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from oracles import network_of
from test_formats import EXAMPLES, example

from codegen import outputs
from codegen.formats import heights, slides
from codegen.formats.slides import Line, Piece, carried_on, clauses, frames, numbered, remarked
from codegen.notes import compose as notes
from codegen.notes.document import Row, Section
from codegen.options import Options
from derive.cli import main
from derive.derivation import derive

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
needs_pdftotext = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")


@cache
def source(name: str, detail: str = "") -> str:
    return notes.render_slides(example(name), f"{name}.spec", Options(detail=detail))


def typeset(text: str, folder: Path) -> str:
    """What LaTeX says; the PDF is in the folder."""
    (folder / "slides.tex").write_text(text, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "slides.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def handout(text: str) -> str:
    """Every frame once, whatever its steps."""
    return text.replace("\\documentclass[11pt", "\\documentclass[handout,11pt")


def too_large(told: str) -> list[str]:
    """The boxes that leave a slide."""
    return [w for w, much in re.findall(r"(Overfull \\[hv]box \(([\d.]+)pt.*)", told) if float(much) > 2]


@needs_latex
@pytest.mark.parametrize("name", [*EXAMPLES, "hostile"])
def test_every_frame_holds_what_stands_on_it(name: str, tmp_path: Path) -> None:
    told = typeset(handout(source(name)), tmp_path)
    assert too_large(told) == []
    assert "undefined" not in told


@needs_latex
def test_all_that_there_is_to_say_fits_as_well(tmp_path: Path) -> None:
    assert too_large(typeset(handout(source("xor", "full")), tmp_path)) == []


@needs_latex
def test_fractions_inside_fractions_have_the_height_of_their_exponents(tmp_path: Path) -> None:
    spec = """input i1
target t2[3]
target t3
h1 = tanh(linear(i1))
h2[3] = dense(h1)
h3[2] = softmax(dense(i1))
loss L = cosine(h2, t2) + -log(h3[t3])
"""
    text = notes.render_slides(derive(network_of(spec)), "net.spec")
    assert too_large(typeset(handout(text), tmp_path)) == []


@needs_latex
def test_remarks_and_brackets_have_the_height_that_they_take(tmp_path: Path) -> None:
    """A remark that has no room beside its formula stands below it, and brackets of a broken line are high."""
    specs = {
        "remark": """input i1[2]
weight w1[1]
target t2
h1[i] = sum(u: w1[u] * i1[i+u-1])
h2[3] = softmax(dense(h1))
loss L = -log(h2[t2]) + 0.01 * l2(w1)
""",
        "brackets": """input i1[2, 2]
input i2
target t3[3]
h1 = i2 + i2
h2[3] = dense(h1)
loss L = cosine(h2, t3) + 0.1 * sum(cos(i1))
""",
    }
    for name, spec in specs.items():
        text = notes.render_slides(derive(network_of(spec)), "net.spec")
        assert too_large(typeset(handout(text), tmp_path)) == [], name


def test_a_remark_stands_beside_the_first_line_with_room() -> None:
    """Beside the only line where LaTeX may find room, with its height in case it finds none; else on a line below."""
    text, lines = "\\remark{because}", [Line("a", "= b"), Line("", "\\quad + c")]
    for widths, places, below in (
        ((40.0, 10.0), [text, ""], 0.0),
        ((62.0, 10.0), ["", text], 0.0),
        ((62.0,), [text], heights.REMARK),
        ((80.0,), ["", ""], 0.0),
    ):
        found, more = remarked(lines[: len(widths)], "because", 62.0, list(widths))
        assert ([line.remark for line in found], more) == (places, below), widths
    assert "because" in found[-1].right


@needs_latex
@needs_pdftotext
def test_from_step_to_step_nothing_moves(tmp_path: Path) -> None:
    """Every word of a page stands in the same place on the next page of the same frame."""
    typeset(source("two_two_one", "brief"), tmp_path)
    subprocess.run(["pdftotext", "-bbox", "slides.pdf", "words.html"], cwd=tmp_path, timeout=60, check=True)
    text = (tmp_path / "words.html").read_text("utf-8")
    pages = []
    for page in re.findall(r"<page .*?</page>", text, re.DOTALL):
        words = [(w.get("xMin"), w.get("yMin"), w.text) for w in ElementTree.fromstring(page)]
        pages.append((words[-1][2], set(words)))
    shown = 0
    for (number, before), (next_number, after) in pairwise(pages):
        if number == next_number:
            assert before < after, f"frame {number}"
            shown += 1
    assert shown > 10, "there are hardly any steps"
    assert [n for n, _ in pages] == sorted((n for n, _ in pages), key=int)


def test_a_row_is_a_step_and_what_leads_to_it_appears_with_it() -> None:
    section = Section("A section")
    section.say("These are two equations:")
    section.display(Row("a", "b"), Row("", "c", remark="because"))
    section.say("with something.", "with")
    section.say("And words.")
    (frame,) = frames(section)
    assert numbered(frame.pieces) == [1, 1, 2, 2, 3]
    assert "\n\n\\ontop\n\\begin{align*}\n  a & {}= b \\\\[0.35em]\n" in frame.text
    assert "   & \\uncover<2->{{}= c} \\tag*{\\uncover<2->{\\remark{because}}}" in frame.text
    assert "\\uncover<2->{\\uses{with something.}}" in frame.text
    assert "\\uncover<3->{And words.}" in frame.text


def test_what_is_equal_stands_again_where_a_derivation_goes_on() -> None:
    section = Section("A section")
    section.head("\\partial L / \\partial w")
    section.display(Row("L", "\\frac{a}{b}"), *(Row("", f"\\frac{{a_{n}}}{{b_{n}}}") for n in range(20)))
    found = frames(section)
    assert [f.number for f in found] == list(range(1, len(found) + 1)) != [1]
    assert {f.head for f in found} == {"\\partial L / \\partial w"}
    assert all(f.pieces[0].lines[0].left == "L" for f in found)
    assert sum(len(f.pieces) for f in found) == 21
    assert carried_on(Piece(1, lines=(Line("M", "= 1"),)), "L").lines[0].left == "M"


def test_frames_are_as_few_as_can_be_and_about_equally_full() -> None:
    section = Section("A section")
    section.display(*(Row("a", f"b_{n}") for n in range(30)))
    found = frames(section)
    assert all(slides.height(f.pieces) <= slides.HEIGHT for f in found)
    assert slides.height([p for f in found for p in f.pieces]) > slides.HEIGHT * (len(found) - 1)
    counts = [len(f.pieces) for f in found]
    assert max(counts) - min(counts) <= 2


def test_rows_of_a_table_are_shared_out_equally() -> None:
    rows = tuple((f"{n}",) for n in range(23))
    assert [len(part) for part in slides.parted(rows, [1.0] * 23)] == [8, 7, 8]
    assert [len(part) for part in slides.parted(rows[:4], [6.0, 6.0, 1.0, 1.0])] == [1, 3]


def test_a_paragraph_is_parted_between_its_clauses() -> None:
    text = "One, two; three. " * 120 + "Let $f(a, b) = 1; 2$ be."
    parts = clauses(text)
    assert " ".join(parts) == text
    assert len(parts) > 1
    assert all(heights.paragraph(p) <= slides.HEIGHT for p in parts)
    assert clauses("Short, and whole.") == ["Short, and whole."]


def test_slides_are_brief_with_one_weight_of_each_array_where_nothing_is_chosen() -> None:
    choice = slides.choice(example("two_two_one"), Options(decimals=3))
    assert choice == Options(decimals=3, detail="brief", weights=("w2", "w6"))
    assert slides.choice(example("two_two_one"), Options(weights=("w1",))).weights == ("w1",)
    assert slides.choice(example("two_two_one"), Options(detail="full")) == Options(detail="full")
    text = source("two_two_one")
    assert text.count("\\framesubtitle{$\\partial \\mathit{Error} / \\partial w_{6}$}") >= 1
    assert "\\partial w_{1}" not in text.replace("\\frac", "")


def test_the_ending_tells_slides_from_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, ending in {
        "net.slides.tex": ".slides.tex", "slides.pdf": ".slides.pdf", "my.net.slides.pdf": ".slides.pdf",
        "net.tex": ".tex", "slides.v2.tex": ".tex", "myslides.tex": ".tex", "slides": "", "tex": "",
    }.items():  # fmt: skip
        assert outputs.ending(Path(name)) == ending, name
    monkeypatch.chdir(tmp_path)
    spec = str(Path(__file__).parent.parent / "examples" / "two_two_one.spec")
    assert main([spec, "-q", "-o", "net.slides.tex", "-o", "net.tex"]) == 0
    assert "{beamer}" in Path("net.slides.tex").read_text("utf-8")
    assert "{article}" in Path("net.tex").read_text("utf-8")
    assert main([spec, "-q", "-o", "net.slides.tex"]) == 0, "ours to replace"
