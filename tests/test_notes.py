"""The lecture notes: what stands in them, that LaTeX takes them, and that every printed number is right."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from chains import chain, number, rows, true_chain
from oracles import CASES, EXAMPLES, elements, example, network_of, read_latex

from codegen.formulas.notation import Notation
from codegen.notes.compose import render
from derive.derivation import Derivation, derive
from derive.network import Equation
from derive.numbers import at
from derive.scalars import adjoint
from derive.steps import delta_elements

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
needs_pdftotext = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")

NUMBERED_MOMENTUM = """
network "Momentum, numbered"
input x[2]
h[2] = sigmoid(dense(x))
y = linear(h)
target t
loss E = 1/2 * (y - t)^2
notation numbered
optimizer momentum(a = 0.1, mu = 0.9)
init w = 0.1, 0.2, -0.3, 0.4, 0.5, -0.6
init b = 0.05, -0.05
sample x = [1, -2], t = 0.5
"""
SPECS = {
    "3-3-3": """
        network "Three layers of three"
        input x[3]
        h[3] = tanh(dense(x))
        y[3] = linear(h)
        target t[3]
        loss L = 1/2 * sum((y - t)^2) + 0.01 * sum(W1^2)
        rate a = 0.05
        init W1 = [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6], [-0.7, 0.8, 0.9]], b1 = [0.01, -0.02, 0.03]
        init W2 = [[0.3, 0.2, 0.1], [-0.1, -0.2, -0.3], [0.25, 0.5, 0.75]]
        sample x = [1, -0.5, 2], t = [0.1, 0.2, -0.3]
    """,
    "ten inputs": """
        network "Ten inputs"
        input x[10]
        h[3] = tanh(linear(x))
        y = linear(h)
        target t
        loss L = 1/2 * (y - t)^2
        init W1 = 0.125, W2 = -0.5
        sample x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], t = 1
    """,
    "several samples": example("xor") + "init W1 = [[0.5, -0.5], [1, 0.25], [-1, 2], [0.75, 0.125]], b1 = 0.1\n"
    "init W2 = [[0.5, -0.25, 1, -1]], b2 = -0.2\n",
    "momentum, numbered": NUMBERED_MOMENTUM,
    "momentum, indexed": NUMBERED_MOMENTUM.replace("notation numbered\n", "").replace(
        "init w = 0.1, 0.2, -0.3, 0.4, 0.5, -0.6\ninit b = 0.05, -0.05",
        "init W1 = [[0.1, 0.2], [-0.3, 0.4]], W2 = [[0.5, -0.6]], b1 = [0.05, -0.05]",
    ),
    "scalar weights": """
        network "A straight line"
        input x
        weight m, b
        y = m * x + b
        target t
        loss L = (y - t)^2
        rate a = 0.01
        init m = 0.5, b = -1
        sample x = 2, t = 1
        sample x = -1/3, t = 0.7
        batch sum
    """,
    "function": """
        network "A function"
        weight x, y, z
        loss f = (x + y) * z
        init x = -2, y = 5, z = -4
        rate a = 0.1
    """,
    "softmax": """
        network "Softmax"
        input x[2]
        p[3] = softmax(dense(x))
        target t[3]
        loss L = cross_entropy(t, p)
        init W1 = [[1, -1], [0.5, 0.25], [-2, 1]], b1 = [0, 0.1, -0.1]
        sample x = [1, 2], t = [0, 1, 0]
    """,
    "own activation": """
        network "An activation of one's own"
        define bent(z, k) = k * sqrt(z^2 + 1) - 1 + z
        input x[2]
        weight s
        h[2] = bent(dense(x), s)
        y = dense(h)
        target t
        loss L = log(cosh(y - t)) + abs(s) + max(s, 0)
        init W1 = [[1, -1], [0.5, 0.25]], b1 = 0, W2 = [[0.3, 0.4]], b2 = 0.1, s = 0.7
        sample x = [1, 2], t = 3
    """,
    "recurrence": CASES["recurrence from a learned state"].spec,
    "mutual recurrence": CASES["mutual recurrence"].spec,
    "recurrence with numbers": """
        network "Three steps in time"
        input x[3]
        weight w, u, s
        h[0] = s
        h[t] = tanh(w * h[t-1] + u * x[t])
        target y
        loss L = 1/2 * (h[3] - y)^2
        init w = 0.5, u = -0.25, s = 0.125
        sample x = [1, -2, 0.5], y = 1
    """,
    "convolution": CASES["convolution with stride two"].spec,
    "attention": CASES["attention"].spec,
    "layer norm": CASES["layer norm"].spec,
    "maximum": CASES["maximum over an index"].spec,
    "three outputs": """
        network "Three outputs"
        input x[3]
        h[2] = sin(linear(x))
        y[3] = dense(h)
        target t[3]
        loss L = mean(log(cosh(y - t)))
        init W1 = [[-0.14, 0.17, 0.48], [0.91, -0.43, 0.3]]
        init W2 = [[0.39, -0.41], [-1.0, 0.95], [-0.4, -0.37]], b2 = [0.78, 0.17, -0.06]
        sample x = [-0.83, -0.53, 0.6], t = [-0.77, -0.22, 0.03]
    """,
    "names with digits": """
        network "Layers called h1 and h2"
        input x1[2], x2
        h1[2] = tanh(dense(x1))
        h2[2] = sigmoid(dense(h1)) * x2
        y_hat = linear(h2)
        target y_1
        loss L2 = 1/2 * (y_hat - y_1)^2
        init W1 = 0.5, b1 = 0.25, W2 = [[1, -1], [0.5, 2]], b2 = 0, W3 = [[1, -0.5]]
        sample x1 = [1, -2], x2 = 0.5, y_1 = 1
    """,
    "long words": """
        network "Long words"
        input measurement[2]
        hidden_state[2] = tanh(dense(measurement))
        predicted_temperature = dense(hidden_state)
        target observed_temperature
        loss MeanError = 1/2 * (predicted_temperature - observed_temperature)^2
        init W1 = [[1.25, -1.75], [0.125, 2.5]], b1 = 0.375, W2 = [[0.3125, 0.4375]], b2 = -0.8125
        sample measurement = [123.456, -98.7654], observed_temperature = -0.000125
    """,
}
HOSTILE = {
    "commands": r"\input{x} \write18{ls} \end{document} \undefined",
    "carets": "^^M ^^41 a^2 x_1",
    "specials": "100 % of A & B # 1 $ 2 ~ _ { } [ ]",
    "templates": "<< title >> <% if x %> {{ y }} <# z #>",
    "unicode": "naïve Größe Łódź – “Δw” 漢字 😀",
    "unbalanced": "}}{ \\",
}
#: Titles that are plain enough to be found in the text of the PDF.
SHOWN = {"specials": "100 % of A & B", "commands": r"\write18", "unbalanced": "}}{", "templates": "title"}


def spec_of(name: str) -> str:
    if name in EXAMPLES:
        return example(name)
    if name in SPECS:
        return SPECS[name]
    return f'network "{HOSTILE[name]}"\nweight x\nloss f = x^2\ninit x = 3\n'


@cache
def derivation_of(name: str) -> Derivation:
    return derive(network_of(spec_of(name)))


@cache
def tex_of(name: str) -> str:
    return render(derivation_of(name), f"{name}.spec")


# LaTeX --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def typeset(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with the PDF and the log of a specification's notes; each is made once."""

    @cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp("notes")
        (folder / "notes.tex").write_text(tex_of(name), encoding="utf-8")
        run_latex(folder, "-draftmode") if name in EXAMPLES else None
        run_latex(folder)
        return folder

    return make


