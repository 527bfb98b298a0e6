"""Many networks at once: every lane has the gradients of the equations, and each network is trained as alone."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from networks import agree, automatic
from networks import networks as random_networks
from oracles import derived, draw, feed_forward, network_of, sweep_of, trainer_of, without_instructions

from codegen.trainer.lanes import LANES
from codegen.trainer.networks import TILE, Networks
from codegen.trainer.nodes import SAMPLE, Loop, walk
from codegen.trainer.plans import plans

SPEC = """
input x[3]
h[4] = tanh(dense(x))
p[2] = softmax(dense(h))
target t[2]
constant decay = 0.01
loss L = cross_entropy(t, p) + decay * sum(W1^2)
"""
PLAIN = "input x[2]\nh[3] = dropout(tanh(dense(x)), 0.5)\ny = dense(h)\ntarget t\nloss L = (y - t)^2"


def plan(spec: str) -> Networks | None:
    return plans(network_of(spec), sweep_of(spec)).networks


def kernel(module: ModuleType, name: str) -> Any:
    """A kernel as plain Python; what it calls may be compiled."""
    return next(f for n, f in vars(module).items() if n.rpartition("_")[0] == name).py_func


def part(array: Any, row: int, *shape: int) -> Any:
    """What the function of that name in a module gives, in plain Python."""
    return array[row : row + int(np.prod(shape[:-1]))].reshape(shape)


def lane_gradients(module: ModuleType, lanes: list[list[dict[str, Any]]]) -> list[tuple[float, dict[str, Any]]]:
    """Losses and gradients of networks in the first lanes, each with samples of its own; NaN in the other lanes.

    Arrays of the kernel hold NaN before they are written: what is read too soon shows, as does what a lane has from
    another one.
    """
    without_instructions(module)
    module.local = lambda like, *shape: np.full(shape, np.nan, like.dtype)  # type: ignore[attr-defined]
    module.part = part  # type: ignore[attr-defined]
    count, size = len(lanes[0]), sum(int(np.prod(shape)) for shape in module.WEIGHTS.values())
    columns = (*module.INPUTS, *module.TARGETS)
    samples = [s for lane in lanes for s in lane]
    data = tuple(np.array([s[n] for s in samples], float).reshape(len(samples), -1) for n in columns)
    theta, gradient = np.full((size, LANES), np.nan), np.full((size, LANES), np.nan)
    for n, lane in enumerate(lanes):
        theta[:, n] = np.concatenate([np.ravel(lane[0][name]) for name in module.WEIGHTS])
    orders, losses = np.zeros((LANES, count), np.int64), np.zeros(LANES)
    orders[: len(lanes)] = np.arange(len(samples)).reshape(len(lanes), count)
    constants = tuple(
        np.repeat(np.reshape(value, (-1, 1)), LANES, axis=1) for value in module.constants_as(np.dtype(float))
    )
    with np.errstate(all="ignore"):
        kernel(module, "networks")(LANES, orders, 0, count, theta, data, constants, gradient, losses)
    return [
        (losses[n], {k: g.copy() for k, g in module.unpacked(np.ascontiguousarray(gradient[:, n])).items()})
        for n in range(len(lanes))
    ]


def summed(parts: list[tuple[float, dict[str, Any]]]) -> tuple[float, dict[str, Any]]:
    return sum(loss for loss, _ in parts), {w: sum(slopes[w] for _, slopes in parts) for w in parts[0][1]}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=feed_forward(), count=st.sampled_from((1, TILE + 1)), seed=st.integers(0, 999))
def test_every_lane_has_the_gradient_that_the_equations_have(spec, count, seed, tmp_path):
    """To rounding, against the interpreter of the equations in high precision; weights and samples differ by lane."""
    network, lanes = network_of(spec), []
    for lane in range(2):
        samples = [draw(network, seed + 10 * lane + n) for n in range(count)]
        weights = {w.name: samples[0][w.name] for w in network.weights}
        lanes.append([sample | weights for sample in samples])
    expected = [summed([derived(spec, sample) for sample in samples]) for samples in lanes]
    found = lane_gradients(trainer_of(spec, tmp_path), lanes)
    for (loss, slopes), (wanted, right) in zip(found, expected, strict=True):
        largest = max(np.abs(slope).max() for slope in right.values())
        assume(np.isfinite(largest))
        assert loss == pytest.approx(wanted, rel=1e-12, abs=1e-12)
        for name, slope in right.items():
            np.testing.assert_allclose(slopes[name], slope, rtol=1e-12, atol=1e-12 * max(largest, 1))


def test_a_tile_is_one_sample_where_there_are_many_equations(tmp_path):
    """The plan of a deep network is shorter, and gives the same gradient."""
    layers = [f"{out}[2] = tanh(dense({given}))" for given, out in (("x", "f"), ("f", "g"), ("g", "h"))]
    deep, shallow = (
        "\n".join(["input x[2]", *used, f"y = dense({used[-1][0]})", "target t", "loss L = (y - t)^2"])
        for used in (layers, layers[:1])
    )
    assert (plan(shallow).size, plan(deep).size) == (TILE, 1)
    samples = [draw(network_of(deep), seed) for seed in range(3)]
    weights = {w.name: samples[0][w.name] for w in network_of(deep).weights}
    samples = [sample | weights for sample in samples]
    ((loss, slopes),) = lane_gradients(trainer_of(deep, tmp_path), [samples])
    expected, right = summed([derived(deep, sample) for sample in samples])
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, slope in right.items():
        np.testing.assert_allclose(slopes[name], slope, rtol=1e-12, atol=1e-13, err_msg=name)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=random_networks(4, coupled=False), count=st.integers(1, 2))
def test_any_network_in_lanes_agrees_with_automatic_differentiation(made, count, tmp_path):
    """Convolutions, joins, products, reductions; what lanes are not legal for is passed over."""
    assume(plan(made.spec) is not None)
    lanes, expected = [], []
    for lane in range(2):
        weights = {n: v * (1 - lane / 8) for n, v in made.weights.items()}
        samples = made.samples[lane : lane + count]
        lanes.append([sample | weights for sample in samples])
        expected.append(summed([automatic(made, (sample,), weights) for sample in samples]))
    for found, wanted in zip(lane_gradients(trainer_of(made.spec, tmp_path), lanes), expected, strict=True):
        agree(found, wanted)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return trainer_of(SPEC, tmp_path_factory.mktemp("many"), "many_net_trainer")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(45, 3))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def test_every_solver_takes_the_same_step_in_every_lane(net, monkeypatch):
    """The statements for lanes against those for one network, with settings of each lane's own."""
    module, rng, size = net, np.random.default_rng(1), 5
    monkeypatch.setattr(module, "local", lambda like, *shape: np.full(shape, np.nan, like.dtype))
    for solver, settings_of in module.SOLVERS.items():
        single, many = kernel(module, f"step_{solver}"), kernel(module, f"steps_{solver}")
        theta, states = rng.normal(size=(size, LANES)), np.zeros((module.STATES[solver], size, LANES))
        alone, alone_states = theta.copy(), states.copy()
        rates = rng.uniform(0.5, 2, LANES) * settings_of["learning_rate_init"]
        others = [v for name, v in settings_of.items() if name != "learning_rate_init"]
        own = np.array([v * rng.uniform(0.9, 1, LANES) for v in others]).reshape(-1, LANES)
        for k in (1.0, 2.0, 3.0):
            gradient = rng.normal(size=(size, LANES))
            many(LANES, theta, gradient, 0.5, k, rates, own, states)
            for n in range(LANES):
                column, kept = alone[:, n].copy(), alone_states[:, :, n].copy()
                single(column, gradient[:, n], 0.5, k, rates[n], own[:, n], kept)
                alone[:, n], alone_states[:, :, n] = column, kept
        np.testing.assert_allclose(theta, alone, rtol=1e-14, err_msg=solver)
        np.testing.assert_allclose(states, alone_states, rtol=1e-14, err_msg=solver)


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_network_is_trained_as_alone(net, data, shuffle):
    """Seeds, learning rates, a setting of the solver and a constant of the network differ; the last block is ragged."""
    K = LANES + 5
    own = {"learning_rate_init": np.linspace(0.001, 0.1, K), "beta_1": np.linspace(0.5, 0.9, K)}
    common = {"solver": "adam", "batch_size": 16, "max_iter": 6, "shuffle": shuffle, "dtype": "float64"}
    decay = np.linspace(0, 0.1, K)
    runs = net.fit_many(*data, seeds=range(K), constants={"decay": decay}, **own, **common)
    assert len(runs) == K
    assert runs.loss_curves_.shape == (K, 6)
    for k in (0, 3, LANES, K - 1):
        mine = {name: values[k] for name, values in own.items()}
        alone = net.Trainer(random_state=k, constants={"decay": decay[k]}, **mine, **common).fit(*data)
        np.testing.assert_allclose(runs.loss_curves_[k], alone.loss_curve_, rtol=1e-11)
        for name, weight in alone.weights_.items():
            np.testing.assert_allclose(runs.weights_[name][k], weight, rtol=1e-9, atol=1e-12)
        goes_on = [t.partial_fit(*data).loss_curve_[-1] for t in (runs.trainer(k), alone)]
        assert goes_on[0] == pytest.approx(goes_on[1], rel=1e-10)
    assert runs.predict(data[0]).shape == (K, 45)
    assert runs.predict_proba(data[0]).shape == (K, 45, 2)
    assert runs.best() == runs.loss_.argmin()
    assert runs.score(*data)[runs.best(*data)] == runs.score(*data).max()


