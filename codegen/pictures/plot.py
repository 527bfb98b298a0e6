"""A small plot of a function and its derivative as SVG text, legible on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import sympy

from derive.evaluate import compile_scalar

WIDTH, HEIGHT, MARGIN = 240, 160, 8  # pixels
REACH = 5.0  # a plot shows -5 … 5, or more where the function has a kink further out
HIGHEST, LOWEST = 0.8, -0.5  # times the reach: the values that are shown at most
POINTS = 200
JUMP = 0.2  # two neighbouring points further apart are not joined

_STYLE = """<style>
.axis { stroke: #8c959f; stroke-width: 1 } .tick { fill: #6e7781; font: 10px sans-serif }
.f { fill: none; stroke: #0969da; stroke-width: 2 }
.d { fill: none; stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 5 3 }
@media (prefers-color-scheme: dark) { .axis { stroke: #6e7681 } .tick { fill: #9198a1 }
.f { stroke: #58a6ff } .d { stroke: #f0883e } }
</style>"""


def plot(
    name: str, function: sympy.Expr, derivative: sympy.Expr, variable: sympy.Symbol, kinks: Iterable[float] = ()
) -> str:
    """The function, solid, and its derivative, dashed, for ``variable`` from -5 to 5 and beyond the ``kinks``."""
    reach = max(REACH, *(1.3 * abs(k) for k in kinks), 0.0)
    curves = {"f": _values(function, variable, reach), "d": _values(derivative, variable, reach)}
    shown = [y for points in curves.values() for _, y in points]
    low, high = max(LOWEST * reach, min(0.0, *shown)), min(HIGHEST * reach, max(1.0, *shown))
    pad = 0.06 * (high - low)
    low, high = low - pad, high + pad

    def x_at(x: float) -> float:
        return MARGIN + (x + reach) / (2 * reach) * (WIDTH - 2 * MARGIN)

    def y_at(y: float) -> float:
        return MARGIN + (high - y) / (high - low) * (HEIGHT - 2 * MARGIN)

    paths = []
    for kind, points in curves.items():
        for piece in _pieces(points, low, high):
            line = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in piece)
            paths.append(f'<polyline class="{kind}" points="{line}"/>')
    ticks = [_tick(x_at(x) - 3, y_at(0) + 12, f"{x:d}") for x in (-3, 3)]
    ticks += [
        _tick(x_at(0) + 4, y_at(y) + 4, f"{y:d}") for y in range(round(low), round(high) + 1) if y and low < y < high
    ]
    axes = [
        f'<line class="axis" x1="{MARGIN}" y1="{y_at(0):.1f}" x2="{WIDTH - MARGIN}" y2="{y_at(0):.1f}"/>',
        f'<line class="axis" x1="{x_at(0):.1f}" y1="{MARGIN}" x2="{x_at(0):.1f}" y2="{HEIGHT - MARGIN}"/>',
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
    title = f"<title>{name} (solid) and its derivative (dashed)</title>"
    return "\n".join([head, title, _STYLE, *axes, *paths, *ticks, "</svg>", ""])


Point = tuple[float, float]


def _values(function: sympy.Expr, variable: sympy.Symbol, reach: float) -> list[Point]:
    """Points of a curve; a kink at a round number stands between two of them."""
    compiled = compile_scalar(function)
    xs = [-reach + 2 * reach * (k + 0.5) / POINTS for k in range(POINTS)]
    return [(x, float(compiled({variable.name: x}, {}).real)) for x in xs]


def _pieces(points: list[Point], low: float, high: float) -> Iterable[list[Point]]:
    """The parts of a curve inside the picture, cut where it jumps."""
    piece: list[Point] = []
    for before, point in pairwise([points[0], *points]):
        inside = low <= point[1] <= high
        if piece and (not inside or abs(point[1] - before[1]) > JUMP):
            yield piece
            piece = []
        if inside:
            piece.append(point)
    if piece:
        yield piece


def _tick(x: float, y: float, text: str) -> str:
    return f'<text class="tick" x="{x:.1f}" y="{y:.1f}">{text}</text>'
