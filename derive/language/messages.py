"""What to say about a token that fits nowhere."""

from __future__ import annotations

from lark import Token

from derive.diagnostics import SpecError, did_you_mean
from derive.language import names
from derive.language.grammar import literals
from derive.language.lexer import Scanner, span_of, unclosed
from derive.language.names import quote

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


def explain(token: Token, scanner: Scanner, accepted: set[str]) -> SpecError:
    """Words for a token that fits nowhere: the most telling reason first, at last the plain 'expected …'."""
    statement, span = scanner.statement, span_of(token)
    if "NAME" in accepted:
        accepted = accepted - {word.upper() for word in (*names.ORDINARY, names.BATCH)}
    first, before = statement[0], statement[-2] if len(statement) > 1 else None
    if before is None:
        help = f"the words are {', '.join(names.STATEMENTS)}"
        return SpecError("a statement starts with a word of the language or with a name", span, help=help)
    opener = next((bracket for bracket in reversed(scanner.brackets) if bracket is not token), None)
    if opener and "\n" in scanner.text[opener.end_pos : token.start_pos]:
        fresh = "\n" in scanner.text[before.end_pos : token.start_pos]
        if token in names.STATEMENTS or token == "=" or (fresh and token.type == "NAME"):
            return unclosed(opener)
    if before is first and first.type == "NAME":
        if token == "(":
            help = f"write {first}[i] for an element, define {first}(x) = ... for a function"
            return SpecError("round brackets cannot stand on the left of an equation", span, help=help)
        if token.type in {"NAME", "NUMBER", "STRING"}:
            known = names.OTHER_WORDS.get(first.lower(), first.lower())
            help = did_you_mean(known, names.STATEMENTS) or f"an equation is written {first} = ..."
            return SpecError(f"no statement starts with {quote(first)}", span_of(first), help=help)
    if token in names.RESERVED and "NAME" in accepted:
        names.refuse_reserved(token, span)
    if token == "[" and before == "]" and accepted & {"STAR", "EQUAL"}:
        return SpecError("a second pair of brackets", span, help="all indices stand in one pair: x[1, 2]")
    if missing := _missing(before, token, accepted):
        return missing
    after = quote(before) if before[0].isalnum() or before[0] == '"' else before
    label = "" if token.type == "NEWLINE" else f"not {quote(token)}"
    help = names.example(first) if first in names.STATEMENTS else ""
    if token == "[" and "LPAR" in accepted:
        help = "a list of numbers stands in constant, init and sample; give it a name there"
    elif token == ":" and opener == "[":
        help = "there are no slices; an index runs over its whole range, as in sum(i: x[i])"
    return SpecError(f"expected {_expected(accepted)} after {after}", span, label, help)


def _missing(before: Token, token: Token, accepted: set[str]) -> SpecError | None:
    """The error for two things side by side that want an operator or a comma between them."""
    if token.type not in _THINGS_START or before.type not in _THINGS_END:
        return None
    span = span_of(token)
    if before.end_pos == token.start_pos and before.type == token.type == "NUMBER":
        return SpecError(
            f"{quote(before + token)} is not a number", span_of(before) | span, help="a number has one decimal point"
        )
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
    return _WORDS.get(terminal) or next(text for text, name in literals().items() if name == terminal)
