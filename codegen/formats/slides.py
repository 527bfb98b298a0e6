"""Notes as slides: the blocks of a section dealt out to frames, and a frame as LaTeX for Beamer.

A piece is what is never torn apart: one line of a display with what continues it, a paragraph, a picture, some rows of
a table.  Pieces are put into frames by their estimated heights.  A step is what appears at once; everything has its
place from the first overlay on and is only uncovered, so nothing moves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from codegen.formats import heights, paper
from codegen.formulas.breaking import broken
from codegen.formulas.layout import visible_length
from codegen.notes.choice import example
from codegen.notes.document import Block, Display, Heading, Paragraph, Picture, Points, Row, Section, Table, Terms
from codegen.options import Options
from codegen.pictures.chart import Chart, chart_tikz
from codegen.pictures.tikz import tikz
from derive.derivation import Derivation
from derive.naming import element_names

WIDTH = 70.0  # characters of a formula on one line
RELATION = 3.0  # of them for a relation
LEAST = 20.0  # of them for a right side, beside a left side of whatever width
SURE = 0.75  # of the room: what is estimated to be wider is measured by LaTeX
TYPICAL = 0.92  # of the estimated width is that of most formulas
REMARK = 0.75  # of the width of a formula of as many characters is that of a remark
CHARACTER = 5.6  # points
HEIGHT = 203.0  # points under the title of a frame
HEAD = 15.0  # points that a formula in the title takes
AROUND = 8.0  # points above and below a display
PICTURE = 150.0  # points of the highest picture
FORMULA = 150.0  # points of the highest formula
ROW = 14.5  # points of the row of a table
ROWS = 11  # of a table on one frame
TORN = 0.4  # of a frame left empty: so bad is a display on two frames
WORDS = 46.0  # characters of a line in a table of words

_CLAUSE = re.compile(r"(?<=[.;,]) (?=(?:[^$]*\$[^$]*\$)*[^$]*$)")  # a space after a mark outside of formulas


def choice(derivation: Derivation, options: Options) -> Options:
    """The options of slides: where nothing is chosen, as brief as can be with one weight of each array in steps."""
    if options.detail:
        return options
    network = derivation.network
    names = element_names(network.weights, network.notation)
    examples = tuple(names[example(w)] for w in network.weights)
    return replace(options, detail="brief", weights=options.weights or examples)


@dataclass(frozen=True)
class Line:
    """A line of a display: what stands left and right of where all are aligned, and a remark at its end."""

    left: str
    right: str
    remark: str = ""


@dataclass(frozen=True)
class Piece:
    """Lines of a display, or ready LaTeX.

    A ``fresh`` piece begins a step; a ``leading`` one stands on one frame with what follows, and appears with it.
    Lines of the same ``display`` are aligned with each other.
    """

    height: float
    text: str = ""
    lines: tuple[Line, ...] = ()
    display: int | None = None
    leading: bool = False
    fresh: bool = True


@dataclass
class Frame:
    """One frame: its number among those of its title, the formula in its title, and what stands on it."""

    number: int
    head: str = ""
    pieces: list[Piece] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The frame in LaTeX."""
        steps, found = numbered(self.pieces), []
        for display, group in groupby(zip(steps, self.pieces, strict=True), lambda pair: pair[1].display):
            if display is None:
                found += [uncovered(piece.text, step) for step, piece in group]
                continue
            lines = [" & ".join(cells(line, step)) for step, piece in group for line in piece.lines]
            inside = " \\\\[0.35em]\n".join(f"  {line}" for line in lines)
            found.append(f"\\ontop\n\\begin{{align*}}\n{inside}\n\\end{{align*}}")
        return "\n\n".join(found)


def numbered(pieces: list[Piece]) -> list[int]:
    """The overlay on which each piece appears."""
    steps: list[int] = []
    for n, piece in enumerate(pieces):
        steps.append(1 if not n else steps[-1] + (piece.fresh and not pieces[n - 1].leading))
    return steps


def uncovered(text: str, step: int) -> str:
    """Text that has its place from the first overlay on."""
    return text if step == 1 or not text else f"\\uncover<{step}->{{{text}}}"


