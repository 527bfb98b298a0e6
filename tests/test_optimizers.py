"""Optimizers and schedules: the catalogue against scikit-learn, autograd and the papers, and those of a user."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import autograd.numpy as anp
import numpy as np
import pytest
import updates
from autograd import grad
from autograd.misc.optimizers import adam as autograd_adam
from autograd.misc.optimizers import rmsprop as autograd_rmsprop
from oracles import compiled, part_of
from sklearn.neural_network import MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from updates import adadelta, adagrad, adamw, nadam, rmsprop, rprop

from codegen import report
from codegen.reference.optimizers import PAGE, page
from codegen.trainer.module import render
from derive.derivation import derive
from derive.diagnostics import Source, SpecError
from derive.evaluate import number
from derive.gradient import sweep
from derive.language.build import load
from derive.language.optimizers import catalogue
from derive.network import Network, Optimizer

VALLEY = """
weight u[3], v
loss f = (u[1] - 1)^2 + 2 * (u[2] - u[1]^2)^2 + log(cosh(u[3] * v)) + 0.1 * v^4
"""
LINE = "input x[2]\ny = dense(x)\ntarget t\nloss L = (y - t)^2\n"
NUMBERS = "init W1 = [[0.3, -0.2]], b1 = 0.1\nsample x = [1, 2], t = 1\nsample x = [-1, 0.5], t = 0.25\n"
START = np.array([0.4, -0.7, 0.9, 1.3])
UPDATES = 50

Step = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def network(text: str) -> Network:
    return load(Source("net.spec", text))


def optimizer(lines: str) -> Optimizer:
    return network(VALLEY + lines).optimizer


def valley(x):
    """The loss of :data:`VALLEY`, whose gradient autograd works out."""
    return (x[0] - 1) ** 2 + 2 * (x[1] - x[0] ** 2) ** 2 + anp.log(anp.cosh(x[2] * x[3])) + 0.1 * x[3] ** 4


@pytest.fixture(scope="module")
def make(tmp_path_factory) -> Callable[[str], ModuleType]:
    """Trainers for specifications, each generated once."""
    folder, made = tmp_path_factory.mktemp("trainers"), {}

    def build(text: str) -> ModuleType:
        if text not in made:
            net = network(text)
            name = f"optimized_{len(made)}"
            path = Path(folder, f"{name}.py")
            path.write_text(render(net, sweep(net), spec_name="net.spec", module_name=name), encoding="utf-8")
            specification = importlib.util.spec_from_file_location(name, path)
            assert specification is not None
            assert specification.loader is not None
            module = importlib.util.module_from_spec(specification)
            specification.loader.exec_module(module)
            made[text] = module
        return made[text]

    return build


def trajectory(module: ModuleType, solver: str, dtype="float64", **changed: float) -> np.ndarray:
    """The weights after each of fifty updates from :data:`START` by the compiled update alone."""
    rate, *settings = {**module.SOLVERS[solver], **changed}.values()
    theta = START.astype(dtype)
    states = np.zeros((module.STATES[solver], theta.size), dtype)
    slope, step, found = grad(valley), compiled(module, f"step_{solver}"), []
    for k in range(1, UPDATES + 1):
        gradient = 2 * slope(theta.astype(float)).astype(dtype)
        step(theta, gradient, theta.dtype.type(0.5), float(k), rate, np.array(settings), states)
        found.append(theta.astype(float))
    return np.array(found)


def by_hand(step: Step) -> np.ndarray:
    """The same by a function of weights, gradient and number of the update."""
    x, slope, found = START.copy(), grad(valley), []
    for k in range(1, UPDATES + 1):
        x = step(x, slope(x), k)
        found.append(x)
    return np.array(found)


def by_scikit_learn(updater) -> np.ndarray:
    x, slope, found = START.copy(), grad(valley), []
    for _ in range(UPDATES):
        updater.update_params([x], [slope(x)])
        found.append(x.copy())
    return np.array(found)


def by_autograd(method, **settings) -> np.ndarray:
    found = []
    slope = grad(valley)
    end = method(lambda x, _: slope(x), START, lambda x, *_: found.append(x.copy()), UPDATES, **settings)
    return np.array([*found[1:], end])


# The catalogue against what others wrote ------------------------------------------------------------------------


def test_gradient_descent_and_momentum_are_scikit_learn_s(make) -> None:
    module = make(VALLEY)
    plain = SGDOptimizer([START], learning_rate_init=0.03, momentum=0, nesterov=False)
    np.testing.assert_allclose(trajectory(module, "sgd", learning_rate_init=0.03), by_scikit_learn(plain), rtol=1e-12)
    for solver, ahead in (("momentum", False), ("nesterov", True)):
        theirs = SGDOptimizer([START], learning_rate_init=0.02, momentum=0.8, nesterov=ahead)
        found = trajectory(module, solver, learning_rate_init=0.02, momentum=0.8)
        np.testing.assert_allclose(found, by_scikit_learn(theirs), rtol=1e-11)


def test_adam_is_scikit_learn_s_and_autograd_s(make) -> None:
    """scikit-learn has ε at another place, so without it; autograd has it where Kingma and Ba do."""
    module = make(VALLEY)
    theirs = AdamOptimizer([START], learning_rate_init=0.05, beta_1=0.8, beta_2=0.99, epsilon=0)
    found = trajectory(module, "adam", learning_rate_init=0.05, beta_1=0.8, beta_2=0.99, epsilon=0.0)
    np.testing.assert_allclose(found, by_scikit_learn(theirs), rtol=1e-10)
    found = trajectory(module, "adam", learning_rate_init=0.05, epsilon=0.1)
    np.testing.assert_allclose(found, by_autograd(autograd_adam, step_size=0.05, eps=0.1), rtol=1e-10)


@pytest.mark.parametrize("theirs", [adagrad, rmsprop, adadelta, adamw, nadam, rprop])
def test_the_others_are_those_of_the_papers(make, theirs) -> None:
    step, rate = theirs(), make(VALLEY).SOLVERS[theirs.__name__]["learning_rate_init"]
    expected = by_hand(lambda x, g, k: step(x, g, rate, k))
    np.testing.assert_allclose(trajectory(make(VALLEY), theirs.__name__), expected, rtol=1e-11)
    single = trajectory(make(VALLEY), theirs.__name__, "float32")
    np.testing.assert_allclose(single, expected, rtol=2e-4, atol=2e-5)


def test_every_optimizer_of_the_catalogue_is_in_a_test_and_on_the_page(golden) -> None:
    tested = {"sgd", "momentum", "nesterov", "adam", "adagrad", "rmsprop", "adadelta", "adamw", "nadam", "rprop"}
    assert set(catalogue()) == tested
    golden(PAGE, page())


# A user's own ---------------------------------------------------------------------------------------------------

AVERAGED = """
optimizer rms_like(a = 0.02, rho = 0.7, epsilon = 1e-8)
update s[0] = 1
update s = rho * s + (1 - rho) * g^2
update w = w - a * g / (sqrt(s) + epsilon)
"""


def test_an_optimizer_of_one_s_own(make) -> None:
    """autograd's RMSprop, whose mean starts at one."""
    module = make(VALLEY + AVERAGED)
    found = trajectory(module, "rms_like")
    np.testing.assert_allclose(found, by_autograd(autograd_rmsprop, step_size=0.02, gamma=0.7), rtol=1e-10)
    assert module.Trainer().solver == "rms_like"
    assert set(module.SOLVERS) == {*catalogue(), "rms_like"}


