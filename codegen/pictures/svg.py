"""Pictures in SVG: one element, its colours taken from the page around it where there is one.

A picture has a title and a description for those who hear it, and no script, no font and no file of its own.
"""

from __future__ import annotations

import re
import zlib
from html import escape
from math import hypot

from codegen.formulas.hues import LIGHT, stylesheet
from codegen.formulas.layout import visible_length
from codegen.formulas.notation import GREEK, GREEK_LETTERS
from codegen.pictures.figure import LABEL_HEIGHT, RADIUS, Edge, Figure, Node
from codegen.pictures.tikz import FILLS

SPACE = ' xmlns="http://www.w3.org/2000/svg"'  # HTML knows the elements without it
UNIT = 40.0  # pixels a centimetre
SIZE = 15.0  # of letters, in pixels
_SYMBOLS = {
    **{f"\\{name}": GREEK_LETTERS[name] for name in GREEK},
    "\\varepsilon": "ε", "\\partial": "∂", "\\cdot": "·", "\\approx": "≈", "\\,": " ", "\\quad": " ", "\\ast": "*",
    "\\top": "⊤", "\\vdots": "⋮", "\\leftarrow": "←", "\\_": "_", "\\left": "", "\\right": "",
}  # fmt: skip
_ABOVE_AND_BELOW = re.compile(r"\^\{([^{}]*)\}_\{([^{}]*)\}")
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[{}^_]|[^\\{}^_]")

STYLE = (
    stylesheet()
    + """
.figure { font: 15px "Latin Modern Roman", "STIX Two Text", Georgia, serif; fill: #1d1d1f; }
.figure .italic { font-style: italic; }
.figure .frame { fill: none; stroke: #8a8a8a; stroke-dasharray: 5 4; }
.figure .unit { stroke: #555; }
.figure .title { fill: #555; }
.figure .plate { fill: #fffefb; }
@media (prefers-color-scheme: dark) {
  .figure { fill: #e8e6e1; }
  .figure .title { fill: #a9a7a1; }
  .figure .plate { fill: #17181b; }
  .figure .unit { stroke: #ccc; }
  .figure .named { fill: #1d1d1f; }
}"""
)


def svg(figure: Figure, alone: bool = False) -> str:
    """The picture as an ``svg`` element, with its styles if it stands ``alone``; on a page they stand at its head."""
    number = f"{zlib.crc32(figure.caption.encode()):x}"  # the names inside differ from picture to picture
    left, top, right, bottom = figure.extent
    top -= 0.55 if figure.boxes else 0.1
    width, height = UNIT * (right - left + 0.3), UNIT * (bottom - top + 0.15)
    box = f"{UNIT * (left - 0.15):.1f} {UNIT * top:.1f} {width:.1f} {height:.1f}"
    lines = [
        f'<svg class="figure"{SPACE if alone else ""} viewBox="{box}" '
        f'width="{figure.scale * width:.0f}" role="img" aria-labelledby="f{number}t f{number}d">',
        f'<title id="f{number}t">{escape(figure.caption)}</title>',
        f'<desc id="f{number}d">{escape(figure.description)}</desc>',
        *([f"<style>{STYLE}</style>"] if alone else []),
        "<defs>",
        *(
            f'<marker id="f{number}a{n}" class="hue{n}" fill="#{c}" viewBox="0 0 8 8" refX="7" refY="4" '
            f'markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0 1L8 4L0 7z"/></marker>'
            for n, c in enumerate(LIGHT)
        ),
        "</defs>",
    ]
    for b in figure.boxes:
        x, y, w, h = UNIT * b.left, UNIT * b.top, UNIT * (b.right - b.left), UNIT * (b.bottom - b.top)
        lines.append(f'<rect class="frame" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="6"/>')
        lines.append(
            f'<text class="title" x="{x + w / 2:.1f}" y="{y - 7:.1f}" text-anchor="middle">{escape(b.title)}</text>'
        )
    lines += [_arrow(figure, e, number) for e in figure.edges]
    lines += [_plate(figure, e) for e in figure.edges if e.label]
    lines += [_unit(n) for n in figure.nodes]
    return "\n".join([*lines, "</svg>"])


