"""Networks put together in Python from SymPy expressions."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import S

import derive
from derive import catalogue as c
from derive.evaluate import array, context, forward, nested, number, run
from derive.gradient import adjoint_name, sweep
from derive.model import Model
from derive.quantities import Quantity
from derive.spelling import Speller

x, y, z = sympy.symbols("x y z")
i, j, k, t = derive.indices("i j k t")


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(derive.SpecError) as caught:
        make()
    return str(caught.value)


# A model is the specification it spells --------------------------------------------------------------------------


def two_two_one() -> Model:
    m = Model("Two inputs, two hidden neurons, one output", notation="numbered")
    inputs, actual = m.input("i", 2), m.target("actual")
    h = m.equation("h", [2], c.linear(inputs))
    prediction = m.equation("prediction", [], c.linear(h))
    m.loss("Error", S(1) / 2 * (prediction - actual) ** 2)
    m.rate("a", 0.05)
    m.init(w=[0.34, 0.13, 0.05, 0.07, 0.20, 0.01])
    m.sample(i=[2, 3], actual=1)
    return m


def iris() -> Model:
    m = Model("Iris")
    x, t = m.input("x", 4), m.target("t", 3)
    h = m.equation("h", [16], sympy.tanh(c.dense(x)))
    p = m.equation("p", [3], c.softmax(c.dense(h)))
    m.loss("L", c.cross_entropy(t, p) + 0.001 * m.sum(m.value("W1") ** 2))
    return m


def swish() -> Model:
    m = Model()
    n = 8
    x, t = m.input("x", n), m.target("t")
    W, b, v = m.weight("W", 16, n), m.weight("b", 16), m.weight("v", 16)
    gate = m.constant("c", 0.35)
    u = sympy.Symbol("u")
    swish = m.define("swish", u, u * c.sigmoid(1.702 * u))
    z = m.equation("z", [i], m.sum(W[i, j] * x[j], j) + b[i])
    h = m.equation("h", i, swish(z[i]))
    y = m.equation("y", m.sum(v[i] * h[i], i) + gate)
    m.loss("L", sympy.log(sympy.cosh(y - t)))
    return m


SWISH = """
define swish(u) = u * sigmoid(1.702 * u)
size n = 8
input x[n]
weight W[16, n], b[16], v[16]
constant c = 0.35
z[i] = sum(j: W[i,j] * x[j]) + b[i]
h[i] = swish(z[i])
y = sum(i: v[i] * h[i]) + c
target t
loss L = log(cosh(y - t))
"""


def convolution() -> Model:
    m = Model("Convolution", batch="sum")
    x, t = m.input("x", 6), m.target("t", 4)
    K, s = m.weight("K", 3, init=[0.5, Fraction(1, 3), -1]), m.weight("s", init=np.float64(0.25))
    y = m.equation("y", [i], sympy.Max(m.sum(K[k] * x[i + k - 1], k), s))
    m.loss("L", m.mean(abs(y - t)) + m.max(K) - m.min(K[k] ** 2, k))
    m.sample({x: range(1, 7), t: np.ones(4)})
    m.sample(x=[0, 0, 1, 0, 0, 1], t=[1, 0, 0, 1])
    m.optimizer("momentum", a=0.1, mu=0.8)
    return m


CONVOLUTION = """
network "Convolution"
batch sum
input x[6]
target t[4]
weight K[3], s
init K = [0.5, 1/3, -1], s = 0.25
y[i] = max(sum(k: K[k] * x[i+k-1]), s)
loss L = mean(abs(y - t)) + max(K) - min(k: K[k]^2)
sample x = [1, 2, 3, 4, 5, 6], t = [1.0, 1.0, 1.0, 1.0]
sample x = [0, 0, 1, 0, 0, 1], t = [1, 0, 0, 1]
optimizer momentum(a = 0.1, mu = 0.8)
"""


def recurrence() -> Model:
    m = Model()
    x, goal = m.input("x", 5), m.target("goal")
    w, u, start = m.weight("w"), m.weight("u"), m.weight("start")
    h = m.value("h")
    m.equation("h", [0], start)
    m.equation("h", [t], sympy.tanh(w * h[t - 1] + u * x[t]))
    m.loss((h[5] - goal) ** 2)
    return m


RECURRENCE = """
input x[5]
target goal
weight w, u, start
h[0] = start
h[t] = tanh(w * h[t-1] + u * x[t])
loss (h[5] - goal)^2
"""


def products() -> Model:
    m = Model()
    x, A, B = m.input("x", 3), m.weight("A", 2, 4), m.weight("B", 4, 3)
    y = m.equation("y", A @ (B @ x))
    q = m.equation("q", A @ sympy.tanh(B @ x) + 2 * y)
    r = m.equation("r", (y - q) @ A)
    m.loss("L", c.huber(y=q, t=y, delta=2) + m.sum(r**2))
    return m


PRODUCTS = """
input x[3]
weight A[2, 4], B[4, 3]
y = A @ (B @ x)
q = A @ tanh(B @ x) + 2 * y
r = (y - q) @ A
loss L = huber(y = q, t = y, delta = 2) + sum(r^2)
"""


def windows() -> Model:
    m = Model()
    x, goal, K = m.input("x", 8), m.target("goal", 4), m.weight("K", 8, 8)
    u = m.index("u")
    h = m.equation("h", sympy.tanh(c.transpose(K) @ x))
    d = m.equation("d", c.dropout(h, 0.5))
    p = m.equation("p", [i], m.max(d[2 * i + u - 2], (u, 2)))
    mask = m.mask("keep", Fraction(1, 4), 4)
    m.loss("L", sympy.Sum((p[i] - goal[i]) ** 2, (i, 1, 4)) + m.sum(mask * p))
    return m


WINDOWS = """
input x[8]
target goal[4]
weight K[8, 8]
h = tanh(transpose(K) @ x)
d = dropout(h, 0.5)
p[i] = max(u in 2: d[2*i+u-2])
mask keep[4] = 1/4
loss L = sum(i in 4: (p[i] - goal[i])^2) + sum(keep * p)
"""

PAIRS = {
    "windows": (windows, WINDOWS),
    "two_two_one": (two_two_one, None),
    "iris": (iris, None),
    "swish": (swish, SWISH),
    "convolution": (convolution, CONVOLUTION),
    "recurrence": (recurrence, RECURRENCE),
    "products": (products, PRODUCTS),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_model_is_the_network_of_its_specification(name: str, request: pytest.FixtureRequest) -> None:
    make, text = PAIRS[name]
    expected = derive.parse(text) if text else derive.load(request.config.rootpath / "examples" / f"{name}.spec")
    network = make().network()
    assert network == expected
    assert derive.parse(network.spec) == network
    assert network.spec == make().spec


def test_what_a_model_looks_like() -> None:
    assert repr(two_two_one()).split("\n")[:5] == [
        "<Model: 10 statements>",
        ' network "Two inputs, two hidden neurons, one output"',
        " notation numbered",
        " input i[2]",
        " target actual",
    ]
    assert repr(two_two_one().network()).startswith('<Network "Two inputs')


def test_any_statement_of_the_language() -> None:
    m = Model()
    m.statement("size n = 2")
    w = m.weight("w", 2)
    m.loss("f", m.sum(w[i] ** 2 * sympy.Symbol("n"), i))
    assert m.network() == derive.parse("size n = 2\nweight w[2]\nloss f = sum(i: n * w[i]^2)")


def test_elements_print_and_typeset() -> None:
    m = Model()
    W, v = m.weight("W", 3, 4), m.weight("v", 4)
    body = m.sum(W[i, j] * v[j], j)
    assert str(body) == "sum(j: v[j]*W[i, j])"
    assert sympy.latex(body) == "\\sum_{j} {v}_{j} {W}_{i,j}"
    assert body.free_symbols == {i}
    assert str(W @ v) == "W @ v"
    assert str((W @ v) @ (v + 1)) == "W @ v @ (v + 1)"
    assert sympy.latex(m.max(v)) == "\\max \\left(v\\right)"
    assert str(c.huber(v, W, delta=2)) == "huber(v, W, delta=2)"
    assert isinstance(v, sympy.Symbol)
    assert pickle.loads(pickle.dumps(v)) == v == Quantity("v")
    with pytest.raises(TypeError):
        iter(v)


def test_the_catalogue_in_python() -> None:
    from derive.language.catalogue import catalogue

    assert {*catalogue(), "linear", "dense", "dropout", "transpose", "cases"} <= set(dir(c))
    assert repr(derive.catalogue.sigmoid) == "<sigmoid(z) = 1 / (1 + exp(-z))>"
    assert "Logistic function" in str(c.sigmoid.__doc__)
    with pytest.raises(AttributeError, match="did you mean 'sigmoid'"):
        c.sigmoyd  # noqa: B018


# Plain functions -----------------------------------------------------------------------------------------------


def test_a_plain_function() -> None:
    network = derive.from_sympy((x + y) * z, values={x: -2, y: 5, z: -4}, name="f")
    assert network == derive.parse("weight x, y, z\nloss f = (x + y) * z\ninit x = -2, y = 5, z = -4")
    g = derive.gradients(network)
    assert [g[s].value for s in (x, y, z)] == [-4, -4, 3]
    assert [g[s].expr for s in (x, y, z)] == [z, z, x + y]
    assert g[x].name == "x"


def test_all_that_symbols_may_be() -> None:
    w, b, h, goal, scale = sympy.symbols("w b h goal scale")
    network = derive.from_sympy(
        scale * (h - goal) ** 2,
        inputs=[x],
        targets=[goal],
        constants={scale: Fraction(1, 2)},
        equations={h: sympy.tanh(w * x + b)},
        values={w: 0.5, b: 0, x: 2, goal: 1},
        title="One neuron",
        rate=("a", 0.1),
    )
    text = """
    network "One neuron"
    input x
    target goal
    weight b, w
    constant scale = 1/2
    h = tanh(w * x + b)
    loss L = scale * (h - goal)^2
    rate a = 0.1
    init w = 0.5, b = 0
    sample x = 2, goal = 1
    """
    assert network == derive.parse(text)
    several = derive.from_sympy((w * x - goal) ** 2, [w], inputs=[x], targets=[goal], samples=[{x: 1, goal: 2}] * 2)
    assert len(several.samples) == 2


def test_symbols_are_told_by_their_names() -> None:
    real = sympy.Symbol("x", positive=True)
    assert derive.from_sympy(real**2) == derive.from_sympy(x**2)


Point = dict[sympy.Symbol, sympy.Rational]


def loss(expression: sympy.Expr, at: Point) -> object:
    """The loss of a network made of an expression, worked in 50 digits."""
    network = derive.from_sympy(expression, list(at))
    values = forward(network, {s.name: array(v, network.tensors[s.name]) for s, v in at.items()})
    return values[network.loss][()]


def slope(expression: sympy.Expr, at: Point, by: sympy.Symbol) -> object:
    """The derivative of the same."""
    network = derive.from_sympy(expression, list(at))
    swept = sweep(network)
    values = forward(network, {s.name: array(v, network.tensors[s.name]) for s, v in at.items()})
    run(swept.equations, values, {**network.tensors, **swept.tensors})
    return values[adjoint_name(by.name)][()]


@st.composite
def expressions(draw: st.DrawFn) -> sympy.Expr:
    """Smooth functions of x, y and z, real wherever they have a value."""
    leaves = st.one_of(
        st.sampled_from([x, y, z]),
        st.integers(-9, 9).map(sympy.Integer),
        st.fractions(-3, 3, max_denominator=7).map(lambda f: sympy.Rational(f.numerator, f.denominator)),
        st.sampled_from([sympy.pi, sympy.E, sympy.Float(0.125), sympy.Float(2.5)]),
    )
    own = [sympy.exp, sympy.sin, sympy.cos, sympy.tanh, sympy.cosh, sympy.sinh, sympy.erf]
    unary = st.sampled_from([*own, sympy.tan, sympy.sech, sympy.coth, sympy.asinh, sympy.erfc])

    def deeper(inner: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
        return st.one_of(
            st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
            st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
            st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
            st.tuples(inner, inner).map(lambda p: p[0] / (p[1] ** 2 + 1)),
            st.tuples(inner, st.integers(-2, 3)).map(lambda p: (p[0] ** 2 + 1) ** p[1]),
            st.tuples(inner, st.sampled_from([S.Half, -S.Half, S(3) / 2])).map(lambda p: (p[0] ** 2 + 1) ** p[1]),
            inner.map(lambda e: sympy.log(e**2 + 2)),
            st.tuples(unary, inner).map(lambda p: p[0](p[1])),
        )

    return draw(st.recursive(leaves, deeper, max_leaves=8))


@settings(max_examples=60)
@given(expressions(), st.lists(st.fractions(-2, 2, max_denominator=9), min_size=3, max_size=3))
def test_sympy_and_the_network_agree(expression: sympy.Expr, point: list[Fraction]) -> None:
    """The loss is what SymPy finds for the expression itself."""
    assume(not expression.has(sympy.zoo, sympy.nan, sympy.oo) and expression.free_symbols)
    at = {s: sympy.Rational(f.numerator, f.denominator) for s, f in zip((x, y, z), point, strict=True)}
    at = {s: at[s] for s in sorted(expression.free_symbols, key=str)}
    exact = expression.xreplace({f: sympy.Rational(repr(float(f))) for f in expression.atoms(sympy.Float)})
    wanted = sympy.N(exact.subs(at), 50)
    assume(wanted.is_Float or wanted.is_Integer)
    assume(abs(wanted) < 1e30)
    try:
        found = loss(expression, at)
    except derive.SpecError as error:
        assume("too large" not in str(error))  # a power beyond the limits of the language
        raise
    except ZeroDivisionError:
        assume(False)
        return
    assert abs(found - number(wanted)) <= 1e-25 * max(1, abs(found))


KINKS = {
    "max": (sympy.Max(x, 0), "max(x, 0)", 0),
    "min of three": (sympy.Min(x, y, 3), "min(x, min(y, 3))", 1),
    "abs": (abs(x), "abs(x)", 0),
    "greater": (sympy.Piecewise((x, x > 0), (0, True)), "cases(x, x, 0)", 0),
    "at least": (sympy.Piecewise((x, x >= 0), (0, True)), "cases(-x, 0, x)", 1),
    "less": (sympy.Piecewise((0, x < 0), (x, True)), "cases(-x, 0, x)", 1),
    "at most": (sympy.Piecewise((0, x <= 0), (x, True)), "cases(x, x, 0)", 0),
    "step": (x * sympy.Heaviside(x), "x * cases(x, 1, cases(-x, 0, 1/2))", S.Half),
    "upper step": (x * sympy.Heaviside(x, 1), "x * cases(x, 1, cases(-x, 0, 1))", 1),
    "both": (
        sympy.Piecewise((x, (x > 0) & (y > 0)), (0, True)),
        "cases(x, cases(y, x, 0), 0)",
        0,
    ),
    "either": (
        sympy.Piecewise((x, (x > 0) | (y > 0)), (0, True)),
        "cases(x, x, cases(y, x, 0))",
        1,
    ),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks(name: str) -> None:
    """What SymPy calls a Piecewise is spelled as cases, and takes the values that SymPy gives it."""
    expression, spelled, steepness = KINKS[name]
    assert Speller({"x": "weight", "y": "weight"})(expression) == spelled
    for one in (-2, 0, 2):
        for other in (-1, 1):
            at = {s: v for s, v in {x: S(one), y: S(other)}.items() if s in expression.free_symbols}
            assert loss(expression, at) == number(S(expression.subs(at)))
            if one == 0 and (y not in at or other == 1):
                assert slope(expression, at, x) == number(S(steepness))


def test_long_sums_and_products() -> None:
    """SymPy's flat sums may be longer than the language is deep."""
    symbols = sympy.symbols("v1:400")
    network = derive.from_sympy(sympy.Add(*(s**2 for s in symbols)), name="f")
    found = forward(network, {s.name: {(): context.mpf(n)} for n, s in enumerate(symbols)})
    assert found["f"][()] == sum(n**2 for n in range(399))
    network = derive.from_sympy(sympy.Mul(*symbols[:99]), name="f")
    found = forward(network, {s.name: {(): context.mpf(2)} for s in symbols})
    assert found["f"][()] == 2**99


