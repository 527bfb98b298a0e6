"""Whether LaTeX takes the notes of a network, however they are written, and nothing leaves the page."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy
from hypothesis import assume
from hypothesis import strategies as st
from oracles import network_of

from codegen.formats import ipynb
from codegen.notes import compose
from codegen.options import Options
from derive.derivation import derive
from derive.diagnostics import SpecError
from derive.language.names import NOTATIONS
from derive.proof import ProofError

from .whole import Made

OWN = str(Path(__file__).with_name("lecturer.toml"))
VISIBLE = 2  # points beyond the margin
PLACES = 2  # of the numbers of a network


def looks() -> st.SearchStrategy[Options]:
    """Notations, a lecturer's own among them, at every level of detail, with few or many places, in colour or not."""
    return st.builds(
        Options,
        notation=st.sampled_from((*NOTATIONS, OWN)),
        decimals=st.sampled_from((6, 2, 15)),
        detail=st.sampled_from(("normal", "full", "brief")),
        colour=st.booleans(),
    )


def check_notes(made: Made, options: Options, folder: Path) -> None:
    """The network is derived, proved and printed with numbers, and LaTeX takes the notes without a word."""
    try:
        derivation = derive(network_of(made.spec if made.coupled else with_numbers(made)))
        text = compose.render(derivation, "net.spec", options)
    except (SpecError, ProofError):  # numbers at which a form has no value; w4 under the numbered notation
        assume(False)
    typeset(text, folder)


def check_cells(made: Made, options: Options, places: int = PLACES) -> bool:
    """Everything that a notebook asserts holds, of the numbers that are given or of some that are drawn.

    Tells whether some numbers lie at a kink but for the rounding of doubles, as those of few ``places`` may.
    """
    try:
        derivation = derive(network_of(made.spec if made.coupled else with_numbers(made, places)))
        notebooks = [ipynb.written(derivation, "net.spec", options, draw) for draw in ipynb.DRAWS]
    except SpecError:
        assume(False)
    sources = ["\n\n".join(c.source for c in n.cells if c.cell_type == "code") for n in notebooks]
    failure: Exception | None = None
    for source in dict.fromkeys(sources):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, "cells", "exec"), {})
        except Exception as error:  # the loss may have no value at numbers that are drawn
            failure = error
        else:
            return "def side" in source
    assert failure is not None
    raise failure


def check_slides(made: Made, folder: Path) -> None:
    """The same for slides."""
    typeset(compose.render_slides(derive(network_of(made.spec)), "net.spec"), folder)


def typeset(text: str, folder: Path) -> None:
    """LaTeX knows everything in a document, and has a place for it."""
    (folder / "notes.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "-draftmode", "notes.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.findall(r"undefined|Missing character.*", done.stdout), done.stdout[-2000:]
    boxes = re.findall(r"Overfull \\[hv]box \(([\d.]+)pt.*", done.stdout)
    assert not [box for box in boxes if float(box) > VISIBLE], re.findall(r"Overfull .*", done.stdout)


def with_numbers(made: Made, places: int = PLACES) -> str:
    """The specification of a random network with its data and weights as short decimals, so that it has numbers."""
    lines = [f"init {w} = {_written(value, places)}" for w, value in made.weights.items()]
    sample = made.samples[0]
    data = [f"{name} = {_written(sample[name], places, datum.holds == 'c')}" for name, datum in made.data.items()]
    return made.spec + "\n".join([*lines, *(["sample " + ", ".join(data)] if data else []), ""])


def _written(values: Any, places: int, shares: bool = False) -> str:
    """Nested lists of decimals; ``shares`` are fractions of 1."""
    if shares:
        whole = numpy.round(numpy.asarray(values) * 64).astype(int) + 1
        return f"[{', '.join(f'{n}/{whole.sum()}' for n in whole.ravel())}]"
    if numpy.ndim(values):
        return f"[{', '.join(_written(v, places) for v in values)}]"
    return f"{float(values):.{places}f}".removesuffix(f".{'0' * places}")
