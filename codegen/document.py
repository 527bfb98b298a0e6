"""What notes consist of, between the derivation and the templates: sections of paragraphs and aligned formulas."""

from __future__ import annotations

from dataclasses import dataclass, field

from codegen.layout import broken


@dataclass(frozen=True)
class Row:
    """One aligned line: left side, relation, right side in pieces that fit the page, and a remark or a number."""

    left: str
    relation: str
    pieces: tuple[str, ...]
    tag: str = ""


@dataclass(frozen=True)
class Block:
    """A paragraph (``text``) or the lines of an ``align`` environment."""

    text: str = ""
    lines: tuple[str, ...] = ()


@dataclass
class Section:
    title: str
    blocks: list[Block] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.blocks.append(Block(text=text))

    def display(self, *rows: Row) -> None:
        lines = []
        for n, r in enumerate(rows):
            first, *rest = r.pieces
            pieces = [f"{r.left} &{r.relation} {first} {r.tag}".rstrip(), *(f"&\\quad {p}" for p in rest)]
            end = "" if n == len(rows) - 1 else " \\\\[0.35em]"
            lines += [p + " \\\\" for p in pieces[:-1]] + [pieces[-1] + end]
        self.blocks.append(Block(lines=tuple(lines)))


def row(left: str, right: str, tag: str = "", relation: str = "=") -> Row:
    """A row whose right side is broken where it is too long."""
    return Row(left, relation, tuple(broken(right)), tag)
