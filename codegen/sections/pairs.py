"""Long lists of short equations, two to a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen.formulas.layout import WIDTH, visible_length
from codegen.notes.document import Row

MANY = 12  # equations that stand one to a line, however short they are


def in_pairs(rows: Sequence[Row], among: int = 0) -> list[Row]:
    """The first and the second row on one line, the third and the fourth, … where both fit and there are many.

    ``among`` is how many equations the whole list has, if these are only part of it.
    """
    if max(len(rows), among) <= MANY:
        return list(rows)
    found: list[Row] = []
    waiting = False  # whether the last line has room for a second equation
    for row in rows:
        if waiting and _plain(row) and _plain(found[-1]):
            both = replace(found[-1], right=f"{found[-1].right},\\qquad {row.left} {row.relation} {row.right}")
            if visible_length(both.left + both.right) <= WIDTH:
                found[-1], waiting = both, False
                continue
        found.append(row)
        waiting = True
    return found


def _plain(row: Row) -> bool:
    """An equation of its own: it has a left side, and nothing stands in the margin."""
    return bool(row.left) and not row.remark and row.number is None
