"""The matrix form of a batch: what is printed, read as operations on arrays, gives the numbers of the samples."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_formats import REFUSED, needs_node, node

from codegen.formats.ipynb import written
from codegen.formulas.batches import BatchWriter, capital
from codegen.notes.document import Display, Section
from codegen.notes.lecture import Lecture
from codegen.options import Options
from codegen.sections.batches import batch_form, gradient_rows, value_rows
from codegen.sections.matrices import matrix_form
from derive.batchform import BatchForms
from derive.derivation import Derivation, derive
from derive.diagnostics import Source
from derive.formtree import Form, Letter, Sum
from derive.gradient import adjoint_name
from derive.language.build import load
from derive.network import Equation
from derive.proof import ProofError

NETS = {
    "two layers": """
        input x[3]
        h[2] = tanh(dense(x))
        y[2] = sigmoid(dense(h))
        target t[2]
        loss L = 1/2 * sum((y - t)^2)
        init W1 = [[0.1, 0.2, 0.3], [0.4, 0.5, -0.6]], b1 = [0.1, -0.2], W2 = [[1, -1], [0.5, 0.25]], b2 = [0.3, 0.7]
        sample x = [1, 2, -1], t = [0, 1]
        sample x = [0.5, -1, 3], t = [1, 1]
        sample x = [-2, 0.25, 0], t = [0, 0]
    """,
    "one output, weight decay": """
        input x[2]
        h[4] = relu(dense(x))
        y = dense(h)
        target t
        loss L = (y - t)^2 + 0.01 * sum(W1^2)
        batch sum
        init W1 = [[0.1, 0.2], [0.4, 0.5], [-0.6, 0.8], [1, -1]], b1 = 0.1, W2 = [[0.5, -0.25, 1, 2]], b2 = -0.2
        sample x = [1, 2], t = 1
        sample x = [0.5, -1], t = 2
    """,
    "weights of one's own": """
        input x[3]
        weight g[3], s, A[2, 3]
        y[i] = sum(j: A[i,j] * g[j] * x[j]) + s
        target t[2]
        loss L = sum((sin(y) - t)^2)
        init g = [1, 2, -0.5], s = 0.25, A = [[0.1, 0.2, 0.3], [0.4, 0.5, -0.6]]
        sample x = [1, 2, -1], t = [0, 1]
        sample x = [0.5, -1, 3], t = [1, 1]
    """,
    "normalised twice, dropout, weight decay": """
        input x[3]
        weight gamma[4], beta[4]
        h[4] = dropout(relu(gamma * batch_norm(linear(x), eps = 0.1) + beta), 0.5)
        g[2] = tanh(batch_norm(dense(h)))
        p[3] = softmax(dense(g))
        target t[3]
        loss L = cross_entropy(t, p) + 0.01 * l2(W1)
        init gamma = [1, 0.5, -2, 1.5], beta = [0.1, 0.3, 0.2, -0.4]
        init W1 = [[0.1, 0.2, 0.3], [0.4, 0.5, -0.6], [1, -1, 0.5], [0.7, 0.2, -0.9]]
        init W2 = [[1, -1, 0.5, 2], [0.5, 0.25, -1, 1]], b2 = [0.1, -0.3]
        init W3 = [[0.3, 0.7], [-1, 0.4], [0.2, 0.2]], b3 = [0, 0.5, -0.5]
        sample x = [1, 2, -1], t = [0, 1, 0]
        sample x = [0.5, -1, 3], t = [0, 0, 1]
        sample x = [-2, 0.25, 0.125], t = [1, 0, 0]
        sample x = [1.5, 0.75, -2], t = [0, 1, 0]
        sample x = [0.3, 0.1, 1], t = [0, 0.5, 0.5]
    """,
    "statistics of one output, summed": """
        input x[2]
        u[1] = tanh(dense(x))
        y = dense(u)
        m = mean(batch: y)
        q = mean(batch: (y - m)^2)
        s[i] = sum(batch: x[i] * y)
        target t
        loss L = ((y - m) / sqrt(q + 1) - t)^2 * exp(sum(i: s[i]^2) / 9)
        batch sum
        init W1 = [[0.1, 0.2]], b1 = 0.3, W2 = [[0.5]], b2 = -0.25
        sample x = [1, 2], t = 1
        sample x = [0.5, -1], t = 2
        sample x = [-0.25, 1.5], t = 0.5
    """,
}
COUPLED = [name for name, spec in NETS.items() if "batch_norm" in spec or "batch:" in spec]
PROFILES = ["indexed", "bishop", "cs231n", "deeplearning_ai", "mitchell"]


@cache
def derivation(name: str) -> Derivation:
    return derive(load(Source("net.spec", NETS[name])))


class Reader:
    """A formula of matrices as arrays: juxtaposition is the matrix product, ⊙ goes element by element.

    Sums and elementwise products are of arrays of one shape, or an array and a number.  ``ones`` are the lengths of
    the columns 1, one after the other.
    """

    def __init__(self, text: str, letters: dict[str, Any], sign: str, ones: tuple[int, ...] = ()) -> None:
        self.text, self.sign = text.replace("\\left", "").replace("\\right", "").replace(" ", ""), sign
        self.letters = sorted(((k.replace(" ", ""), v) for k, v in letters.items()), key=lambda kv: -len(kv[0]))
        self.place, self.ones = 0, list(ones)

    def read(self) -> Any:
        value = self.sum()
        assert self.place == len(self.text), self.text[self.place :]
        return value

    def took(self, mark: str) -> bool:
        found = self.text.startswith(mark, self.place)
        self.place += len(mark) * found
        return found

    def sum(self) -> Any:
        value = -self.elementwise() if self.took("-") else self.elementwise()
        while self.place < len(self.text) and self.text[self.place] in "+-":
            sign = 1 if self.took("+") else -int(self.took("-"))
            value = fitting(value, sign * self.elementwise(), np.add)
        return value

    def elementwise(self) -> Any:
        value = self.product()
        while self.took(self.sign):
            value = fitting(value, self.product(), np.multiply)
        return value

    def product(self) -> Any:
        value = self.power()
        while self.took("\\,") or self.took("\\cdot"):
            factor = self.power()
            value = value * factor if np.size(value) == 1 or np.size(factor) == 1 else value @ factor
        return value

    def power(self) -> Any:
        value = self.atom()
        while self.took("^{"):
            end = self.text.index("}", self.place)
            mark, self.place = self.text[self.place : end], end + 1
            if mark == "\\top":
                value = value.T
            elif mark.startswith(self.sign) or np.ndim(value) == 0:
                value = value ** float(Fraction(mark.removeprefix(self.sign)))
            else:  # of a diagonal matrix
                assert np.array_equal(value, np.diag(np.diag(value)))
                value = np.diag(np.diag(value) ** float(Fraction(mark)))
        return value

    def braces(self) -> Any:
        """What stands between braces."""
        assert self.took("{")
        value = self.sum()
        assert self.took("}")
        return value

    def atom(self) -> Any:
        for name, function in (("\\tanh", np.tanh), ("\\sin", np.sin), ("\\cos", np.cos),
                               ("\\mathrm{ReLU}", lambda z: np.maximum(z, 0)), ("\\exp", np.exp), ("\\log", np.log),
                               ("\\mathrm{diag}", np.diagflat),
                               ("\\sigma", lambda z: 1 / (1 + np.exp(-z)))):  # fmt: skip
            if self.took(f"{name}^{{2}}"):
                return function(self.atom()) ** 2
            if self.took(name):
                return function(self.atom())
        if self.took("("):
            value = self.sum()
            assert self.took(")")
            return value
        if self.took("["):
            value = self.sum()
            assert self.took(">0]")
            return (value > 0).astype(float)
        if self.took("\\mathbf{1}"):
            return np.ones((self.ones.pop(0), 1))
        for letter, value in self.letters:
            if self.took(letter):
                return value
        if self.took("\\frac"):
            return self.braces() / self.braces()
        if self.took("\\sqrt"):
            return np.sqrt(self.braces())
        if self.took("e^"):
            return np.exp(self.braces())
        match = re.compile(r"\d+(?:\.\d+)?").match(self.text, self.place)
        assert match, self.text[self.place :]
        self.place = match.end()
        return float(match[0])


def fitting(one: Any, other: Any, operation: Callable[[Any, Any], Any]) -> Any:
    """An operation on elements, where NumPy would make shapes alike that are not."""
    if np.size(one) > 1 and np.size(other) > 1 and one.shape != other.shape:
        raise ValueError
    return operation(one, other)


def arrays(lecture: Lecture, writer: BatchWriter) -> dict[str, Any]:
    """The numbers of every letter, in the shape that the notes say."""
    numbers, network = lecture.derivation.numbers, lecture.network
    assert numbers is not None
    count = len(network.samples[0]["x"] if network.coupling else network.samples)
    found: dict[str, Any] = {"N": count}
    for name in [*network.tensors, *map(adjoint_name, lecture.sweep.deltas)]:
        tensor = lecture.notation.tensors[name]
        if tensor.anonymous or tensor.role == "count" or (name == network.loss and not network.coupling):
            continue
        sign = -1 if name in lecture.notation.signs.tensors else 1
        if writer.sampled(name):
            table = np.array([sign * float(v) for s in numbers.samples for v in s[name].values()]).reshape(count, -1)
            found[writer.letter(name)] = table if writer.rows else table.T
        else:
            value = np.array([sign * float(v) for v in numbers.samples[0][name].values()]).reshape(tensor.shape)
            if name in lecture.notation.flipped:
                value = value.T
            if value.ndim == 1:
                value = value[None, :] if writer.rows else value[:, None]
            found[writer.letter(name)] = value
    return found


def evaluated(text: str, letters: dict[str, Any], sign: str, extents: tuple[int, ...]) -> Any:
    """A formula with every 1 as long as it must be; the first lengths that fit."""
    for ones in product(dict.fromkeys(extents), repeat=text.count("\\mathbf{1}")):
        try:
            return Reader(text, letters, sign, ones).read()
        except ValueError:  # shapes do not agree
            continue
    raise AssertionError(f"no shape of 1 fits in {text}")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rows", [False, True], ids=["columns", "rows"])
@pytest.mark.parametrize("name", NETS)
def test_the_matrices_have_the_numbers_of_the_samples(name: str, rows: bool, profile: str) -> None:
    lecture = Lecture(derivation(name), Options(notation=profile))
    numbers = lecture.derivation.numbers
    assert numbers is not None
    writer = BatchWriter(lecture.writer, lecture.sweep, rows)
    letters = arrays(lecture, writer)
    extents = (letters["N"], *(n for name in lecture.network.tensors for n in writer.forms.shape(name)), 1)
    values, gradients = value_rows(writer), gradient_rows(lecture, writer)
    for tensor, row in values.items():
        expected = letters[writer.letter(tensor)]
        found = evaluated(row.right, letters, writer.sign, extents)
        assert found.shape == expected.shape or found.size == expected.size == 1, row
        assert np.allclose(found, expected, rtol=1e-12), row
        if np.ndim(expected):
            sides = [
                "N" if writer.sampled(tensor) and axis != rows else str(n) for axis, n in enumerate(expected.shape)
            ]
            assert row.left.startswith("\\underset{" + " \\times ".join(sides) + "}")
    for weight, row in gradients.items():
        tensor_shape = lecture.network.tensors[weight].shape
        expected = np.array([float(v) for v in numbers.gradient[weight].values()]).reshape(tensor_shape)
        if weight in lecture.notation.flipped:
            expected = expected.T
        if expected.ndim < 2:
            expected = expected.reshape((1, -1) if rows else (-1, 1))
        found = evaluated(row.right, letters, writer.sign, extents)
        assert np.allclose(np.asarray(found).reshape(expected.shape), expected, rtol=1e-12), row
        assert np.shape(found) == expected.shape
    assert len(values) >= 2
    assert len(gradients) >= (2 if name == "weights of one's own" else len(lecture.network.weights))


def test_the_products_of_the_books() -> None:
    """deeplearning.ai, Z[1] = W[1] X + b[1] and dW = 1/m dZ Aᵀ; CS231n, scores = X W + b and dW = Xᵀ dscores."""
    ng = Lecture(derivation("two layers"), Options(notation="deeplearning_ai"))
    writer = ng.batch
    assert writer is not None
    assert not writer.rows
    assert value_rows(writer)["z1"].right == r"\mathbf{W}^{[1]}\, \mathbf{X} + \mathbf{b}^{[1]}\, \mathbf{1}^{\top}"
    assert gradient_rows(ng, writer)["W2"].right == (
        r"\frac{1}{N}\, \boldsymbol{\mathit{dZ}}^{[2]}\, \mathbf{H}^{\top}"
    )
    course = Lecture(derivation("two layers"), Options(notation="cs231n"))
    writer = course.batch
    assert writer is not None
    assert writer.rows
    assert value_rows(writer)["z1"].right == r"\mathbf{X}\, \mathbf{W}_{1} + \mathbf{1}\, \mathbf{b}_{1}"
    row = gradient_rows(course, writer)["W1"]
    assert row.right == r"\frac{1}{N}\, \mathbf{X}^{\top}\, \boldsymbol{\mathit{dZ}}_{1}"
    assert row.left == r"\underset{3 \times 2}{\frac{\partial L}{\partial \mathbf{W}_{1}}}"


def test_a_sum_over_the_batch_is_not_divided() -> None:
    lecture = Lecture(derivation("one output, weight decay"), Options(notation="bishop"))
    writer = lecture.batch
    assert writer is not None
    right = gradient_rows(lecture, writer)["W1"].right
    assert "frac" not in right
    assert r"N \cdot 0.02\, \mathbf{W}^{(1)}" in right, "the loss of every sample has the decay in it"


def test_the_numbers_of_a_small_batch_are_shown() -> None:
    lecture = Lecture(derivation("two layers"), Options())
    writer = lecture.batch
    assert writer is not None
    values, gradients = value_rows(writer), gradient_rows(lecture, writer)
    section = Section("")
    batch_form(lecture, section)
    shown = {row.left: row.right for block in section.blocks[-1:] if isinstance(block, Display) for row in block.rows}
    assert shown[r"\mathbf{X}"] == r"\begin{bmatrix} 1 & 0.5 & -2 \\ 2 & -1 & 0.25 \\ -1 & 3 & 0 \end{bmatrix}"
    assert shown[r"\mathbf{T}"] == r"\begin{bmatrix} 0 & 1 & 0 \\ 1 & 1 & 0 \end{bmatrix}"
    assert len(shown) == 2 + len(values) + len(gradients)


def test_samples_stand_as_a_notation_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('samples = "rows"\n', "utf-8")
    lecture = Lecture(derivation("two layers"), Options(notation=str(path)))
    writer = lecture.batch
    assert writer is not None
    row = value_rows(writer)["z1"]
    assert row.right == r"\mathbf{X}\, (\mathbf{W}^{(1)})^{\top} + \mathbf{1}\, \mathbf{b}^{(1)}"
    assert row.left == r"\underset{N \times 2}{\mathbf{Z}^{(1)}}"


def test_one_sample_and_clashing_letters_have_no_batch() -> None:
    one = NETS["two layers"].split("sample x = [0.5")[0]
    clash = (
        NETS["two layers"]
        .replace("input x[3]", "input x[3]\nweight X[2]")
        .replace("sum((y - t)^2)", "sum((y - t)^2) + sum(X^2)")
    )
    for text in (one, clash.replace("init W1", "init X = 1, W1")):
        assert Lecture(derive(load(Source("net.spec", text))), Options()).batch is None


def test_capitals() -> None:
    assert [capital(b) for b in ("x", "\\delta", "\\mathit{dz}", "\\mathit{score}", "\\varepsilon")] == [
        "X", "\\Delta", "\\mathit{dZ}", "\\mathit{Score}", "\\varepsilon"
    ]  # fmt: skip


@needs_node
def test_katex_and_github_take_them() -> None:
    import json

    found = []
    for name in ("two layers", *COUPLED):
        for section in matrix_form(Lecture(derivation(name), Options(colour=True))):
            for block in section.blocks:
                found += [(f"{row.left} {row.relation} {row.right}", True) for row in getattr(block, "rows", ())]
    assert len(found) > 60
    plain = [(re.sub(r"\\hue\{(\d)\}", "", formula), True) for formula, _ in found]
    assert not any(REFUSED.search(formula) for formula, _ in plain)
    assert node("katex.mjs", stdin=json.dumps(plain)) == []


def test_what_samples_have_in_common_goes_back_into_each() -> None:
    """Ioffe and Szegedy 2015, page 4, in matrices: means are products with 1, and 1ᵀ takes them back to the samples."""
    lecture = Lecture(derivation("normalised twice, dropout, weight decay"))
    assert lecture.batch is not None
    rows, centred = value_rows(lecture.batch), r"(\mathbf{Z}^{(2)} - \boldsymbol{\mu}^{(2)}\, \mathbf{1}^{\top})"
    spread = r"\mathrm{diag}(0.00001 + \mathbf{v}^{(2)})^{-1/2}"
    assert rows["mu2"].right == r"\frac{1}{N}\, \mathbf{Z}^{(2)}\, \mathbf{1}"
    assert rows["v2"].right == rf"\frac{{1}}{{N}}\, {centred}^{{\odot 2}}\, \mathbf{{1}}"
    assert rows["z3"].right == rf"{spread}\, {centred}"
    assert rows["∂z2"].right == (
        rf"\frac{{2}}{{N}}\, \mathrm{{diag}}(\boldsymbol{{\delta}}^{{v^{{(2)}}}})\, {centred} "
        r"+ \frac{1}{N}\, \boldsymbol{\delta}^{\mu^{(2)}}\, \mathbf{1}^{\top} "
        rf"+ {spread}\, \boldsymbol{{\Delta}}^{{z^{{(3)}}}}"
    )
    assert rows["L"].right == (
        r"0.01\, \mathbf{1}^{\top}\, (\mathbf{W}^{(1)})^{\odot 2}\, \mathbf{1} "
        r"- \frac{1}{N}\, \mathbf{1}^{\top}\, (\mathbf{T} \odot \log(\mathbf{P}))\, \mathbf{1}"
    )


@pytest.mark.parametrize("name", NETS)
def test_the_proof_covers_the_matrices_of_a_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proved before anything is printed; a form that is read wrongly ends in an error."""
    checks = {c.name: c for c in derivation(name).proof.checks}
    assert checks["batch form"].comparisons >= 4 * 2 * 2 * len(derivation(name).network.weights)
    assert ("vector form" in checks) is (name not in COUPLED)
    assert checks["batch form"].holds
    gradient, access = BatchForms.gradient, BatchForms._access

    def wrong(self: BatchForms, eq: Equation, mean: bool) -> Form | None:
        form = gradient(self, eq, mean if self.coupling else not mean)
        return Sum(((True, form),)) if form is not None and self.coupling else form

    monkeypatch.setattr(BatchForms, "gradient", wrong)
    with pytest.raises(ProofError, match="batch form"):
        derive(load(Source("net.spec", NETS[name])))
    monkeypatch.setattr(BatchForms, "gradient", gradient)
    if name == "weights of one's own":
        return  # no matrix of it is multiplied

    def turned(self: BatchForms, *place: Any) -> Any:
        form = access(self, *place)
        weight = isinstance(form, Letter) and self.tensors[form.tensor].role == "weight"
        return Letter(form.tensor, not form.turned) if weight else form

    monkeypatch.setattr(BatchForms, "_access", turned)
    with pytest.raises(ProofError, match=r"do not go together|batch form"):
        derive(load(Source("net.spec", NETS[name])))


