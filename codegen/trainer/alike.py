"""Nests of loops that are alike but for the names in them: the layers of a deep network are the same few again.

What compiling takes grows with the text.  Where a kernel has several nests that are alike, they are one function,
called with the arrays of each; its text is that of the first.  Two are alike if their texts are the same once every
name is replaced by its number in the order of appearance.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from codegen.trainer.literals import wrapped
from codegen.trainer.printer import Used

FEW = 2  # nests of a kernel that are alike and yet written out,
FEW_IN_SEQUENCE = 3  # and of one that updates the weights after each sample: so small an update feels a call
GLOBAL = ("np", "math", "LANES")  # names that mean the same everywhere in a module
WORD = re.compile(r"\b[^\W\d]\w*")


@dataclass(frozen=True)
class Outline:
    """A nest as the body of a function, which carries out the ``equations`` with these numbers.

    It is called with the ``arguments`` for its ``parameters``, the names from outside.
    """

    lines: tuple[str, ...]
    parameters: tuple[str, ...]
    arguments: tuple[str, ...]
    equations: tuple[str, ...]
    used: Used

    @cached_property
    def key(self) -> str:
        """What outlines that are alike have in common: their text with numbers for names."""
        statements = "\n".join(line for line in self.lines if not line.lstrip().startswith("#"))
        numbers = {name: f"<{n}>" for n, name in enumerate(variables(self.lines))}
        return WORD.sub(lambda found: numbers.get(found[0], found[0]), statements)


def variables(lines: Iterable[str]) -> dict[str, bool]:
    """The variables of statements in the order in which they appear, and whether they come from outside."""
    tree = ast.parse(textwrap.dedent("\n".join(lines)))
    functions = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n not in functions and n.id not in GLOBAL]
    own = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return {n.id: n.id not in own for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))}


@dataclass
class Function:
    """A function for nests that are alike, with the text of the first of them."""

    name: str
    first: Outline
    others: list[tuple[str, ...]] = field(default_factory=list)  # the equations of the others

    @property
    def title(self) -> list[str]:
        """The lines of its docstring: the equations that it carries out."""
        first, *others = (", ".join(equations) for equations in (self.first.equations, *self.others))
        others = list(dict.fromkeys(o for o in others if o != first))
        text = f"{first}; with other arrays {'; '.join(others)}." if others else f"{first}."
        return wrapped(text, "    ", "    ")


@dataclass
class Alike:
    """The functions of a module for nests that are alike."""

    functions: dict[str, Function] = field(default_factory=dict)

    def several(self, outlines: Iterable[Outline], few: int) -> frozenset[str]:
        """The keys that more than a ``few`` outlines of a kernel have in common."""
        return frozenset(key for key, n in Counter(outline.key for outline in outlines).items() if n > few)

    def function(self, outline: Outline) -> str:
        """The name of the function for an outline."""
        found = self.functions.get(outline.key)
        if found is None:
            found = self.functions[outline.key] = Function(f"loops_{len(self.functions) + 1}", outline)
        else:
            found.others.append(outline.equations)
        return found.name
