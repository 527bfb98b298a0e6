"""The LALR automaton of ``grammar.lark``, which makes the nodes of :mod:`derive.language.tree`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from lark import Lark, Token
from lark.lexer import Lexer, PatternStr

from derive.language.tree import TreeBuilder


class _Fed(Lexer):
    """Tells Lark that tokens are handed to it one by one."""

    def __init__(self, _conf: object) -> None: ...

    def lex(self, _lexer_state: object, _parser_state: object) -> Iterator[Token]:
        return iter(())


@cache
def grammar() -> Lark:
    """The automaton, built on first use: it takes some 30 ms."""
    return Lark.open(
        "grammar.lark",
        rel_to=__file__,
        parser="lalr",
        lexer=_Fed,
        transformer=TreeBuilder(),
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


@cache
def literals() -> dict[str, str]:
    """The name of the terminal that the grammar gives to each fixed text, ``{"input": "INPUT", "=": "EQUAL"}``."""
    return {t.pattern.value: t.name for t in grammar().terminals if isinstance(t.pattern, PatternStr)}
