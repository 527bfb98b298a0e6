"""Long formulas in lines: cut in the right places, every piece whole for TeX, KaTeX and MathML, nothing too wide."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
from test_formats import formulas, needs_node, node
from test_notes import complaints, needs_latex, run_latex

from codegen.formats import page
from codegen.formats.paper import beside, terms, tex
from codegen.formulas.breaking import LEFT, broken, lines_of
from codegen.formulas.layout import WIDTH, visible_length
from codegen.formulas.matrices import bmatrix
from codegen.notes import compose as notes
from codegen.notes.document import Display, Paragraph, Row, Table, Terms
from codegen.options import Options
from derive.derivation import Derivation, derive
from derive.diagnostics import Source
from derive.language.build import load

#: Long names, long brackets, cases, exponents, roots, fractions, and matrices with long elements.
LONG = """network "Long names"
input measurement[4], humidity
define bump(z) = max(z, 0.2 * z) * exp(-(z - 0.5)^2) / sqrt(1 + z^2 + z^4)
hidden_state[3] = bump(dense(measurement))
gate[3] = sigmoid(linear(measurement)) * hidden_state
predicted_temperature7 = softplus(dense(gate)) / (1 + humidity^2 + exp(-humidity))
target observed_temperature7
loss MeanError = log(cosh(predicted_temperature7 - observed_temperature7)) + 0.01 * sum(W1^2)
init W1 = [[0.1, 0.2, -0.3, 0.45], [0.5, -0.6, 0.7, 0.85], [0.9, 0.15, 0.25, -0.35]], b1 = [0.125, 0.25, -0.5]
init W2 = [[0.1, 0.2, -0.3, 0.45], [0.5, -0.6, 0.7, 0.85], [0.9, 0.15, 0.25, -0.35]], W3 = [[1.5, -2, 0.5]], b3 = 0.1
sample measurement = [123.456, -98.7654, 0.001, 12], humidity = 0.345, observed_temperature7 = -0.000125
"""
#: A fresh matrix whose row of four is multiplied by one long sum.
ROW = """network "A row of four"
input x[3]
score2 = mish(dense(x))
hidden_state4[4] = relu(linear(score2))
target t
loss L = 0.1 * sum(cos(hidden_state4)) + (sum(hidden_state4) - t)^2
"""
#: A column of long elements, a long equality that a derivation puts in, a matrix of long numbers.
COLUMN = """network "Long elements"
input measurement[3]
target observed_temperature[4]
hidden[3] = prelu(linear(measurement), 0.2)
prediction[4] = dense(hidden)
loss L = gaussian_nll(prediction, exp(prediction), observed_temperature)
init W1 = [[-0.83, -1.17, 0.37], [0.15, -0.50, 0.80], [-0.65, 0.30, 0.63]]
init W2 = [[-1.15, -0.34, 0.17], [0.97, -0.35, 0.25], [-0.86, 1.04, 1.18], [1, -0.11, 1]]
init b2 = [0.04, 0.54, 0.21, 0.63]
sample measurement = [1.12, -1.53, -1.99], observed_temperature = [-0.43, 0.20, -0.87, -1.98]
"""


@cache
def derived(text: str) -> Derivation:
    return derive(load(Source("net.spec", text)))


FORMULAS = {
    "growing brackets": r"x\, \left(1 + \frac{a}{b} + cccccccccccccccccc + \frac{1}{2}\, dddddddddddddddd\right)^{2}",
    "a fraction": r"-\frac{aaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbb + cccccccccccccccc}{2\, N}\, x",
    "a denominator": r"\frac{y}{aaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbb + cccccccccccccccc}\, x",
    "a derivative": r"\frac{\partial\, \left[\frac{1}{2}\, (predicted - actual)^{2} + others^{2}\right]}{\partial w}",
    "a root": r"\sqrt{aaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbb + cccccccccccccccc}",
    "an absolute value": r"\left|aaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbb + cccccccccccccccc\right|",
    "cases": r"\begin{cases} aaaaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbb & xxxxxxxxxxx + yyyyyyyyyyyyyy > 0 \\ 0 & "
    r"\text{otherwise} \end{cases}",
    "brackets in brackets": r"\tanh(aaaaaaaaaaaa\, (bbbbbbbbbbbbbbbb + ccccccccccccccccccc\, dddddd) + eeeee)\, fff",
    "a column": r"-\begin{bmatrix} aaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbb + ccccc \\ dddddd \end{bmatrix}^{\top}",
    "a matrix": r"a\, (b\, c) \begin{bmatrix} aaaaaaaaaaaaaaaaa & bbbbbbbbbbbbbbbbbb & ccccccccccccccccc \end{bmatrix}",
}


@pytest.mark.parametrize("name", FORMULAS)
def test_pieces_fit_the_line_and_are_formulas_by_themselves(name: str) -> None:
    formula = FORMULAS[name]
    width = 0.78 * visible_length(formula)
    pieces = broken(formula, width)
    assert len(pieces) > 1 or name in ("cases", "a matrix", "a column")
    assert max(map(visible_length, pieces)) <= width
    for piece in pieces:
        page.math(piece, display=True)
        assert all(piece.count(a) == piece.count(b) for a, b in ("{}", ("\\left", "\\right"), ("\\begin", "\\end")))
    letters = re.compile(r"([a-e])\1{3,}")
    assert letters.findall(" ".join(pieces)) == letters.findall(formula), "nothing is lost, in the same order"


@needs_node
def test_katex_takes_every_piece() -> None:
    pieces = [
        (piece, True) for formula in FORMULAS.values() for width in (20, 35, 50) for piece in broken(formula, width)
    ]
    assert len(pieces) > 30
    assert node("katex.mjs", stdin=json.dumps(pieces)) == []


def test_what_fits_is_left_alone() -> None:
    for formula in FORMULAS.values():
        assert broken(formula, 200) == [formula]


def test_outer_places_come_before_inner_ones() -> None:
    formula = "a\\, (bbbbbbbbb + ccccccccc) + d\\, (eeeeeeeee + fffffffff)"
    assert broken(formula, 30) == ["a\\, (bbbbbbbbb + ccccccccc)", "+ d\\, (eeeeeeeee + fffffffff)"]
    assert broken("x = aaaaaaaaaa + bbbbbbbbb = cccccccccc", 25) == ["x = aaaaaaaaaa + bbbbbbbbb", "= cccccccccc"]


def test_a_quotient_is_the_product_that_it_is() -> None:
    """Written out of its fraction it may be multiplied from both sides."""
    above, below = broken(FORMULAS["a fraction"], 40), broken(FORMULAS["a denominator"], 40)
    assert " ".join(above).startswith(r"-\frac{1}{2\, N} \cdot (aaa")
    assert above[-1].endswith(r"cccccccccccccccc)\, x")
    assert " ".join(below).startswith(r"y \cdot (aaa")
    assert below[-1].endswith(r")^{-1}\, x")
    derivative = broken(FORMULAS["a derivative"], 30)
    assert derivative[0].startswith(r"\frac{\partial}{\partial w} \biggl[")
    assert derivative[-1].endswith(r"\biggr]")


def test_a_wide_left_side_does_not_push_the_others() -> None:
    wide, narrow = Row("n" * int(LEFT + 5), "a + b"), Row("x", "c" * 60)
    lines = lines_of((wide, narrow))
    assert [(line.left, line.right) for line in lines] == [
        ("", wide.left), ("", "\\quad = a + b"), ("x", "= " + "c" * 60)
    ]  # fmt: skip
    assert all(visible_length(line.right) <= WIDTH for line in lines)


def test_a_left_side_makes_way_for_what_cannot_be_cut() -> None:
    one, other = Row("n" * 20, "a + b"), Row("x", "c" * 60)
    lines = lines_of((one, other))
    assert [(line.left, line.right) for line in lines] == [
        ("", one.left), ("", "\\quad = a + b"), ("x", "= " + "c" * 60)
    ]  # fmt: skip
    assert lines_of((one, Row("x", "c" * 50)))[0].left == one.left


def test_elements_of_a_matrix_take_several_lines() -> None:
    (text,) = broken(FORMULAS["a column"], 40)
    assert text == (
        r"-\left[\begin{array}{l} aaaaaaaaaaaaaaaaa \\ \quad + bbbbbbbbbbbbbbbbbb + ccccc \\ dddddd \end{array}\right]"
        r"^{\top}"
    )


def test_a_table_that_is_too_wide_goes_on_below() -> None:
    table = Table(("", *(f"sample {n}" for n in range(1, 7)), "mean"), (("w", *["3.5066 \\cdot 10^{-8}"] * 7),) * 2)
    parts = beside(table)
    assert [part.head for part in parts] == [table.head[:6], ("", *table.head[6:])]
    assert [row for part in parts for row in part.rows] == [table.rows[0][:6]] * 2 + [("w", *table.rows[0][6:])] * 2
    assert beside(Table(("", "one"), (("w", "9" * 90),))) == [Table(("", "one"), (("w", "9" * 90),))]


def test_what_is_higher_than_a_page_is_not_kept_on_one() -> None:
    matrix = bmatrix([["x"]] * 10)
    few, many = (tex(Display((Row("a", matrix),) * n, together=True)) for n in (4, 6))
    assert few.count("\\\\*") == 3
    assert many.count("\\\\*") == 2


def test_many_names_in_a_row_of_words_stand_in_a_paragraph() -> None:
    name = "$\\mathit{predicted}^{\\mathrm{temperature}}$"
    few, many = (terms(Terms(("symbol", "meaning"), ((", ".join([name] * n), "activation"),))) for n in (1, 3))
    assert "{tabular}{lp{" in few
    assert re.search(r"\{tabular\}\{p\{0\.34\\textwidth\}p\{", many)


def test_a_long_formula_in_words_may_be_cut() -> None:
    short, long = (" + ".join(["xxxxxxxx"] * n) for n in (7, 9))
    assert tex(Paragraph(f"with $\\left({long}\\right)$ and $\\left(a\\right)$.")).strip() == (
        f"with $\\bigl({short} \\allowbreak {long.removeprefix(short + ' ')}\\bigr)$ and $\\left(a\\right)$."
    )


@needs_latex
def test_nothing_leaves_the_page(tmp_path: Path) -> None:
    """Long names and formulas, every weight written out, in the notations that write most."""
    texts = [
        notes.render(derived(spec), "net.spec", Options(notation=name, detail="full", decimals=decimals))
        for spec, name, decimals in (
            (LONG, "indexed", 6), (LONG, "deeplearning_ai", 6), (ROW, "cs231n", 6), (COLUMN, "cs231n", 15)
        )
    ]  # fmt: skip
    bodies = [text.split("\\begin{document}")[1].removesuffix("\\end{document}\n") for text in texts]
    head = texts[0].split("\\begin{document}")[0].replace("\\hfuzz=0.5pt", "\\hfuzz=2pt")
    text = "\n".join([head, "\\begin{document}", *bodies, "\\end{document}"])
    (tmp_path / "notes.tex").write_text(text, encoding="utf-8")
    run_latex(tmp_path, "-draftmode")
    assert complaints(tmp_path) == []


@needs_node
def test_katex_takes_long_formulas_in_lines() -> None:
    found = formulas(notes.render_markdown(derived(LONG), "net.spec", Options(detail="full")))
    assert any("\\bigl" in formula or "\\biggl" in formula for formula, _ in found)
    assert node("katex.mjs", stdin=json.dumps(found)) == []