def test_indexed_symbols_of_sympy() -> None:
    W, v = sympy.IndexedBase("W"), sympy.IndexedBase("v")
    m = Model()
    m.weight("W", 2, 3)
    m.weight("v", 3)
    u = m.equation("u", [i], m.sum(W[i, j] * v[j], j))
    m.loss("f", m.sum(u**2) + v[2])
    assert m.network() == derive.parse("weight W[2, 3], v[3]\nu[i] = sum(j: W[i,j] * v[j])\nloss f = sum(u^2) + v[2]")


def test_arrays_of_sympy() -> None:
    v, u = sympy.IndexedBase("v", shape=(3,)), sympy.IndexedBase("u", shape=(3,))
    k = sympy.Symbol("k", integer=True)
    network = derive.from_sympy(sympy.Sum((v[k] - u[k]) ** 2, (k, 1, 3)), [v], inputs=[u], values={v: [1, 2, 3]})
    text = "input u[3]\nweight v[3]\nloss sum(k in 3: (v[k] - u[k])^2)\ninit v = [1, 2, 3]"
    assert network == derive.parse(text)


def test_formulas_of_one_s_own() -> None:
    def made(*definition: object) -> derive.Network:
        m = Model()
        w = m.weight("w")
        f = m.define("f", *definition)
        m.loss("L", f(w, w**2))
        return m.network()

    u, v = sympy.symbols("u v")
    expected = derive.parse("define f(u, v) = u * exp(-v)\nweight w\nloss L = f(w, w^2)")
    assert made([u, v], u * sympy.exp(-v)) == expected
    assert made(u, v, u * sympy.exp(-v)) == expected
    assert made(sympy.Lambda((u, v), u * sympy.exp(-v))) == expected


