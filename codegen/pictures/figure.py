"""Pictures as data: what is drawn where, before it becomes TikZ or SVG.

Lengths are in centimetres on paper, x to the right and y downwards.  Labels are LaTeX formulas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from codegen.formulas.layout import visible_length

Emphasis = Literal["plain", "strong", "pale"]
Look = Literal["input", "hidden", "output", "loss", "weight", "dots"]

RADIUS = 0.46
LABEL_HEIGHT = 0.42
CHARACTER = 0.19  # the width of a letter


@dataclass(frozen=True)
class Node:
    """A unit or a quantity: its name inside the circle, ``below`` it what is added to it or its value."""

    x: float
    y: float
    label: str
    look: Look = "hidden"
    below: str = ""
    emphasis: Emphasis = "plain"

    @property
    def reach(self) -> float:
        """Half the width: a long name makes a longer frame of the circle."""
        return max(RADIUS, CHARACTER * visible_length(self.label) / 2 + 0.12)


@dataclass(frozen=True)
class Edge:
    """An arrow between two nodes, by their places in the list; its label stands at the part ``at`` of the way.

    ``colour`` counts the units that arrows lead into: all that lead into one unit look the same.  An arrow with a
    ``bend`` leaves the straight line by so much, downwards.
    """

    start: int
    end: int
    label: str = ""
    colour: int = 0
    at: float = 0.5
    emphasis: Emphasis = "plain"
    bend: float = 0.0


def curve(start: tuple[float, float], end: tuple[float, float], bend: float, at: float) -> tuple[float, float]:
    """A point of an arrow, at a part of its way: a parabola that is ``bend`` below the straight line in the middle."""
    return (
        start[0] + at * (end[0] - start[0]),
        start[1] + at * (end[1] - start[1]) + 4 * at * (1 - at) * bend,
    )


@dataclass(frozen=True)
class Box:
    """A dashed frame with a title: the nodes of one layer."""

    left: float
    top: float
    right: float
    bottom: float
    title: str


@dataclass(frozen=True)
class Figure:
    """One picture with its caption and, for those who cannot see it, what it shows in words."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    boxes: tuple[Box, ...]
    caption: str
    description: str
    backward: bool = False
    scale: float = 1.0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of all that is drawn."""
        left = min([b.left for b in self.boxes] + [n.x - n.reach for n in self.nodes])
        right = max([b.right for b in self.boxes] + [n.x + n.reach for n in self.nodes])
        ways = [self._furthest(e) for e in self.edges if e.bend]
        top = min([b.top for b in self.boxes] + [n.y - RADIUS for n in self.nodes] + ways)
        bottom = max([b.bottom for b in self.boxes] + [n.y + RADIUS + 0.5 * bool(n.below) for n in self.nodes] + ways)
        return left, top, right, bottom

    def _furthest(self, e: Edge) -> float:
        """The height of a bent arrow where its tangent is level."""
        start, end = self.nodes[e.start], self.nodes[e.end]
        at = min(max(0.5 + (end.y - start.y) / (8 * e.bend), 0.0), 1.0)
        return curve((start.x, start.y), (end.x, end.y), e.bend, at)[1]


@dataclass
class Labels:
    """Finds places for labels on arrows where they hide nothing."""

    taken: list[tuple[float, float, float]] = field(default_factory=list)

    def keep_clear(self, x: float, y: float, width: float) -> None:
        self.taken.append((x, y, width))

    def place(self, start: tuple[float, float], end: tuple[float, float], width: float) -> float:
        """The part of the way from start to end at which a label of this width stands freely, or hides the least."""
        best, least = 0.5, float("inf")
        for at in (0.3, 0.42, 0.55, 0.67, 0.24, 0.36, 0.48, 0.61, 0.74):
            x, y = start[0] + at * (end[0] - start[0]), start[1] + at * (end[1] - start[1])
            hidden = sum(
                max(0.0, (width + w) / 2 + 0.08 - abs(x - u)) * max(0.0, LABEL_HEIGHT + 0.06 - abs(y - v))
                for u, v, w in self.taken
            )
            if hidden < least - 1e-9:
                best, least = at, hidden
        x, y = start[0] + best * (end[0] - start[0]), start[1] + best * (end[1] - start[1])
        self.keep_clear(x, y, width)
        return best
