"""Kernels neither overflow nor lose digits where the mathematics does not: a trainer against mpmath, far out and near.

Every function of the catalogue is tested as soon as it is there, and many formulas as users write them.  All functions
of one kind share one trainer: each has pre-activations z and a factor v of its own, so that ∂L/∂v is its value and
∂L/∂z its derivative.  The trainers of the catalogue are compiled; those of the formulas by hand run as plain Python,
which is the same arithmetic with NumPy's elementary functions, without the minutes that the compiler would take; so do
functions of vectors in single precision.

Agreed is what is within 1e-6 (float64) or 1e-4 (float32) of the exact number, or of the exact number for an argument
that differs in its last two bits; numbers below the smallest normal number count as 0.  In float32 derivatives through
a stored value that saturates are right to a rounding of that value, and sums to one of their largest term.
"""

from __future__ import annotations

import random
import re
from functools import cache
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
from jets import Jet, carried_out
from mpmath import mp

from codegen.trainer.module import render
from derive.diagnostics import Source
from derive.gradient import sweep
from derive.language.build import load
from derive.language.catalogue import catalogue
from derive.network import Network

RELATIVE = {np.float64: 1e-6, np.float32: 1e-4}
FURTHEST = {np.float64: 1e4, np.float32: 1e3}
LEARNED = 0.25  # every weight inside a function
REALS = [np.float64, np.float32]

# Functions of one number ----------------------------------------------------------------------------------------

ONE_NUMBER = {
    name: f"{name}(Z)" for name, entry in catalogue().items() if entry.group.startswith("Activations: functions of one")
} | {"tanh": "tanh(Z)", "erf": "erf(Z)"}
BY_HAND = {
    "e/(1+e)": "exp(Z) / (1 + exp(Z))",
    "1/(e+1)": "1 / (exp(-Z) + 1)",
    "sigmoid by tanh": "(1 + tanh(Z/2)) / 2",
    "1 - sigmoid": "1 - 1/(1 + exp(Z))",
    "its slope": "exp(-Z) / (1 + exp(-Z))^2",
    "two powers": "exp(Z) / (exp(Z) + exp(-Z))",
    "hyperbolic secant": "1 / cosh(Z)",
    "its square": "1 / cosh(Z)^2",
    "1 - tanh^2": "1 - tanh(Z)^2",
    "tanh by exp": "(exp(Z) - exp(-Z)) / (exp(Z) + exp(-Z))",
    "tanh by exp 2z": "(exp(2*Z) - 1) / (exp(2*Z) + 1)",
    "tanh by sinh": "sinh(Z) / cosh(Z)",
    "tanh by sigmoid": "2 * sigmoid(2*Z) - 1",
    "1 - 2/(e+1)": "1 - 2/(exp(2*Z) + 1)",
    "sinh over cosh 2z": "sinh(Z) / cosh(2*Z)",
    "softplus": "log(1 + exp(Z))",
    "softplus reflected": "Z + log(1 + exp(-Z))",
    "softplus minus z": "log(1 + exp(Z)) - Z",
    "log of two": "log(exp(Z) + exp(-Z))",
    "log of two powers": "log(exp(Z) + exp(2*Z))",
    "log with a constant": "log(exp(2*Z) + exp(1/3))",
    "log with a factor": "log(1 + 2*exp(Z))",
    "log sigmoid": "log(1 / (1 + exp(-Z)))",
    "log(1 - sigmoid)": "log(1 - sigmoid(Z))",
    "log sigmoid^2": "log(sigmoid(Z)^2)",
    "log softplus": "log(softplus(Z))",
    "log cosh": "log(cosh(Z))",
    "log 2 cosh 3z": "log(2 * cosh(3*Z))",
    "log(1 - e)": "log(1 - exp(-abs(Z) - 0.1))",
    "mish by exp": "Z * ((1 + exp(Z))^2 - 1) / ((1 + exp(Z))^2 + 1)",
    "silu as a quotient": "Z / (1 + exp(-Z))",
    "gelu": "1/2 * Z * (1 + erf(Z / sqrt(2)))",
    "1 - erf": "1 - erf(Z)",
    "1 + erf": "1 + erf(Z)",
    "z e/(1+e)^2": "Z * exp(Z) / (1 + exp(Z))^2",
    "e/(1+e^2)": "exp(Z) / (1 + exp(2*Z))",
    "root of 1+e": "(1 + exp(Z))^(-1/2)",
    "elu by max and min": "max(Z, 0) + min(exp(Z) - 1, 0)",
    "focal": "-(1 - sigmoid(Z))^2 * log(sigmoid(Z))",
    "focal with a root": "-(1 - sigmoid(Z))^(1/2) * log(sigmoid(Z))",
    "joined": "exp(Z) * exp(-2*Z)",
    "hypotenuse": "sqrt(Z^2 + 1)",
    "inverse root unit": "Z / sqrt(1 + Z^2)",
    "Student": "1 / (1 + Z^2)",
    "tanh between other limits": "1.7159 * tanh(2/3 * Z) + 1/4",
    "its reflection": "1/3 - 2 * tanh(-Z)",
}
#: In float32 their derivatives are 1 − h², h(1 − h) and the like, right to a rounding of h.
THROUGH_THE_VALUE = {
    "sigmoid", "tanh", "sigmoid by tanh", "tanh by sigmoid", "tanh between other limits", "its reflection"
}  # fmt: skip


