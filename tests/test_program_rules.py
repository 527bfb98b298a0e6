"""The rules of safe arithmetic that look at a whole program are equations too: loss and derivatives stay what they are.

A program is carried out in high precision, before the rules and after, in the form for double precision and in that
for single: at random points, at kinks, where scores are equal and far out.  A point where the equations as derived have
no value, 0/0, is compared with points on either side of it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import pytest
import sympy
from oracles import evaluated, network_of, sweep_of, work_with

from codegen.arithmetic import exponentials, primitives, stable
from codegen.arithmetic.program import Program
from codegen.arithmetic.rules import RULES
from derive.evaluate import DIGITS, Values, context, run
from derive.expressions import Cases
from derive.gradient import adjoint_name
from derive.network import Network

NUMBERS = 2000  # a loss or a derivative each, compared for every rule
BESIDE = 1e-30  # how far from a point where nothing is defined its neighbours lie

ZERO, ONE = sympy.Integer(0), sympy.Integer(1)
PLAIN: dict[type[sympy.Function], Callable[..., sympy.Expr]] = {  # what the primitives are
    primitives.Sigmoid: lambda u: 1 / (1 + sympy.exp(-u)),
    primitives.SigmoidSlope: lambda u: sympy.exp(-sympy.Abs(u)) / (1 + sympy.exp(-sympy.Abs(u))) ** 2,
    primitives.Softplus: lambda u: sympy.log(1 + sympy.exp(u)),
    primitives.Erfc: lambda u: 1 - sympy.erf(u),
    primitives.XLogY: lambda x, y: Cases(sympy.Abs(x), x * sympy.log(y), ZERO),
    primitives.XOverY: lambda x, y: Cases(sympy.Abs(x), x / y, ZERO),
    primitives.Log1p: lambda u: sympy.log(1 + u),
    primitives.Expm1: lambda u: sympy.exp(u) - 1,
    primitives.Difference: lambda a, b: a - b,
}

BINARY = "sum(i: -u[i]*log(p[i]) - (1 - u[i])*log(1 - p[i]))"
SPECS: dict[str, tuple[str, ...]] = {
    "attained": (
        "loss L = max(i: Z[i]^2 * v[i])^2",
        "m[i] = max(j in 3: Z[j] * v[i])\nloss L = sum(m * v)",
        "m = max(i: tanh(Z[i]) + v[1])\nloss L = m^2 * v[2]",
    ),
    "open": (
        "e[i] = exp(Z[i])\np[i] = e[i] / (1 + e[i])\nloss L = " + BINARY,
        "e[i] = exp(-v[i])\np[i] = 1 / (1 + e[i])\nloss L = binary_cross_entropy(u, p)",
        "s = exp(Z[1]) + exp(Z[2]) + exp(Z[3])\nloss L = log(s) * v[1]",
    ),
    "shift": (
        "p[3] = softmax(Z)\nloss L = cross_entropy(t, p)",
        "loss L = v[1] * log(sum(exp(Z)))",
        "loss L = sum(i: v[i] * exp(Z[i])) / sum(j: exp(Z[j]))",
        "a[i,k] = exp(Z[i]*v[k]) / sum(m: exp(Z[i]*v[m]))\nloss L = sum(i, k: a[i,k]*r[k])",
    ),
    "scaled": (
        "e[i] = exp(Z[i])\np[i] = e[i] / sum(j: e[j])\nloss L = -sum(i: t[i] * log(p[i]))",
        "e[i] = exp(Z[i] * v[i])\ns = sum(e)\np[i] = e[i] / s\nloss L = -sum(i: t[i] * log(p[i]))",
    ),
    "entropy": (
        "p[i] = t[i] * Z[i]^2 + t[i]^2\nloss L = -sum(i: t[i] * log(p[i]))",
        "loss L = sum(i: t[i] * log(t[i] / (1 + v[i]^2)))",
    ),
    "share": (
        "p[i] = t[i] * Z[i]^2\nloss L = -sum(i: t[i] * log(p[i] + t[i]^3))",
        "p[i] = u[i] / (1 + Z[i]^2)\nloss L = binary_cross_entropy(u, p)",
    ),
    "norm": (
        "loss L = v[1] * sqrt(sum(Z^2))",
        "n[i] = Z[i] / (sqrt(sum(j: Z[j]^2)) + 0.5)\nloss L = sum(i: v[i] * n[i])",
        "loss L = sqrt(sum(i: (Z[i] - v[i])^2)) + sum(Z)",
    ),
    "rest": (
        "p[3] = softmax(Z)\nloss L = cross_entropy(t, p)",
        "p[3] = softmax(Z)\nloss L = focal(t, p)",
        "p[3] = softmax(Z)\nloss L = squared_error(p, t)",
        "p[3] = softmax(Z / 3)\nloss L = sum(i: v[i] * (1 - p[i])^2)",
        "p[3] = softmax(Z)\nloss L = sum(r * p) + 2 * cross_entropy(t, p)",
        "p[3] = softmax(Z)\nloss L = -sum(p * log(p))",
        "e[i] = exp(Z[i])\ns = sum(e)\np[i] = e[i] / s\nloss L = -sum(i: t[i] * log(p[i]))",
        "S[i,k] = Z[i] * v[k]\np[i,k] = exp(S[i,k]) / sum(m: exp(S[i,m]))\nloss L = sum(i, k: r[i] * t[k] * p[i,k]^2)",
        "l[3] = log_softmax(Z)\nloss L = -sum(i: v[i] * l[i])",
    ),
    "saturated": (
        "h[i] = tanh(Z[i])\nloss L = sum(i: v[i] * h[i]^3)",
        "h[i] = 1.7159 * tanh(2/3 * Z[i]) + 1/4\nloss L = sum(i: (h[i] - r[i])^2)",
        "h[i] = 1/3 - 2 * sigmoid(-Z[i])\nloss L = sum(i: v[i] * h[i] + h[i]^2)",
        "h[i] = erf(Z[i])\nloss L = sum(i: (h[i] - 2*u[i] + 1)^2)",
        "p[3] = sigmoid(Z)\nloss L = squared_error(p, u)",
        "p[3] = sigmoid(Z)\nloss L = binary_cross_entropy(u, p)",
        "s[i] = sigmoid(Z[i])\nloss L = sum(i: r[i] * s[i] * (1 - s[i])^2)",
        "h[i] = tanh(Z[i])\ng[i] = sigmoid(h[i] * v[i])\nloss L = sum(i: (g[i] - u[i])^2 * (1 - h[i]))",
    ),
}
#: Rules for one right side: their tests are in ``test_rules.py``.
SCALAR = ("quotient", "logistic", "complement", "join", "logarithm", "softplus", "dominant", "small")


def spec_of(text: str) -> str:
    """A specification that declares what its equations read."""
    roles = {"weight": "Zv", "target": "tur"}
    read = {role: [f"{n}[3]" for n in names if re.search(rf"\b{n}\b", text)] for role, names in roles.items()}
    return "".join(f"{role} {', '.join(names)}\n" for role, names in read.items() if names) + text


def data_of(network: Network, chance: random.Random) -> Values:
    """Weights of one size, equal or at 0 now and then; a target distribution, binary labels, any numbers."""
    size = chance.choice((1e-3, 1.0, 6.0, 6.0, 12.0, 12.0, 90.0, 750.0))
    weights = [chance.uniform(-size, size) for _ in range(3)]
    numbers = {
        "Z": [chance.choice((w, w, w, w, weights[0], 0.0)) for w in weights],
        "v": [chance.choice((w, w, w, 0.5, 0.0)) for w in (chance.uniform(-2, 2) for _ in range(3))],
        "t": chance.choice(((1, 0, 0), (0, 0, 1), (0.25, 0.25, 0.5), (0, 0.75, 0.25))),
        "u": [chance.choice((0, 1)) for _ in range(3)],
        "r": [chance.uniform(-2, 2) for _ in range(3)],
    }
    read = (w for w in network.tensors.values() if w.role in ("weight", "target"))
    return {w.name: {(i,): context.mpf(x) for i, x in enumerate(numbers[w.name], 1)} for w in read}


def after(program: Program, double: bool) -> list[Any]:
    """The equations of a program, its primitives by their plain formulas, in one of the two precisions."""

    def plain(e: sympy.Expr) -> sympy.Expr:
        return e.args[double] if isinstance(e, primitives.Precise) else PLAIN[e.func](*e.args)

    return [line.with_body(line.equation.body.replace(_is_primitive, plain)).equation for line in program.lines]


def _is_primitive(e: sympy.Expr) -> bool:
    return isinstance(e, primitives.Primitive)


@cache
def programs(spec: str) -> tuple[Program, tuple[list[Any], list[Any]], bool]:
    """The program of a specification; its equations in single and double precision; whether digits are left out."""
    program = stable.stable_program(network_of(spec), sweep_of(spec))
    about = any(line.equation.body.has(exponentials.FAR) for line in program.lines)
    return program, (after(program, False), after(program, True)), about


def results(network: Network, compute: Callable[[], Values]) -> dict[str, Any] | None:
    """The loss and the derivatives by the weights, or nothing where one of them has no value."""
    try:
        values = compute()
    except (ZeroDivisionError, ValueError):
        return None
    names = [network.loss, *(adjoint_name(w.name) for w in network.weights)]
    found = {f"{name}{list(at)}": number for name in names for at, number in values[name].items()}
    return found if all(context.isfinite(x) and x.imag == 0 for x in found.values()) else None


def expected(network: Network, spec: str, data: Values) -> tuple[dict[str, Any] | None, float]:
    """What the derived equations compute; at 0/0 the mean of both sides.  And how much of it is known."""
    found = results(network, partial(evaluated, network, sweep_of(spec), data))
    if found is not None:
        return found, 10.0 ** -(min(context.dps, 600) // 2)
    sides = []
    for sign in (1, -1):
        near = {
            n: {at: x + sign * BESIDE * k for k, (at, x) in enumerate(array.items(), 1)} if n in "Zv" else array
            for n, array in data.items()
        }
        sides.append(results(network, partial(evaluated, network, sweep_of(spec), near)))
    one, other = sides
    if one is None or other is None or any(abs(x) > 1e15 for x in (*one.values(), *other.values())):
        return None, 0.0  # nowhere near a value: no logarithm, or an infinite derivative
    return {n: (x + other[n]) / 2 for n, x in one.items()}, 1e-25


@pytest.fixture(autouse=True)
def _digits() -> Iterator[None]:
    yield
    work_with(DIGITS)


@pytest.mark.parametrize("rule", SPECS)
def test_a_rule_about_programs_keeps_loss_and_derivatives(rule: str) -> None:
    for text in SPECS[rule]:
        compared, spec, chance = 0, spec_of(text), random.Random(text)
        network = network_of(spec)
        program, forms, about = programs(spec)
        assert any(rule in line.rules for line in program.lines), f"{rule} is not used in\n{spec}"
        points = [data_of(network, chance) for _ in range(1800)]
        for digits, share in ((700, 0.25), (60, 1.0)):
            work_with(digits)
            for data in points:
                if compared * len(SPECS[rule]) >= NUMBERS * share:
                    break
                if (max(abs(x) for a in data.values() for x in a.values()) > 12) != (digits == 700):
                    continue
                exact, known = expected(network, spec, data)
                for form in forms if exact is not None else ():
                    found = results(network, partial(run, form, dict(data), program.tensors))
                    assert found is not None, f"no value at {data} of\n{spec}"
                    for name, x in exact.items():
                        close = abs(x) * (1e-16 if about else 1e-25) + known
                        assert abs(found[name] - x) <= close, f"{name} is {found[name]}, not {x}, at {data} in\n{spec}"
                    compared += len(exact)
        assert compared * len(SPECS[rule]) >= NUMBERS, f"{compared} in\n{spec}"


def test_every_rule_is_tested() -> None:
    assert set(RULES) == {*SCALAR, *SPECS}
