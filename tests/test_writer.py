"""Expressions as a lecturer writes them: order, signs, brackets, fractions and names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import CASES, EXAMPLES, elements, example, network_of, read_latex, sweep_of

from codegen.formulas.breaking import broken
from codegen.formulas.forms import decimal
from codegen.formulas.latex import Code, Latex, Text, equations_of
from codegen.formulas.layout import escape, show, visible_length
from codegen.formulas.notation import Notation, name_of
from codegen.formulas.writer import Writer
from codegen.notes.lecture import Lecture
from derive.derivation import derive
from derive.evaluate import context
from derive.expressions import Access, Cases
from derive.functions import formula
from derive.network import Equation, Scan
from derive.scalars import Scalars
from derive.steps import Partial, Product, Total

ONE = sympy.Integer(1)
_z, _alpha = sympy.symbols("z alpha", real=True)
LEAKY = formula("leaky", (_z, _alpha), Cases(_z, _z, _alpha * _z), ((_alpha, ONE / 100),))

TWO_TWO_ONE, RELU = example("two_two_one"), example("relu_two_two")


@cache
def writer_of(spec: str, kind: type[Writer] = Text) -> Writer:
    network, swept = network_of(spec), sweep_of(spec)
    return kind(Notation(network, swept), equations_of(network, swept))


def equations(spec: str) -> dict[str, Equation]:
    """All equations of a network and of its derivatives by what they define."""
    steps = (*network_of(spec).equations, *sweep_of(spec).equations)
    return {eq.lhs.tensor: eq for s in steps for eq in (s.equations if isinstance(s, Scan) else (s,))}


def plain(latex: str) -> str:
    """LaTeX without the marks that only move things: thin spaces, growing brackets, blanks."""
    return re.sub(r"\\(?:left|right|[bB]igg?[lr]|[,;:!]|quad)(?![A-Za-z])|\s", "", latex)


# Order --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "tensor", "text"),
    [
        (TWO_TWO_ONE, "Error", "1/2 (prediction - actual)^2"),
        (TWO_TWO_ONE, "∂prediction", "prediction - actual"),
        (RELU, "L", "Σ_i (y[i] - t[i])^2"),
        (RELU, "∂z1", "2 (y[i] - t[i]) [z1[i] > 0]"),
        (example("xor"), "∂z2", "p - t"),
        (example("xor"), "∂z1", "δ2 W2[1,i] (1 - h[i]^2)"),
        (example("xor"), "z1", "Σ_j W1[i,j] x[j] + b1[i]"),
        (example("iris"), "L", "-Σ_i t[i] log(p[i]) + 0.001 Σ_i,j W1[i,j]^2"),
        (example("iris"), "∂W2", "δ2[i] h[j]"),
        (example("iris"), "∂b2", "δ2[i]"),
        (example("iris"), "p", "exp(z2[i])/(Σ_j exp(z2[j]))"),
        (CASES["swish"].spec, "z", "Σ_j W[i,j] x[j] + b[i]"),
        (CASES["swish"].spec, "y", "Σ_i v[i] h[i] + c"),
        (CASES["swish"].spec, "L", "log(cosh(y - t))"),
        (CASES["residual"].spec, "h2", "h[i] + Σ_j W2[i,j] h[j] + b2[i]"),
        (CASES["function without inputs"].spec, "f", "(x + y) z"),
        (CASES["function without inputs"].spec, "∂z", "x + y"),
        ("weight x, y\nloss f = x - y^2 + 3\n", "f", "x - y^2 + 3"),
        ("weight x, y\nloss f = 3 - y^2 + x\n", "f", "3 - y^2 + x"),
        ("weight x, y\nloss f = -y^2 + x\n", "f", "-y^2 + x"),
        ("weight x, y\nloss f = y * x + 1\n", "f", "y x + 1"),
        ("weight x, y\nloss f = 0.05 * x + 1/3 * y + 2 * x * y\n", "f", "0.05 x + 1/3 y + 2 x y"),
        ("weight x, y\nloss f = 1 - x / y\n", "f", "1 - x/y"),
        ("weight x, y\nloss f = x / (2 * y) + 0 * x\n", "f", "x/(2 y)"),
        ("weight x\nloss f = (1.702 * x - 1)^2\n", "f", "(1.702 x - 1)^2"),
        ("weight x\nloss f = sqrt(x^2 + 1)\n", "f", "√(x^2 + 1)"),
        ("weight x, y\nloss f = abs(x - y) + max(x, 0)\n", "f", "abs(x - y) + max(x, 0)"),
    ],
)
def test_an_equation_reads_as_on_the_board(spec: str, tensor: str, text: str) -> None:
    assert writer_of(spec).equation(equations(spec)[tensor]) == text


@pytest.mark.parametrize(
    ("spec", "weight", "text"),
    [
        *((TWO_TWO_ONE, w, t) for w, t in zip(
            [*(Access("W1", r, c) for r in (1, 2) for c in (1, 2)), Access("W2", 1, 1), Access("W2", 1, 2)],
            ["Δ w5 i1", "Δ w5 i2", "Δ w6 i1", "Δ w6 i2", "Δ h1", "Δ h2"],
            strict=True,
        )),
        (RELU, Access("W1", 2, 1), "δ2 x1"),
        (RELU, Access("b1", 2), "δ2"),
        (example("gradient_descent"), Access("W2"), "X2"),
        (example("xor"), Access("W1", 3, 2), "δ1[3] x[2]"),
        (CASES["function without inputs"].spec, Access("x"), "z"),
    ],
)  # fmt: skip
def test_a_gradient_in_named_quantities(spec: str, weight: Access, text: str) -> None:
    assert writer_of(spec).line(Scalars(network_of(spec), sweep_of(spec)).gradient(weight)) == text


@pytest.mark.parametrize(
    ("spec", "weight", "left", "right"),
    [
        (TWO_TWO_ONE, Access("W2", 1, 1), "{}^{*}w_{5}", r"w_{5}-a\Deltah_{1}"),
        (TWO_TWO_ONE, Access("W1", 2, 2), "{}^{*}w_{4}", r"w_{4}-a\Deltaw_{6}i_{2}"),
        (RELU, Access("b1", 1), "{}^{*}b_{1}", r"b_{1}-a\delta_{1}"),
        (example("gradient_descent"), Access("W1"), "W_{1}", "W_{1}-aX_{1}"),
        ("weight x, y, z\nloss f = (x + y) * z\nrate eta = 0.1\n", Access("z"), "z", r"z-\eta(x+y)"),
        ("weight x\nloss f = -x^2\n", Access("x"), "x", "x+2ax"),
    ],
)
def test_an_update_starts_with_the_old_weight(spec: str, weight: Access, left: str, right: str) -> None:
    """w₅ − a Δ h₁, not SymPy's −Δ a h₁ + w₅; and what is subtracted has brackets where it needs them."""
    derivation = derive(network_of(spec))
    (row,) = Lecture(derivation).update_rows(weight, derivation.scalars.gradient(weight))
    assert plain(row.left) == left
    assert plain(row.right) in (right, right.replace("x+2ax", "x-a(-2x)"))


