"""Notes in Markdown: the formulas in what GitHub, KaTeX and MathJax have in common.

That is ``aligned`` between double dollar signs on lines of their own, ``\\mathrm`` for names; no macros, no labels, no
numbers set by LaTeX.  Remarks and equation numbers are a column of the display.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from codegen.formulas.breaking import lines_of
from codegen.formulas.hues import LIGHT, repainted
from codegen.notes.document import Block, Display, Heading, Paragraph, Picture, Points, Row, Table, Terms, spans

#: A star is emphasis in Markdown, a bar ends a cell: in a line of text, letters stand for them.
MARKS = {"*": "\\ast ", "<": "\\lt ", ">": "\\gt ", "|": "\\vert "}
#: Where formulas are not read first, as on GitHub, a backslash before punctuation is an escape too.
LETTERS = {"\\\\": "\\cr", "\\,": "\\thinspace ", "\\;": "\\thickspace ", **MARKS}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$<>])")


def escape(text: str) -> str:
    """The user's text as Markdown text: nothing in it has a meaning."""
    return _SPECIAL.sub(r"\\\1", text).replace("&", "&amp;")


def comment(text: str) -> str:
    """The user's text inside a comment, which it cannot end."""
    return text.replace("-->", "").replace("--", "- -")


def block(b: Block, letters: Mapping[str, str] = LETTERS) -> str:
    """One block as Markdown, with these letters for what has a meaning in a line of text."""
    match b:
        case Paragraph(text, manner):
            return inline(text, letters) if manner == "plain" else f"*{inline(text, letters)}*"
        case Display(rows):
            return "\n".join(["$$", "\\begin{aligned}", *lines(rows), "\\end{aligned}", "$$"])
        case Heading(formula):
            return f"### {inline(f'${formula}$', letters)}"
        case Picture(figure):
            return f"*{figure.caption}.* {figure.description}"
        case Points(items):
            return "\n".join(f"- {inline(item, letters)}" for item in items)
        case Terms(head, rows):
            lines_ = [head, ("---",) * len(head), *(tuple(inline(cell, letters) for cell in row) for row in rows)]
            return "\n".join(f"| {' | '.join(cells)} |" for cells in lines_)
        case Table(head, rows):
            lines_ = [head, ("---:",) * len(head), *(tuple(f"${coloured(cell)}$" for cell in row) for row in rows)]
            return "\n".join(f"| {' | '.join(cells)} |" for cells in lines_)


def coloured(formula: str) -> str:
    """A formula with its colours as GitHub, KaTeX and MathJax know them."""
    return repainted(formula, lambda hue: f"\\textcolor{{#{LIGHT[hue]}}}")


def inline(text: str, letters: Mapping[str, str] = LETTERS) -> str:
    """Words with formulas in them."""
    found, marks = "", re.compile("|".join(map(re.escape, letters)))
    for words, formula in spans(text):
        formula = coloured(marks.sub(lambda mark: letters[mark[0]], formula))
        found += words + (f"${formula.strip()}$" if formula else "")
    return found


def lines(rows: tuple[Row, ...]) -> list[str]:
    """The lines of an ``aligned``; right sides are broken where they would be wider than a page."""
    found = [
        f"{line.left} &{line.right}{beside(line.row)}" if line.row else f"&{line.right}" for line in lines_of(rows)
    ]
    return [coloured(f"{line} \\\\") for line in found[:-1]] + [coloured(found[-1])]


def beside(row: Row) -> str:
    """What stands at the right of a line."""
    number = f"\\text{{({row.number})}}" if row.number is not None else ""
    beside = "\\quad ".join(filter(None, [words(row.remark), number]))
    return f" && {beside}" if beside else ""


def words(text: str) -> str:
    """Words with formulas in them as a part of a formula."""
    return "".join((f"\\text{{{w}}}" if w else "") + formula for w, formula in spans(text))
