"""Samples in lanes: the kernel for a block of samples has the gradients of the equations, and trains the same way."""

from __future__ import annotations

import inspect
import itertools
import re
from types import ModuleType, SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from networks import agree, automatic, networks
from oracles import derived, draw, feed_forward, network_of, sweep_of, trainer_of, without_instructions

from codegen.arithmetic.select import scatter
from codegen.arithmetic.stable import stable_program
from codegen.resources import template
from codegen.trainer.lanes import LANES, Lanes, lanes
from codegen.trainer.nodes import SAMPLE, Contraction, Loop, walk
from codegen.trainer.samples import explicit

DENSE = "input x[3]\nh[4] = tanh(dense(x))\np[2] = softmax(dense(h))\ntarget t[2]\nloss L = cross_entropy(t, p)"


def plan(spec: str) -> Lanes | None:
    network = network_of(spec)
    return lanes(explicit(scatter(stable_program(network, sweep_of(spec))), network), network.loss)


def block(module: ModuleType, samples: list[dict[str, Any]]) -> tuple[float, dict[str, Any]]:
    """Loss and gradient, summed over the samples, by the statements of the kernel as plain Python.

    Its arrays hold NaN before they are written, so that whatever is read too soon, and every lane without a sample that
    has a part in a sum, shows.  The gradient is added to another one, as that of a second block is.
    """
    without_instructions(module)
    module.local = plain_local  # type: ignore[attr-defined]
    module.into_lanes = plain_into_lanes  # type: ignore[attr-defined]
    for name, made in re.findall(r"^(contract_\d+) = (contraction\(.*\))$", inspect.getsource(module), re.MULTILINE):
        setattr(module, name, eval(made, {"contraction": plain_contraction}))
    kernel = next(f for name, f in vars(module).items() if name.startswith("block_")).py_func
    rng = np.random.default_rng(0)
    order = rng.permutation(len(samples))
    data = [
        np.array([s[n] for s in samples], float).reshape(len(samples), -1) for n in (*module.INPUTS, *module.TARGETS)
    ]
    parts = [samples[0][name].reshape(shape or (1,)) for name, shape in module.WEIGHTS.items()]
    before = [rng.normal(size=part.shape) for part in parts]
    gradients = [part.copy() for part in before]
    constants = module.constants_as(np.dtype(float))
    with np.errstate(all="ignore"):
        loss = kernel((LANES,), order, 0, len(samples), tuple(parts), tuple(data), constants, tuple(gradients))
    found = zip(module.WEIGHTS.items(), gradients, before, strict=True)
    return float(loss), {name: (after - start).reshape(shape) for (name, shape), after, start in found}


def plain_local(like, *shape):
    """An array that holds NaN, or numbers that are none of a sample."""
    return np.full([np.sum(n) for n in shape], np.nan if like.dtype.kind == "f" else -(10**6), like.dtype)


def plain_into_lanes(lanes, target, source, rows, size):
    """The function ``into_lanes``, as it is described."""
    target.reshape(size, sum(lanes))[:] = source[rows, :size].T


def plain_contraction(rows, columns, over, in_lanes, add):
    """The function that ``contraction`` makes, as it is described: sums term by term."""

    def contract(lanes, out, o, left, a, right, b, present):
        outs = out.reshape((-1, sum(lanes)) if in_lanes[0] else -1)
        lefts, rights = left.reshape((-1, sum(lanes)) if in_lanes[1] else -1), right.reshape((-1, sum(lanes)))
        for r, c in itertools.product(range(rows[0]), range(columns[0])):
            total = 0
            for k in itertools.product(*(range(extent) for extent, _, _ in over)):
                i = a + r * rows[2] + sum(n * step for n, (_, step, _) in zip(k, over, strict=True))
                j = b + c * columns[2] + sum(n * step for n, (_, _, step) in zip(k, over, strict=True))
                total = total + lefts[i] * rights[j]
            place = o + r * rows[1] + c * columns[1]
            total = total if in_lanes[0] else (total * present).sum()
            outs[place] = outs[place] + total if add else total

    return contract


def summed(parts: list[tuple[float, dict[str, Any]]]) -> tuple[float, dict[str, Any]]:
    return sum(loss for loss, _ in parts), {w: sum(slopes[w] for _, slopes in parts) for w in parts[0][1]}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=feed_forward(), count=st.integers(1, 3), seed=st.integers(0, 999))
