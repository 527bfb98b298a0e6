"""The worked numbers, against arithmetic by hand in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import CASES, automatic, draw, example, network_of, sweep_of

from derive.evaluate import nested
from derive.expressions import Access
from derive.gradient import adjoint_name
from derive.network import Network
from derive.numbers import WorkedNumbers, at, work


def worked(spec: str) -> tuple[Network, WorkedNumbers]:
    network = network_of(spec)
    numbers = work(network, sweep_of(spec))
    assert numbers is not None
    return network, numbers


def arrays(network: Network, values: Any) -> dict[str, np.ndarray]:
    """All tensors with a name as NumPy arrays."""
    named = {name: t for name, t in network.tensors.items() if name in values}
    return {name: np.array(nested(values[name], t)) for name, t in named.items()}


def same(found: Any, expected: Any, digits: int = 15) -> None:
    np.testing.assert_allclose(
        np.asarray(found, float), np.asarray(expected, float), rtol=10.0**-digits, atol=10.0**-digits
    )


# The networks of the documents --------------------------------------------------------------------------------


def test_two_two_one_by_hand() -> None:
    """Document 002, without its slips: all updates from the old weights, the outer product in the first layer."""
    network, numbers = worked(example("two_two_one"))
    i, first, second = np.array([2.0, 3.0]), np.array([[0.34, 0.13], [0.05, 0.07]]), np.array([0.20, 0.01])
    h = first @ i
    delta = second @ h - 1
    sample = arrays(network, numbers.samples[0])
    same(sample["h"], [1.07, 0.31])
    same(sample["h"], h)
    same(sample["prediction"], 0.2171)
    same(sample["Error"], 0.306466205)
    same(numbers.loss, delta**2 / 2)
    same(at(numbers.samples[0], Access("∂prediction")), -0.7829)

    gradient = arrays(network, numbers.gradient)
    same(gradient["W2"], [[-0.837703, -0.242699]])
    same(gradient["W1"], [[-0.31316, -0.46974], [-0.015658, -0.023487]])
    same(gradient["W2"][0], delta * h)
    same(gradient["W1"], delta * np.outer(second, i))

    updated = arrays(network, numbers.updated)
    new_first, new_second = first - 0.05 * delta * np.outer(second, i), second - 0.05 * delta * h
    same(updated["W1"], new_first)
    same(updated["W2"][0], new_second)
    same(updated["W1"], [[0.355658, 0.153487], [0.0507829, 0.07117435]])
    same(updated["W2"][0], [0.24188515, 0.02213495])

    after = (new_second @ (new_first @ i) - 1) ** 2 / 2
    same(numbers.loss_after, after)
    assert str(numbers.loss_after).startswith("0.2517590327")
    assert float(numbers.loss_after) != pytest.approx(0.2535, abs=1e-3), "the document's own slip"
    same(arrays(network, numbers.after[0])["h"], new_first @ i)


def test_relu_two_two_by_hand() -> None:
    """Document 001 with the right arithmetic: 0.9 − 0.3 and −0.75 + 0.1."""
    network, numbers = worked(example("relu_two_two"))
    sample = arrays(network, numbers.samples[0])
    same(sample["z1"], [0.6, -0.65])
    same(sample["y"], [0.6, 0.0])
    same(numbers.loss, 0.16)
    gradient = arrays(network, numbers.gradient)
    same(gradient["W1"], [[-0.4, 0.8], [0.0, 0.0]])
    same(gradient["b1"], [-0.8, 0.0])
    updated = arrays(network, numbers.updated)
    same(updated["W1"], [[0.24, -0.88], [-0.7, 0.4]])
    same(updated["b1"], [-0.22, 0.1])
    same(numbers.loss_after, (0.24 * 0.5 + 0.88 - 0.22 - 1) ** 2)


def test_gradient_descent_by_hand() -> None:
    """Document 000: a positive slope makes its weight smaller, a negative one larger."""
    network, numbers = worked(example("gradient_descent"))
    assert {k: float(v) for k, v in arrays(network, numbers.gradient).items()} == {"W1": 2.0, "W2": -3.0}
    same(numbers.loss, 0.5 * 2 - 0.5 * 3)
    same(arrays(network, numbers.updated)["W1"], 0.5 - 0.1 * 2)
    same(arrays(network, numbers.updated)["W2"], 0.5 + 0.1 * 3)
    same(numbers.loss_after, 0.3 * 2 - 0.8 * 3)


def test_numbers_are_exact_and_not_rounded_on_the_way() -> None:
    _, numbers = worked(example("two_two_one"))
    assert abs(numbers.loss * 10**9 - 306466205) < 1e-35
    assert abs(at(numbers.updated, Access("W2", 1, 2)) * 10**8 - 2213495) < 1e-35


# Batches ------------------------------------------------------------------------------------------------------

BATCH = """
input x[2]
h[2] = tanh(dense(x))
y = linear(h)
target t
loss L = (y - t)^2
{batch}
rate a = 0.25
init W1 = [[0.5, -0.25], [1, 0.125]], b1 = [0.1, -0.2], W2 = [[0.75, -0.5]]
sample x = [1, 2], t = 0.5
sample x = [-1, 0.5], t = -1
sample x = [0, 0], t = 2
"""
SAMPLES = [([1.0, 2.0], 0.5), ([-1.0, 0.5], -1.0), ([0.0, 0.0], 2.0)]
START = {
    "W1": np.array([[0.5, -0.25], [1, 0.125]]),
    "b1": np.array([0.1, -0.2]),
    "W2": np.array([[0.75, -0.5]]),
}


def batch_by_hand(weights: dict[str, np.ndarray]) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
    """Losses and gradients of all samples, back-propagated by hand."""
    losses, gradients = [], []
    for x, t in SAMPLES:
        h = np.tanh(weights["W1"] @ x + weights["b1"])
        error = (weights["W2"] @ h)[0] - t
        delta = 2 * error * weights["W2"][0] * (1 - h**2)
        losses.append(error**2)
        gradients.append({"W1": np.outer(delta, x), "b1": delta, "W2": 2 * error * h[None, :]})
    return np.array(losses), gradients


@pytest.mark.parametrize(("line", "share"), [("", 1 / 3), ("batch mean", 1 / 3), ("batch sum", 1.0)])
def test_a_batch_by_hand(line: str, share: float) -> None:
    network, numbers = worked(BATCH.format(batch=line))
    losses, gradients = batch_by_hand(START)
    total = {name: share * sum(g[name] for g in gradients) for name in START}
    assert len(numbers.samples) == len(numbers.after) == 3
    same(numbers.loss, share * losses.sum(), 14)
    for sample, loss, gradient in zip(numbers.samples, losses, gradients, strict=True):
        same(sample["L"][()], loss, 14)
        for tensor in network.weights:
            same(nested(sample[adjoint_name(tensor.name)], tensor), gradient[tensor.name], 14)
    for name, gradient in arrays(network, numbers.gradient).items():
        same(gradient, total[name], 14)
    new = {name: START[name] - 0.25 * total[name] for name in START}
    for name, weight in arrays(network, numbers.updated).items():
        same(weight, new[name], 14)
    same(numbers.loss_after, share * batch_by_hand(new)[0].sum(), 14)


def test_momentum_by_hand() -> None:
    """v ← μ v − a g from v = 0, then w ← w + v: the first step is one of plain descent, and leaves v = −a g."""
    spec = BATCH.format(batch="").replace("rate a = 0.25", "optimizer momentum(a = 0.25, mu = 0.9)")
    network, numbers = worked(spec)
    plain = worked(BATCH.format(batch=""))[1]
    gradient = arrays(network, numbers.gradient)
    for name, velocity in arrays(network, numbers.states["v"]).items():
        same(velocity, -0.25 * gradient[name])
    for name, weight in arrays(network, numbers.updated).items():
        same(weight, arrays(network, plain.updated)[name])
    assert plain.states == {}


# Other networks -----------------------------------------------------------------------------------------------


def test_a_function_without_inputs_has_numbers_without_a_sample() -> None:
    _, numbers = worked("weight x, y, z\nloss f = (x + y) * z\ninit x = -2, y = 5, z = -4\nrate a = 0.1\n")
    assert float(numbers.loss) == -12
    assert [float(numbers.gradient[name][()]) for name in "xyz"] == [-4, -4, 3]
    same([numbers.updated[name][()] for name in "xyz"], [-1.6, 5.4, -4.3])
    same(numbers.loss_after, (-1.6 + 5.4) * -4.3)


@pytest.mark.parametrize("missing", ["sample", "init"])
def test_without_samples_or_weights_there_are_no_numbers(missing: str) -> None:
    spec = "\n".join(line for line in BATCH.format(batch="").splitlines() if not line.startswith(missing))
    assert work(network_of(spec), sweep_of(spec)) is None


def listed(numbers: np.ndarray) -> str:
    return str(np.asarray(numbers).round(3).tolist())


@pytest.mark.parametrize("name", ["recurrence from a learned state", "attention", "convolution with stride two"])
def test_numbers_of_any_network_are_those_of_automatic_differentiation(name: str) -> None:
    case = CASES[name]
    data = {k: np.round(v, 3) for k, v in draw(network_of(case.spec), seed=2).items()}
    roles = {k: network_of(case.spec).tensors[k].role for k in data}
    given = {
        role: ", ".join(f"{k} = {listed(v)}" for k, v in data.items() if (roles[k] == "weight") == (role == "init"))
        for role in ("init", "sample")
    }
    lines = [line.strip() for line in case.spec.strip().splitlines()]
    network, numbers = worked(
        "\n".join([*lines, f"init {given['init']}", f"sample {given['sample']}", "rate a0 = 0.01\n"])
    )
    loss, gradients = automatic(network, case.loss, data)
    same(numbers.loss, loss, 12)
    for weight, gradient in arrays(network, numbers.gradient).items():
        same(gradient, gradients[weight], 12)
    after = {**data, **{k: v - 0.01 * gradients[k] for k, v in data.items() if k in gradients}}
    same(numbers.loss_after, case.loss(after), 12)
