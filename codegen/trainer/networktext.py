"""The kernel for networks in lanes as plain text for the template: its arrays, what is copied into and out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from codegen.trainer.alike import Alike
from codegen.trainer.identifiers import Identifiers
from codegen.trainer.kernels import Kernel, kernel
from codegen.trainer.lanes import LANES
from codegen.trainer.networks import PLACE, Networks
from codegen.trainer.nodes import Loop, tensors_of
from codegen.trainer.printer import Used, needs_real, number_lines
from codegen.trainer.schedule import TOTAL
from derive.network import Network


@dataclass(frozen=True)
class Text:
    """Statements: ``head`` makes the arrays, ``gather`` and ``spread`` copy a sample into ``place`` of a tile, of every
    network its own or the same for all, ``absent`` puts zeros there; the others are the equations'."""

    lane: str
    total: str
    place: str
    samples: int
    head: list[str]
    gather: list[str]
    spread: list[str]
    absent: list[str]
    before: tuple[str, ...]
    sample: tuple[str, ...]
    added: tuple[str, ...]
    tile: tuple[str, ...]
    after: tuple[str, ...]
    used: tuple[Used, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """Those of the equations."""
        return (*self.before, *self.sample, *self.added, *self.tile, *self.after)


def network_text(network: Network, plan: Networks, names: Mapping[str, str], alike: Alike) -> Text:
    """The text of a plan; ``names`` are the identifiers of its tensors, ``alike`` the functions for its nests."""
    scope = Identifiers(names.values())
    lane, place = scope.new("n"), scope.new("place")
    added = tuple(node for each in plan.added if isinstance(each, Loop) for node in each.body)
    summed = {tensor for node in plan.tile for tensor in tensors_of(node)}
    parts: list[Kernel] = [
        kernel(plan.before, plan, names, alike),
        kernel(plan.sample, plan, names, alike, depth=2),
        kernel(added, plan, names, alike, depth=3, around={PLACE: place}),
        kernel(plan.tile, plan, names, alike, depth=2),
        kernel(plan.after, plan, names, alike),
    ]
    arrays: list[str] = []
    columns = {t.name: n for n, t in enumerate(network.data)}
    given = _given(network)
    gather: list[str] = []
    spread: list[str] = []
    absent: list[str] = []
    for name in plan.arrays:
        tensor = plan.tensors[name]
        if name in given:
            arrays.append(f"{names[name]} = part({given[name]}, {', '.join(map(str, (*tensor.shape, LANES)))})")
        else:
            arrays.append(f"{names[name]} = local(theta, {', '.join(map(str, (*tensor.shape, LANES)))})")
        own, at = (tensor.shape[1:], f"{place}, ") if name in plan.kept else (tensor.shape, "")
        element = f"{names[name]}[{at}{{at}}]"
        if name in plan.kept and name in summed and plan.size > 1:
            absent.append(f"{names[name]}[{place}] = zero")
        if name in columns:
            source = f"data[{columns[name]}][sample, {{flat}}]"
            gather += _copied(own, element, source, lane, scope, each_lane=False)
            spread += _copied(own, element, source, lane, scope)
    if absent:
        parts[0].used.numbers.add("zero")
    head = list(dict.fromkeys(line for part in parts for line in number_lines(part.used)))
    if needs_real((*head, *(line for part in parts for line in part.lines))):
        head = ["real = theta.dtype.type", *head]
    head += arrays
    before, sample, each, tile, after = (part.lines for part in parts)
    used = tuple(part.used for part in parts)
    return Text(
        lane, names[TOTAL], place, plan.size, head, gather, spread, absent, before, sample, each, tile, after, used
    )


def _given(network: Network) -> dict[str, str]:
    """Where weights, gradients and constants are: an array (elements, lanes), and the row where they begin."""
    found: dict[str, str] = {}
    start = 0
    for tensor in network.weights:
        found |= {tensor.name: f"theta, {start}", f"∂{tensor.name}": f"gradient, {start}"}
        start += tensor.size
    return found | {t.name: f"constants[{n}], 0" for n, t in enumerate(network.of_role("constant"))}


def _copied(
    shape: tuple[int, ...],
    target: str,
    source: str,
    lane: str,
    scope: Identifiers,
    each_lane: bool = True,
) -> list[str]:
    """Loops that copy all elements; ``{at}`` stands for their indices, ``{flat}`` for their place in a row."""
    lines, at, flat = element_loops(shape, scope.scope())
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
