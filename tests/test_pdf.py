"""Notes as PDF: the same bytes every time, ours to replace, and a clear answer where there is no LaTeX."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from derive.cli import main

SPEC = 'network "One weight"\ninput x\nweight w\ny = w * x\ntarget t\nloss L = (y - t)^2\n'
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.spec").write_text(SPEC, "utf-8")
    return tmp_path


def programs(folder: Path, monkeypatch, **scripts: str) -> None:
    """A path on which nothing but these programs is found."""
    place = folder / "bin"
    place.mkdir()
    for name, script in scripts.items():
        (place / name).write_text(f"#!{shutil.which('sh')}\n{script}\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(place))


@needs_latex
def test_a_pdf_is_the_same_every_time_and_ours_to_replace(folder, capsys):
    assert main(["-q", "net.spec", "-o", "a.pdf"]) == 0
    first = Path("a.pdf").read_bytes()
    assert first.startswith(b"%PDF-")
    assert main(["-q", "net.spec", "-o", "a.pdf"]) == 0
    assert Path("a.pdf").read_bytes() == first
    assert str(folder).encode() not in first


@needs_latex
def test_the_pdf_of_somebody_else_stays(capsys):
    Path("a.pdf").write_bytes(b"%PDF-1.5\nof mine\n%%EOF\n")
    assert main(["-q", "net.spec", "-o", "a.pdf"]) == 2
    assert Path("a.pdf").read_bytes() == b"%PDF-1.5\nof mine\n%%EOF\n"


def test_without_latex_one_is_told_how_to_get_it(folder, monkeypatch, capsys):
    programs(folder, monkeypatch)
    assert main(["-q", "net.spec", "-o", "a.pdf"]) == 2
    told = capsys.readouterr().err
    assert "apt install texlive" in told
    assert "-o notes.tex" in told
    assert not Path("a.pdf").exists()


def test_a_missing_package_is_named(folder, monkeypatch, capsys):
    programs(folder, monkeypatch, pdflatex="echo \"! LaTeX Error: File 'mathtools.sty' not found.\"; exit 1")
    assert main(["-q", "net.spec", "-o", "a.pdf"]) == 2
    assert "mathtools.sty" in capsys.readouterr().err
    assert sorted(os.listdir(folder)) == ["bin", "net.spec"]


def test_a_document_that_latex_refuses_is_our_mistake(folder, monkeypatch, capsys):
    programs(folder, monkeypatch, pdflatex='echo "! Undefined control sequence."; exit 1')
    assert main(["-q", "net.spec", "-o", "a.pdf"]) == 3
    assert "please report" in capsys.readouterr().err
