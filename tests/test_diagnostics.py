"""How a mistake is shown: the layout to the character, and nothing raw from the user's text."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

from derive.diagnostics import MAX_COLUMNS, Source, Span, SpecError, did_you_mean, render


def shown(text: str, marked: str | Span, label: str = "", help: str = "", name: str = "x.spec") -> list[str]:
    """The lines of an error that marks the last occurrence of ``marked`` in ``text``."""
    span = marked if isinstance(marked, Span) else Span(text.rindex(marked), text.rindex(marked) + len(marked))
    return render(SpecError("wrong", span, label, help), Source(name, text)).split("\n")


def test_the_layout_of_the_design() -> None:
    source = Source("iris.spec", "\n\n\n\np[3]  = softmax(W @ h)\nloss L = 1\n")
    start = source.text.index("W @ h")
    error = SpecError(
        "shapes do not agree",
        Span(start, start + 5),
        "W is [3, 8] and h is [16]",
        "the inner sizes must be equal; W would need the shape [3, 16]",
    )
    assert render(error, source) == dedent(
        """\
        error: shapes do not agree
          --> iris.spec:5:17
           |
         5 | p[3]  = softmax(W @ h)
           |                 ^^^^^ W is [3, 8] and h is [16]
           |
        help: the inner sizes must be equal; W would need the shape [3, 16]"""
    )


def test_the_gutter_grows_with_the_line_number() -> None:
    assert shown("\n" * 122 + "y = q", "q", "here", "help") == [
        "error: wrong",
        "    --> x.spec:123:5",
        "     |",
        " 123 | y = q",
        "     |     ^ here",
        "     |",
        "help: help",
    ]


def test_without_label_and_help_nothing_dangles() -> None:
    assert shown("y = q", "q") == ["error: wrong", "  --> x.spec:1:5", "   |", " 1 | y = q", "   |     ^"]


def test_without_a_span_only_the_name_is_shown() -> None:
    error = SpecError("there is no loss", help="write one:\nloss L = y")
    assert render(error, Source("x.spec", "y = 1")) == (
        "error: there is no loss\n  --> x.spec\nhelp: write one:\n      loss L = y"
    )
    assert render(error, None) == "error: there is no loss\nhelp: write one:\n      loss L = y"


@pytest.mark.parametrize(
    ("text", "span", "place", "carets"),
    [
        pytest.param("y = 1", Span(5, 5), "1:6", "     ^", id="end of file, no newline"),
        pytest.param("y = 1\n", Span(6, 6), "1:6", "     ^", id="end of file, newline"),
        pytest.param("y = 1\n", Span(99, 120), "1:6", "     ^", id="beyond the text"),
        pytest.param("y = 1\nz = 2", Span(5, 5), "1:6", "     ^", id="end of a line"),
        pytest.param("", Span(0, 0), "1:1", "^", id="empty text"),
        pytest.param("y = (1\n + 2)", Span(4, 12), "1:5", "    ^^", id="several lines are clipped to the first"),
        pytest.param("\ty = q", Span(5, 6), "1:6", "        ^", id="a tab before"),
        pytest.param("a\tb", Span(0, 3), "1:1", "^^^^^^", id="a tab inside"),
        pytest.param("# 日本 q", Span(5, 6), "1:6", "       ^", id="wide characters before"),
        pytest.param("# 日本 q", Span(2, 4), "1:3", "  ^^^^", id="wide characters inside"),
        pytest.param("# e\u0301 q", Span(5, 6), "1:6", "    ^", id="a combining mark takes no column"),
        pytest.param("y = 1\r\nz = q\r\n", Span(11, 12), "2:5", "    ^", id="CRLF"),
    ],
)
def test_carets(text: str, span: Span, place: str, carets: str) -> None:
    lines = shown(text, span)
    assert lines[1].endswith(f":{place}")
    assert lines[4] == f"   | {carets}"
    assert "\r" not in "".join(lines)


@pytest.mark.parametrize("before", [0, 30, 99, 5000])
@pytest.mark.parametrize("after", [80, 5000])
def test_long_lines_are_windowed_around_the_span(before: int, after: int) -> None:
    line, carets = shown("a" * before + "QQQ" + "b" * after, "QQQ", "here")[3:5]
    line, carets = line.removeprefix(" 1 | "), carets.removeprefix("   | ")
    whole = before + 3 + after <= MAX_COLUMNS
    assert len(line) <= MAX_COLUMNS
    assert line[carets.index("^") : carets.rindex("^") + 1] == "QQQ"
    assert line.endswith("…") == (not whole)
    if before > MAX_COLUMNS:
        assert line.startswith("…")


def test_a_span_wider_than_the_window_is_cut() -> None:
    line, carets = shown("y = " + "Q" * 5000, "Q" * 5000)[3:5]
    assert line.endswith("Q…")
    assert carets.count("^") == line.count("Q") >= MAX_COLUMNS - 6


def test_nothing_raw_reaches_the_terminal() -> None:
    hostile = "\x1b[31m\x07\x7f\x9b\u202e\u2028\ud800"
    error = SpecError(f"m{hostile}\n", Span(0, 1), f"l{hostile}", f"h{hostile}")
    text = render(error, Source(f"n{hostile}\n.spec", f"# {hostile}\u00a0"))
    assert all(character.isprintable() for line in text.split("\n") for character in line)
    assert text.count("\n") == 6
    assert "# ␛[31m␇␡��␣�␣" in text


def test_did_you_mean() -> None:
    assert did_you_mean("tahn", ["tanh", "sin"]) == "did you mean 'tanh'?"
    assert did_you_mean("zzz", ["tanh", "sin"]) == ""


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, derive.diagnostics; print(sorted({'lark', 'sympy', 'numpy', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
