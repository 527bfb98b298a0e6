"""Values and slopes of a network's equations in mpmath: forward differentiation of what the specification says.

An oracle that shares nothing with the derivation or the kernels: every equation is carried out as it is written, and
with every value goes its gradient, by the rules of the first semester (a sum, a product, a power, a table of six
functions).  mpmath's exponents have no limits, so nothing overflows; digits are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import sympy
from mpmath import mp

from derive.expressions import Access, Cases, Equal
from derive.functions import Formula
from derive.network import Network


@dataclass
class Jet:
    """A value and its derivatives by whatever names the variables have."""

    value: Any
    slopes: dict[Hashable, Any] = field(default_factory=dict)


Environment = Mapping[sympy.Symbol, int]
Values = dict[str, dict[tuple[int, ...], Jet]]
Compiled = Callable[[Environment, Values], Jet]


def chain(value: Any, *terms: tuple[Any, Jet]) -> Jet:
    """A value whose slopes are Σ c · slopes over the pairs (c, jet); nothing times 0 is 0, whatever c is."""
    slopes: dict[Hashable, Any] = {}
    for c, jet in terms:
        for name, slope in jet.slopes.items():
            if slope != 0:
                slopes[name] = slopes.get(name, 0) + c * slope
    return Jet(value, slopes)


SLOPES: dict[type, tuple[Callable, Callable]] = {  # f and f′ as a function of x and f(x)
    sympy.exp: (mp.exp, lambda x, y: y),
    sympy.log: (mp.log, lambda x, y: 1 / x),
    sympy.sin: (mp.sin, lambda x, y: mp.cos(x)),
    sympy.cos: (mp.cos, lambda x, y: -mp.sin(x)),
    sympy.sinh: (mp.sinh, lambda x, y: mp.cosh(x)),
    sympy.cosh: (mp.cosh, lambda x, y: mp.sinh(x)),
    sympy.tanh: (mp.tanh, lambda x, y: (1 - y) * (1 + y)),
    sympy.erf: (mp.erf, lambda x, y: 2 * mp.exp(-x * x) / mp.sqrt(mp.pi)),
    sympy.Abs: (abs, lambda x, y: mp.sign(x)),
    sympy.sign: (mp.sign, lambda x, y: mp.mpf(0)),
}


@cache
def compiled(e: sympy.Expr) -> Compiled:
    """An expression as a function of index values and tensors."""
    if e.is_number:
        return _number(e)
    if isinstance(e, Access):
        places = [_place(i) for i in e.indices]
        return lambda env, values: values[e.tensor][tuple(place(env) for place in places)]
    if e.is_Symbol:
        return lambda env, values: Jet(mp.mpf(env[e]))
    if isinstance(e, Formula):
        return compiled(e.expanded())
    parts = [compiled(a) for a in e.args]
    if isinstance(e, Cases):
        return lambda env, values: parts[1 if parts[0](env, values).value > 0 else 2](env, values)
    if isinstance(e, Equal):
        return lambda env, values: Jet(mp.mpf(parts[0](env, values).value == parts[1](env, values).value))
    if e.is_Add:
        return lambda env, values: total([p(env, values) for p in parts])
    if e.is_Mul:
        return lambda env, values: _times([p(env, values) for p in parts])
    if e.is_Pow:
        return lambda env, values: _power(*(p(env, values) for p in parts))
    function, slope = SLOPES[e.func]

    def call(env: Environment, values: Values) -> Jet:
        jet = parts[0](env, values)
        if e.func is sympy.log and jet.value == 0:
            return chain(-mp.inf, (mp.inf, jet))
        value = function(jet.value)
        return chain(value, (slope(jet.value, value), jet)) if jet.slopes else Jet(value)

    return call


def _number(e: sympy.Expr) -> Compiled:
    known: dict[int, Jet] = {}

    def number(env: Environment, values: Values) -> Jet:
        if mp.dps not in known:
            exact = isinstance(e, sympy.Rational)
            known[mp.dps] = Jet(mp.mpf(e.p) / e.q if exact else mp.mpf(e.evalf(mp.dps + 10)._mpf_))
        return known[mp.dps]

    return number


def _place(i: sympy.Expr) -> Callable[[Environment], int]:
    if i.is_Symbol:
        return lambda env: env[i]
    return lambda env: int(i.subs(dict(env)))


def total(jets: list[Jet]) -> Jet:
    return chain(mp.fsum(j.value for j in jets), *((1, j) for j in jets))


def _times(jets: list[Jet]) -> Jet:
    result = jets[0]
    for jet in jets[1:]:
        result = chain(result.value * jet.value, (jet.value, result), (result.value, jet))
    return result


def _power(base: Jet, power: Jet) -> Jet:
    if base.value == 0 and power.value < 1:
        return chain(mp.inf if power.value < 0 else mp.mpf(power.value == 0), (mp.inf, base))
    exponent = int(power.value) if power.value == int(power.value) else power.value
    value = base.value**exponent
    result = chain(value, (exponent * base.value ** (exponent - 1), base))
    return chain(value, (1, result), (mp.log(base.value) * value, power)) if power.slopes else result


def carried_out(network: Network, values: Values) -> Values:
    """All values of a network without recurrences, from its inputs, targets and weights."""
    values = {name: dict(array) for name, array in values.items()}
    for eq in network.flat_equations:
        body = compiled(eq.body)
        places = [_place(i) for i in eq.lhs.indices]
        for outer in _points(eq.free, eq.ranges):
            jets = [body({**outer, **inner}, values) for inner in _points(eq.reduce, eq.ranges)]
            found = max(jets, key=lambda j: j.value) if eq.kind == "max" else total(jets)
            values.setdefault(eq.lhs.tensor, {})[tuple(place(outer) for place in places)] = found
    return values


def _points(indices: tuple[sympy.Symbol, ...], ranges: Mapping) -> list[dict[sympy.Symbol, int]]:
    spans = [range(ranges[i][0], ranges[i][1] + 1) for i in indices]
    return [dict(zip(indices, point, strict=True)) for point in product(*spans)]