def cells(line: Line, step: int) -> tuple[str, str]:
    """The two cells of a line; the right one begins with a relation, which keeps its distance inside of braces."""
    right = uncovered(f"{{}}{line.right}", step)
    remark = f" \\tag*{{{uncovered(line.remark, step)}}}" if line.remark else ""
    return uncovered(line.left, step), right + remark


def frames(section: Section) -> list[Frame]:
    """The frames of a section."""
    found: list[Frame] = []
    for head, blocks in under_heads(section.blocks):
        left = ""
        for part in dealt(list(units(pieces(blocks))), HEIGHT - HEAD * bool(head)):
            part[0] = carried_on(part[0], left)
            found.append(Frame(len(found) + 1, head, part))
            left = next((line.left for piece in reversed(part) for line in reversed(piece.lines) if line.left), left)
    return found


def dealt(units: list[list[Piece]], room: float) -> list[list[Piece]]:
    """The pieces of as few frames as can be, about equally full, and displays whole where that costs nothing else.

    Of all ways to as many frames the one with the least sum of squares of what stays empty.
    """
    best: list[tuple[int, float, list[list[Piece]]]] = [(0, 0.0, [])]
    for end in range(1, len(units) + 1):
        ways = []
        for start in reversed(range(end)):
            part = [piece for unit in units[start:end] for piece in unit]
            free = room - height(part)
            if free < 0 and start < end - 1:
                break
            count, cost, before = best[start]
            torn = bool(before) and part[0].display is not None and part[0].display == before[-1][-1].display
            ways.append((count + 1, cost + free**2 + torn * (TORN * room) ** 2, [*before, part]))
        best.append(min(ways, key=lambda way: way[:2]))
    return best[-1][2]


def carried_on(piece: Piece, left: str) -> Piece:
    """The first piece of a frame; where it goes on from the frame before, what it is equal to stands there again."""
    if not piece.lines or piece.lines[0].left or piece.lines[0].right.startswith("\\quad"):
        return piece
    return replace(piece, lines=(replace(piece.lines[0], left=left), *piece.lines[1:]))


def under_heads(blocks: list[Block]) -> Iterator[tuple[str, list[Block]]]:
    """The blocks under one head, and it; words before the first one are under it too."""
    head, under = "", list[Block]()
    for block in blocks:
        if isinstance(block, Heading):
            if head or not all(isinstance(b, Paragraph) for b in under):
                yield head, under
                under = []
            head = block.formula
        else:
            under.append(block)
    yield head, under


def height(pieces: list[Piece]) -> float:
    """The height of pieces on one frame."""
    displays = sum(display is not None for display, _ in groupby(p.display for p in pieces))
    return sum(p.height for p in pieces) + AROUND * displays


