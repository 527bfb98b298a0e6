"""The kernel for networks in lanes as plain text for the template: its arrays, what is copied into and out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from codegen.trainer.identifiers import Identifiers
from codegen.trainer.kernels import Kernel, kernel
from codegen.trainer.lanes import LANES
from codegen.trainer.networks import Networks
from codegen.trainer.printer import Used, number_lines
from codegen.trainer.schedule import TOTAL
from derive.network import Network


@dataclass(frozen=True)
class Text:
    """Statements: ``head`` makes the arrays, ``into`` and ``out`` copy weights, constants and gradients, ``gather``
    and ``spread`` one sample, of every network its own or the same for all; the others are the equations'."""

    lane: str
    total: str
    head: list[str]
    into: list[str]
    gather: list[str]
    spread: list[str]
    before: tuple[str, ...]
    sample: tuple[str, ...]
    after: tuple[str, ...]
    out: list[str]
    used: tuple[Used, ...]


def network_text(network: Network, plan: Networks, names: Mapping[str, str]) -> Text:
    """The text of a plan; ``names`` are the identifiers of its tensors."""
    parts: list[Kernel] = [
        kernel(plan.before, plan, names),
        kernel(plan.sample, plan, names, depth=2),
        kernel(plan.after, plan, names),
    ]
    scope = Identifiers(names.values())
    lane = scope.new("n")
    head = ["real = theta.dtype.type"]
    for line in (line for part in parts for line in number_lines(part.used)):
        head += [line] if line not in head else []
    for name in plan.arrays:
        head.append(f"{names[name]} = local(theta, {', '.join(map(str, (*plan.tensors[name].shape, LANES)))})")
    columns = {t.name: n for n, t in enumerate(network.data)}
    constants = {t.name: n for n, t in enumerate(network.of_role("constant"))}
    starts, start = {}, 0
    for tensor in network.weights:
        starts[tensor.name], start = start, start + tensor.size
    into: list[str] = []
    gather: list[str] = []
    spread: list[str] = []
    out: list[str] = []
    for name in plan.arrays:
        shape, element, weight = plan.tensors[name].shape, f"{names[name]}[{{at}}]", name.removeprefix("∂")
        if name in starts:
            into += _copied(shape, element, f"theta[{{flat}}, {lane}]", lane, scope, starts[name])
        elif name in constants:
            into += _copied(shape, element, f"constants[{constants[name]}][{{flat}}, {lane}]", lane, scope)
        elif name in columns:
            source = f"data[{columns[name]}][sample, {{flat}}]"
            gather += _copied(shape, element, source, lane, scope, each_lane=False)
            spread += _copied(shape, element, source, lane, scope)
        elif weight in starts:
            out += _copied(shape, f"gradient[{{flat}}, {lane}]", element, lane, scope, starts[weight])
    before, sample, after = (part.lines for part in parts)
    used = tuple(part.used for part in parts)
    return Text(lane, names[TOTAL], head, into, gather, spread, before, sample, after, out, used)


def _copied(
    shape: tuple[int, ...],
    target: str,
    source: str,
    lane: str,
    scope: Identifiers,
    start: int = 0,
    each_lane: bool = True,
) -> list[str]:
    """Loops that copy all elements; ``{at}`` stands for their indices, ``{flat}`` for their place from ``start`` on."""
    lines, at, flat = element_loops(shape, scope.scope(), start)
    inside = "    " * len(lines)
    if each_lane:
        lines.append(f"{inside}for {lane} in range(width):")
        inside += "    "
    places = {"at": ", ".join([*at, lane]), "flat": flat}
    return [*lines, f"{inside}{target.format(**places)} = {source.format(**places)}"]


def element_loops(shape: tuple[int, ...], scope: Identifiers, start: int = 0) -> tuple[list[str], list[str], str]:
    """The heads of loops over the elements of an array, their variables, and the element's place in memory."""
    places = [scope.new(f"i{d + 1}" if len(shape) > 1 else "i") for d in range(len(shape))]
    heads = zip(places, shape, strict=True)
    lines = ["    " * d + f"for {place} in range({size}):" for d, (place, size) in enumerate(heads)]
    steps = [prod(shape[d + 1 :]) for d in range(len(shape))]
    flat = [place if step == 1 else f"{place} * {step}" for place, step in zip(places, steps, strict=True)]
    return lines, places, " + ".join([*([str(start)] if start or not flat else []), *flat])