def run_latex(folder: Path, *options: str) -> None:
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", *options, "notes.tex"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=60)
    assert result.returncode == 0, result.stdout[-2000:]


def complaints(folder: Path) -> list[str]:
    """What a log says about errors, about boxes that are too wide, and about references."""
    log = (folder / "notes.log").read_text(encoding="latin-1").replace("\n", " ")
    return re.findall(r"Overfull \\\w+ \([^)]*\)[^\\]{0,60}|LaTeX Warning: [^.]{0,200}|undefined|! [^!]{0,100}", log)


#: Formulas that no line can hold element by element; they only have to compile.
WIDE = {"attention", "layer norm", "maximum", "mutual recurrence"}


@needs_latex
@pytest.mark.parametrize("name", sorted(WIDE))
def test_latex_takes_formulas_of_any_width(name: str, typeset: Callable[[str], Path]) -> None:
    assert [c for c in complaints(typeset(name)) if "Overfull" not in c] == []


@needs_latex
@pytest.mark.parametrize("name", [n for n in [*EXAMPLES, *SPECS] if n not in WIDE])
def test_latex_takes_the_notes_without_a_word(name: str, typeset: Callable[[str], Path]) -> None:
    assert complaints(typeset(name)) == []


@needs_latex
@needs_pdftotext
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_title_is_text(name: str, typeset: Callable[[str], Path]) -> None:
    folder = typeset(name)
    assert [c for c in complaints(folder) if "Overfull" not in c] == []
    assert sorted(p.suffix for p in folder.iterdir()) == [".aux", ".log", ".pdf", ".tex"], "nothing else was written"
    text = words(folder)
    if name in SHOWN:
        assert SHOWN[name].replace(" ", "") in text.replace(" ", "")
    assert "f = x2" in text, "the notes go on after the title"


