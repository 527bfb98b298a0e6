"""Every tidying rule is an equation: both sides agree at random points, at kinks, next to them and far out.

Where the left side has a value the right side has one too, and the two are the same number: 30 digits of it, not 30
digits behind the point.  What loses digits is computed anew with more of them.  A rule counts as tested where it has
changed something; so no test here passes in vain.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
import sympy
from oracles import evaluated, network_of, sweep_of, work_with

from derive import tidy
from derive.branches import decide
from derive.evaluate import DIGITS, Values, compile_scalar, context
from derive.expressions import Access, Cases, accesses
from derive.functions import Formula, formula
from derive.gradient import Contribution
from derive.network import Equation, Network
from derive.selection import choices

POINTS = 2000  # of every rule, those where its left side has no value not counted
LEVELS = (DIGITS, 700)  # digits: of 1 − tanh²u at u = 710 none of 600 is left
CLOSE, LOST = 30, 600  # digits that agree; what is smaller than the last one of so many has been rounded away

A, B, C, Y = (Access(name) for name in ("a", "b", "c", "y"))
Z = sympy.Symbol("z", real=True)
ONE, ZERO, HALF, THIRD = sympy.Integer(1), sympy.Integer(0), sympy.Rational(1, 2), sympy.Rational(1, 3)
exp, log, sinh, cosh, tanh, sin, sqrt = sympy.exp, sympy.log, sympy.sinh, sympy.cosh, sympy.tanh, sympy.sin, sympy.sqrt
sign, Abs = sympy.sign, sympy.Abs

KINKS = (0.0, -1.0, 1.0, 0.5, -2.0, 3.0)
BESIDE = (*(k + d for k in KINKS for d in (2.0**-40, -(2.0**-40))), 1e-300, -1e-300)
FAR = (1e4, -1e4, 710.0, -89.0)


def drawn(chance: random.Random) -> float:
    """A number: small, of the usual size, at a kink, beside one, or far out."""
    kind = chance.randrange(8)
    if kind < 4:
        return chance.uniform(-1, 1) * chance.choice((1e-3, 1.0, 3.0, 12.0))
    return chance.choice(KINKS if kind < 6 else BESIDE if kind < 7 else FAR)


def value_of(compute: Callable[[], Any]) -> Any:
    """The number, or ``None`` where there is none among the real ones."""
    try:
        found = compute()
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    if found.imag != 0 or not context.isfinite(found):
        return None
    return found.real


def same(one: Any, other: Any) -> bool:
    """Whether two numbers have the same leading digits, as far as the digits in use can tell."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= max(context.mpf(10) ** -CLOSE * abs(one), rounding())


def rounding() -> Any:
    """Numbers near 1 have lost what is smaller; 0 unless the most digits are in use."""
    return context.mpf(10) ** -LOST if context.dps == LEVELS[-1] else context.zero


@pytest.fixture(autouse=True)
def _digits() -> Iterator[None]:
    yield
    work_with(DIGITS)


def assert_agree(
    before: sympy.Expr, after: sympy.Expr, points: list[Values], known: Mapping[Access, sympy.Expr]
) -> int:
    """Compare two sides, ``known`` being what the forward pass computes; the number of points with a value."""
    left, defined = points, 0
    for digits in LEVELS:
        work_with(digits)
        sides = [compile_scalar(side) for side in (before, after)]
        forward = {a.tensor: compile_scalar(body) for a, body in known.items()}
        again = []
        for point in left:
            values = dict(point)
            computed = {n: value_of(lambda f=f, values=values: f({}, values)) for n, f in forward.items()}
            if None in computed.values():
                continue
            values |= {n: {(): v} for n, v in computed.items()}
            one, other = (value_of(lambda f=f, values=values: f({}, values)) for f in sides)
            if digits == LEVELS[-1] and one is None:
                continue
            if same(one, other) and one is not None and (one != 0 or digits == LEVELS[-1] or exactly_zero(point)):
                defined += 1
            else:
                again.append(point)
        left = again
    shown = {n: float(v[()]) for n, v in left[0].items()} if left else {}
    assert not left, f"{before} is not {after} at {shown} and {len(left)} points in all"
    return defined


def exactly_zero(point: Values) -> bool:
    """Whether no digits can have been lost: every number is small."""
    return all(abs(v[()]) <= 12 for v in point.values())


