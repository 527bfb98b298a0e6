"""The rules of safe arithmetic are equations: both sides agree, at random points, at kinks and far out."""

from __future__ import annotations

import random
from collections.abc import Callable

import mpmath
import pytest
import sympy
from mpmath import mp

from codegen.arithmetic import apart, exponentials, limits, logarithms, opening, saturation, stable
from codegen.arithmetic.primitives import Difference, Erfc, Expm1, Log1p, Precise, Sigmoid, Softplus, XLogY, XOverY
from derive.expressions import Access, Cases, accesses, index
from derive.tidy import Kernel, quotient

A, B, C = Access("a"), Access("b"), Access("c")
exp, log, sinh, cosh, tanh, erf, sqrt = sympy.exp, sympy.log, sympy.sinh, sympy.cosh, sympy.tanh, sympy.erf, sympy.sqrt
half, third = sympy.Rational(1, 2), sympy.Rational(1, 3)


def both(short: mpmath.mpf, exact: mpmath.mpf) -> mpmath.mpf:
    """The two forms of one number."""
    assert abs(short - exact) <= mp.mpf(10) ** -30 * max(1, abs(short))
    return exact


MEANINGS = {  # what the primitives are, by their plain formulas
    "Sigmoid": lambda u: 1 / (1 + mp.exp(-u)),
    "SigmoidSlope": lambda u: mp.exp(-abs(u)) / (1 + mp.exp(-abs(u))) ** 2,
    "Softplus": lambda u: mp.log(1 + mp.exp(u)),
    "Erfc": lambda u: 1 - mp.erf(u),
    "Log1p": lambda u: mp.log(1 + u),
    "Expm1": lambda u: mp.exp(u) - 1,
    "XLogY": lambda x, y: x * mp.log(y) if x else mp.zero,
    "XOverY": lambda x, y: x / y if x else mp.zero,
    "Difference": lambda a, b: a - b,
    "Precise": lambda short, exact: both(short, exact),
    "Cases": lambda condition, positive, otherwise: positive if condition > 0 else otherwise,
}