def test_numbers_of_all_kinds() -> None:
    values = {x: Fraction(1, 3), y: np.float32(0.5), z: sympy.Rational(2, 7)}
    initial = derive.from_sympy(x * y * z, values=values).initial
    assert initial == {"x": S(1) / 3, "y": S.Half, "z": S(2) / 7}
    m = Model()
    W, C = m.weight("W", 2, 2, init=sympy.Matrix([[1, 2], [3, 4]])), m.constant("C", ((1.5, 2), (3, -4e-7)))
    filled = m.constant("one", 1, 2)
    m.loss("f", m.sum(W * C) + m.sum(W @ filled))
    network = m.network()
    assert nested(array(network.initial["W"], network.tensors["W"]), network.tensors["W"]) == [[1, 2], [3, 4]]
    assert network.constants["C"][1][1] == sympy.Rational("-4e-7")
    assert network.tensors["one"].shape == (2,)


# Mistakes --------------------------------------------------------------------------------------------------------


def wrong_shapes() -> None:
    m = Model()
    x, W = m.input("x", 4), m.weight("W", 3, 8)
    m.equation("y", W @ x)
    m.loss("L", m.sum(sympy.Symbol("y")))
    m.network()


def test_a_mistake_shows_the_statement() -> None:
    assert refusal(wrong_shapes) == (
        "shapes do not agree\n"
        "  --> <model>:3:5\n"
        "   |\n"
        " 3 | y = W @ x\n"
        "   |     ^^^^^ W is [3, 8] and x is [4]\n"
        "   |\n"
        "help: the inner sizes must be equal; W would need the shape [3, 4]"
    )