@needs_latex
def test_a_second_pass_changes_nothing(typeset: Callable[[str], Path]) -> None:
    """No table of contents, no reference: the first pass is final."""
    folder = typeset("two_two_one")
    before = words(folder), (folder / "notes.aux").read_text()
    run_latex(folder)
    assert (words(folder), (folder / "notes.aux").read_text()) == before


@cache
def words(folder: Path) -> str:
    """The text of the PDF on one line."""
    command = ["pdftotext", "-layout", "notes.pdf", "-"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return " ".join(result.stdout.split())


@needs_latex
@needs_pdftotext
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two_two_one", ["one output", "1.07", "0.31", "0.2171", "0.306466", "0.251759", "0.022135", "0.355658"]),
        ("relu_two_two", ["Two inputs, two ReLU units", "0.6", "−0.65", "0.16", "0.0484", "0.24", "−0.88", "−0.22"]),
        ("gradient_descent", ["Gradient descent on F", "−0.5", "0.3", "0.8", "−1.8"]),
        ("iris", ["Iris", "0.002"]),
        ("digits", ["Handwritten digits"]),
        ("xor", ["Exclusive or"]),
    ],
)
def test_the_pages_show_title_and_numbers(name: str, expected: list[str], typeset: Callable[[str], Path]) -> None:
    text = words(typeset(name)).replace(" ", "")
    for piece in expected:
        assert piece.replace(" ", "") in text, f"{piece} is on no page"


# What stands in them ------------------------------------------------------------------------------------------


def plain(latex: str) -> str:
    """LaTeX without what only moves or colours things."""
    latex = re.sub(r"\\color\{\w+\}|\\(?:left|right|[,;:!]|quad|displaystyle|big[lr]?)(?![A-Za-z])", "", latex)
    latex = re.sub(r"\\\\\*?\[[^]]*\]", r"\\\\", latex).replace("&", "")
    latex = latex.replace(r"\mathit{prediction}", "prediction").replace(r"\mathit{actual}", "actual")
    return re.sub(r"\s", "", latex.replace(r"\mathit{Error}", "Error").replace(r"\begin{bmatrix}", "(").replace(
        r"\end{bmatrix}", ")").replace("{}^{*}", "*"))  # fmt: skip


@cache
def sections(name: str) -> dict[str, str]:
    """The text of every section by its title."""
    _, *parts = re.split(r"\\section\*?\{", tex_of(name))
    return {part.split("}", 1)[0]: part.split("}", 1)[1] for part in parts}


def section(name: str, title: str) -> str:
    return next(text for heading, text in sections(name).items() if re.search(title, heading, re.IGNORECASE))


def in_order(text: str, *pieces: str) -> None:
    """All pieces stand in the text, one after the other."""
    text, place = plain(text), 0
    for piece in pieces:
        found = text.find(plain(piece), place)
        assert found >= 0, f"{piece} is not in the rest: {text[place:][:1500]}"
        place = found + 1