def test_the_bits_do_not_depend_on_the_threads(net, data):
    found = [
        net.fit_many(*data, seeds=range(3 * LANES), solver="adam", max_iter=3, dtype="float64", n_jobs=n).weights_
        for n in (1, 2, 5)
    ]
    for other in found[1:]:
        assert all(found[0][name].tobytes() == other[name].tobytes() for name in other)


def test_networks_stop_by_themselves(net, data):
    """One diverges and keeps its weights, one no longer improves, the others go on; each as alone."""
    X, y = data
    rates = np.array([0.01, 1e300, 1.0, 0.01, 0.02])
    common = {"solver": "adam", "tol": 0.01, "n_iter_no_change": 2, "max_iter": 12, "dtype": "float64"}
    runs = net.fit_many(X, y, seeds=7, learning_rate_init=rates, **common)
    assert runs.diverged_.tolist() == [False, True, False, False, False]
    assert runs.loss_[1] == np.inf
    assert runs.best() != 1
    for k, rate in enumerate(rates):
        alone = net.Trainer(random_state=7, learning_rate_init=rate, **common)
        try:
            alone.fit(X, y)
        except net.Diverged:
            assert k == 1
        assert runs.n_iter_[k] == alone.n_iter_
        np.testing.assert_allclose(runs.weights_["W1"][k], alone.weights_["W1"], rtol=1e-9, atol=1e-12)
        assert np.isnan(runs.loss_curves_[k, alone.n_iter_ :]).all()
    assert len(set(runs.n_iter_)) > 2


