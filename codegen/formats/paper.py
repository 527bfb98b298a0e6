"""Notes on paper: the blocks of a document in LaTeX, as the template ``notes/notes.tex.jinja`` sets them."""

from __future__ import annotations

from codegen.formats import heights
from codegen.formulas.breaking import broken, lines_of
from codegen.formulas.layout import WIDTH, visible_length
from codegen.notes.document import Block, Display, Heading, Paragraph, Picture, Points, Row, Table, Terms, linked, spans
from codegen.pictures.chart import Chart, chart_tikz
from codegen.pictures.tikz import tikz

ROWS = 24  # of a table that stays on one page
PAGE = 650.0  # points of a page for what stays on it
STEPS = 8  # lines of a derivation that stays on one page
TABLE = WIDTH / 0.9  # characters of a line of numbers, which are small
GAP = 1.5  # between the columns of numbers
NAMES = 24.0  # characters of the names that begin a row of words
WORDS = 0.75  # the width of a letter of a text, in characters of a formula


def joined(blocks: list[Block]) -> list[Block]:
    """Displays without a word between them are one: their lines align, and no space is lost."""
    found: list[Block] = []
    for block in blocks:
        last = found[-1] if found else None
        if isinstance(block, Display) and isinstance(last, Display) and not (block.together or last.together):
            found[-1] = Display((*last.rows, *block.rows))
        else:
            found.append(block)
    return found


