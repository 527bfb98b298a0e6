"""Text -> tokens, one after the other, refusing what no reading could save."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping

from lark import Token

from derive.diagnostics import Span, SpecError
from derive.language import names
from derive.language.names import quote

MAX_STATEMENTS = 2_000
MAX_TOKENS = 50_000
MAX_NESTING = 60
MAX_DIGITS = 40
MAX_EXPONENT = 400

_TOKEN = re.compile(
    rf"""
    (?P<BLANK>   [ \t]+ | \#[^\n]* )
  | (?P<NEWLINE> \r?\n )
  | (?P<STRING>  "[^"\r\n]*" )
  | (?P<NUMBER>  (?: [0-9]+ (?:\.[0-9]*)? | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? )
  | (?P<NAME>    [A-Za-z_][A-Za-z0-9_]* )
  | (?P<SLIP>    {"|".join(re.escape(slip) for slip in sorted(names.SLIPS, key=len, reverse=True))} )
  | (?P<SIGN>    [-+*/@^=,:()\[\]] )
  | (?P<OTHER>   . )
    """,
    re.VERBOSE,
)
CLOSES = {"(": ")", "[": "]"}


def span_of(token: Token) -> Span:
    """The place of a token."""
    return Span(token.start_pos or 0, token.end_pos or 0)


class Scanner:
    """Cuts the text into tokens, and keeps what error messages need: the statement so far and the open brackets.

    ``literals`` gives the grammar's terminal for each fixed text, ``{"input": "INPUT", "=": "EQUAL"}``.
    """

    def __init__(self, text: str, literals: Mapping[str, str]) -> None:
        self.text = text
        self.literals = literals
        self.statement: list[Token] = []
        self.brackets: list[Token] = []

    def tokens(self) -> Iterator[Token]:
        """The tokens in order; every statement ends with one ``NEWLINE``, which has no width."""
        statements = tokens = 0
        for match in _TOKEN.finditer(self.text, self.text.startswith("\ufeff")):
            kind, text, span = match.lastgroup or "", match[0], Span(*match.span())
            if kind == "BLANK":
                continue
            if kind == "NEWLINE":
                if self.statement and not self.brackets:
                    yield self._end()
                    self.statement = []
                continue
            if not self.statement:
                statements += 1
                if statements > MAX_STATEMENTS:
                    raise SpecError(f"more than {MAX_STATEMENTS:,} statements", span, "one too many")
            tokens += 1
            if tokens > MAX_TOKENS:
                raise SpecError(f"more than {MAX_TOKENS:,} words, numbers and signs", span, "one too many")
            if kind == "NAME" and text not in self.literals:
                names.check_name(text, span)
            elif kind == "NUMBER":
                _check_number(text, span)
            elif kind == "SLIP":
                message, help = names.SLIPS[text]
                raise SpecError(message, span, help=help)
            elif kind == "OTHER":
                raise self._other(text, span)
            token = Token(self.literals.get(text, kind), text, span.start, end_pos=span.end)
            self.statement.append(token)
            self._match(token)
            yield token
        if self.brackets:
            raise unclosed(self.brackets[-1])
        if self.statement:
            yield self._end()

    def _end(self) -> Token:
        end = self.statement[-1].end_pos
        self.statement.append(Token("NEWLINE", "", end, end_pos=end))
        return self.statement[-1]

    def _match(self, token: Token) -> None:
        """Push an opening bracket, pop it at the closing one."""
        if token in CLOSES:
            self.brackets.append(token)
            if len(self.brackets) > MAX_NESTING:
                message = f"brackets are nested more than {MAX_NESTING} deep"
                raise SpecError(message, span_of(token), help="give a part of the expression a name")
        elif token in CLOSES.values():
            if not self.brackets:
                label = f"no open {'(' if token == ')' else '['}"
                raise SpecError("this bracket closes nothing", span_of(token), label, "remove it")
            opener = self.brackets.pop()
            if CLOSES[opener] != token:
                label = f"closes the {opener} before {quote(self.text[opener.end_pos : token.start_pos][:20].strip())}"
                raise SpecError("brackets do not match", span_of(token), label, f"write {CLOSES[opener]} here")

    def _other(self, text: str, span: Span) -> SpecError:
        if text == '"':
            return SpecError("this title is never closed", span, help='write " at its end, on the same line')
        return names.foreign(self.text, span.start)


def _check_number(text: str, span: Span) -> None:
    exponent = text.lower().partition("e")[2]
    if len(text) > MAX_DIGITS:
        raise SpecError(f"the number is longer than {MAX_DIGITS} characters", span, help="write fewer digits")
    if exponent and abs(int(exponent)) > MAX_EXPONENT:
        raise SpecError(f"the exponent is beyond {MAX_EXPONENT}", span, help="no float has such a size")
    if math.isinf(float(text)):
        largest = f"{sys.float_info.max:.2g}"
        raise SpecError(
            f"the number is beyond {largest}, the largest of double precision", span, help="write a smaller one"
        )


def unclosed(opener: Token) -> SpecError:
    """The error for an open bracket."""
    return SpecError(
        "this bracket is never closed", span_of(opener), help=f"write the {CLOSES[opener]} that belongs to it"
    )
