"""Notes as a part of somebody's document: no preamble, labels to refer to, several of them in one document."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from derive.cli import main

EXAMPLES = Path(__file__).parent.parent / "examples"
BOOK = r"""\documentclass[11pt,a4paper]{article}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath,amssymb,mathtools,xcolor,tikz}
\allowdisplaybreaks
\begin{document}
See section \ref{sec:two_two_one:1}, equations \eqref{eq:two_two_one:2} and \eqref{eq:iris:8}.
\input{small}
\input{large}
\end{document}
"""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_two_fragments_in_one_document(tmp_path: Path) -> None:
    for name, target in (("two_two_one", "small.tex"), ("iris", "large.tex")):
        assert main(["-q", str(EXAMPLES / f"{name}.spec"), "-o", str(tmp_path / target), "--fragment"]) == 0
    (tmp_path / "book.tex").write_text(BOOK, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "book.tex"]
    for _ in range(2):
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    told = run.stdout.decode("latin-1")
    assert run.returncode == 0, told[-2000:]
    assert "undefined" not in told
    assert "multiply defined" not in told
    assert not [w for w in re.findall(r"Overfull \\hbox \(([\d.]+)pt", told) if float(w) > 2]


def test_every_section_and_every_numbered_equation_has_a_label(tmp_path: Path) -> None:
    target, whole = tmp_path / "net.tex", tmp_path / "whole.tex"
    spec = str(EXAMPLES / "iris.spec")
    assert main(["-q", spec, "-o", str(target), "--fragment"]) == 0
    assert main(["-q", spec, "-o", str(whole)]) == 0
    text = target.read_text("utf-8")
    assert "\\documentclass" not in text
    assert not re.search(r"^\\begin\{document\}", text, re.MULTILINE)
    labels = re.findall(r"\\label\{eq:iris:(\d+)\}", text)
    assert labels == re.findall(r"\\tag\{(\d+)\}", text) != []
    tags = re.findall(r"\\tag\*\{(?:\\beside\{.*?\})?\((\d+)\)\}", whole.read_text("utf-8"))
    assert labels == tags
    assert len(re.findall(r"\\label\{sec:", text)) == text.count("\\section{")
    assert main(["-q", spec, "-o", str(target), "--fragment"]) == 0  # ours to replace
