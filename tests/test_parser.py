"""Text -> syntax tree: what is read, where each node is, and what a mistake is answered with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.diagnostics import Source, SpecError, render
from derive.language import grammar, messages, names, parser, syntax
from derive.language.parser import parse, read

TWO_TWO_ONE = """\
network "Two inputs, two hidden neurons, one output"

input  i[2]
h[2]       = linear(i)                 # a fresh weight matrix, no bias: h = W i
prediction = linear(h)                 # no brackets: a scalar
target actual
loss Error = 1/2 * (prediction - actual)^2

notation numbered                      # weights are called w1, w2, … in reading order
rate a  = 0.05
init w  = 0.34, 0.13, 0.05, 0.07, 0.20, 0.01
sample i = [2, 3], actual = 1
"""
IRIS = """\
network "Iris"
input  x[4]
h[16] = tanh(dense(x))                 # dense: weight matrix and bias
p[3]  = softmax(dense(h))
target t[3]
loss L = cross_entropy(t, p) + 0.001 * sum(W1^2)     # auto-made weights are W1, b1, W2, b2 …
"""
SWISH = """\
define swish(z) = z * sigmoid(1.702 * z)             # any function of yours
size n = 8
input x[n]
weight W[16, n], b[16], v[16]                        # explicit weights
constant c = 0.35                                    # used, never updated
z[i] = sum(j: W[i,j] * x[j]) + b[i]                  # index notation; ranges come from the shapes
h[i] = swish(z[i])
y = sum(i: v[i] * h[i]) + c
target t
loss L = log(cosh(y - t))
"""
REST = """\
define cross_entropy(t, p) = -sum(t * log(p)) given sum(t) = 1
weight x, y, lambda
loss (x + y) * z
batch sum
optimizer momentum(a = 0.1, mu = -9e-1)
init W1 = [[0.34, 0.13],
           [0.05, -1/3]], b = 0.35
