"""Generated trainers: what they compute, what they learn, what they refuse."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.scipy.special import logsumexp
from oracles import compiled, example, imported, network_of, part_of, sweep_of, trainer_of
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import train_test_split

from codegen.trainer.module import render
from derive.diagnostics import Source
from derive.gradient import sweep
from derive.language.build import load

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.spec"))
SPECS = {
    "convolution": """
        size n = 3
        input x[8]
        weight K[n], b[6]
        z[i] = sum(k: K[k] * x[i+k-1]) + b[i]
        h[i] = max(z[i], 0)
        p[2] = softmax(dense(h))
        target t[2]
        loss L = cross_entropy(t, p)
    """,
    "recurrence": """
        size T = 5
        size m = 4
        size n = 2
        input u[T, n]
        weight V[m, m], U[m, n], c[m]
        s[t,j] = tanh(sum(k: V[j,k]*s[t-1,k]) + sum(k: U[j,k]*u[t,k]))
        y = sum(j: c[j]*s[5,j])
        target r
        loss L = (y-r)^2 + 0.01*sum(V^2)
    """,
    "maximum": """
        input x[6], q[2]
        weight W[3,6], c, b
        z[i] = max(j: W[i,j]*x[j] + c)
        m = max(i: z[i])
        s = sum(i: exp(z[i]-m))
        p[i] = exp(z[i]-m)/s
        y = c*sum(z) + b*sum(q) + log(cosh(m))
        target t[3], r
        loss L = cross_entropy(t, p) + (y-r)^2 + 0.01*sum(W^2)
        batch sum
        optimizer momentum(a = 0.1, mu = 0.9)
    """,
    "function": """
        weight x, y, z
        loss f = (x + y) * z + z^2 * (x^2 + y^4)
    """,
    "swish": """
        define swish(z) = z * sigmoid(1.702 * z)
        input x[8]
        weight W[16, 8], b[16], v[16]
        constant c = 0.35
        z[i] = sum(j: W[i,j] * x[j]) + b[i]
        h[i] = swish(z[i])
        y = sum(i: v[i] * h[i]) + c
        target t
        loss L = log(cosh(y - t)) + sqrt(1 + y^2)
    """,
    "shared": """
        input x[12]
        weight W[12, 12], V[12, 12]
        M[i,j] = tanh(W[i,j]) + V[j,i]
        h[i] = tanh(sum(j: M[i,j] * x[j]))
        g[i] = sum(j: M[i,j] * h[j]^2)
        target t[12]
        loss L = squared_error(g, t) + sum(M^4) / 7
    """,
}

Weights = dict[str, Any]
Oracle = Callable[[Weights, Any, Any], Any]


def softmax_loss(z: Any, t: Any) -> Any:
    return anp.mean(logsumexp(z, axis=1) - anp.sum(t * z, axis=1))


def recurrence(w: Weights, x: Any, y: Any) -> Any:
    s = anp.zeros((len(x), 4))
    for t in range(5):
        s = anp.tanh(s @ w["V"].T + x[:, t] @ w["U"].T)
    return anp.mean((s @ w["c"] - y) ** 2) + 0.01 * anp.sum(w["V"] ** 2)


def convolution(w: Weights, x: Any, y: Any) -> Any:
    z = sum(w["K"][k] * x[:, k : k + 6] for k in range(3)) + w["b"]
    return softmax_loss(anp.maximum(z, 0) @ w["W1"].T + w["b1"], y)


def maximum(w: Weights, x: Any, y: Any) -> Any:
    z = anp.max(w["W"][None] * x["x"][:, None, :] + w["c"], axis=2)
    m = anp.max(z, axis=1)
    out = w["c"] * anp.sum(z, axis=1) + w["b"] * anp.sum(x["q"], axis=1) + anp.log(anp.cosh(m))
    data = anp.sum(logsumexp(z, axis=1) - anp.sum(y["t"] * z, axis=1) + (out - y["r"]) ** 2)
    return data + len(m) * 0.01 * anp.sum(w["W"] ** 2)


def swish(w: Weights, x: Any, y: Any) -> Any:
    z = x @ w["W"].T + w["b"]
    out = (z / (1 + anp.exp(-1.702 * z))) @ w["v"] + 0.35
    return anp.mean(anp.log(anp.cosh(out - y)) + anp.sqrt(1 + out**2))


def shared(w: Weights, x: Any, y: Any) -> Any:
    m = anp.tanh(w["W"]) + w["V"].T
    return anp.mean(anp.sum((anp.tanh(x @ m.T) ** 2 @ m.T - y) ** 2, axis=1)) + anp.sum(m**4) / 7


def xor(w: Weights, x: Any, y: Any) -> Any:
    p = 1 / (1 + anp.exp(-(anp.tanh(x @ w["W1"].T + w["b1"]) @ w["W2"].T + w["b2"])[:, 0]))
    return -anp.mean(y * anp.log(p) + (1 - y) * anp.log(1 - p))


def iris(w: Weights, x: Any, y: Any) -> Any:
    z = anp.tanh(x @ w["W1"].T + w["b1"]) @ w["W2"].T + w["b2"]
    return softmax_loss(z, y) + 0.001 * anp.sum(w["W1"] ** 2)


def digits(w: Weights, x: Any, y: Any) -> Any:
    return softmax_loss(anp.maximum(x @ w["W1"].T + w["b1"], 0) @ w["W2"].T + w["b2"], y)


def digits_conv(w: Weights, x: Any, y: Any) -> Any:
    p = anp.pad(x, ((0, 0), (1, 1), (1, 1)), "constant")
    z = sum(w["K"][:, u, v, None, None] * p[:, None, u : u + 8, v : v + 8] for u in range(3) for v in range(3))
    h = anp.maximum(z + w["c"][:, None, None], 0)
    m = anp.max(anp.stack([h[:, :, u::2, v::2] for u in range(2) for v in range(2)]), axis=0)
    return softmax_loss(anp.einsum("kcij,ncij->nk", w["W1"], m) + w["b1"], y)


ORACLES: dict[str, Oracle] = {
    "digits": digits,
    "digits_conv": digits_conv,
    "iris": iris,
    "gradient_descent": lambda w, x, y: anp.mean(w["W1"] * x["X1"] + w["W2"] * x["X2"]),
    "relu_two_two": lambda w, x, y: anp.mean(anp.sum((anp.maximum(x @ w["W1"].T + w["b1"], 0) - y) ** 2, axis=1)),
    "two_two_one": lambda w, x, y: anp.mean((x @ w["W1"].T @ w["W2"][0] - y) ** 2) / 2,
    "xor": xor,
    "convolution": convolution,
    "recurrence": recurrence,
    "maximum": maximum,
    "function": lambda w, x, y: (w["x"] + w["y"]) * w["z"] + w["z"] ** 2 * (w["x"] ** 2 + w["y"] ** 4),
    "swish": swish,
    "shared": shared,
}


def spec_text(name: str) -> str:
    if name in SPECS:
        return SPECS[name]
    return (ROOT / "examples" / f"{name}.spec").read_text()


def text_of(spec: str, name: str = "net") -> str:
    network = load(Source(f"{name}.spec", spec))
    return render(network, sweep(network), spec_name=f"{name}.spec", module_name=f"{name}_trainer")


@pytest.fixture(scope="session")
def make(import_trainer: Callable[[str, str], ModuleType]) -> Callable[[str], ModuleType]:
    """The trainer of an example or of one of the specifications above, made once per session."""
    made: dict[str, ModuleType] = {}

    def build(name: str) -> ModuleType:
        if name not in made:
            made[name] = import_trainer(spec_text(name), name)
        return made[name]

    return build


def data_for(module: ModuleType, samples: int, seed: int = 1) -> tuple[Weights, Any, Any]:
    """Random weights, inputs and targets; arrays where there is only one."""
    rng = np.random.default_rng(seed)
    X, y = module.random_data(rng, samples)
    weights = {name: np.array(rng.standard_normal(shape) / 2) for name, shape in module.WEIGHTS.items()}
    single = [next(iter(d.values())) if len(d) == 1 else (d or None) for d in (X, y)]
    return weights, single[0], single[1]


@pytest.mark.parametrize("name", ORACLES)
def test_gradients_agree_with_automatic_differentiation(make, name):
    module = make(name)
    weights, X, y = data_for(module, 1 if name == "function" else 7)
    assert module.loss(weights, X, y) == pytest.approx(float(ORACLES[name](weights, X, y)), rel=1e-12)
    found, expected = module.gradient(weights, X, y), grad(ORACLES[name])(weights, X, y)
    for weight, derivative in expected.items():
        scale = max(np.abs(derivative).max(), 1e-3)
        np.testing.assert_allclose(found[weight], derivative, rtol=1e-10, atol=1e-10 * scale)


def test_chunks_do_not_change_the_gradient(make):
    """More samples than are evaluated together, and not a multiple of them."""
    module = make("iris")
    weights, X, y = data_for(module, 2 * module.CHUNK + 19)
    expected = grad(iris)(weights, X, y)
    found = module.gradient(weights, X, y)
    for weight in expected:
        np.testing.assert_allclose(found[weight], expected[weight], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("solver", ["sgd", "momentum"])
def test_steps_equal_those_by_hand(make, solver):
    """Three minibatches, the last one ragged, for two epochs in the order of the data."""
    module = make("iris")
    _, X, y = data_for(module, 11)
    trainer = module.Trainer(solver, 0.3, batch_size=4, max_iter=2, shuffle=False, dtype="float64", momentum=0.8)
    w = {k: v.copy() for k, v in module.unpacked(module.initial(0, np.float64)).items()}
    v = {k: np.zeros_like(a) for k, a in w.items()}
    losses = []
    for _ in range(2):
        total = 0.0
        for start in range(0, 11, 4):
            batch = X[start : start + 4], y[start : start + 4]
            total += float(iris(w, *batch)) * len(batch[0])
            g = grad(iris)(w, *batch)
            for k in w:
                v[k] = (0.8 * v[k] if solver == "momentum" else 0) - 0.3 * g[k]
                w[k] = w[k] + v[k]
        losses.append(total / 11)
    trainer.fit(X, y)
    np.testing.assert_allclose(trainer.loss_curve_, losses, rtol=1e-12)
    for k in w:
        np.testing.assert_allclose(trainer.weights_[k], w[k], rtol=1e-11, atol=1e-14)


def test_sum_over_the_batch_and_the_solver_of_the_specification(make):
    module = make("maximum")
    trainer = module.Trainer(max_iter=1, batch_size=5, dtype="float64", learning_rate_init=0.001)
    assert (trainer.solver, module.SOLVERS["momentum"]) == ("momentum", {"learning_rate_init": 0.1, "momentum": 0.9})
    _, X, y = data_for(module, 5)
    w = {k: v.copy() for k, v in module.unpacked(module.initial(0, np.float64)).items()}
    g = grad(maximum)(w, X, y)
    trainer.fit(X, y)
    for k in w:
        np.testing.assert_allclose(trainer.weights_[k], w[k] - 0.001 * g[k], rtol=1e-11, atol=1e-14)
    assert set(trainer.predict(X)) == {"p", "y"}
    assert np.isfinite(trainer.score(X, y))


def test_weights_start_where_the_specification_says(make):
    module = make("two_two_one")
    start = module.unpacked(module.initial(5, np.float64))
    assert start["W1"].tolist() == [[0.34, 0.13], [0.05, 0.07]]
    assert start["W2"].tolist() == [[0.2, 0.01]]
    assert module.loss(start, [[2, 3]], [1]) == pytest.approx(0.306466, abs=1e-6)
    trainer = module.Trainer(max_iter=1, dtype="float64").fit([[2, 3]], [1])
    assert module.SOLVERS["sgd"] == {"learning_rate_init": 0.05}
    assert trainer.loss_ == module.loss(start, [[2, 3]], [1])


def test_every_example_has_an_oracle():
    elsewhere = {"rnn", "gru", "digits_normalised"}  # test_recurrences.py, test_batch_norm.py
    assert {*EXAMPLES, *SPECS} - elsewhere == set(ORACLES)


def test_xor_is_learned(make):
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    for seed in range(5):
        trainer = make("xor").Trainer(random_state=seed, dtype="float64").fit(X, y)
        assert trainer.score(X, y) == 1
    assert trainer.predict_proba(X).shape == (4, 2)
    np.testing.assert_allclose(trainer.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


def test_iris_is_learned(make):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    a, b, c, d = train_test_split(X, names, test_size=1 / 3, random_state=0, stratify=y)
    mean, deviation = a.mean(axis=0), a.std(axis=0)
    trainer = make("iris").Trainer().fit((a - mean) / deviation, c)
    assert trainer.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert set(trainer.predict((b - mean) / deviation)) <= set(names)
    assert trainer.score((b - mean) / deviation, d) >= 0.95
    assert trainer.n_features_in_ == 4
    assert len(trainer.loss_curve_) == trainer.n_iter_
    assert trainer.loss_curve_[-1] == trainer.loss_ < trainer.loss_curve_[0]


def test_digits_are_learned(make):
    X, y = load_digits(return_X_y=True)
    a, b, c, d = train_test_split(X / 16, y, test_size=0.2, random_state=0, stratify=y)
    assert make("digits").Trainer().fit(a, c).score(b, d) >= 0.96


def test_digits_are_learned_by_convolution(make):
    """Some 0.04 s an epoch; 97 % of the test set after 30 of them."""
    X, y = load_digits(return_X_y=True)
    a, b, c, d = train_test_split(X.reshape(-1, 8, 8) / 16, y, test_size=0.2, random_state=0, stratify=y)
    trainer = make("digits_conv").Trainer(learning_rate_init=0.1, max_iter=30).fit(a, c)
    assert trainer.score(b, d) >= 0.96


def test_a_function_without_data_is_minimised(make):
    module = make("function")
    trainer = module.Trainer(max_iter=3, learning_rate_init=0.01, dtype="float64").fit()
    w = {k: v.copy() for k, v in module.unpacked(module.initial(0, np.float64)).items()}
    for _ in range(3):
        g = grad(ORACLES["function"])(w, None, None)
        w = {k: w[k] - 0.01 * g[k] for k in w}
    for k in w:
        np.testing.assert_allclose(trainer.weights_[k], w[k], rtol=1e-12)
    assert not hasattr(trainer, "predict")


def test_regression_is_scored_by_r_squared(make):
    from sklearn.metrics import r2_score

    module = make("recurrence")
    _, X, y = data_for(module, 30)
    trainer = module.Trainer(max_iter=20, learning_rate_init=0.05, dtype="float64").fit(X, y)
    flat = trainer.predict(X.reshape(30, -1))
    assert flat.shape == (30,)
    assert trainer.score(X, y) == pytest.approx(r2_score(y, flat), abs=1e-12)
    assert trainer.score(X, y.reshape(-1, 1)) == trainer.score(X, y)


def test_equal_seeds_give_equal_bits(make):
    module = make("iris")
    _, X, y = data_for(module, 50)
    run = [module.Trainer(max_iter=7, random_state=s).fit(X, y) for s in (3, 3, 4)]
    assert run[0].loss_curve_ == run[1].loss_curve_ != run[2].loss_curve_
    for name in module.WEIGHTS:
        assert run[0].weights_[name].tobytes() == run[1].weights_[name].tobytes()


def test_partial_fit_and_warm_start_continue(make, capsys):
    """Seven epochs are seven epochs, in one call or in several, printed or not."""
    module = make("iris")
    _, X, y = data_for(module, 50)
    whole = module.Trainer(max_iter=7).fit(X, y)
    steps = module.Trainer()
    for _ in range(7):
        steps.partial_fit(X, y)
    warm = module.Trainer(max_iter=3, warm_start=True).fit(X, y)
    warm.set_params(max_iter=4, verbose=True).fit(X, y)
    assert whole.loss_curve_ == steps.loss_curve_ == warm.loss_curve_
    assert whole.n_iter_ == steps.n_iter_ == warm.n_iter_ == 7
    assert capsys.readouterr().out.count("loss") == 4
    assert whole.fit(X, y).loss_curve_ == steps.loss_curve_  # without warm_start from the beginning


def test_labels_and_matrices_of_targets_are_the_same(make):
    module = make("iris")
    _, X, y = data_for(module, 30)
    by_matrix = module.Trainer(max_iter=3).fit(X, y)
    by_label = module.Trainer(max_iter=3).fit(X, y.argmax(axis=1))
    assert by_matrix.loss_curve_ == by_label.loss_curve_
    assert by_matrix.classes_.tolist() == [0, 1, 2]
    assert by_matrix.score(X, y) == by_matrix.score(X, y.argmax(axis=1))


def test_labels_may_be_given_by_the_name_of_their_target(make):
    module = make("xor")
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    trainers = [module.Trainer(max_iter=3).fit(X, labels) for labels in (y, {next(iter(module.TARGETS)): y})]
    assert trainers[0].loss_curve_ == trainers[1].loss_curve_
    assert trainers[0].score(X, y) == trainers[1].score(X, {next(iter(module.TARGETS)): y})


def test_partial_fit_takes_all_classes_at_first(make):
    module = make("iris")
    _, X, _ = data_for(module, 4)
    trainer = module.Trainer().partial_fit(X, ["b", "a", "b", "a"], classes=["a", "b", "c"])
    trainer.partial_fit(X, ["c", "c", "c", "c"])
    with pytest.raises(ValueError, match="'d', which is none of 'a', 'b', 'c'"):
        trainer.partial_fit(X, ["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="classes differ"):
        trainer.partial_fit(X, ["a", "b", "c", "c"], classes=["a", "b"])


def test_early_stopping(make):
    module = make("iris")
    _, X, y = data_for(module, 20)
    trainer = module.Trainer(max_iter=100, tol=1e3, n_iter_no_change=4).fit(X, y)
    assert trainer.n_iter_ == 6  # the first epoch is better than nothing, five more are not


def test_divergence_names_the_epoch_and_keeps_finite_weights(make):
    module = make("recurrence")
    _, X, y = data_for(module, 40)
    trainer = module.Trainer(learning_rate_init=1e20, max_iter=50, dtype="float64")
    with pytest.raises(module.Diverged, match=r"not finite in epoch \d+; .*learning_rate_init below 1e\+20"):
        trainer.fit(X, y)
    assert all(np.isfinite(w).all() for w in trainer.weights_.values())
    assert np.isfinite(trainer.predict(X)).all()
    assert issubclass(module.Diverged, ArithmeticError)


X4, Y4 = np.zeros((4, 4)), np.array([0, 1, 2, 0])
NAN = np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]] * 2)
REFUSED = [
    (lambda t: t.fit(X4[0], Y4), ValueError, "X has 1 dimension; this network reads the shape (n, 4)"),
    (lambda t: t.fit(np.zeros((4, 5)), Y4), ValueError, "X has 5 features; this network reads 4 a sample"),
    (lambda t: t.fit(np.zeros((4, 4, 1)), Y4), ValueError, "X has 3 dimensions"),
    (lambda t: t.fit(NAN, Y4), ValueError, "X holds NaN or infinity, first in row 1"),
    (lambda t: t.fit(X4 + 1e300, Y4), ValueError, "X holds numbers beyond the range of float32"),
    (lambda t: t.fit(np.zeros((0, 4)), []), ValueError, "X holds no samples"),
    (lambda t: t.fit(X4, Y4[:3]), ValueError, "numbers of samples differ: 3 and 4"),
    (lambda t: t.fit("four", Y4), TypeError, "X must hold numbers only"),
    (lambda t: t.fit([[1, 2], [3]], Y4), TypeError, "X must hold numbers only, in rows of equal length"),
    (lambda t: t.fit(None, Y4), TypeError, "X is missing"),
    (lambda t: t.fit({"z": X4}, Y4), ValueError, "X has no x"),
    (lambda t: t.fit({"x": X4, "z": X4}, Y4), ValueError, "X has z; this network knows x"),
    (lambda t: t.fit(X4, None), TypeError, "y is missing"),
    (lambda t: t.fit(X4, [0, 1, 2, 3]), ValueError, "this network has 3 outputs, y has 4 classes"),
    (lambda t: t.fit(X4, [0, 0, 0, 0]), ValueError, "this network has 3 outputs, y has 1 class;"),
    (lambda t: t.fit(X4, [0, 1, np.nan, 2]), ValueError, "y holds NaN or infinity, first in row 2"),
    (lambda t: t.fit(X4, [0, "a", None, 2]), TypeError, "y must hold labels of one kind"),
    (lambda t: t.fit(X4, np.zeros((4, 3))), ValueError, "the elements of t must add up to 1 in every row"),
    (lambda t: t.fit(X4, np.zeros((4, 2))), ValueError, "y has 2 features; this network reads 3 a sample"),
    (lambda t: t.predict(X4), ValueError, "call fit first"),
    (lambda t: t.score(X4, Y4), ValueError, "call fit first"),
    (lambda t: t.weights_, ValueError, "call fit first"),
    (lambda t: t.fit(np.eye(4), Y4).score(X4, [0, 1, 2, 3]), ValueError, "y holds the label 3, which is none of"),
    (lambda t: t.fit(np.eye(4), Y4).score(X4, ["0"] * 4), ValueError, "y holds the label '0', which is none of"),
    (lambda t: t.fit(np.eye(4), Y4).predict(X4[:, :2]), ValueError, "X has 2 features"),
    (lambda t: t.set_params(solver="adm").fit(X4, Y4), ValueError, "unknown solver 'adm'; there are sgd, momentum"),
    (lambda t: t.set_params(batch_size=0).fit(X4, Y4), ValueError, "batch_size must be at least 1, but it is 0"),
    (lambda t: t.set_params(batch_size=2.5).fit(X4, Y4), TypeError, "batch_size must be a whole number, not 2.5"),
    (lambda t: t.set_params(max_iter=-1).fit(X4, Y4), ValueError, "max_iter must be at least 1"),
    (lambda t: t.set_params(random_state=None).fit(X4, Y4), TypeError, "random_state must be a whole number"),
    (lambda t: t.set_params(learning_rate_init=0).fit(X4, Y4), ValueError, "learning_rate_init must be above 0"),
    (lambda t: t.set_params(learning_rate_init=-1).fit(X4, Y4), ValueError, "must not be negative"),
    (lambda t: t.set_params(learning_rate_init="1").fit(X4, Y4), TypeError, "must be a number, not '1'"),
    (lambda t: t.set_params(dtype="int32").fit(X4, Y4), ValueError, "dtype must be 'float32' or 'float64'"),
    (lambda t: t.set_params(dtype="no").fit(X4, Y4), ValueError, "dtype must be 'float32' or 'float64', not 'no'"),
    (lambda t: t.set_params(rate=1), ValueError, "Trainer has no parameter 'rate'"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[m[:48] for _, _, m in REFUSED])
def test_what_is_refused(make, call, error, message):
    with pytest.raises(error) as caught:
        call(make("iris").Trainer(max_iter=1))
    assert message in str(caught.value)


def test_a_refused_fit_changes_nothing(make):
    trainer = make("iris").Trainer(max_iter=2).fit(np.eye(4), Y4)
    before = {k: w.copy() for k, w in trainer.weights_.items()}
    with pytest.raises(ValueError, match="4 classes"):
        trainer.fit(np.eye(4), [5, 6, 7, 8])
    assert trainer.classes_.tolist() == [0, 1, 2]
    assert all((before[k] == w).all() for k, w in trainer.weights_.items())


def test_functions_refuse_wrong_weights(make):
    module = make("iris")
    weights, X, y = data_for(module, 3)
    with pytest.raises(ValueError, match=r"W1 has the shape \(4, 16\); this network has \(16, 4\)"):
        module.loss({**weights, "W1": weights["W1"].T}, X, y)
    with pytest.raises(ValueError, match="missing or unknown: W3"):
        module.gradient({**weights, "W3": weights["W1"]}, X, y)
    with pytest.raises(ValueError, match="add up to 1"):
        module.loss(weights, X, 2 * y)


def test_functions_keep_single_precision(make):
    module = make("iris")
    weights, X, y = data_for(module, 3)
    single = {k: w.astype(np.float32) for k, w in weights.items()}
    assert module.forward(single, X.astype(np.float32)).dtype == np.float32
    assert module.gradient(single, X, y)["W1"].dtype == np.float64
    np.testing.assert_allclose(module.forward(single, X), module.forward(weights, X), rtol=1e-5)


STABLE = {
    "softmax": "p[2] = softmax(z)\n target t[2]\n loss L = cross_entropy(t, p)",
    "sigmoid": "p[2] = sigmoid(z)\n target t[2]\n loss L = binary_cross_entropy(t, p)",
}


@pytest.mark.parametrize("name", STABLE)
def test_far_pre_activations_stay_finite(tmp_path, name):
    spec = f"input x[2]\n weight W[2, 2], b[2]\n z[i] = sum(j: W[i,j]*x[j]) + b[i]\n {STABLE[name]}"
    path = tmp_path / "net_trainer.py"
    path.write_text(text_of(spec))  # not in sys.modules: such a module compiles without a cache
    found = importlib.util.spec_from_file_location("net_trainer", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    weights = {"W": 1e4 * np.eye(2), "b": np.zeros(2)}
    X, y = np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 0.0]]), np.array([[0.0, 1.0]] * 3)
    wrong = {"softmax": (2e4 + 0 + 1e4) / 3, "sigmoid": (2e4 + 0 + 1e4 + np.log(2)) / 3}[name]
    assert module.loss(weights, X, y) == pytest.approx(wrong, rel=1e-12)
    assert all(np.isfinite(g).all() for g in module.gradient(weights, X, y).values())


def test_selfcheck_from_the_command_line(make):
    path = make("two_two_one").__file__
    done = subprocess.run([sys.executable, path, "--selfcheck"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "largest relative difference" in done.stdout


def test_the_text_depends_on_nothing_but_the_network():
    program = "import test_trainer as t\n"
    program += "for n in [*t.EXAMPLES, *t.SPECS]: print(t.text_of(t.spec_text(n), n))"
    texts = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), *sys.path, str(ROOT)]),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert "Trainer" in texts[0]


@pytest.mark.parametrize("name", [*EXAMPLES, *SPECS])
def test_the_text_is_as_ruff_leaves_it(tmp_path, name):
    path = tmp_path / f"{name}_trainer.py"
    path.write_text(text_of(spec_text(name), name))
    for job in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *job, "--config", str(ROOT / "pyproject.toml"), str(path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", [*EXAMPLES, *SPECS])
def test_every_equation_has_its_number_beside_a_statement(name):
    from codegen.numbering import equation_numbers

    network = load(Source("net.spec", spec_text(name)))
    derived = sweep(network)
    text = render(network, derived, spec_name="net.spec", module_name="net_trainer")
    assert text.startswith("# Generated by derive from net.spec. Edits are lost when it is generated again.\n")
    for number, _ in equation_numbers(network, derived):
        assert f"# ({number}) " in text


TITLES = [
    'A "quoted" title',
    "'''",
    '\\"\\"\\" + __import__(\\"os\\") + \\"\\"\\"',
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "ends with a backslash \\\\",
    "%s %(x)s {0} {x!r}",
    "\u202eright to left\u200b",
    "#",
    " ",
]


@pytest.mark.parametrize("title", TITLES)
def test_titles_stay_text(title, tmp_path):
    from dataclasses import replace

    network = replace(load(Source("net.spec", SPECS["function"])), title=title)
    text = render(network, sweep(network), spec_name='a"""b\\.spec\nimport os', module_name="net_trainer")
    plain = render(replace(network, title="T"), sweep(network), spec_name="s", module_name="net_trainer")
    bodies = [ast.dump(ast.Module(ast.parse(t).body[1:], [])) for t in (text, plain)]
    assert bodies[0] == bodies[1]
    assert "49" not in ast.get_docstring(ast.parse(text)).splitlines()[0]
    path = tmp_path / "net_trainer.py"
    path.write_text(text)
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml"), str(path)]
    assert subprocess.run(ruff, capture_output=True, check=False).returncode == 0


