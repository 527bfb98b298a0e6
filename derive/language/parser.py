"""Text of a specification -> syntax tree.

Three steps, none of which recurses on the user's text: :mod:`~derive.language.lexer` cuts the text into tokens,
Lark's LALR automaton groups them by ``grammar.lark``, and :mod:`~derive.language.tree` makes the nodes as the groups
close.  A token the automaton does not take is put into words by :mod:`~derive.language.messages`.
"""

from __future__ import annotations

import re
from pathlib import Path

from lark import UnexpectedToken

from derive.diagnostics import Source, Span, SpecError
from derive.language.grammar import grammar, literals
from derive.language.lexer import MAX_NESTING, Scanner, span_of
from derive.language.messages import explain
from derive.language.syntax import Specification
from derive.language.tree import MAX_DEPTH, too_deep

MAX_BYTES = 256 * 1024

#: Entries on the parser's stack: at most five wait for each level of an expression, and one for each open bracket.
MAX_STACK = 5 * MAX_DEPTH + MAX_NESTING

_SMALLEST = """the smallest specification has four lines:
weight w
loss f = (w - 1)^2
rate a = 0.1
init w = 0"""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


def read(path: str | Path) -> Source:
    """Read one file; :class:`SpecError` without a span when it cannot be read as UTF-8 text of a sane size."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError(f"there is no file '{path}'", help="check the spelling and the folder") from None
    except IsADirectoryError:
        raise SpecError(f"'{path}' is a folder, not a file", help="name the specification inside it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"cannot read '{path}': {reason.lower()}") from None
    _check_size(len(content))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        place = f"byte {error.start + 1}, in line {line}, is 0x{content[error.start]:02X}"
        raise SpecError(f"'{path}' is not UTF-8 text: {place}", help="save the file as UTF-8") from None
    return Source(Path(path).name, text.replace("\r\n", "\n"), Path(path))


def parse(source: Source) -> Specification:
    """The syntax tree of a text; :class:`SpecError` with the place of the first mistake."""
    _check_size(len(source.text))
    if control := _CONTROL.search(source.text):
        message = f"the control character U+{ord(control[0]):04X} cannot be used here"
        raise SpecError(message, Span(control.start(), control.end()), help="delete it")
    scanner = Scanner(source.text, literals())
    automaton = grammar().parse_interactive()
    stack = automaton.parser_state.value_stack
    for token in scanner.tokens():
        try:
            automaton.feed_token(token)
        except UnexpectedToken:
            raise explain(token, scanner, automaton.accepts()) from None
        if len(stack) > MAX_STACK:
            raise too_deep(span_of(token))
    specification: Specification = automaton.feed_eof()
    if not specification.statements:
        raise SpecError("the file holds no statements", help=_SMALLEST)
    return specification


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        message = f"the specification is larger than {MAX_BYTES // 1024} KiB"
        raise SpecError(message, help="a specification holds equations and a few samples; data go to the trainer")
