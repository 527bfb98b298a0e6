"""The worked example: every value, gradient and update for the samples of a specification.

Batches: the loss is the mean (or the sum) of the samples' losses, and so is its gradient.  All updates use the old
weights; the loss after is that of all samples with all weights new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from derive.evaluate import Number, Values, array, context, forward, number, run
from derive.expressions import Access
from derive.gradient import Sweep, adjoint_name
from derive.network import Network


@dataclass(frozen=True)
class WorkedNumbers:
    """Numbers in working precision.

    ``samples`` holds per sample all values and derivatives, ``after`` the same values after one update; ``gradient``
    is the batch's, ``updated`` the new weights, ``states`` the optimizer's states after the step.
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
    """The numbers, or ``None`` where weights have no initial value or there is no sample to work."""
    needs_sample = bool(network.data)
    if any(w.name not in network.initial for w in network.weights) or (needs_sample and not network.samples):
        return None
    weights = {w.name: array(network.initial[w.name], w) for w in network.weights}
    data = [
        {name: array(values, network.tensors[name]) for name, values in sample.items()}
        for sample in network.samples or ({},)
    ]
    share = context.mpf(1) if network.batch == "sum" else context.one / len(data)
    samples = tuple(_backward(network, sweep, {**weights, **sample}) for sample in data)
    gradient = {
        w.name: {p: share * context.fsum(s[adjoint_name(w.name)][p] for s in samples) for p in weights[w.name]}
        for w in network.weights
    }
    updated, states = step(network, weights, gradient)
    after = tuple(forward(network, {**updated, **sample}) for sample in data)
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


def _backward(network: Network, sweep: Sweep, values: Values) -> Values:
    values = forward(network, dict(values))
    return run(sweep.equations, values, {**network.tensors, **sweep.tensors})


def step(network: Network, weights: Values, gradient: Values) -> tuple[Values, dict[str, Values]]:
    """One update of every weight by the network's optimizer, states starting at zero."""
    optimizer = network.optimizer
    settings = {s: number(v) for s, v in optimizer.settings.items()}
    updated: Values = {}
    states: dict[str, Values] = {str(s): {} for s in optimizer.states}
    for name, old in weights.items():
        updated[name] = {}
        for array_of_state in states.values():
            array_of_state[name] = {}
        for point, value in old.items():
            env = {optimizer.weight: value, optimizer.gradient: gradient[name][point], **settings}
            env |= dict.fromkeys(optimizer.states, context.zero)
            for symbol, body in optimizer.updates:
                env[symbol] = evaluate(body, env)
            updated[name][point] = env[optimizer.weight]
            for symbol in optimizer.states:
                states[str(symbol)][name][point] = env[symbol]
    return updated, states


def evaluate(body: sympy.Expr, env: Mapping[sympy.Symbol, Number]) -> Number:
    """A scalar formula over symbols, in working precision."""
    from derive.evaluate import compile_scalar

    accesses = {s: Access(f"symbol {s}") for s in body.free_symbols}
    values: Values = {a.tensor: {(): env[s]} for s, a in accesses.items()}
    return compile_scalar(body.xreplace(accesses))({}, values)


def at(values: Values, element: Access) -> Number:
    """One element of a set of values."""
    return values[element.tensor][tuple(int(i) for i in element.indices)]
