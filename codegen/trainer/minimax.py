"""Polynomial coefficients of ``templates/trainer/vectormath.py``, derived with the Remez exchange algorithm.

Every set approximates a function g on [a, b] by p(t) = c₀ + c₁ t + … + cₙ tⁿ so that the weighted error

    max over t in [a, b] of  w(t) |g(t) − p(t)|

is smallest.  The weight turns the error of the remainder g into the *relative* error of the elementary function that
is put together from it, so the printed bound compares directly with half a unit in the last place: 2⁻²⁴ = 6.0e-8 in
single, 2⁻⁵³ = 1.1e-16 in double precision.

``python -m codegen.trainer.minimax`` prints the coefficient block of the template, each set with its theoretical error.

Reference: E. W. Cheney, Introduction to Approximation Theory, chapter 3 (the exchange algorithm, equioscillation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

DIGITS = 60
GRID_POINTS_PER_COEFFICIENT = 40
MAX_EXCHANGES = 40

Real = Any  # mpmath.mpf; the package has no type information
RealFunction = Callable[[Real], Real]


@dataclass(frozen=True)
class Fit:
    """Coefficients, lowest degree first, and the weighted error they reach."""

    coefficients: list[Real]
    error: Real


def remez(g: RealFunction, weight: RealFunction, interval: tuple[Real, Real], degree: int) -> Fit:
    """Weighted minimax polynomial by Remez exchange on a fixed, dense Chebyshev grid.

    The reference is a set of n + 2 grid points; the polynomial that levels the error on it solves the linear system
    p(tᵢ) + (−1)ⁱ E / w(tᵢ) = g(tᵢ).  Each exchange moves the reference to the extrema of the new error, until the
    largest error of the whole grid is the levelled one.
    """
    a, b = interval
    count = GRID_POINTS_PER_COEFFICIENT * (degree + 2)
    grid = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * (i + mpf(1) / 2) / count) for i in range(count)]
    values, weights = [g(t) for t in grid], [weight(t) for t in grid]
    reference = [round((count - 1) * i / (degree + 1)) for i in range(degree + 2)]
    for _ in range(MAX_EXCHANGES):
        coefficients, level = _levelled(grid, values, weights, reference)
        errors = [w * (v - mp.polyval(coefficients[::-1], t)) for t, v, w in zip(grid, values, weights, strict=True)]
        largest = max(map(abs, errors))
        if largest <= abs(level) * (1 + mpf("1e-9")):
            return Fit(coefficients, largest)
        reference = _extrema(errors, degree + 2)
    raise ArithmeticError(f"the exchange did not converge in {MAX_EXCHANGES} steps")


def _levelled(
    grid: list[Real], values: list[Real], weights: list[Real], reference: list[int]
) -> tuple[list[Real], Real]:
    """Coefficients of the polynomial whose weighted error is ±E in turn on the reference, and E."""
    size = len(reference)
    rows = [
        [grid[at] ** power for power in range(size - 1)] + [(-1) ** i / weights[at]] for i, at in enumerate(reference)
    ]
    solution = mp.lu_solve(mp.matrix(rows), mp.matrix([values[at] for at in reference]))
    return list(solution[: size - 1]), solution[size - 1]


def _extrema(errors: list[Real], wanted: int) -> list[int]:
    """Indices of ``wanted`` extrema of alternating sign: the largest of each run of one sign, weakest end dropped."""
    runs: list[int] = []
    for i, error in enumerate(errors):
        if runs and (errors[runs[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    if len(runs) < wanted:
        raise ArithmeticError(f"{len(runs)} alternations of the error where {wanted} are needed")
    while len(runs) > wanted:
        runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
    return runs


@dataclass(frozen=True)
class Target:
    """What a coefficient set approximates: ``g`` on ``interval``, with the weight of the relative error."""

    formula: str
    g: RealFunction
    weight: RealFunction
    interval: tuple[Real, Real]
    degrees: dict[str, int]
    single_interval: tuple[Real, Real] | None = None  # float32, where it differs


def _targets() -> dict[str, Target]:
    """The coefficient sets; variables near 0 stay away from 0 itself, where the remainders are 0/0."""
    margin, zero = 1 + mpf(2) ** -10, mpf(10) ** -12
    half_ln2 = mp.log(2) / 2 * margin

    def odd(f: RealFunction) -> RealFunction:
        """(f(r)/r - 1)/r^2 as a function of z = r^2, for f(r) = r + ..."""
        return lambda z: (f(mp.sqrt(z)) / mp.sqrt(z) - 1) / z

    def odd_weight(f: RealFunction) -> RealFunction:
        return lambda z: z * mp.sqrt(z) / abs(f(mp.sqrt(z)))

    def log_tail(z: Real) -> Real:
        return 2 * odd(mp.atanh)(z)

    def log_weight(z: Real) -> Real:
        return odd_weight(mp.atanh)(z) / 2

    def scaled_erfc(a: Real) -> Real:
        return (3 + a) * mp.exp(a * a) * mp.erfc(a)

    return {
        "EXP": Target(
            "(exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2",
            lambda r: (mp.expm1(r) - r) / r**2,
            lambda r: abs(r**2 / mp.expm1(r)),
            (-half_ln2, half_ln2),
            {"32": 5, "64": 10},
        ),
        "TANH": Target(
            "(tanh(r)/r - 1) / r^2 in z = r^2 for |r| <= ln(2)/4",
            odd(mp.tanh),
            odd_weight(mp.tanh),
            (zero, (half_ln2 / 2) ** 2),
            {"32": 2, "64": 6},
        ),
        "SINH": Target(
            "(sinh(r)/r - 1) / r^2 in z = r^2 for |r| <= 1",
            odd(mp.sinh),
            odd_weight(mp.sinh),
            (zero, mpf(1)),
            {"32": 3, "64": 6},
        ),
        "LOG": Target(
            "(2 atanh(s)/s - 2) / s^2 in z = s^2, s = f/(2 + f), for sqrt(1/2) <= 1 + f <= sqrt(2)",
            log_tail,
            log_weight,
            (zero, (mp.sqrt(2) - 1) ** 4 * margin),
            {"32": 2, "64": 6},
        ),
        "SOFTPLUS": Target(
            "(2 atanh(s)/s - 2) / s^2 in z = s^2, s = t/(2 + t), for 0 <= t <= 1",
            log_tail,
            log_weight,
            (zero, mpf(1) / 9 * margin),
            {"32": 4, "64": 9},
        ),
        "SIN": Target(
            "(sin(r)/r - 1) / r^2 in z = r^2 for |r| <= pi/4",
            odd(mp.sin),
            odd_weight(mp.sin),
            (zero, (mp.pi / 4) ** 2 * margin),
            {"32": 2, "64": 5},
        ),
        "COS": Target(
            "(cos(r) - 1 + r^2/2) / r^4 in z = r^2 for |r| <= pi/4",
            lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
            lambda z: z**2 / mp.cos(mp.sqrt(z)),
            (zero, (mp.pi / 4) ** 2 * margin),
            {"32": 2, "64": 5},
        ),
        "ERF": Target(
            "erf(r)/r - 1 in z = r^2 for |r| <= 1/2",
            lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
            lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)),
            (zero, mpf(1) / 4),
            {"32": 4, "64": 8},
        ),
        "LOG_ERFC": Target(
            "-log(erfc(a)) / a for 1/2 <= a <= 4 (float32) or 6 (float64), relative to erf",
            lambda a: -mp.log(mp.erfc(a)) / a,
            lambda a: a * mp.erfc(a) / mp.erf(a),
            (mpf(1) / 2, mpf(6)),
            {"32": 8, "64": 21},
            single_interval=(mpf(1) / 2, mpf(4)),
        ),
        "ERFCX": Target(
            "(3 + a) exp(a^2) erfc(a) in q = (a - 3)/(a + 3) for 1/2 <= a <= 10.5 (float32) or 28 (float64)",
            lambda q: scaled_erfc(3 * (1 + q) / (1 - q)),
            lambda q: 1 / scaled_erfc(3 * (1 + q) / (1 - q)),
            (mpf(-5) / 7, mpf(25) / 31),
            {"32": 9, "64": 22},
            single_interval=(mpf(-5) / 7, mpf(5) / 9),
        ),
    }


def derive(name: str, bits: str) -> Fit:
    """The coefficient set ``name``, unrounded, for the precision of ``bits`` "32" or "64"."""
    with mpmath.workdps(DIGITS):
        target = _targets()[name]
        interval = (target.single_interval or target.interval) if bits == "32" else target.interval
        return remez(target.g, target.weight, interval, target.degrees[bits])


def rounded(values: list[Real], bits: str) -> list[float]:
    """The values rounded to float32 or float64, as the shortest decimals that round to the same number."""
    real = np.float32 if bits == "32" else np.float64
    return [float(str(real(mp.nstr(value, 30)))) for value in values]


def split(value: Real, bits: list[int]) -> list[Real]:
    """``value`` as a sum of numbers of so many significant bits each, cut off, so that small multiples are exact."""
    parts: list[Real] = []
    for count in bits:
        rest = value - mp.fsum(parts)
        unit = mpf(2) ** (int(mp.floor(mp.log(abs(rest), 2))) + 1 - count)
        parts.append(mp.floor(rest / unit) * unit)
    return parts


def constant_block(name: str) -> str:
    """The lines of the template that define the coefficient set or the split constant ``name``."""
    with mpmath.workdps(DIGITS):
        if name == "LN2":
            comment, tables = "ln(2) in two parts", {"32": split(mp.log(2), [16, 24]), "64": split(mp.log(2), [42, 53])}
        elif name == "HALF_PI":
            comment, tables = "pi/2 in four parts", {"": split(mp.pi / 2, [33, 33, 33, 53])}
        else:
            target = _targets()[name]
            fits = {bits: derive(name, bits) for bits in target.degrees}
            bound = " and ".join(f"{mp.nstr(fit.error, 2)} (float{bits})" for bits, fit in fits.items())
            comment = f"{target.formula}\n# relative error {bound}"
            tables = {bits: fit.coefficients for bits, fit in fits.items()}
        lines = [f"# {comment}"]
        for bits, table in tables.items():
            lines += [f"_{name}_{bits} = (".replace("_ =", " ="), *(f"    {c!r}," for c in rounded(table, bits)), ")"]
    return "\n".join(lines)


def constants() -> list[str]:
    """The names of all blocks, in the order of the template."""
    return ["LN2", "HALF_PI", *_targets()]


if __name__ == "__main__":
    print("\n\n".join(map(constant_block, constants())))