@pytest.mark.parametrize(
    ("spec", "value", "text"),
    [
        (TWO_TWO_ONE, Access("h", 2), "i1 w3 + i2 w4"),
        (TWO_TWO_ONE, Access("prediction"), "h1 w5 + h2 w6"),
        (RELU, Access("z1", 1), "x1 w1 + x2 w2 + b1"),
    ],
)
def test_the_numbered_notation_writes_the_weight_behind_what_it_weighs(spec: str, value: Access, text: str) -> None:
    """prediction = h₁ w₅ + h₂ w₆ as in the picture, while Δ w₅ i₁ keeps the order of the chain rule."""
    definition = Scalars(network_of(spec), sweep_of(spec)).definition(value)
    assert writer_of(spec).line(definition) == text


# Signs, fractions, decimals -----------------------------------------------------------------------------------

X, Y, Z = Access("x"), Access("y"), Access("z")
SCALARS = "weight x, y, z\nconstant c = 0.25\nloss f = (x + y) * z * c\n"
HALF = sympy.Rational(1, 2)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (X - Y, "x - y"),
        (Y - X, "y - x"),
        (-X, "-x"),
        (-X - Y, "-x - y"),
        (2 * (X - Y), "2 (x - y)"),
        (-2 * X * Y, "-2 x y"),
        (X * (Y - Z), "x (y - z)"),
        (X - (Y - Z) * X, "x - x (y - z)"),
        ((X + Y) / Z, "(x + y)/z"),
        (X / (Y * Z), "x/(y z)"),
        (1 / X, "1/x"),
        (X**2 * Y, "x^2 y"),
        ((X * Y) ** 2, "x^2 y^2"),
        ((X + Y) ** 2, "(x + y)^2"),
        (1 - X**2, "1 - x^2"),
        (X * (1 - X), "x (1 - x)"),
        (1 - sympy.tanh(X) ** 2, "1 - tanh(x)^2"),
        (HALF * X, "1/2 x"),
        (-HALF * X, "-1/2 x"),
        (sympy.Rational(2, 3) * X, "2/3 x"),
        (X**HALF, "√(x)"),
        (Cases(X, X, 0), "max(x, 0)"),
        (Cases(X, sympy.Integer(1), sympy.Integer(0)), "[x > 0]"),
        (Cases(X - Y, sympy.Integer(1), sympy.Integer(0)), "[x > y]"),
        (Cases(-X, -X, 0), "max(-x, 0)"),
        (Cases(1 - X, Cases(X + 1, ONE, 0), 0), "[-1 < x < 1]"),
        (Cases(X, Cases(Y - 1, ONE, 0), 0), "[x > 0 and y > 1]"),
        (Z * Cases(3 - X, Cases(X + 3, ONE / 6, 0), 0), "1/6 z [-3 < x < 3]"),
        (Cases(X, 0, ONE), "[x ≤ 0]"),
        (Cases(2 - X * Y, Z, 0), "(z if x y < 2 else 0)"),
        (Cases(X - 1, Z, Cases(X + 1, X, Y)), "(z if x > 1 else x if x > -1 else y)"),
        (Cases(1 - X, Cases(X + 1, X, Y), Z), "(z if x ≥ 1 else x if x > -1 else y)"),
        (Z * (X / 2 - Y / 2), "1/2 (x - y) z"),
        (-sympy.tanh(Y - X), "tanh(x - y)"),
        (-Z * sympy.tanh(Y - X) / 2, "1/2 tanh(x - y) z"),
        (Z - sympy.sign(Y - X), "z + sign(x - y)"),
        (sympy.tanh(Y - X) ** 2, "tanh(x - y)^2"),
        (-sympy.tanh(X), "-tanh(x)"),
        (LEAKY(X, ONE / 100), "leaky(x)"),
        (LEAKY(X, ONE / 5), "leaky(x, α = 1/5)"),
    ],
)
def test_a_derived_expression_is_written_plainly(expression: sympy.Expr, text: str) -> None:
    assert writer_of(SCALARS).line(expression) == text