ERROR = r"\frac{1}{2}(prediction - actual)^{2}"


def test_the_forward_pass_down_to_inputs_and_weights() -> None:
    """figures.md, 3."""
    in_order(
        section("two_two_one", "prediction is made of"),
        "prediction = h_{1} w_{5} + h_{2} w_{6}",
        "= (i_{1} w_{1} + i_{2} w_{2}) w_{5} + (i_{1} w_{3} + i_{2} w_{4}) w_{6}",
        "To change the prediction, and with it the loss, we must change the weights",
    )


def test_the_update_rule_with_its_four_labels() -> None:
    """figures.md, 4."""
    text = section("two_two_one", "update rule")
    in_order(text, r"\underbrace{{}^{*}w}_{\text{new weight}} = \underbrace{w}_{\text{old weight}} -")
    in_order(
        text,
        r"\text{new weight}",
        r"\text{old weight}",
        r"\text{learning rate}",
        r"\frac{\partial Error}{\partial w}",
        r"\text{derivative of} Error",
    )
    in_order(text, "a = 0.05")


def step(name: str, weight: str) -> str:
    """The lines for one weight, up to the next one."""
    text = section(name, "every weight")
    start = re.search(rf"\\step\{{\$\\partial [^$]* / \\partial {re.escape(weight)}\$\}}", text)
    assert start, f"no steps for {weight}"
    return text[start.end() :].split("\\step{")[0]


def test_every_line_for_w6() -> None:
    """figures.md, 5."""
    lines = step("two_two_one", "w_{6}")
    in_order(
        lines,
        r"\frac{\partial Error}{\partial w_{6}}",
        r"= \frac{\partial Error}{\partial prediction} \cdot \frac{\partial prediction}{\partial w_{6}}",
        "chain rule",
        rf"= \frac{{\partial [{ERROR}]}}{{\partial prediction}} \cdot "
        r"\frac{\partial [(i_{1} w_{1} + i_{2} w_{2}) w_{5} + (i_{1} w_{3} + i_{2} w_{4}) w_{6}]}{\partial w_{6}}",
        r"= 2 \cdot \frac{1}{2} (prediction - actual) \cdot "
        r"\frac{\partial [prediction - actual]}{\partial prediction} \cdot (i_{1} w_{3} + i_{2} w_{4})",
        "= (prediction - actual) h_{2}",
        r"= \Delta h_{2}",
    )
    for fact in (
        f"Error = {ERROR}",
        "prediction = h_{1} w_{5} + h_{2} w_{6}",
        "h_{2} = i_{1} w_{3} + i_{2} w_{4}",
        r"\Delta = prediction - actual",
    ):
        in_order(lines, fact)
    in_order(lines, r"{}^{*}w_{6} = w_{6} - a \Delta h_{2}")


def test_every_line_for_w1() -> None:
    """figures.md, 7."""
    in_order(
        step("two_two_one", "w_{1}"),
        r"= \frac{\partial Error}{\partial prediction} \cdot \frac{\partial prediction}{\partial h_{1}} \cdot "
        r"\frac{\partial h_{1}}{\partial w_{1}}",
        rf"= \frac{{\partial [{ERROR}]}}{{\partial prediction}} \cdot "
        r"\frac{\partial [h_{1} w_{5} + h_{2} w_{6}]}{\partial h_{1}} \cdot "
        r"\frac{\partial [i_{1} w_{1} + i_{2} w_{2}]}{\partial w_{1}}",
        r"= 2 \cdot \frac{1}{2} (prediction - actual) \cdot "
        r"\frac{\partial [prediction - actual]}{\partial prediction} \cdot w_{5} \cdot i_{1}",
        "= (prediction - actual) w_{5} i_{1}",
        r"= \Delta w_{5} i_{1}",
        r"{}^{*}w_{1} = w_{1} - a \Delta w_{5} i_{1}",
    )


