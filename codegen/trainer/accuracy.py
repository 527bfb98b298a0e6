"""How accurate and how fast the emitted functions are: largest error against mpmath, and time per element.

``python -m codegen.trainer.accuracy`` prints the table of ``docs/vectormath.md``.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from codegen.resources import template
from codegen.trainer.vectormath import TEMPLATE, available

FASTMATH = {"contract", "reassoc", "arcp", "nsz", "afn"}  # of the kernels; never nnan or ninf


def load() -> ModuleType:
    """The template itself as a module."""
    spec = importlib.util.spec_from_file_location("vectormath_template", template(TEMPLATE))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kernel(function: Callable[[Any], Any]) -> Any:
    """A loop y[i] = function(x[i]), compiled as the kernels of a trainer are."""
    from numba import njit

    @njit(fastmath=FASTMATH, error_model="numpy")
    def elementwise(x: Any, y: Any) -> None:
        for i in range(x.size):
            y[i] = function(x[i])

    return elementwise


def reference(name: str, x: Any) -> Any:
    """The function in mpmath, at the working precision."""
    from mpmath import mp

    if name == "sigmoid":
        return 1 / (1 + mp.exp(-x))
    if name == "sigmoid_slope":
        return mp.exp(-abs(x)) / (1 + mp.exp(-abs(x))) ** 2
    if name == "softplus":
        return max(x, mp.zero) + mp.log1p(mp.exp(-abs(x)))
    return getattr(mp, name)(x)


def domain(name: str, x: np.ndarray) -> np.ndarray:
    """The elements of ``x`` for which the accuracy of the function is stated (elsewhere it is NaN, 0 or degraded)."""
    single = x.dtype == np.float32
    lower, upper = {
        "log": (0.0, np.inf),
        "log1p": (-1.0, np.inf),
        "sigmoid": (-88.0 if single else -708.0, np.inf),
        "sigmoid_slope": (-87.0, 87.0) if single else (-708.0, 708.0),
        "sin": (-1e4, 1e4) if single else (-1e5, 1e5),
        "cos": (-1e4, 1e4) if single else (-1e5, 1e5),
        "erfc": (-np.inf, 9.2 if single else 26.5),
    }.get(name, (-np.inf, np.inf))
    return x[(x > lower) & (x < upper)]


def points(name: str, real: Any, count: int) -> np.ndarray:
    """``count`` points: evenly spread over several ranges, and over the exponents of the number format."""
    rng = np.random.default_rng(20240229)
    part = count // 6
    ranges = [rng.uniform(-width, width, part) for width in (1, 4, 30, 120 if real is np.float32 else 760)]
    scales = [np.exp(rng.uniform(low, high, part)) * rng.choice([-1, 1], part) for low, high in ((-80, 0), (0, 9.2))]
    x = np.concatenate(ranges + scales)
    if name.startswith("log"):
        x = np.concatenate([np.abs(x), x, 1 + x / 100, np.exp(x[np.abs(x) < (87 if real is np.float32 else 708)])])
    if name in ("sin", "cos"):
        x = np.concatenate([x, np.arange(-part, part) * (np.pi / 2), rng.uniform(-1e5, 1e5, part)])
    return domain(name, x.astype(real))


def errors(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance of ``y`` from the function at ``x`` in units in the last place of the correctly rounded value."""
    from mpmath import mp, mpf

    result = np.zeros(x.size)
    with mp.workprec(140), np.errstate(all="ignore"):
        for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
            exact = reference(name, mpf(a))
            nearest = abs(x.dtype.type(float(exact)))
            if np.isinf(nearest) or np.isinf(b):
                result[i] = 0.0 if nearest == abs(b) else np.inf
            else:
                result[i] = abs(mpf(b) - exact) / mpf(float(np.spacing(nearest)))
    return result


def nanoseconds(function: Callable[[Any], Any], real: Any, runs: int = 200) -> float:
    """Time per element of a loop over 100,000 elements; the fastest of the runs."""
    x = np.abs(np.random.default_rng(1).standard_normal(100_000) * 3).astype(real)
    y = np.empty_like(x)
    run = kernel(function)
    run(x, y)
    best = np.inf
    for _ in range(runs):
        start = time.perf_counter()
        run(x, y)
        best = min(best, time.perf_counter() - start)
    return best / x.size * 1e9


def main() -> None:
    """Print the table of ``docs/vectormath.md``."""
    from numba import njit

    module = load()
    print("| function | precision | max error (ulp) | at x | time (ns) | NumPy in Numba (ns) |")
    print("|---|---|---:|---:|---:|---:|")
    for name in available():
        function = getattr(module, name)
        usual = (
            getattr(math, name) if name in ("erf", "erfc") else njit(function, error_model="numpy")
        )  # the fallback, compiled
        for real in (np.float32, np.float64):
            x = points(name, real, 24_000)
            y = np.empty_like(x)
            kernel(function)(x, y)
            error = errors(name, x, y)
            worst = int(error.argmax())
            times = f"{nanoseconds(function, real):.2f} | {nanoseconds(usual, real, 20):.2f}"
            print(f"| {name} | {real.__name__} | {error[worst]:.2f} | {x[worst]:.9g} | {times} |", flush=True)


if __name__ == "__main__":
    main()