# Rules that rewrite one expression: before and after ------------------------------------------------------------

U = (A, A * B - C, 2 * A + THIRD, A**2)  # arguments
F = (ONE, -B, B + C, 2 * tanh(B), Cases(B, B, C))  # factors


def quotients() -> Iterator[sympy.Expr]:
    for u, f in itertools.product(U, F):
        yield f * sinh(u) / cosh(u)
        yield f * sinh(u) ** 2 / cosh(u) ** 2 + sinh(u) / cosh(u) ** 3
        for rest in (ONE, sympy.Integer(3), -ONE, -HALF, B**2, B):
            yield f * exp(u) / (rest + exp(u))
        yield f * exp(u) / (1 + exp(u)) - exp(2 * u) / (exp(2 * u) - B)


def cancellations() -> Iterator[sympy.Expr]:
    for u, f in itertools.product(U[:3], F[:3]):
        yield f * (u**2 - B**2) / (u - B)
        yield f * u * (1 - u) * (B / u - (1 - B) / (1 - u))
        yield (f * u + C * u) / (u * (B**2 + 1))
        yield f * exp(u) / (1 + exp(u)) * (1 + exp(u))
        yield 1 / (1 + Abs(u)) - Abs(u) / (1 + Abs(u)) ** 2 + f
        yield (u + B) / (u + B) ** 2 + 1 / (u + B)
        yield sqrt(u**2 + 1) * (u + B) / (u**2 + 1) * f
        yield Cases(u, u, B) * (f + 1) / (Cases(u, u, B) * (C + 1))
        yield f * u * sqrt(B) / B + f * u * C / sqrt(B)


def absolutes() -> Iterator[sympy.Expr]:
    for u, f in itertools.product((*U, A - 1, A * B), F):
        yield f * u * sign(u)
        yield f * u * sign(u) + sign(u) * B
        yield f * exp(u * sign(u) / 3) - u * sign(u) * C
        yield f * u * sign(u) / (1 + u * sign(u))


def signs() -> Iterator[sympy.Expr]:
    for u, f in itertools.product((A - 1, A * B - C, THIRD - A, B - tanh(A), 2 - A * C, exp(A) - 1), F):
        yield -u * f
        yield -2 * u * f / (1 + A**2)
        yield -u * (C - B) * f
        yield -u * f * Cases(u, u, -C)


def branches() -> Iterator[sympy.Expr]:
    for u, v in itertools.product((A, A - B, 2 - A / 3, A * B), (B, B - A, C, -A, 1 - A)):
        yield Cases(Cases(1 - u, u, ONE) + 1, Cases(1 - u, ONE, v), ZERO)
        yield v * Cases(u, Cases(2 * u, v, C), Cases(u / 3, u, C)) - Cases(-u, ONE, ZERO)
        yield Cases(u, Cases(-u, v, C), Cases(-u, C, v))
        yield Cases(Cases(u, v, C), Cases(v, u, Cases(u, C, ONE)), Cases(C, ONE, u))
        yield Cases(Cases(u, v, -v) + Cases(v, u, C), 1 / (u + v + 5), u * v)
        yield Cases(u, log(u), Cases(-u, log(-u), v))
        yield Cases(u - v, Cases(v - u, C, u), Cases(v - u, v, Cases(u, u, -v)))


REWRITINGS: dict[str, tuple[Callable[[sympy.Expr], sympy.Expr], Callable[[], Iterable[sympy.Expr]]]] = {
    "quotient": (tidy.quotient, quotients),
    "cancel": (tidy.cancel, cancellations),
    "absolute": (tidy.absolute, absolutes),
    "sign": (tidy.absorb_sign, signs),
    "branch": (decide, branches),
}


def reused() -> Iterator[tuple[sympy.Expr, sympy.Expr, dict[Access, sympy.Expr]]]:
    """A function's value y = f(u) is known; then f′(u) and what else is made of f's parts."""
    for u, f in itertools.product(U, F):
        for body in (tanh(u), exp(u), 1 + exp(u), 2 * tanh(u) + HALF, 1 - exp(-u), THIRD * sinh(u), sin(u) - 1, log(u)):
            kernel = tidy.kernel_atoms(body)[0]
            for before in (f * kernel, f * (1 - kernel**2), kernel / (1 + kernel**2) + f, f / kernel):
                yield before, tidy.reuse(before, tidy.kernels_of(Equation(Y, body))), {Y: body}
        for body in (
            1 / (1 + exp(-u)),
            (exp(u) - 1) / (exp(u) + 1),
            u / (1 + exp(-u)),
            B * tanh(u),
            exp(u) / (2 - exp(u)),
        ):
            before = f * exp(-u) / (1 + exp(-u)) ** 2 + exp(2 * u) + tanh(u)
            yield before, tidy.reuse(before, tidy.kernels_of(Equation(Y, body))), {Y: body}


