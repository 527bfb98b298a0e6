"""The network as a picture: units and the weights between them.

Nothing here knows about layers: units are the elements of tensors that have a name, an arrow says that one is read in
the definition of another, and the weight on it is the one that stands in a product with what is read.  Where every
element of a tensor is a function of one element of another and of nothing else, h = tanh(z), both are one unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import sympy

from codegen.formulas.hues import unpainted
from codegen.formulas.layout import visible_length
from codegen.pictures.figure import CHARACTER, LABEL_HEIGHT, RADIUS, Box, Edge, Emphasis, Figure, Labels, Look, Node
from codegen.pictures.ranks import longest_ways
from derive.expressions import Access, accesses
from derive.network import Equation, Network, Scan, Tensor
from derive.scalars import Scalars

COLUMN, ROW, BELOW = 4.2, 1.35, 0.4
MAX_TITLED = 6  # columns with room for a title of two words
MAX_UNITS = 8  # of one tensor; of more, the first ones, dots and the last one are drawn
MAX_LABELS = 24  # weights written on arrows
ROOM = 3.6  # of an arrow's length, what a label must leave free for the others to stand beside it
SMALL = 0.62  # the scale of pictures that go with one derivation
MAX_READS = 20_000  # of all the units drawn, together

Write = Callable[[Access], str]


@dataclass(frozen=True)
class Column:
    """The tensors that are as many steps away from the inputs."""

    tensors: tuple[Tensor, ...]
    title: str


@dataclass(frozen=True)
class Unit:
    """One element that is drawn, or the dots that stand for several; ``reads`` with the weight of each product."""

    element: Access | None
    look: Look
    reads: tuple[tuple[Access, Access | None], ...] = ()
    added: Access | None = None


@dataclass(frozen=True)
class Graph:
    """The units of a network in columns, before anything is written on them."""

    columns: tuple[Column, ...]
    units: tuple[Unit, ...]
    places: tuple[tuple[float, float], ...]

    @cached_property
    def arrows(self) -> list[tuple[int, int, Access | None]]:
        """Start, end and weight of every arrow between units that are drawn."""
        place = {u.element: n for n, u in enumerate(self.units) if u.element is not None}
        return [
            (place[element], end, weight)
            for end, unit in enumerate(self.units)
            for element, weight in unit.reads
            if element in place
        ]

    @cached_property
    def into(self) -> dict[int, int]:
        """A number for every unit that arrows lead into: all that lead into one unit have its colour."""
        return {end: n for n, end in enumerate(dict.fromkeys(end for _, end, _ in self.arrows))}

    def hues(self) -> dict[Access, int]:
        """The hue of every weight that is written on an arrow; of several arrows, the first one's."""
        found: dict[Access, int] = {}
        for _, end, weight in self.arrows if self.whole else ():
            if weight is not None:
                found.setdefault(weight, self.into[end])
        return found

    def way(self, weight: Access) -> set[Access]:
        """What lies on the ways from a weight to the prediction: units, and the weights on the arrows between them."""
        found: set[Access] = {weight}
        for unit in self.units:
            if unit.element is not None and (weight == unit.added or weight in dict(unit.reads).values()):
                found.add(unit.element)
        for unit in self.units:  # columns from left to right
            met = [(read, partner) for read, partner in unit.reads if read in found]
            if unit.element is not None and met:
                found |= {unit.element, *(partner for _, partner in met if partner is not None)}
        return found

    def stretched(self, factor: float) -> Graph:
        """The same with wider gaps between the columns: long numbers need room on the arrows."""
        return replace(self, places=tuple((factor * x, y) for x, y in self.places))

    @property
    def whole(self) -> bool:
        """Whether every unit is drawn, few enough for a name on every arrow."""
        return all(u.element is not None for u in self.units) and len(self.arrows) <= MAX_LABELS


