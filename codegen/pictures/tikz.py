"""Pictures in TikZ."""

from __future__ import annotations

from codegen.formulas.hues import LIGHT
from codegen.pictures.figure import RADIUS, Edge, Figure

PAPER = 15.5  # the widest picture
FILLS = {"input": "FFE2A8", "hidden": "CFE3F7", "output": "CBEBD0", "loss": "F6D0CB", "weight": "E6E6E6"}


def tikz(figure: Figure) -> str:
    """The picture as a ``tikzpicture``; it needs the colours of :func:`preamble`."""
    left, _, right, _ = figure.extent
    frames = 2 * max(node.reach for node in figure.nodes)  # they keep their size when the picture shrinks
    scale = min(figure.scale, (PAPER - frames) / (right - left - frames) if right - left > PAPER else 1.0)
    head = f"[x={scale:.3g}cm, y=-{scale:.3g}cm, every node/.style={{font=\\small}}, >=stealth]"
    lines = [f"\\begin{{tikzpicture}}{head}"]
    for b in figure.boxes:
        title = f"above, black!70, text depth=0pt, xshift=-{scale * (b.right - b.left) / 2:.2f}cm"
        lines.append(
            f"  \\draw[dashed, black!35, rounded corners] ({b.left:.2f},{b.top:.2f}) rectangle "
            f"({b.right:.2f},{b.bottom:.2f}) node[{title}] at ({b.right:.2f},{b.top:.2f}) {{{b.title}}};"
        )
    for n, node in enumerate(figure.nodes):
        at = f"(n{n}) at ({node.x:.2f},{node.y:.2f})"
        if node.look == "dots":
            lines.append(f"  \\node {at} {{$\\vdots$}};")
            continue
        pen = {"plain": "draw=black!45", "strong": "draw=black!80, thick", "pale": "draw=black!25"}[node.emphasis]
        frame = f"{pen}, fill=derive{node.look}, inner sep=0pt"
        high, wide = 2 * RADIUS * scale, 2 * node.reach * scale
        shape = f"rounded corners={high / 2:.2f}cm, minimum height={high:.2f}cm, minimum width={wide:.2f}cm"
        lines.append(f"  \\node[{frame}, {shape}] {at} {{\\unitlabel{{{wide - 0.1:.2f}cm}}{{{node.label}}}}};")
        if node.below:
            lines.append(f"  \\node[below, inner sep=1pt] at (n{n}.south) {{\\footnotesize ${node.below}$}};")
    for e in figure.edges:
        arrow = "<-" if figure.backward else "->"
        width = {"plain": "semithick", "strong": "ultra thick", "pale": "opacity=0.35"}[e.emphasis]
        lines.append(f"  \\draw[{arrow}, {width}, {_colour(e)}] (n{e.start}) {_line(figure, e)} (n{e.end});")
    for e in figure.edges:  # on top of all arrows
        if e.label:
            style = f"pos={e.at:.2f}, fill=white, text={_colour(e)}, inner sep=1.2pt"
            label = f"node[{style}] {{\\footnotesize ${e.label}$}}"
            lines.append(f"  \\path (n{e.start}) {_line(figure, e)} {label} (n{e.end});")
    return "\n".join([*lines, "\\end{tikzpicture}"])


def _colour(e: Edge) -> str:
    return f"derivearrow{e.colour % len(LIGHT)}"


def _line(figure: Figure, e: Edge) -> str:
    """The way from node to node, straight or through a point beside the straight line."""
    if not e.bend:
        return "--"
    a, b = figure.nodes[e.start], figure.nodes[e.end]
    x, y = (a.x + b.x) / 2, (a.y + b.y) / 2 + 2 * e.bend  # where the tangents at both ends meet
    near, far = ((n.x + 2 * x) / 3 for n in (a, b)), ((n.y + 2 * y) / 3 for n in (a, b))
    first, second = (f"({u:.2f},{v:.2f})" for u, v in zip(near, far, strict=True))
    return f".. controls {first} and {second} .."


def preamble() -> list[str]:
    """The colours, and the macro by which a long name keeps inside its circle."""
    fills = [f"\\definecolor{{derive{look}}}{{HTML}}{{{value}}}" for look, value in FILLS.items()]
    arrows = [f"\\definecolor{{derivearrow{n}}}{{HTML}}{{{value}}}" for n, value in enumerate(LIGHT)]
    label = (
        "\\newcommand{\\unitlabel}[2]{\\setbox0\\hbox{$#2$}\\ifdim\\wd0>#1\\resizebox{#1}{!}{\\box0}\\else\\box0\\fi}"
    )
    hue = "\\newcommand{\\hue}[2]{{\\color{derivearrow#1}#2}} % a symbol in the colour that it has in the pictures"
    return ["\\usepackage{tikz}", *fills, *arrows, label, hue]
