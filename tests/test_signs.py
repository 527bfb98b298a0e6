"""δ of the other sign: every formula, number and matrix keeps its meaning, and weights take a step w + η δ x."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from chains import chain, rows, true_chain
from oracles import example
from test_notes import SPECS, digits_agree, plain

from codegen.formulas.notation import Notation
from codegen.formulas.signs import Signs, opposite
from codegen.notes import compose as notes
from codegen.notes.lecture import Lecture
from codegen.options import Options
from codegen.sections.matrices import matrix_rows
from derive.derivation import Derivation, derive
from derive.diagnostics import Source
from derive.evaluate import Values, compile_scalar, context
from derive.expressions import Access
from derive.gradient import adjoint_name
from derive.language.build import load
from derive.network import flatten
from derive.numbers import at
from derive.scalars import adjoint
from derive.steps import Partial, Product, Summed, Total, delta_elements

MINUS = Options(notation="mitchell")
NAMES = ["two_two_one", "relu_two_two", "several samples", "3-3-3", "recurrence with numbers", "momentum, indexed"]


@cache
def derivation(name: str) -> Derivation:
    return derive(load(Source("net.spec", SPECS[name] if name in SPECS else example(name))))


@cache
def tex(name: str) -> str:
    return notes.render(derivation(name), "net.spec", MINUS)


@pytest.mark.parametrize("name", NAMES)
def test_every_chain_of_numbers_is_true(name: str) -> None:
    assert sum(map(true_chain, rows(tex(name)))) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_of_every_delta_are_minus_the_derivatives(name: str) -> None:
    found = derivation(name)
    notation, numbers = Notation(found.network, found.sweep, "mitchell"), found.numbers
    assert numbers is not None
    section = next(part for part in tex(name).split("\\section{") if part.startswith("The numbers: derivatives"))
    shown = {plain(chain(line)[0][1]): chain(line)[-1][1] for line in rows(section)}
    compared, loss = 0, notation.names[found.network.loss].latex()
    for d in found.sweep.deltas:
        for delta in map(adjoint, delta_elements(found.scalars, d)):
            text = shown.get(plain(notation.latex(delta)))
            if text is not None:
                assert digits_agree(text, -at(numbers.samples[0], delta))
                compared += 1
    assert compared or not found.sweep.deltas
    for weight in (e for w in found.network.weights for e in w.elements()):
        text = shown[plain(f"\\frac{{\\partial {loss}}}{{\\partial {notation.latex(weight)}}}")]
        assert digits_agree(text, at(numbers.samples[0], adjoint(weight)))


@pytest.mark.parametrize("name", [*NAMES, "attention", "softmax"])
def test_every_formula_keeps_its_value(name: str) -> None:
    """What is printed, put in numbers: the right side of δ is minus the derivative, that of a weight the derivative."""
    found = derivation(name)
    signs = Signs(map(adjoint_name, found.sweep.deltas))
    values = _values(found)
    turned = signs.values(values)
    compared = 0
    for eq in flatten(found.sweep.equations):
        index = dict.fromkeys((*eq.free, *eq.reduce), 1)
        here = eq.body.xreplace({s: eq.ranges[s][0] for s in index}) if index else eq.body
        defined = signs.definition(eq)
        other = defined.body.xreplace({s: eq.ranges[s][0] for s in index}) if index else defined.body
        try:
            before = compile_scalar(here)({}, values)
        except (KeyError, ZeroDivisionError):
            continue
        sign = -1 if eq.lhs.tensor in signs.tensors else 1
        assert abs(compile_scalar(other)({}, turned) - sign * before) < 1e-30
        compared += 1
    assert compared


def _values(found: Derivation) -> Values:
    """A number for every element of every tensor, the derivatives among them."""
    tensors = {**found.network.tensors, **found.sweep.tensors}
    return {
        name: {tuple(map(int, e.indices)): context.mpf(k % 7 + 1) / (n % 5 + 3) for k, e in enumerate(t.elements())}
        for n, (name, t) in enumerate(tensors.items())
    }


def test_a_step_along_delta() -> None:
    """Mitchell 1997, chapter 4: δ = −∂E/∂net and w ← w + η δ x; a difference t − o leads each of them."""
    text = notes.render_markdown(derivation("two_two_one"), "net.spec", MINUS)
    assert r"\delta = -\frac{\partial \mathit{Error}}{\partial \mathit{prediction}} &= \mathit{actual} - " in text
    assert r"w_{2,12} &\leftarrow w_{2,12} + \eta\, \delta\, h_{2}" in text.replace(" a\\, ", r" \eta\, ")
    assert r"\frac{\partial \mathit{Error}}{\partial w_{2,12}} &= -\delta\, h_{2} = -0.7829 \cdot 0.31" in text
    assert "minus the derivative $-\\partial" in text
    assert not re.search(r"[-+] *\(?-\\delta", text)


def test_matrices_have_the_sign_too() -> None:
    shown = {row.left: row.right for row in matrix_rows(Lecture(derivation("3-3-3"), MINUS))}
    left = next(left for left in shown if left.startswith(r"\boldsymbol{\delta}"))
    assert shown[left].startswith(r"\mathbf{t} - \mathbf{y}")
    gradients = [right for left, right in shown.items() if left.startswith("\\frac")]
    assert gradients
    assert all(right.startswith("-\\boldsymbol{\\delta}") or "- \\boldsymbol{\\delta}" in right for right in gradients)


def test_without_a_minus_nothing_is_touched() -> None:
    found = derivation("two_two_one")
    signs = Signs()
    for eq in flatten(found.sweep.equations):
        assert signs.definition(eq) is eq
    line = next(iter(found.lines.values())).steps[0].after
    assert signs.line(line) is line
    assert notes.render(found, "net.spec", Options(notation="bishop")) != tex("two_two_one")


def test_signs_meet_in_products() -> None:
    delta, w, x = Access("∂z"), Access("w"), Access("x")
    mirrored, signs = Access(opposite("∂z")), Signs({"∂z"})
    step = Partial(Access("z"), w)
    assert signs.line(Product((delta, step))) == Product((-1, mirrored, step))
    assert signs.defining(Product((delta, step))) == Product((mirrored, step))
    assert signs.defining(Total((delta, x))) == Product((-1, Total((-mirrored, x))))
    assert signs.line(Summed(Product((-delta, step)), ())) == Summed(Product((mirrored, step)), ())
    assert signs.expression(w - delta * x) == w + mirrored * x
    assert signs.expression(signs.expression(delta)) == -mirrored


def test_a_profile_of_ones_own_may_say_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('sign = "minus"\n', "utf-8")
    text = notes.render_markdown(derivation("two_two_one"), "net.spec", Options(notation=str(path)))
    assert r"+ a\, \delta\, h_{2}" in text


def test_signs_of_sums_meet() -> None:
    """-(sum of -δ w) is the sum of δ w: in indices, element by element and as matrices."""
    text = notes.render_markdown(derivation("3-3-3"), "net.spec", MINUS)
    assert r"&= \left(\sum_{j=1}^{3} \delta^{y}_{j}\, w_{2,ji}\right)\, (1 - h_{i}^{2})" in text
    sums = r"(\delta^{y}_{1}\, w_{2,11} + \delta^{y}_{2}\, w_{2,21} + \delta^{y}_{3}\, w_{2,31})\, (1 - h_{1}^{2})"
    assert text.count(f"&= {sums}") == 2, "the last line of its steps, and before numbers are put in"
    shown = {row.left: row.right for row in matrix_rows(Lecture(derivation("3-3-3"), MINUS))}
    delta = r"(\mathbf{w}_{2}^{\top}\, \boldsymbol{\delta}^{y}) \odot (1 - \mathbf{h}^{\odot 2})"
    assert shown[r"\boldsymbol{\delta}^{\mathit{net}_{1}}"] == delta
