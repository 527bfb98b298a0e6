"""Optimizers as compiled update loops: printed from their update equations, one fused loop over all weights.

What an update needs that is the same for all weights, such as 1 − β₁ᵏ, is worked out once, in double precision.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from codegen.arithmetic.stable import recognised
from codegen.trainer.identifiers import Identifiers
from codegen.trainer.printer import DoublePrinter, Printer, Used, number_lines
from derive.language.optimizers import catalogue, catalogued
from derive.network import Optimizer

#: What the trainer calls settings that have a name in scikit-learn or PyTorch.
PARAMETERS = {"mu": "momentum", "lambda": "weight_decay"}

RATE = "learning_rate_init"

#: What the names of settings must not hide: in the class, the other parameters and the methods.
METHODS = ("self", "fit", "partial_fit", "predict", "predict_proba", "score", "get_params", "set_params")
OTHERS = (
    "solver learning_rate_init batch_size max_iter shuffle random_state dtype tol n_iter_no_change verbose warm_start "
    "constants math"
).split()


@dataclass(frozen=True)
class Update:
    """One solver: what stands before and in its loop over the weights, and its settings under the trainer's names.

    ``lanes_body`` and ``lanes_lines`` are the same for many networks, of which each lane n has one with settings of its
    own.
    """

    name: str
    body: tuple[str, ...]
    lines: tuple[str, ...]
    lanes_body: tuple[str, ...]
    lanes_lines: tuple[str, ...]
    settings: Mapping[str, float]
    states: int
    used: Used


def updates(chosen: Optimizer) -> list[Update]:
    """All solvers of the catalogue and the specification's own, which hides one of the same name."""
    return [_update(o) for o in {**{n: catalogued(n) for n in catalogue()}, chosen.name: chosen}.values()]


def parameters(optimizer: Optimizer) -> dict[sympy.Symbol, str]:
    """The names of the settings as parameters of the class Trainer, the learning rate's first."""
    found = {optimizer.rate: RATE}
    for symbol in optimizer.settings:
        name = PARAMETERS.get(symbol.name, symbol.name)
        while name in (*METHODS, *OTHERS, *found.values()) or keyword.iskeyword(name):
            name += "_"
        found.setdefault(symbol, name)
    return found


def schedule(optimizer: Optimizer, used: Used) -> list[str]:
    """Statements that return the learning rate of update k relative to that of the first; none where it is constant."""
    if optimizer.schedule is None:
        return []
    identifiers = Identifiers(["k"])
    names = {optimizer.count: "k", optimizer.rate: identifiers.new(optimizer.rate.name)}
    printer = DoublePrinter(_nothing, _nothing, _nothing, names, used)
    shared, value = _shared(optimizer.schedule)
    lines = []
    for n, (symbol, part) in enumerate(shared, 1):
        names[symbol] = identifiers.new(f"t{n}")
        lines.append(f"{names[symbol]} = {printer.text(part)}")
    lines.append(f"{names[optimizer.rate]} = {printer.text(value)}")
    return [*lines, f"return {names[optimizer.rate]} / {float(optimizer.rate_at(1))!r}"]


def _shared(formula: sympy.Expr) -> tuple[list[tuple[sympy.Symbol, sympy.Expr]], sympy.Expr]:
    """The parts of a formula that occur more than once, under a symbol each, and what is left."""
    parts, (rest,) = sympy.cse(formula, symbols=(sympy.Dummy("shared", real=True) for _ in iter(int, 1)), list=True)
    return parts, rest


def _nothing(_: object) -> str:
    raise AssertionError("an optimizer has no tensors")


class _Once:
    """Takes what is the same for all weights out of formulas, as constants ``c1``, ``c2``, …"""

    def __init__(self, varying: set[sympy.Symbol]) -> None:
        self.varying = varying
        self.constants: dict[sympy.Expr, sympy.Symbol] = {}

    def __call__(self, e: sympy.Expr) -> sympy.Expr:
        """The formula with its largest constant parts as symbols; numbers and settings alone stay as they are."""
        if e.is_number or e.as_coeff_Mul()[1].is_Symbol:
            return e
        if not e.free_symbols & self.varying:
            return self.constants.setdefault(e, sympy.Symbol(f"c {len(self.constants) + 1}", real=True))
        if e.is_Add or e.is_Mul:
            number, rest = e.as_coeff_Mul() if e.is_Mul else e.as_coeff_Add()
            parts = e.func.make_args(rest)
            fixed = [p for p in parts if not p.free_symbols & self.varying]
            moving = [self(p) for p in parts if p not in fixed]
            return e.func(number, self(e.func(*fixed)), *moving)
        return e.func(*map(self, e.args))


