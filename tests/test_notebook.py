"""Notebooks: what a clean kernel makes of them, and whether their code is the text's."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from networks import Made, networks
from oracles import derived, network_of, sweep_of
from test_formats import EXAMPLES, HOSTILE, ROOT, formulas, needs_node, node

from codegen.arithmetic.rules import RULES
from codegen.formats import ipynb
from codegen.formats.celldata import Draw
from codegen.formats.cells import Cells
from codegen.formats.numpycode import Names
from codegen.options import Options
from derive.derivation import Derivation, derive
from derive.diagnostics import SpecError
from derive.expressions import Access
from derive.language.build import load
from derive.language.parser import read
from derive.proof import Proof
from derive.scalars import Scalars, is_small

PUBLISHED = sorted((ROOT / "tests" / "published").glob("*.spec"))

#: What the constructions of the language become: choices, masks, samples coupled, recurrences, kinks, optimizers.
SPECS = {
    "hostile": HOSTILE,
    "words": """network "Names that mean something in the code"
input data[2], np
weight w, g, a[2], gradient
target slopes
same = tanh(sum(j: a[j] * data[j]) + w * np + g)
loss n = (same * gradient - slopes)^2
optimizer adam
""",
    "classes": """input x[4]
p[3] = softmax(dense(x))
target t
loss L = -log(p[t])
""",
    "dropout": """input x[4]
h[5] = dropout(gelu(dense(x)), 1/4)
y = dense(h)
target t
loss L = huber(t, y)
""",
    "batch_norm": """input x[3]
h[4] = relu(batch_norm(dense(x)))
y = dense(h)
target t
loss L = 1/2 * (y - t)^2
""",
    "zeros_before": """input i1[2]
weight w1
target t2
h1[t] = tanh(w1 * i1[t] + w1 * h1[t-2])
h2 = dense(h1)
loss L = squared_error(h2, t2) + 0.01 * l2(w1)
init w1 = 0.3, W1 = [0.5, 0.2], b1 = 0.1
sample i1 = [0.3, 0.4], t2 = 1
""",
    "zeros_around": """input x[2, 2]
weight K[3, 3], hm1_1
p = pad(x, 1)
h[i, j] = sum(u in 3, v in 3: K[u, v] * p[i+u-2, j+v-2])
loss L = sum(h^2) + hm1_1 * h[1, 1]
""",
    "schedule": """input x
weight w, b
y = w * x + b
target t
loss L = (y - t)^2
rate a = 0.1 / sqrt(k)
init w = 0.5, b = 0.1
sample x = 1, t = 2
sample x = -1, t = 0
""",
    "wide": """input x[6]
h[8] = tanh(dense(x))
y = dense(h)
target t
loss L = (y - t)^2
init W1 = 0.1, b1 = 0.2, W2 = -0.3, b2 = 0.05
sample x = [1, 2, 3, 4, 5, 6], t = 0.25
""",
    "logarithm": """input x
weight w
target t
loss L = (log(w) * x - t)^2
""",
    "sum": """input x[2]
