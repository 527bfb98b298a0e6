"""Long formulas in lines.

A formula is cut where a reader pauses: before relations, else before signs, else between factors; outside brackets,
else inside them, as near to the outside as will do.  What has no such place, a bracket that grows with what it holds, a
fraction, a case, is opened until there is one: brackets of a fixed size may stand on different lines, A/B is 1/B times
A.  Every piece is a formula by itself to TeX, KaTeX and MathML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from codegen.formulas.layout import WIDTH, brace_end, brackets, environment_end, visible_length
from codegen.notes.document import Row

LEFT = 0.4 * WIDTH  # what is wider on the left of a relation has a line of its own
INDENT = 2.0  # before what goes on
RELATION = 3.0  # a relation, for which a line has room beside what it holds
DEPTH = 5  # brackets inside brackets that are cut
_NARROW = 12.0  # what is opened no further


@dataclass(frozen=True)
class _Cut:
    """Where a formula may be cut: before these marks, inside so many brackets at most."""

    marks: tuple[str, ...]
    depth: int = 0


_SIGNS, _FACTORS = (" + ", " - "), (" \\cdot ", "\\, ", " \\begin{bmatrix}")
_CUTS = (
    _Cut((" = ", " \\approx ")),
    *(_Cut(marks, depth) for depth in range(DEPTH) for marks in (_SIGNS, _FACTORS)),
)  # the best places first


@dataclass(frozen=True)
class Line:
    """A row, or a piece of one, on a line: what stands left of where the rows are aligned, and what right of it."""

    left: str
    right: str
    row: Row | None = None  # whose line this is; none for what only goes on


def lines_of(rows: Sequence[Row], width: float = WIDTH) -> list[Line]:
    """The lines of aligned rows; right sides are broken where they would leave the page.

    Left sides from the widest on stand on lines of their own until the right sides have room.
    """
    lefts = sorted({w for r in rows if (w := visible_length(r.left)) <= LEFT} | {0.0}, reverse=True)
    for limit in lefts:
        found = _aligned(rows, width, limit)
        if all(visible_length(line.right) <= width - limit + RELATION for line in found):
            break
    return found


def _aligned(rows: Sequence[Row], width: float, limit: float) -> list[Line]:
    """The lines where left sides wider than ``limit`` stand on lines of their own: they would push all to the right."""
    room, found = width - limit, []
    for row in rows:
        pieces = broken(row.right, room)
        pieces = broken(row.right, room - INDENT) if len(pieces) > 1 else pieces
        pieces = [f"{row.relation} {pieces[0]}", *(f"\\quad {piece}" for piece in pieces[1:])]
        if visible_length(row.left) > limit:
            found += [Line("", row.left, row), *(Line("", f"\\quad {piece}") for piece in pieces)]
        else:
            found += [Line(row.left, pieces[0], row), *(Line("", piece) for piece in pieces[1:])]
    return found


def broken(latex: str, width: float = WIDTH) -> list[str]:
    """A formula in pieces that fit the line, as far as that can be."""
    return [piece.strip() for piece in _pieces(latex, width, _CUTS)]


def terms(latex: str) -> list[str]:
    """A formula cut before every relation and every sign outside brackets; an equation beside it stays whole."""
    formula, *beside = _split(latex, _Cut(("\\qquad ",)))
    parts = [part.strip() for whole in _split(formula, _CUTS[0]) for part in _split(whole, _CUTS[1])]
    return [*parts, *beside]


def _pieces(latex: str, width: float, cuts: tuple[_Cut, ...]) -> list[str]:
    if visible_length(latex) <= width:
        return [latex]
    if not cuts:
        return _opened(latex, width)
    pieces: list[str] = []
    for part in _split(latex, cuts[0]):
        first, *rest = _pieces(part, width, cuts[1:])
        whole = not rest or cuts[0] not in _CUTS[:2]  # a relation or a sign begins a line with what needs several
        if pieces and whole and visible_length(pieces[-1] + first) <= width:
            pieces[-1] += first
            pieces += rest
        else:
            pieces += [first, *rest]
    return pieces


def _split(latex: str, cut: _Cut) -> list[str]:
    """A formula cut at every place where it may be."""
    parts, depth, start = [], 0, 0
    for position, atom in _atoms(latex):
        before = latex[start:position].rstrip()
        condition = before.endswith("]") and cut.marks == _FACTORS  # what holds under it stands beside it
        if depth <= cut.depth and latex.startswith(cut.marks, position) and before and not condition:
            parts.append(latex[start:position])
            start = position
        depth += _DEPTHS.get(atom[-1], 0) if len(atom) == 1 or _SIZED.match(atom) else 0
    return [*parts, latex[start:]]


_DEPTHS = {"(": 1, ")": -1, "[": 2, "]": -2}  # a condition or what is differentiated is rather kept whole
_SIZED = re.compile(r"\\[bB]igg?[lr](\\[a-zA-Z]+|.)")
_ATOM = re.compile(rf"{_SIZED.pattern}|\\[a-zA-Z]+|\\.|.", re.DOTALL)


def _atoms(latex: str) -> Iterator[tuple[int, str]]:
    """Places and parts that stay whole: braces, environments and growing brackets with what is in them, signs."""
    position = 0
    while position < len(latex):
        if latex.startswith("\\begin{", position):
            end = environment_end(latex, position)
        elif latex[position] == "{":
            end = brace_end(latex, position)
        elif growing := _GROWING.match(latex, position):
            end = _right(latex, growing.start())
        else:
            end = position + len(_ATOM.match(latex, position)[0])  # type: ignore[index]
        yield position, latex[position:end]
        position = end


_GROWING = re.compile(r"\\(left|right)(\\[a-zA-Z]+|[^a-zA-Z])")


def _right(latex: str, opening: int) -> int:
    """The place after the ``\\right`` bracket that closes the ``\\left`` one at ``opening``."""
    depth = 0
    for mark in _GROWING.finditer(latex, opening):
        depth += 1 if mark[1] == "left" else -1
        if depth == 0:
            return mark.end()
    return len(latex)


# opening


def _opened(latex: str, width: float) -> list[str]:
    """The pieces once the widest part that stays whole is written such that it can be cut."""
    parts = [(visible_length(latex[start:end]), start, end, write) for start, end, write in _wholes(latex)]
    for size, start, end, write in sorted(parts, key=lambda part: -part[0]):
        room = max(width - visible_length(latex) + size, 0.4 * width)
        new = write(latex[start:end], room) if size >= _NARROW else None
        if new is not None:
            text = latex[:start] + new + latex[end:]
            if write in (_cases, _transposed, _lined) and visible_length(text) >= visible_length(latex):
                continue
            pieces = _pieces(text, width, _CUTS)
            if max(map(visible_length, pieces)) < visible_length(latex):
                return pieces
    return [latex]


_Write = Callable[[str, float], str | None]


def _wholes(latex: str) -> Iterator[tuple[int, int, _Write]]:
    """Where something stays whole and how it is opened."""
    atoms = [*_atoms(latex), (len(latex), "")]
    for n, (start, atom) in enumerate(atoms):
        if _GROWING.match(atom):
            yield start, start + len(atom), _sized
        elif atom.startswith("\\begin{cases}"):
            yield start, start + len(atom), _cases
        elif atom.startswith("\\begin{bmatrix}"):
            yield start, start + len(atom), _transposed
            yield start, start + len(atom), _lined
        elif atom in ("\\frac", "\\sqrt"):
            yield start, atoms[n + (3 if atom == "\\frac" else 2)][0], _fraction if atom == "\\frac" else _root


def _sized(latex: str, room: float) -> str:
    """Brackets that grow, as brackets of a fixed size."""
    *_, last = _GROWING.finditer(latex)
    first = _GROWING.match(latex)
    assert first is not None
    inside = latex[first.end() : last.start()]
    if first[2].startswith("\\"):  # MathML draws no large ones
        return f"{first[2]} {inside} {last[2]}"
    size = "Bigg" if "\\begin" in inside else "bigg" if brackets(inside)[0] == "\\" else "big"
    return f"\\{size}l{first[2]}{inside}\\{size}r{last[2]}"


def _fraction(latex: str, room: float) -> str | None:
    """A fraction as a product: 1/B times A, or A to the power −1."""
    middle = brace_end(latex, 5)
    above, below = latex[6 : middle - 1], latex[middle + 1 : -1]
    if above.startswith("\\partial\\, "):
        return f"\\frac{{\\partial}}{{{below}}} {above.removeprefix(_PARTIAL)}"
    if above.startswith("\\partial"):
        return None
    factor = above if len(_split(above, _Cut(_SIGNS))) == 1 and not above.startswith("-") else brackets(above)
    if visible_length(below) <= room:
        return None if above == "1" else f"\\frac{{1}}{{{below}}} \\cdot {factor}"
    power = f"{brackets(below)}^{{-1}}"
    return power if above == "1" else f"{factor} \\cdot {power}"


_PARTIAL = "\\partial\\, "


def _root(latex: str, room: float) -> str:
    """A square root as a power."""
    return f"{brackets(latex[6:-1])}^{{1/2}}"


def _cases(latex: str, room: float) -> str | None:
    """Cases whose values, and whose conditions, take several lines."""
    rows = _celled(_table(latex), room - 5)
    return rows and f"\\begin{{cases}} {rows} \\end{{cases}}"


def _lined(latex: str, room: float) -> str | None:
    """A matrix whose elements take several lines, each line after the first a little to the right."""
    table = _table(latex)
    rows = _celled(table, room - 2 * len(table[0]) - 1)
    return rows and f"\\left[\\begin{{array}}{{{'l' * len(table[0])}}} {rows} \\end{{array}}\\right]"


def _celled(table: list[list[str]], room: float) -> str | None:
    """Rows of a table in which no column is wider than it must be for all to have room; none if that is no help."""
    widths = sorted(max(visible_length(cell) for cell in column) for column in zip(*table, strict=True))
    for n, width in enumerate(widths):  # the narrow columns leave the others their room
        most = room / (len(widths) - n)
        if width > most:
            break
        room -= width
    rows = []
    for line in table:
        indented = [[("\\quad " if n else "") + piece for n, piece in enumerate(broken(c, most))] for c in line]
        rows += [" & ".join(row) for row in zip_longest(*indented, fillvalue="")]
    return " \\\\ ".join(rows) if len(rows) > len(table) else None


def _transposed(latex: str, room: float) -> str:
    """A matrix that is too wide, as the transpose of one that is not."""
    rows = " \\\\ ".join(" & ".join(column) for column in zip(*_table(latex), strict=True))
    return f"\\begin{{bmatrix}} {rows} \\end{{bmatrix}}^{{\\top}}"


def _table(latex: str) -> list[list[str]]:
    """The cells of cases or of a matrix."""
    table: list[list[str]] = [[]]
    start = 0
    inside = latex[latex.index("}") + 1 : latex.rindex("\\end{")]
    for position, atom in [*_atoms(inside), (len(inside), "\\\\")]:
        if atom in ("&", "\\\\"):
            table[-1].append(inside[start:position].strip())
            start = position + len(atom)
        if atom == "\\\\" and position < len(inside):
            table.append([])
    return table
