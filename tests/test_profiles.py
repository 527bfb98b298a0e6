"""Notation profiles: the books' own formulas come out, nothing but the writing changes, and every format takes them."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

import pytest
from test_formats import formulas, needs_node, node
from test_notes import complaints, needs_latex, run_latex

from codegen.formulas.profiles import profile
from codegen.notes import compose as notes
from codegen.notes.lecture import Lecture
from codegen.options import Options
from codegen.outputs import KINDS
from codegen.sections.matrices import matrix_rows
from derive import SpecError
from derive.cli import MISTAKE, main
from derive.derivation import Derivation, derive
from derive.diagnostics import Source
from derive.language.build import load
from derive.language.names import NOTATIONS

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.spec"))
BOOKS = [name for name in NOTATIONS if name not in ("indexed", "numbered")]

SPEC = """network "Two layers"
input x[3]
h[2] = sigmoid(dense(x))
y[2] = sigmoid(dense(h))
target t[2]
loss C = 1/2 * sum((y - t)^2)
init W1 = [[0.1, 0.2, 0.3], [0.4, 0.5, -0.6]], b1 = 0.1, W2 = [[1, -1], [0.5, 0.25]], b2 = 0
sample x = [1, 2, -1], t = [0, 1]
"""


@lru_cache(maxsize=32)
def derivation(text: str) -> Derivation:
    return derive(load(Source("net.spec", text)))


@lru_cache(maxsize=16)
def example(name: str) -> Derivation:
    return derivation((ROOT / "examples" / f"{name}.spec").read_text("utf-8"))


def lecture(name: str, spec: str = SPEC) -> Lecture:
    return Lecture(derivation(spec), Options(notation=name))


def matrices(name: str, spec: str = SPEC) -> dict[str, str]:
    return {row.left: row.right for row in matrix_rows(lecture(name, spec))}


def test_every_profile_is_a_file_and_every_file_a_profile() -> None:
    assert sorted(NOTATIONS) == sorted(path.stem for path in (ROOT / "templates" / "notation").glob("*.toml"))
    assert len({profile(name) for name in NOTATIONS}) == len(NOTATIONS)


def test_nielsen() -> None:
    """The four equations of his chapter 2, for the layers 2 and 3."""
    found = matrices("nielsen")
    assert found[r"\boldsymbol{\delta}^{2}"].startswith(r"((\mathbf{w}^{3})^{\top}\, \boldsymbol{\delta}^{3}) \odot ")
    assert found[r"\frac{\partial C}{\partial \mathbf{b}^{2}}"] == r"\boldsymbol{\delta}^{2}"
    assert found[r"\frac{\partial C}{\partial \mathbf{w}^{2}}"] == r"\boldsymbol{\delta}^{2}\, \mathbf{x}^{\top}"
    assert lecture("nielsen").new("w") == ("{w}'", "=")


def test_bishop() -> None:
    found = matrices("bishop")
    assert found[r"\mathbf{a}^{(1)}"] == r"\mathbf{W}^{(1)}\, \mathbf{x} + \mathbf{b}^{(1)}"
    text = notes.render_markdown(derivation(SPEC), "net.spec", Options(notation="bishop"))
    assert r"a^{(1)}_{i} &= \sum_{j=1}^{3} w^{(1)}_{ij}\, x_{j} + b^{(1)}_{i}" in text
    assert r"{w^{(1)}_{11}}^{(\tau+1)} &= w^{(1)}_{11} - \eta\, \delta^{(1)}_{1}\, x_{1}" in text


def test_goodfellow() -> None:
    found = matrices("goodfellow")
    assert found[r"\mathbf{a}^{(2)}"] == r"\mathbf{W}^{(2)}\, \mathbf{h} + \mathbf{b}^{(2)}"
    assert found[r"\mathbf{g}^{(1)}"].startswith(r"((\mathbf{W}^{(2)})^{\top}\, \mathbf{g}^{(2)}) \odot ")


def test_ufldl() -> None:
    """The weights of layer l lead to layer l + 1, whose δ stands in their gradient."""
    found = matrices("ufldl")
    assert found[r"\mathbf{z}^{(2)}"] == r"\mathbf{W}^{(1)}\, \mathbf{x} + \mathbf{b}^{(1)}"
    assert found[r"\frac{\partial C}{\partial \mathbf{W}^{(2)}}"] == r"\boldsymbol{\delta}^{(3)}\, \mathbf{h}^{\top}"


def test_cs231n() -> None:
    """Vectors are rows: the products stand the other way round, and so do the indices of weights."""
    found = matrices("cs231n")
    assert found[r"\mathbf{z}_{1}"] == r"\mathbf{x}\, \mathbf{W}_{1} + \mathbf{b}_{1}"
    assert found[r"\boldsymbol{\mathit{dz}}_{1}"].startswith(
        r"(\boldsymbol{\mathit{dz}}_{2}\, \mathbf{W}_{2}^{\top}) \ast"
    )
    gradient = found[r"\frac{\partial C}{\partial \mathbf{W}_{2}}"]
    assert gradient == r"\mathbf{h}^{\top}\, \boldsymbol{\mathit{dz}}_{2}"
    text = notes.render_markdown(derivation(SPEC), "net.spec", Options(notation="cs231n"))
    assert r"z_{1,i} &= \sum_{j=1}^{3} x_{j}\, W_{1,ji} + b_{1,i}" in text
    assert r"W_{1,12} &\leftarrow W_{1,12} - \alpha\, \mathit{dz}_{1,2}\, x_{1}" in text  # to unit 2 from input 1


def test_rows_and_weights_that_the_user_has_declared() -> None:
    """W[i, j] keeps its name, its indices and its shape, so it is the transposed matrix that multiplies a row."""
    spec = "input x[3]\nweight W[2, 3]\ny[i] = sum(j: W[i,j] * x[j])\ntarget t[2]\nloss C = sum((tanh(y) - t)^2)\n"
    found = matrices("cs231n", spec)
    assert found[r"\mathbf{y}"] == r"\mathbf{x}\, \mathbf{W}^{\top}"
    assert found[r"\frac{\partial C}{\partial \mathbf{W}}"].endswith(r"^{\top}\, \mathbf{x}")


def test_deeplearning_ai() -> None:
    found = matrices("deeplearning_ai")
    assert found[r"\mathbf{z}^{[2]}"] == r"\mathbf{W}^{[2]}\, \mathbf{h} + \mathbf{b}^{[2]}"
    gradient = found[r"\frac{\partial C}{\partial \mathbf{W}^{[1]}}"]
    assert gradient == r"\boldsymbol{\mathit{dz}}^{[1]}\, \mathbf{x}^{\top}"
    text = notes.render_markdown(derivation(SPEC), "net.spec", Options(notation="deeplearning_ai"))
    assert r"b^{[1]}_{1} &:= b^{[1]}_{1} - \alpha\, \mathit{dz}^{[1]}_{1}" in text


@pytest.mark.parametrize("name", BOOKS)
@pytest.mark.parametrize("network", ["iris", "xor", "gru", SPEC], ids=["iris", "xor", "gru", "two layers"])
def test_a_profile_changes_no_number_and_no_formula(name: str, network: str) -> None:
    text = network if "\n" in network else (ROOT / "examples" / f"{network}.spec").read_text("utf-8")

    def report(found: Derivation, options: Options) -> str:
        written = KINDS[".json"].render(found, "net.spec", Path("net.json"), options)
        assert isinstance(written, str)
        return written

    def without_typesetting(node: object) -> object:
        if isinstance(node, dict):
            return {key: without_typesetting(value) for key, value in node.items() if key not in ("latex", "notation")}
        return [without_typesetting(value) for value in node] if isinstance(node, list) else node

    plain = report(derivation(text), Options())
    assert report(derivation(text), Options(notation=name)) == plain
    stated = report(derivation(f"{text}notation {name}\n"), Options())
    assert without_typesetting(json.loads(stated)) == without_typesetting(json.loads(plain))


@pytest.mark.parametrize("name", BOOKS)
def test_a_profile_changes_no_number_of_the_notes(name: str) -> None:
    def numbers(notation: str) -> set[str]:
        text = notes.render_markdown(derivation(SPEC), "net.spec", Options(notation=notation))
        return set(re.findall(r"\d+\.\d+", text[text.index("## The numbers: forward pass") :]))

    assert numbers(name) == numbers("indexed")


def test_the_statement_and_the_option_write_the_same_and_the_option_wins() -> None:
    stated = derivation(f"{SPEC}notation bishop\n")
    by_option = notes.render(derivation(SPEC), "net.spec", Options(notation="bishop"))
    assert notes.render(stated, "net.spec") == by_option
    assert notes.render(stated, "net.spec", Options(notation="nielsen")) != by_option
    assert notes.render(stated, "net.spec", Options(notation="indexed")) == notes.render(derivation(SPEC), "net.spec")


@needs_node
@pytest.mark.parametrize("name", NOTATIONS)
def test_katex_takes_every_formula_under_every_profile(name: str) -> None:
    found = []
    for network in EXAMPLES:
        found += formulas(notes.render_markdown(example(network), "net.spec", Options(notation=name)))
    assert len(found) > 200
    assert node("katex.mjs", stdin=json.dumps(found)) == []


@needs_latex
@pytest.mark.parametrize("name", NOTATIONS)
def test_latex_compiles_the_examples_under_every_profile(name: str, tmp_path: Path) -> None:
    texts = [notes.render(example(network), "net.spec", Options(notation=name)) for network in EXAMPLES]
    bodies = [re.search(r"\\begin\{document\}(.*)\\end\{document\}", text, re.DOTALL)[1] for text in texts]  # type: ignore[index]
    head = texts[0].split("\\begin{document}")[0]
    text = "\n".join([head, "\\begin{document}", *bodies, "\\end{document}"])
    (tmp_path / "notes.tex").write_text(text, encoding="utf-8")
    run_latex(tmp_path)
    assert complaints(tmp_path) == []


# names


def test_what_the_user_has_named_keeps_its_name() -> None:
    spec = "input z1\nweight w, b\na = w * z1 + b\nrate eps = 0.1\ntarget t\nloss E = (tanh(a) - t)^2\n"
    for name in BOOKS:
        text = notes.render_markdown(derivation(spec), "net.spec", Options(notation=name))
        assert "a &= w\\, z_{1} + b" in text or "a &= z_{1}\\, w + b" in text
        assert re.search(r"\\mathit\{eps\} = 0\.1", text)


def test_a_letter_that_is_taken_is_not_taken_twice() -> None:
    """Bishop's pre-activation would be a⁽¹⁾, which is the user's a1 here; η is an input."""
    spec = "input eta[2]\na1[2] = tanh(dense(eta))\ny = linear(a1)\ntarget t\nloss E = (y - t)^2\n"
    found = lecture("bishop", spec)
    spelt = [name.latex() for name in found.notation.names.values()]
    assert len(spelt) == len(set(spelt))
    assert found.writer.symbol(str(found.network.optimizer.rate)) == "a"


def test_the_notation_opens_the_notes() -> None:
    text = notes.render_markdown(derivation(SPEC), "net.spec", Options(notation="nielsen"))
    assert text.index("## Notation") < text.index("## The network")
    assert "| $w^{3}$ | weights of layer 3; $w^{3}_{jk}$ leads to unit $j$ from $k$ | $2 \\times 2$ |" in text
    assert "| $\\delta^{2}$ | derivative $\\partial C / \\partial z^{2}$ | $2$ |" in text
    assert "| $\\odot$ | product element by element |" in text
    assert "| $h$ | activation of layer 2 | $2$ |" in text
    gru = notes.render_markdown(derivation(Path("examples/gru.spec").read_text()), "gru.spec")
    assert "| $W^{(1)}$, $W^{(3)}$, $W^{(5)}$ | weights of layers 1, 3, 5;" in gru
    assert " | derivative $\\partial L / \\partial z^{(5)}$, $\\partial L / \\partial z^{(3)}$, $" in gru
    assert "| $h$ | computed by (8) | $21 \\times 16$ |" in gru
    scalar = "weight w\nloss L = w^2\ninit w = 1\n"
    assert "\\odot" not in notes.render_markdown(derivation(scalar), "net.spec")


# a profile of one's own


def test_a_file_defines_a_notation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.spec").write_text(SPEC, "utf-8")
    Path("mine.toml").write_text('weight = "Theta"\nnew = "plus"\nproduct = "circ"\nrate = "lambda"\n', "utf-8")
    assert main(["net.spec", "-q", "-o", "net.md", "--notation", "mine.toml"]) == 0
    text = Path("net.md").read_text("utf-8")
    assert r"{\Theta^{(2)}_{11}}^{+} &= \Theta^{(2)}_{11} - \lambda\, \delta^{(2)}_{1}\, h_{1}" in text
    assert " \\circ " in text


@pytest.mark.parametrize(
    ("content", "message", "help"),
    [
        (None, "cannot read the notation", "need no file"),
        ("weight: w", "is not TOML", "a line reads"),
        ('wieght = "w"', "says 'wieght'", "did you mean 'weight'?"),
        ('new = "stars"', "sets new to 'stars'", "did you mean 'star'?"),
        ('weight = "\\\\input{x}"', "sets weight to", "write a letter"),
        ('weight = ""', "sets weight to ''", "a letter is needed"),
        ("first_values = 10", "sets first_values to '10'", "whole number"),
        ('numbered = "yes"', "sets numbered to 'yes'", "true or false"),
        ("title = 3", "sets title to '3'", "in quotes"),
    ],
)
def test_a_file_that_is_no_notation_is_refused(content: str | None, message: str, help: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(SpecError) as caught:
        Options(notation=str(path))
    assert message in str(caught.value)
    assert help in (caught.value.help or "")


def test_an_unknown_notation_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(ROOT / "examples" / "xor.spec"), "--notation", "nielson"]) == MISTAKE
    assert capsys.readouterr().err == "error: unknown notation 'nielson'\nhelp: did you mean 'nielsen'?\n"


def test_weights_are_not_numbered_where_the_numbers_mean_something_else() -> None:
    spec = "input w1[2]\ny = linear(w1)\ntarget t\nloss E = (y - t)^2\n"
    with pytest.raises(SpecError, match="'w1' is the name of a numbered weight too"):
        lecture("numbered", spec)
