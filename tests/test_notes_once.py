"""All formats of a run print the same sections, worked out once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_formats import example

from codegen import outputs
from codegen.notes import compose
from codegen.options import Options
from codegen.pictures.ranks import longest_ways


def test_the_sections_of_a_run_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Options] = []
    sections = compose.sections
    monkeypatch.setattr(compose, "sections", lambda lecture: (made.append(lecture.options), sections(lecture))[1])
    compose._written.cache_clear()
    derivation, options = example("two_two_one"), Options(decimals=5, fragment=True)
    for ending in (".tex", ".md", ".html", ".svg", ".slides.tex"):
        outputs.render(derivation, "net.spec", Path(f"net{ending}"), options)
    assert [o.detail for o in made] == ["", "brief"], "notes once, and the slides' own choice"
    outputs.render(derivation, "net.spec", Path("net.tex"), Options(decimals=4))
    assert len(made) == 3


def test_a_second_notebook_of_the_same_notes_is_the_first() -> None:
    pytest.importorskip("nbformat")
    from codegen.formats import ipynb

    first, second = (ipynb.text_of(ipynb.written(example("xor"), "net.spec")) for _ in range(2))
    assert first == second
    assert len(re.findall("assert", first)) > 5


def test_the_longest_way_counts() -> None:
    reads = {"c": {"a", "b"}, "b": {"a"}, "d": {"x"}}
    assert longest_ways(reads, ["c"]) == {"a": 0, "b": 1, "c": 2}
    assert longest_ways(reads, reads) == {"a": 0, "b": 1, "c": 2, "d": 1, "x": 0}