@pytest.mark.parametrize("profile", ["bishop", "cs231n"])
@pytest.mark.parametrize("name", [*NETS, "no samples"])
def test_a_notebook_carries_out_the_matrices(name: str, profile: str) -> None:
    """In NumPy, held against the samples one by one; a wrong product does not pass."""
    spec = re.sub(r"(init|sample) .*", "", NETS["two layers"]) if name == "no samples" else NETS[name]
    found = derive(load(Source("net.spec", spec))) if name == "no samples" else derivation(name)
    cells = [c.source for c in written(found, "net.spec", Options(notation=profile)).cells if c.cell_type == "code"]
    coupled = found.network.coupling is not None
    (batch,) = (c for c in cells if ("def in_matrices(" if coupled else "N = len(batch)") in c)
    arrays = len(found.network.weights) - (name == "weights of one's own")
    assert batch.count("assert") == 1 + (1 if coupled else arrays)  # and the updates
    before: dict[str, Any] = {}
    exec("\n".join(cells[: cells.index(batch)]), before)
    exec(batch, dict(before))
    share = "(1 / N) * " if coupled else "1 / N * " if found.network.batch != "sum" else "N * "
    for right, wrong in ((" @ ", " @ -"), (share, "")):
        assert right in batch
        with pytest.raises((AssertionError, ValueError)):
            exec(batch.replace(right, wrong), dict(before))
