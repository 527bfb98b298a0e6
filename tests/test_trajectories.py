"""Every schedule follows the trajectory of the interpreter of the equations, on all examples and on random networks.

Batches of one sample, with a last one that is smaller, and larger than all data. ``.ci/run`` runs this file a second
time with ``NUMBA_BOUNDSCHECK=1``, so that an index outside its array is an error and not a wrong number.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from oracles import EXAMPLES, Data, derived, draw, example, feed_forward, network_of, sweep_of, trainer_of

from codegen.trainer.plans import plans

SAMPLES, EPOCHS, RATE = 5, 2, 0.05
#: So many layers that those that are alike share functions, in every schedule.
DEEP = "input x[3]\n" + "".join(f"h{n}[3] = tanh(dense({f'h{n - 1}' if n else 'x'}))\n" for n in range(7))
DEEP += "p[2] = softmax(dense(h6))\ntarget t[2]\nloss L = cross_entropy(t, p)\n"


def module_of(spec: str, folder: Path) -> ModuleType:
    return trainer_of(spec, folder, f"net{len(list(folder.iterdir()))}_trainer")


def samples_of(spec: str) -> list[Data]:
    """Random data; where a target is 0 or 1, both occur."""
    network = network_of(spec)
    samples = [draw(network, seed) for seed in range(SAMPLES)]
    for fact in network.facts:
        if not fact.reduce:
            for n, sample in enumerate(samples):
                sample[fact.tensor] = np.full_like(sample[fact.tensor], n % 2)
    return samples


def descent(spec: str, weights: Data, samples: list[Data], batch_size: int) -> tuple[list[float], Data]:
    """Losses of the epochs and last weights by plain descent, derivatives by the interpreter of the equations."""
    mean, losses = network_of(spec).batch == "mean", []
    for _ in range(EPOCHS):
        total = 0.0
        for start in range(0, len(samples), batch_size):
            found = [derived(spec, sample | weights) for sample in samples[start : start + batch_size]]
            total += sum(loss for loss, _ in found)
            step = RATE / len(found) if mean else RATE
            weights = {name: w - step * sum(slopes[name] for _, slopes in found) for name, w in weights.items()}
        losses.append(total / len(samples) if mean else total)
    return losses, weights


def stacked(spec: str, samples: list[Data]) -> list[Any]:
    """X and y, where the network has any, as a trainer takes them."""
    columns = []
    for role in ("input", "target"):
        arrays = {t.name: np.stack([s[t.name] for s in samples]) for t in network_of(spec).of_role(role)}
        columns += [next(iter(arrays.values())) if len(arrays) == 1 else arrays] * bool(arrays)
    return columns


def trained(module: ModuleType, spec: str, samples: list[Data], batch_size: int, **changed: Any) -> Any:
    """A trainer after the epochs."""
    settings = {"max_iter": EPOCHS, "learning_rate_init": RATE, **changed}
    return module.Trainer("sgd", batch_size=batch_size, shuffle=False, dtype="float64", **settings).fit(
        *stacked(spec, samples)
    )


def first_weights(module: ModuleType, seed: int = 0) -> Data:
    return module.unpacked(module.initial(seed, np.dtype(float)))


def same(losses: Any, weights: Data, expected: tuple[list[float], Data]) -> None:
    np.testing.assert_allclose(losses, expected[0], rtol=1e-11, atol=1e-13)
    for name, w in expected[1].items():
        np.testing.assert_allclose(weights[name], w, rtol=1e-10, atol=1e-12, err_msg=name)


def uncoupled(name: str) -> bool:
    return not network_of(example(name)).coupling  # the others are in test_batch_norm


@pytest.mark.parametrize("name", [*(name for name in EXAMPLES if uncoupled(name)), "deep"])
def test_every_schedule_follows_the_equations(name, tmp_path):
    spec = DEEP if name == "deep" else example(name)
    module, samples, found = module_of(spec, tmp_path), samples_of(spec), plans(network_of(spec), sweep_of(spec))
    first, mean = first_weights(module), network_of(spec).batch == "mean"
    for batch_size in [1] * bool(found.sequence) + [2] + [4, 9] * bool(found.lanes):
        trainer = trained(module, spec, samples, batch_size)
        same(trainer.loss_curve_, trainer.weights_, descent(spec, first, samples, batch_size))
        if batch_size == 1 and module.ZERO_OR_ONE:
            continue  # one sample has one label, of which fit expects two
        batch = samples[:batch_size]  # the one update with a rate of 1 is the gradient
        trainer = trained(module, spec, batch, batch_size, max_iter=1, learning_rate_init=1.0)
        slopes = [derived(spec, sample | first)[1] for sample in batch]
        for weight, start in first.items():
            expected = sum(s[weight] for s in slopes) / (len(batch) if mean else 1)
            np.testing.assert_allclose(start - trainer.weights_[weight], expected, rtol=1e-12, atol=1e-14)
    if found.networks:
        settings = {"shuffle": False, "dtype": "float64", "max_iter": EPOCHS, "learning_rate_init": RATE}
        runs = module.fit_many(*stacked(spec, samples), seeds=range(9), solver="sgd", batch_size=2, **settings)
        weights = {n: w[7] for n, w in runs.weights_.items()}
        same(runs.loss_curves_[7], weights, descent(spec, first_weights(module, 7), samples, 2))


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=feed_forward(), batch_size=st.sampled_from([1, 2, 3, 4, 5, 30]))
def test_any_network_follows_its_equations(spec, batch_size, tmp_path):
    samples, module = samples_of(spec), module_of(spec, tmp_path)
    expected = descent(spec, first_weights(module), samples, batch_size)
    assume(np.isfinite(expected[0]).all())
    trainer = trained(module, spec, samples, batch_size)
    same(trainer.loss_curve_, trainer.weights_, expected)
