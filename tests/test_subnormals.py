"""Training counts numbers too small to be normal ones as zero; nothing else does."""

from __future__ import annotations

import platform
from types import ModuleType

import numpy as np
import pytest
from oracles import trainer_of

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="a control word of x86")

SPEC = "input x\nweight w\ny = w * x\ntarget t\nloss L = (y - t)^2\ninit w = 0.7\noptimizer momentum"
STEPS = 1500  # 0.9^1500 is 1e-69


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return trainer_of(SPEC, tmp_path_factory.mktemp("subnormals"))


def product() -> float:
    """Subnormal where this thread computes as IEEE 754 has it."""
    return float(np.float32(1e-20) * np.float32(1e-20))


def test_momentum_without_a_gradient_dies_out():
    """The premise: in ordinary arithmetic it stays at the smallest numbers that there are."""
    velocity = np.float32(1e-3)
    for _ in range(STEPS):
        velocity *= np.float32(0.9)
    assert 0 < velocity < np.finfo(np.float32).tiny


def test_states_that_decay_become_zero(net):
    """The kernels of every schedule run in this mode; afterwards the thread computes as before."""
    trainer = net.Trainer(batch_size=4).partial_fit(np.ones((8, 1)), np.zeros(8))
    assert trainer._states.any()
    trainer.partial_fit(np.zeros((STEPS * 4, 1)), np.zeros(STEPS * 4))
    assert not trainer._states.any()
    assert product() > 0


def test_many_networks(net):
    """A network in each lane, in threads of their own."""
    X = np.repeat([1.0, 0.0], [1, STEPS])[:, None]
    runs = net.fit_many(X, X[:, 0], seeds=range(8), batch_size=1, max_iter=1, shuffle=False)
    assert (runs.weights_["w"] != np.float32(0.7)).all()
    assert not any(runs.trainer(k)._states.any() for k in range(8))


def test_the_mode_ends_with_an_error_too(net):
    with pytest.raises(net.Diverged):
        net.Trainer(learning_rate_init=1e30, batch_size=4, max_iter=9).fit(np.ones((8, 1)), np.zeros(8))
    assert product() > 0


def test_predictions_and_functions_keep_small_numbers(net):
    trainer = net.Trainer(batch_size=4, max_iter=1).fit(np.ones((8, 1)), np.ones(8))
    assert 0 < trainer.predict(np.full((1, 1), 1e-40, np.float32))[0] < 1e-39
