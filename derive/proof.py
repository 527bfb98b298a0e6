"""The proof: no formula is printed before forms of it that were found in different ways agree.

At random points, in 50-digit arithmetic, the derivative equations are compared with

* the **complex step** Im L(w + ih)/h and the **central difference** (L(w + h) − L(w − h))/2h of the forward
  equations, which know nothing of the calculus (Squire and Trapp 1998);
* the **matrix form**: the outer products that a gradient matrix is printed as, multiplied out;
* the **vector form**: the equations of whole vectors (:mod:`derive.vectorform`), with their elements at every time;
* the **batch form**: the matrices of several samples (:mod:`derive.batchform`), with the samples one by one;
* for small networks, for every weight: every line of the **chain rule** down to the closed form in named quantities,
  the same **expanded** to inputs and weights, and SymPy's own **direct derivative** of the loss composed into one
  scalar.

Formulas in index notation hold for any width; a wide network is proved at narrow sizes (:mod:`derive.shrink`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import sympy

from derive.diagnostics import SpecError
from derive.evaluate import Compiled, Environment, Number, Point, Values, compile_scalar, context, forward, run
from derive.expressions import Access, Magnitude, accesses, rename, smooth
from derive.formproof import (
    Pairs,
    batch_differences,
    batch_readings,
    has_batches,
    vector_differences,
    vector_readings,
)
from derive.formvalue import ShapeError
from derive.functions import written_out
from derive.gradient import Sweep, adjoint_name, sweep
from derive.index_lines import evaluate
from derive.index_steps import IndexSteps
from derive.matrixform import is_whole, outer
from derive.network import Network, Tensor
from derive.scalars import Scalars, is_small
from derive.selection import choices
from derive.shrink import shrink
from derive.steps import ElementDerivation, evaluate_line

POINTS = 2
BATCH = 2  # samples put beside each other
ATTEMPTS = 40
SINGLE_WEIGHTS = 24  # that have a complex step of their own; more are perturbed together
SINGLE_DIFFERENCES = 12  # the same for central differences
DIRECTIONS = 8  # random ones through all weights of a larger network
COMPOSED_SIZE = 2000  # symbols of the composed loss times weights; beyond, it is not differentiated directly
COMPLEX_DIGITS = 80  # a high power is as exact as its size, not as its small imaginary part
COMPLEX_STEP = context.mpf("1e-30")  # nothing cancels: the error is its square times the third derivative
LARGEST = context.mpf("1e1000")  # beyond, what rounds the exponent of a power is seen in its first digits
DIFFERENCE_STEP = context.mpf("1e-18")  # what cancels costs as many of the 50 digits
TOLERANCES = {"complex step": "1e-30", "central difference": "1e-24"}
EXACT = "1e-38"

Direction = dict[Access, Number]
Lines = Mapping[Access, ElementDerivation]


class ProofError(Exception):
    """Two forms of a derivative disagree: a mistake in derive itself."""


@dataclass(frozen=True)
class Check:
    """One comparison: of what, at how many points, and the largest relative difference found."""

    name: str
    comparisons: int
    error: float
    tolerance: float

    def __repr__(self) -> str:
        verdict = "holds" if self.holds else "FAILS"
        count = f"{self.comparisons} comparison{'s' * (self.comparisons != 1)}"
        return f"<Check {self.name}: {verdict}, {count}, largest difference {self.error:.0e}>"

    @property
    def holds(self) -> bool:
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Proof:
    """All comparisons made; ``sizes`` tells whether they were made at narrow sizes."""

    checks: tuple[Check, ...]
    points: int
    narrow: bool

    def __repr__(self) -> str:
        where = f"at {self.points} points" + (" and narrow sizes" if self.narrow else "")
        return "\n".join([f"<Proof {where}:", *(f" {check!r}" for check in self.checks)]) + ">"


def prove(network: Network, swept: Sweep, scalars: Scalars, lines: Lines) -> Proof:
    """Compare all forms, the ``lines`` to be printed among them.

    Raises
    ------
    ProofError
        where two forms differ.
    derive.diagnostics.SpecError
        where no point was found at which the loss is a real number.
    """
    narrow = network if is_small(network) else shrink(network)
    if narrow is not network:
        swept = sweep(narrow)
        scalars = Scalars(narrow, swept)
    chance = random.Random(20260101)
    found: dict[str, list[Number]] = {}
    forms = list(_closed_forms(narrow, scalars, lines if narrow is network else {}))
    vectors = [] if narrow.coupling else vector_readings(narrow, swept)  # where there is one sample alone
    batches = batch_readings(narrow, swept) if has_batches(narrow) else []
    for _ in range(POINTS):
        data, values = _point(narrow, swept, chance)
        for name, direction, derivative in _perturbed(narrow, data, chance):
            derived = context.fsum(slope * _gradient(values, weight) for weight, slope in direction.items())
            # A difference of two losses has the error of a loss, however small the derivative is.
            scale = abs(values[narrow.loss][()]) if name == "central difference" else context.one
            found.setdefault(name, []).append(_difference(derivative, derived, scale))
        for name, weight, form in forms:
            found.setdefault(name, []).append(_difference(form({}, values), _gradient(values, weight)))
        found.setdefault("vector form", []).extend(_compared(vector_differences(vectors, values)))
        if batches:
            more = 0 if narrow.coupling else BATCH - 1
            batch = [values, *(_point(narrow, swept, chance, data)[1] for _ in range(more))]
            found.setdefault("batch form", []).extend(_compared(batch_differences(narrow, batches, batch)))
    checks = tuple(
        Check(name, len(errors), float(max(errors)), float(TOLERANCES.get(name, EXACT)))
        for name, errors in found.items()
        if errors
    )
    for check in checks:
        if not check.holds:
            raise ProofError(f"the {check.name} differs from the derived gradient by {check.error:.2g}")
    return Proof(checks, POINTS, narrow is not network)


def _compared(pairs: Pairs) -> list[Number]:
    try:
        return [_difference(one, other) for one, other in pairs]
    except ShapeError:
        raise ProofError("the matrices of a form do not go together") from None


def _gradient(values: Values, weight: Access) -> Number:
    return values[adjoint_name(weight.tensor)][_point_of(weight)]


def _point_of(element: Access) -> Point:
    return tuple(int(i) for i in element.indices)


def _difference(one: Number, other: Number, scale: Number = context.one) -> Number:
    return abs(one - other) / max(context.one, abs(one), abs(other), scale)


def _point(
    network: Network, swept: Sweep, chance: random.Random, weights: Values | None = None
) -> tuple[Values, Values]:
    """Random data and weights at which the loss is a real number, with all values and derivatives there.

    The ``weights`` are kept where they are given.
    """
    large = False
    for attempt in range(ATTEMPTS):
        data = {
            t.name: _draw(t, network, chance, positive=attempt % 2 == 1)
            for t in network.tensors.values()
            if t.role in ("input", "target", "mask", "weight")
        }
        data |= {t.name: weights[t.name] for t in network.weights} if weights else {}
        try:
            values = forward(network, dict(data))
            run(swept.equations, values, {**network.tensors, **swept.tensors})
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
        numbers = [v for array in values.values() for v in array.values()]
        if all(context.isfinite(v) and not v.imag for v in numbers):
            if all(abs(v) <= LARGEST for v in numbers):
                return data, values
            large = True
    if large:
        message = "the loss or a derivative has more than a thousand digits wherever it was tried"
        raise SpecError(message, help="take smaller constants, or smaller powers of them")
    raise SpecError(
        "no point was found at which the loss has a real value",
        None,
        "",
        "look for a logarithm or a root of something negative, or a division by zero",
    )


def _draw(tensor: Tensor, network: Network, chance: random.Random, positive: bool) -> dict[tuple[int, ...], Number]:
    """Random numbers for a tensor; targets of which facts are declared are probabilities, choices whole numbers."""
    facts = [f for f in network.facts if f.tensor == tensor.name]
    points = [tuple(int(i) for i in e.indices) for e in tensor.elements()]
    low = 0.05 if facts or positive else -1.0
    if places := choices(network.flat_equations).get(tensor.name):
        return {p: context.mpf(chance.randint(1, places)) for p in points}
    numbers = {p: context.mpf(chance.uniform(low, 0.95)) for p in points}
    for fact in (f for f in facts if f.reduce):
        axes = fact.axes(len(tensor.shape))
        rows = {p: tuple(n for d, n in enumerate(p) if d not in axes) for p in points}
        totals = {row: context.fsum(numbers[p] for p in points if rows[p] == row) for row in set(rows.values())}
        numbers = {p: v / totals[rows[p]] for p, v in numbers.items()}
    return numbers


def _perturbed(network: Network, data: Values, chance: random.Random) -> Iterator[tuple[str, Direction, Number]]:
    """Derivatives of the forward equations along directions, by the complex step and by central differences."""

    def loss(direction: Direction, shift: Number) -> Number:
        moved = {**data, **{w.name: dict(data[w.name]) for w in network.weights}}
        for element, slope in direction.items():
            moved[element.tensor][_point_of(element)] += slope * shift
        return forward(network, moved)[network.loss][()]

    for direction in _directions(network, chance, SINGLE_WEIGHTS):
        with context.workdps(COMPLEX_DIGITS):
            slope = loss(direction, context.mpc(0, COMPLEX_STEP)).imag / COMPLEX_STEP
        yield "complex step", direction, slope
    for direction in _directions(network, chance, SINGLE_DIFFERENCES):
        change = loss(direction, DIFFERENCE_STEP) - loss(direction, -DIFFERENCE_STEP)
        yield "central difference", direction, change.real / (2 * DIFFERENCE_STEP)


def _directions(network: Network, chance: random.Random, most: int) -> list[Direction]:
    """Every single weight where there are at ``most`` that many; else a few random directions through all of them.

    At 50 digits a wrong derivative of any one weight shows along a random direction.
    """
    elements = [e for w in network.weights for e in w.elements()]
    if len(elements) <= most:
        return [{e: context.one} for e in elements]
    return [{e: context.mpf(chance.uniform(-1, 1)) for e in elements} for _ in range(DIRECTIONS)]


def _closed_forms(network: Network, scalars: Scalars, lines: Lines) -> Iterator[tuple[str, Access, Compiled]]:
    """The formulas of a small network, compiled: line by line, expanded, and differentiated directly."""
    yield from _matrix_forms(network, scalars)
    for element, derivation in lines.items():
        for step in derivation.steps:
            yield "chain rule", element, compile_scalar(evaluate_line(step.after, scalars))
    if not lines:
        yield from _lines_in_indices(scalars)
    if not is_small(network):
        return
    for weight in (e for w in network.weights for e in w.elements()):
        yield "closed form", weight, compile_scalar(scalars.gradient(weight))
    loss = Access(network.loss)
    if scalars.size(loss) * sum(w.size for w in network.weights) > COMPOSED_SIZE:
        return
    direct = _direct_derivatives(written_out(scalars.expanded(loss)))
    for weight in (e for w in network.weights for e in w.elements()):
        adjoint = Access(adjoint_name(weight.tensor), *weight.indices)
        yield "expanded form", weight, compile_scalar(scalars.expanded(adjoint))
        yield "direct derivative", weight, direct(weight)


def _direct_derivatives(composed: sympy.Expr) -> Callable[[Access], Compiled]:
    """SymPy's derivatives of one scalar; its elements are plain symbols, which SymPy is several times faster with."""
    symbols = {access: sympy.Symbol(f"element{n}", real=True) for n, access in enumerate(accesses(composed))}
    plain = composed.xreplace(symbols).replace(sympy.Abs, Magnitude)

    def derivative(weight: Access) -> Compiled:
        form = compile_scalar(smooth(plain.diff(symbols[weight])) if weight in symbols else sympy.Integer(0))
        return lambda env, values: form({s.name: values[a.tensor][_point_of(a)] for a, s in symbols.items()}, values)

    return derivative