def test_names_that_mean_something_in_python():
    spec = "input lambda[2], n[2]\n weight half, real[2], i\n y = sum(k: real[k]*lambda[k]*n[k]) + half + i\n"
    text = text_of(spec + "target self\n loss np = (y - self)^2")
    for statement in ("lambda_ = data[0]", "real_ = weights[1]", "half_ = weights[0]", "self = data[2]"):
        assert statement in text


#: Counters and keys with the words that the authors of Philox publish for them (Random123, kat_vectors).
PHILOX = [
    ((0, 0, 0, 0), 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((2**32 - 1,) * 4, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0A4093822,
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]

WEIGHTS_OF_SEED_0 = [-0.11058905044860781, 0.41683899196559593, 0.25821041828096686]
ORDER_OF_SEED_7 = [1, 3, 7, 5, 6, 4, 0, 8, 2, 10, 9]


@pytest.mark.parametrize(("counter", "key", "words"), PHILOX)
def test_random_numbers_are_those_published(make, counter, key, words):
    found = compiled(make("iris"), "philox")(*counter, np.uint64(key))
    assert " ".join(f"{int(w):08x}" for w in found) == words


def test_weights_and_orders_are_those_of_the_seed(make):
    """Bits written down here once: they may not change with the machine or with a version of NumPy."""
    module = make("iris")
    assert module.initial(0, np.float64)[:3].tolist() == WEIGHTS_OF_SEED_0
    order = np.arange(11)
    compiled(module, "shuffle")(order, 7, 2)
    assert order.tolist() == ORDER_OF_SEED_7


def test_orders_and_weights_are_spread_evenly(make):
    module = make("iris")
    shuffle, places = compiled(module, "shuffle"), np.zeros((6, 6))
    order = np.arange(6)
    for epoch in range(6000):
        shuffle(order, 1, epoch)
        places[order, np.arange(6)] += 1
    assert np.abs(places / 1000 - 1).max() < 0.15  # five standard deviations
    (drawn,) = module.uniform(3, 40_000)
    assert 0 < drawn.min() < drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.02


def test_parts_of_kernels_are_not_for_python(make):
    """Numba keeps no machine code of them; it refuses the call and does not run whatever is in memory there."""
    part = part_of(make("iris"), "philox")
    with pytest.raises(TypeError):
        part(0, 0, 0, 0, 0)


def test_a_newer_numba_compiles_in_its_own_way(tmp_path):
    """What is private to Numba is not touched in versions that nobody has tried; weights come out alike."""
    path = tmp_path / "newer_trainer.py"
    spec = example("two_two_one")
    text = render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name="newer_trainer")
    path.write_text(re.sub(r"^NEWEST = .*", "NEWEST = (0, 1)", text, flags=re.MULTILINE), encoding="utf-8")
    newer, known = imported(path), trainer_of(spec, tmp_path)
    assert newer.KernelCompiler is newer.PartCompiler is not known.KernelCompiler
    x, y = np.array([[2.0, 3.0], [1.0, -1.0]]), np.array([1.0, 0.5])
    settings = {"batch_size": 2, "max_iter": 3, "dtype": "float64"}
    weights = [module.Trainer("sgd", **settings).fit(x, y).weights_["W1"] for module in (newer, known)]
    np.testing.assert_allclose(*weights, rtol=1e-13)
