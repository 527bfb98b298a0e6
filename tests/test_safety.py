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

#: What a trainer may import: arithmetic, threads and the number of processors, `sys` for its self-check, `importlib`
#: for a part of SciPy, and scikit-learn's tags when scikit-learn asks for them.
ALLOWED = {
    "__future__", "collections", "concurrent", "contextlib", "functools", "gc", "importlib", "llvmlite", "math",
    "numba", "numbers", "numpy", "os", "platform", "scipy", "sklearn", "sys", "types", "typing",
}  # fmt: skip

#: What it may want of the operating system.
OF_THE_SYSTEM = {"cpu_count", "sched_getaffinity"}

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


@pytest.fixture
def plain(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The outputs with nothing hostile in them."""
    texts = written(spec("Title"), capsys)
    assert imports(texts[".py"]) <= ALLOWED
    return texts


def check(texts: dict[str, str], plain: dict[str, str]) -> None:
    """Outputs do no more than those of the same network with a harmless title."""
    assert skeleton(texts[".py"]) == skeleton(plain[".py"])
    check_latex(texts[".tex"])
    assert set(json.loads(texts[".json"])) == set(json.loads(plain[".json"]))
    assert all(c.isprintable() or c == "\n" for text in texts.values() for c in text)
    assert not Path("owned").exists()


def skeleton(text: str) -> str:
    """A Python module without its comments and with all strings empty: what it does."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def imports(text: str) -> set[str]:
    """The modules that a Python module imports, the builtins of ill repute that it names, and what it has of `os`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            found |= {f"os.{node.attr}"} - {f"os.{name}" for name in OF_THE_SYSTEM}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & {
                "__import__",
                "eval",
                "exec",
                "compile",
                "open",
                "globals",
                "breakpoint",
                "input",
            }
    return found


def check_latex(text: str) -> None:
    """No command that reads, writes or redefines, and the characters of TeX balanced."""
    commands = set(re.findall(r"\\([A-Za-z@]+)", re.sub(r"\\\\", "", text)))
    assert not commands & {"input", "include", "write", "openout", "openin", "read", "csname", "catcode", "special"}
    assert not commands & {"immediate", "directlua", "scantokens", "InputIfFileExists", "verbatiminput", "href"}
    assert "^^" not in text
    assert text.count("\\begin{document}") == text.count("\\end{document}") == 1


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_and_comments(title: str, plain: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    texts = written(spec(title.replace('"', ""), comment=title), capsys)
    check(texts, plain)
    assert json.loads(texts[".json"])["network"]["title"] == title
    assert title in texts[""]


def test_comments_go_nowhere(plain: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert written(spec("Title", comment="a remark about \\input{x}"), capsys) == plain


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
        "[red]x.spec",
        "\u202egnp.spec",
    ],
)
def test_file_names(name: str, plain: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    check(written(spec("Title"), capsys, name), plain)


def test_a_file_name_that_is_no_text(plain: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    check(written(spec("Title"), capsys, "a\udcffb.spec"), plain)


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
    text = f"input {name}[2]\ny = linear({name})\ntarget t\nloss (y - t)^2\n"
    texts = written(f"{text}init W1 = 1, 2\nsample {name} = [3, 4], t = 5\n", capsys)
    assert imports(texts[".py"]) <= ALLOWED
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