class NoFormula(sympy.Function):
    """A user's function without a formula."""


LOSSES = {
    "x + y": "'x + y' is not an expression",
    (x, y): "'tuple' is not an expression",
    None: "'NoneType' is not an expression",
    x > 0: "is not an expression",
    sympy.I * x: "'I' is not a real number of the language",
    sympy.oo: "'oo' is not a real number of the language",
    x / 0: "'zoo' is not a real number of the language",
    sympy.EulerGamma * x: "'EulerGamma' is not a real number",
    sympy.gamma(x): "'gamma(x)' has no meaning in a network\nhelp: give gamma a formula by define",
    NoFormula(x): "'NoFormula(x)' has no meaning in a network\nhelp: give NoFormula a formula by define",
    sympy.Function("f")(x): "unknown function 'f'",
    sympy.Integral(x, x): "has no meaning in a network\nhelp: Integral is not carried out: write .doit() behind it",
    sympy.Derivative(x**2, x): "has no meaning in a network\nhelp: Derivative is not carried out",
    sympy.Sum(x * i, (i, 0, 3)): "does not run from 1 to a number",
    sympy.Sum(x * i, (i, 1, y)): "does not run from 1 to a number",
    sympy.Piecewise((x, x > 0)): "has no value where none of its conditions holds",
    sympy.Piecewise((x, sympy.Eq(x, 1)), (0, True)): "cannot be a condition",
    sympy.Dummy("x"): "is a Dummy",
    sympy.Symbol("x y"): "'x y' cannot be a name",
    sympy.Symbol("x\nloss y"): "cannot be a name",
    sympy.Symbol("α"): "α cannot be used here, only ASCII characters",
    sympy.Symbol("loss"): "'loss' is a reserved word",
    sympy.Symbol("class"): "'class' is a word of Python",
    sympy.Symbol("exp"): "'exp' is a function of the language",
    sympy.Integer(3): "there is nothing to learn",
    x ** sympy.Integer(10) ** 6: "this power is too large",
}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda e: repr(str(e)))
def test_what_cannot_be_a_loss(loss: object) -> None:
    weights = [] if loss in (sympy.I * x, sympy.oo, sympy.zoo) else None
    assert LOSSES[loss] in refusal(lambda: derive.from_sympy(loss, weights))


