"""The catalogue against automatic differentiation of formulas that were typed from the functions' own documentation.

The right sides below follow PyTorch's documentation (torch.nn, version 2) and, where it has no such function, the paper
that the catalogue names; none was taken from the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import autograd.numpy as np
import numpy
import pytest
from autograd import grad
from autograd.scipy.special import erf
from oracles import ROOT, Data, automatic, derived, imported, network_of

from codegen.reference import catalogue as page_of_the_catalogue
from codegen.trainer.module import render
from derive.gradient import sweep
from derive.language.catalogue import catalogue

Function = Callable[..., Any]


def sigmoid(z: Any) -> Any:
    return np.where(z > 0, 1 / (1 + np.exp(-abs(z))), np.exp(-abs(z)) / (1 + np.exp(-abs(z))))


def softmax(z: Any) -> Any:
    return np.exp(z - np.max(z)) / np.sum(np.exp(z - np.max(z)))


def softplus(z: Any) -> Any:
    return np.logaddexp(0.0, z)


def elu(z: Any, alpha: float = 1.0) -> Any:
    return np.where(z > 0, z, alpha * (np.exp(z) - 1))


def gelu_tanh(z: Any) -> Any:
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / numpy.pi) * (z + 0.044715 * z**3)))


def layer_norm(x: Any, eps: float) -> Any:
    return (x - np.mean(x)) / np.sqrt(np.var(x) + eps)


def smooth_l1(r: Any, delta: float) -> Any:
    return np.where(np.abs(r) < delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))


#: What stands in a specification, and the same by hand; z is a vector.
ACTIVATIONS: dict[str, Function] = {
    "identity(z)": lambda z: z,
    "sigmoid(z)": sigmoid,
    "relu(z)": lambda z: np.where(z > 0, z, 0.0),
    "leaky_relu(z)": lambda z: np.where(z >= 0, z, 0.01 * z),
    "leaky_relu(z, 0.2)": lambda z: np.where(z >= 0, z, 0.2 * z),
    "prelu(z, 0.2)": lambda z: np.where(z > 0, z, 0.2 * z),  # its slope learned: below
    "elu(z)": elu,
    "elu(z, alpha = 0.5)": lambda z: elu(z, 0.5),
    "selu(z)": lambda z: 1.0507009873554804934193349852946 * elu(z, 1.6732632423543772848170429916717),
    "celu(z)": elu,
    "celu(z, 2)": lambda z: np.where(z > 0, z, 2 * (np.exp(z / 2) - 1)),
    "softplus(z)": softplus,
    "softsign(z)": lambda z: z / (1 + np.abs(z)),
    "gelu(z)": lambda z: z * 0.5 * (1 + erf(z / numpy.sqrt(2))),
    "gelu_tanh(z)": gelu_tanh,
    "silu(z)": lambda z: z * sigmoid(z),
    "swish(z)": lambda z: z * sigmoid(z),
    "swish(z, 1.702)": lambda z: z * sigmoid(1.702 * z),
    "mish(z)": lambda z: z * np.tanh(softplus(z)),
    "hard_sigmoid(z)": lambda z: np.where(z <= -3, 0.0, np.where(z >= 3, 1.0, z / 6 + 0.5)),
    "hard_tanh(z)": lambda z: np.where(z > 1, 1.0, np.where(z < -1, -1.0, z)),
    "hard_swish(z)": lambda z: np.where(z <= -3, 0.0, np.where(z >= 3, z, z * (z + 3) / 6)),
    "relu6(z)": lambda z: np.where(z > 6, 6.0, np.where(z > 0, z, 0.0)),
    "gaussian(z)": lambda z: np.exp(-(z**2)),
    "softmax(z)": softmax,
    "log_softmax(z)": lambda z: z - np.max(z) - np.log(np.sum(np.exp(z - np.max(z)))),
    "layer_norm(z)": lambda z: layer_norm(z, 1e-5),
    "layer_norm(z, eps = 0.1)": lambda z: layer_norm(z, 0.1),
    "rms_norm(z)": lambda z: z / np.sqrt(np.mean(z**2) + 1e-5),
}

#: Losses of y, any number, against t: a number, -1 or 1 (s), one class (o), probabilities of classes (c), a count (n),
#: 0 or 1 (b).
LOSSES: dict[str, Function] = {
    "squared_error(y, t)": lambda y, t: np.sum((y - t) ** 2),
    "half_squared_error(y, t)": lambda y, t: np.sum((y - t) ** 2) / 2,
    "mse(y, t)": lambda y, t: np.mean((y - t) ** 2),
    "mae(y, t)": lambda y, t: np.mean(np.abs(y - t)),
    "huber(y, t)": lambda y, t: np.sum(smooth_l1(y - t, 1.0)),
    "huber(y, t, delta = 0.5)": lambda y, t: np.sum(smooth_l1(y - t, 0.5)),
    "log_cosh(y, t)": lambda y, t: np.sum(np.logaddexp(y - t, t - y) - numpy.log(2)),
    "quantile(y, t)": lambda y, t: np.sum(np.abs(t - y)) / 2,
    "quantile(y, t, 0.9)": lambda y, t: np.sum(np.where(t >= y, 0.9 * (t - y), 0.1 * (y - t))),
    "poisson_log_rate(y, n)": lambda y, n: np.sum(np.exp(y) - n * y),
    "poisson(exp(y), n)": lambda y, n: np.sum(np.exp(y) - n * y),
    "gaussian_nll(y, exp(y), t)": lambda y, t: np.sum(0.5 * (y + (t - y) ** 2 * np.exp(-y))),
    "hinge(y, s)": lambda y, s: np.sum(np.where(s * y < 1, 1 - s * y, 0.0)),
    "squared_hinge(y, s)": lambda y, s: np.sum(np.where(s * y < 1, (1 - s * y) ** 2, 0.0)),
    "multiclass_hinge(y, o)": lambda y, o: np.sum(np.maximum(0, 1 + y - np.sum(o * y))) - 1,
    "cosine(y, t)": lambda y, t: 1 - np.dot(y, t) / np.sqrt(np.dot(y, y) * np.dot(t, t)),
    "cross_entropy(c, softmax(y))": lambda y, c: np.log(np.sum(np.exp(y))) - np.sum(c * y),
    "binary_cross_entropy(b, sigmoid(y))": lambda y, b: np.sum(softplus(y) - b * y),
    "kl(c, softmax(y))": lambda y, c: np.sum(c * (np.log(c) - np.log(softmax(y)))),
    "focal(c, softmax(y))": lambda y, c: -np.sum(c * (1 - softmax(y)) ** 2 * np.log(softmax(y))),
    "focal(c, softmax(y), 1.5)": lambda y, c: -np.sum(c * (1 - softmax(y)) ** 1.5 * np.log(softmax(y))),
    "binary_focal(b, sigmoid(y))": lambda y, b: np.sum(
        b * sigmoid(-y) ** 2 * softplus(-y) + (1 - b) * sigmoid(y) ** 2 * softplus(y)
    ),
    "l1(y)": lambda y: np.sum(np.abs(y)),
    "l2(y)": lambda y: np.sum(y**2),
    "elastic_net(y)": lambda y: 0.5 * np.sum(np.abs(y)) + 0.25 * np.sum(y**2),
    "elastic_net(y, ratio = 0.8)": lambda y: 0.8 * np.sum(np.abs(y)) + 0.1 * np.sum(y**2),
}

VECTORS = ("softmax", "log_softmax", "layer_norm", "rms_norm", "multiclass_hinge", "cosine")  # of no use for one number


def target_of(call: str) -> str:
    found = re.search(r"\b[tsconb]\b", call)
    return found[0] if found else ""


def arguments(call: str, y: Any, d: Data) -> tuple[Any, ...]:
    return (y, d[target_of(call)]) if target_of(call) else (y,)


def data(shape: tuple[int, ...], seed: int = 3) -> Data:
    """Data and weights over both sides of every kink of the catalogue, and none of them on one."""
    chance = numpy.random.default_rng(seed)
    share = chance.uniform(0.1, 1.0, shape)
    return {
        "x": chance.uniform(0.5, 1.5, shape),
        "w": chance.uniform(-5.0, 5.0, shape),
        "t": chance.uniform(-4.0, 4.0, shape),
        "s": numpy.sign(chance.uniform(-1.0, 1.0, shape)),
        "c": share / numpy.sum(share),
        "o": numpy.eye(share.size)[2 % share.size].reshape(shape),
        "n": chance.integers(0, 5, shape).astype(float),
        "b": chance.integers(0, 2, shape).astype(float),
    }


def agree(spec: str, loss: Function, d: Data) -> None:
    network = network_of(spec)
    own = {name: d[name] for name, tensor in network.tensors.items() if name in d}
    value, gradients = derived(spec, own)
    expected, slopes = automatic(network, loss, own)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    for name, slope in slopes.items():
        scale = numpy.max(numpy.abs(slope))
        numpy.testing.assert_allclose(gradients[name], slope, rtol=1e-9, atol=1e-9 * scale)


def test_every_entry_is_here() -> None:
    named = {call.partition("(")[0] for call in (*ACTIVATIONS, *LOSSES)}
    assert named | {"batch_norm"} == set(catalogue()), "whose oracle is in test_batch_norm.py"


@pytest.mark.parametrize("call", ACTIVATIONS)
@pytest.mark.parametrize("shape", ["[7]", ""], ids=["vector", "scalar"])
def test_activations(call: str, shape: str) -> None:
    if not shape and call.startswith(VECTORS):
        pytest.skip("a function of a whole vector")
    sum_ = "sum" if shape else ""
    spec = f"input x{shape}\nweight w{shape}\nz{shape} = w * x\nh = {call}\ntarget t{shape}\nloss L = {sum_}((h - t)^2)"
    size = (7,) if shape else ()
    for seed in (3, 4):
        agree(spec, lambda d: np.sum((ACTIVATIONS[call](d["w"] * d["x"]) - d["t"]) ** 2), data(size, seed))


@pytest.mark.parametrize("call", LOSSES)
@pytest.mark.parametrize("shape", ["[7]", ""], ids=["vector", "scalar"])
def test_losses(call: str, shape: str) -> None:
    if not shape and (call.startswith(VECTORS) or "softmax" in call):
        pytest.skip("a loss of a whole vector")
    target = f"target {target_of(call)}{shape}\n" if target_of(call) else ""
    spec = f"input x{shape}\nweight w{shape}\n{target}y{shape} = w * x\nloss L = {call}"
    size = (7,) if shape else ()
    for seed in (3, 4):
        agree(spec, lambda d: LOSSES[call](*arguments(call, d["w"] * d["x"], d)), data(size, seed))


@pytest.mark.parametrize("loss", ["squared_error(t, y)", "huber(t, y)", "cosine(t, y)", "kl(t = y, p = t)"])
def test_a_target_may_stand_first_where_it_changes_nothing_or_is_named(loss: str) -> None:
    assert network_of(f"input x[2]\ny[2] = softmax(dense(x))\ntarget t[2]\nloss {loss}").loss == "L"


# What makes weights -------------------------------------------------------------------------------------------

LEARNED = """
define steep(z, weight beta = 1.5) = z * sigmoid(beta * z)
define both(z) = prelu(z) + steep(z)
input x[3]
h[4] = prelu(dense(x))
g[2] = maxout(h, 3)
y = linear(both(g)) + maxout(x, 2)
target t
loss L = (y - t)^2
"""


def learned(d: Data) -> Any:
    z = np.dot(d["W1"], d["x"]) + d["b1"]
    h = np.where(z > 0, z, d["alpha1"] * z)
    g = np.max(np.einsum("ikj,j->ik", d["W2"], h) + d["b2"], axis=1)
    u = np.where(g > 0, g, d["alpha2"] * g) + g * sigmoid(d["beta1"] * g)
    return (np.dot(d["W3"], u)[0] + np.max(np.dot(d["W4"][0], d["x"]) + d["b4"][0]) - d["t"]) ** 2


def numbers_for(spec: str, seed: int) -> Data:
    chance = numpy.random.default_rng(seed)
    tensors = network_of(spec).tensors.values()
    return {t.name: chance.uniform(-1.5, 1.5, t.shape) for t in tensors if t.role in ("input", "target", "weight")}


@pytest.mark.parametrize("seed", range(4))
def test_learned_slopes_and_maxout(seed: int) -> None:
    agree(LEARNED, learned, numbers_for(LEARNED, seed))


def test_what_learned_weights_are() -> None:
    network = network_of(LEARNED)
    assert {t.name: t.shape for t in network.weights} == {
        "W1": (4, 3), "b1": (4,), "alpha1": (), "W2": (2, 3, 4), "b2": (2, 3), "W3": (1, 2), "alpha2": (), "beta1": (),
        "W4": (1, 2, 3), "b4": (1, 2),
    }  # fmt: skip
    assert {t.name for t in network.weights if t.bias} == {"b1", "b2", "b4"}
    assert {name: float(value) for name, value in network.initial.items()} == {
        "alpha1": 0.25, "alpha2": 0.25, "beta1": 1.5
    }  # fmt: skip


def test_a_slope_that_is_given_is_shared_and_init_comes_before_the_start() -> None:
    spec = "weight a, v\ny = prelu(v, a) + prelu(2 * v, alpha = a)\nloss L = (y - 1)^2"
    assert [t.name for t in network_of(spec).weights] == ["a", "v"]
    spec = "weight v\ny = prelu(v)\nloss L = (y - 1)^2\ninit alpha1 = 0.5, v = -1"
    assert float(network_of(spec).initial["alpha1"]) == 0.5


# The trainer --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def module_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], ModuleType]:
    """Write a trainer and import it; one module holds many functions, for compiling takes its time."""
    folder = tmp_path_factory.mktemp("catalogue")

    def build(name: str, spec: str) -> ModuleType:
        network = network_of(spec)
        path = folder / f"{name}_trainer.py"
        path.write_text(render(network, sweep(network), spec_name=f"{name}.spec", module_name=path.stem))
        return imported(path)

    return build


def on(call: str, letter: str, number: int) -> str:
    """The call with z3 in the place of z."""
    return re.sub(rf"\b{letter}\b", f"{letter}{number}", call)


def compare(module: ModuleType, loss: Function, weights: Data, inputs: Data, targets: Data) -> None:
    """The module's float64 loss and gradient, the mean over samples, with those by hand."""
    count = len(inputs["x"])

    def total(w: Data) -> Any:
        samples = ({k: v[n] for k, v in {**inputs, **targets}.items()} for n in range(count))
        return sum(loss({**w, **sample}) for sample in samples) / count

    single = [next(iter(d.values())) if len(d) == 1 else d for d in (inputs, targets)]
    found, expected = module.gradient(weights, *single), grad(total)(weights)
    assert module.loss(weights, *single) == pytest.approx(float(total(weights)), rel=1e-9)
    for name, slope in expected.items():
        scale = numpy.max(numpy.abs(slope))
        numpy.testing.assert_allclose(found[name], slope, rtol=1e-9, atol=1e-9 * scale, err_msg=name)


