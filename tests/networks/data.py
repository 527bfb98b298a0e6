"""Numbers for what a network reads, all from one seed."""

from __future__ import annotations

from typing import Any

import numpy
from hypothesis import strategies as st
from oracles import Data

from .draft import Datum, Draft


def filled(datum: Datum, chance: numpy.random.Generator) -> Any:
    """An array of what :data:`test_catalogue.LOSSES` has by a letter; ``m`` is a mask, ``k5`` a number from 1 to 5."""
    shape = datum.shape
    match datum.holds[0]:
        case "s":
            return numpy.where(chance.uniform(-1, 1, shape) > 0, 1.0, -1.0)
        case "c":
            share = numpy.ravel(chance.uniform(0.1, 1.0, shape))
            share = numpy.round(share / numpy.sum(share), 3)
            return numpy.reshape([*share[1:], 1 - numpy.sum(share[1:])], shape)
        case "o":
            size = int(numpy.prod(shape))
            return numpy.eye(size)[chance.integers(size)].reshape(shape)
        case "n":
            return chance.integers(0, 5, shape)
        case "b":
            return chance.integers(0, 2, shape)
        case "k":
            return chance.integers(1, int(datum.holds[1:]) + 1, shape)
        case "m":
            return numpy.where(chance.uniform(0, 1, shape) < 0.2, 0.0, 1 / 0.8)
        case _:
            return chance.uniform(-2, 2, shape)


def numbers(n: Draft, samples: int) -> tuple[Data, tuple[Data, ...]]:
    """Weights, and the data of so many samples."""
    chance = numpy.random.default_rng(n.draw(st.integers(0, 2**31)))
    data = [{name: _floats(filled(datum, chance)) for name, datum in n.data.items()} for _ in range(samples)]
    return {name: _floats(chance.uniform(-1.2, 1.2, shape)) for name, shape in n.weights.items()}, tuple(data)


def _floats(value: Any) -> Any:
    """With six decimals, so that a specification can hold them exactly."""
    return numpy.round(numpy.asarray(value, dtype=float), 6)
