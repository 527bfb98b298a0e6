"""Worked lines of the notes, ``formula = numbers = value``, read back out of their LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from oracles import Unreadable, read_latex

PLACES, POWER_PLACES = 6, 4  # behind the point of a number, and of one that is multiplied by a power of ten
DECIMAL = re.compile(r"(?<![\w.])(\d+\.\d+|\d+(?= \\cdot 10\^\{))(?: \\cdot 10\^\{(-?\d+)\})?")


def rows(text: str) -> Iterator[str]:
    """The rows of all displays, continuation lines joined, remarks and tags dropped."""
    for display in re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", whole_cells(text), re.DOTALL):
        joined = re.sub(r"\\\\\*?\s*(?:\[[^]]*\])?\s*&\s*\\q?quad", " ", display)
        for line in split_rows(joined):
            line = re.sub(r"\\(?:remark|tag\*?)\{(?:[^{}]|\{[^{}]*\})*\}", "", line)
            yield re.sub(r"\s+", " ", line).strip()


def whole_cells(text: str) -> str:
    """Matrices whose elements take several lines, as they would stand where there is room for each on one."""

    def matrix(lined: re.Match[str]) -> str:
        table: list[list[str]] = []
        for row in lined[1].split("\\\\"):
            cells = [cell.strip() for cell in row.split("&")]
            if table and all(cell.startswith("\\quad") for cell in cells if cell):
                table[-1] = [f"{above} {cell[5:].strip()}" for above, cell in zip(table[-1], cells, strict=True)]
            else:
                table.append(cells)
        return "\\begin{bmatrix} " + " \\\\ ".join(map(" & ".join, table)) + " \\end{bmatrix}"

    return re.sub(r"\\left\[\\begin\{array\}\{l+\}(.*?)\\end\{array\}\\right\]", matrix, text)


def split_rows(display: str) -> list[str]:
    """Split at line ends outside of environments."""
    pieces, depth, current = [], 0, ""
    for token in re.split(r"(\\begin\{\w+\}|\\end\{\w+\}|\\\\\*?(?:\[[^]]*\])?)", display):
        depth += token.startswith("\\begin") - token.startswith("\\end")
        if token.startswith("\\\\") and depth == 0:
            pieces.append(current)
            current = ""
        else:
            current += token
    return [*pieces, current]


def chain(line: str) -> list[tuple[str, str]]:
    """A row as pairs of the relation before a part and the part: ('', left), ('=', …), ('\\approx', …)."""
    parts, depth, current, relation = [], 0, "", ""
    for token in re.findall(r"\\(?:begin|end)\{\w+\}|\\[A-Za-z]+|\\.|.", line.replace("&", "")):
        depth += (token in "([{" or token.startswith("\\begin")) - (token in ")]}" or token.startswith("\\end"))
        if depth == 0 and token in ("=", "\\approx", "\\leftarrow"):
            parts.append((relation, current.strip()))
            relation, current = token, ""
        else:
            current += token
    return [*parts, (relation, current.strip())]


def number(text: str) -> Fraction | float | None:
    try:
        return read_latex(text)
    except Unreadable:
        return None


def true_chain(line: str) -> int:
    """``=`` stands between equal numbers, ``≈`` between those that differ by their rounding; how many are compared."""
    compared = 0
    for (_, before), (relation, after) in pairwise(chain(line)):
        one, other = number(before), number(after)
        if one is None or other is None:
            continue
        compared += 1
        if relation != "\\approx" and isinstance(one, Fraction) and isinstance(other, Fraction):
            assert one == other, line
        elif (off := abs(float(one) - float(other))) > 10**-PLACES:
            assert off <= 10**-PLACES + rounding(before) + rounding(after), line
    return compared


def rounding(text: str) -> float:
    """How far a formula of numbers moves, to first order, when every decimal moves by half of its last place."""
    value, moved = read_latex(text), 0.0
    for m in DECIMAL.finditer(text):
        places = POWER_PLACES if m[2] else PLACES
        other = f"{float(m[1]) + 0.5 * 10**-places:.{places + 1}f}"
        moved += abs(float(read_latex(text[: m.start(1)] + other + text[m.end(1) :]) - value))
    return 1.001 * moved
