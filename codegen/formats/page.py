"""Notes as a page: formulas in MathML, which browsers draw and screen readers read without a script.

LaTeX is turned into MathML by latex2mathml; what is left to do here is what MathML Core asks for: a name of several
letters is one identifier, bold italic letters are characters of their own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from xml.etree import ElementTree

from markupsafe import Markup, escape

from codegen.formulas.breaking import broken
from codegen.formulas.hues import repainted
from codegen.notes.document import Block, Heading, Row, Section, spans
from codegen.pictures.chart import Chart, chart_svg
from codegen.pictures.figure import Figure
from codegen.pictures.svg import STYLE, svg

NAMESPACE = "http://www.w3.org/1998/Math/MathML"  # HTML knows the elements without it
PIECE = 26.0  # characters of a formula that stay together on a narrow screen
_RELATIONS = frozenset("=≈←+−⊙∘∗∙·")
_OPENING = frozenset("([=≈←+−·")


@dataclass
class Part:
    """What stands under one head, or before the first one: the unit that a reader folds away."""

    head: Heading | None
    blocks: list[Block] = field(default_factory=list)


def parts(section: Section) -> Iterator[Part]:
    """The blocks of a section, those under a head together."""
    part = Part(None)
    for block in section.blocks:
        if isinstance(block, Heading):
            if part.head or part.blocks:
                yield part
            part = Part(block)
        else:
            part.blocks.append(block)
    yield part


def kind(block: Block) -> str:
    """What a block is, for the template."""
    return type(block).__name__.lower()


def styles() -> Markup:
    """The styles of all pictures."""
    return Markup(STYLE)


def picture(figure: Figure | Chart) -> Markup:
    """A figure as an ``svg`` element."""
    return Markup(chart_svg(figure) if isinstance(figure, Chart) else svg(figure))


def comment(text: str) -> Markup:
    """The user's text inside a comment, which it cannot end."""
    return Markup(escape(text.replace("--", "- -").replace(">", "")))


def inline(text: str) -> Markup:
    """Words with formulas in them."""
    return Markup("").join(escape(words) + (math(formula) if formula else "") for words, formula in spans(text))


def right(row: Row) -> list[Markup]:
    """The relation and the right side of a line, in pieces between which a narrow screen may break it."""
    first, *rest = broken(row.right, PIECE)
    return [math(piece, display=True) for piece in (f"{row.relation} {first}", *rest)]


def spoken(latex: str) -> str:
    """A short formula as a line of plain text, the name of what it heads."""
    return "".join(ElementTree.fromstring(math(latex)).itertext())


@lru_cache(maxsize=4096)
def math(latex: str, display: bool = False) -> Markup:
    """A formula as a ``math`` element."""
    from latex2mathml.converter import convert

    text = convert(repainted(latex, lambda hue: f"\\class{{hue{hue}}}"), display="block" if display else "inline")
    root = ElementTree.fromstring(text.replace(f' xmlns="{NAMESPACE}"', ""))
    for element in list(root.iter()):
        _merge_letters(element)
        _signs(element)
    root.attrib = {"displaystyle": "true"} if display else {}
    _infix(root)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _merge_letters(element: ElementTree.Element) -> None:
    """``<mi>E</mi><mi>r</mi>…`` in one font is one word; letters in a font that MathML Core lacks are characters."""
    children = list(element)
    variants = {child.get("mathvariant") for child in children}
    if len(children) > 1 and len(variants) == 1 and None not in variants and not any(len(c) for c in children):
        word = "".join(c.text or "" for c in children)
        element[:] = [ElementTree.Element("mi", {"class": "word"} if variants == {"italic"} else {})]
        element[0].text = word
        return
    for child in children:
        variant = child.attrib.pop("mathvariant", None)
        if variant == "bold-italic" and child.text:
            child.text = "".join(_bold_italic(letter) for letter in child.text)
        elif variant == "normal" and len(child.text or "") == 1:
            child.set("mathvariant", "normal")


def _signs(element: ElementTree.Element) -> None:
    """A sign after an opening bracket or another sign belongs to the number after it; ∂ is a letter."""
    before = None
    for child in element:
        if child.tag == "mo":
            if child.text == "∂":
                child.tag = "mi"
            elif child.text in ("−", "+") and before in _OPENING:
                child.set("form", "prefix")
        before = child.text if child.tag == "mo" else None


def _bold_italic(letter: str) -> str:
    name = unicodedata.name(letter, "").replace("GREEK ", "").replace("LATIN ", "").replace(" LETTER", "")
    try:
        return unicodedata.lookup(f"MATHEMATICAL BOLD ITALIC {name}")
    except KeyError:
        return letter


def _infix(root: ElementTree.Element) -> None:
    """A sign at the start of a piece stands between two sides all the same, and keeps its distance from the right."""
    first = root
    while len(first) and first.tag in ("math", "mrow"):
        first = first[0]
    if first.tag == "mo" and first.text in _RELATIONS and first is not root:
        first.set("form", "infix")
