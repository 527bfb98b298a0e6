"""The matrix form of one sample: whole vectors, at every time of a recurrence; printed, proved and computed."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from oracles import network_of

from codegen.formats.ipynb import written
from codegen.notes.lecture import Lecture
from codegen.options import Options
from codegen.sections.matrices import matrix_rows
from derive.derivation import Derivation, derive
from derive.formtree import Form, Letter
from derive.proof import ProofError
from derive.vectorform import VectorForms

SPECS = {
    "state": """input x[T, 3]
size T = 4
h[t, 2] = tanh(dense(x[t]) + linear(h[t-1]))
y = dense(h[T])
target r
loss L = 1/2 * (y - r)^2 + 0.01 * l2(W2)
""",
    "outputs": """input x[3, 2]
target r[3]
weight v[4], c[1]
h[t, 4] = relu(dense(x[t]) + linear(h[t-1]))
s[t] = sum(i: v[i] * h[t, i]) * c[1]
loss L = sum(t: (s[t] - r[t])^2)
""",
    "rows of one's own": """input x[3]
weight W[2, 3], a[2]
h[i] = sigmoid(sum(j: W[i, j] * x[j]))
y = sum(i: a[i] * h[i]^2) - 2 * a[1]
target t
loss L = log(cosh(y - t)) + sum(W^2)
""",
}


@cache
def derivation(name: str) -> Derivation:
    return derive(network_of(SPECS[name]))


def shown(name: str, profile: str = "indexed") -> dict[str, str]:
    return {row.left: row.right for row in matrix_rows(Lecture(derivation(name), Options(notation=profile)))}


def test_a_state_and_what_goes_back_through_time() -> None:
    """δ at a time is what comes from the prediction, at the last, and from the time after, at the others."""
    rows = shown("state")
    state, delta = r"\mathbf{h}_{t-1}", r"\boldsymbol{\delta}^{z^{(1)}}_{t+1}"
    assert rows[r"\mathbf{z}^{(1)}_{t}"] == (
        rf"\mathbf{{W}}^{{(1)}}\, \mathbf{{x}}_{{t}} + \mathbf{{b}}^{{(1)}} + \mathbf{{W}}^{{(2)}}\, {state}"
    )
    last, before = r"\delta^{y}\, (\mathbf{W}^{(3)})^{\top}", rf"(\mathbf{{W}}^{{(2)}})^{{\top}}\, {delta}"
    assert rows[r"\boldsymbol{\delta}^{h}_{t}"] == rf"[t = 4]\, {last} + [t < 4]\, {before}"
    assert rows[r"\frac{\partial L}{\partial \mathbf{W}^{(2)}}"] == (
        rf"\sum_{{t=1}}^{{4}} {delta.replace('t+1', 't')}\, {state}^{{\top}} + 0.02\, \mathbf{{W}}^{{(2)}}"
    )
    assert rows[r"\frac{\partial L}{\partial \mathbf{W}^{(3)}}"] == r"\delta^{y}\, \mathbf{h}_{4}^{\top}"


def test_numbers_of_a_sequence_and_elements() -> None:
    rows = shown("outputs")
    assert rows["s_{t}"] == r"c_{1}\, \mathbf{v}^{\top}\, \mathbf{h}_{t}"
    assert rows["L"] == r"\sum_{t=1}^{3} (s_{t} - r_{t})^{2}"
    rows = shown("rows of one's own")
    assert rows["y"] == r"\mathbf{a}^{\top}\, \mathbf{h}^{\odot 2} - 2\, a_{1}"
    assert r"\sum" not in "".join(rows.values())


def test_what_has_no_matrix_form_is_taken_from_above() -> None:
    """The first state is a maximum: the others are computed anew, into an array of their own."""
    spec = """size T = 4
input x[3], u[T]
target r
weight w
h[0] = max(i: x[i]) * w
h[t] = tanh(w * h[t-1] + u[t])
y = dense(x) * h[T]
loss L = (y - r)^2
"""
    found = derive(network_of(spec))
    cells = [c.source for c in written(found, "n.spec").cells if c.cell_type == "code"]
    source = next(c for c in cells if c.startswith("def column(a)"))
    before: dict[str, Any] = {}
    exec("\n".join(cells[: cells.index(source)]), before)
    exec(source, before)
    (line,) = (line for line in source.splitlines() if line.strip().startswith("h[t + 1] = "))
    with pytest.raises(AssertionError):
        exec(source.replace(line, f"{line} * 1.01"), before)


@pytest.mark.parametrize("profile", ["indexed", "cs231n", "ufldl"])
@pytest.mark.parametrize("name", SPECS)
def test_a_notebook_computes_the_vectors(name: str, profile: str) -> None:
    """Anew, in NumPy; no operation of it can be another one unnoticed."""
    options = Options(notation=profile)
    cells = [c.source for c in written(derivation(name), "n.spec", options).cells if c.cell_type == "code"]
    source = next(c for c in cells if c.startswith("def row(a)" if profile == "cs231n" else "def column(a)"))
    before: dict[str, Any] = {}
    exec("\n".join(cells[: cells.index(source)]), before)
    exec(source, dict(before))
    body = source[source.index("def in_matrices") : source.index("    return [")]
    lines = [line for line in body.splitlines() if " = " in line and "np.zeros" not in line]
    assert len(lines) >= 5
    for line in lines:
        left, right = line.split(" = ", 1)
        with pytest.raises((AssertionError, ValueError)):
            exec(source.replace(line, f"{left} = 1.01 * ({right}) + 0.001"), dict(before))


def test_gru() -> None:
    """Every gate, the state and all gradients, by the formulas that the notes print."""
    from test_notebook import derivation as example

    found = example("gru")
    (source,) = (c.source for c in written(found, "gru.spec").cells if c.source.startswith("def column(a)"))
    for statement in (
        "z5[t] = W5 @ x[t] + b5 + W6 @ m[t]",
        "h[t + 1] = u[t] * h[t] + (1 - u[t]) * g[t]",
        "dz3[t] = (W6.T @ dz5[t]) * h[t] * r[t] * (1 - r[t])",
        "dW4 = sum(dz3[t] @ h[t].T for t in range(0, 20))",
    ):
        assert statement in source
    assert len(re.findall(r"^    dW\d = ", source, re.MULTILINE)) == 7


@pytest.mark.parametrize("name", SPECS)
def test_the_proof_covers_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read wrongly ends in an error: a transposed weight, the state at another time."""
    check = next(c for c in derivation(name).proof.checks if c.name == "vector form")
    assert check.holds
    assert check.comparisons > 20
    read = VectorForms._letter

    def turned(self: VectorForms, *place: Any) -> Form | None:
        form = read(self, *place)
        matrix = isinstance(form, Letter) and len(self.tensors[form.tensor].shape) == 2 and form.time is None
        return replace(form, turned=not form.turned) if matrix else form

    def later(self: VectorForms, *place: Any) -> Form | None:
        form = read(self, *place)
        past = isinstance(form, Letter) and form.time is not None and form.time.is_Add and form.tensor == "h"
        return replace(form, time=form.time + 1) if past else form

    for wrong in (turned, later) if "t-1" in SPECS[name] else (turned,):
        monkeypatch.setattr(VectorForms, "_letter", wrong)
        with pytest.raises(ProofError, match=r"do not go together|vector form"):
            derive(network_of(SPECS[name]))
