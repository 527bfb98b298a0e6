"""How accurate and how fast the emitted functions are: largest error, and time per element.

``python -m codegen.trainer.accuracy`` prints the table of ``docs/vectormath.md``, ``… exp tanh`` the rows of some
functions. In single precision each of the 2^32 numbers is an argument, in double precision ten million and more are.
Values are compared with those of the next wider type; where the largest error is found, it is measured with mpmath.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from codegen.resources import template
from codegen.trainer.vectormath import TEMPLATE, available

MEASURED_BY_MPMATH = ("erf", "erfc")  # NumPy has no wider form of them than double precision
LIMITS = {  # between which accuracy is stated
    "log": {"float32": (0.0, np.inf), "float64": (0.0, np.inf)},
    "log1p": {"float32": (-1.0, np.inf), "float64": (-1.0, np.inf)},
    "sigmoid": {"float32": (-88.0, np.inf), "float64": (-708.0, np.inf)},
    "sigmoid_slope": {"float32": (-87.0, 87.0), "float64": (-708.0, 708.0)},
    "sin": {"float32": (-1e4, 1e4), "float64": (-1e5, 1e5)},
    "cos": {"float32": (-1e4, 1e4), "float64": (-1e5, 1e5)},
    "erfc": {"float32": (-np.inf, 9.2), "float64": (-np.inf, 26.5)},
}
UNLIMITED = ("log", "log1p")  # elsewhere NaN or infinite as IEEE 754 has it, which is checked
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


def reference(name: str, x: Any, library: Any) -> Any:
    """The function by the ``library``'s elementary functions, at the precision of ``x``."""
    if name == "sigmoid":
        return 1 / (1 + library.exp(-x))
    if name == "sigmoid_slope":
        return library.exp(-abs(x)) / (1 + library.exp(-abs(x))) ** 2
    if name == "softplus":
        return library.maximum(x, 0) + library.log1p(library.exp(-abs(x)))
    return getattr(library, name)(x)


def in_mpmath() -> Any:
    """mpmath's functions of one number."""
    from mpmath import mp

    return SimpleNamespace(**{n: getattr(mp, n) for n in dir(mp) if not n.startswith("_")}, maximum=max)


def in_numpy() -> Any:
    """NumPy's functions of arrays, in the precision of their argument; the error functions in double precision only."""
    import scipy.special

    names = "exp expm1 tanh sinh cosh log log1p sin cos maximum".split()
    return SimpleNamespace(**{n: getattr(np, n) for n in names}, erf=scipy.special.erf, erfc=scipy.special.erfc)


def domain(name: str, x: np.ndarray) -> np.ndarray:
    """The elements of ``x`` for which the accuracy of the function is stated (elsewhere it is NaN, 0 or degraded)."""
    lower, upper = LIMITS.get(name, {}).get(x.dtype.name, (-np.inf, np.inf))
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

    result, library = np.zeros(x.size), in_mpmath()
    with mp.workprec(140), np.errstate(all="ignore"):
        for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
            exact = reference(name, mpf(a), library)
            nearest = abs(x.dtype.type(float(exact)))
            if np.isinf(nearest) or np.isinf(b):
                result[i] = 0.0 if nearest == abs(b) else np.inf
            else:
                result[i] = abs(mpf(b) - exact) / mpf(float(np.spacing(nearest)))
    return result


def wide_errors(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same by NumPy in the next wider type; infinite where one of both is NaN or infinite and the other is not."""
    wide = np.float64 if x.dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        exact = reference(name, x.astype(wide), in_numpy())
        nearest = exact.astype(x.dtype)
        error = abs(y - exact) / np.spacing(abs(nearest))
    same = (y == nearest) | (np.isnan(y) & np.isnan(nearest))
    error[~np.isfinite(error)] = np.inf
    return np.where(same & ~np.isfinite(nearest), 0.0, error).astype(np.float64)


def arguments(name: str, real: Any) -> Iterator[np.ndarray]:
    """All numbers of single precision for which the accuracy is stated, in parts; in double precision ten million."""
    if real is np.float64:
        yield points(name, real, 24_000 if name in MEASURED_BY_MPMATH else 10_000_000)
        return
    part = 2**17  # they stay in the cache
    for first in range(0, 2**32, part):
        x = np.arange(first, first + part, dtype=np.uint64).astype(np.uint32).view(np.float32)
        yield x if name not in LIMITS or name in UNLIMITED else domain(name, x)


def largest_error(name: str, real: Any, function: Callable[[Any], Any]) -> tuple[float, float]:
    """The largest error of a function in units in the last place, and where it is; infinite if NaN or ∞ are wrong."""
    run = kernel(function)
    worst, place = -1.0, np.zeros(1, real)
    for x in arguments(name, real):
        if x.size:
            y = np.empty_like(x)
            run(x, y)
            found = errors(name, x, y) if real is np.float64 and name in MEASURED_BY_MPMATH else wide_errors(name, x, y)
            k = int(found.argmax())
            if found[k] > worst:
                worst, place = float(found[k]), x[k : k + 1].copy()
    if math.isfinite(worst):
        y = np.empty_like(place)
        run(place, y)
        worst = float(errors(name, place, y)[0])
    return worst, float(place[0])


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


def main(names: list[str]) -> None:
    """Print the table of ``docs/vectormath.md``, or its rows for some functions."""
    from numba import njit

    module = load()
    print("| function | precision | max error (ulp) | at x | time (ns) | NumPy in Numba (ns) |")
    print("|---|---|---:|---:|---:|---:|")
    for name in names or available():
        function = getattr(module, name)
        usual = (
            getattr(math, name) if name in ("erf", "erfc") else njit(function, error_model="numpy")
        )  # the fallback, compiled
        for real in (np.float32, np.float64):
            error, x = largest_error(name, real, function)
            times = f"{nanoseconds(function, real):.2f} | {nanoseconds(usual, real, 20):.2f}"
            print(f"| {name} | {real.__name__} | {error:.2f} | {x:.9g} | {times} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