def grid(real: type) -> np.ndarray:
    """0, tiny numbers, kinks and their neighbours, the usual range, and far out."""
    sizes = [
        1e-300,
        1e-20,
        1e-8,
        1e-3,
        0.3,
        0.5,
        1.7,
        2.5,
        6,
        9,
        15,
        20,
        30,
        36.5,
        50,
        89,
        100,
        350,
        710,
        750,
        1e3,
        1e4,
    ]
    sizes = [s for s in sizes if np.finfo(real).tiny < s <= FURTHEST[real]]
    kinks = np.array([1, 3, 6], real)
    positive = np.concatenate([sizes, kinks, np.nextafter(kinks, real(0)), np.nextafter(kinks, real(9))]).astype(real)
    return np.concatenate([[0.0, -0.0], positive, -positive]).astype(real)


@cache
def one_number(by_hand: bool) -> ModuleType:
    """A trainer whose arrays all have sizes of their own, so that no loops are fused: that compiles faster."""
    lines, terms = [], []
    for k, text in enumerate((BY_HAND if by_hand else ONE_NUMBER).values()):
        size = len(grid(np.float64)) + k
        lines.append(f"weight z{k}[{size}], v{k}[{size}]\nh{k}[{size}] = {text.replace('Z', f'z{k}')}")
        terms.append(f"sum(v{k} * h{k})")
    return trainer("\n".join(lines) + "\nloss L = " + " + ".join(terms), compiled=not by_hand)


