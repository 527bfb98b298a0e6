"""Text and numbers in LaTeX, and how wide a formula is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from codegen.options import DECIMALS
from derive.evaluate import Number, context

WIDTH = 70.0  # characters of a display line; about the text width at 11 pt
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
}  # fmt: skip


def escape(text: str) -> str:
    """The user's text as LaTeX text: every special character made harmless, the rest as it is.

    Characters outside Latin scripts have no glyph in the standard fonts; they are shown by their code point.
    """
    return "".join(_SPECIAL.get(c) or (c if ord(c) < 0x250 else f"[U+{ord(c):04X}]") for c in text)


@dataclass(frozen=True)
class Shown:
    """A number as printed, and whether the printed digits are all there are."""

    text: str
    exact: bool


def show(value: Number, decimals: int = DECIMALS) -> Shown:
    """A number to ``decimals`` places, without trailing zeros; very small and very large ones with a power of ten.

    Small is what would lose its first digits: below 0.001, and below 0.01 or 0.1 where only two places or one are
    printed.
    """
    value = value.real
    size = abs(value)
    if size and not context.mpf(10) ** -min(3, decimals) <= size < 10**7:
        places = mantissa_places(decimals)
        exponent = int(context.floor(context.log10(size * (1 + context.mpf(10) ** -(places + 1) / 2))))
        mantissa = show(value / context.mpf(10) ** exponent, places)
        return Shown(f"{mantissa.text} \\cdot 10^{{{exponent}}}", mantissa.exact)
    rounded = context.nint(value * 10**decimals)
    exact = abs(rounded - value * 10**decimals) < context.mpf(10) ** -30
    digits = str(abs(int(rounded))).rjust(decimals + 1, "0")
    whole, part = digits[:-decimals], digits[-decimals:].rstrip("0")
    sign = "-" if rounded < 0 else ""
    return Shown(sign + whole + (f".{part}" if part else ""), exact)


def mantissa_places(decimals: int) -> int:
    """The places of a number that stands before a power of ten."""
    return min(decimals, max(4, decimals - 2))


def relation(*numbers: Shown) -> str:
    """``=`` where every printed digit is exact, ``≈`` elsewhere."""
    return "=" if all(n.exact for n in numbers) else "\\approx"


def brackets(inside: str) -> str:
    """A formula in round brackets, as high as it needs."""
    tall = any(mark in inside for mark in ("\\frac", "\\sum", "\\begin", "\\max_"))
    return f"\\left({inside}\\right)" if tall else f"({inside})"


def signed(terms: Iterable[tuple[bool, str]]) -> str:
    """A sum of what is written, each term with whether it is subtracted."""
    text = ""
    for negative, term in terms:
        text += (("-" if negative else "") if not text else (" - " if negative else " + ")) + term
    return text


@lru_cache(4096)  # rows are measured again for every place where they might be broken
def visible_length(latex: str) -> float:
    """About how wide a formula is, in characters; a fraction is as wide as its wider half, a matrix as its rows."""
    width, position = 0.0, 0
    while position < len(latex):
        here = latex[position]
        if latex.startswith("\\begin{", position):
            end = environment_end(latex, position)
            width += _environment_width(latex[position:end])
            position = end
        elif latex.startswith("\\hue{", position):
            position = brace_end(latex, position + 4)
        elif latex.startswith("\\frac{", position):
            above_end = brace_end(latex, position + 5)
            below_end = brace_end(latex, above_end)
            above, below = latex[position + 6 : above_end - 1], latex[above_end + 1 : below_end - 1]
            width += max(visible_length(above), visible_length(below)) + 0.5
            position = below_end
        elif here in "_^" and latex.startswith("{", position + 1):
            end = brace_end(latex, position + 1)
            width += 0.7 * visible_length(latex[position + 2 : end - 1])
            position = end
        elif command := _COMMAND.match(latex, position):
            width += _COMMANDS.get(command.group(1), 1.0)
            position = command.end()
        else:
            spaced = latex[position - 1 : position] == " "
            sign = here in "+-=<>"
            width += 0.0 if here in "{} &" else 2.1 if sign and spaced else 1.8 if sign else 1.0
            position += 1
    return width


_COMMAND = re.compile(r"\\([a-zA-Z]+|.)")
_COMMANDS = {
    **dict.fromkeys("left right bigl bigr biggl biggr Biggl Biggr".split(), 0),
    **dict.fromkeys("mathit mathrm mathbf boldsymbol text remark".split(), 0),
    **dict.fromkeys("tanh sinh cosh".split(), 4), **dict.fromkeys("log exp max min sin cos".split(), 3),
    **dict.fromkeys("approx le ge".split(), 2.2), **dict.fromkeys("quad sum cdots".split(), 2),
    **dict.fromkeys("times odot".split(), 2.1), **dict.fromkeys("circ ast bullet".split(), 1.6),
    ",": 0.3, ";": 0.5, "cdot": 1.5, "leftarrow": 2.8,
}  # fmt: skip


def brace_end(latex: str, opening: int) -> int:
    """The place after the brace that closes the one at ``opening``."""
    depth = 0
    for position in range(opening, len(latex)):
        if latex[position] in "{}" and latex[position - 1] != "\\":
            depth += 1 if latex[position] == "{" else -1
            if depth == 0:
                return position + 1
    return len(latex)


def environment_end(latex: str, opening: int) -> int:
    """The place after the ``\\end{…}`` that closes the environment at ``opening``."""
    depth, position = 0, opening
    for mark in re.finditer(r"\\(begin|end)\{[a-z]+\}", latex[opening:]):
        depth += 1 if mark.group(1) == "begin" else -1
        position = opening + mark.end()
        if depth == 0:
            break
    return position


def _environment_width(latex: str) -> float:
    """The sum of the widest cells of the columns, and the space between them."""
    inside = re.sub(r"^\\begin\{[a-z]+\}|\\end\{[a-z]+\}$", "", latex)
    table = [[visible_length(cell) for cell in line.split("&")] for line in inside.split("\\\\")]
    columns = max(len(line) for line in table)
    widths = [max((line[n] for line in table if n < len(line)), default=0.0) for n in range(columns)]
    return sum(widths) + 2 * columns + 1
