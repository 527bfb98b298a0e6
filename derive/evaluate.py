"""A plain interpreter of equations in high precision: slow, simple, and the oracle of everything fast.

Numbers are mpmath's, 50 digits, real or complex (for the complex step).  Every equation is carried out exactly as it
is written, one scalar after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import product
from operator import itemgetter
from typing import Any

import mpmath
import sympy

from derive.expressions import Access, Cases, Equal, Index, Magnitude, Within
from derive.functions import Formula, Largest
from derive.network import Equation, Network, Numbers, Scan, Tensor

DIGITS = 50
ROUNDING = 32  # units in the last place


class Context(mpmath.MPContext):
    """Arithmetic in which what cancels but for its rounding is 0, unless it is ``plain``.

    At a kink lies what is at most ``reach`` away from it.
    """

    plain = False

    def __init__(self) -> None:
        super().__init__()
        self.reach = self.zero


context = Context()
context.dps = DIGITS

Number = Any  # mpf or mpc
Point = tuple[int, ...]
Array = dict[Point, Number]
Values = dict[str, Array]
Environment = Mapping[str, Number]  # indices, and whatever else stands for a number, by name
Compiled = Callable[[Environment, Values], Number]


@contextmanager
def doubles(rounding: str, reach: float = 0.0) -> Iterator[None]:
    """Double precision in the place of 50 digits, every operation rounded to the nearest ``n``, up ``c`` or down ``f``.

    As in a notebook, nothing is 0 that is not; but at a kink lies what is at most ``reach`` away from it.
    """
    before = list(context._prec_rounding)
    try:
        context.prec, context.plain, context.reach = 53, True, context.mpf(reach)
        context._prec_rounding[1] = rounding
        yield
    finally:
        context.prec, context.plain, context.reach = before[0], False, context.zero
        context._prec_rounding[1] = before[1]


def sign(z: Number) -> Number:
    """The sign of the real part, 0 at 0."""
    return context.mpf((z.real > context.reach) - (z.real < -context.reach))


_FUNCTIONS: dict[type, Callable[[Number], Number]] = {
    sympy.exp: context.exp,
    sympy.log: context.log,
    sympy.sin: context.sin,
    sympy.cos: context.cos,
    sympy.sinh: context.sinh,
    sympy.cosh: context.cosh,
    sympy.tanh: context.tanh,
    sympy.erf: context.erf,
    sympy.sign: sign,
    sympy.floor: context.floor,
    sympy.Abs: lambda z: z * sign(z),
    Magnitude: lambda z: z * sign(z),
}


def number(value: sympy.Expr | float) -> Number:
    """A SymPy number in working precision."""
    if isinstance(value, sympy.Rational):
        return context.mpf(value.p) / value.q
    if isinstance(value, (int, float)):
        return context.mpf(value)
    found = value.evalf(DIGITS + 10)
    return number(found) if isinstance(found, sympy.Rational) else context.mpf(found._mpf_)  # silu(0) is an integer


@lru_cache(maxsize=8192)  # equations are carried out many times in a proof
def compile_scalar(expression: sympy.Expr) -> Compiled:
    """A function of index values and tensors that computes a scalar body."""
    if expression.is_number:
        with context.workdps(max(DIGITS, context.dps)):
            constant = number(expression)
        return lambda env, values: +constant
    if isinstance(expression, Access):
        return _compile_access(expression)
    if expression.is_Symbol:
        symbol = expression.name
        return lambda env, values: context.mpf(env[symbol])
    if isinstance(expression, Formula):
        return compile_scalar(expression.expanded())
    if isinstance(expression, Within):
        return _compile_within(expression)
    arguments = [compile_scalar(a) for a in expression.args]
    if isinstance(expression, Cases):
        condition, positive, otherwise = arguments
        return lambda env, values: (positive if condition(env, values).real > context.reach else otherwise)(env, values)
    if isinstance(expression, Equal):
        left, right = arguments
        return lambda env, values: context.mpf(_alike(left(env, values), right(env, values)))
    if (expression.is_Add or expression.is_Mul) and len(arguments) == 2:
        one, other = arguments
        if expression.is_Add:
            return lambda env, values: total([one(env, values), other(env, values)])
        return lambda env, values: one(env, values) * other(env, values)
    if expression.is_Add:
        return lambda env, values: total([a(env, values) for a in arguments])
    if expression.is_Mul:
        return lambda env, values: context.fprod([a(env, values) for a in arguments])
    if expression.is_Pow:
        base, exponent = arguments
        if expression.exp.is_Integer:
            power = int(expression.exp)
            return lambda env, values: base(env, values) ** power
        return lambda env, values: context.power(base(env, values), exponent(env, values))
    if isinstance(expression, Largest):
        return lambda env, values: max((a(env, values) for a in arguments), key=lambda v: v.real)
    function = _FUNCTIONS.get(expression.func)
    if function is None:
        raise NotImplementedError(f"no arithmetic for {expression.func.__name__}")
    (argument,) = arguments
    return lambda env, values: function(argument(env, values))


def _alike(one: Number, other: Number) -> bool:
    """Whether numbers are equal but for the rounding on the way to each: forms of one value add in different orders."""
    reach = context.reach if context.plain else ROUNDING * context.eps * abs(one)
    return bool(one == other or abs(one - other) <= reach)


def total(terms: Sequence[Number]) -> Number:
    """The sum of some numbers; where real ones cancel but for their rounding, as 0.1 + 0.2 - 0.3 do, it is 0."""
    found = terms[0] + terms[1] if len(terms) == 2 else context.fsum(terms)
    if context.plain or type(found) is not context.mpf:
        return found
    _, mantissa, exponent, bits = found._mpf_
    if not mantissa:  # of 0, of infinity and of what is no number
        return found
    rounding = exponent + bits + context.prec - ROUNDING.bit_length()
    lost = any(exponent + bits >= rounding for _, mantissa, exponent, bits in (t._mpf_ for t in terms) if mantissa)
    return context.zero if lost else found


def _compile_access(access: Access) -> Compiled:
    name = access.tensor
    if all(i.is_Integer for i in access.indices):
        point = tuple(int(i) for i in access.indices)
        return lambda env, values: values[name][point]
    if len(access.indices) > 1 and all(i.is_Symbol for i in access.indices):
        place = itemgetter(*(i.name for i in access.indices))
        return lambda env, values: values[name][place(env)]
    indices = [_compile_index(i) for i in access.indices]

    def read(env: Environment, values: Values) -> Number:
        return values[name][tuple([i(env) for i in indices])]

    return read


def _compile_within(expression: Within) -> Compiled:
    subscript, first, last, value = expression.args
    place, inside = _compile_index(subscript), compile_scalar(value)
    low, high = float(first), float(last)

    def guarded(env: Environment, values: Values) -> Number:
        return inside(env, values) if low <= place(env) <= high else context.zero

    return guarded


@lru_cache(maxsize=4096)
def _compile_index(expression: sympy.Expr) -> Callable[[Environment], int]:
    if expression.is_Symbol:
        return itemgetter(expression.name)
    symbols = sorted(expression.free_symbols, key=str)
    constant = int(expression.subs(dict.fromkeys(symbols, 0)))
    slopes = [(s.name, int(expression.coeff(s))) for s in symbols]
    if [slope for _, slope in slopes] == [1]:
        ((only, _),) = slopes
        return lambda env: constant + env[only]
    return lambda env: constant + sum([slope * env[s] for s, slope in slopes])


def _points(indices: Iterable[Index], equation: Equation) -> list[dict[str, int]]:
    indices = tuple(indices)
    names = [s.name for s in indices]
    spans = [range(equation.ranges[s][0], equation.ranges[s][1] + 1) for s in indices]
    return [dict(zip(names, point, strict=True)) for point in product(*spans)]


def carry_out(equation: Equation, values: Values, fixed: Mapping[Index, int] | None = None) -> None:
    """Compute one equation for all values of its indices (but those in ``fixed``) and store the results."""
    fixed = fixed or {}
    known = {s.name: n for s, n in fixed.items()}
    body = compile_scalar(equation.body)
    target = values.setdefault(equation.lhs.tensor, {})
    places = [_compile_index(i) for i in equation.lhs.indices]
    summed = _points(equation.reduce, equation) if equation.reduce else []
    for outer in _points([s for s in equation.free if s not in fixed], equation):
        env = {**outer, **known}
        if equation.reduce:
            terms = [body({**env, **inner}, values) for inner in summed]
            result = total(terms) if equation.kind == "sum" else max(terms, key=lambda v: v.real)
        else:
            result = body(env, values)
        place = tuple([i(env) for i in places])
        target[place] = target[place] + result if equation.accumulate else result


def run(steps: Iterable[Equation | Scan], values: Values, tensors: Mapping[str, Tensor]) -> Values:
    """Carry out equations in order, adding to ``values``; tensors that are added to or recur start at zero."""
    steps = tuple(steps)
    for step in steps:
        for eq in step.equations if isinstance(step, Scan) else (step,):
            tensor = tensors[eq.lhs.tensor]
            if eq.accumulate or tensor.first:
                values.setdefault(tensor.name, dict.fromkeys((_point(e) for e in tensor.elements()), context.zero))
    for step in steps:
        if isinstance(step, Equation):
            carry_out(step, values)
            continue
        times = range(step.first, step.last + 1)
        for t in reversed(times) if step.backward else times:
            for eq in step.equations:
                carry_out(eq, values, {step.index: t})
    return values


def _point(element: Access) -> Point:
    return tuple(int(i) for i in element.indices)


def array(numbers: Numbers, tensor: Tensor) -> Array:
    """Nested lists as an array in working precision."""

    def item(point: Point) -> Number:
        value: Any = numbers
        for i in point:
            value = value[i - 1]
        return number(value)

    return {_point(e): item(_point(e)) for e in tensor.elements()}


def nested(values: Array, tensor: Tensor) -> Any:
    """An array as nested lists of Python floats, or a float for a scalar."""

    def walk(prefix: Point) -> Any:
        d = len(prefix)
        if d == len(tensor.shape):
            return float(values[prefix].real)
        return [walk((*prefix, i)) for i in range(tensor.start(d), tensor.start(d) + tensor.shape[d])]

    return walk(())


def forward(network: Network, values: Values) -> Values:
    """All values of the network, from inputs, targets, weights and constants."""
    for name, numbers in network.constants.items():
        values.setdefault(name, array(numbers, network.tensors[name]))
    return run(network.equations, values, network.tensors)