RULES: dict[str, tuple[Callable[[sympy.Expr], sympy.Expr], list[sympy.Expr]]] = {
    "quotient": (quotient, [sinh(A) / cosh(A) * B, exp(A) / (1 + exp(A))]),
    "bounded": (
        exponentials.bounded,
        [
            exp(A) / (exp(A) + exp(-A)),
            B * exp(A + B) / (3 * exp(A) + 3 * exp(A + B)),
            (exp(A) - exp(-A)) / (exp(A) + exp(-A)),
            1 + (exp(A) - exp(B)) * (exp(B) - exp(A)) / (exp(A) + exp(B)) ** 2,
            (exp(2 * A) - 1) / (exp(2 * A) + 1),
        ],
    ),
    "slope": (exponentials.slope, [B * Sigmoid(A) ** 3 * Sigmoid(-A), Sigmoid(A - B) * Sigmoid(B - A)]),
    "logistic": (
        exponentials.logistic,
        [
            1 / (1 + exp(-A)),
            exp(A) / (1 + exp(A)),
            B / (1 + exp(2 * A)) ** 3,
            exp(2 * A) / (1 + exp(A)) ** 2 * B,
            exp(A - B) / (1 + exp(A - B)) ** 3,
            (1 + exp(A)) ** -half,
            Sigmoid(A) ** third * B,
            exp(-A) * Sigmoid(A) ** 2,
        ],
    ),
    "complement": (
        saturation.complement,
        [
            1 - Sigmoid(A),
            Sigmoid(A) ** 2 - Sigmoid(A),
            2 * Sigmoid(A) - 1,
            B * (1 - Sigmoid(A)) + C,
            1 + tanh(A),
            1 - tanh(A) ** 2,
            B - B * tanh(A) ** 2 + C,
            1 + tanh(A) + B * (1 - tanh(A) ** 2),
            1 + erf(A / sqrt(2)),
            B * (1 - erf(A)) + 3,
            cosh(A) - 1,
            1 - sympy.cos(A),
            B + C * tanh(A),
        ],
    ),
    "join": (exponentials.join, [B * exp(A) * exp(-B) * exp(A * C)]),
    "logarithm": (
        stable.safe_logs,
        [
            log(1 + exp(A)),
            log(Sigmoid(A)),
            log(1 - Sigmoid(A)),
            log(cosh(A - B)),
            log(exp(A) + exp(B)),
            log(exp(A) + exp(B) + exp(C)),
            log(exp(A) + 2 * exp(2 * A) + 3),
            log(3 * exp(-A) + 3 * exp(A)),
            log(1 - exp(-sympy.Abs(A) - half)),
            log(2 * exp(sympy.Abs(A) + 1) - 2),
            log(exp(A) * (B**2 + 1)),
            log(exp(A) / (1 + exp(B)) / (B**2 + 1)),
            log(Softplus(A)),
            log(Sigmoid(A) ** 3),
        ],
    ),
    "softplus": (
        logarithms.softplus,
        [Softplus(A) - A, 2 * Softplus(-B) + 2 * B + C, Softplus(A - B) - A + B, Softplus(A) + A],
    ),
    "dominant": (
        exponentials.dominant,
        [
            1 / cosh(A),
            sinh(A) / cosh(2 * A),
            1 / cosh(A) ** 2 * B,
            (exp(A) - exp(-A)) / (exp(A) + exp(-A)),
            exp(A) / (1 + exp(A)) ** 2,
            exp(A + B) / (exp(A) + exp(B)) ** 2,
            exp(A) / (exp(A) + exp(B) + exp(C)),
            (exp(A) + 2 * exp(2 * A)) / (exp(2 * A) + 3 * exp(A) + 5) + B,
            A * ((1 + exp(A)) ** 2 - 1) / ((1 + exp(A)) ** 2 + 1),
            exp(A) * Sigmoid(-2 * A),
            (exp(2 * A) - 1) * Sigmoid(-2 * A) ** 2,
            Sigmoid(A) / Softplus(A),
            (1 + exp(2 * A)) ** -half * exp(A),
            tanh(B) / (1 + exp(A) * (B**2 + 1)),
        ],
    ),
    "distributed": (
        opening.distributed,
        [(-B / Sigmoid(A) + C) * Sigmoid(A), (exp(A) + B) * exp(-A), A * (B + C), Sigmoid(A) * (B / Sigmoid(A) ** 2)],
    ),
    "small": (
        logarithms.small,
        [log(1 + A**2), exp(A) - 1, 2 - 2 * exp(-sympy.Abs(A)) + B, B * exp(A) - B],
    ),
    "apart": (
        apart.apart,
        [
            A * B + (1 - A) * C,
            A**2 * B - (1 - A) ** 3 * C + 2,
            -A * log(1 + exp(-B)) - (1 - A) * log(1 + exp(B)) + A * C,
            exp(A * B + (1 - A) * (A * C + (1 - A) * B)),
            Precise(A * B + (1 - A) * C, B * A - C * (A - 1)),
            B * (1 - A) - C,
        ],
    ),
    "entropy": (limits.entropy, [A**2 * log(B**2 + 1), -A * log(1 + exp(B)) / 3 + C]),
}


def compiled(expression: sympy.Expr) -> Callable[..., mpmath.mpf]:
    names = [sympy.Symbol(a.tensor, real=True) for a in (A, B, C)]
    plain = expression.xreplace(dict(zip((A, B, C), names, strict=True)))
    return sympy.lambdify(names, plain, [MEANINGS, "mpmath"])


