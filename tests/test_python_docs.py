"""The sessions in docs/python.md and in docstrings run as they stand."""

from __future__ import annotations

import doctest
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from derive import model

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)


def sessions(path: Path) -> str:
    """The sessions of a page, one after the other; everything else is left blank, so that line numbers are right."""
    text = path.read_text("utf-8")
    kept = [False] * (text.count("\n") + 1)
    for block in re.finditer(r"^```pycon\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        first = text.count("\n", 0, block.start(1))
        kept[first : first + block[1].count("\n")] = [True] * block[1].count("\n")
    return "\n".join(line if keep else "" for line, keep in zip(text.split("\n"), kept, strict=True))


@pytest.mark.parametrize("page", ["docs/python.md", "README.md"])
def test_a_page(page: str) -> None:
    text = sessions(ROOT / page)
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    assert test.examples
    shown: list[str] = []
    with np.printoptions(precision=8, suppress=False):
        doctest.DocTestRunner(verbose=False).run(test, out=shown.append)
    assert not shown, "".join(shown)


def test_docstrings() -> None:
    result = doctest.testmod(model)
    assert (result.failed, result.attempted > 8) == (0, True)
