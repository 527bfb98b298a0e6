"""Whether double precision tells the same of training as the numbers that are printed, worked in 50 digits.

The weight w = 0.3 of the loss |w| comes to the kink at 0 in three steps of 0.1, and stays there; in double precision it
comes to -2.8e-17, and the next step is one of 0.1 again.  A number of a kink's condition that is 0 but for its rounding
is on a side that the order of additions decides.  Code that has to say what the notes say takes what is within
:data:`REACH` of a kink for what lies in it.

Trained here is in doubles with every operation rounded to the nearest, up and down: where all three say the same, what
is rounded otherwise, as by a fused multiplication and addition or a sum in another order, says so too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from derive.diagnostics import SpecError
from derive.evaluate import Number, Values, doubles
from derive.gradient import Sweep
from derive.network import Network
from derive.numbers import Iteration, iterations, work

REACH = 1e-12
AGREE = 1e-9  # of 1, or of a larger number


class Agreement(NamedTuple):
    """How many iterations double precision agrees with, and whether it does so only if kinks have a reach."""

    iterations: int
    reaching: bool = False


def agreement(network: Network, sweep: Sweep, exact: Sequence[Iteration]) -> Agreement:
    """How long training in doubles agrees with ``exact``, which starts from the worked example."""
    plain = _agreeing(network, sweep, exact, 0.0)
    if plain == len(exact):
        return Agreement(plain)
    reaching = _agreeing(network, sweep, exact, REACH)
    return Agreement(max(plain, reaching), reaching > plain)


def _agreeing(network: Network, sweep: Sweep, exact: Sequence[Iteration], reach: float) -> int:
    """How many iterations are the same whatever the rounding."""
    count = len(exact)
    for rounding in ("n", "c", "f"):
        found: list[Iteration] = []
        with doubles(rounding, reach):
            try:
                worked = work(network, sweep)
            except SpecError:  # the loss has no real value
                worked = None
            if worked is not None:
                found = iterations(network, sweep, worked, count - 1)
        same = [_alike(one, other) for one, other in zip(exact, found, strict=False)]
        count = [*same[:count], False].index(False)
    return count


def _alike(one: Iteration, other: Iteration) -> bool:
    pairs = zip(_numbers(one), _numbers(other), strict=True)
    return all(abs(exact - rough) <= AGREE * max(1, abs(exact)) for exact, rough in pairs)


def _numbers(iteration: Iteration) -> Iterator[Number]:
    parts: list[Values] = [iteration.weights, *iteration.samples]
    return (number for values in parts for array in values.values() for number in array.values())
