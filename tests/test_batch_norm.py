"""Reductions over the samples of a batch: in the language, in the derivation, in the notes, in trainers."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import sympy
from autograd import grad
from autograd.scipy.special import logsumexp
from oracles import ROOT, Data, automatic, derived, draw, evaluated, exact, network_of, sweep_of
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from codegen import report
from codegen.notes import compose as notes
from derive.derivation import derive
from derive.evaluate import nested
from derive.expressions import Access, index, rename

SPEC = """
    input x[2]
    weight W[3, 2], gamma[3], beta[3], c[3]
    z[i] = sum(j: W[i,j] * x[j])
    mu[i] = mean(batch: z[i])
    s2[i] = mean(batch: (z[i] - mu[i])^2)
    zn[i] = (z[i] - mu[i]) / sqrt(s2[i] + 1e-3)
    y[i] = gamma[i] * zn[i] + beta[i]
    o = sum(i: c[i] * tanh(y[i]))
    target t
    loss L = 1/2 * (o - t)^2
"""
SPECS = {
    "by hand": SPEC,
    "summed loss": SPEC + "batch sum\n",
    "catalogue": """
        input x[5]
        weight gamma[4], beta[4]
        mask m[4] = 0.5
        h[4] = m * relu(gamma * batch_norm(linear(x), eps = 0.01) + beta)
        g = tanh(batch_norm(h))
        p[3] = softmax(dense(g))
        target t[3]
        loss L = cross_entropy(t, p) + 0.01 * sum(W1^2)
    """,
    "images": """
        input x[3, 6]
        weight K[2, 3, 2], c[2, 5]
        z[k,i] = sum(l, j: K[k,l,j] * x[l,i+j-1])
        y[k,i] = (z[k,i] - mean(batch, j: z[k,j])) / sqrt(mean(batch, j: z[k,j]^2) + 0.1)
        o = sum(k, i: c[k,i] * y[k,i]^3)
        target t
        loss L = (o - t)^2
    """,
    "extrema": """
        input x[3]
        weight W[4, 3]
        z[i] = sum(j: W[i,j] * x[j])
        top[i] = max(batch: z[i])
        e[i] = exp(z[i]) / sum(batch: exp(z[i]))
        o = sum(i: e[i] * (z[i] - top[i]) + min(batch: z[i])^2)
        target t
        loss L = (o - t)^2
    """,
    "loss alone": """
        input x[3]
        y[2] = tanh(dense(x))
        target t[2]
        spread[i] = mean(batch: y[i]^2) - mean(batch: y[i])^2
        loss L = squared_error(y, t) + sum(spread) - log(mean(batch: exp(sum(y))))
    """,
    "reduced loss": """
        input x[3]
        y = linear(x)
        target t
        loss L = mean(batch: (y - t)^2) + log(sum(batch: exp(y)))
    """,
    "recurrence": """
        input x[4, 2]
        weight U[3, 3], V[3, 2], c[3]
        a[t,i] = sum(j: U[i,j] * h[t-1,j]) + sum(j: V[i,j] * x[t,j])
        m[t,i] = mean(batch: a[t,i])
        q[t,i] = mean(batch: (a[t,i] - m[t,i])^2)
        h[t,i] = tanh((a[t,i] - m[t,i]) / sqrt(q[t,i] + 0.1))
        o = sum(i: c[i] * h[4,i])
        target r
        loss L = (o - r)^2
    """,
}

DIGITS = (ROOT / "examples" / "digits_normalised.spec").read_text("utf-8")


def normalised(z: Any, eps: float, axis: Any = 0) -> Any:
    mean = anp.mean(z, axis=axis, keepdims=True)
    return (z - mean) / anp.sqrt(anp.mean((z - mean) ** 2, axis=axis, keepdims=True) + eps)


def by_hand(d: Data) -> Any:
    o = anp.tanh(d["gamma"] * normalised(d["x"] @ d["W"].T, 1e-3) + d["beta"]) @ d["c"]
    return anp.mean((o - d["t"]) ** 2) / 2


def catalogue(d: Data) -> Any:
    h = d["m"] * anp.maximum(d["gamma"] * normalised(d["x"] @ d["W1"].T, 0.01) + d["beta"], 0)
    z = anp.tanh(normalised(h, 1e-5)) @ d["W2"].T + d["b2"]
    return anp.mean(logsumexp(z, axis=1) - anp.sum(d["t"] * z, axis=1)) + 0.01 * anp.sum(d["W1"] ** 2)


def images(d: Data) -> Any:
    z = sum(anp.einsum("kl,nli->nki", d["K"][:, :, j], d["x"][:, :, j : j + 5]) for j in range(2))
    mean, square = (anp.mean(v, axis=(0, 2), keepdims=True) for v in (z, z**2))
    o = anp.sum(d["c"] * ((z - mean) / anp.sqrt(square + 0.1)) ** 3, axis=(1, 2))
    return anp.mean((o - d["t"]) ** 2)


def extrema(d: Data) -> Any:
    z = d["x"] @ d["W"].T
    share = anp.exp(z) / anp.sum(anp.exp(z), axis=0)
    o = anp.sum(share * (z - anp.max(z, axis=0)) + anp.min(z, axis=0) ** 2, axis=1)
    return anp.mean((o - d["t"]) ** 2)


def loss_alone(d: Data) -> Any:
    y = anp.tanh(d["x"] @ d["W1"].T + d["b1"])
    spread = anp.mean(y**2, axis=0) - anp.mean(y, axis=0) ** 2
    error = anp.mean(anp.sum((y - d["t"]) ** 2, axis=1))
    return error + anp.sum(spread) - anp.log(anp.mean(anp.exp(anp.sum(y, axis=1))))


def reduced_loss(d: Data) -> Any:
    y = d["x"] @ d["W1"][0]
    return anp.mean((y - d["t"]) ** 2) + logsumexp(y)


def recurrence(d: Data) -> Any:
    h = anp.zeros((len(d["x"]), 3))
    for t in range(4):
        h = anp.tanh(normalised(h @ d["U"].T + d["x"][:, t] @ d["V"].T, 0.1))
    return anp.mean((h @ d["c"] - d["r"]) ** 2)


LOSSES: dict[str, Callable[[Data], Any]] = {
    "by hand": by_hand,
    "summed loss": lambda d: by_hand(d) * len(d["x"]),
    "catalogue": catalogue,
    "images": images,
    "extrema": extrema,
    "loss alone": loss_alone,
    "reduced loss": reduced_loss,
    "recurrence": recurrence,
}


def one_hot(data: Data, name: str) -> Data:
    """The drawn data with a target of one 1 in every row."""
    if name != "catalogue":
        return data
    return {**data, "t": np.eye(3)[np.arange(len(data["x"])) % 3]}


# Language -----------------------------------------------------------------------------------------------------


def test_samples_are_an_index_of_what_depends_on_them():
    network = network_of(SPEC)
    assert str(network.coupling.index) == "n"
    assert network.coupling.count == Access("N")
    shapes = {t.name: t.shape for t in network.tensors.values()}
    assert shapes == {
        "x": (3, 2),
        "z": (3, 3),
        "zn": (3, 3),
        "y": (3, 3),
        "o": (3,),
        "t": (3,),
        "W": (3, 2),
        "gamma": (3,),
        "beta": (3,),
        "c": (3,),
        "mu": (3,),
        "s2": (3,),
        "L": (),
        "N": (),
    }
    equations = {eq.lhs.tensor: str(eq) for eq in network.flat_equations}
    assert equations["mu"] == "mu[i] = sum[n] z[n, i]/N"
    assert equations["L"] == "L = sum[n] (o[n] - t[n])**2/(2*N)"


def test_the_letters_are_free_ones():
    spec = "size n = 2\n input N[n]\n weight w[n]\n y = sum(s: w[s] * N[s])\n loss (y - mean(batch: y))^2 + y"
    coupling = network_of(spec).coupling
    assert (str(coupling.index), coupling.count.tensor) == ("b", "M")


def test_reductions_inside_formulas_get_names():
    network = network_of(SPECS["catalogue"])
    named = [t.name for t in network.tensors.values() if t.shape == (4,) and t.role == "value"]
    assert named == ["mu1", "v1", "mu", "v"]


def test_a_network_without_such_a_reduction_has_no_sample_index():
    network = network_of("input x[2]\n y = linear(x)\n target t\n loss L = (y - t)^2\n batch sum")
    assert network.coupling is None
    assert network.tensors["x"].shape == (2,)


# Derivation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_derivatives_agree_with_automatic_differentiation(name):
    network = network_of(SPECS[name])
    data = one_hot(draw(network, 1), name)
    value, gradients = derived(SPECS[name], data)
    expected, others = automatic(network, LOSSES[name], data)
    assert value == pytest.approx(expected, rel=1e-12)
    for weight, derivative in others.items():
        np.testing.assert_allclose(gradients[weight], derivative, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", SPECS)
def test_everything_is_proved(name):
    assert all(check.holds for check in derive(network_of(SPECS[name])).proof.checks)


def published(y_bar: Any, x: Any, gamma: Any, eps: float) -> dict[str, Any]:
    """The derivatives as Ioffe and Szegedy (2015, section 3) print them, from ∂ℓ/∂y."""
    m, mean, variance = len(x), x.mean(axis=0), x.var(axis=0)
    x_hat_bar = y_bar * gamma
    variance_bar = (x_hat_bar * (x - mean)).sum(axis=0) * -0.5 * (variance + eps) ** -1.5
    mean_bar = (x_hat_bar * -1 / np.sqrt(variance + eps)).sum(axis=0)
    mean_bar = mean_bar + variance_bar * (-2 * (x - mean)).sum(axis=0) / m
    x_bar = x_hat_bar / np.sqrt(variance + eps) + variance_bar * 2 * (x - mean) / m + mean_bar / m
    x_hat = (x - mean) / np.sqrt(variance + eps)
    gamma_bar, beta_bar = (y_bar * x_hat).sum(axis=0), y_bar.sum(axis=0)
    return {"s2": variance_bar, "mu": mean_bar, "z": x_bar, "gamma": gamma_bar, "beta": beta_bar}


def test_the_derivatives_are_those_published():
    network, swept = network_of(SPEC), sweep_of(SPEC)
    data = draw(network, 4)
    values = evaluated(network, swept, exact(network, data))
    tensors = {**network.tensors, **swept.tensors}
    found = {name: np.array(nested(values[f"∂{name}"], tensors[f"∂{name}"])) for name in ("y", "s2", "mu", "z")}
    found |= {name: np.array(nested(values[f"∂{name}"], network.tensors[name])) for name in ("gamma", "beta")}
    z = np.array(nested(values["z"], network.tensors["z"]))
    for name, expected in published(found["y"], z, data["gamma"], 1e-3).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-15)


def test_the_derivatives_have_the_published_form():
    """∂ℓ/∂x = ∂ℓ/∂x̂ 1/√(σ² + ε) + ∂ℓ/∂σ² 2(x − μ)/m + ∂ℓ/∂μ 1/m, with ∂ℓ/∂x̂ = γ ∂ℓ/∂y."""
    found = sweep_of(SPEC).adjoints["z"]
    n, i = index("n"), index("i")
    z, mu, root = Access("z", n, i), Access("mu", i), sympy.sqrt(Access("s2", i) + sympy.Rational(1, 1000))
    expected = Access("gamma", i) * Access("∂y", n, i) / root
    expected += Access("∂s2", i) * 2 * (z - mu) / Access("N") + Access("∂mu", i) / Access("N")
    assert rename(found.closed, dict(zip(found.indices, (n, i), strict=True))) == expected
    assert {c.equation.lhs.tensor for c in found.contributions} == {"zn", "mu", "s2"}, "three paths"
    assert sweep_of(SPEC).deltas == ["o", "y", "s2", "mu", "z"]


# Numbers and notes --------------------------------------------------------------------------------------------

WORKED = """
    input x
    weight w, gamma
    z = w * x
    mu = mean(batch: z)
    v = mean(batch: (z - mu)^2)
    y = gamma * (z - mu) / sqrt(v + 1)
    target t
    loss L = 1/2 * (y - t)^2
    rate a = 0.1
    init w = 1, gamma = 2
    sample x = 1, t = 0
    sample x = 3, t = 1
    sample x = 5, t = 0
    sample x = 7, t = 2
