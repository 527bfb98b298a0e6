"""One sample after the other: the kernel descends along the gradients of the equations, with every solver."""

from __future__ import annotations

import re
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from networks import agree, automatic, networks
from oracles import derived, draw, feed_forward, network_of, part_of, sweep_of, trainer_of, without_instructions

from codegen.trainer.identifiers import KERNEL_WORDS
from codegen.trainer.nodes import Assign, Loop, Reduce, walk
from codegen.trainer.plans import plans
from codegen.trainer.sequence import Sequence, Updated
from derive.expressions import Access

DENSE = "input x[3]\nh[6] = tanh(dense(x))\np[2] = softmax(dense(h))\ntarget t[2]\nloss L = cross_entropy(t, p)"
PENALTY = """
input x[5]
h[4] = tanh(dense(x))
y = dense(h)
target t
loss L = (y - t)^2 + 0.1 * sum(W1^2) * sum(W2^2)
"""


def plan(spec: str) -> Sequence | None:
    return plans(network_of(spec), sweep_of(spec)).sequence


def plain(module: ModuleType) -> Any:
    """The kernel as plain Python; its arrays hold NaN before they are written, so that what is read too soon shows."""
    without_instructions(module)
    module.local = lambda like, *shape: np.full(shape, np.nan, like.dtype)  # type: ignore[attr-defined]
    for name, function in list(vars(module).items()):
        if name == "updated" or name.startswith(("prepare_", "step_", "schedule_")):
            setattr(module, name, getattr(function, "py_func", function))
    return next(f for name, f in vars(module).items() if name.startswith("sequence_")).py_func


def columns(module: ModuleType, samples: list[dict[str, Any]]) -> tuple[Any, ...]:
    names = (*module.INPUTS, *module.TARGETS)
    return tuple(np.array([s[n] for s in samples], float).reshape(len(samples), -1) for n in names)


def chosen(module: ModuleType, solver: str, numbers: Any) -> tuple[Any, ...]:
    return tuple(numbers if name == solver else None for name in module.SOLVERS)


