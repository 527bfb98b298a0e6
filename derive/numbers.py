"""The worked example: every value, gradient and update for the samples of a specification.

Batches: the loss is the mean (or the sum) of the samples' losses, and so is its gradient.  All updates use the old
weights; the loss after is that of all samples with all weights new.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import sympy

from derive.diagnostics import SpecError
from derive.evaluate import Compiled, Number, Values, array, compile_scalar, context, forward, number, run
from derive.expressions import Access
from derive.gradient import Sweep, adjoint_name
from derive.network import Network

LARGEST = sys.float_info.max

#: What to say about a loss without a real value: the message and the advice.
BEFORE = (
    "the loss or one of its derivatives has no real value for these numbers",
    "look for a logarithm or a root of something negative, or a division by zero",
)
AFTER = (
    "the loss has no real value after one step",
    "the step leaves the domain of the loss; a smaller rate makes a smaller step",
)
#: What to say where working precision holds numbers that a trainer or a notebook cannot.
BEYOND = (
    f"a number of the worked example is beyond {LARGEST:.2g}, the largest of double precision",
    None,
    "",
    "take smaller weights or samples, or a smaller rate",
)


@dataclass(frozen=True)
class WorkedNumbers:
    """Numbers in working precision.

    ``samples`` holds per sample all values and derivatives, ``after`` the same values after one update; ``gradient``
    is the batch's, ``updated`` the new weights, ``states`` what else the optimizer's equations define.
    """

    samples: tuple[Values, ...]
    weights: Values
    gradient: Values
    updated: Values
    states: Mapping[str, Values]
    after: tuple[Values, ...]
    loss: Number
    loss_after: Number

    def __repr__(self) -> str:
        samples = f"{len(self.samples)} sample{'s' * (len(self.samples) != 1)}"
        before, after = float(self.loss.real), float(self.loss_after.real)
        return f"<WorkedNumbers for {samples}: loss {before:.10g}, after one update {after:.10g}>"


def work(network: Network, sweep: Sweep) -> WorkedNumbers | None:
    """The numbers, or ``None`` where weights have no initial value or there is no sample to work.

    Raises :class:`SpecError` where the loss has no real value, before the step or after it.
    """
    needs_sample = bool(network.data)
    if any(w.name not in network.initial for w in network.weights) or (needs_sample and not network.samples):
        return None
    weights = {w.name: array(network.initial[w.name], w) for w in network.weights}
    data = [
        {name: array(values, network.tensors[name]) for name, values in sample.items()}
        for sample in network.samples or ({},)
    ]
    share = context.mpf(1) if network.batch == "sum" else context.one / len(data)
    samples = tuple(_real(partial(_backward, network, sweep, {**weights, **d}), *BEFORE) for d in data)
    gradient = {
        w.name: {p: share * context.fsum(s[adjoint_name(w.name)][p] for s in samples) for p in weights[w.name]}
        for w in network.weights
    }
    updated, states = step(network, weights, gradient)
    after = tuple(_real(partial(forward, network, {**updated, **d}), *AFTER) for d in data)
    return WorkedNumbers(
        samples,
        weights,
        gradient,
        updated,
        states,
        after,
        share * context.fsum(s[network.loss][()] for s in samples),
        share * context.fsum(s[network.loss][()] for s in after),
    )


def _real(compute: Callable[[], Values], message: str, help: str) -> Values:
    """Values that are all real and finite, also in double precision; :class:`SpecError` where they are not."""
    try:
        values = compute()
    except (ZeroDivisionError, ValueError, OverflowError):
        raise SpecError(message, None, "", help) from None
    if any(v.imag or not context.isfinite(v) for numbers in values.values() for v in numbers.values()):
        raise SpecError(message, None, "", help)
    if any(abs(v) > LARGEST for numbers in values.values() for v in numbers.values()):
        raise SpecError(*BEYOND)
    return values


def _backward(network: Network, sweep: Sweep, values: Values) -> Values:
    values = forward(network, dict(values))
    return run(sweep.equations, values, {**network.tensors, **sweep.tensors})


@dataclass(frozen=True)
class Iteration:
    """Where training stands after ``updates`` updates: every sample's values, the weights, the loss of the batch."""

    updates: int
    samples: tuple[Values, ...]
    weights: Values
    loss: Number


def iterations(network: Network, sweep: Sweep, worked: WorkedNumbers, updates: int) -> list[Iteration]:
    """The worked example carried on: training on the whole batch, from the first weights to so many updates.

    The optimizer's states are handed from update to update.  Ends early where an update or a loss has no real value.
    """
    share = context.mpf(1) if network.batch == "sum" else context.one / len(worked.samples)
    given = [t.name for t in network.tensors.values() if t.role in ("input", "target", "mask")]
    data = [{name: sample[name] for name in given} for sample in worked.samples]
    weights, states, samples = worked.weights, None, worked.samples
    found: list[Iteration] = []
    for update in range(updates + 1):
        found.append(Iteration(update, samples, weights, share * context.fsum(s[network.loss][()] for s in samples)))
        gradient = {
            name: {p: share * context.fsum(s[adjoint_name(name)][p] for s in samples) for p in old}
            for name, old in weights.items()
        }
        try:
            weights, states = step(network, weights, gradient, states, update + 1)
            samples = tuple(_real(partial(_backward, network, sweep, {**weights, **d}), *AFTER) for d in data)
        except SpecError:
            break
    return found


def step(
    network: Network,
    weights: Values,
    gradient: Values,
    states: Mapping[str, Values] | None = None,
    count: int = 1,
) -> tuple[Values, dict[str, Values]]:
    """One update of every weight by the network's optimizer: by default the first, with ``states`` at their start.

    Returns the new weights and, by name, whatever else the optimizer's equations define, for every weight.  Raises
    :class:`SpecError` where an equation has no real value.
    """
    optimizer = network.optimizer
    settings: Values = {str(s): {(): number(value)} for s, value in optimizer.settings.items()}
    settings[str(optimizer.rate)] = {(): number(optimizer.rate_at(count))}
    settings[str(optimizer.count)] = {(): context.mpf(count)}
    starts = {str(s): number(optimizer.start(s.name)) for s in optimizer.states}
    lines = [(str(symbol), _compiled(body)) for symbol, body in optimizer.updates]
    results: dict[str, Values] = {symbol: {name: {} for name in weights} for symbol, _ in lines}
    for name, old in weights.items():
        for point, value in old.items():
            slope = gradient[name][point]
            before = {s: states[s][name][point] if states else start for s, start in starts.items()}
            known = {str(optimizer.weight): value, str(optimizer.gradient): slope, **before}
            values: Values = {**settings, **{s: {(): v} for s, v in known.items()}}
            for symbol, body in lines:
                try:
                    result = body({}, values)
                except ArithmeticError:
                    result = context.nan
                if result.imag or not context.isfinite(result):
                    place = str(Access(name, *point))
                    message = f"the first update of {place} has no real value: {symbol} where g = {float(slope.real):g}"
                    raise SpecError(message, help="change the settings of the optimizer, its updates, or the numbers")
                values[symbol] = {(): result}
                results[symbol][name][point] = result
    return results.pop(str(optimizer.weight)), results


def _compiled(formula: sympy.Expr) -> Compiled:
    """A formula of symbols as a function of values by the symbols' names."""
    return compile_scalar(formula.xreplace({s: Access(s.name) for s in formula.free_symbols}))


def at(values: Values, element: Access) -> Number:
    """One element of a set of values."""
    return values[element.tensor][tuple(int(i) for i in element.indices)]