def graph_of(network: Network, scalars: Scalars) -> Graph | None:
    """The units of a network; ``None`` where they would show nothing (recurrences, images, one lonely unit)."""
    if any(isinstance(step, Scan) for step in network.equations) or not network.outputs:
        return None
    anatomy = _Anatomy(network, scalars)
    columns = anatomy.columns()
    if len(columns) < 2 or any(len(t.shape) > 1 for c in columns for t in c.tensors):
        return None
    if sum(t.size for c in columns[:-1] for t in c.tensors) * MAX_UNITS > MAX_READS:
        return None
    gap = ROW + BELOW * any(t.bias for t in network.weights)
    places, units = [], []
    for n, column in enumerate(columns):
        look: Look = "input" if n == 0 else "output" if n == len(columns) - 1 else "hidden"
        drawn = [u for t in column.tensors for u in anatomy.units(t, look)]
        places += [(COLUMN * n, gap * (row - (len(drawn) - 1) / 2)) for row in range(len(drawn))]
        units += drawn
    return Graph(tuple(columns), tuple(units), tuple(places)) if len(units) > 2 else None


def figure_of(
    graph: Graph,
    caption: str,
    unit: Write,
    weight: Write,
    *,
    backward: bool = False,
    way: Iterable[Access] = (),
) -> Figure:
    """The graph with names or numbers: ``unit`` writes what stands in units, ``weight`` what stands on arrows.

    The units and weights in ``way`` stand out: those through which a derivative is taken.
    """
    strong = set(way)
    unit, weight = _plain(unit), _plain(weight)
    texts = [weight(w) if w is not None and graph.whole else "" for _, _, w in graph.arrows]
    widths = [CHARACTER * visible_length(text) + 0.15 for text in texts]
    graph = graph.stretched(max(1.0, (max(widths, default=0.0) + ROOM) / COLUMN))

    def emphasis(chosen: bool) -> Emphasis:
        return "plain" if not strong else "strong" if chosen else "pale"

    nodes = tuple(
        Node(x, y, unit(u.element), u.look, _below(graph, u, weight, backward), emphasis(u.element in strong))
        if u.element is not None
        else Node(x, y, "", "dots")
        for (x, y), u in zip(graph.places, graph.units, strict=True)
    )
    labels = Labels()
    for node in nodes:
        labels.keep_clear(node.x, node.y, 2 * node.reach)
        if node.below:
            labels.keep_clear(node.x, node.y + RADIUS + 0.2, CHARACTER * visible_length(node.below))
    edges = []
    for (start, end, w), text, width in zip(graph.arrows, texts, widths, strict=True):
        at = labels.place(graph.places[start], graph.places[end], width) if text else 0.5
        on_way = w in strong if w is not None else {graph.units[start].element, graph.units[end].element} <= strong
        edges.append(Edge(start, end, text, graph.into[end], at, emphasis(on_way)))
    boxes, scale = ((), SMALL) if strong else (_boxes(graph), 1.0)
    return Figure(nodes, tuple(edges), boxes, caption, _description(graph), backward, scale)


def _plain(write: Write) -> Write:
    """Colours are the business of the picture."""
    return lambda element: unpainted(write(element))


def _description(graph: Graph) -> str:
    """What the picture shows, in words."""
    columns = (f"{c.title.lower()}: {', '.join(f'{t.name} with {t.size}' for t in c.tensors)}" for c in graph.columns)
    ways = [
        f"from {graph.units[a].element} to {graph.units[b].element}" + (f" by {w}" if w else "")
        for a, b, w in graph.arrows
    ]
    arrows = f"; arrows {', '.join(ways)}" if graph.whole else f"; {len(ways)} arrows"
    return f"Units in columns from left to right; {'; '.join(columns)}{arrows}."


def _below(graph: Graph, unit: Unit, weight: Write, backward: bool) -> str:
    """What is added in a unit, its bias; in a backward pass the derivative by it."""
    if unit.added is None or not graph.whole:
        return ""
    text = weight(unit.added)
    if backward:
        return text
    return f"+\\, {text}" if not text.startswith("-") else f"-\\, {text[1:]}"