def points() -> list[tuple[int, tuple[float, float, float]]]:
    """Digits, and numbers: close to 0, of the usual size, equal, at kinks, and far out where powers have no limits."""
    chance = random.Random(5)
    found = [(80, tuple(chance.uniform(-s, s) for _ in range(3))) for s in (1e-3, 3.0, 12.0) for _ in range(400)]
    kinks = (-40.0, -1.0, 0.0, 1.0, 1e-300)
    found += [(700, (a, b, c)) for a in kinks for b in kinks for c in (0.0, 1.0)]
    far = (-1e3, -89.0, 0.5, 710.0)
    return found + [(2000, (a, b, 710.0)) for a in far for b in far]


@pytest.mark.parametrize(("rule", "number"), [(r, n) for r, (_, es) in RULES.items() for n in range(len(es))])
def test_both_sides_of_a_rule_agree(rule: str, number: int) -> None:
    """And the right side has a value wherever the left one has."""
    rewrite, expressions = RULES[rule]
    before, after = expressions[number], rewrite(expressions[number])
    left, right = compiled(before), compiled(after)
    seen = set()
    for digits, point in points():
        own = (digits, *(x for x, a in zip(point, (A, B, C), strict=True) if before.has(a)))
        if own in seen:
            continue
        seen.add(own)
        with mp.workdps(digits):
            try:
                one = left(*map(mp.mpf, point))
            except ZeroDivisionError:
                continue
            other = right(*map(mp.mpf, point))
            close = mp.mpf(10) ** (-17 if after.has(exponentials.FAR) else -30)  # eᵘ for log(1 + eᵘ), u < −FAR
            assert abs(one - other) <= close * max(1, abs(one)), f"{before} is not {after} at {point}"


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("complement", 1 - tanh(A) ** 2, 4 * Sigmoid(2 * A) * Sigmoid(-2 * A)),
        ("complement", B * (1 + erf(A)), B * Erfc(-A)),
        ("complement", 2 - Sigmoid(A), 2 - Sigmoid(A)),
        ("logarithm", log(exp(A) + exp(B)), Cases(A - B, A, B) + Log1p(exp(-sympy.Abs(A - B)))),
        ("dominant", 1 / cosh(A), exp(-sympy.Abs(A)) / (half + exp(-2 * sympy.Abs(A)) / 2)),
        ("dominant", exp(A) * (1 + exp(A)), exp(A) * (1 + exp(A))),  # nothing is divided
        ("softplus", Softplus(A) - A, Softplus(-A)),
        ("small", B * (exp(A) - 1), B * Expm1(A)),
        ("logistic", exp(-A) * Sigmoid(A) ** 2, Sigmoid(A) * Sigmoid(-A)),
        ("entropy", A * log(B), XLogY(A, B)),
        ("apart", A * B + (1 - A) * C, Precise(A * B + (1 - A) * C, Difference(A * B, -(1 - A) * C))),
        ("apart", B * (1 - A) - C, B * (1 - A) - C),
    ],
)
def test_a_rule_does_what_its_name_says(rule: str, before: sympy.Expr, after: sympy.Expr) -> None:
    assert sympy.expand(RULES[rule][0](before) - after) == 0


def test_every_rule_for_one_right_side_is_tested_here() -> None:
    assert {name for name, _ in stable.SCALAR} <= set(RULES)


def test_a_share_is_the_derivative_of_an_entropy_and_nothing_else() -> None:
    i, j = index("i"), index("j")
    t, p = Access("t", i), Access("p", i)
    pairs = [(Kernel(p, frozenset({i}), p), t)]
    other = {i: j}
    assert limits.share(-t / p * A, pairs) == -XOverY(t, p) * A
    assert limits.share((t / p).xreplace(other), pairs) == XOverY(t, p).xreplace(other)
    assert limits.share(A / p, pairs) == A / p
    assert limits.share(t / A, pairs) == t / A


def test_accesses_stay_what_they_are() -> None:
    """A rule brings in no tensor and loses none that the value depends on."""
    for rewrite, expressions in RULES.values():
        for expression in expressions:
            assert set(accesses(rewrite(expression))) == set(accesses(expression))
