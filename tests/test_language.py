"""What a specification means: the equations, shapes and numbers it is read as."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import sympy

from derive.diagnostics import Source, SpecError
from derive.evaluate import array, forward, nested
from derive.language.build import load
from derive.network import Network, Scan

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.spec"))
BAD = sorted(Path(__file__).with_name("bad").glob("*.spec"))

TWO_TWO_ONE = """
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
IRIS = """
network "Iris"
input  x[4]
h[16] = tanh(dense(x))                 # dense: weight matrix and bias
p[3]  = softmax(dense(h))
target t[3]
loss L = cross_entropy(t, p) + 0.001 * sum(W1^2)     # auto-made weights are W1, b1, W2, b2 … in order of appearance
"""
SWISH = """
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


def network(text: str) -> Network:
    return load(Source("net.spec", text))


def numbers(read: Network, name: str) -> Any:
    """The initial value of a weight as floats."""
    return nested(array(read.initial[name], read.tensors[name]), read.tensors[name])


def equations(text: str) -> list[str]:
    """The equations, written as in a specification."""
    return [str(eq) for eq in network(text).flat_equations]


def shapes(read: Network) -> dict[str, tuple[int, ...]]:
    return {t.name: t.shape for t in read.tensors.values() if not t.anonymous}


def value(text: str, name: str, **data: Any) -> Any:
    """A value of a network, computed by the interpreter from weights and data, as floats."""
    read = network(text)
    values = {key: array(_exact(numbers), read.tensors[key]) for key, numbers in data.items()}
    return nested(forward(read, values)[name], read.tensors[name])


def _exact(numbers: Any) -> Any:
    return [_exact(n) for n in numbers] if isinstance(numbers, list) else sympy.Rational(numbers)


# The design's examples ----------------------------------------------------------------------------------------


def test_two_two_one() -> None:
    read = network(TWO_TWO_ONE)
    assert read.title == "Two inputs, two hidden neurons, one output"
    assert equations(TWO_TWO_ONE) == [
        "h[j] = sum[k] i[k]*W1[j, k]",
        "prediction = sum[j] h[j]*W2[1, j]",
        "Error = (-actual + prediction)**2/2",
    ]
    assert shapes(read) == {
        "i": (2,),
        "actual": (),
        "W1": (2, 2),
        "h": (2,),
        "W2": (1, 2),
        "prediction": (),
        "Error": (),
    }
    assert numbers(read, "W1") == [[0.34, 0.13], [0.05, 0.07]]
    assert numbers(read, "W2") == [[0.2, 0.01]]
    assert (read.loss, read.outputs, read.notation) == ("Error", ("prediction",), "numbered")
    assert read.optimizer.settings == {read.optimizer.rate: sympy.Rational(1, 20)}
    assert read.samples == ({"i": [2, 3], "actual": 1},)


def test_iris() -> None:
    read = network(IRIS)
    assert {t.name: t.shape for t in read.weights} == {"W1": (16, 4), "b1": (16,), "W2": (3, 16), "b2": (3,)}
    assert [t.name for t in read.weights if t.bias] == ["b1", "b2"]
    assert (read.notation, read.outputs, read.samples) == ("indexed", ("p",), ())
    assert [fact.tensor for fact in read.facts] == ["t"]
    assert sympy.Rational(1, 1000) in read.decimals


def test_swish() -> None:
    read = network(SWISH)
    assert {name: shape for name, shape in shapes(read).items() if shape} == {
        "x": (8,),
        "W": (16, 8),
        "b": (16,),
        "v": (16,),
        "z": (16,),
        "h": (16,),
    }
    assert read.constants == {"c": sympy.Rational(7, 20)}
    assert "h[i] = swish(z[i])" in equations(SWISH)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_load(path: Path) -> None:
    read = network(path.read_text(encoding="utf-8"))
    assert read.title != "Untitled network"
    assert read.weights


# Expressions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1/2 + 0.25", 0.75),
        ("2^3^2", 512.0),
        ("-2^2", -4.0),
        ("6 / 3 / 2", 1.0),
        ("1 - 2 - 3", -4.0),
        ("2^-1", 0.5),
        ("(-8)^3", -512.0),
        ("exp(0) + log(1) + sqrt(4) + abs(-3)", 6.0),
        ("sin(0) + cos(0) + sinh(0) + cosh(0) + tanh(0) + erf(0)", 2.0),
        ("sign(-2) + sign(0) + sign(5)", 0.0),
        ("max(2, 3) - min(2, 3)", 1.0),
        ("cases(1, 2, 3) - cases(0, 2, 3) + cases(-1, 2, 3)", 2.0),
        ("sum(cases(v - 1, 10 * v, 0))", 20.0),
        ("cos(pi)", -1.0),
        ("sigmoid(0) + relu(-1) + relu(2) + identity(3)", 5.5),
        ("softplus(0) - log(2)", 0.0),
        ("sum(A)", 10.0),
        ("mean(A)", 2.5),
        ("max(A) + min(A)", 5.0),
        ("sum(i: A[i, i])", 5.0),
        ("sum(i, j: i * A[i, j])", 17.0),
        ("mean(i: A[1, i])", 1.5),
        ("mean(i, j: A[i, j])", 2.5),
        ("max(i: A[i, 1])", 3.0),
        ("min(i: A[2, i])", 3.0),
        ("max(i: min(j: A[i, j]))", 3.0),
        ("sum(A @ A)", 54.0),
        ("v @ v", 5.0),
        ("v @ A @ v", 27.0),
        ("sum(A @ v)", 16.0),
        ("sum(A[1])", 3.0),
        ("sum(A[1] * v)", 5.0),
        ("sum((v + 1) * v)", 8.0),
        ("sum(max(v, 3 - v))", 4.0),
        ("sum(i: v[i] * sum(j: A[i, j]))", 17.0),
        ("sum(i: v[n - i + 1] * v[i])", 4.0),
        ("sum(k: v[2*k])", 2.0),
        ("n * n", 4.0),
        ("squared_error(v, A[2])", 8.0),
        ("sum(softmax(v))", 1.0),
    ],
)
def test_values(text: str, result: float) -> None:
    spec = "size n = 2\nconstant A[n, n] = [[1, 2], [3, 4]]\nconstant v[n] = [1, 2]\nweight w\n"
    assert value(f"{spec}y = {text}\nloss w * (y + sum(A) + sum(v))", "y", w=0) == pytest.approx(result, abs=1e-15)


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("y = W @ x + b", (2,)),
        ("y[2] = W @ x + b", (2,)),
        ("y[n] = W @ x + b", (2,)),
        ("y[i] = sum(j: W[i, j] * x[j]) + b[i]", (2,)),
        ("y = x", (3,)),
        ("y = W", (2, 3)),
        ("y[i] = W[i]", (2, 3)),
        ("y[j, i] = W[i, j]", (3, 2)),
        ("y[5] = 1", (5,)),
        ("y = W @ x @ b", ()),
        ("y[i] = x[i+1]", (2,)),
        ("y[4] = tanh(dense(x))", (4,)),
        ("y = linear(x)", ()),
        ("y = x + dense(x)", (3,)),
    ],
)
def test_shapes_on_the_left(line: str, shape: tuple[int, ...]) -> None:
    spec = "size n = 2\ninput x[3]\nweight W[n, 3], b[n]\n"
    total = "sum(y)" if shape else "y"
    assert shapes(network(f"{spec}{line}\nloss {total} * sum(W) + sum(x) + sum(b)"))["y"] == shape


def test_a_convolution_gets_its_range_from_the_shapes() -> None:
    spec = "input x[5, 6]\nweight K[2, 3]\nc[i, j] = sum(u, v: K[u, v] * x[i+u-1, j+v-1])\nloss sum(c)"
    assert shapes(network(spec))["c"] == (4, 4)


def test_residual_layers_are_as_large_as_what_they_are_added_to() -> None:
    spec = "input x[3]\nh = x + dense(x)\nh2 = h + tanh(dense(h))\ny = linear(h2)\ntarget t\nloss (y - t)^2"
    assert shapes(network(spec))["W2"] == (3, 3)
    assert network(spec).outputs == ("y",)


def test_a_pre_activation_gets_a_name() -> None:
    assert equations("input x[2]\ny = tanh(linear(x))\ntarget t\nloss (y - t)^2")[:2] == [
        "z1 = sum[i] x[i]*W1[1, i]",
        "y = tanh(z1)",
    ]


# Functions ----------------------------------------------------------------------------------------------------


def test_the_user_s_function_comes_before_the_catalogue_s() -> None:
    spec = "define sigmoid(z) = z + 10\nweight w\ny = sigmoid(w)\nloss y"
    assert value(spec, "y", w=1) == 11.0


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("f(w)", 331.0),
        ("f(w, 5)", 351.0),
        ("f(w, b = 5)", 351.0),
        ("f(w, 5, 7)", 357.0),
        ("f(w, c = 7)", 337.0),
        ("f(w, c = 7, b = 5)", 357.0),
        ("f(c = 7, a = w)", 337.0),
        ("f(w, b = w + 1)", 341.0),
        ("total(w * v)", 9.0),
        ("total(w * v, scale = 2)", 18.0),
        ("total(scale = 2, x = w * v)", 18.0),
    ],
)
def test_arguments_by_place_by_name_and_by_default(call: str, result: float) -> None:
    defines = "define f(a, b = 3, c = 1) = 100 * a + 10 * b + c\ndefine total(x, scale = 1) = scale * sum(x)\n"
    spec = f"{defines}constant v[2] = [1, 2]\nweight w\ny = {call}\nloss y + f(w) + total(v)"
    assert value(spec, "y", w=3) == result


def test_a_default_may_be_negative_or_a_fraction() -> None:
    spec = "define f(a, b = -1/2, c = 1e-3) = a * b + c\nweight w\ny = f(w)\nloss y"
    assert value(spec, "y", w=2) == pytest.approx(-0.999)


def test_the_name_of_a_keyword_is_no_use_of_a_parameter_with_that_name() -> None:
    spec = "define f(z, alpha) = leaky_relu(z, alpha = 0.5)\nweight w\nloss f(w, 1)"
    with pytest.raises(SpecError, match="alpha is not used"):
        network(spec)


def test_the_catalogue_s_formulas_do_not_see_the_user_s() -> None:
    spec = "define sigmoid(z) = 2 * silu(z)\nweight w\ny = sigmoid(w)\nloss y"
    assert value(spec, "y", w=0.5) == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_pi_is_a_number_unless_something_has_that_name() -> None:
    assert value("weight w\ny = w * pi\nloss y", "y", w=1) == pytest.approx(math.pi)
    assert value("weight w\nconstant pi = 3\ny = w * pi\nloss y", "y", w=1) == 3.0


def test_functions_may_use_each_other_in_any_order() -> None:
    spec = "define f(z) = g(z) + 1\nweight w\ny = f(w)\nloss y\ndefine g(z) = z * relu(z)"
    assert value(spec, "y", w=3) == 10.0


def test_functions_of_several_tensors_and_with_sums() -> None:
    spec = "define dot(a, b) = sum(a * b)\nweight u[2]\nconstant c[2] = [3, 4]\ny = dot(u, c) / dot(c, c)\nloss y"
    assert value(spec, "y", u=[3, 4]) == 1.0


def test_a_fact_is_kept_only_where_it_speaks_of_a_target() -> None:
    layer = "input x[2]\np[2] = softmax(dense(x))\ntarget t[2]\n"
    assert [f.value for f in network(f"{layer}loss cross_entropy(t, p)").facts] == [1]
    assert network(f"{layer}loss cross_entropy(p, p) + sum(t)").facts == ()


# Names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", "E I N O Q S pi e i j beta gamma zeta lambda Lambda sigma test eta x1 x_1 real".split()
)
def test_ordinary_names(name: str) -> None:
    read = network(f"input {name}[2]\ny = linear({name})\ntarget t\nloss (y - t)^2\nsample {name} = [1, 2], t = 3")
    assert read.tensors[name].role == "input"
    read = network(f"weight {name}\nloss ({name} - 1)^2 + exp({name})\ninit {name} = 1")
    assert read.tensors[name].role == "weight"
    assert value(f"weight {name}\ny = ({name} - 1)^2\nloss y", "y", **{name: 3}) == 4.0


def test_all_statements_in_any_order() -> None:
    lines = [line for line in TWO_TWO_ONE.split("\n") if line]
    equations_first = sorted(lines, key=lambda line: not line.startswith(("h[2]", "prediction")))
    assert network("\n".join(equations_first)).flat_equations == network(TWO_TWO_ONE).flat_equations


@pytest.mark.parametrize("loss", ["w[n]", "sum(i: w[i]) / n", "sum(i: w[n + 1 - i])"])
def test_a_size_in_a_formula_is_used(loss: str) -> None:
    assert network(f"size n = 3\nweight w[3]\nloss {loss}").weights


def test_the_loss_has_a_name_of_its_own() -> None:
    assert network("weight w\nloss w^2").loss == "L"
    assert network("weight L\nloss L^2").loss == "Loss"
    assert network("weight w\nloss E = w^2").loss == "E"


def test_networks_without_inputs() -> None:
    read = network("weight x, y, z\nloss f = (x + y) * z\ninit x = -2, y = 5, z = -4")
    assert [str(eq) for eq in read.flat_equations] == ["f = (x + y)*z"]
    assert read.samples == ()
    assert {name: str(number) for name, number in read.initial.items()} == {"x": "-2", "y": "5", "z": "-4"}


# Numbers ------------------------------------------------------------------------------------------------------

LAYER = "input x[2]\nh[2] = dense(x)\ny = linear(h)\ntarget t\nloss (y - t)^2\n"


@pytest.mark.parametrize(
    ("init", "name", "result"),
    [
        ("init W1 = [[1, 2], [3, 4]]", "W1", [[1.0, 2.0], [3.0, 4.0]]),
        ("init W1 = [1, 2, 3, 4]", "W1", [[1.0, 2.0], [3.0, 4.0]]),
        ("init W1 = 1, 2, 3, 4", "W1", [[1.0, 2.0], [3.0, 4.0]]),
        ("init W1 = 0.5", "W1", [[0.5, 0.5], [0.5, 0.5]]),
        ("init W1 = 1, 2, 3, 4, b1 = -1/2", "b1", [-0.5, -0.5]),
        ("init b1 = [1e-3, -2]", "b1", [0.001, -2.0]),
        ("notation numbered\ninit w = 1, 2, 3, 4, 5, 6", "W2", [[5.0, 6.0]]),
        ("notation numbered\ninit w = [1, 2, 3, 4, 5, 6], b = 7", "b1", [7.0, 7.0]),
        ("notation numbered\ninit w = 9", "W2", [[9.0, 9.0]]),
        ("notation numbered\ninit b = 1, 2", "b1", [1.0, 2.0]),
    ],
)
def test_initial_weights(init: str, name: str, result: object) -> None:
    assert numbers(network(LAYER + init), name) == result


def test_numbers_are_exact() -> None:
    read = network("weight w\nloss w * 0.1 + 1/3\ninit w = 0.1\nrate eta = 1e-3")
    assert read.initial["w"] == sympy.Rational(1, 10)
    assert read.optimizer.settings[read.optimizer.rate] == sympy.Rational(1, 1000)
    assert str(read.flat_equations[0]) == "L = w/10 + 1/3"
    assert read.decimals == {sympy.Rational(1, 10)}  # those of formulas, which notes print as they stand


def test_samples_in_any_form() -> None:
    read = network(f"{LAYER}sample t = 1, x = [1, -2]\nsample x = [1/2, 1e1], t = [3]\nbatch sum")
    assert read.samples == ({"x": [1, -2], "t": 1}, {"x": [sympy.Rational(1, 2), 10], "t": 3})
    assert read.batch == "sum"


def test_optimizers() -> None:
    plain = network(LAYER).optimizer
    assert (plain.name, str(plain.rate), plain.settings[plain.rate]) == ("sgd", "a", sympy.Rational(1, 10))
    chosen = network(f"{LAYER}rate eta = 0.2\noptimizer momentum(mu = 1/2)").optimizer
    assert {str(s): v for s, v in chosen.settings.items()} == {"eta": sympy.Rational(1, 5), "mu": sympy.Rational(1, 2)}
    assert str(network(f"{LAYER}optimizer sgd(a = 2)").optimizer.settings) == "{a: 2}"


def test_the_rate_takes_a_letter_that_is_free() -> None:
    assert str(network("weight a\nloss a^2").optimizer.rate) == "eta"
    assert str(network("weight a, eta\nloss a^2 + eta").optimizer.rate) == "alpha"


# Recurrences --------------------------------------------------------------------------------------------------


def test_a_recurrence_starts_at_zero() -> None:
    spec = "size T = 3\ninput x[T]\nweight w\nh[t] = w * h[t-1] + x[t]\ny = h[T]\nloss y"
    (scan, *_) = network(spec).equations
    assert isinstance(scan, Scan)
    assert (str(scan.index), scan.first, scan.last) == ("t", 1, 3)
    assert value(spec, "y", w=10, x=[1, 2, 3]) == 123.0


@pytest.mark.parametrize("start", ["h[0] = 5", "h[0] = s", "h[0] = s^2 / 5"])
def test_a_recurrence_starts_where_it_is_told(start: str) -> None:
    spec = f"size T = 3\ninput x[T]\nweight w, s\n{start}\nh[t] = w * h[t-1] + x[t]\ny = h[T] + 0*x[1]\nloss y + s"
    assert value(spec, "y", w=10, s=5, x=[1, 2, 3]) == 5123.0


def test_the_state_before_the_first_step_is_no_part_of_sums() -> None:
    spec = "size T = 3\ninput x[T]\nweight w\nh[0] = 1000\nh[t] = w * h[t-1] + x[t]\ny = {}\nloss y"
    data = {"w": 0, "x": [1, 2, 3]}
    assert value(spec.format("sum(h)"), "y", **data) == 6.0
    assert value(spec.format("sum(t: h[t])"), "y", **data) == 6.0
    assert value(spec.format("sum(t: x[t] * h[t-1])"), "y", **data) == 1008.0
    assert value(spec.format("sum(h * x)"), "y", **data) == 14.0
    assert value(spec.format("h[0]"), "y", **data) == 1000.0


@pytest.mark.parametrize(
    ("read", "states"),
    [("h[T+1-t]", [3, 2, 1]), ("h[T-t]", [2, 1]), ("h[t+1]", [2, 3]), ("h[2*t]", [2]), ("h[T-2*t]", [1])],
)
def test_the_state_before_the_first_step_makes_no_range_longer(read: str, states: list[int]) -> None:
    spec = f"size T = 3\ninput x[T]\nweight w\nh[0] = 7\nh[t] = w * h[t-1] + x[t]\ny[t] = {read}\nloss sum(y * T)"
    assert value(spec, "y", w=0, x=[1, 2, 3]) == states


def test_the_state_before_the_first_step_is_read_where_the_range_is_told() -> None:
    spec = "size T = 3\ninput x[T]\nweight w\nh[0] = 7\nh[t] = w * h[t-1] + x[t]\ny = {}\nloss y"
    for text in ("sum(t: x[t] * h[T-t])", "sum(t in T: t * h[T-t])"):
        assert value(spec.format(text), "y", w=0, x=[1, 2, 3]) == 1 * 2 + 2 * 1 + 3 * 7


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("d[i] = v[i] * (w[i+1] - w[i])", [1, 4]),
        ("d[i] = u[i] * (w[i+1] - w[i])", [5, 12]),
        ("d[i] = w[i] * (w[4-i] - v[1])", [3 * 1, 1 * 2, 0]),
        ("d[i] = w[i] * w[i+2] + u[i]", [4 + 5]),
    ],
)
def test_accesses_that_reach_ahead_shorten_a_range(line: str, result: list[float]) -> None:
    """A tensor of the length that is left, v, and one of the whole length, u, go with the differences of w."""
    spec = f"weight w[3], v[2], u[3]\n{line}\nloss sum(d) + sum(v) + sum(u)"
    assert value(spec, "d", w=[1, 2, 4], v=[1, 2], u=[5, 6, 7]) == result


def test_what_is_computed_from_a_recurrence_has_its_length() -> None:
    spec = (
        "size T = 3\ninput x[T]\nweight w\nh[t] = w * h[t-1] + x[t]\ny[t] = 2 * h[t]\nu = tanh(h)\nloss sum(y) + sum(u)"
    )
    assert {name: shapes(network(spec))[name] for name in "yu"} == {"y": (3,), "u": (3,)}


@pytest.mark.parametrize("start", ["", "h[0] = s\n", "h[0, k] = s[k]\n", "h[0] = 7\n"])
def test_recurrences_of_vectors(start: str) -> None:
    spec = (
        "size T = 2\ninput x[T, 2]\nweight U[2, 2], s[2]\n"
        f"{start}h[t, i] = sum(j: U[i, j] * h[t-1, j]) + x[t, i]\ny = sum(h[T])\nloss y + sum(s)"
    )
    scans = [step for step in network(spec).equations if isinstance(step, Scan)]
    assert [len(scan.equations) for scan in scans] == [2]
    assert value(spec, "y", U=[[0, 1], [1, 0]], s=[7, 7], x=[[1, 2], [3, 4]]) == 10.0 + (14.0 if start else 0.0)


def test_recurrences_that_need_each_other() -> None:
    """An LSTM's shape: a gate reads h[t-1], whose equation comes last."""
    spec = """
    size T = 4
    input x[T]
    weight a, b, c
    f[t] = sigmoid(a * x[t] + b * h[t-1])
    s[t] = f[t] * s[t-1] + (1 - f[t]) * tanh(c * x[t])
    h[t] = tanh(s[t])
    target y
    loss (h[T] - y)^2
    """
    (scan, _) = network(spec).equations
    assert isinstance(scan, Scan)
    assert [eq.lhs.tensor for eq in scan.equations] == ["f", "s", "h"]


def test_a_recurrence_may_look_further_back() -> None:
    spec = "size T = 6\nconstant one[T] = 1\nweight w\nF[t] = F[t-1] + F[t-2] + one[t]\ny = F[T]\nloss w + y"
    assert value(spec, "y", w=0) == 20.0