def test_a_block_has_the_gradient_that_the_equations_have(spec, count, seed, tmp_path):
    """To rounding, against the interpreter of the equations in high precision."""
    samples = [draw(network_of(spec), seed + n) for n in range(count)]
    weights = {w.name: samples[0][w.name] for w in network_of(spec).weights}
    samples = [sample | weights for sample in samples]
    expected = summed([derived(spec, sample) for sample in samples])
    largest = max(np.abs(slope).max() for slope in expected[1].values())
    assume(np.isfinite(largest))
    loss, slopes = block(trainer_of(spec, tmp_path), samples)
    assert loss == pytest.approx(expected[0], rel=1e-12, abs=1e-12)
    for name, slope in expected[1].items():
        np.testing.assert_allclose(slopes[name], slope, rtol=1e-12, atol=1e-12 * max(largest, 1))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=networks(4, coupled=False), count=st.integers(1, LANES))
def test_a_block_of_any_network_agrees_with_automatic_differentiation(made, count, tmp_path):
    """Convolutions, joins, products, reductions; what lanes are not legal for is passed over."""
    assume(plan(made.spec) is not None)
    factors = [1 - n / 32 for n in range(count)]
    samples = [
        {name: f * v if made.data[name].holds == "x" else v for name, v in made.samples[0].items()} for f in factors
    ]
    expected = summed([automatic(made, (sample,)) for sample in samples])
    agree(block(trainer_of(made.spec, tmp_path), [sample | made.weights for sample in samples]), expected)


@pytest.mark.parametrize(("batch", "samples"), [(16, 48), (7, 23), (40, 100), (64, 20)])
def test_training_in_lanes_is_training(import_once, batch, samples):
    """Full blocks, ragged ones, several to a minibatch, a minibatch larger than the data: as with whole rows."""
    module = import_once
    rng = np.random.default_rng(batch)
    X, y = rng.normal(size=(samples, 3)), rng.integers(0, 2, samples)
    found = []
    for jit_is_off in (False, True):  # a trainer that believes so takes whole rows
        module.config = SimpleNamespace(DISABLE_JIT=jit_is_off)
        trainer = module.Trainer("momentum", 0.2, batch_size=batch, max_iter=5, random_state=3, dtype="float64")
        found.append(trainer.fit(X, y))
    train = next(f for name, f in vars(module).items() if name.startswith("train_"))
    assert len(train.signatures) == 2, "both were compiled"
    np.testing.assert_allclose(found[0].loss_curve_, found[1].loss_curve_, rtol=1e-11)
    for name, weight in found[0].weights_.items():
        np.testing.assert_allclose(weight, found[1].weights_[name], rtol=1e-10, atol=1e-13)


@pytest.fixture(scope="module")
def import_once(tmp_path_factory):
    return trainer_of(DENSE, tmp_path_factory.mktemp("lanes"))


def test_the_lanes_are_the_innermost_loop():
    found = plan(DENSE)
    over_samples = [n for n in walk(found.nodes) if isinstance(n, Loop) and n.index is SAMPLE]
    assert over_samples
    assert not any(isinstance(inner, Loop) for loop in over_samples for inner in loop.body)


@pytest.mark.parametrize(
    "spec",
    [
        "input x[3]\nh[4] = dropout(tanh(dense(x)), 0.5)\ny = dense(h)\ntarget t\nloss L = (y - t)^2",  # the mask
        "input x[400]\nh[400] = tanh(dense(x))\ny = dense(h)\ntarget t\nloss L = (y - t)^2",  # the work
        "weight x, y\nloss f = (x + y)^2",  # no samples
    ],
)
def test_what_keeps_the_other_schedule(spec):
    assert plan(spec) is None


CONVOLUTION = """
    input x[20]
    weight K[3, 4], c[3], M[3, 3, 4]
    h[o,i] = tanh(sum(u: K[o,u] * x[2*i+u-2]) + c[o])
    g[o,i] = tanh(sum(m, u: M[o,m,u] * h[m,i+u-1]))
    p[3] = softmax(dense(g))
    target t[3]
    loss L = cross_entropy(t, p)
"""
RECURRENCE = """
    input x[4, 3]
    h[t, 9] = tanh(dense(x[t]) + linear(h[t-1]) + linear(h[t-2]))
    y[3] = linear(h[4])
    target r[3]
    loss L = squared_error(y, r)
"""


