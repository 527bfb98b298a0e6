"""What notes consist of, between the derivation and the formats: sections of paragraphs, formulas, steps and tables.

Formulas are LaTeX that amsmath, KaTeX and MathJax all read; words are plain text with formulas between dollar signs.
How a block looks on paper, on a page or in a notebook is the business of the formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from codegen.pictures.chart import Chart
from codegen.pictures.figure import Figure


@dataclass(frozen=True)
class Row:
    """One aligned line: left side, relation, right side; at its right the equation's number or a remark in words."""

    left: str
    right: str
    relation: str = "="
    remark: str = ""
    number: int | None = None

    @property
    def inline(self) -> str:
        """The row as a formula inside a sentence."""
        return f"${self.left} {self.relation} {self.right}$"


@dataclass(frozen=True)
class Paragraph:
    """Words with formulas in them; an ``aside`` says by which rules, a ``with`` which equalities a line has used; a
    ``list`` names things, one after the other."""

    text: str
    manner: Literal["plain", "list", "aside", "with"] = "plain"


@dataclass(frozen=True)
class Display:
    """Aligned lines; ``together`` if they must stay on one page."""

    rows: tuple[Row, ...]
    together: bool = False


@dataclass(frozen=True)
class Heading:
    """The head of one derivation, a formula."""

    formula: str


@dataclass(frozen=True)
class Table:
    """A table of numbers: words in its head and formulas in its cells, the first of a row naming the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Terms:
    """A table of words with formulas in them, the first cell of a row naming what the others explain."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A figure on a line of its own; one that ``floats`` bears a caption and may stand on the next page of a paper."""

    figure: Figure | Chart
    floats: bool = False


@dataclass(frozen=True)
class Code:
    """A piece of Python that does what the blocks above it say; only a notebook shows it, and asks for it in order."""

    source: Callable[[], str]


@dataclass(frozen=True)
class Points:
    """A list of sentences with formulas in them."""

    items: tuple[str, ...]


Block = Paragraph | Display | Heading | Table | Terms | Picture | Points


def spans(text: str) -> list[tuple[str, str]]:
    """The words and the formulas of a text, in turn: pairs of words and the formula after them."""
    parts = text.split("$")
    return list(zip(parts[::2], [*parts[1::2], ""], strict=False))


_LISTED = re.compile(r"\b(?:[Ee]quations?|of|by) (?:\(\d+\)(?:, | and )?)+")


def linked(text: str, reference: Callable[[int], str]) -> str:
    """Words that name equations by their numbers, with references in place of these."""
    return _LISTED.sub(lambda listed: re.sub(r"\((\d+)\)", lambda n: reference(int(n[1])), listed[0]), text)


@dataclass
class Section:
    """A heading with what stands under it."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    cells: list[tuple[int, Code]] = field(default_factory=list)  # each with the number of blocks before it

    def say(self, text: str, manner: Literal["plain", "list", "aside", "with"] = "plain") -> None:
        self.blocks.append(Paragraph(text, manner))

    def display(self, *rows: Row, together: bool = False) -> None:
        self.blocks.append(Display(rows, together))

    def head(self, formula: str) -> None:
        self.blocks.append(Heading(formula))

    def picture(self, figure: Figure | Chart, floats: bool = False) -> None:
        self.blocks.append(Picture(figure, floats))

    def code(self, source: Callable[..., str], *about: object) -> None:
        self.cells.append((len(self.blocks), Code(partial(source, *about))))

    def points(self, *items: str) -> None:
        self.blocks.append(Points(items))

    def table(self, head: tuple[str, ...], *rows: tuple[str, ...]) -> None:
        self.blocks.append(Table(head, rows))

    def terms(self, head: tuple[str, ...], *rows: tuple[str, ...]) -> None:
        self.blocks.append(Terms(head, rows))