def _lines_in_indices(scalars: Scalars) -> Iterator[tuple[str, Access, Compiled]]:
    """The steps in indices, their indices put in, for the first and the last element of every array."""
    for derivation in IndexSteps(scalars).all():
        ends = [{i: sympy.Integer(r[end]) for i, r in derivation.ranges.items()} for end in (0, 1)]
        for place in ends[: 1 + bool(derivation.ranges)]:
            element = derivation.at(place)
            for step in element.steps:
                yield "chain rule in indices", element.element, compile_scalar(evaluate(step.after, scalars))


def _matrix_forms(network: Network, scalars: Scalars) -> Iterator[tuple[str, Access, Compiled]]:
    """The elements of every gradient array that is a sum of outer products, from the products' factors."""
    for weight in network.weights:
        found = scalars.sweep.adjoints[weight.name]
        indices = (*found.indices, None)[:2]
        if found.closed is None or len(found.indices) not in (1, 2):
            continue
        terms = [t for t in sympy.Add.make_args(found.closed) if not is_whole(t, found.indices)]
        splits = [outer(t, *indices) for t in terms]
        if any(s is None for s in splits):
            continue
        whole = sympy.Add(*(t for t in sympy.Add.make_args(found.closed) if t not in terms))
        for element in list(weight.elements())[:SINGLE_WEIGHTS]:
            place = dict(zip(found.indices, element.indices, strict=True))
            places = {i: v for i, v in place.items() if i.is_Symbol}
            factors = [
                [compile_scalar(scalars.named(rename(p, places))) for p in (s.scalar, s.left, s.right) if p is not None]
                for s in splits
                if s is not None
            ]
            yield (
                "matrix form",
                element,
                _sum_of_products(factors, compile_scalar(scalars.named(rename(whole, places)))),
            )


def _sum_of_products(products: list[list[Compiled]], rest: Compiled) -> Compiled:
    def total(env: Environment, values: Values) -> Number:
        return rest(env, values) + context.fsum(context.fprod(f(env, values) for f in p) for p in products)

    return total