UPDATES = {
    6: r"\Delta h_{2}",
    5: r"\Delta h_{1}",
    4: r"\Delta w_{6} i_{2}",
    3: r"\Delta w_{6} i_{1}",
    2: r"\Delta w_{5} i_{2}",
    1: r"\Delta w_{5} i_{1}",
}


@pytest.mark.parametrize("weight", UPDATES)
def test_closed_form_and_update_of_every_weight(weight: int) -> None:
    """figures.md, 6."""
    in_order(
        step("two_two_one", f"w_{{{weight}}}"),
        f"= {UPDATES[weight]}",
        f"{{}}^{{*}}w_{{{weight}}} = w_{{{weight}}} - a {UPDATES[weight]}",
    )


def test_all_updates_in_one_block() -> None:
    """figures.md, 8: from the last weight to the first, in a single display."""
    displays = re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", section("two_two_one", "all updates"), re.DOTALL)
    assert len(displays) == 1
    in_order(displays[0], *(f"{{}}^{{*}}w_{{{n}}} = w_{{{n}}} - a {form}" for n, form in UPDATES.items()))


def test_the_updates_as_matrices() -> None:
    """figures.md, 9: as a product and element by element, columns belonging to units."""
    in_order(
        section("two_two_one", "same as matrices"),
        r"(*w_{5} \\ *w_{6}) = (w_{5} \\ w_{6}) - a \Delta (h_{1} \\ h_{2})",
        r"= (w_{5} \\ w_{6}) - (a \Delta h_{1} \\ a \Delta h_{2})",
        r"(*w_{1} *w_{3} \\ *w_{2} *w_{4}) = (w_{1} w_{3} \\ w_{2} w_{4}) - a \Delta (i_{1} \\ i_{2}) (w_{5} w_{6})",
        r"= (w_{1} w_{3} \\ w_{2} w_{4}) - "
        r"(a \Delta w_{5} i_{1} a \Delta w_{6} i_{1} \\ a \Delta w_{5} i_{2} a \Delta w_{6} i_{2})",
    )


def test_the_matrices_with_their_numbers() -> None:
    """figures.md, 10: what Δ and a are, every number written out, the product carried out, the result last."""
    text = section("two_two_one", "numbers.*matri")
    in_order(text, "a = 0.05", r"\Delta = prediction - actual = 0.2171 - 1 = -0.7829")
    in_order(
        text,
        r"(*w_{5} \\ *w_{6}) = (0.2 \\ 0.01) - 0.05 \cdot (-0.7829) (1.07 \\ 0.31)",
        r"(0.2 \\ 0.01) - (-0.041885 \\ -0.012135)",
        r"(0.241885 \\ 0.022135)",
        r"= (0.34 0.05 \\ 0.13 0.07) - 0.05 \cdot (-0.7829) (2 \\ 3) (0.2 0.01)",
        r"(0.34 0.05 \\ 0.13 0.07) - (-0.015658 -7.829 \cdot 10^{-4} \\ -0.023487 -0.001174)",
        r"(0.355658 0.050783 \\ 0.153487 0.071174)",
    )


def test_the_second_forward_pass_uses_and_marks_the_new_weights() -> None:
    """figures.md, 11."""
    text = section("two_two_one", "second forward")
    in_order(
        text,
        r"*h_{1} = i_{1} *w_{1} + i_{2} *w_{2} = 2 \cdot 0.355658 + 3 \cdot 0.153487 = 1.171777",
        r"*prediction = *h_{1} *w_{5} + *h_{2} *w_{6}",
        "0.29041",
        "*Error",
        "0.251759",
        "The prediction moved towards the target",
        "0.2171",
        "0.29041",
    )


def test_the_star_stands_before_the_weight() -> None:
    tex = tex_of("two_two_one")
    assert "{}^{*}w_{1}" in tex
    assert not re.search(r"w_\{\d\}\^\{?\*", tex), "a star behind the weight"
    assert "{}^{*}" not in tex_of("xor"), "the indexed notation has arrows"
    assert "\\leftarrow" in tex_of("xor")