def descent(module: ModuleType, sample: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Loss and gradient from one update by plain descent at the rate 1."""
    kernel = plain(module)
    theta = np.concatenate([sample[name].reshape(-1) for name in module.WEIGHTS])
    before, constants = theta.copy(), module.constants_as(np.dtype(float))
    given_settings = chosen(module, "sgd", np.array([]))
    with np.errstate(all="ignore"):
        kept = np.empty((0, theta.size))
        arguments = (theta, kept, columns(module, [sample]), constants, 0.0, 1.0, given_settings)
        loss = kernel(module.ALL_BITS, np.array([0]), *arguments)
    return float(loss), module.unpacked(before - theta)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=feed_forward(), seed=st.integers(0, 999))
def test_an_update_follows_the_gradient_that_the_equations_have(spec, seed, tmp_path):
    """To rounding, against the interpreter of the equations in high precision."""
    sample = draw(network_of(spec), seed)
    expected = derived(spec, sample)
    largest = max(1.0, *(np.abs(slope).max() for slope in expected[1].values()))
    assume(np.isfinite(largest))
    loss, slopes = descent(trainer_of(spec, tmp_path), sample)
    assert loss == pytest.approx(expected[0], rel=1e-12, abs=1e-12)
    for name, slope in expected[1].items():  # the weights that the gradient is taken from have rounding errors as well
        np.testing.assert_allclose(slopes[name], slope, rtol=1e-12, atol=1e-12 * largest)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=networks(4, coupled=False))
def test_an_update_of_any_network_agrees_with_automatic_differentiation(made, tmp_path):
    assume(plan(made.spec) is not None)
    agree(descent(trainer_of(made.spec, tmp_path), made.numbers), automatic(made, made.basis))


@pytest.mark.parametrize("spec", [DENSE, PENALTY])
def test_every_solver_moves_the_weights_as_its_loop_over_all_weights_does(spec, tmp_path):
    """Four updates, the solver's state taken up and handed back after two."""
    module, network = trainer_of(spec, tmp_path), network_of(spec)
    kernel, constants = plain(module), module.constants_as(np.dtype(float))
    samples = [draw(network, seed) for seed in range(4)]
    data = columns(module, samples)
    start = np.concatenate([samples[0][name].reshape(-1) for name in module.WEIGHTS])
    for solver, numbers in module.SOLVERS.items():
        rate, *rest = numbers.values()
        theta, states = start.copy(), np.zeros((module.STATES[solver], start.size))
        for k in (0.0, 2.0):
            places = np.array([int(k), int(k) + 1])
            given_settings = chosen(module, solver, np.array(rest))
            kernel(module.ALL_BITS, places, theta, states, data, constants, k, rate, given_settings)
        expected, kept = start.copy(), np.zeros_like(states)
        step = part_of(module, f"step_{solver}")
        for k, sample in enumerate(samples, 1):
            _, slopes = derived(spec, sample | module.unpacked(expected))
            gradient = np.concatenate([slopes[name].reshape(-1) for name in module.WEIGHTS])
            step(expected, gradient, 1.0, float(k), rate, np.array(rest), kept)
        np.testing.assert_allclose(theta, expected, rtol=1e-9, atol=1e-12, err_msg=solver)
        np.testing.assert_allclose(states, kept, rtol=1e-9, atol=1e-12, err_msg=solver)


def test_training_one_by_one_is_training(tmp_path):
    """Compiled: the same losses and weights as with whole rows of one sample."""
    module = trainer_of(DENSE, tmp_path)
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(21, 3)), rng.integers(0, 2, 21)
    found = []
    for jit_is_off in (False, True):  # a trainer that believes so takes whole rows
        module.config = SimpleNamespace(DISABLE_JIT=jit_is_off)
        trainer = module.Trainer("momentum", 0.05, batch_size=1, max_iter=4, random_state=3, dtype="float64")
        found.append(trainer.fit(X, y))
    kernels = {name.partition("_")[0]: f for name, f in vars(module).items() if hasattr(f, "signatures")}
    assert kernels["sequence"].signatures, "both were compiled"
    assert kernels["backward"].signatures
    np.testing.assert_allclose(found[0].loss_curve_, found[1].loss_curve_, rtol=1e-11)
    for name, weight in found[0].weights_.items():
        np.testing.assert_allclose(weight, found[1].weights_[name], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("index", ["k", "updates", "slot", "kept"])
def test_an_index_has_any_name(index, tmp_path):
    """Adam counts updates; no loop of the equations may count them anew."""
    found = []
    for name in ("m", index):
        spec = f"""
            weight W[2, 3]
            input x[3]
            h[j] = tanh(sum({name}: W[j, {name}] * x[{name}]))
            target t[2]
            loss L = sum(j: (h[j] - t[j])^2)
        """
        module = trainer_of(spec, tmp_path, f"with_{name}_trainer")
        X, y = module.random_data(np.random.default_rng(0), 20)
        trainer = module.Trainer(batch_size=1, solver="adam", max_iter=3, n_iter_no_change=4)
        found.append(trainer.fit(X, y).weights_["W"])
    np.testing.assert_array_equal(*found)


def test_what_kernels_call_their_own_no_specification_can_name(tmp_path):
    """Parameters and counters: what is left are quantities of this network, loop variables and temporaries."""
    spec = """
        weight my_w[6, 3]
        input my_x[3]
        my_h[i] = tanh(sum(j: my_w[i, j] * my_x[j]))
        weight my_v[2, 6]
        my_p[2] = softmax(my_v @ my_h)
        target my_t[2]
        loss my_loss = cross_entropy(my_t, my_p) + 0.1 * sum(my_w^2)
    """
    module = trainer_of(spec, tmp_path)
    handed_out = re.compile(
        r"\w*my_\w+|[ijn]|[iv]\d+|z\d*|d_z\d*|(\w*sum_?d?|total|largest)\d+|place|rows|present|total_loss"
    )
    found = set()
    for name, function in vars(module).items():
        part = name.rpartition("_")[0]
        if part in ("forward", "losses", "backward", "block", "sequence", "networks"):
            found.add(part)
            words = set(function.py_func.__code__.co_varnames) - KERNEL_WORDS
            assert not [word for word in words if not handed_out.fullmatch(word)], name
    assert len(found) == 6


def test_the_units_of_a_layer_lie_side_by_side_and_derivatives_stay_in_scalars():
    found = plan(DENSE)
    assert found.layouts["W1"] == (1, 0)  # six units, three inputs
    assert found.layouts["W2"] == (0, 1)
    assert {"∂W1", "∂W2", "∂b1", "∂b2"} <= found.scalars
    wide = [n for n in walk(found.nodes) if isinstance(n, Loop) and n.wide]
    assert wide
    assert all(isinstance(inner, Assign | Reduce) for loop in wide for inner in loop.body)


def test_no_derivative_is_computed_from_a_weight_that_is_updated_already():
    """Unless it is the element's own: that of w1² w2 for w2 needs w1."""
    spec = "input x\nweight w1, w2\ntarget t\nloss L = (w1*w1*w2*x - t)^2 + w1*w2"
    done: set[str] = set()
    for node in plan(spec).nodes:
        assert isinstance(node, Assign)
        if isinstance(node.value, Updated):
            done.add(node.target.tensor)
        else:
            assert not done & {a.tensor for a in node.value.atoms(Access)}
    assert done == {"w1", "w2"}


@pytest.mark.parametrize(
    "spec",
    [
        "input u[5]\nweight w\ns[t] = tanh(w*s[t-1] + u[t])\ntarget r\nloss L = (s[5] - r)^2",  # the recurrence
        "input x[3]\nh[4] = dropout(tanh(dense(x)), 0.5)\ny = dense(h)\ntarget t\nloss L = (y - t)^2",  # the mask
        "input x[99]\nh[64] = tanh(dense(x))\ny = dense(h)\ntarget t\nloss L = (y - t)^2",  # the work
        "weight x, y\nloss f = (x + y)^2",  # no samples
    ],
)
def test_what_keeps_the_other_schedule(spec):
    assert plan(spec) is None