@pytest.mark.parametrize(
    ("line", "latex"),
    [
        (Partial(Access("f"), X), r"\frac{\partialf}{\partialx}"),
        (Product((Partial(Access("f"), X), Y)), r"\frac{\partialf}{\partialx}\cdoty"),
        (Product((sympy.Integer(2), HALF, X - Y)), r"2\cdot\frac{1}{2}(x-y)"),
        (Product((X, X + Y)), "x(x+y)"),
        (Total((Product((X, Y)), Z)), "xy+z"),
        (Product((X, Total((Y, Z)))), "x(y+z)"),
        (Partial((X - Y) ** 2, X), r"\frac{\partial[(x-y)^{2}]}{\partialx}"),
        (Total((X, -Y)), "x+(-y)"),
    ],
)
def test_a_line_of_a_derivation_keeps_what_sympy_would_simplify(line: object, latex: str) -> None:
    found = plain(writer_of(SCALARS, Latex).line(line))
    assert found in (latex, latex.replace("x+(-y)", "x-y"))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (sympy.Rational(1, 20), "0.05"),
        (sympy.Rational(1702, 1000), "1.702"),
        (sympy.Rational(-1, 8), "-0.125"),
        (sympy.Rational(7, 1), "7"),
        (sympy.Rational(1, 10**6), "0.000001"),
        (sympy.Rational(-50, 4), "-12.5"),
    ],
)
def test_a_decimal_has_all_its_digits(number: sympy.Rational, text: str) -> None:
    assert decimal(number) == text


