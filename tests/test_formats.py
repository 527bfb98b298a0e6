"""Notes in Markdown and as a page: what KaTeX, a browser and a screen reader make of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from codegen.formats import markdown, page
from codegen.notes import compose as notes
from codegen.notes.document import Row, spans
from derive.derivation import Derivation, derive
from derive.diagnostics import Source
from derive.language.build import load
from derive.language.parser import read

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "tests" / "web"
EXAMPLES = sorted(p.stem for p in (ROOT / "examples").glob("*.spec"))
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
needs_node = pytest.mark.skipif(not (WEB / "node_modules").is_dir(), reason="run npm ci in tests/web")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

#: What GitHub, KaTeX or MathJax refuse in a formula.
REFUSED = re.compile(r"\\(operatorname|label|ref|eqref|newcommand|def|mbox|tag|phantom|require|begin\{align\*?\})")

HOSTILE = """network "a < b & c --> <script>alert(1)</script> *x* _y_ $z$ [l](u)"
input x
weight w
y = w * x
target t
loss L = abs(y - t) + max(y, 0) + exp(-y)
sample x = 2, t = 1
sample x = 3, t = -1
init w = 0.5
"""


@lru_cache(maxsize=16)
def example(name: str) -> Derivation:
    if name == "hostile":
        return derive(load(Source("hostile.spec", HOSTILE)))
    return derive(load(read(ROOT / "examples" / f"{name}.spec")))


def node(script: str, *arguments: str, stdin: str = "") -> list[str]:
    """The JSON list that a script of ours prints."""
    command = ["node", str(WEB / script), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def formulas(text: str) -> list[tuple[str, bool]]:
    """The formulas of a Markdown text and whether they are displayed."""
    displays = re.findall(r"^\$\$\n(.*?)\n\$\$$", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^\$\$\n.*?\n\$\$$", "", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"(?<!\\)\$(.+?)(?<!\\)\$", rest)
    return [(f, True) for f in displays] + [(f, False) for f in inline]


@needs_node
@pytest.mark.parametrize("name", [*EXAMPLES, "hostile"])
def test_katex_takes_every_formula_of_the_markdown(name):
    found = formulas(notes.render_markdown(example(name), "net.spec"))
    assert len(found) > 10
    assert node("katex.mjs", stdin=json.dumps(found)) == []


@pytest.mark.parametrize("name", [*EXAMPLES, "hostile"])
def test_markdown_keeps_to_what_github_renders(name):
    text = notes.render_markdown(example(name), "net.spec")
    for formula, display in formulas(text):
        assert not REFUSED.search(formula), formula
        if not display:
            assert not re.search(r"\\[^a-zA-Z{}]|[*|<>`]", formula), formula
    assert text.count("\n$$\n") == 2 * sum(display for _, display in formulas(text))


@pytest.mark.parametrize("name", [*EXAMPLES, "hostile"])
def test_a_page_is_whole_and_asks_for_nothing(name):
    text = notes.render_page(example(name), "net.spec")
    assert not re.search(r"<script|<link|<img|src=|url\((?!#)|@import|http", text.replace(page.NAMESPACE, ""))
    body = (
        text[text.index("<body>") :].replace("</html>", "").replace("<wbr>", "").replace("<details open>", "<details>")
    )
    ElementTree.fromstring(body)


@needs_node
@needs_browser
@pytest.mark.parametrize("name", ["two_two_one", "iris", "hostile"])
def test_a_browser_and_an_accessibility_checker_find_nothing_wrong(name, tmp_path):
    path = tmp_path / "notes.html"
    path.write_text(notes.render_page(example(name), "net.spec"), "utf-8")
    assert node("browser.mjs", str(BROWSER), str(path)) == []


def test_all_formats_say_the_same():
    """The words and the numbers of the Markdown are those of the page."""
    source = notes.render_markdown(example("iris"), "x").split("\n", 1)[1]
    words = re.sub(r"\$.*?\$|[#*|>]", " ", source, flags=re.DOTALL).split()
    text = re.sub(r"<[^>]*>", " ", notes.render_page(example("iris"), "x"))
    missing = [w for w in words if w.isalpha() and w not in text]
    assert not missing


def test_the_users_text_has_no_meaning():
    text = notes.render_page(example("hostile"), "--><b>.spec")
    assert "<script" not in text
    assert "<b>" not in text
    assert text.index("<html") > text.index("-->")
    source = notes.render_markdown(example("hostile"), "--><b>.spec")
    assert "\\<script\\>" in source
    assert source.split("\n")[0].count("-->") == 1
    assert markdown.escape("a_b*c") == "a\\_b\\*c"


def test_words_and_formulas_take_turns():
    assert spans("a $x$ b $y$") == [("a ", "x"), (" b ", "y"), ("", "")]
    assert spans("no formula") == [("no formula", "")]


def test_mathml_core_draws_words_signs_and_bold_letters():
    assert '<mi class="word">Error</mi>' in page.math("\\mathit{Error}")
    assert "<mi>relu</mi>" in page.math("\\mathrm{relu}(x)")
    assert "\U0001d739" in page.math("\\boldsymbol{\\delta}")
    assert '<mo form="prefix">−</mo>' in page.math("a \\cdot (-2)")
    assert "<mi>∂</mi>" in page.math("\\frac{\\partial L}{\\partial w}")
    assert '<mo form="infix">=</mo>' in page.math("= a", display=True)
    assert '<mo form="infix">' not in page.math("-2")
    assert "<mn>\U0001d7cf</mn>" in page.math("\\mathbf{1}")


def test_mathml_core_spaces_functions_and_keeps_brackets_with_their_matrix():
    assert '<mi>log</mi><mspace width="0.167em"' in page.math("u + \\log q")
    assert "mspace" not in page.math("\\log(q)")
    assert "<mi>max</mi><mo" in page.math("\\max(z, 0)")
    matrix = "<mrow><mo>[</mo><mtable><mtr><mtd><mi>x</mi></mtd></mtr></mtable><mo>]</mo></mrow>"
    assert page.math("\\begin{bmatrix} x \\end{bmatrix} \\begin{bmatrix} x \\end{bmatrix}").count(matrix) == 2
    assert f"<msup>{matrix}" in page.math("\\begin{bmatrix} x \\end{bmatrix}^{\\top}")


def test_a_line_of_a_page_ends_between_terms_and_no_mark_leaves_its_formula():
    sums = [f"a_{{{n}}} \\left(b_{{{n}}} + c_{{{n}}}\\right)" for n in range(9)]
    pieces = page.right(Row("y", " + ".join(sums)))
    assert [len(term) for term in pieces] == [1] * 9
    assert len(page.right(Row("y", "\\, ".join(sums)))[0]) > 1, "a term wider than a screen is cut itself"
    assert page.inline("for $x$, and").endswith("</math>,</span> and")
