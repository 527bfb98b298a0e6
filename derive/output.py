"""The door from the mathematics up to the printers.

``derive/`` never imports ``codegen/``: data flows one way.  But who holds a network or a derivation wants to see it
typeset, write it to files, train it.  Like the command line, this module stands at the very top for that; what it
needs of ``codegen`` is imported when somebody asks, so that nothing in the mathematics depends on it.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from derive.derivation import Derivation


class Typeset:
    """What notebooks typeset: a formula or a list of formulas, as LaTeX that MathJax and KaTeX read."""

    def _repr_latex_(self) -> str:
        return f"$$ {printers().latex(self)} $$"


def text(thing: object) -> str:
    """A network, a derivation or derivatives as a prompt shows them: plain text, a few lines."""
    shown: str = printers().text(thing)
    return shown


def printers() -> ModuleType:
    """What writes networks and derivations for prompts and notebooks."""
    from codegen import notebook

    return notebook


def writer(kind: Literal["Text", "Latex", "Code"]) -> Any:
    """What writes formulas as text, in LaTeX or as code."""
    from codegen.formulas import latex

    return getattr(latex, kind)


def write(derivation: Derivation, targets: tuple[str | Path, ...], force: bool, **options: Any) -> None:
    """Print a derivation to files as ``derive net.spec -o …`` does; raises :class:`SpecError` as that does."""
    from pathlib import Path

    from codegen import files, outputs
    from codegen.options import Options
    from derive.diagnostics import Source, SpecError, printable

    if not targets:
        raise SpecError("no file is named", help='write the names of files: write("notes.tex", "net_trainer.py")')
    chosen = Options(**options)
    paths = [Path(t) for t in targets]
    source = derivation.network.source or Source("a network", "")
    for path in paths:
        outputs.check_kind(path)
    files.check(paths, source.path or Path(), force, "force=True replaces it; or write to another file")
    files.write([(p, outputs.render(derivation, printable(source.name), p, chosen)) for p in paths])


def trainer(derivation: Derivation, path: str | Path | None = None) -> type[Any]:
    """The class ``Trainer`` of the trainer module of a network, written to ``path`` or to a temporary file."""
    import importlib.util
    import sys
    from pathlib import Path

    from codegen.outputs import module_name

    name = f"{module_name(derivation.network.title.lower())[:40].rstrip('_')}_trainer"
    target = Path(path) if path is not None else _temporary_folder() / f"{name}.py"
    write(derivation, (target,), force=False)
    spec = importlib.util.spec_from_file_location(target.stem, target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[target.stem] = module  # where pickle looks for the class
    spec.loader.exec_module(module)
    found: type[Any] = module.Trainer
    return found


def _temporary_folder() -> Path:
    """A new folder that is removed when the interpreter ends."""
    import atexit
    import shutil
    import tempfile
    from pathlib import Path

    folder = tempfile.mkdtemp(prefix="derive-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