constant c[2] = [1, 2]
h[0] = 0
h[t] = tanh(U @ h[t-1] + x[t])
"""
EXAMPLES = {"two_two_one": TWO_TWO_ONE, "iris": IRIS, "swish": SWISH, "rest": REST}
examples = pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)


def short(node: object) -> str:
    """A node without its span, as a compact text."""
    match node:
        case syntax.Number(value=value, decimal=decimal):
            return f"{value}{'d' * decimal}"
        case syntax.Name(id=name):
            return name
        case syntax.Binary(operator=operator, left=left, right=right):
            return f"({short(left)} {operator} {short(right)})"
        case syntax.Values(items=items, flat=flat):
            return ("flat" if flat else "") + short(items)
        case tuple():
            return f"[{' '.join(map(short, node))}]"
        case syntax.Node():
            inner = " ".join(short(getattr(node, field.name)) for field in fields(node) if field.name != "span")
            return f"{type(node).__name__}<{inner}>"
    return str(node)


def walk(node: object) -> Iterator[syntax.Node]:
    if isinstance(node, syntax.Node):
        yield node
    if isinstance(node, syntax.Node | syntax.Specification):
        node = tuple(vars(node).values())
    if isinstance(node, tuple):
        for part in node:
            yield from walk(part)


def statement(text: str) -> syntax.Statement:
    (only,) = parse(Source("x.spec", text)).statements
    return only


def body(text: str) -> syntax.Expr:
    equation = statement(f"y = {text}")
    assert isinstance(equation, syntax.Equation)
    return equation.body


def failure(text: str) -> tuple[SpecError, str]:
    """The error of a text and its place, ``line:column 'marked text'``."""
    with pytest.raises(SpecError) as caught:
        parse(Source("x.spec", text))
    error = caught.value
    assert render(error, Source("x.spec", text)).startswith("error: ")
    if error.span is None:
        return error, ""
    line, column = Source("x.spec", text).locate(error.span.start)
    return error, f"{line}:{column} {text[error.span.start : error.span.end]}"


# What is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('network "Δ # no comment"', "Title<Δ # no comment>"),
        ("input a[2], b", "Declaration<input [Declared<a [2]> Declared<b None>]>"),
        ("target t[3]", "Declaration<target [Declared<t [3]>]>"),
        ("weight W[16, n]", "Declaration<weight [Declared<W [16 n]>]>"),
        ("constant c = -0.35", "Constant<Declared<c None> -7/20d>"),
        ("constant c[2] = [1, 2]", "Constant<Declared<c [2]> [1 2]>"),
        ("size n = 8, m = 3", "Size<[[n 8] [m 3]]>"),
        ("define f(a, b) = a*b", "Define<f [Parameter<a None False> Parameter<b None False>] (a * b) None>"),
        ("define f(a, b = -0.5) = a*b", "Define<f [Parameter<a None False> Parameter<b -1/2d False>] (a * b) None>"),
        ("define f(a, weight b = 1) = a*b", "Define<f [Parameter<a None False> Parameter<b 1 True>] (a * b) None>"),
        ("define f(a) = a given sum(a) = 1", "Define<f [Parameter<a None False>] a [Call<sum [a] []> 1]>"),
        ("notation numbered", "Notation<numbered>"),
        ("rate a = 0.05", "Rate<a 1/20d>"),
        ("batch sum", "Batch<sum>"),
        ("optimizer sgd", "Optimizer<sgd []>"),
        ("optimizer momentum(a = 0.1, mu = 0.9)", "Optimizer<momentum [[a 1/10d] [mu 9/10d]]>"),
        ("init w = 0.34, 0.13", "Init<[Assignment<w flat[17/50d 13/100d]>]>"),
        ("init w = 1, -2, b = 3", "Init<[Assignment<w flat[1 -2]> Assignment<b 3>]>"),
        ("init W = [[1,2],\n [3,4]], b = 0.5", "Init<[Assignment<W [[1 2] [3 4]]> Assignment<b 1/2d>]>"),
        ("sample i = [-2, 1/3], t = 1e-3", "Sample<[Assignment<i [-2 1/3]> Assignment<t 1/1000d>]>"),
        ("loss E = x", "Loss<E x>"),
        ("loss x + y", "Loss<None (x + y)>"),
        ("h[16] = x", "Equation<Declared<h [16]> x>"),
        ("h[t] = h[t-1]", "Equation<Declared<h [t]> Element<h [(t - 1)]>>"),
        ("lambda = E + I", "Equation<Declared<lambda None> (E + I)>"),
    ],
)
def test_statements(text: str, tree: str) -> None:
    node = statement(f"\n  {text}   # a comment\n\n")
    assert short(node) == tree
    assert (node.span.start, node.span.end) == (3, 3 + len(text))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b / c @ d", "(((a / b) / c) @ d)"),
        ("-x^2", "Negate<(x ^ 2)>"),
        ("-x * y", "(Negate<x> * y)"),
        ("a * -b", "(a * Negate<b>)"),
        ("--a", "Negate<Negate<a>>"),
        ("2^3^4", "(2 ^ (3 ^ 4))"),
        ("2^-1", "(2 ^ Negate<1>)"),
        ("2^-x^3", "(2 ^ Negate<(x ^ 3)>)"),
        ("(a + b) * c", "((a + b) * c)"),
        ("f(a, b + 1)", "Call<f [a (b + 1)] []>"),
        ("sum(e)", "Call<sum [e] []>"),
        ("f(a, k = b + 1)", "Call<f [a] [Keyword<k (b + 1)>]>"),
        ("max(a, b)", "Call<max [a b] []>"),
        ("sum(i: e)", "Reduction<sum [i] [None] e>"),
        ("sum(u, v: x[u+v])", "Reduction<sum [u v] [None None] Element<x [(u + v)]>>"),
        ("sum(i in n, j: e)", "Reduction<sum [i j] [n None] e>"),
        ("max(j: e) + 1", "(Reduction<max [j] [None] e> + 1)"),
        ("W[i, j+1]", "Element<W [i (j + 1)]>"),
        ("1.50", "3/2d"),
        ("5. + .5 + 1E+2 + 007", "(((5d + 1/2d) + 100d) + 7)"),
        ("0.1e-2", "1/1000d"),
        ("(\n a # one\n +\n\n b)", "(a + b)"),
    ],
)
def test_expressions(text: str, tree: str) -> None:
    assert short(body(text)) == tree


def test_numbers_are_exact() -> None:
    number = body("0.1")
    assert isinstance(number, syntax.Number)
    assert number.value == Fraction(1, 10)


@examples
def test_the_design_s_examples_parse(text: str) -> None:
    statements = parse(Source("x.spec", text)).statements
    starts = [text.count("\n", 0, node.span.start) + 1 for node in statements]
    code = [line.partition("#")[0].strip() for line in text.split("\n")]
    assert starts == [n for n, line in enumerate(code, 1) if line and not line.startswith("[")]


@examples
def test_the_text_under_a_span_reads_as_its_node(text: str) -> None:
    """Every statement, expression and value, cut out by its span and read alone, gives the same tree."""
    specification = parse(Source("x.spec", text))
    for node in walk(specification):
        cut = text[node.span.start : node.span.end]
        if node in specification.statements:
            assert short(statement(cut)) == short(node)
        elif isinstance(node, syntax.Values) and not node.flat:
            assert short(statement(f"init q = {cut}")) == f"Init<[Assignment<q {short(node)}>]>"
        elif isinstance(node, syntax.Number) and node.value < 0:
            assert cut.startswith("-")
        elif isinstance(node, syntax.Name):
            assert cut == node.id
        elif isinstance(node, syntax.Expr) and not (isinstance(node, syntax.Number) and "/" in cut):
            assert short(body(cut)) == short(node)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("softmax(W @ h + b)", ["softmax(W @ h + b)", "softmax", "W @ h + b", "W @ h", "W", "h", "b"]),
        ("(a + b)*c", ["(a + b)*c", "(a + b)", "a", "b", "c"]),
        ("-x ^ 2", ["-x ^ 2", "x ^ 2", "x", "2"]),
        ("sum(i: v[i])", ["sum(i: v[i])", "sum", "i", "v[i]", "v", "i"]),
    ],
)
def test_spans_of_an_expression(text: str, marked: list[str]) -> None:
    assert [f"y = {text}"[node.span.start : node.span.end] for node in walk(body(text))] == marked


@pytest.mark.parametrize("text", [TWO_TWO_ONE.replace("\n", "\r\n"), "\ufeff" + TWO_TWO_ONE, TWO_TWO_ONE.rstrip()])
def test_line_ends_and_a_byte_order_mark_do_not_matter(text: str) -> None:
    assert short(parse(Source("x", text)).statements) == short(parse(Source("x", TWO_TWO_ONE)).statements)


# What is refused ----------------------------------------------------------------------------------------------

MISTAKES = [
    # text, message, place, help (a part of it)
    ("y = x**2", "write ^ for a power", "1:6 **", "x^2"),
    ("y == 2", "write a single = here", "1:3 ==", "name = expression"),
    ("y := 2", "write = instead of :=", "1:3 :=", "name = expression"),
    ("y = 2x", "a * is missing", "1:6 x", "write * for a product"),
    ("y = x z", "a * is missing", "1:7 z", "@ for a matrix product"),
    ("y = (a)(b)", "a * is missing", "1:8 (", "write *"),
    ("y = f(a b)", "a * or a comma is missing", "1:9 b", "a comma between arguments"),
    ("input x y", "a comma is missing", "1:9 y", "commas"),
    ("init W = [[1,2]\n [3,4]]", "a comma is missing", "2:2 [", "commas"),
    ("y = x'", "a prime has no meaning here", "1:6 '", "derivatives are worked out"),
    ("y = 1; z = 2", "a ; has no meaning here", "1:6 ;", "a line of its own"),
    ("y = a < b", "comparisons are not part of the language", "1:7 <", "max(a, b)"),
    ("y = a \\\n + b", "a \\ has no meaning here", "1:7 \\", "inside brackets"),
    ("y = $x", "a $ has no meaning here", "1:5 $", "letters, digits and underscores"),
    ("y = {x}", "curly brackets have no meaning here", "1:5 {", "write ( )"),
    ("y = 1.2.3", "'1.2.3' is not a number", "1:5 1.2.3", "one decimal point"),
    ("y = (a", "this bracket is never closed", "1:5 (", "write the )"),
    ("input x[2\nloss L = x", "this bracket is never closed", "1:8 [", "write the ]"),
    ("y = f(x\nh = 3", "this bracket is never closed", "1:6 (", "write the )"),
    ("y = f(x,\nh = 3", "this bracket is never closed", "1:6 (", "write the )"),
    ("y = a)", "this bracket closes nothing", "1:6 )", "remove it"),
    ("y = (a]", "brackets do not match", "1:7 ]", "write ) here"),
    ("y =", "expected an expression after =", "1:4 ", ""),
    ("y = # nothing", "expected an expression after =", "1:4 ", ""),
    ("y = a +", "expected an expression after +", "1:8 ", ""),
    ("y = f()", "expected an expression after (", "1:7 )", ""),
    ("y = x[]", "expected an expression after [", "1:7 ]", ""),
    ("y = 3 = 4", "expected an operator or the end of the line after '3'", "1:7 =", ""),
    ("y = [1, 2]", "expected an expression after =", "1:5 [", "constant, init and sample"),
    ("y", "expected = after 'y'", "1:2 ", ""),
    ("rate = 0.05", "expected a name after 'rate'", "1:6 =", "for example: rate a = 0.05"),
    ("rate a", "expected = after 'a'", "1:7 ", "for example: rate a = 0.05"),
    ("size n = k", "expected a number after =", "1:10 k", "for example: size n = 8"),
    ("constant c = k", "expected a number or a list in [ ] after =", "1:14 k", "for example"),
    ("sample x = [1, 2,]", "expected a number or a list in [ ] after ,", "1:18 ]", "for example"),
    ("sample x = 1, 2", "expected a name after ,", "1:15 2", "for example: sample x = [2, 3]"),
    ("init w = [1], 2", "expected a name after the list", "1:15 2", "for example: init"),
    ("define f(a) = a given a", "expected an operator or = after 'a'", "1:24 ", "for example: define"),
    ("network Iris", "expected a title in quotes \" after 'network'", "1:9 Iris", 'network "Iris"'),
    ("batch", "expected a name after 'batch'", "1:6 ", "batch sum"),
    ('network "Iris', "this title is never closed", '1:9 "', 'write " at its end'),
    ('network " "', "a title has 1 to 200 printable characters", '1:9 " "', ""),
    (f'network "{"x" * 201}"', "a title has 1 to 200 printable characters", f'1:9 "{"x" * 201}"', ""),
    ('network "a\u202eb"', "a title has 1 to 200 printable characters", '1:9 "a\u202eb"', ""),
    ("inptu x[2]", "no statement starts with 'inptu'", "1:1 inptu", "did you mean 'input'?"),
    ("y = 1\nTarget t", "no statement starts with 'Target'", "2:1 Target", "did you mean 'target'?"),
    ("bias b[3]", "no statement starts with 'bias'", "1:1 bias", "did you mean 'weight'?"),
    ("foo 3", "no statement starts with 'foo'", "1:1 foo", "foo = ..."),
    ("z(i) = 3", "round brackets cannot stand on the left of an equation", "1:2 (", "write z[i]"),
    ("+3", "a statement starts with a word of the language or with a name", "1:1 +", "network, input"),
    ("y = (a + b)[1]", "only a name can have indices", "1:12 [", "an equation of its own"),
    ("y = foo(i: x)", "'foo' does not reduce over indices", "1:5 foo", "sum, mean, max and min"),
    ("y = summ(i: x)", "'summ' does not reduce over indices", "1:5 summ", "did you mean 'sum'?"),
    ("y = sum(i+1: x)", "expected the name of an index before :", "1:9 i+1", "sum(i: x[i])"),
    ("init w = 1/0", "division by zero", "1:10 1/0", ""),
    ("input rate[2]", "'rate' is a reserved word", "1:7 rate", "rate a = 0.05; write another name"),
    ("y = x + given", "'given' is a reserved word", "1:9 given", "follows define; write another name"),
    ("y = sum", "'sum' is a reserved word", "1:5 sum", "sum(e)"),
    ("define max(a) = a", "'max' is a reserved word", "1:8 max", "write another name"),
    # names
    ("y = x_", "underscores stand only between letters and digits, one at a time, not as in 'x_'", "1:5 x_", "'x'"),
    (
        "y = a__b",
        "underscores stand only between letters and digits, one at a time, not as in 'a__b'",
        "1:5 a__b",
        "'a_b'",
    ),
    (
        "y = _1",
        "underscores stand only between letters and digits, one at a time, not as in '_1'",
        "1:5 _1",
        "a letter",
    ),
    ("class = 3", "'class' is a word of Python and cannot be a name", "1:1 class", "'class1'"),
    ("input None", "'None' is a word of Python and cannot be a name", "1:7 None", "'None1'"),
    (f"y = {'x' * 33}", "the name is longer than 32 characters", f"1:5 {'x' * 33}", "shorter"),
    # characters
    ("α = 3", "α cannot be used here, only ASCII characters", "1:1 α", "write alpha"),
    ("y = xΛ_1", "Λ cannot be used here, only ASCII characters", "1:6 Λ", "write xLambda_1"),
    ("y = ς", "ς cannot be used here, only ASCII characters", "1:5 ς", "write sigma"),
    ("y = xа", "а cannot be used here, only ASCII characters", "1:6 а", "write xa, in Latin letters"),
    ("y = ж", "ж cannot be used here, only ASCII characters", "1:5 ж", "ASCII letters, digits"),
    ("y = 𝐖", "𝐖 cannot be used here, only ASCII characters", "1:5 𝐖", "write W"),
    ("y = 𝛼", "𝛼 cannot be used here, only ASCII characters", "1:5 𝛼", "write alpha"),
    ("y = x²", "² cannot be used here, only ASCII characters", "1:6 ²", "write ^2"),
    ("y = x₁", "₁ cannot be used here, only ASCII characters", "1:6 ₁", "write x1"),
    ("y = a − b", "− cannot be used here, only ASCII characters", "1:7 −", "write -"),
    ("y = a – b", "– cannot be used here, only ASCII characters", "1:7 –", "write -"),
    ("y = a × b", "× cannot be used here, only ASCII characters", "1:7 ×", "write *"),
    ("y = a · b", "· cannot be used here, only ASCII characters", "1:7 ·", "write *"),
    ("y = a ÷ b", "÷ cannot be used here, only ASCII characters", "1:7 ÷", "write /"),
    ("y = a ≤ b", "≤ cannot be used here, only ASCII characters", "1:7 ≤", "max(a, b)"),
    ("network “Iris”", "“ cannot be used here, only ASCII characters", "1:9 “", 'write "'),
    ("y =\u00a0a", "this character cannot be used here, only ASCII characters", "1:4 \u00a0", "an ordinary space"),
    ("y = a\u200b", "this character cannot be used here, only ASCII characters", "1:6 \u200b", "delete it"),
    ("y = 1\x00", "the control character U+0000 cannot be used here", "1:6 \x00", "delete it"),
    ("y = 1 # \x1b[2J", "the control character U+001B cannot be used here", "1:9 \x1b", "delete it"),
    ("y = 1\rz = 2", "the control character U+000D cannot be used here", "1:6 \r", "delete it"),
    # nothing
    ("", "the file holds no statements", "", "weight w\nloss f"),
    ("\n # only this\n", "the file holds no statements", "", "weight w\nloss f"),
]


@pytest.mark.parametrize(("text", "message", "place", "help"), MISTAKES, ids=[row[0][:30] for row in MISTAKES])
def test_mistakes(text: str, message: str, place: str, help: str) -> None:
    error, where = failure(text)
    assert (error.message, where) == (message, place)
    assert help in error.help
    assert help or not error.help or "for example" in error.help


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("y = α", "GREEK SMALL LETTER ALPHA"),
        ("y = а", "CYRILLIC SMALL LETTER A"),
        ("y = a − b", "MINUS SIGN"),
        ("y =\u00a0a", "NO-BREAK SPACE"),
        ("y = f()", "not ')'"),
        ("y = 2x", "before this"),
        ("y = (a]", "closes the ( before 'a'"),
    ],
)
def test_labels(text: str, label: str) -> None:
    assert failure(text)[0].label == label


def test_the_help_for_an_empty_file_is_a_specification() -> None:
    example = failure("")[0].help.split(":\n")[1]
    assert len(parse(Source("x", example)).statements) == 4


@pytest.mark.parametrize("word", names.STATEMENTS)
def test_every_statement_s_example_parses(word: str) -> None:
    statement(names.STATEMENTS[word])


def test_every_terminal_of_the_grammar_has_a_human_name() -> None:
    assert {messages.describe(terminal.name) for terminal in grammar.grammar().terminals}
    table = grammar.grammar().parser.parser._parse_table.states.values()
    used = {symbol for actions in table for symbol in actions if symbol.isupper()}
    for terminal in used:
        described = messages.describe(terminal)
        assert described
        assert described != terminal


def test_the_grammar_s_words_are_the_reserved_words() -> None:
    assert {text for text in grammar.literals() if text.isalpha()} == (
        names.RESERVED | names.ORDINARY
    ) - names.REDUCTIONS


@pytest.mark.parametrize("name", ["E", "I", "N", "O", "Q", "S", "beta", "gamma", "zeta", "lambda", "match", "x1_2"])
def test_ordinary_names(name: str) -> None:
    assert short(statement(f"{name} = {name}")) == f"Equation<Declared<{name} None> {name}>"


# Limits -------------------------------------------------------------------------------------------------------

LIMITS = [
    ("[" * 10_000_000, "the specification is larger than 256 KiB"),
    ("y = " + "(" * 200_000, "brackets are nested more than 60 deep"),
    ("y = " + "f(" * 100_000, "brackets are nested more than 60 deep"),
    ("y = " + "-" * 100_000 + "x", "the expression is more than 100 levels deep"),
    ("y = " + "x^" * 100_000 + "x", "the expression is more than 100 levels deep"),
    ("y = " + "2^-" * 50_000 + "x", "the expression is more than 100 levels deep"),
    ("y = " + "x+" * 100 + "x", "the expression is more than 100 levels deep"),
    ("y = " + "x+" * 100_000 + "x", "more than 50,000 words, numbers and signs"),
    ("init w = " + "1," * 100_000 + "1", "more than 50,000 words, numbers and signs"),
    ("y=x\n" * 60_000, "more than 2,000 statements"),
    ("y = " + "1" * 200_000, "the number is longer than 40 characters"),
    ("y = 1e999999999", "the exponent is beyond 400"),
    ("y = 1e-401", "the exponent is beyond 400"),
    ("y = " + "x" * 200_000, "the name is longer than 32 characters"),
    ("α" * 200_000, "α cannot be used here, only ASCII characters"),
    ("y = (" + "\n" * 200_000, "this bracket is never closed"),
    ("\n" * 250_000, "the file holds no statements"),
    ('network "' + "x" * 200_000, "this title is never closed"),
]


@pytest.mark.parametrize(("text", "message"), LIMITS, ids=[f"{row[0][:12]!r} {row[1]}" for row in LIMITS])
def test_limits(text: str, message: str) -> None:
    began = time.process_time()
    assert failure(text)[0].message == message
    assert time.process_time() - began < 4  # measured: below 1 s


@pytest.mark.parametrize(
    "text",
    [
        "(" * 60 + "x" + ")" * 60,
        "x+" * 99 + "x",
        "-" * 99 + "x",
        "x^" * 99 + "x",
        "-f(a+b*c^" * 19 + "x" + ")" * 19,
        "1" * 40,
        "1e308 + 1e-400",
        "x" * 32,
    ],
)
def test_what_is_just_within_the_limits_is_read(text: str) -> None:
    body(text)


def test_two_thousand_statements_are_read() -> None:
    assert len(parse(Source("x", "y = x\n" * 2000)).statements) == 2000


# Files --------------------------------------------------------------------------------------------------------


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "net.spec"
    path.write_bytes(b'\xef\xbb\xbfnetwork "\xce\x94"\r\ny = 1\r\n')
    assert read(path) == read(str(path)) == Source("net.spec", 'network "Δ"\ny = 1\n', path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file '{}'"),
        (b"y = 1\nz = \xff", "'{}' is not UTF-8 text: byte 11, in line 2, is 0xFF"),
        (b" " * (parser.MAX_BYTES + 1), "the specification is larger than 256 KiB"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "net.spec"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read(path)
    assert caught.value.message == message.format(path)
    assert caught.value.span is None


def test_a_folder_and_impossible_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="is a folder, not a file"):
        read(tmp_path)
    with pytest.raises(SpecError, match=r"cannot read .*: embedded null byte"):
        read("a\0b")
    with pytest.raises(SpecError, match=r"cannot read .*: file name too long"):
        read("x" * 5000)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # root may read everything, so chmod would prove nothing
    with pytest.raises(SpecError, match=r"cannot read 'net\.spec': permission denied"):
        read("net.spec")


# Anything else ------------------------------------------------------------------------------------------------

ALPHABET = st.sampled_from(
    [*"()[]+-*/^@=,:#\"'\\\n\r\t ._;{}<|0123eExyWα−²\x00\x1b\u00a0\ufeff", *names.RESERVED, "**"]
)


def attempt(text: str) -> SpecError | None:
    try:
        parse(Source("x.spec", text))
    except SpecError as error:
        return error
    return None


def check_robust(text: str) -> None:
    """Read, or refused with a place inside the text and an error that renders; soon in either case.

    Soon the second time: the first may meet a collection of all that other tests have left.
    """
    if error := attempt(text):
        assert error.span is None or 0 <= error.span.start <= error.span.end <= len(text)
        assert all(c.isprintable() or c == "\n" for c in render(error, Source("x.spec", text)))
        assert "\n" not in error.message
    began = time.process_time()
    attempt(text)
    assert time.process_time() - began < 1


@settings(max_examples=200)
@given(st.lists(ALPHABET, max_size=40).map("".join) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    check_robust(text)
