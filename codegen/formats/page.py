"""Notes as a page: formulas in MathML, which browsers draw and screen readers read without a script.

LaTeX is turned into MathML by latex2mathml; what is left to do here is what MathML Core asks for: a name of several
letters is one identifier, bold digits and bold italic letters are characters of their own, brackets grow with what they
hold and with nothing beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from xml.etree import ElementTree

from markupsafe import Markup, escape

from codegen.formulas.breaking import broken, terms
from codegen.formulas.hues import repainted
from codegen.notes.document import Block, Heading, Row, Section, spans
from codegen.pictures.chart import Chart, chart_svg
from codegen.pictures.figure import Figure
from codegen.pictures.svg import STYLE, svg

NAMESPACE = "http://www.w3.org/1998/Math/MathML"  # HTML knows the elements without it
NARROW = 36.0  # characters of a formula that a narrow screen shows in a line
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
    """Words with formulas in them; a line ends neither before nor after a mark that touches a formula."""
    found, before = Markup(""), ""
    for words, formula in spans(text):
        mark = _MARKS.match(words)[0] if before else ""  # type: ignore[index]
        if before:
            found += Markup('<span class="kept">{}{}</span>').format(math(before), mark) if mark else math(before)
        found += escape(words[len(mark) :])
        before = formula
    return found


_MARKS = re.compile(r"[.,;:)]*")


def right(row: Row) -> list[list[Markup]]:
    """The relation and the right side of a line: terms between which a line may end, of each the pieces between which
    it may end where the term alone is wider than the screen."""
    first, *rest = terms(row.right)
    pieces = [broken(term, NARROW) for term in (f"{row.relation} {first}", *rest)]
    return [[math(piece, display=True) for piece in term] for term in pieces]


def spoken(latex: str) -> str:
    """A short formula as a line of plain text, the name of what it heads."""
    return "".join(ElementTree.fromstring(math(latex)).itertext())


@lru_cache(maxsize=4096)
def math(latex: str, display: bool = False) -> Markup:
    """A formula as a ``math`` element; one that is displayed may be a piece that goes on where another ended."""
    from latex2mathml.converter import convert

    latex = _MATRIX_POWER.sub(r"{\1}^", repainted(latex, lambda hue: f"\\class{{hue{hue}}}"))
    text = convert(latex, display="block" if display else "inline")
    root = ElementTree.fromstring(text.replace(f' xmlns="{NAMESPACE}"', ""))
    for element in list(root.iter()):
        _merge_letters(element)
        _words(element)
        _signs(element)
        _matrices(element)
    root.attrib = {"displaystyle": "true"} if display else {}
    if display:
        _infix(root)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


# The power of a matrix; the converter takes that of its last bracket.
_MATRIX_POWER = re.compile(r"(\\begin\{bmatrix\}(?:(?!\\begin).)*?\\end\{bmatrix\})\^")


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
        if variant in _FONTS and child.text:
            child.text = "".join(_letter(_FONTS[variant], letter) for letter in child.text)
        elif variant == "normal" and len(child.text or "") == 1:
            child.set("mathvariant", "normal")


_FONTS = {"bold-italic": "BOLD ITALIC", "bold": "BOLD"}


def _letter(font: str, letter: str) -> str:
    name = unicodedata.name(letter, "")
    for part in ("GREEK ", "LATIN ", " LETTER"):
        name = name.replace(part, "")
    try:
        return unicodedata.lookup(f"MATHEMATICAL {font} {name}")
    except KeyError:
        return letter


def _words(element: ElementTree.Element) -> None:
    """The name of a function is no operator between two sides, and keeps a distance from what follows unbracketed."""
    for n, child in reversed(list(enumerate(element))):
        if child.tag == "mo" and ((child.text or "").isalpha() or child.text == "…"):
            child.tag = "mi"
        name = child[0] if child.tag in _WITH_INDEX and len(child) else child
        after = element[n + 1] if n + 1 < len(element) and element.tag in ("math", "mrow", "mtd") else None
        if _is_function(name) and after is not None and after.tag not in ("mo", "mspace"):
            element.insert(n + 1, ElementTree.Element("mspace", {"width": "0.167em"}))


_WITH_INDEX = frozenset(("msub", "msup", "msubsup", "munder"))


def _is_function(element: ElementTree.Element) -> bool:
    text = element.text or ""
    return element.tag in ("mi", "mo") and text in _FUNCTIONS


_FUNCTIONS = frozenset("log ln exp max min sin cos tan sinh cosh tanh arctan arcsin arccos".split())


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


def _matrices(element: ElementTree.Element) -> None:
    """Brackets around a table are a row of their own, and no taller than the table."""
    for table in element.findall("mtable"):
        n = list(element).index(table)
        beside = element[max(n - 1, 0) : n + 2]
        if len(element) > 3 and [part.tag for part in beside] == ["mo", "mtable", "mo"]:
            row = ElementTree.Element("mrow")
            row.extend(beside)
            element[n - 1 : n + 2] = [row]


def _infix(root: ElementTree.Element) -> None:
    """A sign at the start of a piece stands between two sides all the same, and keeps its distance from the right."""
    first = root
    while len(first) and first.tag in ("math", "mrow"):
        first = first[0]
    if first.tag == "mo" and first.text in _RELATIONS and first is not root:
        first.set("form", "infix")