"""


def test_numbers_are_those_of_the_batch():
    derivation = derive(network_of(WORKED))
    y = 2 * np.array([-3, -1, 1, 3]) / np.sqrt(6)
    machine = json.loads(report.render(derivation, "net.spec"))
    assert machine["loss"]["value"] == pytest.approx(np.mean((y - [0, 1, 0, 2]) ** 2) / 2, rel=1e-14)
    assert machine["values"]["mu"] == 4
    assert machine["values"]["v"] == 5
    np.testing.assert_allclose(machine["values"]["y"], y, rtol=1e-14)
    (w, gamma) = machine["weights"]
    assert gamma["gradient"] == pytest.approx(np.mean((y - [0, 1, 0, 2]) * y) / 2, rel=1e-14)
    assert w["updated"] == pytest.approx(1 - 0.1 * w["gradient"], rel=1e-14)
    assert machine["loss"]["after"] < machine["loss"]["value"]


def test_notes_count_samples_to_N():
    text = notes.render(derive(network_of(WORKED)), "net.spec")
    assert "\\mu &= \\frac{1}{N}\\, \\sum_{n=1}^{N} z_{n}" in text
    assert "n = 1, \\dots, N$ counts them" in text
    assert "for a batch of $N = 4$ samples" in text
    assert "\\frac{1}{2\\, N}\\, \\sum_{n=1}^{N} (y_{n} - t_{n})^{2}" in text


# Trainers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def make(import_trainer: Callable[[str, str], ModuleType]) -> Callable[[str], ModuleType]:
    made: dict[str, ModuleType] = {}

    def build(name: str) -> ModuleType:
        if name not in made:
            made[name] = import_trainer(SPECS[name], f"batch_{name.replace(' ', '_')}")
        return made[name]

    return build


def data_for(module: ModuleType, samples: int) -> tuple[Data, Data, Data, Data | None]:
    rng = np.random.default_rng(samples)
    weights = {name: np.array(rng.standard_normal(shape) / 2) for name, shape in module.WEIGHTS.items()}
    X, y = module.random_data(rng, samples)
    shapes = getattr(module, "MASKS", {})
    return weights, X, y, {n: 2.0 * rng.integers(0, 2, (samples, *s)) for n, s in shapes.items()} or None


@pytest.mark.parametrize("name", SPECS)
def test_gradients_of_the_trainer_for_any_number_of_samples(make, name):
    module = make(name)
    for samples in (1, 2, 7, 300):
        weights, X, y, masks = data_for(module, samples)
        given = {**X, **y, **(masks or {})}
        more = [masks] if masks else []
        assert module.loss(weights, X, y, *more) == pytest.approx(float(LOSSES[name]({**given, **weights})), rel=1e-11)
        expected = grad(lambda w, given=given: LOSSES[name]({**given, **w}))(weights)
        found = module.gradient(weights, X, y, *more)
        largest = max(np.abs(g).max() for g in expected.values())
        for weight, derivative in expected.items():
            np.testing.assert_allclose(found[weight], derivative, rtol=1e-9, atol=1e-10 * max(largest, 1e-2))


def test_single_precision(make):
    module = make("catalogue")
    weights, X, y, _ = data_for(module, 50)
    single = [{k: v.astype(np.float32) for k, v in d.items()} for d in (weights, X, y)]
    exactly = module.gradient(weights, X, y)
    for weight, derivative in module.gradient(*single).items():
        assert derivative.dtype == np.float32
        np.testing.assert_allclose(derivative, exactly[weight], atol=2e-5 * max(1, np.abs(exactly[weight]).max()))


@pytest.mark.parametrize("name", SPECS)
def test_differences_of_the_loss_agree(make, name):
    assert make(name).selfcheck() == 0


@pytest.mark.parametrize("name", ["by hand", "summed loss"])
def test_steps_equal_those_by_hand(make, name):
    """Two epochs of minibatches of 4, 4 and 1 samples: a single sample has the variance 0."""
    module, loss = make(name), LOSSES[name]
    _, X, y, _ = data_for(module, 9)
    w = {k: v.copy() for k, v in module.unpacked(module.initial(0, np.float64)).items()}
    losses = []
    for _ in range(2):
        total = 0.0
        for start in range(0, 9, 4):
            given = {"x": X["x"][start : start + 4], "t": y["t"][start : start + 4]}
            total += float(loss({**w, **given})) * (len(given["x"]) if name == "by hand" else 1)
            g = grad(lambda w, given=given: loss({**w, **given}))(w)
            w = {k: w[k] - 0.1 * g[k] for k in w}
        losses.append(total / (9 if name == "by hand" else 1))
    trainer = module.Trainer("sgd", 0.1, batch_size=4, max_iter=2, shuffle=False, dtype="float64").fit(X, y)
    np.testing.assert_allclose(trainer.loss_curve_, losses, rtol=1e-12)
    for k in w:
        np.testing.assert_allclose(trainer.weights_[k], w[k], rtol=1e-10, atol=1e-13)


def test_predictions_use_the_statistics_of_the_training_data(make):
    module = make("by hand")
    _, X, y, _ = data_for(module, 600)
    trainer = module.Trainer(max_iter=3, dtype="float64").fit(X, y)
    z = X["x"] @ trainer.weights_["W"].T
    assert set(trainer.statistics_) == {"mu", "s2"}
    np.testing.assert_allclose(trainer.statistics_["mu"], z.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(trainer.statistics_["s2"], z.var(axis=0), rtol=1e-12)
    whole = trainer.predict(X)
    np.testing.assert_allclose(whole, module.forward(trainer.weights_, X), rtol=1e-12)  # the batch is the training data
    np.testing.assert_array_equal(np.hstack([trainer.predict(X["x"][n : n + 1]) for n in range(20)]), whole[:20])
    few = module.forward(trainer.weights_, X["x"][:20])  # the statistics of these alone
    assert np.abs(few - whole[:20]).max() > 1e-3
    before = trainer.statistics_["mu"].copy()
    trainer.partial_fit(X["x"][:50], y["t"][:50])
    assert np.abs(trainer.statistics_["mu"] - before).max() > 1e-6


@pytest.mark.parametrize("name", ["images", "extrema", "recurrence"])
def test_predictions_do_not_depend_on_their_neighbours(make, name):
    module = make(name)
    _, X, y, _ = data_for(module, 40)
    trainer = module.Trainer(max_iter=2, dtype="float64", learning_rate_init=1e-3).fit(X, y)
    predict, whole = trainer.predict, trainer.predict(X)
    np.testing.assert_allclose(whole, module.forward(trainer.weights_, X), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(predict({k: v[7:8] for k, v in X.items()}), whole[7:8], rtol=1e-12)


def test_a_network_whose_loss_alone_is_coupled_has_no_statistics(make):
    module = make("loss alone")
    _, X, y, _ = data_for(module, 10)
    assert not hasattr(module.Trainer(max_iter=1).fit(X, y), "statistics_")


def test_digits_are_learned(import_trainer):
    X, y = load_digits(return_X_y=True)
    a, b, c, d = train_test_split(X / 16, y, test_size=0.2, random_state=0, stratify=y)
    module = import_trainer(DIGITS, "digits_batch_norm")
    trainer = module.Trainer(max_iter=60).fit(a, c)
    assert trainer.score(b, d) >= 0.97
    single = np.vstack([trainer.predict_proba(row[None]) for row in b[:10]])
    np.testing.assert_allclose(single, trainer.predict_proba(b)[:10], atol=1e-6)  # BLAS adds up in another order
