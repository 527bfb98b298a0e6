"""Scalar expressions as kernel source: the rules that keep them stable, and the printer."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import sympy
from mpmath import mp

from codegen.arithmetic import limits, logarithms, primitives
from codegen.arithmetic.stable import recognised
from codegen.trainer import accuracy, vectormath
from codegen.trainer.printer import FUNCTIONS, Printer, UnknownNode, Used, repeated
from derive.expressions import Access, Cases, Equal, index
from derive.functions import formula

z, t, p = Access("z"), Access("t"), Access("p")
u = sympy.Symbol("u", real=True)
logistic = formula("my_own_name", (u,), 1 / (1 + sympy.exp(-u)))
soft = formula("another_name", (u,), sympy.log(1 + sympy.exp(u)))


def source(expression: sympy.Expr) -> tuple[str, list[str], Used]:
    """The printed text, the temporaries before it, and what it uses."""
    used, lines = Used(), []

    def temporary(text: str) -> str:
        lines.append(f"v{len(lines) + 1} = {text}")
        return f"v{len(lines)}"

    printer = Printer(lambda a: a.tensor, str, temporary, {}, used)
    return printer.text(expression), lines, used


def evaluate(expression: sympy.Expr, real: type = np.float64, **values: float) -> float:
    """The value of the printed text, with the functions of generated trainers."""
    text, lines, _ = source(expression)
    module = accuracy.load()
    names = {name: getattr(module, name) for name in vectormath.available()}
    numbers = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "half": 0.5, "quarter": 0.25}
    scope = {**names, "real": real, "math": math, **{k: real(v) for k, v in numbers.items()}}
    scope |= {"xlogy": lambda x, y: x * names["log"](y) if x != 0 else x}
    scope |= {k: real(v) for k, v in values.items()}
    with np.errstate(all="ignore"):
        exec("\n".join([*lines, f"result = {text}"]), scope)
    return float(scope["result"])


FAR = [-1e4, -710.0, -30.0, -1.0, -1e-9, 0.0, 1e-9, 0.5, 30.0, 710.0, 1e4]
STABLE = [
    (logistic(z), lambda x: 1 / (1 + mp.exp(-x))),
    (1 / (1 + sympy.exp(-z)), lambda x: 1 / (1 + mp.exp(-x))),
    (sympy.exp(z) / (1 + sympy.exp(z)), lambda x: 1 / (1 + mp.exp(-x))),
    (sympy.exp(2 * z) / (1 + sympy.exp(z)) ** 2, lambda x: (1 + mp.exp(-x)) ** -2),
    (1 / (1 + sympy.exp(z)), lambda x: 1 / (1 + mp.exp(x))),
    (soft(z), lambda x: mp.log1p(mp.exp(x))),
    (sympy.log(1 + sympy.exp(-z)), lambda x: mp.log1p(mp.exp(-x))),
    (sympy.log(logistic(z)), lambda x: -mp.log1p(mp.exp(-x))),
    (sympy.log(1 - logistic(z)), lambda x: -mp.log1p(mp.exp(x))),
    (sympy.log(logistic(3 * z) ** 2), lambda x: -2 * mp.log1p(mp.exp(-3 * x))),
    (sympy.log(sympy.cosh(z)), lambda x: mp.log(mp.cosh(x))),
    (sympy.log(2 * sympy.cosh(z - 1)), lambda x: mp.log(2 * mp.cosh(x - 1))),
    (sympy.log(sympy.exp(z) * sympy.exp(-t) / p), lambda x: x - 1 - mp.log(2)),
    (sympy.tanh(z) / sympy.sqrt(1 + z**2), lambda x: mp.tanh(x) / mp.sqrt(1 + x**2)),
    (sympy.sign(z) * sympy.Abs(z) ** sympy.Rational(3, 2), lambda x: mp.sign(x) * abs(x) ** 1.5),
    (z**3 / 7 - 2 * z**2 + z / 3, lambda x: x**3 / 7 - 2 * x**2 + x / 3),
    (Cases(z, z, sympy.exp(z) - 1), lambda x: x if x > 0 else mp.expm1(x)),
    (z**5 - (z - 1) ** 2 * (1 + z) ** -1, lambda x: x**5 - (x - 1) ** 2 / (1 + x) if x != -1 else -mp.inf),
]


@pytest.mark.parametrize(("expression", "exact"), STABLE, ids=[str(e) for e, _ in STABLE])
def test_far_from_zero_and_near_it(expression, exact):
    lowered = logarithms.small(limits.entropy(recognised(expression)))
    for x in FAR:
        with mpmath.workprec(32000):
            expected = float(exact(mp.mpf(x)))
        found = evaluate(lowered, z=x, t=1, p=2)
        absolute = 1e-300
        assert found == pytest.approx(expected, rel=1e-13, abs=absolute), (lowered, x)


def test_zero_times_the_logarithm_of_zero_is_zero():
    lowered = limits.entropy(t * sympy.log(p) / 3)
    assert lowered == primitives.XLogY(t, p) / 3
    assert evaluate(lowered, t=0, p=0) == 0
    assert evaluate(lowered, t=2, p=0.5) == pytest.approx(2 * math.log(0.5) / 3)


def test_functions_are_recognised_by_their_formula_alone():
    assert recognised(logistic(z)) == primitives.Sigmoid(z)
    assert recognised(soft(2 * z)) == primitives.Softplus(2 * z)
    sigmoid = formula("sigmoid", (u,), u**2)  # a misleading name
    assert recognised(sigmoid(z)) == z**2


TEXTS = [
    (z / 2, "half * z"),
    (z * t - p, "t * z - p"),
    (-z, "-z"),
    (1 - z**2, "one - z * z"),
    (-(1 - t) * z, "(t - one) * z"),
    (z / 500, "real(0.002) * z"),
    (z / (t + 1), "z / (one + t)"),
    (1 / z, "one / z"),
    (-2 / z, "-two / z"),
    (sympy.sqrt(z), "math.sqrt(z)"),
    (sympy.pi * z, "real(3.141592653589793) * z"),
    (sympy.Integer(5), "real(5)"),
    (Cases(z, z, 0), "z if z > zero else zero"),
    (1 + Cases(z, 1, 0), "one + (one if z > zero else zero)"),
    (Equal(z, t) * p, "p * (one if z == t else zero)"),
]


@pytest.mark.parametrize(("expression", "text"), TEXTS, ids=[t for _, t in TEXTS])
def test_texts(expression, text):
    assert source(expression)[0] == text


def test_single_precision_stays_single():
    """No number may widen an expression: every one is typed."""
    for expression, _ in STABLE:
        lowered = logarithms.small(limits.entropy(recognised(expression)))
        text, lines, _ = source(lowered)
        for word in "\n".join([text, *lines]).replace("real(", "(real ").split():
            assert not word.strip("(),*").replace(".", "").isdigit() or "real" in text or "**" in word


def test_unknown_nodes_are_errors():
    for node in (sympy.gamma(z), sympy.Symbol("stray", real=True), sympy.I * z, sympy.Max(z, t), sympy.zoo):
        with pytest.raises(UnknownNode, match="internal error"):
            source(node)


def test_functions_of_the_table_are_emitted_ones():
    assert set(FUNCTIONS.values()) - {"abs", "xlogy", "difference"} <= set(vectormath.available())


def test_repeated_function_values():
    e = sympy.tanh(z) + sympy.tanh(z) ** 2 * sympy.exp(sympy.tanh(z)) + sympy.exp(t)
    assert repeated(e) == [sympy.tanh(z)]
    assert repeated(sympy.exp(Access("a", index("i"))) + z) == []
