"""The emitted elementary functions: accuracy, special values, vectorisation, and the text that is emitted."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.special

from codegen.resources import template, template_folders
from codegen.trainer import accuracy, minimax, vectormath

PRECISIONS = [np.float32, np.float64]
MODULE = accuracy.load()
FUNCTIONS = [
    "exp",
    "expm1",
    "tanh",
    "sigmoid",
    "sigmoid_slope",
    "sinh",
    "cosh",
    "log",
    "log1p",
    "softplus",
    "sin",
    "cos",
    "erf",
    "erfc",
]
NAN, INF = math.nan, math.inf

# Double precision functions of SciPy and NumPy, the reference for single precision.
LIBRARY = {
    "sigmoid": scipy.special.expit,
    "sigmoid_slope": lambda x: scipy.special.expit(x) * scipy.special.expit(-x),
    "softplus": lambda x: np.logaddexp(x, 0),
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
}
LARGEST_BOUND = {"erfc": 7, "sigmoid_slope": 5, "tanh": 3, "sigmoid": 3}  # ulp; 2 for the others


@cache
def compiled(name):
    return accuracy.kernel(getattr(MODULE, name))


def evaluate(name, x):
    y = np.empty_like(x)
    compiled(name)(x, y)
    return y


def claimed_bound(name, real):
    """The error that the docstring of the function states, in ulp."""
    found = re.search(rf"([\d.]+) ulp in {real.__name__}", getattr(MODULE, name).__doc__)
    assert found, f"{name} states no error bound"
    return float(found[1])


def test_the_template_has_the_functions():
    assert sorted(vectormath.available()) == sorted(FUNCTIONS)


@pytest.mark.parametrize("real", PRECISIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_against_mpmath(name, real):
    x = accuracy.points(name, real, 3000)
    least = 45 if real is np.float32 else 323  # below 1e-38 or 1e-308 they are subnormal
    near_zero = np.array([s * 10.0**-e for e in [*range(1, 45), *range(45, least, 7)] for s in (1, -1)], real)
    switches = np.array(
        [
            s * b
            for b in (0.625, 1, 0.5, math.log(2) / 2, math.log(2) / 4, math.sqrt(2), math.sqrt(0.5))
            for s in (1, -1)
        ]
    )
    around = np.concatenate([np.nextafter(switches.astype(real), real(t)) for t in (-9, 9)])
    x = np.concatenate([x, accuracy.domain(name, np.concatenate([near_zero, switches.astype(real), around]))])
    error = accuracy.errors(name, x, evaluate(name, x))
    worst = error.argmax()
    assert error[worst] <= claimed_bound(name, real) <= LARGEST_BOUND.get(name, 2), f"{name}({x[worst]!r})"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_single_precision_over_all_bit_patterns(name):
    """Every 2003rd of the 2^32 numbers, NaN and infinity included."""
    x = np.arange(0, 2**32, 2003, dtype=np.uint32).view(np.float32)
    y = evaluate(name, x)
    with np.errstate(all="ignore"):
        exact = LIBRARY.get(name, getattr(np, name, None))(x.astype(np.float64))
        rounded = exact.astype(np.float32)
        error = np.abs(y - exact) / np.spacing(np.abs(rounded))
    infinite = np.isinf(rounded) | np.isinf(y)
    inside = np.isin(x, accuracy.domain(name, x))
    if name in ("sin", "cos"):  # large arguments are not accurate, but bounded
        assert (np.abs(y[np.isfinite(x)]) <= 1.01).all()
        assert np.isnan(y[~np.isfinite(x)]).all()
    else:
        assert (np.isnan(y) == np.isnan(rounded)).all()
        assert (y[infinite] == rounded[infinite]).all()
    assert error[inside & ~infinite].max() <= claimed_bound(name, np.float32)


@pytest.mark.parametrize("real", PRECISIONS)
@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"erf", "erfc"}))
def test_errors_by_a_wider_type_are_those_by_mpmath(name, real):
    """By which all numbers of single precision are measured for ``docs/vectormath.md``."""
    x = accuracy.points(name, real, 600)
    y = evaluate(name, x)
    fine = 1e-6 if real is np.float32 else 2e-2  # NumPy's long double functions have rounding errors of their own
    np.testing.assert_allclose(accuracy.wide_errors(name, x, y), accuracy.errors(name, x, y), atol=fine)
    x = np.array([NAN, INF, -INF, 0.0, -0.0, np.finfo(real).smallest_subnormal], real)
    assert np.isfinite(accuracy.wide_errors(name, x, evaluate(name, x))).all(), "special values count as right"
    assert accuracy.wide_errors(name, x[:3], np.zeros(3, real)).max() == INF, "and as wrong"


SPECIAL_VALUES = {  # at 0, -0, inf, -inf
    "exp": (1, 1, INF, 0),
    "expm1": (0, -0.0, INF, -1),
    "tanh": (0, -0.0, 1, -1),
    "sigmoid": (0.5, 0.5, 1, 0),
    "sigmoid_slope": (0.25, 0.25, 0, 0),
    "sinh": (0, -0.0, INF, -INF),
    "cosh": (1, 1, INF, INF),
    "log": (-INF, -INF, INF, NAN),
    "log1p": (0, -0.0, INF, NAN),
    "softplus": (math.log(2), math.log(2), INF, 0),
    "sin": (0, -0.0, NAN, NAN),
    "cos": (1, 1, NAN, NAN),
    "erf": (0, -0.0, 1, -1),
    "erfc": (1, 1, 0, 2),
}


@pytest.mark.parametrize("real", PRECISIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name, real):
    x = np.array([0.0, -0.0, INF, -INF, NAN, -NAN], real)
    y = evaluate(name, np.tile(x, 11))  # long enough for the vectorised part of the loop
    expected = np.tile(np.array([*SPECIAL_VALUES[name], NAN, NAN], real), 11)
    np.testing.assert_allclose(y, expected, rtol=1.1 * np.finfo(real).eps, atol=0)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", 709.782712893384, math.exp(709.782712893384)),
        ("exp", 709.7827128933841, INF),
        ("exp", -745.0, 5e-324),
        ("exp", -720.0, math.exp(-720.0)),
        ("exp", -746.0, 0.0),
        ("expm1", 1e4, INF),
        ("expm1", -1e4, -1.0),
        ("cosh", 710.4758600739439, math.cosh(710.4758600739439)),
        ("sinh", -710.4758600739439, -math.cosh(710.4758600739439)),
        ("cosh", 710.4758600739440, INF),
        ("sigmoid", -1e4, 0.0),
        ("sigmoid", -745.0, 0.0),
        ("sigmoid", -709.5, math.exp(-709.5)),
        ("sigmoid", 1e4, 1.0),
        ("softplus", -700.0, math.exp(-700.0)),
        ("softplus", -745.0, 5e-324),
        ("softplus", 1e4, 1e4),
        ("log", 5e-324, math.log(5e-324)),
        ("log", -1.0, NAN),
        ("log1p", -1.0, -INF),
        ("log1p", -1.5, NAN),
        ("log1p", 1e-310, 1e-310),
        ("log1p", 1.7e308, math.log(1.7e308)),
        ("tanh", 1e-310, 1e-310),
        ("sin", 1e-310, 1e-310),
        ("sin", 1e300, 0.0),
    ],
)
def test_thresholds_in_double_precision(name, x, expected):
    y = evaluate(name, np.full(20, x))
    np.testing.assert_allclose(y, expected, rtol=5e-16, atol=0)


@pytest.mark.parametrize("real", PRECISIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_loop_is_vectorised(name, real):
    evaluate(name, np.ones(3, real))
    (ir,) = (text for types, text in compiled(name).inspect_llvm().items() if types[0].dtype.name == real.__name__)
    assert re.search(rf"fmul .*<\d+ x {'float' if real is np.float32 else 'double'}>", ir)


def test_an_integer_is_taken_as_double_precision():
    y = np.empty(3)
    compiled("tanh")(np.array([-1, 0, 2]), y)
    np.testing.assert_allclose(y, np.tanh([-1, 0, 2]), rtol=5e-16)


@pytest.mark.parametrize("real", PRECISIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_plain_python_keeps_value_and_precision(name, real):
    x = real(0.3)
    y = getattr(MODULE, name)(x)
    assert type(y) is real or (real is np.float64 and type(y) is float)
    assert y == pytest.approx(float(evaluate(name, np.array([x]))[0]), rel=4 * float(np.finfo(real).eps))


# The emitted text


def test_only_what_is_used_is_emitted():
    text = vectormath.source(["log"])
    assert "def log(" in text
    assert "_log_sum" in text
    for absent in ("def log1p(", "def exp(", "_EXP_64", "_copy_sign", "import math"):
        assert absent not in text
    assert vectormath.source([]) == ""
    with pytest.raises(KeyError, match="sinc"):
        vectormath.source(["sinc"])


@pytest.mark.parametrize("names", [[name] for name in FUNCTIONS] + [["softplus", "tanh"], FUNCTIONS])
def test_emitted_text_is_complete_and_ruff_stable(names, tmp_path):
    text = vectormath.source(names)
    assert text == vectormath.source(reversed(names))
    namespace: dict[str, object] = {"__name__": "emitted"}
    exec(compile(text, "emitted", "exec"), namespace)
    assert set(names) <= namespace.keys()
    assert text == "\n".join(vectormath.import_lines(names)) + "\n\n" + vectormath.source(names, imports=False)
    ruff = shutil.which("ruff") or shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed")
    file = tmp_path / "emitted.py"
    file.write_text(text, encoding="utf-8")
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    for command in (["format", "--check", "--diff"], ["check"]):
        run = subprocess.run([ruff, *command, "--config", str(pyproject), str(file)], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr


KERNEL = """

