"""The kinds of file that a derivation can be printed as, told by the ending of the file's name.

A kind is a row of :data:`KINDS`; its renderer is imported when it is used.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.options import Options
from derive.diagnostics import SpecError, did_you_mean

if TYPE_CHECKING:
    from derive.derivation import Derivation

#: Modules that a trainer of the same name would hide from itself.
_IMPORTED = frozenset({"numpy", "numba", "scipy", "llvmlite"})


@dataclass(frozen=True)
class Kind:
    """One kind of output; ``render`` takes the derivation, the names of specification and output, and the options."""

    what: str
    render: Callable[[Derivation, str, Path, Options], str | bytes]


def _notes(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> str:
    from codegen.notes import compose as notes

    return notes.render(derivation, spec_name, options)


def _pdf(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> bytes:
    from codegen.formats import pdf
    from codegen.notes import compose as notes

    return pdf.compiled(notes.render(derivation, spec_name, replace(options, fragment=False)))


def _slides(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> str:
    from codegen.notes import compose as notes

    return notes.render_slides(derivation, spec_name, options)


def _projected(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> bytes:
    from codegen.formats import pdf
    from codegen.notes import compose as notes

    return pdf.compiled(notes.render_slides(derivation, spec_name, options))


def _markdown(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> str:
    from codegen.notes import compose as notes

    return notes.render_markdown(derivation, spec_name, options)


def _quarto(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> str:
    from codegen.formats.flavours import Quarto
    from codegen.notes import compose as notes

    return notes.render_flavour(Quarto, derivation, spec_name, options)


def _myst(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> str:
    from codegen.formats.flavours import Myst
    from codegen.notes import compose as notes

    return notes.render_flavour(Myst, derivation, spec_name, options)


def _page(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> str:
    from codegen.notes import compose as notes

    return notes.render_page(derivation, spec_name, options)


def _notebook(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> str:
    from codegen.formats import ipynb

    return ipynb.render(derivation, spec_name, options)


def _picture(derivation: Derivation, spec_name: str, _path: Path, options: Options) -> str:
    from codegen.notes import compose as notes

    return notes.render_picture(derivation, spec_name, options)


def _trainer(derivation: Derivation, spec_name: str, path: Path, _options: Options) -> str:
    from codegen.trainer import module as trainer

    return trainer.render(derivation.network, derivation.sweep, spec_name=spec_name, module_name=path.stem)


def _report(derivation: Derivation, spec_name: str, _path: Path, _options: Options) -> str:
    from codegen import report

    return report.render(derivation, spec_name)


KINDS = {
    ".tex": Kind("lecture notes in LaTeX", _notes),
    ".pdf": Kind("lecture notes, compiled by LaTeX", _pdf),
    ".slides.tex": Kind("slides in LaTeX, for Beamer", _slides),
    ".slides.pdf": Kind("slides, compiled by LaTeX", _projected),
    ".md": Kind("lecture notes in Markdown, for GitHub, KaTeX and MathJax", _markdown),
    ".qmd": Kind("lecture notes for Quarto, with code that it executes", _quarto),
    ".myst.md": Kind("lecture notes in MyST Markdown, with code that it executes", _myst),
    ".html": Kind("lecture notes as a page that needs nothing else", _page),
    ".ipynb": Kind("lecture notes as a notebook: every step done in NumPy, executed", _notebook),
    ".svg": Kind("the network as a picture", _picture),
    ".py": Kind("a trainer, a Python module with Numba kernels", _trainer),
    ".json": Kind("formulas and numbers for machines", _report),
}

#: The column of a list of endings.
WIDEST = max(map(len, KINDS)) + 2


def defaults(spec: Path) -> list[Path]:
    """What is written where no output is asked for: notes and trainer, in the current folder."""
    return [Path(f"{spec.stem}.tex"), Path(f"{module_name(spec.stem)}_trainer.py")]


def module_name(stem: str) -> str:
    """A file's name as a Python identifier: ``my-net`` is ``my_net``, ``2-2-1`` is ``net_2_2_1``."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_")
    return name if name[:1].isalpha() else f"net_{name}".rstrip("_")


def ending(path: Path) -> str:
    """The part of a file's name that tells the kind: the last two words if they name one, else the last.

    ``net.slides.pdf`` and ``slides.pdf`` are slides, ``net.pdf`` are notes.
    """
    longer = f".{path.stem.rpartition('.')[2]}{path.suffix}"
    return longer if path.suffix and longer in KINDS else path.suffix


def render(derivation: Derivation, spec_name: str, path: Path, options: Options) -> str | bytes:
    """What is written to a file; its name has passed :func:`check_kind`."""
    return KINDS[ending(path)].render(derivation, spec_name, path, options)


def check_kind(path: Path) -> None:
    """Raise :class:`SpecError` where the ending names no kind, or where a trainer could not be imported."""
    if path.suffix not in KINDS:
        known = "\n".join(f"{ending:{WIDEST}}{kind.what}" for ending, kind in KINDS.items())
        close = did_you_mean(path.suffix.lower(), KINDS)
        message = f"unknown ending '{path.suffix}'" if path.suffix else "the kind of output is told by the ending"
        raise SpecError(f"cannot write '{path}': {message}", help=f"{close or 'these are known:'}\n{known}")
    if path.suffix == ".py":
        _check_module(path)
    if path.suffix == ".pdf":
        from codegen.formats import pdf

        pdf.program()
    if path.suffix == ".ipynb":
        from codegen.formats import ipynb

        ipynb.check_installed()


def _check_module(path: Path) -> None:
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise SpecError(
            f"cannot write '{path}': a trainer is imported by its name, and '{path.stem}' is not a name in Python",
            help=f"write -o {path.with_name(module_name(path.stem))}"
            + ("_trainer.py" if keyword.iskeyword(path.stem) else ".py"),
        )
    if path.stem in _IMPORTED or path.stem in sys.stdlib_module_names:
        raise SpecError(
            f"cannot write '{path}': Python would find this file in place of its own module '{path.stem}'",
            help=f"write -o {path.with_name(path.stem)}_trainer.py",
        )