def sloped() -> Iterator[tuple[sympy.Expr, sympy.Expr, dict[Access, sympy.Expr]]]:
    """f′ of a formula, through f itself where that is possible."""
    for number, body in enumerate(
        (
            1 / (1 + exp(-Z)), log(1 + exp(Z)), (exp(Z) - exp(-Z)) / (exp(Z) + exp(-Z)), Z / (1 + exp(-Z)),
            Z / (1 + Abs(Z)),
            Cases(Z, Z, exp(Z) - 1), log(Z + sqrt(Z**2 + 1)), 1 / (2 + 3 * exp(Z)), exp(-(Z**2)), Z * Abs(Z),
            tanh(Z) ** 2,
            Cases(Cases(1 - Z, Z, ONE) + 1, Cases(1 - Z, Z, ONE), -ONE), exp(Z) / (exp(Z) - 1), sinh(Z) / cosh(Z), Z**3,
        )
    ):  # fmt: skip
        function: type[Formula] = formula(f"f{number}", (Z,), body)
        for u in (A, A * B - C):
            before = body.diff(Z).replace(sympy.DiracDelta, lambda *_: ZERO)
            yield before.subs(Z, u), tidy.derivative_of(function, 0).subs(Z, u), {}


def cases_of(rule: str) -> list[tuple[sympy.Expr, sympy.Expr, dict[Access, sympy.Expr]]]:
    """The pairs of a family on which a rule has done something."""
    if rule == "reuse":
        found = [*reused(), *sloped()]
    else:
        rewrite, family = REWRITINGS[rule]
        found = [(before, rewrite(before), {}) for before in family()]
    return [case for case in dict.fromkeys((b, a, tuple(k.items())) for b, a, k in found) if case[0] != case[1]]