def test_the_trainer_computes_all_activations(module_of: Callable[[str, str], ModuleType]) -> None:
    calls = list(ACTIVATIONS)
    weights = ", ".join(f"w{n}[7]" for n in range(len(calls)))
    values = "\n".join(f"z{n} = w{n} * x\nh{n} = {on(call, 'z', n)}" for n, call in enumerate(calls))
    total = " + ".join(f"h{n}" for n in range(len(calls)))
    spec = f"input x[7]\ntarget t[7]\nweight {weights}\n{values}\ny = {total}\nloss L = sum((y - t)^2)"

    def loss(d: Data) -> Any:
        parts = [ACTIVATIONS[call](d[f"w{n}"] * d["x"]) for n, call in enumerate(calls)]
        return np.sum((sum(parts) - d["t"]) ** 2)

    samples = [data((7,), seed) for seed in range(5)]
    own = {f"w{n}": data((7,), 100 + n)["w"] for n in range(len(calls))}
    batch = {name: numpy.array([s[name] for s in samples]) for name in ("x", "t")}
    compare(module_of("activations", spec), loss, own, {"x": batch["x"]}, {"t": batch["t"]})


def test_the_trainer_computes_all_losses(module_of: Callable[[str, str], ModuleType]) -> None:
    calls = list(LOSSES)
    weights = ", ".join(f"w{n}[7]" for n in range(len(calls)))
    values = "\n".join(f"y{n} = w{n} * x" for n in range(len(calls)))
    total = " + ".join(on(call, "y", n) for n, call in enumerate(calls))
    spec = f"input x[7]\ntarget t[7], s[7], c[7], o[7], n[7], b[7]\nweight {weights}\n{values}\nloss L = {total}"

    def loss(d: Data) -> Any:
        return sum(LOSSES[call](*arguments(call, d[f"w{n}"] * d["x"], d)) for n, call in enumerate(calls))

    samples = [data((7,), seed) for seed in range(5)]
    own = {f"w{n}": data((7,), 100 + n)["w"] for n in range(len(calls))}
    batch = {name: numpy.array([s[name] for s in samples]) for name in samples[0]}
    compare(module_of("losses", spec), loss, own, {"x": batch["x"]}, {name: batch[name] for name in "tsconb"})