@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz", "afn"}, error_model="numpy")
def loop(x, y):
    for i in range(x.size):
        y[i] = tanh(x[i]) + softplus(x[i])


if __name__ == "__main__":
    values = np.linspace(-9, 9, 50)
    result = np.empty_like(values)
    loop(values, result)
    assert np.allclose(result, np.tanh(values) + np.logaddexp(values, 0), rtol=1e-15)
    print(sum(loop.stats.cache_hits.values()), sum(loop.stats.cache_misses.values()))
"""


def test_a_second_process_loads_the_kernel_from_the_disk_cache(tmp_path):
    file = tmp_path / "emitted.py"
    file.write_text(vectormath.source(["tanh", "softplus"]) + KERNEL, encoding="utf-8")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    runs = [
        subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=True, env=environment)
        for _ in range(2)
    ]
    assert [run.stdout.split() for run in runs] == [["0", "1"], ["1", "0"]]


def test_values_without_the_compiler(tmp_path):
    file = tmp_path / "emitted.py"
    calls = "".join(f"print({name}(np.float32(0.3)), {name}(0.3))\n" for name in FUNCTIONS)
    file.write_text(vectormath.source(FUNCTIONS) + "\n\n" + calls, encoding="utf-8")
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=True, env=environment)
    for name, line in zip(FUNCTIONS, run.stdout.splitlines(), strict=True):
        single, double = map(float, line.split())
        assert double == pytest.approx(float(evaluate(name, np.array([0.3]))[0]), rel=1e-15)
        assert single == pytest.approx(double, rel=1e-6)


# The coefficients


@pytest.mark.parametrize("name", minimax.constants())
def test_coefficients_are_those_derived(name):
    assert minimax.constant_block(name) in template("trainer/vectormath.py").read_text(encoding="utf-8")


def test_remez_finds_the_known_best_line():
    """The best line to x^2 on [0, 1] is x - 1/8, with error 1/8."""
    fit = minimax.remez(lambda x: x * x, lambda x: minimax.mpf(1), (minimax.mpf(0), minimax.mpf(1)), 1)
    assert [float(c) for c in fit.coefficients] == pytest.approx([-0.125, 1], abs=1e-3)
    assert float(fit.error) == pytest.approx(0.125, rel=1e-3)


def test_template_folder_exists():
    assert any((folder / "trainer" / "vectormath.py").is_file() for folder in template_folders())
    with pytest.raises(FileNotFoundError, match="nothing"):
        template("trainer/nothing.py")
