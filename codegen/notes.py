"""The lecture notes: a derivation laid out in sections of paragraphs and formulas, printed by a LaTeX template.

Everything mathematical comes out of :class:`~derive.derivation.Derivation`; the sections choose what is shown in which
order, the templates hold the layout.
"""

from __future__ import annotations

from functools import lru_cache

import jinja2

from codegen.document import Section
from codegen.layout import escape
from codegen.lecture import Lecture
from codegen.paper import tex
from codegen.resources import template_folders
from codegen.sections_derivatives import all_updates, backward, every_weight, proof, update_rule
from codegen.sections_matrices import matrix_form
from codegen.sections_network import made_of, the_network
from codegen.worked import worked_sections
from derive.derivation import Derivation


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(f) for f in template_folders()]),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )


def render(derivation: Derivation, spec_name: str) -> str:
    """The notes as a LaTeX document that plain TeX Live compiles."""
    template = _environment().get_template("notes/notes.tex.jinja")
    title = escape(derivation.network.title)
    return template.render(source=escape(spec_name), title=title, sections=sections(Lecture(derivation)), tex=tex)


def sections(lecture: Lecture) -> list[Section]:
    """All sections, in reading order."""
    found = [the_network(lecture), *made_of(lecture), update_rule(lecture), backward(lecture)]
    if lecture.small:
        found += [every_weight(lecture), all_updates(lecture)]
    return [*found, *matrix_form(lecture), *worked_sections(lecture), proof(lecture)]
