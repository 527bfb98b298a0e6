"""Notes on paper: the blocks of a document in LaTeX, as the template ``notes/notes.tex.jinja`` sets them."""

from __future__ import annotations

from codegen.formulas.breaking import lines_of
from codegen.formulas.layout import WIDTH, visible_length
from codegen.notes.document import Block, Display, Heading, Paragraph, Picture, Points, Row, Table, Terms
from codegen.pictures.chart import Chart, chart_tikz
from codegen.pictures.tikz import tikz


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


def tex(block: Block, labels: str = "") -> str:
    """One block as LaTeX: a display is part of the paragraph above it, everything else starts a new one."""
    match block:
        case Display(rows, together):
            return "\n".join(
                ["\\begin{align*}", *(f"  {line}" for line in lines(rows, together, labels)), "\\end{align*}"]
            )
        case Paragraph(text, manner):
            text = {"plain": text, "aside": f"\\textit{{{text}}}", "with": f"\\uses{{{text}}}"}[manner]
        case Heading(formula):
            text = f"\\step{{${formula}$}}"
        case Table():
            text = table(block)
        case Terms():
            text = terms(block)
        case Picture(figure):
            drawn = chart_tikz(figure) if isinstance(figure, Chart) else tikz(figure)
            text = f"\\begin{{picturehere}}\n{drawn}\n\\end{{picturehere}}"
        case Points(items):
            text = "\n".join(["\\begin{itemize}", *(f"  \\item {item}" for item in items), "\\end{itemize}"])
    return f"\n{text}"


def lines(rows: tuple[Row, ...], together: bool, labels: str = "") -> list[str]:
    """The lines of an ``align``; right sides are broken where they would leave the page."""
    line_end = " \\\\*" if together else " \\\\"
    found = lines_of(rows)
    texts = [f"{x.left} &{x.right} {tag(x.row, labels)}".rstrip() if x.row else f"&{x.right}" for x in found]
    ends = [line_end + "[0.35em]" * (after.row is not None) for after in found[1:]]
    return [text + end for text, end in zip(texts, [*ends, ""], strict=True)]


def tag(row: Row, labels: str = "") -> str:
    """What stands at the right of a line; with ``labels`` an equation's number can be referred to."""
    if row.number is not None and labels:
        beside = f"\\quad\\text{{\\beside{{{row.remark}}}}} " if row.remark else ""
        return f"{beside}\\tag{{{row.number}}}\\label{{eq:{labels}:{row.number}}}"
    if row.number is not None and row.remark:
        return f"\\tag*{{\\beside{{{row.remark}}}({row.number})}}"
    if row.number is not None:
        return f"\\tag*{{({row.number})}}"
    return f"\\remark{{{row.remark}}}" if row.remark else ""


def table(t: Table) -> str:
    """Numbers in columns; the first column names the rows, the last one sums them up."""
    head = [f"\\text{{{word}}}" if word else "" for word in t.head]
    cells = [" & ".join(head) + " \\\\ \\hline", *(" & ".join(row) + " \\\\" for row in t.rows)]
    columns = "r|" + "r" * (len(t.head) - 2) + "|r"
    return f"{{\\small $\\begin{{array}}{{{columns}}} {' '.join(cells)} \\end{{array}}$}}"


def terms(t: Terms) -> str:
    """Words in columns; the longest stand in a paragraph, of half the page if the other columns leave it that."""
    others = [max(visible_length(row[n]) for row in (t.head, *t.rows)) for n in range(len(t.head)) if n != 1]
    room = max(0.25, min(0.55, 0.9 - sum(others) / WIDTH))
    cells = [" & ".join(t.head) + " \\\\ \\hline", *(" & ".join(row) + " \\\\" for row in t.rows)]
    columns = "l" + f"p{{{room:.2f}\\textwidth}}" + "l" * (len(t.head) - 2)
    table = f"\\begin{{tabular}}{{{columns}}} {' '.join(cells)} \\end{{tabular}}"
    return f"{{\\renewcommand{{\\arraystretch}}{{1.15}}{table}}}"
