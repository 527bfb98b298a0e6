"""Sums of exponentials S = Σ cₖ e^(uₖ), held relative to their dominant term so that no power overflows.

With M = max uₖ and N = Σ cₖ e^(uₖ − M),

    S = e^M N,

where every exponential in N is at most 1.  Hence, whatever the coefficients are,

=========  =======================================================================================
dominant   e^v Π Sᵢ^(aᵢ) = e^(v + Σ aᵢ Mᵢ) Π Nᵢ^(aᵢ): a quotient of such sums never is ∞/∞ or 0/0
logsum     log S = M + log N
join       eᵘ eᵛ = e^(u + v), which may be small where one of the two overflows
=========  =======================================================================================

Where all exponents are multiples of one u apart, N is a polynomial in t = e^(−|u|), one for u > 0 and one for u ≤ 0:
one exponential, and no more than 1, however many powers of eᵘ there were.  sinh and cosh are such sums too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import sympy

from codegen.arithmetic.primitives import Expm1, Log1p, Sigmoid, SigmoidSlope, Softplus
from derive.expressions import Access, Cases, sort_key
from derive.functions import maximum

FAR = 40  # log(1 + e^(−40)) is e^(−40) in double precision


@dataclass(frozen=True)
class Held:
    """S = e^exponent · rest."""

    exponent: sympy.Expr
    rest: sympy.Expr


def exponent(expression: sympy.Expr) -> sympy.Expr | None:
    """u where the expression is eᵘ."""
    return expression.args[0] if isinstance(expression, sympy.exp) else None


def logistic(expression: sympy.Expr) -> sympy.Expr:
    """1/(1 + eᵘ)ⁿ = Sigmoid(−u)ⁿ, or e^(−n Softplus(u)) where n is no integer, and eᵘ Sigmoid(−u) = Sigmoid(u)."""

    def power(base: sympy.Expr, exp: sympy.Expr) -> sympy.Expr:
        if isinstance(base, Sigmoid) and exp.is_number and not exp.is_Integer:
            return sympy.exp(-exp * Softplus(-base.args[0]))
        u = one_plus_exp(base)
        if u is None or not exp.is_number or exp.is_positive:
            return sympy.Pow(base, exp)
        return Sigmoid(-u) ** (-exp) if exp.is_Integer else sympy.exp(exp * Softplus(u))

    expression = expression.replace(sympy.Pow, power)
    return expression.replace(lambda e: e.is_Mul and e.has(Sigmoid), _absorb_exponentials)


def slope(expression: sympy.Expr) -> sympy.Expr:
    """Sigmoid(u) Sigmoid(−u) = SigmoidSlope(u): one exponential instead of two."""

    def joined(product: sympy.Expr) -> sympy.Expr:
        powers = dict(f.as_base_exp() for f in product.args)
        for f in sorted((b for b in powers if isinstance(b, Sigmoid)), key=sort_key):
            u = f.args[0]
            times = min(powers[f], powers.get(Sigmoid(-u), 0)) if powers[f].is_Integer else 0
            if times > 0:
                u = -u if u.could_extract_minus_sign() else u
                return product / (f * Sigmoid(-f.args[0])) ** times * SigmoidSlope(u) ** times
        return product

    return expression.replace(lambda e: e.is_Mul, joined) if expression.has(Sigmoid) else expression


def bounded(expression: sympy.Expr) -> sympy.Expr:
    """eᵃ/(eᵃ + eᵇ) = Sigmoid(a − b) and (eᵃ − eᵇ)/(eᵃ + eᵇ) = tanh((a − b)/2)."""

    def rewrite(product: sympy.Expr) -> sympy.Expr:
        for divisor in (f.base for f in product.args if f.is_Pow and f.exp.is_Integer and f.exp.is_negative):
            found = terms(divisor)
            if len(found) != 2 or len(set(found.values())) != 1:
                continue
            (a, b), factor = sorted(found, key=sort_key), next(iter(found.values()))
            for above in (f for f in product.args if _grows(f)):
                base, power = above.as_base_exp() if above.is_Pow else (above, sympy.Integer(1))
                own = {sympy.expand(exponent(base)): sympy.Integer(1)} if exponent(base) is not None else terms(base)
                if not power.is_Integer or power.is_negative or not own.keys() <= found.keys():
                    continue
                if len(own) == 1:
                    (u,) = own
                    value = Sigmoid(2 * u - a - b)
                elif own.keys() == found.keys() and sum(own.values()) == 0:
                    value = own[a] * sympy.tanh((a - b) / 2)
                else:
                    continue
                return rewrite(product / base * divisor * value / factor)
        return product

    return expression.replace(lambda e: e.is_Mul, rewrite)


def _absorb_exponentials(product: sympy.Expr) -> sympy.Expr:
    """e^(−ku) Sigmoid(u)ⁿ = Sigmoid(u)^(n − k) Sigmoid(−u)ᵏ for k = 1 … n."""
    factors = list(product.args)
    for e in sorted((f for f in factors if exponent(f) is not None), key=sort_key):
        for f in sorted(factors, key=sort_key):
            base, times = f.as_base_exp()
            if not (isinstance(base, Sigmoid) and times.is_Integer and times > 0):
                continue
            share = sympy.cancel(-e.args[0] / base.args[0])
            if share.is_Integer and 0 < share <= times:
                factors = [g for g in factors if g not in (e, f)]
                factors.append(base ** (times - share) * Sigmoid(-base.args[0]) ** share)
                break
    return sympy.Mul(*factors)


def one_plus_exp(expression: sympy.Expr) -> sympy.Expr | None:
    """u where the expression is 1 + eᵘ."""
    if not (expression.is_Add and len(expression.args) == 2 and 1 in expression.args):
        return None
    return exponent(expression - 1)


def join(expression: sympy.Expr) -> sympy.Expr:
    """eᵘ eᵛ = e^(u + v)."""

    def joined(product: sympy.Expr) -> sympy.Expr:
        exponents = [f.args[0] for f in product.args if exponent(f) is not None]
        if len(exponents) < 2:
            return product
        return sympy.Mul(sympy.exp(sympy.Add(*exponents)), *(f for f in product.args if exponent(f) is None))

    return expression.replace(lambda e: e.is_Mul, joined)


def terms(total: sympy.Expr) -> dict[sympy.Expr, sympy.Expr]:
    """{u: c} with ``total`` = Σ c eᵘ; empty where there are not at least two different exponents."""
    if not (total.is_Add or isinstance(total, sympy.sinh | sympy.cosh)) or not _grows(total):
        return {}
    found: dict[sympy.Expr, sympy.Expr] = {}
    for term in sympy.Add.make_args(sympy.expand_multinomial(sympy.expand_mul(_spelt_out(total)))):
        powers = [f for f in sympy.Mul.make_args(term) if exponent(f) is not None]
        rest = sympy.Mul(*(f for f in sympy.Mul.make_args(term) if exponent(f) is None))
        if _grows(rest):
            return {}
        u = sympy.expand(sympy.Add(*(f.args[0] for f in powers)))
        found[u] = found.get(u, sympy.Integer(0)) + rest
    found = {u: c for u, c in found.items() if c != 0}
    return found if len(found) > 1 else {}


def _grows(expression: sympy.Expr) -> bool:
    """Whether an exponential stands in an expression outside the arguments of other functions."""
    if isinstance(expression, sympy.exp | sympy.sinh | sympy.cosh):
        return not expression.is_number
    return (expression.is_Add or expression.is_Mul or expression.is_Pow) and any(_grows(a) for a in expression.args)


def _spelt_out(expression: sympy.Expr) -> sympy.Expr:
    """sinh and cosh by their exponentials."""
    if isinstance(expression, sympy.sinh | sympy.cosh):
        return expression.rewrite(sympy.exp)
    if expression.is_Add or expression.is_Mul or (expression.is_Pow and expression.exp.is_Integer):
        return expression.func(*(_spelt_out(a) for a in expression.args))
    return expression


def held(total: sympy.Expr) -> Held | None:
    """The sum relative to its dominant term, or ``None`` where it is no sum of exponentials.

    Softplus(u) counts as one: it is eᵘ, to the last bit, where u is small enough.
    """
    if isinstance(total, Softplus):
        u = total.args[0]
        return Held(Cases(u + FAR, 0, u), Cases(u + FAR, total, 1))
    found = terms(total)
    if not found:
        return None
    exponents = sorted(found, key=sort_key)
    first = exponents[0]
    step = sympy.expand(exponents[1] - first)
    places = {u: sympy.cancel((u - first) / step) for u in exponents}
    if all(p.is_Rational for p in places.values()):
        return _one_step(found, places)
    largest = reduce(maximum, exponents)
    return Held(largest, sympy.Add(*(found[u] * sympy.exp(u - largest) for u in exponents)))


def _one_step(found: dict[sympy.Expr, sympy.Expr], places: dict[sympy.Expr, sympy.Rational]) -> Held:
    """All exponents on one line: the dominant one is at its one end or at the other."""
    low, high = min(places, key=places.__getitem__), max(places, key=places.__getitem__)
    if sympy.expand(high - low).could_extract_minus_sign():
        low, high = high, low
    width = sympy.expand(high - low)
    far = sympy.Abs(width)
    above = sympy.Add(*(c * sympy.exp(-far * _share(high - u, width)) for u, c in found.items()))
    below = sympy.Add(*(c * sympy.exp(-far * _share(u - low, width)) for u, c in found.items()))
    condition = sign_of(width)
    largest = sympy.Abs(high) if high == -low else Cases(condition, high, low)
    return Held(largest, Cases(condition, above, below))


def _share(part: sympy.Expr, width: sympy.Expr) -> sympy.Rational:
    return sympy.cancel(sympy.expand(part) / width)


def sign_of(u: sympy.Expr) -> sympy.Expr:
    """Something shorter that is positive just where u is."""
    number, rest = u.as_coeff_Mul()
    return rest if number.is_positive else u


def dominant(expression: sympy.Expr) -> sympy.Expr:
    """Products that divide by sums of exponentials, with all these sums relative to their dominant terms."""
    if (
        not expression.has(sympy.exp, sympy.sinh, sympy.cosh, Softplus)
        or expression.is_Atom
        or isinstance(expression, Access)
    ):
        return expression
    if expression.is_Mul or expression.is_Pow:
        return _dominant(expression)
    return expression.func(*(dominant(a) for a in expression.args))


def _dominant(product: sympy.Expr) -> sympy.Expr:
    factors = [f.as_base_exp() if f.is_Pow else (f, sympy.Integer(1)) for f in sympy.Mul.make_args(product)]
    factors = [(b, p) if p.is_number else (b**p, sympy.Integer(1)) for b, p in factors]
    sums = {base: h for base, _ in factors if (h := held(base)) is not None}
    growing = any(base in sums or exponent(base) is not None for base, _ in factors)
    if growing:
        sums |= {base: _one_over_sigmoid(base) for base, _ in factors if isinstance(base, Sigmoid)}
    divides = any(base in sums and (_divides(base, power) or not power.is_Integer) for base, power in factors)
    if not divides:
        return sympy.Mul(*(_inner(base) ** power for base, power in factors))
    total, rest = sympy.Integer(0), []
    for base, power in factors:
        if base in sums:
            power = -power if isinstance(base, Sigmoid) else power
            total += power * sums[base].exponent
            rest.append(sums[base].rest ** power)
        elif (u := exponent(base)) is not None:
            total += power * u
        else:
            rest.append(_inner(base) ** power)
    return sympy.Mul(power_of(total), *rest)


def _divides(base: sympy.Expr, power: sympy.Expr) -> bool:
    """Whether a factor base^power divides by a sum of exponentials; σ(u) is 1/(1 + e⁻ᵘ)."""
    return bool(power.is_positive if isinstance(base, Sigmoid) else power.is_negative)


def _one_over_sigmoid(base: sympy.Expr) -> Held:
    found = held(1 + sympy.exp(-base.args[0]))
    assert found is not None
    return found


def _inner(base: sympy.Expr) -> sympy.Expr:
    """A factor that is no product itself, with the rule applied to what it is made of."""
    return base if base.is_Atom or base.is_Mul else base.func(*(dominant(a) for a in base.args)) if base.args else base


def power_of(total: sympy.Expr) -> sympy.Expr:
    """e^total, where ``total`` is the sum of an expression and of cases."""
    total = total.xreplace({a: Cases(a.args[0], a.args[0], -a.args[0]) for a in total.atoms(sympy.Abs)})
    conditions = sorted({c.args[0] for c in total.atoms(Cases)}, key=sort_key)
    if len(conditions) != 1:
        return sympy.exp(total)
    (condition,) = conditions
    above, below = (sympy.expand(total.xreplace({c: c.args[branch] for c in total.atoms(Cases)})) for branch in (1, 2))
    far = sympy.Abs(condition)
    powers = []
    for value, sign in ((above, 1), (below, -1)):
        share = sympy.cancel(value / condition)
        powers.append(sympy.exp(far * share * sign) if share.is_Rational else sympy.exp(value))
    return Cases(condition, *powers)


def logsum(argument: sympy.Expr) -> sympy.Expr | None:
    """log S = M + log N, or ``None`` where the argument is no sum of exponentials."""
    found = held(argument)
    if found is None:
        return None
    return _log_of_difference(terms(argument)) or found.exponent + _log_of_rest(found.rest)


def _log_of_rest(rest: sympy.Expr) -> sympy.Expr:
    """log N as log(1 + (N − 1)), whose digits survive where N is close to 1."""
    if not isinstance(rest, Cases):
        return Log1p(rest - 1)
    condition, above, below = rest.args
    if isinstance(above, Softplus):
        return sympy.log(rest)
    return Log1p(Cases(condition, above - 1, below - 1))


def _log_of_difference(found: dict[sympy.Expr, sympy.Expr]) -> sympy.Expr | None:
    """log(c eᵘ − c eᵛ) = u + log c + log(1 − e^(v − u)), whose last part depends on how close u and v are."""
    if len(found) != 2 or sum(found.values()) != 0 or not all(c.is_number for c in found.values()):
        return None
    (larger,) = (u for u, c in found.items() if c.is_positive)
    (smaller,) = (u for u, c in found.items() if c.is_negative)
    gap = sympy.expand(smaller - larger)
    near = sympy.log(-Expm1(gap))
    return larger + sympy.log(found[larger]) + Cases(gap + sympy.log(2), near, Log1p(-sympy.exp(gap)))
