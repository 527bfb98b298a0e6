"""A specification cannot run code: not here, not in LaTeX, not in the trainer, not on the terminal.

What a user can write freely is the title, comments, the names that pass the name rules, and the file's name.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from derive.cli import main

ALLOWED_IMPORTS = {"__future__", "collections", "functools", "math", "numbers", "numpy", "numba", "scipy", "typing"}

#: Titles that would do harm if they reached an output as they are.
HOSTILE = [
    "__import__('os').system('touch owned')",
    "().__class__.__mro__[1].__subclasses__()",
    "{0.__class__} {x!r} %(name)s %s %n",
    "{{ 7 * 7 }} {% for x in y %} {# comment #}",
    "{{ ''.__class__.__mro__ }}",
    "''' + __import__('os').system('touch owned') + '''",
    "\\input{/etc/passwd}",
    "\\write18{touch owned}",
    "\\immediate\\write18{touch owned} \\openout \\catcode`\\@=11 \\csname input\\endcsname",
    "^^5cinput{/etc/passwd}",
    "\\end{document} \\begin{verbatim}",
    "\\\\ \\n \\x41 \\N{BULLET} \\u0041 \\",
    "100 % of $x_1^2$ & #1 ~ _ ^ { } \\ < > | -- --- `` ''",
    "}}} {{{ ]]] $$$ \\( \\[ \\)",
    "None; import os #",
    "[bold red]markup[/] [link=https://x.example]y[/link] :smile:",
    "é ß Δ 日本 ∂",
]


def spec(title: str, comment: str = "") -> str:
    return (
        f'network "{title}"  # {comment}\n'
        f"# {comment}\n"
        "input x[2]\nh[2] = tanh(dense(x))\ny = linear(h)\ntarget t\n"
        f"loss E = (y - t)^2  # {comment}\n"
        "init W1 = 1, 2, 3, 4, b1 = 0, W2 = 1, -1\nsample x = [1, 2], t = 3\n"
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(text: str, capsys: pytest.CaptureFixture[str], name: str = "net.spec") -> dict[str, str]:
    """All outputs of a specification: by their ending, and ``""`` for the terminal."""
    Path(name).write_text(text, encoding="utf-8")
    outputs = ["out.tex", "out.py", "out.json"]
    assert main([name, *(word for output in outputs for word in ("-o", output))]) == 0
    texts = {Path(output).suffix: Path(output).read_text(encoding="utf-8") for output in outputs}
    return {**texts, "": capsys.readouterr().out}


def check(texts: dict[str, str]) -> None:
    """Nothing in any output does more than an output does."""
    check_python(texts[".py"])
    check_latex(texts[".tex"])
    json.loads(texts[".json"])
    assert all(c.isprintable() or c == "\n" for text in texts.values() for c in text)
    assert not Path("owned").exists()


def check_python(text: str) -> None:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= ALLOWED_IMPORTS
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] in ALLOWED_IMPORTS
        elif isinstance(node, ast.Name):
            assert node.id not in {"__import__", "eval", "exec", "compile", "open", "globals", "breakpoint", "input"}
        elif isinstance(node, ast.Attribute):
            assert node.attr not in {"system", "__subclasses__", "__mro__", "popen"}


def check_latex(text: str) -> None:
    """No command that reads, writes or redefines, and the characters of TeX balanced."""
    commands = set(re.findall(r"\\([A-Za-z@]+)", re.sub(r"\\\\", "", text)))
    assert not commands & {"input", "include", "write", "openout", "openin", "read", "csname", "catcode", "special"}
    assert not commands & {"immediate", "directlua", "scantokens", "InputIfFileExists", "verbatiminput", "href"}
    assert "^^" not in text
    assert text.count("\\begin{document}") == text.count("\\end{document}") == 1


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_and_comments(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    texts = written(spec(title.replace('"', ""), comment=title), capsys)
    check(texts)
    assert json.loads(texts[".json"])["network"]["title"] == title
    assert title in texts[""]


def test_comments_go_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    with_comment = written(spec("Title", comment="a remark about \\input{x}"), capsys)
    assert with_comment == written(spec("Title"), capsys)


@pytest.mark.parametrize(
    "name",
    [
        '""".spec',
        "'''\\.spec",
        "\\input{a}.spec",
        "{{ 7*7 }}.spec",
        "{% raw %}.spec",
        "a\nimport os.spec",
        "a\rimport os.spec",
        "# %$&_^~.spec",
        "$(touch owned).spec",
        "[red]x[/red].spec",
        "\u202egnp.spec",
    ],
)
def test_file_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    check(written(spec("Title"), capsys, name))


def test_a_file_name_that_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    check(written(spec("Title"), capsys, "a\udcffb.spec"))


@pytest.mark.parametrize(
    "line",
    [
        "y = __import__('os')",
        "y = w.__class__",
        'y = eval("1")',
        "y = lambda: 0",
        "y = {{ w }}",
        "y = w; import os",
        "y = w if w else w",
        "y = [w for w in w]",
        "y = \\input{w}",
        "y = `w`",
        "y = f'{w}'",
        "y = exec(w)",
        "y = getattr(w, w)",
        "y = open(w)",
        "y = w\x00",
    ],
)
def test_code_in_an_expression_is_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.spec").write_text(f"weight w\n{line}\nloss y\n")
    assert main(["net.spec"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert [path.name for path in Path().iterdir()] == ["net.spec"]


#: Names that pass the name rules and mean something to Python, NumPy, Numba, LaTeX, Jinja or SymPy.
NAMES = "print eval exec open np numba njit self fit Trainer math int float len range object input1 lambda E I S N pi "
NAMES += "Symbol oo zoo nan inf end begin frac alpha sum1 loop block super real zero one w1 samples total gradient d"


@pytest.mark.parametrize("name", NAMES.split())
def test_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"input {name}[2]\ny = linear({name})\ntarget t\nloss (y - t)^2\ninit W1 = 1, 2\nsample {name} = [3, 4], t = 5\n"
    texts = written(text, capsys)
    tree = ast.parse(texts[".py"])
    assert {n for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for n in [node.module]} <= ALLOWED_IMPORTS
    check_latex(texts[".tex"])
    assert json.loads(texts[".json"])["loss"]["value"] == 36.0
    text = f"weight {name}\nloss ({name} - 1)^2\ninit {name} = 3\n"
    assert json.loads(written(text, capsys)[".json"])["loss"]["value"] == 4.0


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_notes_compile_with_hostile_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printable = " / ".join(title for title in HOSTILE if title.isascii())[:200]
    written(spec(printable), capsys, "\\input{a} 100% $x_1$ #&~^.spec")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "out.tex"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