def test_functions_of_the_specification_and_of_the_catalogue(make) -> None:
    text = VALLEY + (
        "define squash(z) = z / (1 + abs(z))\n"
        "optimizer own(a = 0.05, mu = 0.5)\n"
        "update r = squash(mu * g) + sign(g) * max(g, 0.1) * min(1, k / 10) * exp(-a * k)\n"
        "update c = cases(r, r, softplus(r))\n"
        "update w = w - a * c\n"
    )

    def step(x, g, k):
        half = 0.5 * g
        r = half / (1 + abs(half)) + np.sign(g) * np.maximum(g, 0.1) * min(1, k / 10) * math.exp(-0.05 * k)
        return x - 0.05 * np.where(r > 0, r, np.log1p(np.exp(r)))

    assert optimizer(text.removeprefix(VALLEY)).states == ()
    np.testing.assert_allclose(trajectory(make(text), "own"), by_hand(step), rtol=1e-10)


def test_states_are_what_is_read_before_it_is_written() -> None:
    found = optimizer(
        "optimizer own(a = 0.1)\nupdate p = q + g\nupdate q = p / 2\nupdate r[0] = a / 2\nupdate r = r + q\n"
        "update w = w - a * r"
    )
    assert [s.name for s in found.states] == ["q", "r"]
    assert {s.name: str(v) for s, v in found.starts.items()} == {"r": "a/2"}


def test_one_s_own_hides_the_catalogue_s() -> None:
    found = optimizer("optimizer adam(b = 0.5)\nupdate w = w - b * g")
    assert (found.name, found.is_plain_descent, str(found.rate)) == ("adam", True, "b")


