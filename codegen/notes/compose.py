"""The lecture notes: a derivation laid out in sections of paragraphs and formulas, printed by a template per format.

Everything mathematical comes out of :class:`~derive.derivation.Derivation`; the sections choose what is shown in which
order, the templates hold the layout.  What one format alone needs is imported where it is printed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.formats import markdown, paper
from codegen.formulas.layout import escape
from codegen.marker import MARKER
from codegen.notes.document import Section
from codegen.notes.lecture import Lecture
from codegen.options import STANDARD, Options
from codegen.outputs import module_name
from codegen.pictures import tikz
from codegen.resources import LATEX, environment
from codegen.sections.arithmetic import arithmetic
from codegen.sections.derivatives import all_updates, backward, every_weight, proof, update_rule
from codegen.sections.indices import one_of_each
from codegen.sections.matrices import matrix_form
from codegen.sections.network import made_of, the_network
from codegen.sections.notation import notation
from codegen.sections.training import training
from codegen.sections.worked import worked_sections
from derive.derivation import Derivation
from derive.diagnostics import SpecError

if TYPE_CHECKING:
    from codegen.formats.flavours import Flavour


def notes(derivation: Derivation, options: Options = STANDARD) -> tuple[Lecture, list[Section]]:
    """One derivation's lecture and its sections, worked out once for all formats of a run."""
    return _written(derivation, replace(options, fragment=False))  # a choice of the template alone


@lru_cache(maxsize=2)
def _written(derivation: Derivation, options: Options) -> tuple[Lecture, list[Section]]:
    lecture = Lecture(derivation, options)
    return lecture, sections(lecture)


def render(derivation: Derivation, spec_name: str, options: Options = STANDARD) -> str:
    """The notes as a LaTeX document that plain TeX Live compiles, or as a part of one for ``\\input``."""
    fragment = options.fragment
    template = environment(LATEX).get_template(f"notes/{'fragment' if fragment else 'notes'}.tex.jinja")
    title = escape(derivation.network.title)
    preamble = tikz.preamble()
    return template.render(
        marker=MARKER,
        source=escape(spec_name),
        title=title,
        sections=notes(derivation, options)[1],
        joined=paper.joined,
        tex=paper.tex,
        preamble=[line.replace("\\newcommand", "\\providecommand") for line in preamble[1:]] if fragment else preamble,
        labels=module_name(Path(spec_name).stem),
    )


def render_slides(derivation: Derivation, spec_name: str, options: Options = STANDARD) -> str:
    """The notes as slides: a LaTeX document for Beamer, one step after the other."""
    from codegen.formats import slides

    template = environment(LATEX).get_template("notes/slides.tex.jinja")
    return template.render(
        marker=MARKER,
        source=escape(spec_name),
        title=escape(derivation.network.title),
        sections=[(s.title, slides.frames(s)) for s in notes(derivation, slides.choice(derivation, options))[1]],
        preamble=tikz.preamble(),
    )


def render_markdown(derivation: Derivation, spec_name: str, options: Options = STANDARD) -> str:
    """The notes as Markdown with formulas between dollar signs, for GitHub, KaTeX and MathJax."""
    template = environment().get_template("notes/notes.md.jinja")
    return template.render(
        marker=MARKER,
        source=markdown.comment(spec_name),
        title=markdown.escape(derivation.network.title),
        sections=notes(derivation, options)[1],
        markdown=markdown.block,
    )


def render_flavour(kind: type[Flavour], derivation: Derivation, spec_name: str, options: Options = STANDARD) -> str:
    """The notes in Quarto's or MyST's Markdown, with a cell of code after every formula, to be executed there."""
    from codegen.formats.celldata import Draw

    flavour = kind(module_name(Path(spec_name).stem))
    lecture, found = notes(derivation, options)
    lecture.begin_cells(Draw())
    made = f"{MARKER} from {spec_name}. Edits are lost when it is generated again."
    front = flavour.front(derivation.network.title, made)
    pieces = [front, *(piece for section in found for piece in flavour.section(section))]
    return "\n\n".join(pieces) + "\n"


def render_page(derivation: Derivation, spec_name: str, options: Options = STANDARD) -> str:
    """The notes as one HTML file that needs nothing else: formulas in MathML, styles inside."""
    from codegen.formats import page

    template = environment(escape=True).get_template("notes/notes.html.jinja")
    return template.render(
        marker=MARKER,
        source=page.comment(spec_name),
        title=derivation.network.title,
        sections=notes(derivation, options)[1],
        page=page,
    )


def render_picture(derivation: Derivation, spec_name: str, options: Options = STANDARD) -> str:
    """The network as an SVG picture; raises :class:`SpecError` where it is too large to be drawn."""
    from codegen.formats import page
    from codegen.pictures import svg

    figure = notes(derivation, options)[0].drawn()
    if figure is None:
        raise SpecError("this network has too many equations for one picture", help="write the notes: -o notes.html")
    head = f"<!-- {MARKER} from {page.comment(spec_name)}. Edits are lost when it is generated again. -->"
    return f"{head}\n{svg.svg(figure, alone=True)}\n"


def sections(lecture: Lecture) -> list[Section]:
    """All sections, in reading order."""
    brief = lecture.options.detail == "brief"
    found = [
        notation(lecture),
        the_network(lecture),
        *([] if brief else made_of(lecture)),
        update_rule(lecture),
        backward(lecture),
    ]
    if lecture.small:
        found += [*every_weight(lecture), all_updates(lecture)]
    else:
        found += one_of_each(lecture)
    after = training(lecture) if lecture.small and not brief else []
    if brief:
        return [*found, *worked_sections(lecture)]
    return [*found, *matrix_form(lecture), *worked_sections(lecture), *after, *arithmetic(lecture), proof(lecture)]
