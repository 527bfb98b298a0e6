"""Colours of symbols: the same in formulas and in pictures.

Every hue is written ``\\hue{n}{symbol}``; what becomes of it is the business of the formats.  All have a contrast of at
least 4.5 : 1 with the page, light or dark, and are told apart by readers who do not see all colours (after Okabe and
Ito); nothing is said by colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from codegen.formulas.layout import brace_end
from derive.expressions import Access
from derive.network import Network

#: On white and on black paper; the first ones are those of the arrows into the first units.
LIGHT = ("0072B2", "B84F00", "747474", "00795A", "AA4499", "8A6500", "332288", "882255")
DARK = ("56B4E9", "FF9A4D", "B8B8B8", "3CC99B", "E08BD0", "E0B53A", "A9A0F0", "F08CB4")
VALUE, WEIGHT, OUTPUT, DATA, LOSS, DERIVATIVE = 0, 1, 3, 5, 6, 7

_HUE = re.compile(r"\\hue\{(\d)\}")


class Hues:
    """The hue of every symbol of a network.

    A weight that is drawn has that of its arrow; where single weights are not drawn, all weights have one.  Data,
    values, predictions, the loss and derivatives have one each.
    """

    def __init__(self, network: Network, drawn: Mapping[Access, int], whole: bool) -> None:
        self.network, self.drawn, self.whole = network, drawn, whole

    def of(self, access: Access) -> int | None:
        """The number of a hue; none for what is written in the colour of the text."""
        if access.tensor.startswith("∂"):
            return DERIVATIVE
        if access in self.drawn:
            return self.drawn[access] % len(LIGHT)
        name = access.tensor
        if name == self.network.loss:
            return LOSS
        if name in self.network.outputs:
            return OUTPUT
        role = self.network.tensors[name].role if name in self.network.tensors else ""
        if role == "weight":
            return None if self.whole else WEIGHT
        return {"input": DATA, "target": DATA, "value": VALUE}.get(role)


def painted(latex: str, hue: int | None) -> str:
    """A symbol in its hue."""
    return latex if hue is None else f"\\hue{{{hue}}}{{{latex}}}"


def repainted(latex: str, opening: Callable[[int], str]) -> str:
    """The same with another command for every hue, its first argument included: ``\\textcolor{#0072B2}``."""
    return _HUE.sub(lambda mark: opening(int(mark[1])), latex)


def unpainted(latex: str) -> str:
    """The same in the colour of the text."""
    while mark := _HUE.search(latex):
        end = brace_end(latex, mark.end())
        latex = latex[: mark.start()] + latex[mark.end() + 1 : end - 1] + latex[end:]
    return latex


def stylesheet() -> str:
    """The hues for a page or a picture: letters, lines and the heads of arrows."""

    def values(hues: tuple[str, ...]) -> str:
        return " ".join(f"--hue{n}: #{hue};" for n, hue in enumerate(hues))

    rules = (
        f".hue{n} {{ color: var(--hue{n}); }} text.hue{n}, marker.hue{n} {{ fill: var(--hue{n}); }} "
        f"path.hue{n} {{ stroke: var(--hue{n}); }}"
        for n in range(len(LIGHT))
    )
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {values(DARK)} }} }}"
    return "\n".join([f":root {{ {values(LIGHT)} }}", dark, *rules])
