"""What notes consist of, between the derivation and the templates: sections of paragraphs and aligned formulas."""

from __future__ import annotations

from dataclasses import dataclass, field

from codegen.layout import WIDTH, broken, visible_length


@dataclass(frozen=True)
class Row:
    """One aligned line: left side, right side, a remark or a number, and the relation between the sides."""

    left: str
    right: str
    tag: str = ""
    relation: str = "="


@dataclass(frozen=True)
class Block:
    """A paragraph (``text``) or the lines of an ``align`` environment."""

    text: str = ""
    lines: tuple[str, ...] = ()


@dataclass
class Section:
    """A heading with what stands under it."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.blocks.append(Block(text=text))

    def display(self, *rows: Row, together: bool = False) -> None:
        """Aligned rows, if ``together`` on one page; right sides are broken where they would leave the page."""
        line_end = " \\\\*" if together else " \\\\"
        room = WIDTH - max(visible_length(r.left) for r in rows)
        lines = []
        for n, r in enumerate(rows):
            first, *rest = broken(r.right, room)
            pieces = [f"{r.left} &{r.relation} {first} {r.tag}".rstrip(), *(f"&\\quad {p}" for p in rest)]
            end = "" if n == len(rows) - 1 else f"{line_end}[0.35em]"
            lines += [p + line_end for p in pieces[:-1]] + [pieces[-1] + end]
        self.blocks.append(Block(lines=tuple(lines)))
