"""Curves in a frame as data: the loss from update to update, the loss along one weight; in TikZ and SVG.

Numbers are floats in the curves' own units; labels are LaTeX formulas.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Literal

from codegen.formulas.layout import show
from codegen.pictures.svg import SIZE, SPACE, STYLE, UNIT, formula
from derive.evaluate import context

WIDTH, HEIGHT = 8.0, 4.2  # of the frame, in centimetres
LEFT, RIGHT = 2.4, 1.1  # of the frame in SVG, room for numbers beside it and under its corner
FURTHEST = 1e300  # a number that is drawn
LOOKS = {"curve": ("0072B2", 1.8, ""), "tangent": ("747474", 1.2, "5 3"), "step": ("B84F00", 2.4, "")}
Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Points joined by straight lines; ``marked`` ones bear dots, a ``step`` ends in an arrow."""

    points: tuple[Point, ...]
    look: Literal["curve", "tangent", "step"] = "curve"
    marked: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines with the names of the axes, a caption and, for those who cannot see it, what it shows in words."""

    lines: tuple[Line, ...]
    across: str
    up: str
    caption: str
    description: str

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The least and the greatest number across and upwards."""
        points = [p for line in self.lines for p in line.points]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        room = max(1.0, abs(ys[0])) if max(ys) == min(ys) else 0.0
        return min(xs), max(xs), min(ys) - room, max(ys) + room

    def place(self, point: Point) -> Point:
        """A point in centimetres from the lower left corner of the frame."""
        left, right, low, high = self.extent
        return (point[0] - left) / (right - left) * WIDTH, (point[1] - low) / (high - low) * HEIGHT

    def ticks(self) -> Iterable[tuple[Point, str, bool]]:
        """The ends of both axes: place, number and whether it stands under the frame."""
        left, right, low, high = self.extent
        for x in (left, right):
            yield self.place((x, low)), show(context.mpf(x), 3).text, True
        for y in (low, high):
            yield self.place((left, y)), show(context.mpf(y), 3).text, False


def drawable(points: Iterable[Point]) -> bool:
    """Whether a frame can hold the points: working precision has numbers, and differences, beyond what floats have."""
    return all(abs(number) < FURTHEST for point in points for number in point)


def chart_tikz(chart: Chart) -> str:
    """The chart as a ``tikzpicture``."""
    lines = ["\\begin{tikzpicture}[x=1cm, y=1cm, >=stealth, font=\\footnotesize]"]
    lines.append(f"  \\draw[black!40] (0,0) rectangle ({WIDTH:g},{HEIGHT:g});")
    for (x, y), text, below in chart.ticks():
        beside = "anchor=south east" if y < HEIGHT / 2 else "anchor=north east"  # clear of what stands below
        style = "below" if below else f"{beside}, inner ysep=1pt"
        lines.append(f"  \\node[{style}] at ({x:.2f},{y:.2f}) {{${text}$}};")
    lines.append(f"  \\node[below] at ({WIDTH / 2:g},0) {{${chart.across}$}};")
    lines.append(f"  \\node[left] at (0,{HEIGHT / 2:g}) {{${chart.up}$}};")
    for line in chart.lines:
        colour, width, dashes = LOOKS[line.look]
        style = f"{'->, ' if line.look == 'step' else ''}draw={{rgb,255:red,{int(colour[:2], 16)};"
        style += f"green,{int(colour[2:4], 16)};blue,{int(colour[4:], 16)}}}, line width={width / 2:.1f}pt"
        style += ", dashed" if dashes else ""
        way = " -- ".join(f"({x:.3f},{y:.3f})" for x, y in map(chart.place, line.points))
        if len(line.points) > 1:
            lines.append(f"  \\draw[{style}] {way};")
        if line.marked:
            lines += [f"  \\fill ({x:.3f},{y:.3f}) circle (1.3pt);" for x, y in map(chart.place, line.points)]
    return "\n".join([*lines, "\\end{tikzpicture}"])


def chart_svg(chart: Chart, alone: bool = False) -> str:
    """The chart as an ``svg`` element."""
    number = f"{zlib.crc32(chart.caption.encode()):x}"  # the names inside differ from picture to picture
    width, height = UNIT * (WIDTH + LEFT + RIGHT), UNIT * (HEIGHT + 1.0)

    def place(point: Point) -> Point:
        x, y = chart.place(point)
        return UNIT * x, UNIT * (HEIGHT - y)

    lines = [
        f'<svg class="figure"{SPACE if alone else ""} viewBox="{-LEFT * UNIT:.0f} {-0.3 * UNIT:.0f} {width:.0f} '
        f'{height:.0f}" width="{width:.0f}" role="img" aria-labelledby="f{number}t f{number}d">',
        f'<title id="f{number}t">{escape(chart.caption)}</title>',
        f'<desc id="f{number}d">{escape(chart.description.replace("$", ""))}</desc>',
        *([f"<style>{STYLE}</style>"] if alone else []),
        f'<defs><marker id="f{number}a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" markerHeight="5" '
        f'orient="auto"><path d="M0 1L8 4L0 7z" fill="#{LOOKS["step"][0]}"/></marker></defs>',
        f'<rect class="frame" x="0" y="0" width="{UNIT * WIDTH:.0f}" height="{UNIT * HEIGHT:.0f}"/>',
    ]
    for (x, y), text, below in chart.ticks():
        x, y = UNIT * x, UNIT * (HEIGHT - y)
        inwards = -0.4 * SIZE if y > UNIT * HEIGHT / 2 else 0.4 * SIZE  # clear of what stands below
        beside = x - 0.2 * UNIT
        lines.append(formula(text, x, y + SIZE) if below else formula(text, beside, y + inwards, anchor="end"))
    lines.append(formula(chart.across, UNIT * WIDTH / 2, UNIT * HEIGHT + SIZE))
    lines.append(formula(chart.up, -0.2 * UNIT, UNIT * HEIGHT / 2, anchor="end"))
    for line in chart.lines:
        colour, thick, dashes = LOOKS[line.look]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, line.points))
        look = f' stroke-dasharray="{dashes}"' if dashes else ""
        end = f' marker-end="url(#f{number}a)"' if line.look == "step" else ""
        lines.append(f'<polyline points="{way}" fill="none" stroke="#{colour}" stroke-width="{thick}"{look}{end}/>')
        if line.marked:
            lines += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="#{colour}"/>' for x, y in map(place, line.points)
            ]
    return "\n".join([*lines, "</svg>"])