@pytest.mark.parametrize(
    ("written", "read"),
    [("0.05", "0.05"), ("1/20", "1/20"), ("0.5", "0.5"), ("1/2", "1/2"), ("0.125", "0.125"), ("1/3", "1/3")],
)
def test_numbers_stay_as_the_user_wrote_them(written: str, read: str) -> None:
    spec = f"weight x\nloss f = {written} * x^3\n"
    assert writer_of(spec).equation(equations(spec)["f"]) == f"{read} x^3"


@pytest.mark.parametrize(
    ("expression", "numbers", "latex"),
    [
        (X * Y, {X: "-0.5", Y: "2"}, r"(-0.5)\cdot2"),
        (X * Y, {X: "2", Y: "-0.5"}, r"2\cdot(-0.5)"),
        (X - Y, {X: "1", Y: "-2"}, "1-(-2)"),
        (X**2, {X: "-3"}, "(-3)^{2}"),
        (X**2, {X: "3"}, "3^{2}"),
        (X**2, {X: r"1.5 \cdot 10^{-7}"}, r"(1.5\cdot10^{-7})^{2}"),
        (X * Y * Z, {X: "2", Y: "3", Z: "4"}, r"2\cdot3\cdot4"),
        (HALF * (X - Y) ** 2, {X: "0.2171", Y: "1"}, r"\frac{1}{2}(0.2171-1)^{2}"),
        (sympy.exp(-X), {X: "-1"}, "e^{-(-1)}"),
        (X / Y, {X: "-1", Y: "-2"}, r"\frac{-1}{-2}"),
        (sympy.Abs(X), {X: "-1"}, "|-1|"),
    ],
)
def test_numbers_put_in(expression: sympy.Expr, numbers: Mapping[Access, str], latex: str) -> None:
    writer = writer_of.__wrapped__(SCALARS, Latex)
    writer.numbers = numbers
    brackets = latex.replace(r"\frac{-1}{-2}", r"\frac{(-1)}{(-2)}")
    assert plain(writer.line(expression)) in (latex, brackets)


# Every bracket that is needed ---------------------------------------------------------------------------------

leaves = st.sampled_from([X, Y, Z, sympy.Integer(1), sympy.Integer(2), sympy.Integer(-3), HALF, -sympy.Rational(2, 3)])
scalars = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] / (p[1] ** 2 + 1)),
        inner.map(lambda e: -e),
        inner.map(lambda e: e**2),
        inner.map(lambda e: e**3),
        inner.map(sympy.tanh),
        inner.map(lambda e: sympy.exp(-(e**2))),
        inner.map(lambda e: sympy.sqrt(e**2 + 1)),
        inner.map(lambda e: Cases(e - X, e, X)),
        inner.map(lambda e: Cases(e, sympy.Integer(1), sympy.Integer(0)) * e),
        inner.map(lambda e: Cases(e, e * Y, Z - e)),
    ),
    max_leaves=7,
)
VALUES = {"x": Fraction(-3, 7), "y": Fraction(5, 4), "z": Fraction(-11, 3)}