def test_the_value_of_relu_at_the_kink_is_stated() -> None:
    text = section("relu_two_two", "the network")
    in_order(text, r"\mathrm{ReLU}(z) = \max(z, 0)", r"\frac{\partial}{\partial z} \mathrm{ReLU}(z) = [z > 0]")
    assert re.search(r"z = 0\$, the derivative is taken to be 0", re.sub(r"\s+", " ", text))


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("iris", [r"p_{i} - t_{i}", r"(1 - h_{i}^{2})"]),
        ("xor", [r"p - t", r"(1 - h_{i}^{2})"]),
        ("digits", [r"p_{i} - t_{i}", r"[z^{(1)}_{i} > 0]"]),
    ],
)
def test_the_derivatives_layer_by_layer(name: str, pieces: list[str]) -> None:
    in_order(section(name, "layer by layer"), *pieces)


@pytest.mark.parametrize("name", ["iris", "digits", "softmax"])
def test_a_declared_fact_is_named_where_it_was_used(name: str) -> None:
    """p − t needs targets that add up to 1; the notes say so."""
    assert "the targets add up to 1" in section(name, "layer by layer")


def test_what_gradient_descent_means_is_said() -> None:
    """Document 000: what the sign of a slope says, and that a linear function has no least value."""
    tex = re.sub(r"\s+", " ", tex_of("gradient_descent"))
    assert "is positive: a smaller" in tex
    assert "is negative: a larger" in tex
    assert "no least value" in tex


def test_a_table_of_samples() -> None:
    text = section("several samples", "numbers: derivatives")
    in_order(text, "sample 1", "sample 2", "sample 3", "sample 4", "mean")
    assert plain(text).count(r"\\") >= 17, "a row for every weight"


def test_momentum_updates_its_velocity_first() -> None:
    in_order(
        section("momentum, numbered", "all updates"), r"*v_{w_{1}} = \mu v_{w_{1}} - a", "*w_{1} = w_{1} + *v_{w_{1}}"
    )
    in_order(section("momentum, indexed", "update rule"), r"v \leftarrow \mu v - a g", r"w \leftarrow w + v")


def test_two_renderings_are_equal() -> None:
    fresh = derive(network_of.__wrapped__(spec_of("xor")))
    assert render(fresh, "xor.spec") == tex_of("xor")


@pytest.mark.parametrize("name", [*EXAMPLES, *SPECS])
def test_nothing_foreign_is_printed(name: str) -> None:
    tex = re.sub(r"\\begin\{tikzpicture\}.*?\\end\{tikzpicture\}", "", tex_of(name), flags=re.DOTALL)
    for mark in (
        "<<",
        "<%",
        "None)",
        "Access",
        "Cases(",
        "zoo",
        "nan",
        "∂",
        "Σ",
        "Dummy",
        "_xi",
        "--",
        "+ -",
        r"\cdot \cdot",
    ):
        assert mark not in tex, mark
    assert not re.search(r"\d\.\d{7}", tex), "more than six places"


# Every number -------------------------------------------------------------------------------------------------

WORKED = [n for n in [*EXAMPLES, *SPECS] if "init" in spec_of(n) and n not in ("ten inputs", "digits_normalised")]


@pytest.mark.parametrize("name", WORKED)
def test_every_chain_of_numbers_is_true(name: str) -> None:
    """``2 · 0.34 + 3 · 0.13 = 1.07``: = between equal numbers, ≈ between numbers that differ by their rounding."""
    assert sum(map(true_chain, rows(tex_of(name)))) >= 4, "hardly anything was compared"


def shown_values(derivation: Derivation) -> dict[str, Any]:
    """The LaTeX of what stands on the left of a worked line, and the value that belongs to it."""
    network, numbers = derivation.network, derivation.numbers
    assert numbers is not None
    notation = Notation(network, derivation.sweep)
    loss = notation.names[network.loss].latex()
    sample, found = numbers.samples[0], {}
    for eq in network.flat_equations:
        tensor = network.tensors[eq.lhs.tensor]
        for element in tensor.elements() if not tensor.anonymous else ():
            found[plain(notation.latex(element))] = at(sample, element)
            found[plain("{}^{*}" + notation.latex(element))] = at(numbers.after[0], element)
    for name in derivation.sweep.deltas:
        for element in delta_elements(derivation.scalars, name):
            found[plain(notation.latex(adjoint(element)))] = at(sample, adjoint(element))
    for weight in elements(network.weights):
        letter = notation.latex(weight)
        found[plain(f"\\frac{{\\partial {loss}}}{{\\partial {letter}}}")] = at(sample, adjoint(weight))
        found[plain(f"{{}}^{{*}}{letter}")] = at(numbers.updated, weight)
        found[plain(f"{letter}\\leftarrow")] = at(numbers.updated, weight)
    return found