@pytest.mark.parametrize("rule", [*REWRITINGS, "reuse"])
def test_a_rewriting_keeps_every_value(rule: str) -> None:
    chance = random.Random(rule)
    cases = cases_of(rule)
    assert len(cases) >= 20, f"{rule} fires on {len(cases)} expressions only"
    each = max(24, 3 * POINTS // len(cases))
    defined = 0
    for before, after, known in cases:
        names = sorted({a.tensor for a in (*accesses(before), *(x for _, k in known for x in accesses(k)))} - {"y"})
        points = [{n: {(): context.mpf(drawn(chance))} for n in names} for _ in range(each)]
        defined += assert_agree(before, after, points, dict(known))
    assert defined >= POINTS


# Rules about sums: what an equation hands down, Σ upstream · ∂body, and what the sweep wrote for it -----------------

HIDDEN = ("tanh({})", "{}^2", "{} * exp(-{}^2)", "abs({})", "max({}, 0)", "sigmoid({})")
NETS: dict[str, tuple[str, ...]] = {
    "hoist": tuple(
        f"input x[3]\nweight c, W[2,3]\nz[i] = sum(j: W[i,j]*x[j])\nh[i] = {f.replace('{}', 'z[i]')}\n"
        f"s = sum(i: {body})\ntarget t\nloss L = {loss}"
        for f in HIDDEN
        for body in ("c * h[i]", "c^2 * h[i] * tanh(h[i])")
        for loss in ("(s - t)^2 / 2", "sum(i: s * h[i] * c) - t * s")
    ),
    "fact": tuple(
        f"input x[2]\nweight W[3,2], b[3]\nz[i] = {z}\np[3] = {p}\ntarget t[3]\nloss L = {loss}"
        for z in ("b[i] + sum(j: W[i,j]*x[j])", "b[i] * tanh(sum(j: W[i,j]*x[j]))")
        for p in ("softmax(z)", "softmax(2 * z)")
        for loss in ("cross_entropy(t, p)", "kl(t, p) * 3", "cross_entropy(t, p) + sum(b^2)")
    ),
    "choice": tuple(
        f"input x[2]\nweight W[3,2], b[3]\nz[i] = {z}\np[3] = softmax(z)\ntarget k\nloss L = {loss}"
        for z in ("b[i] + sum(j: W[i,j]*x[j])", "b[i] * tanh(sum(j: W[i,j]*x[j]))", "b[i]^2 * W[i,1] * x[1] + x[2]")
        for loss in ("-log(p[k])", "-2 * log(p[k]) + b[k]^2")
    ),
    "centred": tuple(
        f"input x[2]\nweight W[{n},2], g[{n}]\nz[i] = sum(j: W[i,j]*x[j])\ny[{n}] = {y}\nloss L = sum(i: {loss})"
        for n in (3, 4)
        for y in ("layer_norm(z)", "layer_norm(3 * z, 1)")
        for loss in ("g[i] * y[i]^2", "(y[i] - g[i])^2 / 2", "tanh(g[i] * y[i])")
    ),
}


def data_of(network: Network, chance: random.Random) -> Values:
    """Numbers for what a network reads: places that are there, targets of which the declared facts are true."""
    values: Values = {}
    for tensor in network.tensors.values():
        if tensor.role not in ("input", "target", "weight"):
            continue
        places = choices(network.flat_equations).get(tensor.name)
        points = [tuple(int(i) for i in e.indices) for e in tensor.elements()]
        numbers = [float(chance.randint(1, places)) if places else drawn(chance) for _ in points]
        if any(f.tensor == tensor.name for f in network.facts):  # shares, exactly, some of them tiny
            cuts = sorted(chance.choice((0.25, 0.5, 1e-300, chance.random())) for _ in points[1:])
            numbers = [context.mpf(b) - context.mpf(a) for a, b in itertools.pairwise((0.0, *cuts, 1.0))]
        values[tensor.name] = dict(zip(points, map(context.mpf, numbers), strict=True))
    return values


def sides_of(c: Contribution, values: Values) -> Iterator[tuple[Any, Any]]:
    """What a path hands down, as the multivariate chain rule has it and as the sweep wrote it, at every place."""
    before = compile_scalar(c.upstream * c.partial)
    after = compile_scalar(c.total)
    spans = {s.name: range(low, high + 1) for s, (low, high) in c.equation.ranges.items()}
    over = [s.name for s in c.over]
    outer = [s for s in spans if s not in over]
    for place in itertools.product(*(spans[s] for s in outer)):
        env = dict(zip(outer, place, strict=True))
        inner = [dict(zip(over, p, strict=True)) for p in itertools.product(*(spans[s] for s in over))]
        terms = [before({**env, **i}, values) for i in inner]
        one, other = context.fsum(terms), after(env, values)
        yield one, one if abs(one - other) <= rounding() * max(map(abs, terms)) else other


@pytest.mark.parametrize("rule", NETS)
def test_a_rule_about_sums_keeps_every_value(rule: str) -> None:
    chance = random.Random(rule)
    compared = 0
    for number, spec in enumerate(NETS[rule], 1):
        network, swept = network_of(spec), sweep_of(spec)
        paths = [c for a in swept.adjoints.values() for c in a.contributions if rule in c.rules]
        assert paths, f"{rule} is not used in\n{spec}"
        for _ in range(60):
            if compared >= POINTS * number / len(NETS[rule]):
                break
            seed = chance.random()
            for digits in LEVELS:
                work_with(digits)
                values = value_of_all(network, swept, data_of(network, random.Random(seed)))
                if values is None:
                    continue
                pairs = [(c, *pair) for c in paths for pair in sides_of(c, values)]
                wrong = [p for p in pairs if not same(*p[1:])]
                if not wrong:
                    compared += len(pairs)
                    break
            else:
                assert values is None, f"{wrong[0][0]} is {wrong[0][2]}, not {wrong[0][1]}, in\n{spec}"
    assert compared >= POINTS


def value_of_all(network: Network, swept: Any, data: Values) -> Values | None:
    try:
        return evaluated(network, swept, data)
    except (ZeroDivisionError, ValueError):
        return None


def test_every_rule_is_tested_here() -> None:
    assert {*REWRITINGS, "reuse", *NETS} == set(tidy.RULES)