def test_the_same_order_for_all(net, data):
    runs = net.fit_many(*data, seeds=[3, 4, 5, 6], solver="adam", same_order=True, max_iter=2, dtype="float64")
    own = net.fit_many(*data, seeds=[3, 4, 5, 6], solver="adam", max_iter=2, dtype="float64")
    np.testing.assert_allclose(runs.weights_["W1"][0], own.weights_["W1"][0], rtol=1e-12)
    assert not np.allclose(runs.weights_["W1"][1], own.weights_["W1"][1], rtol=1e-6)


def test_parameters_go_together_as_in_numpy(net):
    values = net.spread({"random_state": np.arange(3)[:, None], "momentum": [0.5, 0.9], "solver": "momentum"})
    assert values["random_state"].tolist() == [0, 0, 1, 1, 2, 2]
    assert values["momentum"].tolist() == [0.5, 0.9] * 3
    assert values["solver"].tolist() == ["momentum"] * 6


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"seeds": [1, 2], "momentum": [0.1, 0.2, 0.3]}, "shapes of parameters do not go together"),
        ({"seeds": []}, "there is no network to train"),
        ({"rate": 0.1}, "no parameter 'rate'"),
        ({"verbose": True}, "fit_many has no verbose"),
        ({"learning_rate_init": [0.1, -1]}, "must not be negative"),
        ({"dtype": ["float32", "float64"]}, "dtype must be the same"),
        ({"constants": {"decoy": 1}}, "no constant decoy to change, only decay"),
        ({"constants": 3}, "constants must be a dict"),
        ({"n_jobs": 0}, "n_jobs must be a whole number above 0"),
    ],
)
def test_what_is_refused(net, data, parameters, error):
    with pytest.raises((TypeError, ValueError), match=error):
        net.fit_many(*data, **parameters)


