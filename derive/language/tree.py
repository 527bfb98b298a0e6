"""The nodes of the syntax tree, made as the automaton groups the tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from lark import Token, Transformer, v_args

from derive.diagnostics import Span, SpecError, did_you_mean
from derive.language import names
from derive.language import syntax as s
from derive.language.lexer import span_of
from derive.language.names import quote

MAX_DEPTH = 100
MAX_TITLE = 200

Row = tuple[Any, ...]


@v_args(wrapper=lambda build, _rule, children, _meta: build(_span(children), *children))
class TreeBuilder(Transformer[Token, s.Specification]):
    """One method for each rule of the grammar: its span, then its children, signs and words included."""

    def start(self, span: Span, *children: Any) -> s.Specification:
        level: list[Any] = list(children[::2])
        for _ in range(MAX_DEPTH + 1):
            level = [node for parent in level for node in _below(parent)]
        if level:
            raise too_deep(level[0].span)
        return s.Specification(children[::2])

    # Statements

    def title(self, span: Span, _word: Token, token: Token) -> s.Title:
        text = token[1:-1]
        if not text.strip() or len(text) > MAX_TITLE or not text.isprintable():
            message = f"a title has 1 to {MAX_TITLE} printable characters"
            label = f"this has {len(text)}" if text.isprintable() else "this has invisible ones"
            raise SpecError(message, _span(token), label, names.example("network"))
        return s.Title(span, text)

    def declaration(self, span: Span, role: Token, *items: Any) -> s.Declaration:
        return s.Declaration(span, str(role), items[::2])

    def constant(self, span: Span, _word: Token, target: s.Declared, _equal: Token, values: s.Values) -> s.Constant:
        return s.Constant(span, target, values)

    def mask(self, span: Span, _word: Token, target: s.Declared, _equal: Token, value: s.Number) -> s.Mask:
        return s.Mask(span, target, value)

    def size(self, span: Span, _word: Token, *settings: Any) -> s.Size:
        return s.Size(span, tuple(setting[::2] for setting in settings[::2]))

    def define(
        self, span: Span, _word: Token, name: s.Name, parameters: Row, _equal: Token, body: s.Expr, *given: Any
    ) -> s.Define:
        return s.Define(span, name, parameters[1:-1:2], body, given[1::2] or None)

    def parameter(self, _span: Span, *children: Any) -> s.Parameter:
        learned = isinstance(children[0], Token)
        name, *default = children[learned::2]
        return s.Parameter(name.span, name.id, default[0] if default else None, learned)

    def notation(self, span: Span, _word: Token, style: s.Name) -> s.Notation:
        return s.Notation(span, style)

    def rate(self, span: Span, _word: Token, name: s.Name, _equal: Token, value: s.Expr) -> s.Rate:
        return s.Rate(span, name, value)

    def optimizer(self, span: Span, _word: Token, name: s.Name, *settings: Any) -> s.Optimizer:
        return s.Optimizer(span, name, tuple(setting[::2] for setting in settings[1:-1:2]))

    def update(self, span: Span, _word: Token, target: s.Declared, _equal: Token, body: s.Expr) -> s.Update:
        return s.Update(span, target, body)

    def batch(self, span: Span, _word: Token, reduction: s.Name) -> s.Batch:
        return s.Batch(span, reduction)

    def init(self, span: Span, _word: Token, *items: Any) -> s.Init:
        groups: list[list[Any]] = []
        for item in items[::2]:
            if isinstance(item, s.Assignment):
                groups.append([item])
            elif isinstance(groups[-1][0].values.items, tuple):
                raise SpecError("expected a name after the list", item.span, help=names.example("init"))
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
        plain: list[s.Expr] = []
        keywords: list[s.Keyword] = []
        for argument in arguments[1::2]:
            if isinstance(argument, s.Ranged):
                help = f"a range belongs before a colon: {function.id}(i in 3: x[i])"
                raise SpecError("this range has no colon behind it", argument.span, help=help)
            if isinstance(argument, s.Name) and argument.id == names.BATCH:
                help = "samples stay unwritten; a reduction over them is written mean(batch: z[i])"
                raise SpecError("batch stands before the colon of a reduction only", argument.span, help=help)
            if isinstance(argument, s.Keyword):
                keywords.append(argument)
            elif keywords:
                help = f"write it before {keywords[0].id} = …, or give it a name too"
                raise SpecError("an argument without a name stands after one with a name", argument.span, help=help)
            else:
                plain.append(argument)
        return s.Call(span, function, tuple(plain), tuple(keywords))

    def samples(self, span: Span, word: Token) -> s.Name:
        return s.Name(span, str(word))

    def keyword(self, _span: Span, name: s.Name, _equal: Token, value: s.Expr) -> s.Keyword:
        return s.Keyword(name.span, name.id, value)

    def ranged(self, span: Span, index: s.Expr, _in: Token, size: s.Expr) -> s.Ranged:
        return s.Ranged(span, index, size)

    def reduction(
        self, span: Span, kind: s.Name, arguments: Row, _colon: Token, body: s.Expr, _close: Token
    ) -> s.Reduction:
        if kind.id not in names.REDUCTIONS:
            help = did_you_mean(kind.id, names.REDUCTIONS) or "sum, mean, max and min take indices before a colon"
            raise SpecError(f"{quote(kind.id)} does not reduce over indices", kind.span, help=help)
        given = [a if isinstance(a, s.Ranged) else s.Ranged(a.span, a, None) for a in arguments[1::2]]
        indices = [g.index for g in given if isinstance(g.index, s.Name)]
        for g in given:
            if not isinstance(g.index, s.Name):
                raise SpecError(
                    "expected the name of an index before :", g.index.span, help=f"write {kind.id}(i: x[i])"
                )
        return s.Reduction(span, kind, tuple(indices), tuple(g.size for g in given), body)

    def negate(self, span: Span, _minus: Token, operand: s.Expr) -> s.Negate:
        return s.Negate(span, operand)

    def binary(self, span: Span, left: s.Expr, operator: Token, right: s.Expr) -> s.Binary:
        return s.Binary(span, str(operator), left, right)

    def group(self, span: Span, _open: Token, inner: s.Expr, _close: Token) -> s.Expr:
        return replace(inner, span=span)


def too_deep(span: Span) -> SpecError:
    """The error for an expression that no later stage should have to walk down."""
    help = "give a part of the expression a name, in an equation of its own"
    return SpecError(f"the expression is more than {MAX_DEPTH} levels deep", span, "too deep from here", help)


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
        return span_of(item)
    return _span(item[0]) | _span(item[-1]) if item else Span(0, 0)
