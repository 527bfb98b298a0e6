"""Notes in the flavours of Markdown that books and course pages are built from: Quarto and MyST.

Beyond plain Markdown both number equations and refer to them, have boxes for the steps of a derivation, figures with
alternative text, and cells that are executed when the page is built.  They differ in how these are spelled.
"""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator

from codegen.formats import markdown
from codegen.notes.document import Block, Display, Heading, Paragraph, Picture, Points, Row, Section, Terms, linked
from codegen.pictures.chart import Chart, chart_svg
from codegen.pictures.figure import Figure
from codegen.pictures.svg import svg


class Flavour(ABC):
    """How one flavour spells what plain Markdown has no word for; ``labels`` begins the name of every equation."""

    def __init__(self, labels: str) -> None:
        self.labels = labels.replace("_", "-")

    @abstractmethod
    def front(self, title: str, made: str) -> str:
        """What stands before the text: data in YAML, with the line by which the file may be replaced."""

    @abstractmethod
    def equation(self, formula: str, name: str) -> str:
        """A displayed formula that is numbered and may be referred to, if it has a name."""

    @abstractmethod
    def reference(self, name: str) -> str:
        """The number of an equation in its brackets."""

    @abstractmethod
    def box(self, title: str, text: str) -> str:
        """A derivation under its head."""

    @abstractmethod
    def figure(self, image: str, caption: str, description: str) -> str:
        """A picture with its caption, and a description for those who cannot see it."""

    @abstractmethod
    def cell(self, code: str) -> str:
        """A cell that is executed."""

    def section(self, section: Section) -> Iterator[str]:
        """The pieces of a section, between which stand empty lines; cells stand after the box that they belong to."""
        head, box, waiting = "", list[str](), list[str]()
        yield f"## {section.title}"
        for n, block in enumerate(section.blocks):
            if isinstance(block, Heading):
                yield from self._boxed(head, box, waiting)
                head, box, waiting = markdown.inline(f"${block.formula}$", markdown.MARKS), [], []
            else:
                box += self.block(block)
            waiting += [self.cell(code.source().strip("\n")) for place, code in section.cells if place == n + 1]
            if not head:
                yield from (*box, *waiting)
                box, waiting = [], []
        yield from self._boxed(head, box, waiting)

    def _boxed(self, head: str, box: list[str], cells: list[str]) -> Iterator[str]:
        if head:
            yield self.box(head, "\n\n".join(box))
        yield from cells

    def block(self, block: Block) -> Iterator[str]:
        """One block; of a display one piece up to every equation that has a number."""
        match block:
            case Display(rows):
                for part in _numbered(rows):
                    lines = markdown.lines(tuple(row for row, _ in part))
                    formula = "\n".join(["\\begin{aligned}", *lines, "\\end{aligned}"])
                    number = part[-1][1]
                    yield self.equation(formula, self.name(number) if number is not None else "")
            case Picture(figure):
                yield self.figure(_image(figure), figure.caption, figure.description.replace("$", ""))
            case Paragraph(text, manner):
                yield markdown.block(Paragraph(self._linked(text), manner), markdown.MARKS)
            case Points(items):
                yield markdown.block(Points(tuple(map(self._linked, items))), markdown.MARKS)
            case Terms(head, rows):
                said = tuple(tuple(map(self._linked, row)) for row in rows)
                yield markdown.block(Terms(head, said), markdown.MARKS)
            case _:
                yield markdown.block(block, markdown.MARKS)

    def name(self, number: int) -> str:
        return f"eq-{self.labels}-{number}"

    def _linked(self, text: str) -> str:
        return linked(text, lambda number: self.reference(self.name(number)))


def _numbered(rows: tuple[Row, ...]) -> Iterator[list[tuple[Row, int | None]]]:
    """The rows up to and with each that has a number; the number is taken out of the formula."""
    part: list[tuple[Row, int | None]] = []
    for row in rows:
        part.append((Row(row.left, row.right, row.relation, row.remark), row.number))
        if row.number is not None:
            yield part
            part = []
    if part:
        yield part


def _image(figure: Figure | Chart) -> str:
    """A picture as an address that holds all of it."""
    drawn = chart_svg(figure, alone=True) if isinstance(figure, Chart) else svg(figure, alone=True)
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"


def _plain(text: str) -> str:
    """A description without what would end it or mean something in it."""
    return re.sub(r"[\"\\{}\[\]<>`]", "", " ".join(text.split()))


class Quarto(Flavour):
    """``.qmd``: fenced divs with classes, executed cells in braces, ``{#eq-…}`` after a formula."""

    def front(self, title: str, made: str) -> str:
        lines = ["---", f"# {made}", f"title: {json.dumps(markdown.escape(title))}",
                 'subtitle: "Every weight\'s update, derived step by step"', "jupyter: python3", "---"]  # fmt: skip
        return "\n".join(lines)

    def equation(self, formula: str, name: str) -> str:
        return f"$$\n{formula}\n$$" + (f" {{#{name}}}" if name else "")

    def reference(self, name: str) -> str:
        return f"([-@{name}])"

    def box(self, title: str, text: str) -> str:
        return f'::: {{.callout-note appearance="simple"}}\n\n### {title}\n\n{text}\n\n:::'

    def figure(self, image: str, caption: str, description: str) -> str:
        return f'![{_plain(caption)}]({image}){{fig-alt="{_plain(description)}"}}'

    def cell(self, code: str) -> str:
        return f"```{{python}}\n{code}\n```"


class Myst(Flavour):
    """``.myst.md``: directives and roles, as mystmd, Jupyter Book and Sphinx with myst-nb read them."""

    def front(self, title: str, made: str) -> str:
        lines = ["---", f"# {made}", "file_format: mystnb", "kernelspec:", "  name: python3",
                 "  display_name: Python 3", "myst:", "  enable_extensions: [dollarmath, amsmath, colon_fence]", "---",
                 "", f"# {markdown.escape(title)}", "", "Every weight's update, derived step by step."]  # fmt: skip
        return "\n".join(lines)

    def equation(self, formula: str, name: str) -> str:
        return f"$$\n{formula}\n$$" + (f" ({name})" if name else "")

    def reference(self, name: str) -> str:
        return f"{{eq}}`{name}`"

    def box(self, title: str, text: str) -> str:
        return f"::::{{admonition}} {title}\n:class: note\n\n{text}\n\n::::"

    def figure(self, image: str, caption: str, description: str) -> str:
        return f":::{{figure}} {image}\n:alt: {_plain(description)}\n\n{_plain(caption)}\n:::"

    def cell(self, code: str) -> str:
        return f"```{{code-cell}} python\n{code}\n```"
