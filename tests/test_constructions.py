"""Convolutions, attention and their kin: derivatives and trainers against automatic differentiation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
from autograd import grad
from constructions import CONSTRUCTIONS
from oracles import automatic, derived, draw, imported, network_of, sweep_of

from codegen.numbering import PlainText
from codegen.trainer.module import render
from derive.derivation import derive

NAMES = list(CONSTRUCTIONS)
#: Compiling takes some ten seconds a network; the others run as plain Python.
COMPILED = {"two-dimensional convolution with maximum pooling"}


def module_of(spec: str, path: Path) -> ModuleType:
    path.write_text(render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name="net_trainer"))
    return imported(path)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModuleType]:
    folder = tmp_path_factory.mktemp("constructions")

    def build(name: str) -> ModuleType:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(numba.config, "DISABLE_JIT", name not in COMPILED)
            return module_of(CONSTRUCTIONS[name].spec, folder / f"construction_{NAMES.index(name)}_trainer.py")

    return build


def agree(found: Any, expected: Any, tolerance: float) -> None:
    for name, derivative in expected.items():
        scale = max(np.abs(derivative).max(), 1e-3)
        np.testing.assert_allclose(found[name], derivative, rtol=tolerance, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_agree_with_automatic_differentiation(name):
    case = CONSTRUCTIONS[name]
    network = network_of(case.spec)
    data = {**draw(network, seed=3), **case.fixed}
    loss, gradients = derived(case.spec, data)
    expected_loss, expected = automatic(network, case.loss, data)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    agree(gradients, expected, 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_trainers_agree_with_automatic_differentiation(make, name):
    case = CONSTRUCTIONS[name]
    module = make(name)
    rng = np.random.default_rng(5)
    samples = 3
    X, y = module.random_data(rng, samples)
    weights = {name: np.array(rng.standard_normal(shape) / 2) for name, shape in module.WEIGHTS.items()}

    def loss(w: Any) -> Any:
        return sum(case.loss({**w, **{k: v[n] for k, v in {**X, **y}.items()}}) for n in range(samples)) / samples

    assert module.loss(weights, X or None, y or None) == pytest.approx(float(loss(weights)), rel=1e-12)
    agree(module.gradient(weights, X or None, y or None), grad(loss)(weights), 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = derive(network_of(CONSTRUCTIONS[name].spec)).proof
    assert all(check.holds for check in proof.checks)


WORDS = """
size V = 10000
input w[6]
weight E[V, 16]
h = mean(t: E[w[t]])
p[2] = softmax(dense(h))
target k
loss L = -log(p[k])
"""


def test_a_large_vocabulary_is_never_gone_through():
    text = render(network_of(WORDS), sweep_of(WORDS), spec_name="net.spec", module_name="net_trainer")
    assert "int(w[n, t]) - 1" in text
    assert "range(10000)" not in text


def test_words_are_learned_and_places_that_are_none_refused(tmp_path):
    """The class of a text is that of most of its words: even ones and odd ones."""
    module = module_of(WORDS, tmp_path / "words_trainer.py")
    rng = np.random.default_rng(0)
    w = rng.integers(1, 101, (400, 6))
    k = 1 + (np.sum(w % 2, axis=1) > 3)
    trainer = module.Trainer(solver="sgd", learning_rate_init=1.0, max_iter=60).fit(w, k)
    assert np.mean(trainer.predict(w).argmax(axis=1) + 1 == k) > 0.97
    for wrong, message in ((0, "from 1 to 10000, not 0 as in row 7"), (10001, "not 10001"), (1.5, "not 1.5")):
        spoiled = w.astype(float)
        spoiled[7, 2] = wrong
        with pytest.raises(ValueError, match=message):
            trainer.predict(spoiled)
        with pytest.raises(ValueError, match=message):
            trainer.fit(spoiled, k)
    with pytest.raises(ValueError, match="y must hold whole numbers from 1 to 2"):
        trainer.fit(w, k - 1)


PAGE = (Path(__file__).parent.parent / "docs" / "constructions.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```spec\n(.*?)```", PAGE, re.DOTALL)
TITLES = [f"{number}: {snippet.splitlines()[0]}" for number, snippet in enumerate(SNIPPETS, 1)]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=TITLES)
def test_every_specification_of_the_page_runs(snippet):
    network = network_of(snippet)
    proof = derive(network).proof
    assert proof.checks
    assert all(check.holds for check in proof.checks)
    render(network, sweep_of(snippet), spec_name="net.spec", module_name="net_trainer")


def test_the_page_has_every_construction():
    assert len(SNIPPETS) == 10


def test_a_class_by_its_number_gives_the_difference_of_probabilities():
    spec = "input x[3]\np[4] = softmax(dense(x))\ntarget k\nloss L = -log(p[k])\n"
    adjoint = sweep_of(spec).adjoints["z1"]
    assert str(adjoint.closed) == "-Equal(k, i) + p[i]"
    assert "choice" in adjoint.rules
    text = render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name="net_trainer")
    assert "log(p[n" not in text, "the logarithm of a softmax has a safe form"


def test_notes_write_the_chosen_element():
    network, swept = (
        network_of(CONSTRUCTIONS["embedding of words"].spec),
        sweep_of(CONSTRUCTIONS["embedding of words"].spec),
    )
    assert any("e[t,i] = E[w[t],i] + P[t,i]" in line for line in map(PlainText(network, swept), network.flat_equations))