def test_a_trainer_has_one_value_for_a_constant(net, data):
    with pytest.raises(ValueError, match="decay has the shape"):
        net.Trainer(constants={"decay": [0.1, 0.2]}).fit(*data)


def test_networks_that_lanes_are_not_for(tmp_path, monkeypatch):
    """Each by a trainer of its own, with the same interface; here without compilation."""
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert plan(PLAIN) is None
    module = trainer_of(PLAIN, tmp_path, "plain_trainer")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 2)), rng.normal(size=6)
    rates = [0.1, 1e300, 0.05]
    runs = module.fit_many(X, y, seeds=[1, 2, 3], learning_rate_init=rates, max_iter=2, batch_size=4)
    alone = module.Trainer(random_state=3, learning_rate_init=0.05, max_iter=2, batch_size=4).fit(X, y)
    assert runs.diverged_.tolist() == [False, True, False]
    np.testing.assert_array_equal(runs.trainer(2).weights_["W1"], alone.weights_["W1"])
    assert runs.predict(X).shape == (3, 6)


def test_nobody_reads_another_lane():
    found = plan(SPEC)
    over_lanes = [n for n in walk(found.nodes) if isinstance(n, Loop) and n.index is SAMPLE]
    assert over_lanes
    assert not any(isinstance(inner, Loop) for loop in over_lanes for inner in loop.body)


def test_a_function_without_data(tmp_path, monkeypatch):
    """Minimised from two starts; the kernel as plain Python, lanes and all."""
    module = trainer_of("weight x\nloss f = (x - 2)^2 + x^4", tmp_path, "function_trainer")
    without_instructions(module)
    monkeypatch.setattr(module, "local", lambda like, *shape: np.full(shape, np.nan, like.dtype))
    monkeypatch.setattr(module, "part", part)
    theta, gradient, losses = np.linspace(-1, 1, LANES)[None], np.full((1, LANES), np.nan), np.zeros(LANES)
    kernel(module, "networks")(LANES, np.zeros((1, 1), int), 0, 1, theta, (), (), gradient, losses)
    np.testing.assert_allclose(losses, (theta[0] - 2) ** 2 + theta[0] ** 4)
    np.testing.assert_allclose(gradient, 2 * (theta - 2) + 4 * theta**3)


def test_a_module_runs_where_nothing_can_be_cached(tmp_path, monkeypatch, data):
    """As in a folder that cannot be written to, with a home that cannot either."""
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    module = trainer_of("weight x\nloss f = (x - 2)^2", tmp_path, "uncached_trainer")
    assert module.COMPILE["cache"] is False
    assert module.Trainer(learning_rate_init=0.1, max_iter=60).fit().weights_["x"] == pytest.approx(2, abs=1e-3)
    del sys.modules["uncached_trainer"]