y = sigmoid(dense(x))
target t
loss L = (y - t)^2
batch sum
init W1 = [0.3, -0.2], b1 = 0.1
sample x = [1, 0.5], t = 1
sample x = [0.25, -1], t = 0
optimizer momentum(a = 0.1, mu = 0.9)
""",
}


@cache
def derivation(name: str) -> Derivation:
    if name in SPECS:
        return derive(network_of(SPECS[name]))
    return derive(load(read(ROOT / "examples" / f"{name}.spec")))


@cache
def notebook(name: str) -> Any:
    return json.loads(ipynb.render(derivation(name), f"{name}.spec"))


def code(found: Any) -> str:
    return "\n".join("".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code")


def run(source: str) -> dict[str, Any]:
    """The variables that a program leaves."""
    variables: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, "cells", "exec"), variables)
    return variables


@pytest.mark.parametrize("name", [*EXAMPLES, *SPECS])
def test_a_clean_kernel_gives_the_stored_outputs(name):
    import nbformat
    from nbclient import NotebookClient

    found = notebook(name)
    fresh = nbformat.reads(json.dumps(found), as_version=4)
    nbformat.validate(fresh)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(fresh, timeout=120).execute(stderr=subprocess.DEVNULL)
    stored = [cell.get("outputs") for cell in found["cells"]]
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = ipynb.joined(cell.outputs)
    assert [cell.get("outputs") for cell in json.loads(nbformat.writes(fresh))["cells"]] == stored
    assert any(stored)
    assert "agree with central differences" in stored[-1][0]["text"][0]


@needs_node
@pytest.mark.parametrize("name", [*EXAMPLES, "hostile"])
def test_katex_takes_every_formula_of_a_notebook(name):
    cells = ipynb.written(derivation(name), "net.spec").cells
    found = [f for c in cells if c.cell_type == "markdown" for f in formulas(c.source)]
    assert len(found) > 10
    assert node("katex.mjs", stdin=json.dumps(found)) == []


def test_two_runs_give_the_same_bytes_that_tell_nothing_of_the_run(tmp_path):
    texts = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        command = [sys.executable, "-m", "derive", str(ROOT / "examples" / "two_two_one.spec"), "-o", "notes.ipynb"]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=tmp_path / seed, env=environment, check=True, capture_output=True, timeout=120)
        texts.append((tmp_path / seed / "notes.ipynb").read_bytes())
    assert texts[0] == texts[1]
    assert not re.search(rb"/tmp|/home|/work|20\d\d-|iopub", texts[0])


@pytest.mark.parametrize("name", ["two_two_one", "relu_two_two", "schedule", "sum", "wide"])
def test_a_wrong_number_in_the_text_fails(name):
    """Every number of the text stands in an assertion, and every assertion can fail."""
    source = code(ipynb.written(derivation(name), "net.spec"))
    run(source)
    checks = re.findall(r"^assert same\(.*$", source, re.MULTILINE)
    assert len(checks) > 5
    for check in dict.fromkeys(checks):
        wrong = re.sub(
            r", (-?[\d.]+)(e-?\d+)?(, places=\d+)?\)$",
            lambda m: f", {float(m[1]) + 0.001}{m[2] or ''}{m[3] or ''})",
            check,
        )
        assert wrong != check
        with pytest.raises(AssertionError):
            run(source.replace(check, wrong))


DECIMAL = re.compile(r"(?<![\w.^_{])(\d+\.\d+)(?: ?\\cdot 10\^\{(-?\d+)\})?")


def unchecked(text: str, source: str) -> list[str]:
    """The decimals in the formulas of a text that stand nowhere in the code."""
    known = {float(literal) for literal in re.findall(r"(?<![\w.])\d+\.?\d*(?:e-?\d+)?", source)}
    found = DECIMAL.finditer(" ".join(formula for formula, _ in formulas(text)))
    return [m[0] for m in found if float(f"{m[1]}e{m[2] or 0}") not in known]


@pytest.mark.parametrize(
    ("name", "decimals"),
    [("two_two_one", 6), ("relu_two_two", 6), ("rnn", 6), ("schedule", 6), ("sum", 8), ("wide", 6)],
)
def test_every_number_of_the_text_stands_in_the_code(name: str, decimals: int) -> None:
    """Of matrices every element, of tables every cell."""
    options = Options(decimals=decimals)
    cells = ipynb.written(derivation(name), "net.spec", options).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert unchecked(text, source) == []
    numbers = [m for m in DECIMAL.finditer(text) if len(m[1]) > 5]
    assert len(numbers) > 12
    for m in numbers[:: len(numbers) // 12]:
        wrong = f"{text[: m.start(1)]}{m[1][:-1]}{(int(m[1][-1]) + 5) % 10}{text[m.end(1) :]}"
        assert len(unchecked(wrong, source)) == 1, m


@pytest.mark.parametrize(
    "path", [*(ROOT / "examples" / f"{n}.spec" for n in EXAMPLES), *PUBLISHED], ids=lambda p: p.stem
)
def test_after_every_formula_stands_a_cell(path: Path) -> None:
    """A text with formulas or numbers of their own line is followed by a cell, if it is not about the proof alone."""
    found = derivation(path.stem) if path.stem in EXAMPLES else derive(load(read(path)))
    cells = ipynb.written(found, path.name).cells
    texts = [(cell.source, after.cell_type) for cell, after in zip(cells, [*cells[1:], cells[0]], strict=True)]
    assert [text for text, after in texts if after != "code" and ("$$" in text or "| --- |" in text)][1:] == []
    assert "## Notation" in texts[1][0], "the only table without a cell"


@pytest.mark.parametrize("name", ["two_two_one", "xor", "wide", "sum"])
@pytest.mark.parametrize(
    "options", [Options(detail="brief"), Options(detail="normal", decimals=2), Options(decimals=12)], ids=repr
)
def test_other_details_and_decimals(name, options):
    run(code(ipynb.written(derivation(name), "net.spec", options)))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda p: p.stem)
def test_published_examples_run(path):
    run(code(ipynb.written(derive(load(read(path))), "net.spec")))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(most=4))
def test_the_code_of_any_network_computes_what_was_derived(made: Made) -> None:
    network, swept = network_of(made.spec), sweep_of(made.spec)
    whole = Derivation(network, swept, Scalars(network, swept), Proof((), 0, False), None, {}, {})
    loss, slopes = derived(made.spec, made.numbers)
    for small in [False, True] if is_small(network) else [False]:
        cells = Cells(whole, small, Draw())
        variables = run("\n".join([cells.given(), cells.loss_and_gradient()]))
        flat = {n: list(np.ravel(v)) if small else [v] for n, v in made.numbers.items()}
        weights = [v for w in network.weights for v in flat[w.name]]
        data = [v for t in network.data for v in flat[t.name]]
        np.testing.assert_allclose(variables["loss"](weights, data), loss, rtol=1e-9, atol=1e-12)
        found = np.concatenate([np.ravel(g) for g in variables["gradient"](weights, data)])
        expected = np.concatenate([np.ravel(slopes[w.name]) for w in network.weights])
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_a_number_that_cancels_but_for_rounding_is_zero_in_text_and_code():
    spec = """input x[3]
