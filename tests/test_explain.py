"""``--explain-schedule``: every equation stands in every plan, with memory and the reason for the choice."""

from __future__ import annotations

import ast
import re
from math import prod

import numpy as np
import pytest
from oracles import example, imported, network_of, sweep_of

from codegen.trainer import explain
from codegen.trainer.module import render
from codegen.trainer.plans import plans
from derive.cli import main
from derive.derivation import derive

DROPOUT = "input x[3]\nh[20] = dropout(relu(dense(x)), 0.5)\ny = dense(h)\ntarget t\nloss L = (y - t)^2"


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


def printed(text: str) -> list[tuple[int, int]]:
    """From the lines "memory: 4 · (1 + 105 · batch) = …": numbers there are once, and for each sample or lane."""
    lines = re.findall(r"memory: 4 · (?:\((\d+) \+ (\d+) · \w+\)|(\d+) · \w+|(\d+)) = ", text)
    return [(int(fixed or alone or 0), int(each or only or 0)) for fixed, each, only, alone in lines]


def in_own_memory(tree: ast.Module, kernel: str) -> tuple[int, int]:
    """The same, counted in the arrays of a kernel: its own but the places of the samples, and parts of what it gets."""
    (function,) = (f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name.rpartition("_")[0] == kernel)
    once = each = 0
    for node in ast.walk(function):
        call = node.value if isinstance(node, ast.Assign) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("local", "part"):
            if ast.unparse(call.args[0]) == "order":
                continue
            sizes = [ast.unparse(size) for size in call.args[1 if ast.unparse(call.func) == "local" else 2 :]]
            product = prod(int(size) for size in sizes if size != "lanes")
            once, each = (once, each + product) if "lanes" in sizes else (once + product, each)
    return once, each


@pytest.mark.parametrize("name", ["iris", "digits", "rnn", "digits_normalised", "dropout"])
def test_what_is_allocated_is_what_is_printed(name, tmp_path):
    spec = DROPOUT if name == "dropout" else example(name)
    network, path = network_of(spec), tmp_path / "net_trainer.py"
    path.write_text(render(network, sweep_of(spec), spec_name="net.spec", module_name="net_trainer"), encoding="utf-8")
    tree, module, found = ast.parse(path.read_text()), imported(path), plans(network, sweep_of(spec))
    whole, *others = printed(explain.text(derive(network)))
    for batch in (1, 7):
        arrays = [a for make in (module.allocate, module.minibatch) for a in make(batch, np.zeros(1, np.float32))]
        assert sum(a.nbytes for a in arrays) == 4 * (whole[0] + whole[1] * batch)
    kernels = {"block": found.lanes, "sequence": found.sequence, "networks": found.networks}
    for (kernel, plan), memory in zip([k for k in kernels.items() if k[1]], others, strict=True):
        once, each = in_own_memory(tree, kernel)
        if kernel == "networks":  # of which there are always 16
            once, each = 0, once // 16
        assert (once, each) == memory, (kernel, plan)
