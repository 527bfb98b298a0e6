"""The vectorising elementary functions of a generated trainer, cut out of ``templates/trainer/vectormath.py``."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from codegen.resources import template

TEMPLATE = "trainer/vectormath.py"
FLAGS = "_FLAGS"  # the constant with the options that the functions are compiled with
REGISTRATION = "_compiled"  # the decorator @_compiled(f) that gives f its compiled form


@dataclass(frozen=True)
class Definition:
    """A top-level function or constant of the template, with the comment above it."""

    name: str
    text: str
    refers: frozenset[str]  # every name it reads
    compiles: str | None  # the public function whose compiled form this is

    @property
    def is_function(self) -> bool:
        return not self.text.startswith(("#", "_"))


def available() -> list[str]:
    """The public functions, in the order of the template."""
    return [d.compiles for d in _definitions() if d.compiles is not None]


def source(names: Iterable[str], imports: bool = True, flags: str = "") -> str:
    """Python text that defines the functions ``names`` and what they need, in the order of the template.

    The text is as ``ruff format`` leaves it at a line length of 120.  Without ``imports`` the module it goes into must
    have the lines of :func:`import_lines`; ``flags`` is what it compiles them with, if not what the template does.
    Raises KeyError for a name that is not among :func:`available`.
    """
    needed = _needed(names)
    parts = ["\n".join(import_lines(d.name for d in needed if d.compiles is None))] if imports and needed else []
    for before, d in zip([None, *needed], needed, strict=False):
        if parts:
            constants = before is not None and not before.is_function and not d.is_function
            parts.append("\n\n\n" if d.is_function or (before and before.is_function) else "\n\n")
            if constants and not d.text.startswith("#"):
                parts[-1] = "\n"  # constants under one comment
        parts.append(f"{d.text[: d.text.index(FLAGS)]}{FLAGS} = {flags}" if flags and d.name == FLAGS else d.text)
    return "".join(parts) + "\n" if parts else ""


def import_lines(names: Iterable[str]) -> list[str]:
    """The import statements that the text for ``names`` needs, standard library first, sorted as ruff sorts them."""
    used = frozenset[str]().union(*(d.refers for d in _needed(names)))
    groups: dict[bool, list[str]] = {True: [], False: []}
    for node in _tree().body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names, every = [alias for alias in node.names if (alias.asname or alias.name) in used], node.names
            module = node.module or "" if isinstance(node, ast.ImportFrom) else every[0].name
            if node.names:
                groups[module.split(".")[0] in sys.stdlib_module_names].append(ast.unparse(node))
            node.names = every
    return [*groups[True], *([""] if groups[True] and groups[False] else []), *groups[False]]


def _needed(names: Iterable[str]) -> list[Definition]:
    """The definitions reached from ``names``, in order; a public function brings its compiled form."""
    definitions = {d.name: d for d in _definitions()}
    compiled = {d.compiles: d.name for d in _definitions() if d.compiles is not None}
    reached: set[str] = set()
    waiting = list(names)
    if unknown := sorted(set(waiting) - definitions.keys()):
        raise KeyError(f"no function {', '.join(unknown)}; there are {', '.join(available())}")
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += definitions[name].refers & definitions.keys()
            waiting += [compiled[name]] if name in compiled else []
    return [d for d in _definitions() if d.name in reached]


def _tree() -> ast.Module:
    return ast.parse(template(TEMPLATE).read_text(encoding="utf-8"))


@functools.cache
def _definitions() -> list[Definition]:
    lines = template(TEMPLATE).read_text(encoding="utf-8").splitlines()
    found = []
    end = 0
    for node in _tree().body:
        start, end = end, node.end_lineno or 0
        compiles = None
        if isinstance(node, ast.FunctionDef):
            name = node.name
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == REGISTRATION:
                    compiles = ast.unparse(mark.args[0])
        elif isinstance(node, ast.Assign):
            name = ast.unparse(node.targets[0])
        else:
            continue  # the docstring and the imports
        refers = frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
        found.append(Definition(name, "\n".join(lines[start:end]).strip("\n"), refers, compiles))
    return found


# Measuring
