"""Text, numbers and long lines in LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass

from derive.evaluate import Number, context

DECIMALS = 6
WIDTH = 78  # visible characters of a display line; about the text width at 11 pt
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
    """A number to ``decimals`` places, without trailing zeros; very small and very large ones with a power of ten."""
    value = value.real
    size = abs(value)
    if size and not context.mpf(10) ** -3 <= size < 10**7:
        exponent = int(context.floor(context.log10(size)))
        mantissa = show(value / context.mpf(10) ** exponent, 4)
        return Shown(f"{mantissa.text} \\cdot 10^{{{exponent}}}", mantissa.exact)
    rounded = context.nint(value * 10**decimals)
    exact = abs(rounded - value * 10**decimals) < context.mpf(10) ** -30
    digits = str(abs(int(rounded))).rjust(decimals + 1, "0")
    whole, part = digits[:-decimals], digits[-decimals:].rstrip("0")
    sign = "-" if rounded < 0 else ""
    return Shown(sign + whole + (f".{part}" if part else ""), exact)


def relation(*numbers: Shown) -> str:
    """``=`` where every printed digit is exact, ``≈`` elsewhere."""
    return "=" if all(n.exact for n in numbers) else "\\approx"


def visible_length(latex: str) -> int:
    """About how many characters wide a formula is."""
    latex = re.sub(r"\\begin\{b(?:small)?matrix\}(.*?)\\end\{b(?:small)?matrix\}", _widest_row, latex)
    text = re.sub(r"\\frac\{", "{", latex)
    text = re.sub(r"\\(?:mathit|mathrm|text|left|right|begin|end|,|;|quad)\b", "", text)
    text = re.sub(r"\\[a-zA-Z]+", "x", text)
    fractions = latex.count("\\frac")
    plain = re.sub(r"[{}\\^_ ,]", "", text)
    return len(plain) - (len(plain) // 3 if fractions and len(plain) > 20 else 0)


def _widest_row(matrix: re.Match[str]) -> str:
    rows = [" ".join(f"{cell}xx" for cell in row.split("&")) for row in matrix.group(1).split("\\\\")]
    return "[" + max(rows, key=visible_length) + "]"


def broken(latex: str, width: int = WIDTH) -> list[str]:
    """A formula in pieces that fit the line, cut before signs and product dots outside all brackets."""
    pieces, current = [], ""
    for token in _top_level(latex):
        if current and visible_length(current + token) > width:
            pieces.append(current)
            current = token
        else:
            current += token
    return [*pieces, current]


def _top_level(latex: str) -> list[str]:
    tokens, depth, current, position = [], 0, "", 0
    while position < len(latex):
        character = latex[position]
        if latex.startswith(("\\left", "\\begin"), position) and not latex.startswith("\\leftarrow", position):
            depth += 1
        elif latex.startswith(("\\right", "\\end"), position) and not latex.startswith("\\rightarrow", position):
            depth -= 1
        elif character in "{(" and latex[position - 1 : position] != "\\":
            depth += 1
        elif character in "})" and latex[position - 1 : position] != "\\":
            depth -= 1
        if depth == 0 and latex.startswith((" + ", " - ", " \\cdot "), position) and current.strip():
            tokens.append(current)
            current = ""
        current += character
        position += 1
    return [*tokens, current]
