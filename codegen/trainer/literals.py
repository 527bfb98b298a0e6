"""Python literals and comments that nothing in a specification can break out of, laid out as ``ruff format`` does."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

WIDTH = 120


def literal(value: object, before: int = 0, depth: int = 0, after: int = 0) -> str:
    """Strings, numbers, tuples, lists and mappings; ``before`` and ``after`` count what else stands on the line.

    What fits on the line stays on it; else every element gets a line of its own.
    """
    flat = _flat(value)
    if before + len(flat) + after <= WIDTH or not isinstance(value, Mapping | tuple | list) or not value:
        return flat
    inner = " " * 4 * (depth + 1)
    lines = []
    if isinstance(value, Mapping):
        for k, v in value.items():
            key = f"{_flat(k)}: "
            lines.append(f"{inner}{key}{literal(v, len(inner) + len(key), depth + 1, 1)},")
        opening, closing = "{}"
    else:
        lines = [f"{inner}{literal(v, len(inner), depth + 1, 1)}," for v in value]
        opening, closing = "()" if isinstance(value, tuple) else "[]"
    return "\n".join([opening, *lines, " " * 4 * depth + closing])


def _flat(value: object) -> str:
    if isinstance(value, str):
        return '"' + visible(value).replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flat(k)}: {_flat(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_flat, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    return repr(value)


def visible(text: str) -> str:
    """Backslashes doubled, and whatever does not print written as an escape."""
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)


def prose(text: str) -> str:
    """Text for a docstring or a comment: it cannot end either."""
    return visible(text).replace('"', "'").strip()


def wrapped(text: str, indent: str, hanging: str, width: int = WIDTH) -> list[str]:
    """A long line as several."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )
