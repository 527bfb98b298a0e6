"""Text of a specification -> syntax tree.

Three steps, none of which recurses on the user's text: :class:`_Scanner` cuts the text into tokens and refuses what
no reading could save, Lark's LALR automaton groups them by ``grammar.lark``, and :class:`_Builder` makes the nodes as
the groups close.  A token the automaton does not take is put into words by :func:`_explain`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedToken, v_args
from lark.lexer import Lexer, PatternStr

from derive.diagnostics import Source, Span, SpecError, did_you_mean
from derive.language import names
from derive.language import syntax as s
from derive.language.names import quote

MAX_BYTES = 256 * 1024
MAX_STATEMENTS = 2_000
MAX_TOKENS = 80_000
MAX_NESTING = 60
MAX_DEPTH = 100
MAX_TITLE = 200
MAX_DIGITS = 40
MAX_EXPONENT = 400

#: Entries on the parser's stack: at most five wait for each level of an expression, and one for each open bracket.
MAX_STACK = 5 * MAX_DEPTH + MAX_NESTING

_SMALLEST = """the smallest specification has four lines:
weight w
loss f = (w - 1)^2
rate a = 0.1
init w = 0"""

Row = tuple[Any, ...]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
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
_CLOSES = {"(": ")", "[": "]"}

_WORDS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": 'a title in quotes "',
    "NEWLINE": "the end of the line",
    "$END": "the end of the file",
    "COMMA": "a comma",
}
_EXPRESSION = {"NAME", "NUMBER", "LPAR", "MINUS"}
_THINGS_START = {"NAME", "NUMBER", "LPAR", "LSQB"}
_THINGS_END = {"NAME", "NUMBER", "RPAR", "RSQB"}
_VALUES = {"NUMBER", "MINUS", "LSQB"}
_AFTER_THINGS = {"PLUS", "MINUS", "STAR", "SLASH", "AT", "CIRCUMFLEX", "LPAR", "LSQB"}


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
    return Source(Path(path).name, text.replace("\r\n", "\n"))


def parse(source: Source) -> s.Specification:
    """The syntax tree of a text; :class:`SpecError` with the place of the first mistake."""
    _check_size(len(source.text))
    if control := _CONTROL.search(source.text):
        message = f"the control character U+{ord(control[0]):04X} cannot be used here"
        raise SpecError(message, Span(control.start(), control.end()), help="delete it")
    scanner = _Scanner(source.text)
    automaton = _grammar().parse_interactive()
    stack = automaton.parser_state.value_stack
    for token in scanner.tokens():
        try:
            automaton.feed_token(token)
        except UnexpectedToken:
            raise _explain(token, scanner, automaton.accepts()) from None
        if len(stack) > MAX_STACK:
            raise _too_deep(_span(token))
    specification: s.Specification = automaton.feed_eof()
    if not specification.statements:
        raise SpecError("the file holds no statements", help=_SMALLEST)
    return specification


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        message = f"the specification is larger than {MAX_BYTES // 1024} KiB"
        raise SpecError(message, help="a specification holds equations and a few samples; data go to the trainer")


def _too_deep(span: Span) -> SpecError:
    help = "give a part of the expression a name, in an equation of its own"
    return SpecError(f"the expression is more than {MAX_DEPTH} levels deep", span, "too deep from here", help)


class _Fed(Lexer):
    """Tells Lark that tokens are handed to it one by one."""

    def __init__(self, _conf: object) -> None: ...

    def lex(self, _lexer_state: object, _parser_state: object) -> Iterator[Token]:
        return iter(())


@cache
def _grammar() -> Lark:
    """The automaton, built on first use: it takes some 30 ms."""
    return Lark.open(
        "grammar.lark",
        rel_to=__file__,
        parser="lalr",
        lexer=_Fed,
        transformer=_Builder(),
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


@cache
def _literals() -> dict[str, str]:
    """The name of the terminal that the grammar gives to each fixed text, ``{"input": "INPUT", "=": "EQUAL"}``."""
    return {t.pattern.value: t.name for t in _grammar().terminals if isinstance(t.pattern, PatternStr)}


class _Scanner:
    """Cuts the text into tokens, and keeps what error messages need: the statement so far and the open brackets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.statement: list[Token] = []
        self.brackets: list[Token] = []

    def tokens(self) -> Iterator[Token]:
        """The tokens in order; every statement ends with one ``NEWLINE``, which has no width."""
        literals, statements, tokens = _literals(), 0, 0
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
            if kind == "NAME":
                names.check_name(text, span)
            elif kind == "NUMBER":
                _check_number(text, span)
            elif kind == "SLIP":
                message, help = names.SLIPS[text]
                raise SpecError(message, span, help=help)
            elif kind == "OTHER":
                raise self._other(text, span)
            token = Token(literals.get(text, kind), text, span.start, end_pos=span.end)
            self.statement.append(token)
            self._match(token)
            yield token
        if self.brackets:
            raise _unclosed(self.brackets[-1])
        if self.statement:
            yield self._end()

    def _end(self) -> Token:
        end = self.statement[-1].end_pos
        self.statement.append(Token("NEWLINE", "", end, end_pos=end))
        return self.statement[-1]

    def _match(self, token: Token) -> None:
        """Push an opening bracket, pop it at the closing one."""
        if token in _CLOSES:
            self.brackets.append(token)
            if len(self.brackets) > MAX_NESTING:
                message = f"brackets are nested more than {MAX_NESTING} deep"
                raise SpecError(message, _span(token), help="give a part of the expression a name")
        elif token in _CLOSES.values():
            if not self.brackets:
                raise SpecError("this bracket closes nothing", _span(token), f"no open {'(' if token == ')' else '['}")
            opener = self.brackets.pop()
            if _CLOSES[opener] != token:
                label = f"closes the {opener} before {quote(self.text[opener.end_pos : token.start_pos][:20].strip())}"
                raise SpecError("brackets do not match", _span(token), label, f"write {_CLOSES[opener]} here")

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


def _unclosed(opener: Token) -> SpecError:
    return SpecError(
        "this bracket is never closed", _span(opener), help=f"write the {_CLOSES[opener]} that belongs to it"
    )


@v_args(wrapper=lambda build, _rule, children, _meta: build(_span(children), *children))
class _Builder(Transformer[Token, s.Specification]):
    """One method for each rule of the grammar: its span, then its children, signs and words included."""

    def start(self, span: Span, *children: Any) -> s.Specification:
        level: list[Any] = list(children[::2])
        for _ in range(MAX_DEPTH + 1):
            level = [node for parent in level for node in _below(parent)]
        if level:
            raise _too_deep(level[0].span)
        return s.Specification(children[::2])

    # Statements

    def title(self, span: Span, _word: Token, token: Token) -> s.Title:
        text = token[1:-1]
        if not text.strip() or len(text) > MAX_TITLE or not text.isprintable():
            message = f"a title has 1 to {MAX_TITLE} printable characters"
            raise SpecError(message, _span(token), f"has {len(text)}" if text.isprintable() else "has invisible ones")
        return s.Title(span, text)

    def declaration(self, span: Span, role: Token, *items: Any) -> s.Declaration:
        return s.Declaration(span, str(role), items[::2])

    def constant(self, span: Span, _word: Token, target: s.Declared, _equal: Token, values: s.Values) -> s.Constant:
        return s.Constant(span, target, values)

    def size(self, span: Span, _word: Token, name: s.Name, _equal: Token, value: s.Number) -> s.Size:
        return s.Size(span, name, value)

    def define(
        self, span: Span, _word: Token, name: s.Name, parameters: Row, _equal: Token, body: s.Expr, *given: Any
    ) -> s.Define:
        return s.Define(span, name, parameters[1:-1:2], body, given[1::2] or None)

    def notation(self, span: Span, _word: Token, style: s.Name) -> s.Notation:
        return s.Notation(span, style)

    def rate(self, span: Span, _word: Token, name: s.Name, _equal: Token, value: s.Number) -> s.Rate:
        return s.Rate(span, name, value)

    def optimizer(self, span: Span, _word: Token, name: s.Name, *settings: Any) -> s.Optimizer:
        return s.Optimizer(span, name, tuple(setting[::2] for setting in settings[1:-1:2]))

    def batch(self, span: Span, _word: Token, reduction: s.Name) -> s.Batch:
        return s.Batch(span, reduction)

    def init(self, span: Span, _word: Token, *items: Any) -> s.Init:
        groups: list[list[Any]] = []
        for item in items[::2]:
            if isinstance(item, s.Assignment):
                groups.append([item])
            elif isinstance(groups[-1][0].values.items, tuple):
                raise SpecError("expected a name after the list", item.span, help=_example("init"))
            else:
                groups[-1].append(s.Values(item.span, item))
        return s.Init(span, tuple(_flat(*group) for group in groups))

    def sample(self, span: Span, _word: Token, *assignments: Any) -> s.Sample:
        return s.Sample(span, assignments[::2])

    def loss(self, span: Span, _word: Token, *parts: Any) -> s.Loss:
        return s.Loss(span, parts[0] if len(parts) > 1 else None, parts[-1])

    def equation(self, span: Span, target: s.Declared, _equal: Token, body: s.Expr) -> s.Equation:
        return s.Equation(span, target, body)

    def declared(self, span: Span, name: s.Name, brackets: Row | None = None) -> s.Declared:
        return s.Declared(span, name, brackets and brackets[1:-1:2])

    def row(self, _span: Span, *children: Any) -> Row:
        return children

    parameters = setting = brackets = arguments = row

    # Values

    def assignment(self, span: Span, name: s.Name, _equal: Token, values: s.Values) -> s.Assignment:
        return s.Assignment(span, name, values)

    def scalar(self, span: Span, number: s.Number) -> s.Values:
        return s.Values(span, number)

    def list(self, span: Span, *children: Any) -> s.Values:
        return s.Values(span, children[1:-1:2])

    def number(self, span: Span, *tokens: Token) -> s.Number:
        sign = -1 if tokens[0] == "-" else 1
        parts = [token for token in tokens if token.type == "NUMBER"]
        value = sign * Fraction(parts[0])
        if len(parts) > 1:
            if not Fraction(parts[1]):
                raise SpecError("division by zero", span)
            value /= Fraction(parts[1])
        return s.Number(span, value, any(map(_is_decimal, parts)))

    # Expressions

    def numeral(self, span: Span, token: Token) -> s.Number:
        return s.Number(span, Fraction(token), _is_decimal(token))

    def word(self, span: Span, token: Token) -> s.Name:
        return s.Name(span, str(token))

    function = word

    def name(self, span: Span, token: Token) -> s.Name:
        names.refuse_reserved(token, span)
        return s.Name(span, str(token))

    def element(self, span: Span, name: s.Name, brackets: Row) -> s.Element:
        return s.Element(span, name, brackets[1:-1:2])

    def call(self, span: Span, function: s.Name, arguments: Row, _close: Token) -> s.Call:
        return s.Call(span, function, arguments[1::2])

    def reduction(
        self, span: Span, kind: s.Name, arguments: Row, _colon: Token, body: s.Expr, _close: Token
    ) -> s.Reduction:
        if kind.id not in names.REDUCTIONS:
            help = did_you_mean(kind.id, names.REDUCTIONS) or "sum, mean, max and min take indices before a colon"
            raise SpecError(f"{quote(kind.id)} does not reduce over indices", kind.span, help=help)
        indices = arguments[1::2]
        for index in indices:
            if not isinstance(index, s.Name):
                raise SpecError("expected the name of an index before :", index.span, help=f"{kind.id}(i: x[i])")
        return s.Reduction(span, kind, indices, body)

    def negate(self, span: Span, _minus: Token, operand: s.Expr) -> s.Negate:
        return s.Negate(span, operand)

    def binary(self, span: Span, left: s.Expr, operator: Token, right: s.Expr) -> s.Binary:
        return s.Binary(span, str(operator), left, right)

    def group(self, span: Span, _open: Token, inner: s.Expr, _close: Token) -> s.Expr:
        return replace(inner, span=span)


def _flat(first: s.Assignment, *more: s.Values) -> s.Assignment:
    """``w = 1, 2, 3``: the assignment that took the first number, completed by the others."""
    if not more:
        return first
    values = s.Values(_span((first.values, *more)), (first.values, *more), flat=True)
    return s.Assignment(_span((first, *more)), first.name, values)


def _is_decimal(text: str) -> bool:
    return not text.isdigit()


def _below(node: s.Node) -> Iterator[s.Node]:
    """The nodes directly below one."""
    rest: list[Any] = list(vars(node).values())
    for value in rest:
        if isinstance(value, s.Node):
            yield value
        elif isinstance(value, tuple):
            rest.extend(value)


def _span(item: Any) -> Span:
    """The place of a token, a node, or a row of them."""
    if isinstance(item, s.Node):
        return item.span
    if isinstance(item, Token):
        return Span(item.start_pos or 0, item.end_pos or 0)
    return _span(item[0]) | _span(item[-1]) if item else Span(0, 0)


def _explain(token: Token, scanner: _Scanner, accepted: set[str]) -> SpecError:
    """Words for a token that fits nowhere: the most telling reason first, at last the plain 'expected …'."""
    statement, span = scanner.statement, _span(token)
    first, before = statement[0], statement[-2] if len(statement) > 1 else None
    if before is None:
        help = f"the words are {', '.join(names.STATEMENTS)}"
        return SpecError("a statement starts with a word of the language or with a name", span, help=help)
    opener = next((bracket for bracket in reversed(scanner.brackets) if bracket is not token), None)
    if opener and "\n" in scanner.text[opener.end_pos : token.start_pos]:
        fresh = "\n" in scanner.text[before.end_pos : token.start_pos]
        if token in names.STATEMENTS or token == "=" or (fresh and token.type == "NAME"):
            return _unclosed(opener)
    if before is first and first.type == "NAME":
        if token == "(":
            help = f"write {first}[i] for an element, define {first}(x) = ... for a function"
            return SpecError("round brackets cannot stand on the left of an equation", span, help=help)
        if token.type in {"NAME", "NUMBER", "STRING"}:
            known = names.OTHER_WORDS.get(first.lower(), first.lower())
            help = did_you_mean(known, names.STATEMENTS) or f"an equation is written {first} = ..."
            return SpecError(f"no statement starts with {quote(first)}", _span(first), help=help)
    if token in names.RESERVED and "NAME" in accepted:
        names.refuse_reserved(token, span)
    if missing := _missing(before, token, accepted):
        return missing
    after = quote(before) if before[0].isalnum() or before[0] == '"' else before
    label = "" if token.type == "NEWLINE" else f"not {quote(token)}"
    help = _example(first) if first in names.STATEMENTS else ""
    if token == "[" and "LPAR" in accepted:
        help = "a list of numbers stands in constant, init and sample; give it a name there"
    return SpecError(f"expected {_expected(accepted)} after {after}", span, label, help)


def _missing(before: Token, token: Token, accepted: set[str]) -> SpecError | None:
    """The error for two things side by side that want an operator or a comma between them."""
    if token.type not in _THINGS_START or before.type not in _THINGS_END:
        return None
    span = _span(token)
    if before.end_pos == token.start_pos and before.type == token.type == "NUMBER":
        return SpecError(f"{quote(before + token)} is not a number", _span(before) | span)
    if "STAR" in accepted and token == "[":
        return SpecError(
            "only a name can have indices", span, help="give the expression a name, in an equation of its own"
        )
    if "STAR" in accepted:
        if "COMMA" in accepted:
            help = "write * for a product, a comma between arguments or indices"
            return SpecError("a * or a comma is missing", span, "before this", help)
        return SpecError("a * is missing", span, "before this", "write * for a product, @ for a matrix product")
    if "COMMA" in accepted:
        return SpecError("a comma is missing", span, "before this", "commas stand between the things of a list")
    return None


def _expected(accepted: set[str]) -> str:
    """What could stand in a place: ``"an expression"``, ``"a comma or ]"``."""
    rest, words = set(accepted), []
    if rest >= _EXPRESSION:
        words, rest = ["an expression"], rest - _EXPRESSION
    elif "PLUS" in rest:
        words, rest = ["an operator"], rest - _AFTER_THINGS
    elif rest >= _VALUES:
        words, rest = ["a number or a list in [ ]"], rest - _VALUES
    elif "NUMBER" in rest:
        words, rest = ["a number"], rest - _VALUES
    else:
        rest -= {"SLASH"}
    words += sorted(describe(terminal) for terminal in rest)
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def describe(terminal: str) -> str:
    """The human name of a terminal of the grammar."""
    return _WORDS.get(terminal) or next(text for text, name in _literals().items() if name == terminal)


def _example(statement: str) -> str:
    return f"for example: {names.STATEMENTS[statement]}"
