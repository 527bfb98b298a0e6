"""Notes as a part of somebody's document: no preamble, labels to refer to, several of them in one document."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from derive.cli import main

EXAMPLES = Path(__file__).parent.parent / "examples"
HEAD = r"""\usepackage{amsmath,amssymb,mathtools,xcolor,tikz}
\usepackage{cleveref}
\allowdisplaybreaks
\newtheorem{remarkable}{Theorem}
\begin{document}
"""
MINE = r"""\begin{equation}\label{eq:mine} a^2 + b^2 = c^2 \end{equation}
\begin{remarkable}\label{thm:mine} So it is. \end{remarkable}
See \cref{thm:mine,eq:mine} and \Cref{eq:<small>:1}, \eqref{eq:<small>:2},
\cref{eq:<large>:1,eq:<large>:2,eq:<large>:3}.
"""
A4 = r"\usepackage[margin=25mm]{geometry}"
#: A document of one's own; the specifications in it; the number that it gives to the first equation of each.
DOCUMENTS = {
    "article": (
        rf"""\documentclass[11pt,a4paper]{{article}}{A4}{HEAD}\section{{Mine}}\label{{sec:mine}}{MINE}
        \cref{{sec:mine,sec:<small>:1}}\input{{small}}\input{{large}}\end{{document}}""",
        ("two_two_one", "iris"),
        ("2", "8"),
    ),
    "book": (
        rf"""\documentclass[11pt,a4paper]{{book}}{A4}\usepackage{{hyperref}}{HEAD}\chapter{{Mine}}{MINE}\input{{small}}
        \chapter{{Further}}\label{{cha:further}}\Cref{{cha:further,sec:<large>:2}}\input{{large}}\end{{document}}""",
        ("xor", "rnn"),
        ("1.2", "2.1"),
    ),
    "beamer": (
        rf"""\documentclass[8pt,aspectratio=169]{{beamer}}{HEAD}\begin{{frame}}{{Mine}}{MINE}\end{{frame}}
        \begin{{frame}}[allowframebreaks]{{Small}}\input{{small}}\end{{frame}}
        \begin{{frame}}[allowframebreaks]{{Large}}\input{{large}}\end{{frame}}\end{{document}}""",
        ("two_two_one", "relu_two_two"),
        ("2", "8"),
    ),
}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_two_fragments_in_a_document_with_numbers_of_its_own(kind: str, tmp_path: Path) -> None:
    """LaTeX says nothing, and the equations go on where the document is; words refer to them by those numbers."""
    text, specs, firsts = DOCUMENTS[kind]
    for part, name in zip(("small", "large"), specs, strict=True):
        text = text.replace(f"<{part}>", name)
        assert main(["-q", str(EXAMPLES / f"{name}.spec"), "-o", str(tmp_path / f"{part}.tex"), "--fragment"]) == 0
    (tmp_path / "own.tex").write_text(text, "utf-8")
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-draftmode", "own.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    told = run.stdout.decode("latin-1").replace("\n", " ")
    assert run.returncode == 0, told[-2000:]
    assert not re.findall(r"LaTeX Warning: (?!Font|Some font).{0,100}|multiply.defined|same identifier|\?\?", told)
    assert not [w for w in re.findall(r"Overfull \\[hv]box \(([\d.]+)pt", told) if float(w) > 2]
    numbers = dict(re.findall(r"\\newlabel\{(eq:[\w:]+)\}\{\{([\d.]+)\}", (tmp_path / "own.aux").read_text("utf-8")))
    assert tuple(numbers[f"eq:{name}:1"] for name in specs) == firsts
    written = [(tmp_path / f"{part}.tex").read_text("utf-8") for part in ("small", "large")]
    assert set(numbers) == {"eq:mine", *re.findall(r"\\label\{(eq:[^}]+)\}", "".join(written))}


def test_every_section_and_every_numbered_equation_has_a_label(tmp_path: Path) -> None:
    target, whole = tmp_path / "net.tex", tmp_path / "whole.tex"
    spec = str(EXAMPLES / "iris.spec")
    assert main(["-q", spec, "-o", str(target), "--fragment"]) == 0
    assert main(["-q", spec, "-o", str(whole)]) == 0
    text = target.read_text("utf-8")
    assert "\\documentclass" not in text
    assert not re.search(r"^\\begin\{document\}", text, re.MULTILINE)
    labels = re.findall(r"\\label\{eq:iris:(\d+)\}", text)
    assert "\\tag{" not in text
    tags = re.findall(r"\\tag\*\{(?:\\beside\{.*?\})?\((\d+)\)\}", whole.read_text("utf-8"))
    assert labels == tags != []
    named = re.findall(r"of \((\d+)\)", whole.read_text("utf-8"))
    assert named == re.findall(r"of \\eqref\{eq:iris:(\d+)\}", text) != []
    assert not re.search(r"(?:of|by|and|,|quations?) \(\d+\)", text)
    assert "Equations \\eqref{eq:iris:4} and \\eqref{eq:iris:5}: " in text
    assert len(re.findall(r"\\label\{sec:", text)) == text.count("\\section{")
    assert main(["-q", spec, "-o", str(target), "--fragment"]) == 0  # ours to replace
