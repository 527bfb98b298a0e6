"""``--explain-schedule``: every equation stands in every plan, with memory and the reason for the choice."""

from __future__ import annotations

import pytest
from oracles import example, network_of

from codegen.trainer import explain
from derive.cli import main
from derive.derivation import derive


@pytest.mark.parametrize("name", ["two_two_one", "iris", "digits", "gru", "gradient_descent"])
def test_every_equation_stands_in_every_plan(name):
    derivation = derive(network_of(example(name)))
    text = explain.text(derivation)
    first, *plans = text.split("\n\n")
    assert first.startswith(f"Schedules of {derivation.network.title}")
    count = len(derivation.network.flat_equations)
    assert plans
    for plan in plans:
        for number in range(1, count + 1):
            assert f"({number})" in plan, (number, plan)


def test_the_choice_and_the_memory_have_their_numbers():
    text = explain.text(derive(network_of(example("two_two_one"))))
    assert "13 multiply-adds of a sample, at most 2048" in text
    assert "  h                      batch × 2  256    forward … backward" in text
    assert "W1: the solver's update" in text
    wide = explain.text(derive(network_of(example("digits"))))
    assert "are more than 2048" in wide
    assert "by BLAS" in wide


def test_the_command_prints_it_and_writes_nothing(tmp_path, monkeypatch, capsys):
    spec = tmp_path / "net.spec"
    spec.write_text(example("two_two_one"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["net.spec", "--explain-schedule"]) == 0
    assert "One sample after the other" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["net.spec"]