def test_the_trainer_learns_slopes(module_of: Callable[[str, str], ModuleType]) -> None:
    module = module_of("learned", LEARNED)
    assert module.INITIAL == {"alpha1": 0.25, "alpha2": 0.25, "beta1": 1.5}
    samples = [numbers_for(LEARNED, seed) for seed in range(5)]
    weights = {name: samples[0][name] for name in module.WEIGHTS}
    batch = {name: numpy.array([s[name] for s in samples]) for name in ("x", "t")}
    compare(module, learned, weights, {"x": batch["x"]}, {"t": batch["t"]})


# The page -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated() -> dict[Path, str]:
    return page_of_the_catalogue.files()


def test_the_page_and_its_pictures_are_up_to_date(generated: dict[Path, str]) -> None:
    for path, text in generated.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, "run python -m codegen.reference.catalogue"
    pictures = {path.relative_to(ROOT) for path in (ROOT / "docs/images/catalogue").iterdir()}
    assert pictures == {path for path in generated if path.suffix == ".svg"}


def test_every_entry_has_a_row_and_every_function_of_one_number_a_plot(generated: dict[Path, str]) -> None:
    page = generated[Path("docs/catalogue.md")]
    assert all(page.count(f"| `{name}(") == 1 for name in (*catalogue(), "tanh", "sin", "maxout"))
    for entry in catalogue().values():
        assert entry.summary
        assert entry.group
    for line in page.splitlines():
        if line.startswith("|"):
            assert len(re.split(r"(?<!\\)\|", line)) in (6, 7), line
            assert line.count("$") % 2 == 0


def test_plots_are_drawings_of_the_function_and_its_slope(generated: dict[Path, str]) -> None:
    for path, text in generated.items():
        if path.suffix == ".svg":
            curves = [e for e in ElementTree.fromstring(text) if e.tag.endswith("polyline")]
            assert {c.get("class") for c in curves} == {"f", "d"}
            points = [tuple(map(float, p.split(","))) for c in curves for p in c.get("points", "").split()]
            assert len(points) > 150
            assert all(0 <= x <= 240 and 0 <= y <= 160 for x, y in points)