def tex(block: Block, after: Block | None = None, labels: str = "") -> str:
    """One block as LaTeX: a display is part of the paragraph above it, everything else starts a new one.

    What a derivation has used, ``after`` it, stays on its page.  With ``labels`` it is a part of somebody's document:
    equations are counted there and bear labels, by which they are referred to.
    """
    match block:
        case Display(rows, together):
            kind = "align" if labels else "align*"
            inside = [f"  {line}" for line in lines(rows, together, labels)]
            display = ["\\ontop", f"\\begin{{{kind}}}", *inside, f"\\end{{{kind}}}"]
            kept = ["\\interdisplaylinepenalty=10000"] * (len(inside) <= STEPS and any(row.remark for row in rows))
            if isinstance(after, Paragraph) and after.manner in ("with", "aside"):
                kept.append("\\postdisplaypenalty=10000")
            if kept:
                display = ["{" + " ".join(kept), *display, "}%"]
            return "\n".join(display)
        case Paragraph(text, manner):
            text = _linked(_cut(text), labels)
            text = {"aside": f"\\textit{{{text}}}\n\n\\pagebreak[1]", "with": f"\\uses{{{text}}}"}.get(manner, text)
            text = f"{{\\raggedright {text}\\par}}" if manner == "list" else text
        case Heading(formula):
            text = f"\\step{{${formula}$}}"
        case Table():
            high = any("^" in row[0] for row in block.rows)  # names with a sign above and one below
            size = "\\small\\apart" if high else "\\small"
            tables = [f"{{\\centering{size} ${table(part)}$\\par}}" for part in beside(block)]
            return "\n\n\\smallskip\n".join(["\\nopagebreak", *tables])
        case Terms():
            count = -(-len(block.rows) // -(-len(block.rows) // ROWS))  # tables of about the same length
            said = [tuple(_linked(cell, labels) for cell in row) for row in block.rows]
            parts = [Terms(block.head, tuple(said[n : n + count])) for n in range(0, len(said), count)]
            return "\n\n".join(["\\nopagebreak", *(terms(part, whole=not labels) for part in parts)])
        case Picture(figure, floats):
            drawn = chart_tikz(figure) if isinstance(figure, Chart) else tikz(figure)
            text = f"\\begin{{picturehere}}\n{drawn}\n\\end{{picturehere}}"
            if floats:
                text = f"\\begin{{figure}}[htb]\n\\centering\n{drawn}\n\\caption{{{figure.caption}}}\n\\end{{figure}}"
        case Points(items):
            text = "\n".join(
                ["\\begin{itemize}", *(f"  \\item {_linked(_cut(item), labels)}" for item in items), "\\end{itemize}"]
            )
    return f"\n{text}"


def lines(rows: tuple[Row, ...], together: bool, labels: str = "") -> list[str]:
    """The lines of an ``align``; right sides are broken where they would leave the page.

    A page ends neither after the first line nor before the last: none stands alone on its page.  What is higher than a
    page cannot stay ``together``.
    """
    found = lines_of(rows)
    together = together and sum(max(map(heights.formula, (x.left, x.right))) + heights.GAP for x in found) <= PAGE
    texts = [f"{x.left} &{x.right} {tag(x.row, labels)}".rstrip() for x in found]
    kept = {0, len(found) - 2, *(range(len(found)) if together else ())}
    ends = [" \\\\" + "*" * (n in kept) + "[0.35em]" * (after.row is not None) for n, after in enumerate(found[1:])]
    return [text + end for text, end in zip(texts, [*ends, ""], strict=True)]


def tag(row: Row | None, labels: str = "") -> str:
    """What stands at the right of a line, if it is more than a piece of the one above: its number, a remark.

    With ``labels`` the number is that of the document, and can be referred to.
    """
    remark, number = (_linked(row.remark, labels), row.number) if row else ("", None)
    if number is not None and labels:
        beside = f"\\quad\\text{{\\beside{{{remark}}}}} " if remark else ""
        return f"{beside}\\label{{eq:{labels}:{number}}}"
    if number is not None:
        return f"\\tag*{{\\beside{{{remark}}}({number})}}" if remark else f"\\tag*{{({number})}}"
    if remark:
        return f"\\remark{{{remark}}}"
    return "\\notag" if labels else ""


def _cut(text: str) -> str:
    """Words whose formulas may be cut where they are longer than a line."""

    def cut(formula: str) -> str:
        return " \\allowbreak ".join(broken(formula, WIDTH)) if visible_length(formula) > WIDTH else formula

    return "".join(f"{words}${cut(formula)}$" if formula else words for words, formula in spans(text))


def _linked(text: str, labels: str) -> str:
    """Words with references to the equations that they name, where these bear labels."""
    return linked(text, lambda number: f"\\eqref{{eq:{labels}:{number}}}") if labels else text


def beside(t: Table, width: float = TABLE) -> list[Table]:
    """A table as several, the columns of one having room beside each other; each begins with the names of the rows."""
    columns = list(zip(t.head, *t.rows, strict=True))
    widths = [max(map(visible_length, column[1:]), default=0.0) + GAP for column in columns]
    widths = [max(w, WORDS * len(column[0]) + GAP) for w, column in zip(widths, columns, strict=True)]
    parts, used = [[0]], widths[0]
    for n in range(1, len(columns)):
        if used + widths[n] > width and len(parts[-1]) > 1:
            parts.append([0])
            used = widths[0]
        parts[-1].append(n)
        used += widths[n]
    return [
        Table(tuple(t.head[n] for n in part), tuple(tuple(row[n] for n in part) for row in t.rows)) for part in parts
    ]


def table(t: Table) -> str:
    """Numbers in columns, a formula; the first column names the rows, the last one sums them up."""
    head = [f"\\text{{{word}}}" if word else "" for word in t.head]
    cells = [" & ".join(head) + " \\\\ \\hline", *(" & ".join(row) + " \\\\" for row in t.rows)]
    columns = "|".join(filter(None, ["r", "r" * (len(t.head) - 2), "r"]))
    return f"\\begin{{array}}{{{columns}}} {' '.join(cells)} \\end{{array}}"


def terms(t: Terms, whole: bool = False) -> str:
    """Words in columns; the longest stand in a paragraph, of half the page if the other columns leave it that.

    They need none where all columns fit beside each other, on the page of a ``whole`` document.  In a paragraph a
    derivative may be cut behind its bar; what several names begin stands in one, too, as wide as the longest name.
    """
    others = [max(visible_length(row[n]) for row in (t.head, *t.rows)) for n in range(len(t.head)) if n != 1]
    names = max(NAMES, 1 + max(visible_length(name) for row in t.rows for _, name in spans(row[0])))
    widths = [max(_width(row[n]) for row in (t.head, *t.rows)) for n in range(len(t.head))]
    first = "l" if widths[0] <= names else f"p{{{names / WIDTH:.2f}\\textwidth}}"
    others[0] = min(others[0], names)
    room = max(0.25, min(0.55, 0.84 - sum(others) / WIDTH))  # four columns leave a sixth to what is between them
    cells = [" & ".join(t.head) + " \\\\ \\hline", *(" & ".join(row) + " \\\\" for row in t.rows)]
    words = "l" if whole and first == "l" and sum(widths) + 3 * len(widths) < WIDTH else f"p{{{room:.2f}\\textwidth}}"
    if words != "l":
        cells = [cell.replace(" / ", " / \\allowbreak ") for cell in cells]
    columns = f"{first}{words}{'l' * (len(t.head) - 2)}"
    table = f"\\begin{{tabular}}{{{columns}}} {' '.join(cells)} \\end{{tabular}}"
    return f"{{\\renewcommand{{\\arraystretch}}{{1.15}}{table}}}"


def _width(cell: str) -> float:
    """About how wide words with formulas are, in characters of a formula."""
    return sum(WORDS * len(words) + visible_length(formula) for words, formula in spans(cell))
