"""How high things stand on a slide, in points: estimates on the safe side, by which content is dealt out to frames."""

from __future__ import annotations

import math
import re

from codegen.formulas.layout import brace_end, environment_end, visible_length
from codegen.notes.document import spans
from codegen.pictures import chart
from codegen.pictures.chart import Chart
from codegen.pictures.figure import Figure

CENTIMETRE = 28.5  # points

LINE = 13.6  # one line of text
GAP = 7.0  # between two lines of a display
REMARK = 14.6  # of a remark that has no room beside its formula
_LETTER, _SCRIPTS, _SUM, _LIMITS, _BRACE, _BAR, _BELOW = 11.0, 4.5, 33.0, 17.0, 17.0, 6.0, 9.0
_DEEP = re.compile(r"[_^]\{[^{}]*\^")  # an index or an exponent with one of its own
_SIZE = re.compile(r"\\([bB]igg?)[lr]")
_BRACKETS = 3.5  # that grow
_SIZED = {"big": 13.2, "Big": 19.7, "bigg": 26.3, "Bigg": 32.9}  # brackets of a size that is told
_SMALL = 17.0  # a fraction or a sum inside a fraction
_SMALLER = 0.7  # how high the parts of a fraction inside a fraction are, beside those of one that stands alone
_ROW, _ROW_OF_SCRIPTS = 8.5, 12.7  # of a small matrix
_LETTERS_A_LINE = 88.0  # of words; a character of a formula is as wide as 1.25 of them
_FORMULA = 1.25


def formula(latex: str, inside: bool = False) -> float:
    """The height of a displayed formula, or of one ``inside`` a fraction."""
    deep = 2 if _DEEP.search(latex) else "^" in latex and "_" in latex
    found, position = _LETTER + deep * (_SCRIPTS / 2 if inside else _SCRIPTS), 0
    while position < len(latex):
        if latex.startswith("\\begin{", position):
            end = environment_end(latex, position)
            found, position = max(found, _environment(latex[position:end])), end
        elif latex.startswith("\\frac{", position):
            middle = brace_end(latex, position + 5)
            end = brace_end(latex, middle)
            above, below = formula(latex[position + 5 : middle], True), formula(latex[middle:end], True)
            size = max(_SMALL, _SMALLER * (above + below)) if inside else above + below + _BAR
            found, position = max(found, size), end
        elif latex.startswith("\\underset{", position):
            middle = brace_end(latex, position + 9)
            end = brace_end(latex, middle)
            found, position = max(found, formula(latex[middle:end], inside) + _BELOW), end
        elif latex.startswith("\\underbrace{", position):
            middle = brace_end(latex, position + 11)
            found, position = max(found, formula(latex[position + 11 : middle]) + _BRACE), middle
        elif mark := _SIZE.match(latex, position):
            found, position = max(found, _SIZED[mark[1]]), mark.end()
        elif latex.startswith("\\sum", position):
            found, position = max(found, _SMALL if inside else _SUM), position + 4
        elif latex.startswith(("\\max_", "\\min_"), position):
            found, position = max(found, _LIMITS), position + 4
        else:
            position += 1
    return found + _BRACKETS * ("\\left" in latex)


def _environment(latex: str) -> float:
    inside = re.sub(r"^\\begin\{[a-z]+\}(\[[a-z]\])?(\{[^}]*\})?|\\end\{[a-z]+\}$", "", latex)
    if latex.startswith("\\begin{smallmatrix}"):
        return (_ROW_OF_SCRIPTS if "^" in inside else _ROW) * (inside.count("\\\\") + 1)
    return sum(max(LINE, formula(row)) for row in inside.split("\\\\")) + 4


def paragraph(text: str) -> float:
    """The height of words with formulas in them, and of the space above them."""
    length, highest = 0.0, LINE
    for words, inside in spans(text):
        length += len(words) + _FORMULA * visible_length(inside)
        highest = max(highest, formula(inside) * 0.75 if "\\" in inside else 0.0)
    lines = max(1, math.ceil(length / _LETTERS_A_LINE))
    return (lines - 1) * LINE + highest + 5.0


def picture(figure: Figure | Chart) -> float:
    """The height of a picture in its own size."""
    if isinstance(figure, Chart):
        return (chart.HEIGHT + 1.0) * CENTIMETRE
    _, top, _, bottom = figure.extent
    return (bottom - top + 0.5) * figure.scale * CENTIMETRE