def digits_agree(text: str, value: Any) -> bool:
    """Whether a printed number is its value rounded to the digits shown."""
    read = read_latex(text)
    power = re.search(r"10\^\{(-?\d+)\}", text)
    half = Fraction(1, 2) * Fraction(10) ** (int(power[1]) - 4 if power else -6)
    return abs(Fraction(str(value.real)) - Fraction(read)) <= half * Fraction(1001, 1000)


@pytest.mark.parametrize("name", WORKED)
def test_every_result_is_the_worked_number_rounded(name: str) -> None:
    derivation = derivation_of(name)
    expected, found = shown_values(derivation), set()
    indexed_after = derivation.network.notation == "indexed"
    for title, text in sections(name).items():
        if "umbers" not in title and "second" not in title:
            continue
        for line in rows(text):
            parts = chain(line)
            left, (relation, last) = plain(parts[0][1]), parts[-1]
            key = f"{left}\\leftarrow" if parts[1:2] and parts[1][0] == "\\leftarrow" else left
            if indexed_after and "second" in title and f"*{left}" in expected:
                key = f"*{left}"
            if key not in expected or number(last) is None:
                continue
            several = len(derivation.network.samples) > 1 and plain(derivation.network.loss) == left
            if several and len(parts) == 2:
                continue  # the mean over the samples, looked at below
            assert digits_agree(last, expected[key]), f"{line} should end in {expected[key]}"
            if relation == "=" and all(r == "=" for r, _ in parts[1:]):
                assert Fraction(str(expected[key].real)) == Fraction(read_latex(last)), f"{line} is not exact"
            found.add(key)
    weights = elements(derivation.network.weights)
    assert len(found) >= 2 * len(weights) + 1, sorted(found)


@pytest.mark.parametrize("name", ["several samples", "scalar weights"])
def test_losses_of_samples_and_their_mean_or_sum(name: str) -> None:
    derivation = derivation_of(name)
    numbers = derivation.numbers
    assert numbers is not None
    lines = {
        plain(chain(r)[0][1]): chain(r)[-1][1] for r in rows(section(name, "numbers: forward")) if len(chain(r)) == 2
    }
    for n, sample in enumerate(numbers.samples, 1):
        assert digits_agree(lines[f"L_{{{n}}}"], sample["L"][()])
    assert digits_agree(lines["L"], numbers.loss)


def test_a_network_with_long_sums_shows_its_loss_before_and_after() -> None:
    numbers = derivation_of("ten inputs").numbers
    assert numbers is not None
    shown = [chain(row)[-1][1] for row in rows(section("ten inputs", "^the numbers$"))]
    assert any(digits_agree(text, numbers.loss) for text in shown)
    assert any(digits_agree(text, numbers.loss_after) for text in shown)


def test_only_small_networks_are_shown_weight_by_weight() -> None:
    assert not any("every weight" in title.lower() for title in sections("iris"))
    assert any("every weight" in title.lower() for title in sections("two_two_one"))
    assert any("chosen weights" in title.lower() for title in sections("xor"))


def test_every_equation_has_its_number_once() -> None:
    for name in EXAMPLES:
        tags = [int(n) for n in re.findall(r"\\tag\*?\{(?:\\beside\{[^{}]*\})?\((\d+)\)\}", tex_of(name))]
        assert len(set(tags)) == len(tags)
        assert tags == sorted(tags) == list(range(1, len(tags) + 1)), f"{name}: {tags}"
        assert len(tags) >= len([e for e in network_of(example(name)).equations if isinstance(e, Equation)]) - 2
