"""How a network is trained: optimizer and learning rate as lines and as NumPy code, and the updates of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import updates
from hypothesis import assume
from hypothesis import strategies as st
from oracles import Data, network_of, trainer_of
from updates import SCHEDULES, Step

from derive.evaluate import Values, nested
from derive.gradient import sweep
from derive.network import Network
from derive.numbers import iterations, work

from .checks import agree, automatic, stacked
from .whole import Made


def _own() -> Step:
    """Of no paper: a sum of gradients that starts at a setting, and steps that a function of the network's bounds."""
    total = 0.5

    def step(x: Any, g: Any, a: float, k: int) -> Any:
        nonlocal total
        total = 0.25 * total + g
        return x - a * np.where(g > 0, np.tanh(total), np.tanh(g) / k)

    return step


OWN = """optimizer own(mu = 0.25, s_0 = 0.5)
define bounded(z) = (1 - exp(-2 * z)) / (1 + exp(-2 * z))
update s[0] = s_0
update s = mu * s + g
update w = w - a * cases(g, bounded(s), bounded(g) / k)"""

#: The line in the specification; a new one in NumPy.
OPTIMIZERS: dict[str, Callable[[], Step]] = {
    "optimizer sgd": updates.sgd,
    "optimizer momentum(mu = 0.75)": lambda: updates.momentum(0.75),
    "optimizer nesterov": updates.nesterov,
    "optimizer adagrad": updates.adagrad,
    "optimizer rmsprop(rho = 0.9)": lambda: updates.rmsprop(0.9),
    "optimizer adadelta": updates.adadelta,
    "optimizer adam(beta_1 = 0.5, beta_2 = 0.75)": lambda: updates.adam(0.5, 0.75),
    "optimizer adamw(lambda = 0.1)": lambda: updates.adamw(decay=0.1),
    "optimizer nadam": updates.nadam,
    "optimizer rprop": updates.rprop,
    OWN: _own,
}


@dataclass(frozen=True)
class Training:
    """Lines, a function that makes a new optimizer, and the rate of every update."""

    lines: str
    optimizer: Callable[[], Step]
    rate: Callable[[int], float]


@st.composite
def trainings(draw: st.DrawFn) -> Training:
    line = draw(st.sampled_from(list(OPTIMIZERS)))
    rate = "0.1" if "rprop" in line else draw(st.sampled_from(list(SCHEDULES)))
    return Training(f"rate a = {rate}\n{line}\n", OPTIMIZERS[line], SCHEDULES[rate])


def check_updates(made: Made, training: Training, updates: int = 3) -> None:
    """The worked example: losses, gradients and weights, update by update, are those by hand."""
    expected = list(_by_hand(made, training, [made.samples] * (updates + 1)))
    samples = [", ".join(f"{name} = {value.tolist()}" for name, value in s.items()) for s in made.samples]
    network = network_of(_whole(made, training) + "".join(f"sample {text}\n" for text in samples))
    swept = sweep(network)
    worked = work(network, swept)
    assert worked is not None
    agree((float(worked.loss), _arrays(network, worked.gradient)), expected[0][1])
    for found, (weights, (loss, _)) in zip(iterations(network, swept, worked, updates), expected, strict=True):
        assert abs(float(found.loss) - loss) <= 1e-7 * max(1, abs(loss)), f"{found.updates}: {found.loss}, not {loss}"
        _same(_arrays(network, found.weights), weights, made.weights)


def check_fit(made: Made, training: Training, folder: Path) -> None:
    """Two epochs of the generated trainer, in minibatches of two samples and of one, are those by hand."""
    assume(not stacked(made, made.samples, "mask"))
    batches = [made.samples[:2], made.samples[2:]] * 2
    *_, (weights, _) = _by_hand(made, training, [*batches, made.samples])
    x, y = (stacked(made, made.samples, role) for role in ("input", "target"))
    if len(y) == 1:  # a classifier may learn from labels, and looks for all of them
        ((name, labels),) = y.items()
        holds = made.data[name].holds
        assume(holds[0] not in "bk" or np.unique(labels).size == int(holds[1:] or 2))
    trainer = trainer_of(_whole(made, training), folder).Trainer(
        batch_size=2, max_iter=2, shuffle=False, dtype="float64"
    )
    trainer.fit(x, y or None)
    _same(trainer.weights_, weights, made.weights)


def _whole(made: Made, training: Training) -> str:
    """The specification with first weights and an optimizer."""
    first = "".join(f"init {name} = {value.tolist()}\n" for name, value in made.weights.items())
    return made.spec + first + training.lines


def _by_hand(
    made: Made, training: Training, batches: list[tuple[Data, ...]]
) -> Iterator[tuple[Data, tuple[float, Data]]]:
    """Before every update, and before a last one that is not made: weights, loss and gradient of the batch."""
    weights, step = made.weights, training.optimizer()
    for k, samples in enumerate(batches, 1):
        loss, slopes = automatic(made, samples, weights)
        yield weights, (loss, slopes)
        gradient = np.concatenate([np.ravel(slopes[name]) for name in weights])
        _assume_sound(gradient, training)
        theta = step(np.concatenate([np.ravel(w) for w in weights.values()]), gradient, training.rate(k), k)
        ends = np.cumsum([w.size for w in weights.values()])[:-1]
        shapes = [w.shape for w in weights.values()]
        parts = zip(weights, np.split(theta, ends), shapes, strict=True)
        weights = {name: part.reshape(shape) for name, part, shape in parts}


def _assume_sound(gradient: Any, training: Training) -> None:
    """Most optimizers divide by the size of a derivative: rounding is all there is of one that is next to nothing."""
    sizes = np.abs(gradient)
    if "sgd" not in training.lines and "mom" not in training.lines and "nest" not in training.lines:
        assume(np.all((sizes > 1e-4 * np.max(sizes)) | (sizes == 0)))
    if "rprop" in training.lines:
        assume(np.all(sizes > 0))


def _arrays(network: Network, values: Values) -> Data:
    return {w.name: np.array(nested(values[w.name], w), dtype=float) for w in network.weights}


def _same(found: Data, expected: Data, start: Data) -> None:
    """Equal to a millionth of the largest change of a weight."""
    change = max(float(np.max(np.abs(expected[name] - start[name]))) for name in start)
    for name, wanted in expected.items():
        error = float(np.max(np.abs(found[name] - wanted)))
        assert error <= 1e-6 * change + 1e-12, f"{name} is\n{found[name]}\nand should be\n{wanted}"
