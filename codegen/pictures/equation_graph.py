"""The equations of a network as a picture: which quantity is computed from which.

For networks that are no columns of units: functions of weights, convolutions, recurrences.
"""

from __future__ import annotations

from math import hypot

from codegen.formulas.notation import Notation
from codegen.pictures.figure import RADIUS, Edge, Figure, Look, Node, curve
from codegen.pictures.ranks import longest_ways
from derive.network import Network

COLUMN, ROW = 2.6, 1.35
CLEAR = RADIUS + 0.12  # the distance of an arrow from a quantity that it passes by
BENDS = tuple(0.45 * n for n in range(9))
MAX_NODES = 24


def equation_figure(network: Network, notation: Notation) -> Figure | None:
    """One node for every quantity with a name; ``None`` where there are too many to be read."""
    reads = network.reads(past=False)
    rank = _ranks(reads)
    if not 1 < len(rank) <= MAX_NODES:
        return None
    columns: dict[int, list[str]] = {}
    for name in network.tensors:
        if name in rank:
            columns.setdefault(rank[name], []).append(name)
    places: dict[str, tuple[float, float]] = {}
    for n, names in sorted(columns.items()):
        for row, name in enumerate(_ordered(names, reads, places)):
            places[name] = (COLUMN * n, ROW * (row - (len(names) - 1) / 2))
    order = {name: n for n, name in enumerate(places)}
    nodes = tuple(Node(x, y, notation.name(name).latex(), _look(network, name)) for name, (x, y) in places.items())
    edges = [
        Edge(order[source], order[name], colour=rank[name], bend=_bend(places[source], places[name], places))
        for name, inner in reads.items()
        for source in sorted(inner, key=order.__getitem__)
        if source != name
    ]
    return Figure(nodes, tuple(edges), (), "The equations", _description(reads))


def _ranks(reads: dict[str, set[str]]) -> dict[str, int]:
    """How many equations lead to a quantity; what is read as late as possible stands close to its reader."""
    rank = longest_ways(reads, reads)
    for source in [name for name in rank if name not in reads]:
        rank[source] = min(rank[name] for name, inner in reads.items() if source in inner) - 1
    return rank


def _ordered(names: list[str], reads: dict[str, set[str]], places: dict[str, tuple[float, float]]) -> list[str]:
    """A column from top to bottom, every quantity near what it is computed from."""

    def height(name: str) -> float:
        known = [places[i][1] for i in sorted(reads.get(name, ())) if i in places]
        return sum(known) / len(known) if known else 0.0

    return sorted(names, key=height)


def _bend(start: tuple[float, float], end: tuple[float, float], places: dict[str, tuple[float, float]]) -> float:
    """How far an arrow leaves the straight line (in centimetres) to pass by what stands in its way."""
    others = [place for place in places.values() if place not in (start, end)]

    def room(bend: float) -> float:
        """The least distance of the arrow from what it does not join."""
        ways = [curve(start, end, bend, n / 40) for n in range(41)]
        return min((hypot(x - u, y - v) for x, y in ways for u, v in others), default=CLEAR)

    upwards = (start[1] + end[1]) / 2 <= 0
    for bend in BENDS:
        for side in (-bend, bend) if upwards else (bend, -bend):
            if room(side) >= CLEAR:
                return side
    return max((side for bend in BENDS for side in (-bend, bend)), key=room)


def _look(network: Network, name: str) -> Look:
    if name == network.loss:
        return "loss"
    if name in network.outputs:
        return "output"
    looks: dict[str, Look] = {"weight": "weight", "value": "hidden"}
    return looks.get(network.tensors[name].role, "input")


def _description(reads: dict[str, set[str]]) -> str:
    parts = (f"{name} is computed from {', '.join(sorted(inner))}" for name, inner in reads.items() if inner)
    return f"{'; '.join(parts)}."