def value_of(e: sympy.Expr) -> float:
    """The value of an expression at VALUES by walking it, with no printer."""
    if isinstance(e, Access):
        return float(VALUES[e.tensor])
    if e.is_number:
        return float(e)
    arguments = [value_of(a) for a in e.args]
    if e.is_Add:
        return math.fsum(arguments)
    if e.is_Mul:
        return math.prod(arguments)
    if e.is_Pow:
        return arguments[0] ** arguments[1]
    if isinstance(e, Cases):
        return arguments[1] if arguments[0] > 0 else arguments[2]
    return {sympy.tanh: math.tanh, sympy.exp: math.exp, sympy.Abs: abs}[e.func](*arguments)


def close(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


@settings(max_examples=150)
@given(scalars)
def test_latex_with_numbers_put_in_has_the_value_of_the_expression(expression: sympy.Expr) -> None:
    writer = writer_of.__wrapped__(SCALARS, Latex)
    writer.numbers = {a: str(float(v)) for a, v in zip((X, Y, Z), VALUES.values(), strict=True)}
    text = writer.line(expression)
    assert close(float(read_latex(text)), value_of(expression)), text


@settings(max_examples=150)
@given(scalars)
def test_code_has_the_value_of_the_expression(expression: sympy.Expr) -> None:
    text = writer_of(SCALARS, Code).line(expression)
    names = {**VALUES, "tanh": math.tanh, "exp": math.exp, "sqrt": math.sqrt, "abs": abs, "max": max, "min": min}
    assert close(float(eval(text, {"__builtins__": {}}, names)), value_of(expression)), text


# Sums ---------------------------------------------------------------------------------------------------------

NESTED = """
input x[3], v[4]
weight W[3, 4], U[3, 3]
s[i] = x[i] * sum(k: W[i,k] * v[k])
loss L = sum(i: s[i] * sum(j: U[i,j] * s[j]^2))
"""


def test_a_bound_index_keeps_out_of_the_way() -> None:
    """Σ_k W[i,k] v[k] at i = k must not become Σ_k W[k,k] v[k]."""
    network = network_of(NESTED)
    anonymous = next(t.name for t in network.tensors.values() if t.anonymous)
    for letter in "kij":
        index = sympy.Symbol(letter, integer=True, positive=True)
        text = writer_of(NESTED).line(Access(anonymous, index))
        bound = re.fullmatch(rf"Σ_(\w+) W\[{letter},\1\] v\[\1\]", text)
        assert bound, text
        assert bound[1] != letter


def test_sums_inside_sums_have_letters_of_their_own() -> None:
    text = writer_of(NESTED).equation(equations(NESTED)["L"])
    found = re.fullmatch(r"Σ_(\w) s\[\1\] \(?Σ_(\w) U\[\1,\2\] s\[\2\]\^2\)?", text)
    assert found, text
    assert found[1] != found[2]


@pytest.mark.parametrize("name", CASES)
def test_no_letter_is_bound_twice_in_one_formula(name: str) -> None:
    writer = writer_of(CASES[name].spec)
    for eq in equations(CASES[name].spec).values():
        free = [str(s) for s in eq.free]
        text = writer.equation(eq)
        nested = re.findall(r"(?:Σ|max)_([\w,]+) ", text)
        for letters in nested:
            assert not set(letters.split(",")) & set(free), f"{eq.lhs} = {text}"


@pytest.mark.parametrize("name", [*EXAMPLES, *CASES])
def test_latex_is_balanced_and_in_ascii(name: str) -> None:
    spec = example(name) if name in EXAMPLES else CASES[name].spec
    writer = writer_of(spec, Latex)
    for eq in equations(spec).values():
        if writer.notation.tensors[eq.lhs.tensor].anonymous:
            continue
        text = writer.access(eq.lhs) + " = " + writer.equation(eq)
        assert text.isascii(), text
        bare = text.replace("\\{", "").replace("\\}", "")
        assert bare.count("{") == bare.count("}"), text
        assert text.count("\\left") == text.count("\\right"), text
        assert bare.count("(") == bare.count(")"), text
        assert "None" not in text
        assert "**" not in text
        assert not re.search(r"\^\{[^{}]*\}\^|_\{[^{}]*\}_", text), f"double script: {text}"


# Names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "array", "latex", "text"),
    [
        ("x", False, "x", "x"),
        ("W", True, "W", "W"),
        ("W1", True, "W^{(1)}", "W1"),
        ("W1", False, "W_{1}", "W1"),
        ("b12", True, "b^{(12)}", "b12"),
        ("alpha", False, r"\alpha", "α"),
        ("Omega", True, r"\Omega", "Ω"),
        ("epsilon", False, r"\varepsilon", "ε"),
        ("theta2", True, r"\theta^{(2)}", "θ2"),
        ("prediction", False, r"\mathit{prediction}", "prediction"),
        ("Error", False, r"\mathit{Error}", "Error"),
        ("h1", False, "h_{1}", "h1"),
        ("a1b2", False, r"\mathit{a1b2}", "a1b2"),
    ],
)
def test_a_name_is_typeset(name: str, array: bool, latex: str, text: str) -> None:
    found = name_of(name, array)
    assert (found.latex(), found.text) == (latex, text)