def _arrow(figure: Figure, e: Edge, number: str) -> str:
    a, b = figure.nodes[e.start], figure.nodes[e.end]
    over, down = (b.x - a.x) / 2, (b.y - a.y) / 2  # to the middle, where the tangents of a bent arrow meet
    start, end = (RADIUS / hypot(over, 2 * e.bend + side * down) for side in (1, -1))
    x1, x2 = a.x + over * start + a.reach - RADIUS, b.x - over * end - b.reach + RADIUS
    y1, y2 = a.y + (2 * e.bend + down) * start, b.y + (2 * e.bend - down) * end
    n = e.colour % len(LIGHT)
    width = {"plain": 1.4, "strong": 3.5, "pale": 1.0}[e.emphasis]
    pale = ' opacity="0.35"' if e.emphasis == "pale" else ""
    tip = "marker-start" if figure.backward else "marker-end"
    x, y = UNIT * (x1 + x2) / 2, UNIT * ((a.y + b.y) / 2 + 2 * e.bend)
    way = f"M{UNIT * x1:.1f} {UNIT * y1:.1f}Q{x:.1f} {y:.1f} {UNIT * x2:.1f} {UNIT * y2:.1f}"
    return (
        f'<path class="hue{n}" d="{way}" fill="none" stroke="#{LIGHT[n]}" stroke-width="{width}"{pale} '
        f'{tip}="url(#f{number}a{n})"/>'
    )


def _plate(figure: Figure, e: Edge) -> str:
    """The label of an arrow on a plate that interrupts the arrow."""
    a, b = figure.nodes[e.start], figure.nodes[e.end]
    x, y = UNIT * (a.x + e.at * (b.x - a.x)), UNIT * (a.y + e.at * (b.y - a.y))
    width, height = SIZE * 0.5 * visible_length(e.label) + 8, UNIT * LABEL_HEIGHT
    return (
        f'<rect class="plate" x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="3"/>' + formula(e.label, x, y, hue=e.colour % len(LIGHT))
    )


def _unit(n: Node) -> str:
    x, y = UNIT * n.x, UNIT * n.y
    if n.look == "dots":
        return f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle">⋮</text>'
    width = {"plain": 1.2, "strong": 3, "pale": 0.6}[n.emphasis]
    frame = (
        f'<rect class="unit" x="{x - UNIT * n.reach:.1f}" y="{y - UNIT * RADIUS:.1f}" width="{2 * UNIT * n.reach:.1f}" '
        f'height="{2 * UNIT * RADIUS:.1f}" rx="{UNIT * RADIUS:.1f}" fill="#{FILLS[n.look]}" stroke-width="{width}"/>'
    )
    below = formula(n.below, x, y + UNIT * RADIUS + 12) if n.below else ""
    return frame + formula(n.label, x, y, "named", room=2 * UNIT * n.reach - 4) + below


def formula(
    latex: str, x: float, y: float, role: str = "", hue: int | None = None, room: float = 0.0, anchor: str = "middle"
) -> str:
    """A formula centred on a point, or ending there, smaller where it would need more than ``room`` pixels."""
    size = SIZE
    if room:
        size = min(SIZE, SIZE * room / (0.55 * SIZE * max(visible_length(latex), 1)))
    paint = "" if hue is None else f' fill="#{LIGHT[hue]}"'
    role = role if hue is None else f"hue{hue}"
    name = f' class="{role}"' if role else ""
    return (
        f'<text{name} x="{x:.1f}" y="{y + 0.33 * size:.1f}" font-size="{size:.1f}" text-anchor="{anchor}"{paint}>'
        f"{_spans(latex)}</text>"
    )


def _spans(latex: str) -> str:
    """A short formula as ``tspan`` elements: letters italic, subscripts lower, superscripts higher, all smaller."""
    tokens = _TOKEN.findall(_ABOVE_AND_BELOW.sub(r"_{\2}^{\1}", latex))
    found: list[str] = []
    level: list[tuple[float, bool]] = [(0.0, True)]  # the height and whether letters are italic, for every open brace
    height, upright = 0.0, False
    shift = 0.0
    for token in tokens:
        if token in "^_" and len(token) == 1:
            height = -0.42 if token == "^" else 0.24
        elif token == "{":
            level.append((level[-1][0] + height, level[-1][1] and not upright))
            height, upright = 0.0, False
        elif token == "}":
            level = level[:-1] or [(0.0, True)]
        elif token in ("\\mathrm", "\\text"):
            upright = True
        elif token in ("\\mathit", "\\mathbf", "\\boldsymbol"):
            continue
        else:
            letter = _SYMBOLS.get(token, "" if token.startswith("\\") else token)
            place, italic = level[-1][0] + height, level[-1][1]
            height = 0.0
            if not letter:
                continue
            size = "" if place == 0 else ' font-size="70%"'
            move = f' dy="{place - shift:.2f}em"' if abs(place - shift) > 1e-9 else ""
            look = ' class="italic"' if italic and letter.isalpha() else ""
            found.append(f"<tspan{look}{size}{move}>{escape('−' if letter == '-' else letter)}</tspan>")
            shift = place
    return "".join(found)
