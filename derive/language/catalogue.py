"""The catalogue: the functions that a specification may use beside the elementary ones, each a ``define`` in
``catalogue.spec`` with a few words about it.

Lines with ``##`` are documentation.  Right before a definition they say what it is, with its source in square
brackets and, where not all real numbers will do, a line ``domain: …``; elsewhere they are the heading of a group.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from derive.diagnostics import Source
from derive.language import syntax
from derive.language.parser import parse, read

_DEFINE = re.compile(r"define (\w+)\(")
_SOURCE = re.compile(r"\s*\[(.*)\]$")
_DOMAIN = re.compile(r"domain: (.*)")


@dataclass(frozen=True)
class Entry:
    """One function: its text, and what its documentation says; ``source`` and ``domain`` are empty where none is."""

    name: str
    group: str
    summary: str
    source: str
    domain: str
    text: str

    @cached_property
    def definition(self) -> syntax.Define:
        """The syntax tree, read when it is first asked for: a specification uses few of the entries."""
        (statement,) = parse(Source("catalogue.spec", self.text)).statements
        assert isinstance(statement, syntax.Define)
        return statement


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Entry]:
    """All entries by name, in the order of ``catalogue.spec``."""
    entries: dict[str, Entry] = {}
    group, words = "", []
    for line in read(Path(__file__).with_name("catalogue.spec")).text.splitlines():
        if line.startswith("##"):
            words.append(line[2:].strip())
        elif found := _DEFINE.match(line):
            entries[found[1]] = _entry(found[1], group, words, line)
            words = []
        elif words:
            group, words = " ".join(words), []
    return entries


def is_catalogued(definition: syntax.Define) -> bool:
    """Whether a definition is the catalogue's, not the user's."""
    entry = catalogue().get(definition.name.id)
    return entry is not None and entry.definition is definition


def _entry(name: str, group: str, words: list[str], text: str) -> Entry:
    domain = next((found[1] for word in words if (found := _DOMAIN.fullmatch(word))), "")
    summary = " ".join(word for word in words if not _DOMAIN.fullmatch(word))
    source = _SOURCE.search(summary)
    return Entry(name, group, _SOURCE.sub("", summary), source[1] if source else "", domain, text)
