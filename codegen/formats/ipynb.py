"""Notes as a Jupyter notebook: every block of explanation, then a cell that does the same in NumPy, executed.

The cells run in a kernel of their own, in an empty folder, and what they print is stored.  Nothing of the run itself
is: no times, no counters of the machine, no paths; the same notes give the same bytes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from codegen.formats import markdown
from codegen.formats.celldata import Draw
from codegen.marker import MARKER
from codegen.notes.compose import notes
from codegen.notes.document import Section
from codegen.options import STANDARD, Options
from derive.diagnostics import SpecError

if TYPE_CHECKING:
    from derive.derivation import Derivation

TIME_LIMIT = 120  # seconds for one cell

#: What is tried, one after the other, where numbers have to be drawn and the loss may not have a value at all of them.
DRAWS = (Draw(), Draw(low=0.05), Draw(1), Draw(1, 0.05))

KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

Notebook = Any


def check_installed() -> None:
    """Raise :class:`SpecError` where what executes notebooks is not installed."""
    missing = [name for name in ("nbformat", "nbclient", "ipykernel") if find_spec(name) is None]
    if missing:
        help = "pip install 'derive-networks[notebook]', or write the notes as a page: -o notes.html"
        raise SpecError(f"a notebook is executed by Jupyter, and {', '.join(missing)} is not installed", help=help)


def render(derivation: Derivation, spec_name: str, options: Options = STANDARD) -> str:
    """The notebook, executed.

    Raises
    ------
    SpecError
        where Jupyter is not installed, or does not finish in time.
    RuntimeError
        where a cell fails: the text and its code disagree, a mistake of ours.
    """
    check_installed()
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    network = derivation.network
    given = derivation.numbers is not None
    for draw in DRAWS[:1] if given else DRAWS:
        notebook = written(derivation, spec_name, options, draw)
        try:
            executed(notebook)
        except CellTimeoutError:
            raise SpecError(f"a cell of the notebook took longer than {TIME_LIMIT} seconds") from None
        except CellExecutionError as error:
            failure = RuntimeError(f"a cell of the notebook of '{network.title}' fails: {error}")
            continue
        return text_of(notebook)
    raise failure


def text_of(notebook: Notebook) -> str:
    """A notebook as the text of its file."""
    import nbformat

    return str(nbformat.writes(notebook)) + "\n"


def written(derivation: Derivation, spec_name: str, options: Options = STANDARD, draw: Draw | None = None) -> Notebook:
    """The notebook before it is executed."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    title = markdown.escape(derivation.network.title)
    head = f"# {title}\n\nEvery weight's update, derived step by step, and done in NumPy."
    made = f"{MARKER} from {spec_name}. Edits are lost when it is generated again."
    cells = [new_markdown_cell(head)]
    lecture, sections = notes(derivation, options)
    lecture.begin_cells(draw or Draw())
    for section in sections:
        for text, code in pieces(section):
            if text:
                cells.append(new_markdown_cell(text))
            if code:
                cells.append(new_code_cell(code))
    for n, cell in enumerate(cells, 1):
        cell["id"] = f"cell-{n}"
    cells[0]["metadata"]["generator"] = made
    return new_notebook(cells=cells, metadata=KERNEL)


def pieces(section: Section) -> Iterator[tuple[str, str]]:
    """The text of a section up to a cell, and the cell, in turn; either may be empty."""
    blocks = [f"## {section.title}", *map(markdown.block, section.blocks)]
    start = 0
    for place, code in section.cells:
        yield "\n\n".join(blocks[start : place + 1]), code.source().strip("\n")
        start = place + 1
    yield "\n\n".join(blocks[start:]), ""


def executed(notebook: Notebook) -> None:
    """Run all cells in a new kernel, in an empty folder, and keep what they print."""
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory(prefix="derive-") as folder:
        client = NotebookClient(
            notebook,
            timeout=TIME_LIMIT,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--HistoryManager.enabled=False"],
        )
        environment = {**os.environ, "IPYTHONDIR": folder, "PYTHONHASHSEED": "0"}
        client.execute(env=environment, stderr=subprocess.DEVNULL)
    notebook.metadata = KERNEL
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata = {}
            cell.outputs = joined(cell.outputs)


def joined(outputs: list[Any]) -> list[Any]:
    """What a cell has printed as one output, in however many pieces it came."""
    from nbformat.v4 import new_output

    strange = [o for o in outputs if o.output_type != "stream" or o.name != "stdout"]
    if strange:
        raise RuntimeError(f"a cell of the notebook prints what it should not: {strange[0]}")
    text = "".join(o.text for o in outputs)
    return [new_output("stream", name="stdout", text=text)] if text else []