def _update(optimizer: Optimizer) -> Update:
    used = Used()
    identifiers = Identifiers(["i", "n", "k", "rate", "states", "settings", "scale"])
    results = [symbol for symbol, _ in optimizer.updates if symbol != optimizer.weight]
    settings = [optimizer.rate, *(s for s in optimizer.settings if s != optimizer.rate)]
    symbols = [optimizer.weight, optimizer.gradient, *results, *settings]
    names = {s: identifiers.new(s.name) for s in symbols} | {optimizer.count: "k"}
    once = _Once({optimizer.weight, optimizer.gradient, *results})
    bodies = [(symbol, once(recognised(body))) for symbol, body in optimizer.updates]
    names |= {c: identifiers.new(c.name.replace(" ", "")) for c in once.constants.values()}

    given = {s: "rate" if n == 0 else f"settings[{n - 1}]" for n, s in enumerate(settings)}
    starts = {s: start for s, start in optimizer.starts.items() if start != 0}
    early = {s for e in (*once.constants, *optimizer.starts.values()) for s in e.free_symbols} & given.keys()
    late = {s for _, body in bodies for s in body.free_symbols} & given.keys()
    lines = _loop(optimizer, bodies, names, identifiers.scope(), used, "")
    shared = {s: f"{names[s]}[n]" for s in (*late, *once.constants.values())}
    lanes_lines = _loop(optimizer, bodies, names | shared, identifiers.scope(), used, ", n")

    double = DoublePrinter(_nothing, _nothing, _nothing, names, used)
    body = ["real = theta.dtype.type", *number_lines(used)]
    body += [f"{names[s]} = {given[s]}" for s in settings if s in early]
    body += [f"{names[c]} = real({double.text(e)})" for e, c in once.constants.items()]
    if starts:
        places = {s: optimizer.states.index(s) for s in starts}
        body += ["if k == 1:", *(f"    states[{places[s]}, :] = real({double.text(t)})" for s, t in starts.items())]
    body += [f"{names[s]} = real({names[s] if s in early else given[s]})" for s in settings if s in late]

    each = {s: "rate[n]" if n == 0 else f"settings[{n - 1}, n]" for n, s in enumerate(settings)}
    double = DoublePrinter(_nothing, _nothing, _nothing, names | each, used)
    values = {names[c]: double.text(e) for e, c in once.constants.items()}
    values |= {names[s]: each[s] for s in settings if s in late}
    lanes_body = ["width = lanes & LANES", "real = theta.dtype.type", *number_lines(used)]
    lanes_body += [f"{name} = local(theta, LANES)" for name in values]
    if values:
        lanes_body += ["for n in range(width):", *(f"    {name}[n] = real({text})" for name, text in values.items())]
    if starts:
        places = {s: optimizer.states.index(s) for s in starts}
        lanes_body += ["if k == 1:", "    for n in range(width):"]
        lanes_body += [f"        states[{places[s]}, :, n] = real({double.text(t)})" for s, t in starts.items()]
    numbers = {parameter: float(optimizer.settings[s]) for s, parameter in parameters(optimizer).items()}
    texts = (tuple(body), tuple(lines), tuple(lanes_body), tuple(lanes_lines))
    return Update(optimizer.name, *texts, numbers, len(optimizer.states), used)


def _loop(
    optimizer: Optimizer,
    bodies: list[tuple[sympy.Symbol, sympy.Expr]],
    names: Mapping[sympy.Symbol, str],
    identifiers: Identifiers,
    used: Used,
    lane: str,
) -> list[str]:
    """The statements for one weight: weight, gradient and states are read, updated and stored."""
    names = dict(names)
    loop: list[str] = []
    temporaries: list[str] = []

    def temporary(text: str) -> str:
        name = identifiers.new(f"t{len(temporaries) + 1}")
        temporaries.append(name)
        loop.append(f"{name} = {text}")
        return name

    printer = Printer(_nothing, _nothing, temporary, names, used)
    for symbol, body in bodies:
        shared, value = _shared(body)
        for stand_in, part in shared:
            names[stand_in] = temporary(printer.text(part))
        loop.append(f"{names[symbol]} = {printer.text(value)}")
    weight, gradient = names[optimizer.weight], names[optimizer.gradient]
    places = {s: f"states[{n}, i{lane}]" for n, s in enumerate(optimizer.states)}
    load = [f"{weight}, {gradient} = theta[i{lane}], scale * gradient[i{lane}]"]
    load += [f"{names[s]} = {p}" for s, p in places.items()]
    return [*load, *loop, f"theta[i{lane}] = {weight}", *(f"{p} = {names[s]}" for s, p in places.items())]