@cache
def found_of_one_number(by_hand: bool, real: type) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Values and derivatives on the grid, by name."""
    names, z = list(BY_HAND if by_hand else ONE_NUMBER), grid(real)
    weights = {}
    for k in range(len(names)):
        padded = np.concatenate([z, np.ones(len(grid(np.float64)) + k - len(z), real)])
        weights |= {f"z{k}": padded, f"v{k}": np.ones_like(padded)}
    module = one_number(by_hand)
    weights |= {w: np.full(s, LEARNED, real) for w, s in module.WEIGHTS.items() if w not in weights}
    gradient = module.gradient(weights)
    return {name: (gradient[f"v{k}"], gradient[f"z{k}"]) for k, name in enumerate(names)}


def exact_of_one_number(text: str, z: float) -> list[Any]:
    network = network_of(f"weight Z\nloss L = {text}")
    with mp.workdps(460 + int(abs(z)) if abs(z) <= 1000 else 9500):
        values = {w.name: {(): Jet(mp.mpf(LEARNED))} for w in network.weights}  # prelu has a slope of its own
        values["Z"] = {(): Jet(mp.mpf(float(z)), {"Z": mp.mpf(1)})}
        jet = carried_out(network, values)[network.loss][()]
    return [jet.value, jet.slopes.get("Z", mp.mpf(0))]


@pytest.mark.parametrize("real", REALS, ids=["float64", "float32"])
@pytest.mark.parametrize("name", [*ONE_NUMBER, *BY_HAND])
def test_value_and_derivative_of_a_function_of_one_number(name: str, real: type) -> None:
    text = {**ONE_NUMBER, **BY_HAND}[name]
    value, slope = found_of_one_number(name in BY_HAND, real)[name]
    through = real is np.float32 and name in THROUGH_THE_VALUE
    rounding = 4 * float(np.finfo(real).eps) if through else 0.0
    for n, z in enumerate(grid(real)):
        for what, number, exact in zip(["", "'"], [value[n], slope[n]], exact_of_one_number(text, z), strict=True):
            if agrees(number, exact, real, rounding if what else 0.0):
                continue
            near = [exact_of_one_number(text, float(z * (1 + k * np.finfo(real).eps)))[bool(what)] for k in (-2, 2)]
            assert min(near) <= mp.mpf(float(number)) <= max(near), f"f{what}({z!r}) = {number!r}, not {float(exact)!r}"


def agrees(number: float, exact: Any, real: type, rounding: float) -> bool:
    limits = np.finfo(real)
    if mp.isnan(exact) or abs(exact) > float(limits.max):
        return True
    error = abs(mp.mpf(float(number)) - exact) if np.isfinite(number) else mp.inf
    return bool(error <= RELATIVE[real] * abs(exact) + 2 * float(limits.tiny) + rounding)


# Functions of vectors: losses, normalisations, attention ----------------------------------------------------------

PREDICTIONS = {"poisson": "softplus(Z)"}  # where not every real number is a prediction
TARGETS = {"poisson": "u", "poisson_log_rate": "u"}  # counts


def of_the_catalogue() -> dict[str, str]:
    """A use of every function of vectors: of scores Z, of probabilities made from them, of a target that fits."""
    uses = {}
    for name, entry in catalogue().items():
        if entry.group.startswith("Activations: functions of one") or "batch" in entry.text.partition("=")[2]:
            continue  # the latter are functions of many samples
        definition = entry.definition
        parameters = [p.id for p in definition.parameters if not is_optional(p)]
        classes = "sum(t) = 1" in entry.text
        target = TARGETS.get(name, "t" if classes else "u" if "t^2 = t" in entry.text else "r")
        arguments = {"t": target, "z": "Z", "x": "Z", "W": "Z", "v": "2", "y": PREDICTIONS.get(name, "Z"), "p": "p"}
        unknown = set(parameters) - arguments.keys()
        assert not unknown, f"say here what the parameters {unknown} of {name} are to be"
        call = f"{name}({', '.join(arguments[p] for p in parameters)})"
        before = f"p[3] = {'softmax' if classes else 'sigmoid'}(Z)\n" if "p" in parameters else ""
        vector = "vector" in entry.group
        uses[name] = f"n[3] = {call}\ny = sum(r * n)" if vector else f"{before}y = {call}"
    return uses


def is_optional(parameter: Any) -> bool:
    return getattr(parameter, "default", None) is not None


VECTORS = of_the_catalogue()
VECTORS_BY_HAND = {
    "softmax by indices": "p[i] = exp(Z[i]) / sum(j: exp(Z[j]))\ny = -sum(i: t[i] * log(p[i]))",
    "softmax in two steps": "e[i] = exp(Z[i])\np[i] = e[i] / sum(j: e[j])\ny = -sum(i: t[i] * log(p[i]))",
    "softmax in three steps": "e[i] = exp(Z[i])\ns = sum(e)\np[i] = e[i] / s\ny = -sum(i: t[i] * log(p[i]))",
    "softmax spelled out": "y = exp(Z[1]) / (exp(Z[1]) + exp(Z[2]) + exp(Z[3]))",
    "softmax with a temperature": "p[3] = softmax(Z / 3)\ny = cross_entropy(t, p)",
    "log-softmax": "l[3] = log_softmax(Z)\ny = -sum(t * l)",
    "Brier": "p[3] = softmax(Z)\ny = squared_error(p, t)",
    "Brier of two": "p[3] = sigmoid(Z)\ny = squared_error(p, u)",
    "labels of both signs": "h[i] = tanh(Z[i])\ny = sum(i: (h[i] - (2*u[i] - 1))^2)",
    "odds of a gate": "s[i] = sigmoid(Z[i])\ny = sum(i: r[i] * s[i] * (1 - s[i])^2)",
    "complement of a share": "p[3] = softmax(Z)\ny = sum(r * (1 - p)^2)",
    "shares of several kinds": "p[3] = softmax(Z)\ny = sum(r * p) + 2 * cross_entropy(t, p)",
    "entropy": "p[3] = softmax(Z)\ny = -sum(p * log(p))",
    "divergence of a ratio": "p[3] = softmax(Z)\ny = sum(t * log(t / p))",
    "sigmoid by hand": "p[i] = 1 / (1 + exp(-Z[i]))\ny = -sum(i: u[i]*log(p[i]) + (1 - u[i])*log(1 - p[i]))",
    "sigmoid in two steps": "e[i] = exp(-Z[i])\np[i] = 1 / (1 + e[i])\ny = binary_cross_entropy(u, p)",
    "log-sum-exp": "y = log(sum(exp(Z)))",
    "log-mean-exp": "y = log(mean(exp(Z)))",
    "log-sum-exp spelled out": "y = log(exp(Z[1]) + exp(Z[2]) + exp(Z[3]))",
    "log-sum-exp in two steps": "s = exp(Z[1]) + exp(Z[2]) + exp(Z[3])\ny = log(s)",
    "log-sum-exp with factors": "y = log(sum(i: r[i]^2 * exp(2 * Z[i])))",
    "smooth maximum": "y = sum(i: Z[i] * exp(Z[i])) / sum(j: exp(Z[j]))",
    "attention": "a[i,k] = exp(Z[i]*r[k]) / sum(m: exp(Z[i]*r[m]))\ny = sum(i: sum(k: a[i,k]*r[k]))",
    "mixture of normals": "y = log(sum(i: exp(Z[i] - (r[i])^2/2) / sqrt(2*pi)))",
    "variance as a power": "w[3] = exp(Z)\ny = gaussian_nll(r, w, 3*u)",
    "rate as a power": "m[3] = exp(Z)\ny = poisson(m, u)",
    "norm": "y = sqrt(sum(Z^2))",
    "unit vector": "n[i] = Z[i] / (sqrt(sum(j: Z[j]^2)) + 0.001)\ny = sum(r * n)",
    "probability 0": "p[i] = t[i] * Z[i]^2 + t[i]^2\ny = -sum(i: t[i] * log(p[i]))",
    "probabilities 0 and 1": "p[i] = u[i] / (1 + Z[i]^2)\ny = binary_cross_entropy(u, p)",
}
#: In float64 derivatives are right relative to themselves but where contributions cancel: in a variance that is the
#: difference of two means, in a mean of equal numbers, and where several scores are the largest.
CANCELS = {
    "attention": lambda r: True,
    "softmax": lambda r: len(set(r)) < len(r),
}
DATA = [
    {"t": (1, 0, 0), "u": (1, 0, 1), "r": (0.5, -1.0, 2.0)},
    {"t": (0.25, 0.25, 0.5), "u": (0, 1, 0), "r": (1.0, 1.0, -3.0)},
]


def scores(real: type) -> list[tuple[float, float, float]]:
    """Equal ones, close ones, and ones that are far apart, where functions saturate at the target and elsewhere."""
    found = [(0.0, 0.0, 0.0), (1e-3, 0.0, -1e-3), (1.0, -5.0, 2.0), (0.0, 40.0, -40.0)]
    found += [(34.0, -12.0, 1.0), (33.3, -1.7, 0.9), (-30.0, 2.0, 60.0), (50.0, 50.0, 1.0)]
    far = FURTHEST[real]
    return [*found, (far, -far, 0.0), (far, far, far), (-far, far / 2, 0.25)]


@cache
def of_vectors(by_hand: bool, compiled: bool) -> ModuleType:
    lines = ["target t[3], u[3], r[3]"]
    texts = (VECTORS_BY_HAND if by_hand else VECTORS).values()
    for k, text in enumerate(texts):
        own = re.sub(r"\b([pnesalmwyh])\b", rf"\g<1>{k}", text).replace("Z", f"z{k}")
        lines.append(f"weight z{k}[3], v{k}\n{own}")
    loss = " + ".join(f"v{k} * y{k}" for k in range(len(texts)))
    return trainer("\n".join(lines) + f"\nloss L = {loss}", compiled)


@cache
def found_of_vectors(by_hand: bool, real: type) -> dict[str, list[np.ndarray]]:
    """The value and the three derivatives at every score and for all data, by name."""
    names = list(VECTORS_BY_HAND if by_hand else VECTORS)
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for z in scores(real):
        for data in DATA:
            weights = {f"z{k}": np.array(z, real) for k in range(len(names))}
            weights |= {f"v{k}": np.array(1, real) for k in range(len(names))}
            gradient = of_vectors(by_hand, not by_hand and real is np.float64).gradient(
                weights, y={n: np.array([d], real) for n, d in data.items()}
            )
            for k, name in enumerate(names):
                found[name].append(np.array([float(gradient[f"v{k}"]), *gradient[f"z{k}"]]))
    return found


def exact_of_vectors(text: str, z: tuple[float, ...], data: dict[str, tuple]) -> list[Any]:
    used = [name for name in data if re.search(rf"\b{name}\b", text)]
    declared = f"target {', '.join(f'{name}[3]' for name in used)}\n" if used else ""
    network = network_of(f"{declared}weight Z[3]\n" + re.sub(r"\by = ", "loss y = ", text))
    values = {name: {(i + 1,): Jet(mp.mpf(float(d))) for i, d in enumerate(data[name])} for name in used}
    values["Z"] = {(i + 1,): Jet(mp.mpf(float(d)), {i: mp.mpf(1)}) for i, d in enumerate(z)}
    for digits in (500, 9500):
        with mp.workdps(digits):
            jet = carried_out(network, values)[network.loss][()]
            exact = [jet.value, *(jet.slopes.get(i, mp.mpf(0)) for i in range(3))]
        if all(map(mp.isfinite, exact)) or max(map(abs, z)) < 100:
            break
    return exact


@pytest.mark.parametrize("real", REALS, ids=["float64", "float32"])
@pytest.mark.parametrize("name", [*VECTORS, *VECTORS_BY_HAND])
def test_value_and_derivatives_of_a_function_of_a_vector(name: str, real: type) -> None:
    """In float32 sums are right to a rounding of their largest term: about the largest score, 1 in a derivative.

    ``last_bits`` is what the last two bits of the scores make of a value: the variance of equal scores is all rounding.
    """
    text = {**VECTORS, **VECTORS_BY_HAND}[name]
    places = [(z, data) for z in scores(real) for data in DATA]
    for (z, data), numbers in zip(places, found_of_vectors(name in VECTORS_BY_HAND, real)[name], strict=True):
        value, *slopes = exact_of_vectors(text, z, data)
        eps = float(np.finfo(real).eps)
        last_bits = 2 * eps * sum(abs(float(d) * x) for d, x in zip(slopes, z, strict=True) if mp.isfinite(d))
        for n, (number, exact) in enumerate(zip(numbers, [value, *slopes], strict=True)):
            rounding = 8 * eps * max(1.0, *map(abs, z)) + last_bits if n == 0 else 8 * eps
            cancels = z.count(max(z)) > 1 or (name in CANCELS and CANCELS[name](data["r"]))
            rounding = rounding if cancels or real is np.float32 else last_bits if n == 0 else 0.0
            assert agrees(number, exact, real, rounding), f"[{n}] at {z}, {data}: {number!r}, not {float(exact)!r}"


# Random places ----------------------------------------------------------------------------------------------------

AT_RANDOM = ("softmax", "log_softmax", "cross_entropy", "kl", "focal", "binary_cross_entropy", "binary_focal")


def random_scores() -> list[tuple[float, float, float]]:
    """Scores of one size, of which one may be far above or below the others, or two close to each other."""
    chance, found = random.Random(3), []
    for _ in range(60):
        size = chance.choice((1e-3, 1.0, 9.0, 40.0))
        z = [chance.uniform(-size, size) for _ in range(3)]
        z[chance.randrange(3)] += chance.choice((0.0, 36.0, -36.0, 50.0))
        if chance.random() < 0.25:
            z[2] = z[0] * (1 + chance.choice((1e-3, 1e-6)))
        found.append(tuple(z))
    return found


@pytest.mark.parametrize("name", AT_RANDOM)
def test_no_digit_is_lost_at_random_scores(name: str) -> None:
    """Compiled, in double precision: the rules rest and saturated leave more than six digits of everything."""
    module, k = of_vectors(by_hand=False, compiled=True), list(VECTORS).index(name)
    eps = float(np.finfo(float).eps)
    for z in random_scores():
        for data in DATA:
            weights = {w: np.zeros(shape) for w, shape in module.WEIGHTS.items()} | {f"z{k}": np.array(z)}
            weights[f"v{k}"] = np.array(1.0)
            gradient = module.gradient(weights, y={n: np.array([d], float) for n, d in data.items()})
            value, *slopes = exact_of_vectors(VECTORS[name], z, data)
            last_bits = 2 * eps * sum(abs(d * x) for d, x in zip(slopes, z, strict=True))
            rounding = 8 * eps if name in CANCELS and CANCELS[name](data["r"]) else 0.0
            numbers = [float(gradient[f"v{k}"]), *gradient[f"z{k}"]]
            for n, (number, exact) in enumerate(zip(numbers, [value, *slopes], strict=True)):
                near = last_bits if n == 0 else rounding
                assert agrees(number, exact, np.float64, near), (
                    f"[{n}] at {z}, {data}: {number!r}, not {float(exact)!r}"
                )


# Making ----------------------------------------------------------------------------------------------------------


def trainer(spec: str, compiled: bool) -> ModuleType:
    network = load(Source("net.spec", spec))
    text = render(network, sweep(network), spec_name="net.spec", module_name="net_trainer")
    module = ModuleType("safe_arithmetic")  # no module of this name is imported, so nothing is sought in a cache
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(numba.config, "DISABLE_JIT", not compiled)
        exec(compile(text, "safe_arithmetic.py", "exec"), module.__dict__)
    return module


@cache
def network_of(spec: str) -> Network:
    return load(Source("net.spec", spec))