def model(*steps: Callable[[Model], object]) -> Callable[[], object]:
    def make() -> object:
        m = Model()
        m.weight("w", 3)
        for step in steps:
            step(m)
        return m.network()

    return make


def _with_loss(m: Model) -> Model:
    m.loss(m.sum(m.weight("w", 3)))
    return m


w = Quantity("w")
MISTAKES = {
    "no loss": (model(), "there is no loss"),
    "unused": (model(lambda m: m.input("u"), lambda m: m.loss(m.sum(w))), "'u' is not used"),
    "unknown": (model(lambda m: m.loss(m.sum(w * y))), "unknown name 'y'"),
    "twice": (model(lambda m: m.input("w"), lambda m: m.loss(m.sum(w))), "'w' is declared twice"),
    "not a scalar": (model(lambda m: m.loss(w)), "the loss must be a scalar"),
    "index": (model(lambda m: m.loss(m.sum(w[i], j))), "unknown index 'i'"),
    "zero": (model(lambda m: m.loss(w[0])), "index out of range"),
    "slice": (model(lambda m: m.loss(w[1:2])), "there are no slices"),
    "product of indices": (model(lambda m: m.loss(m.sum(w[i * j], i, j))), "an index must be affine"),
    "no index": (model(lambda m: m.sum(w, 2)), "'2' is not an index"),
    "no size": (model(lambda m: m.sum(w, (i, 1.5))), "'(i, 1.5)' is not an index"),
    "shape": (model(lambda m: m.weight("v", 2.5)), "is not a shape"),
    "empty": (model(lambda m: m.init(w=[])), "a list of numbers is empty"),
    "not a number": (model(lambda m: m.init(w=float("nan"))), "'nan' is not a rational or a decimal number"),
    "a text": (model(lambda m: m.rate("a", "0.1; weight v")), "is not an expression"),
    "too few": (model(lambda m: m.loss(m.sum(w)), lambda m: m.init({w: [1, 2]})), "wrong number of values for w"),
    "not a symbol": (model(lambda m: m.init({2: 3})), "'2' is not a symbol"),
    "equation": (model(lambda m: m.equation("y")), "the equation of y is incomplete"),
    "loss": (model(lambda m: m.loss()), "the loss is incomplete"),
    "definition": (model(lambda m: m.define("f", x + 1)), "the definition of f is incomplete"),
    "circle": (model(lambda m: m.define("f", x, sympy.Function("f")(x)), lambda m: m.loss(m.sum(w))), "is not used"),
    "optimizer": (model(lambda m: m.loss(m.sum(w)), lambda m: m.optimizer("sdg")), "unknown optimizer 'sdg'"),
    "title": (lambda: Model('"'), "a title holds printable characters"),
    "notation": (lambda: _with_loss(Model(notation="roman")).network(), "unknown notation 'roman'"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    make, message = MISTAKES[name]
    assert message in refusal(make)


def test_an_expression_that_is_too_deep() -> None:
    deep = x
    for _ in range(60):
        deep = sympy.sin(deep) + 1
    assert "deep" in refusal(lambda: derive.from_sympy(deep))