y = sigmoid(dense(x))
target t
loss L = (y - t)^2
init W1 = [0.1, -0.2, 0.3], b1 = 0.1
sample x = [0, 2, 1], t = 1
"""
    found = derive(network_of(spec))
    assert found.numbers.samples[0]["z1"][()] == 0
    run(code(ipynb.written(found, "net.spec")))


#: Numbers that lie at a kink, or come to one, but for the rounding of doubles; and whether a notebook has to know.
KINKS = {
    "a weight comes to 0": ("weight w\nloss L = abs(w)\ninit w = 0.3\nrate a = 0.1\n", True),
    "a weight without an input decays": (
        "input x[2]\nweight w[2]\ny = sum(w * x)\ntarget t\nloss L = (y - t)^2 + 0.1 * l1(w)\n"
        "init w = [0.25, 0.07]\nrate a = 0.1\nsample x = [1, 0], t = 0.75\n",
        True,
    ),
    "a pre-activation is 0": (
        "input x[3]\nh[2] = relu(linear(x))\ny = linear(h)\ntarget t\nloss L = (y - t)^2\n"
        "init W1 = [[0.1, 0.2, -0.3], [1, 2, 3]], W2 = [[0.5, 0.25]]\nrate a = 0.1\nsample x = [1, 1, 1], t = 1\n"
        "sample x = [0.3, 0, 0.1], t = 2\n",
        True,
    ),
    "many are": (
        "input x[3]\nh[40] = relu(linear(x))\ny = sum(h)\ntarget t\nloss L = (y - t)^2\n"
        f"init W1 = [{', '.join(['[0.1, 0.2, -0.3], [0.1, -0.3, 0.2]'] * 20)}]\nrate a = 0.1\n"
        "sample x = [1, 1, 1], t = 1\nsample x = [3, 1.5, 2], t = 1\n",
        True,
    ),
    "the largest are equal": (
        "input x[3]\nweight w[3]\nz[i] = w[i] * x[i]\ny = max(z)\ntarget t\nloss L = (y - t)^2\n"
        "init w = [1, 2, -3]\nrate a = 0.125\nsample x = [2, 1, 1], t = 1\n",
        False,
    ),
    "the largest are equal but for rounding": (
        "input x[3]\nweight w[3]\nz[i] = w[i] * x[i]\ny = max(z)\ntarget t\nloss L = (y - t)^2\n"
        "init w = [0.1, 0.3, -1]\nrate a = 0.1\nsample x = [3, 1, 1], t = 1\n",
        True,
    ),
    "whole numbers lie there": (
        "input x[3]\nweight w[3]\ny = relu(sum(w * x)) + max(w)\ntarget t\nloss L = abs(y - t)\n"
        "init w = [1, 2, -3]\nrate a = 0.125\nsample x = [1, 1, 1], t = 2\n",
        False,
    ),
}


@pytest.mark.parametrize("name", KINKS)
def test_numbers_at_a_kink_are_there_in_doubles_too(name):
    spec, rounded = KINKS[name]
    source = code(ipynb.written(derive(network_of(spec)), "net.spec"))
    assert ("def side" in source) == rounded
    run(source)


def test_what_the_rules_of_safe_arithmetic_say_is_carried_out():
    """Every equality that is stated; sides that are no longer equal do not pass."""
    stated = {name for name, rule in RULES.items() if " = " in rule.says}
    assert stated - {name for name, rule in RULES.items() if rule.equal} == {"entropy", "share"}, "limits at 0"
    whole = Cells(derivation("gru"), False, Draw()).equalities(RULES)
    assert whole.count("assert") == sum(len(rule.equal) for rule in RULES.values()) > 20
    start = "import numpy as np\n"
    run(start + whole)
    for check in re.findall(r"^ +assert .*$", whole, re.MULTILINE):
        with pytest.raises(AssertionError):
            run(start + whole.replace(check, check.replace("allclose(", "allclose(1.001 * ")))
    source = code(ipynb.written(derivation("gru"), "gru.spec"))
    assert "assert np.allclose(1 - h**2, 4 * sigma(2 * u) * sigma(-2 * u))\n" in source


def test_without_jupyter_there_is_advice(monkeypatch):
    monkeypatch.setattr(ipynb, "find_spec", lambda name: None if name == "nbclient" else object())
    with pytest.raises(SpecError, match="nbclient is not installed") as caught:
        ipynb.check_installed()
    assert "derive-networks[notebook]" in caught.value.help


def test_a_notebook_bears_the_marker_in_its_first_lines():
    from codegen.files import _bears_marker

    text = ipynb.text_of(ipynb.written(derivation("gradient_descent"), "net.spec")).encode()
    assert _bears_marker(text, b"")


def test_elements_before_the_first_have_names():
    source = code(ipynb.written(derivation("zeros_before"), "net.spec"))
    assert "h1_minus1 = 0\nh1_0 = 0\n" in source
    assert "h1_1 = np.tanh(w1 * h1_minus1 + w1 * i1_1)\n" in source
    names = Names([], [])
    places = [Access("h", -1), Access("h", 1), Access("h", -1, 1), Access("h1", -1), Access("∂h", -12), Access("h", 11)]
    found = [names.element(e, {}) for e in [*places, Access("h_minus1"), Access("h_minus1", 1)]]
    assert found == "h_minus1 h1 h_minus1_1 h1_minus1 dh_minus12 h11 h_minus1_ h_minus1_1_".split()


@pytest.mark.parametrize("optimizer", ["", "optimizer adam\nsample x = 0.25, computed = 0\n"], ids=["plain", "adam"])
def test_a_network_may_use_the_words_of_the_cells(optimizer: str) -> None:
    spec = """input x
weight predicted, old, change, new
predictions = tanh(predicted * x) + old * x + change + new
target computed
loss along = (predictions - computed)^2
init predicted = 0.3, old = 0.2, change = 0.1, new = -0.4
sample x = 0.5, computed = 1
"""
    run(code(ipynb.written(derive(network_of(spec + optimizer)), "net.spec")))


def test_index_form_is_that_of_the_notes():
    source = code(ipynb.written(derivation("digits_conv"), "net.spec"))
    assert "o, i, j, u, v = np.ogrid[0:8, 0:8, 0:8, 0:3, 0:3]\n" in source
    assert "q[i + u, j + v]" in source
    assert "np.add.at(dh, (o, 2*i + u, 2*j + v), " in source
    assert "h1 = i1 * w1 + i2 * w2\n" in code(ipynb.written(derivation("two_two_one"), "net.spec"))