@pytest.mark.parametrize("spec", [CONVOLUTION, RECURRENCE])
def test_convolutions_and_recurrences_are_contractions(spec, tmp_path):
    """With the gradients of the interpreter; compiled, they train as whole rows do."""
    assert sum(isinstance(n, Contraction) for n in walk(plan(spec).nodes)) >= 4
    weights = {w.name: draw(network_of(spec))[w.name] for w in network_of(spec).weights}
    samples = [draw(network_of(spec), n) | weights for n in range(3)]
    expected, module = summed([derived(spec, sample) for sample in samples]), trainer_of(spec, tmp_path)
    if spec is RECURRENCE:  # one is enough to compile
        X, y = module.random_data(np.random.default_rng(0), 60)
        module.REGISTERS = 2
        assert [len(module.lanes_of(batch)) for batch in (60, 14)] == [2, 1]
        found = []
        for jit_is_off in (False, True):  # a trainer that believes so takes whole rows
            module.config = SimpleNamespace(DISABLE_JIT=jit_is_off)
            found.append(module.Trainer("sgd", 0.1, batch_size=60, max_iter=3, dtype="float64").fit(X, y))
        for name, weight in found[0].weights_.items():
            np.testing.assert_allclose(weight, found[1].weights_[name], rtol=1e-11, atol=1e-13)
    _, slopes = block(module, samples)
    for name, slope in expected[1].items():
        np.testing.assert_allclose(slopes[name], slope, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("rows", "columns", "over", "in_lanes", "add", "registers"),
    [
        ((10, 7, 3), (5, 1, 2), ((4, 30, 11), (3, 1, 1)), (True, False), False, 2),  # a layer forwards
        ((10, 7, 3), (7, 1, 2), ((4, 30, 11),), (True, True), True, 1),
        ((10, 7, 3), (7, 1, 2), ((4, 30, 11),), (False, True), True, 2),  # a derivative for weights that serve often
        ((9, 37, 1), (37, 1, 1), (), (False, True), True, 2),  # for weights that serve once
        ((7, 3, 1), (3, 1, 1), (), (False, True), True, 2),  # to results that lie side by side
    ],
)
def test_compiled_contractions_are_what_they_are_described_as(rows, columns, over, in_lanes, add, registers):
    scope: dict[str, Any] = {}
    exec(template("trainer/lanes.py").read_text(encoding="utf-8"), scope)
    made = scope["contraction"](rows, columns, over, in_lanes, add)
    rng, lanes = np.random.default_rng(0), (LANES,) * registers
    out, left = (rng.normal(size=(400, LANES * registers) if with_lanes else 400) for with_lanes in in_lanes)
    right, present = rng.normal(size=(400, LANES * registers)), rng.integers(0, 2, LANES * registers).astype(float)
    compiled = numba.njit(lambda lanes, out, left, right, present: made(lanes, out, 2, left, 1, right, 3, present))
    expected, found = out.copy(), out.copy()
    plain_contraction(rows, columns, over, in_lanes, add)(lanes, expected, 2, left, 1, right, 3, present)
    compiled(lanes, found, left, right, present)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("size", "registers"), [(16 + 16 + 8 + 4 + 2 + 1, 2), (2, 1)])
def test_samples_come_into_lanes(size, registers):
    scope: dict[str, Any] = {}
    exec(template("trainer/lanes.py").read_text(encoding="utf-8"), scope)
    rng, lanes, into_lanes = np.random.default_rng(0), (LANES,) * registers, scope["into_lanes"]
    source, rows = rng.normal(size=(50, size)), rng.integers(0, 50, LANES * registers)
    found = np.zeros((size, LANES * registers))
    numba.njit(lambda lanes, target, source, rows: into_lanes(lanes, target, source, rows, size))(
        lanes, found, source, rows
    )
    np.testing.assert_array_equal(found, source[rows].T)


def test_quantities_may_be_called_as_the_loops_and_arguments_are(tmp_path):
    spec = "input i[2], n\nk[2] = tanh(dense(i))\nlanes = sum(k) * n\ntarget width\nloss order = (lanes - width)^2"
    sample = draw(network_of(spec))
    (loss, slopes), expected = block(trainer_of(spec, tmp_path), [sample]), derived(spec, sample)
    assert loss == pytest.approx(expected[0], rel=1e-12)
    for name, slope in expected[1].items():
        np.testing.assert_allclose(slopes[name], slope, rtol=1e-12, atol=1e-14)