def test_a_name_with_a_tail_shows_it() -> None:
    found = name_of("y_hat", False)
    assert found.latex() in (r"y_{\mathrm{hat}}", r"\hat{y}")
    assert found.text in ("y_hat", "ŷ")
    assert name_of("x_1", False).latex() == "x_{1}"


@pytest.mark.parametrize(
    ("indices", "latex"),
    [
        (("1", "2"), "W^{(1)}_{12}"),
        (("12", "3"), "W^{(1)}_{12,3}"),
        (("i", "j"), "W^{(1)}_{ij}"),
        (("i + 1",), "W^{(1)}_{i + 1}"),
    ],
)
def test_indices_are_told_apart(indices: tuple[str, ...], latex: str) -> None:
    assert name_of("W1", True).latex(*indices) == latex


def test_numbered_weights_are_counted_unit_by_unit_input_by_input_layer_by_layer() -> None:
    spec = "input x[3]\nh[3] = tanh(dense(x))\ny = dense(h)\ntarget t\nloss L = (y - t)^2\nnotation numbered\n"
    latex, text = writer_of(spec, Latex), writer_of(spec)
    weights = elements(network_of(spec).weights)
    named = {text.access(w): latex.access(w) for w in weights}
    assert list(named)[:9] == [f"w{n}" for n in range(1, 10)]
    assert [text.access(Access("W2", 1, n)) for n in (1, 2, 3)] == ["w10", "w11", "w12"]
    assert text.access(Access("b2", 1)) == "b4"
    assert named["w10"] == "w_{10}"
    assert named["b4"] == "b_{4}"
    assert len(named) == len(weights)


def test_scalar_weights_keep_their_names_under_the_numbered_notation() -> None:
    spec = "input x[2]\nweight k[2], w_0, alpha\nloss L = (sum(k * x) * alpha + w_0)^2\nnotation numbered\n"
    text = writer_of(spec)
    assert [text.access(w) for w in elements(network_of(spec).weights)] == ["w1", "w2", "w_0", "α"]