class _Anatomy:
    """Which values with a name read which, and which of them are one unit together."""

    def __init__(self, network: Network, scalars: Scalars) -> None:
        self.network, self.scalars, self.tensors = network, scalars, network.tensors
        found = network.reads()
        weights = {tensor.name for tensor in network.weights}
        self.weighted = {n: not weights.isdisjoint(names) for n, names in found.items()}  # h with z where h = tanh(z)
        self.reads = {
            n: {inner for inner in names if self.tensors[inner].role in ("input", "value")}
            for n, names in found.items()
        }
        self.core: dict[str, str] = {}  # h: z where h = tanh(z)
        for eq in network.flat_equations:
            inside = self._core_of(eq)
            if inside:
                self.core[eq.lhs.tensor] = inside
        for outer, inside in self.core.items():
            self.reads[outer] = self.reads.pop(inside)
            self.weighted[outer] |= self.weighted[inside]

    def _core_of(self, eq: Equation) -> str:
        """z where the equation says that every element is a function of one element of z that nothing else reads."""
        if [a.indices for a in eq.reads] != [eq.lhs.indices] or eq.lhs.tensor not in self.reads:
            return ""
        inside = eq.reads[0].tensor
        alone = sum(inside in other for other in self.reads.values()) == 1
        return inside if alone and inside in self.reads and inside not in self.network.outputs else ""

    def columns(self) -> list[Column]:
        """Inputs, then values by their longest way from the inputs, as far as they lead to a prediction."""
        rank = longest_ways(self.reads, self.network.outputs)
        by_rank: dict[int, list[Tensor]] = {}
        for name, tensor in self.tensors.items():
            if name in rank:
                by_rank.setdefault(rank[name], []).append(tensor)
        columns = [tensors for _, tensors in sorted(by_rank.items())]
        last = ["Output"]
        if len(columns) > 2 and not any(self.weighted[tensor.name] for tensor in columns[-1]):
            last = ["Pre-activation", "Output"]  # softmax and its like
        count = len(columns) - 1 - len(last)
        word = "Hidden " if len(columns) <= MAX_TITLED else ""
        hidden = ["Hidden"] if count == 1 else [f"{word}{n}" for n in range(1, count + 1)]
        titles = ["Inputs", *hidden, *last]
        return [Column(tuple(tensors), title) for tensors, title in zip(columns, titles, strict=True)]

    def units(self, tensor: Tensor, look: Look) -> list[Unit]:
        """The elements of a tensor, of a large one the first three and the last one."""
        elements = list(tensor.elements())
        if len(elements) <= MAX_UNITS:
            return [self.unit(e, look) for e in elements]
        return [*(self.unit(e, look) for e in elements[:3]), Unit(None, "dots"), self.unit(elements[-1], look)]

    def unit(self, element: Access, look: Look) -> Unit:
        """What a unit reads, the weight that multiplies each, and the one weight that is added."""
        core = element
        while core.tensor in self.core:
            core = Access(self.core[core.tensor], *core.indices)
        definition = self.scalars.definition(core)
        if definition is None:
            return Unit(element, look)
        roles = {a: self.tensors[a.tensor].role for a in accesses(definition)}
        partners: dict[Access, Access | None] = {a: None for a, role in roles.items() if role in ("input", "value")}
        for product in definition.atoms(sympy.Mul):
            weights = [f for f in product.args if roles.get(f) == "weight"]
            partners |= {f: weights[0] for f in product.args if f in partners and len(weights) == 1}
        loose = [a for a, role in roles.items() if role == "weight" and a not in partners.values()]
        return Unit(element, look, tuple(partners.items()), loose[0] if len(loose) == 1 else None)


def _boxes(graph: Graph) -> tuple[Box, ...]:
    """A frame around every column, all of one height."""
    tallest = max(abs(y) for _, y in graph.places) + RADIUS + LABEL_HEIGHT
    gap = max(x for x, _ in graph.places) / (len(graph.columns) - 1)
    return tuple(
        Box(gap * n - 0.9, -tallest - 0.15, gap * n + 0.9, tallest + 0.15, column.title)
        for n, column in enumerate(graph.columns)
    )