def test_the_rate_line_names_the_learning_rate() -> None:
    found = optimizer("rate eta = 0.2\noptimizer own(mu = 0.5)\nupdate w = w - eta * g * mu")
    assert {str(s): float(v) for s, v in found.settings.items()} == {"eta": 0.2, "mu": 0.5}
    assert str(found.rate) == "eta"
    assert str(optimizer("rate eta = 0.2\noptimizer adam").rate) == "eta"


HOSTILE = "optimizer own(a = 1, {name} = 2)\nupdate w = w - a * g * {name}\n"
WORDS = "lambda self fit tol solver momentum real theta scale states i settings weights_per_step predict one c1 t1"


@pytest.mark.parametrize("name", WORDS.split())
def test_any_name_of_a_setting_is_a_parameter_of_the_trainer(name: str) -> None:
    net = network(VALLEY + HOSTILE.format(name=name))
    text = render(net, sweep(net), spec_name="net.spec", module_name="net")
    space: dict[str, object] = {"__name__": "made"}
    exec(compile(text, "made.py", "exec"), space)
    (rate, own) = space["SOLVERS"]["own"]  # type: ignore[index]
    trainer = space["Trainer"](**{own: 3})  # type: ignore[operator]
    assert (rate, trainer.get_params()[own]) == ("learning_rate_init", 3)
    theta, step = START.copy(), next(f for key, f in space.items() if key.startswith("step_own_"))
    step.py_func(theta, np.ones(4), 1.0, 1.0, 0.25, np.array([2.0]), np.zeros((0, 4)))  # type: ignore[attr-defined]
    np.testing.assert_allclose(theta, START - 0.5)


# Schedules ------------------------------------------------------------------------------------------------------


SCHEDULES = {
    **updates.SCHEDULES,
    "mine(0.1)": lambda k: 0.1 / (1 + k),
    "2 * mine(k, 0.1)": lambda k: 0.2 / (1 + k),
}