@pytest.mark.parametrize(
    ("spec", "deltas"),
    [
        (TWO_TWO_ONE, {"prediction": (r"\Delta", "Δ")}),
        (RELU, {"z1": (r"\delta", "δ")}),
        (example("iris"), {"z2": (r"\delta^{(2)}", "δ2"), "z1": (r"\delta^{(1)}", "δ1")}),
    ],
)
def test_derivatives_that_are_shared_are_called_delta(spec: str, deltas: dict[str, tuple[str, str]]) -> None:
    notation = Notation(network_of(spec), sweep_of(spec))
    assert {d: (name.latex(), name.text) for d, name in notation.deltas.items()} == deltas


@pytest.mark.parametrize("name", [*EXAMPLES, *CASES])
def test_two_quantities_never_look_alike(name: str) -> None:
    spec = example(name) if name in EXAMPLES else CASES[name].spec
    writer = writer_of(spec, Latex)
    shown: dict[str, Access] = {}
    for tensor in writer.notation.tensors.values():
        derivative = tensor.role == "adjoint" and not writer.notation.is_delta(tensor.name)
        if not tensor.anonymous and not derivative and tensor.size <= 200:
            for element in tensor.elements():
                latex = writer.access(element)
                assert shown.setdefault(latex, element) == element, f"{latex} is {shown[latex]} and {element}"


# Text and layout ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "exact"),
    [
        ("0.5", "0.5", True),
        ("1", "1", True),
        ("-2.25", "-2.25", True),
        ("0.306466205", "0.306466", False),
        ("0.0022", "0.0022", True),
        ("0", "0", True),
        ("1e-7", r"1 \cdot 10^{-7}", True),
        ("-0.00078291", r"-7.8291 \cdot 10^{-4}", True),
        ("12345678", r"1.2346 \cdot 10^{7}", False),
        ("99.9999999", "100", False),
        ("-0.0009999999", r"-1 \cdot 10^{-3}", False),
        ("1234567.5", "1234567.5", True),
    ],
)
def test_a_number_is_shown_to_six_places(value: str, text: str, exact: bool) -> None:
    found = show(context.mpf(value))
    assert (found.text, found.exact) in {(text, exact), (text.replace(r"1 \cdot 10", "10"), exact),
                                         (text.replace(r"-1 \cdot 10^{-3}", "-0.001"), exact)}  # fmt: skip


@settings(max_examples=200)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_shown_number_is_near_its_value_and_exact_only_if_it_is(value: float) -> None:
    shown = show(context.mpf(value))
    read = read_latex(shown.text)
    assert abs(float(read) - value) <= max(5.1e-7, 5.1e-5 * abs(value))
    if shown.exact:
        assert abs(read - Fraction(value)) <= Fraction(1, 10**30) * max(1, abs(Fraction(value)))


HOSTILE = r"\input{x} ^^M {} % # $ & _ ~ \write18{ls} << title >> <% if %> {{ }} \end{document} naïve Δ 漢 \\ `' " + '"'


def test_escaped_text_holds_nothing_that_latex_would_run() -> None:
    escaped = escape(HOSTILE)
    assert escaped.isascii() or all(ord(c) < 0x250 for c in escaped)
    rest = re.sub(r"\\text[a-z]+\{\}|\\[{}$&#%_]", "", escaped)
    assert not set(rest) & set("\\{}$&#%^_~"), rest


@pytest.mark.parametrize("name", ["xor", "layer norm", "attention", "mutual recurrence", "gallery of functions"])
def test_a_broken_line_loses_nothing_and_fits(name: str) -> None:
    spec = example(name) if name in EXAMPLES else CASES[name].spec
    writer = writer_of(spec, Latex)
    for eq in equations(spec).values():
        if not writer.notation.tensors[eq.lhs.tensor].anonymous:
            text = writer.equation(eq)
            pieces = broken(text, 40)
            assert plain("".join(pieces)) == plain(text)
            for piece in pieces:
                terms = re.split(r" [+-] ", re.sub(r"[({].*[)}]", "", piece.strip().lstrip("+- ")))
                assert visible_length(piece) <= 40 or len(terms) == 1, piece
