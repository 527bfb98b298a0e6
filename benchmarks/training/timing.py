"""How long runs take, and whether they all arrive at the same weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.training.works import Weights

TOLERANCE = 2e-3  # of the largest weight: single precision after hundreds of updates


def clock(threads: int) -> Callable[[], float]:
    """What times are taken with: one thread's work in processor time, which others on the machine disturb less."""
    return time.process_time if threads == 1 else time.perf_counter


def medians(runs: Mapping[str, Callable[[], object]], repeats: int, threads: int) -> dict[str, float]:
    """The median time of a call of each, in seconds: calls take turns, so that all of them meet the same disturbances.

    Whatever compiles has been called before.
    """
    now = clock(threads)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = now()
            run()
            times[name].append(now() - start)
    return {name: float(np.median(t)) for name, t in times.items()}


def difference(one: Weights, other: Weights) -> float:
    """The largest difference of two sets of weights, relative to the largest weight."""
    largest = max(float(np.abs(w).max()) for w in other.values())
    return max(float(np.abs(np.asarray(one[name]) - w).max()) for name, w in other.items()) / largest


def remark(error: float) -> str:
    """What stands behind a time whose weights differ from the reference by so much."""
    return "" if error < TOLERANCE else f"   DISAGREES by {error:.1g}"
