"""Equations that are used before they stand: too early on the page, or in a circle?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from derive.language import syntax


def circle(equations: Mapping[str, syntax.Equation], start: str, name: str) -> list[str]:
    """The way ``start → name → … → start`` through what the equations read; empty where there is none.

    ``start`` is the equation that is being read, ``name`` what it reads; ``equations`` are those from ``start`` on.
    """
    ways = [[start, name]]
    seen = {name}
    for way in ways:
        if way[-1] == start:
            return way
        for read in _read(equations[way[-1]].body):
            if read in equations and (read == start or read not in seen):
                seen.add(read)
                ways.append([*way, read])
    return []


def _read(node: object) -> Iterator[str]:
    """The names that an expression reads, but for those of an earlier time, ``h[t-1]``."""
    match node:
        case syntax.Element() if any(isinstance(i, syntax.Binary) and i.operator == "-" for i in node.indices):
            return
        case syntax.Name():
            yield node.id
        case syntax.Node():
            yield from _read(tuple(vars(node).values()))
        case tuple():
            for part in node:
                yield from _read(part)