def units(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces that stand on one frame: leading ones with what follows, others with what comments on them."""
    unit: list[Piece] = []
    for piece in pieces:
        alone = unit and not unit[-1].leading and piece.fresh
        if alone or height([*unit, piece]) > HEIGHT - HEAD:
            if unit:
                yield unit
            unit = []
        unit.append(piece)
    if unit:
        yield unit


def pieces(blocks: list[Block]) -> Iterator[Piece]:
    """All blocks in pieces."""
    for n, block in enumerate(blocks):
        after = blocks[n + 1] if n + 1 < len(blocks) else None
        match block:
            case Paragraph(text, "plain"):
                *parts, last = map(said, clauses(text))
                yield from parts
                yield replace(last, leading=after is not None and not isinstance(after, Paragraph))
            case Paragraph(text):
                yield from (replace(said(part), text=f"\\uses{{{part}}}", fresh=False) for part in clauses(text))
            case Display(rows):
                room = max(LEAST, WIDTH - RELATION - max(visible_length(r.left) for r in rows))
                yield from (piece for row in rows for piece in of_row(row, room, n))
            case Picture(figure):
                drawn = chart_tikz(figure) if isinstance(figure, Chart) else tikz(figure)
                high = min(PICTURE, heights.picture(figure)) + 6
                yield Piece(high, f"\\sbox{{\\drawn}}{{%\n{drawn}}}\\fitdrawn{{{PICTURE:g}pt}}")
            case Points(items):
                for item in items:
                    yield Piece(heights.paragraph(item) + 6, f"\\begin{{itemize}}\n  \\item {item}\n\\end{{itemize}}")
            case Table(head, body):
                for part in parted(body, [1.0] * len(body)):
                    formula = paper.table(Table(head, part))
                    yield Piece(ROW * (len(part) + 1) + 8, f"{{\\small $\\fitted{{\\textwidth}}{{{formula}}}$}}")
            case Terms(head, body):
                lines = [visible_length(row[1]) // WORDS + 1 for row in body]
                for part in parted(body, lines):
                    used = sum(n for n, row in zip(lines, body, strict=True) if row in part)
                    yield Piece(ROW * (used + 1) + 8, f"{{\\footnotesize {paper.terms(Terms(head, part))}}}")


def said(text: str) -> Piece:
    return Piece(heights.paragraph(text), text)


def clauses(text: str) -> list[str]:
    """A paragraph, or where it would fill a frame, parts of it."""
    parts: list[str] = []
    for clause in _CLAUSE.split(text):
        longer = f"{parts[-1]} {clause}" if parts else ""
        if longer and heights.paragraph(longer) <= 0.8 * HEIGHT:
            parts[-1] = longer
        else:
            parts.append(clause)
    return parts


def parted(rows: tuple[tuple[str, ...], ...], high: list[float]) -> Iterator[tuple[tuple[str, ...], ...]]:
    """The rows of a table, about as many on each of as few frames as can be."""
    share = sum(high) / -(-sum(high) // ROWS)
    part: list[tuple[str, ...]] = []
    used = before = 0.0
    for row, lines in zip(rows, high, strict=True):
        if part and (used + lines > ROWS or before + lines / 2 > share):
            yield tuple(part)
            part, used, before = [], 0.0, before - share
        part.append(row)
        used += lines
        before += lines
    yield tuple(part)


def of_row(row: Row, room: float, display: int) -> Iterator[Piece]:
    """A row, broken where it leaves the slide; in several pieces where it is higher than a frame."""
    first, *rest = broken(row.right, room)
    left = fitted(row.left, WIDTH - RELATION - LEAST)
    lines = [Line(left, f"{row.relation} {fitted(first, room)}")]
    lines += [Line("", f"\\quad {fitted(piece, room - 2)}") for piece in rest]
    remark = " ".join(filter(None, [row.remark, f"({row.number})" if row.number is not None else ""]))
    below = 0.0
    if remark:
        widths = [visible_length(first), *(visible_length(piece) + 2 for piece in rest)]
        lines, below = remarked(lines, remark, room, widths)
    tall = [max(heights.LINE, *map(heights.formula, (line.left, line.right))) + heights.GAP for line in lines]
    tall[0] += below
    part: list[Line] = []
    used = 0.0
    for n, (line, high) in enumerate(zip(lines, tall, strict=True)):
        high = min(high, FORMULA)
        if part and used + high > HEIGHT - HEAD - AROUND:
            yield Piece(used, lines=tuple(part), display=display, fresh=n == len(part))
            part, used = [], 0.0
        part.append(line)
        used += high
    yield Piece(used, lines=tuple(part), display=display)


def remarked(lines: list[Line], remark: str, room: float, widths: list[float]) -> tuple[list[Line], float]:
    """A remark at the right of the first line that has room for it, or on a line of its own below.

    Where there may be room beside the first line alone, LaTeX finds out, and what it takes to set it below is told too.
    """
    text, length = f"\\remark{{{remark}}}", visible_length(remark.replace("$", ""))
    places = [n for n, width in enumerate(widths) if TYPICAL * width + REMARK * length + 1 <= room]
    maybe = SURE * widths[0] + 0.7 * length + 4 <= room
    if not places and not maybe:
        return [*lines, Line("", f"\\quad\\text{{{text}}}")], 0.0
    place = places[0] if places else 0
    found = [replace(line, remark=text) if n == place else line for n, line in enumerate(lines)]
    return found, 0.0 if places else heights.REMARK


def fitted(latex: str, room: float) -> str:
    """A formula that is made smaller where it is wider than its room or higher than a frame."""
    if visible_length(latex) <= SURE * room and heights.formula(latex) <= FORMULA:
        return latex
    return f"\\fitted{{{room * CHARACTER:.0f}pt}}{{{latex}}}"