@pytest.mark.parametrize("text", SCHEDULES)
def test_schedules_have_their_closed_forms(text: str) -> None:
    own = "define mine(k, a) = a / (1 + k)\n" * ("mine" in text)
    found = optimizer(f"{own}rate a = {text}")
    for k in (*range(1, 40), 70, 71, 99, 100, 101, 129, 130, 131, 500):
        assert float(number(found.rate_at(k))) == pytest.approx(SCHEDULES[text](k), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("text", [t for t in SCHEDULES if "k" in t or "(" in t])
def test_the_trainer_follows_them(text: str) -> None:
    own = "define mine(k, a) = a / (1 + k)\n" * ("mine" in text)
    net = network(f"{VALLEY}{own}rate a = {text}")
    space: dict[str, object] = {"__name__": "made"}
    exec(compile(render(net, sweep(net), spec_name="net.spec", module_name="net"), "made.py", "exec"), space)
    schedule = next(f for key, f in space.items() if key.startswith("schedule_")).py_func  # type: ignore[attr-defined]
    first = space["SOLVERS"]["sgd"]["learning_rate_init"]  # type: ignore[index]
    assert first == pytest.approx(SCHEDULES[text](1), rel=1e-12)
    for k in range(1, 200):
        assert first * schedule(float(k)) == pytest.approx(SCHEDULES[text](k), rel=1e-12, abs=1e-15)


def test_a_rate_that_changes_in_training(make) -> None:
    """The rate of the first update is the trainer's, the others follow; partial_fit counts on, fit from the start."""
    module = make(LINE + "rate a = 0.3 / k\noptimizer own(mu = 0.5)\nupdate v = mu * v + g\nupdate w = w - a * v\n")
    rng = np.random.default_rng(1)
    X, t = rng.standard_normal((7, 2)), rng.standard_normal(7)
    trainer = module.Trainer(learning_rate_init=0.2, momentum=0.25, batch_size=3, shuffle=False, dtype="float64")
    start = module.unpacked(module.initial(0, np.float64))
    theta = np.concatenate([start["W1"].ravel(), start["b1"]])
    slope = grad(lambda w, x, y: anp.mean((x @ w[:2] + w[2] - y) ** 2))
    v, k = np.zeros(3), 0
    for _ in range(3):
        trainer.partial_fit(X, t)
        for batch in (slice(0, 3), slice(3, 6), slice(6, 7)):
            k += 1
            v = 0.25 * v + slope(theta, X[batch], t[batch])
            theta = theta - 0.2 / k * v
    found = np.concatenate([trainer.weights_["W1"].ravel(), trainer.weights_["b1"]])
    np.testing.assert_allclose(found, theta, rtol=1e-12)
    trainer.set_params(warm_start=True, max_iter=1).fit(X, t)
    first = slope(theta, X[:3], t[:3])
    theta1 = theta - 0.2 * first
    second = 0.25 * first + slope(theta1, X[3:6], t[3:6])
    theta2 = theta1 - 0.1 * second
    theta3 = theta2 - 0.2 / 3 * (0.25 * second + slope(theta2, X[6:], t[6:]))
    np.testing.assert_allclose(trainer.weights_["W1"].ravel(), theta3[:2], rtol=1e-12)


# The trainer ----------------------------------------------------------------------------------------------------


def test_only_the_solver_in_use_is_compiled(make) -> None:
    module = make(LINE)
    module.Trainer("adam", max_iter=1).fit([[1, 2], [2, 1]], [1, 2])
    assert [s for s in module.SOLVERS if part_of(module, f"step_{s}").signatures] == ["adam"]


def test_a_solver_has_its_own_rate_unless_the_trainer_has_one(make) -> None:
    module = make(LINE + "rate a = 0.25\n")
    assert module.Trainer()._settings() == {"learning_rate_init": 0.25}
    adam = module.Trainer(solver="adam", beta_1=0.8)
    assert adam._settings() == {"learning_rate_init": 0.001, "beta_1": 0.8, "beta_2": 0.999, "epsilon": 1e-8}
    assert module.Trainer("nesterov", 0.5)._settings() == {"learning_rate_init": 0.5, "momentum": 0.9}
    with pytest.raises(ValueError, match="beta_1 must not be negative"):
        module.Trainer("adam", beta_1=-0.5).fit([[1, 2]], [1])
    with pytest.raises(TypeError, match="epsilon must be a number"):
        module.Trainer("adam", epsilon="small").fit([[1, 2]], [1])


def test_parameters_are_called_as_in_scikit_learn(make) -> None:
    theirs = set(MLPRegressor().get_params())
    assert {"learning_rate_init", "momentum", "beta_1", "beta_2", "epsilon"} <= theirs & set(make(LINE).PARAMETERS)


# Worked numbers -------------------------------------------------------------------------------------------------

CHOSEN = {name: f"optimizer {name}\n" for name in catalogue()} | {
    "scheduled": "rate a = 0.3 * exp(-0.2 * k)\noptimizer adam\n",
    "warmed up": "rate eta = warmup_cosine(0.3, 4, 20)\n",
    "own": AVERAGED,
}


@pytest.mark.parametrize("lines", CHOSEN.values(), ids=CHOSEN)
def test_worked_numbers_are_the_trainer_s_first_update(lines: str) -> None:
    derivation = derive(network(LINE + NUMBERS + lines))
    found = json.loads(report.render(derivation, "net.spec"))
    net = derivation.network
    space: dict[str, object] = {"__name__": "made"}
    exec(compile(render(net, sweep(net), spec_name="net.spec", module_name="net"), "made.py", "exec"), space)
    solver = net.optimizer.name
    rate, *settings = space["SOLVERS"][solver].values()  # type: ignore[index]
    theta = np.array([0.3, -0.2, 0.1])
    X, t = np.array([[1, 2], [-1, 0.5]]), np.array([1, 0.25])
    gradient = grad(lambda w: anp.mean((X @ w[:2] + w[2] - t) ** 2))(theta)
    states = np.zeros((space["STATES"][solver], 3))  # type: ignore[index]
    step = next(f for key, f in space.items() if key.startswith(f"step_{solver}_")).py_func  # type: ignore[attr-defined]
    step(theta, gradient, 1.0, 1.0, rate, np.array(settings), states)
    np.testing.assert_allclose([w["updated"] for w in found["weights"]], theta, rtol=1e-12)
    after = np.mean((X @ theta[:2] + theta[2] - t) ** 2)
    assert found["loss"]["after"] == pytest.approx(after, rel=1e-12)
    assert found["network"]["optimizer"]["settings"][str(net.optimizer.rate)] == pytest.approx(rate, rel=1e-15)
    assert ("schedule" in found["network"]["optimizer"]) == (net.optimizer.schedule is not None)


@pytest.mark.parametrize(
    "lines",
    [
        "optimizer own(a = 0.1)\nupdate w = w - a * sum(g)",
        "rate a = cosine(0.1, 0)",
        "rate a = mean(k)",
        "rate a = relu(k, k)",
        "optimizer own(a = 0.1)\nupdate w = w - a * g[k]",
    ],
)
def test_what_makes_no_sense_is_refused(lines: str) -> None:
    with pytest.raises(SpecError) as caught:
        optimizer(lines)
    assert caught.value.span is not None
