"""Masks and dropout: in the language, in the derivation, in the numbers, in trainers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import sympy
from autograd import grad
from oracles import Data, automatic, derived, draw, network_of
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from test_trainer import compiled, softmax_loss

from codegen import report
from codegen.formats import ipynb
from codegen.notes import compose as notes
from derive.derivation import derive

SPEC = """
    input x[3]
    mask m[3] = 0.1
    h[6] = dropout(tanh(dense(m * x)), 0.25)
    p[2] = softmax(dense(h))
    target t[2]
    loss L = cross_entropy(t, p)
"""
BY_HAND = """
    input x[3]
    mask m[3] = 0.1
    mask M1[6] = 0.25
    u1[6] = tanh(dense(m * x))
    h = u1 * M1
    p[2] = softmax(dense(h))
    target t[2]
    loss L = cross_entropy(t, p)
"""
SMALL = """
    input x[2]
    h[2] = dropout(tanh(dense(x)), 0.2)
    y = linear(h)
    target t
    loss L = 1/2 * (y - t)^2
    init W1 = [[0.3, 0.1], [-0.2, 0.4]], b1 = 0, W2 = [0.5, -0.6]
"""


def loss(d: Data) -> Any:
    """The mean over the samples; a single one may have no axis of its own."""
    x, t, m, dropped = (anp.atleast_2d(d[name]) for name in ("x", "t", "m", "M1"))
    h = dropped * anp.tanh((m * x) @ d["W1"].T + d["b1"])
    return softmax_loss(h @ d["W2"].T + d["b2"], t)


# Language and derivation --------------------------------------------------------------------------------------


def test_masks_are_tensors_with_a_probability():
    network = network_of(SPEC)
    assert {t.name: t.shape for t in network.of_role("mask")} == {"m": (3,), "M1": (6,)}
    assert network.masks == {"m": sympy.Rational(1, 10), "M1": sympy.Rational(1, 4)}
    assert network.outputs == ("p",)


def test_dropout_is_a_product_with_a_mask_of_its_own():
    made, written = network_of(SPEC), network_of(BY_HAND)
    assert [str(eq) for eq in made.flat_equations] == [str(eq) for eq in written.flat_equations]


def test_masks_count_from_one_wherever_they_are_made():
    spec = "define block(h, p) = dropout(dropout(h, p), 1/2)\n weight w\n y = block(w, 1/3) + dropout(w, 0)\n loss y^2"
    assert network_of(spec).masks == {f"M{n}": sympy.Rational(*p) for n, p in ((1, (1, 3)), (2, (1, 2)), (3, (0, 1)))}


def test_mask_is_a_name_too():
    network = network_of("input mask[2]\n weight w[2]\n y = sum(mask * w)\n loss y^2")
    assert network.tensors["mask"].role == "input"
    network = network_of("mask mask[2] = 1/2\n weight w[2]\n mask2[i] = mask[i] * w[i]\n loss sum(mask2^2)")
    assert network.tensors["mask"].role == "mask"


@pytest.mark.parametrize("seed", range(3))
def test_derivatives_agree_with_automatic_differentiation(seed):
    data = draw(network_of(SPEC), seed)
    value, gradients = derived(SPEC, data)
    expected, by_hand = automatic(network_of(SPEC), loss, data)
    assert value == pytest.approx(expected, rel=1e-12)
    for name, derivative in by_hand.items():
        np.testing.assert_allclose(gradients[name], derivative, rtol=1e-9, atol=1e-12)


def test_numbers_take_the_mask_of_the_sample_or_its_mean():
    one = "sample x = [1, 2], t = 1"
    found = {}
    for mask in ("", ", M1 = [0, 5/4]"):
        numbers = derive(network_of(f"{SMALL}\n{one}{mask}")).numbers
        h = [float(v) for v in numbers.samples[0]["h"].values()]
        found[mask] = h
        assert float(numbers.loss_after) < float(numbers.loss)
    u = np.tanh([0.5, 0.6])
    np.testing.assert_allclose(found[""], u, rtol=1e-15)
    np.testing.assert_allclose(found[", M1 = [0, 5/4]"], [0, 1.25 * u[1]], rtol=1e-15)


def test_notes_and_json_tell_of_the_mask():
    derivation = derive(network_of(f"{SMALL}\nsample x = [1, 2], t = 1, M1 = [0, 1.25]"))
    text = notes.render(derivation, "net.spec")
    assert "is $0$ with probability $0.2$ and $1.25$ otherwise" in " ".join(text.split())
    assert "M_{1}^{(1)} = 0$" in text.replace("M^{(1)}_{1}", "M_{1}^{(1)}")
    assert "\\mathbf{M}^{(1)} \\odot" in text or "\\odot \\mathbf{M}^{(1)}" in text
    machine = json.loads(report.render(derivation, "net.spec"))
    assert machine["network"]["masks"] == {"M1": 0.2}
    assert machine["values"]["M1"] == [0, 1.25]


# Trainers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def module(import_trainer: Callable[[str, str], ModuleType]) -> ModuleType:
    return import_trainer(SPEC, "dropout")


def random_masks(module: ModuleType, samples: int, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.random((samples, *shape)) >= p) / (1 - p)
        for (name, shape), p in zip(module.MASKS.items(), module.DROPPED.values(), strict=True)
    }


def data_for(module: ModuleType, samples: int) -> tuple[Data, Any, Any]:
    rng = np.random.default_rng(5)
    weights = {name: rng.standard_normal(shape) for name, shape in module.WEIGHTS.items()}
    X, y = module.random_data(rng, samples)
    return weights, X["x"], y["t"]


@pytest.mark.parametrize("samples", [1, 7, 300])
def test_gradients_of_the_trainer(module, samples):
    weights, X, y = data_for(module, samples)
    for masks in (random_masks(module, samples), None):
        given = masks or {"m": np.ones((samples, 3)), "M1": np.ones((samples, 6))}
        expected = grad(lambda w, given=given: loss({**w, "x": X, "t": y, **given}))(weights)
        assert module.loss(weights, X, y, masks) == pytest.approx(loss({**weights, "x": X, "t": y, **given}), rel=1e-12)
        found = module.gradient(weights, X, y, masks)
        for name, derivative in expected.items():
            np.testing.assert_allclose(found[name], derivative, rtol=1e-9, atol=1e-13)


def drawn(module: ModuleType, rows: Any, seed: int, epoch: int, dtype: Any = np.float64) -> Data:
    """The masks that the trainer draws for these rows of the data in an epoch."""
    batch = module.minibatch(len(rows), np.zeros(1, dtype))
    compiled(module, "draw")(np.asarray(rows), 0, len(rows), seed, epoch, batch)
    return dict(zip(module.MASKS, batch[-len(module.MASKS) :], strict=True))


def test_steps_equal_those_by_hand(module):
    """Two epochs of three minibatches, the last one ragged, with the masks as drawn."""
    _, X, y = data_for(module, 11)
    w = {k: v.copy() for k, v in module.unpacked(module.initial(9, np.float64)).items()}
    losses = []
    for epoch in range(2):
        total = 0.0
        for start in range(0, 11, 4):
            rows = np.arange(start, min(start + 4, 11))
            given = {"x": X[rows], "t": y[rows], **drawn(module, rows, 9, epoch)}
            total += float(loss({**w, **given})) * len(rows)
            g = grad(lambda w, given=given: loss({**w, **given}))(w)
            w = {k: w[k] - 0.3 * g[k] for k in w}
        losses.append(total / 11)
    trainer = module.Trainer("sgd", 0.3, batch_size=4, max_iter=2, shuffle=False, dtype="float64", random_state=9)
    trainer.fit(X, y)
    np.testing.assert_allclose(trainer.loss_curve_, losses, rtol=1e-12)
    for k in w:
        np.testing.assert_allclose(trainer.weights_[k], w[k], rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(trainer.predict_proba(X), module.forward(trainer.weights_, X))
    assert module.loss(trainer.weights_, X, y) != trainer.loss_


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_masks_hold_zeros_as_often_as_said(module, dtype):
    masks = drawn(module, np.arange(20_000), 3, 1, dtype)
    for name, p in module.DROPPED.items():
        assert masks[name].dtype == dtype
        assert set(np.unique(masks[name])) == {dtype(0), dtype(1 / (1 - p))}
        share = (masks[name] == 0).mean(axis=0)
        assert np.abs(share - p).max() < 5 * np.sqrt(p * (1 - p) / 20_000)
    dropped = [np.hstack([masks["m"], masks["M1"]])[k:] == 0 for k in (0, 1)]
    together = np.corrcoef(np.hstack([dropped[0][:-1], dropped[1]]), rowvar=False)
    assert np.abs(together - np.eye(18)).max() < 0.04


def test_masks_depend_on_seed_epoch_and_sample_alone(module):
    rows = np.arange(40)
    whole = drawn(module, rows, 3, 1)["M1"]
    np.testing.assert_array_equal(drawn(module, rows[::-1], 3, 1)["M1"], whole[::-1])
    np.testing.assert_array_equal(drawn(module, rows[30:], 3, 1)["M1"], whole[30:])
    for other in (drawn(module, rows, 3, 2), drawn(module, rows, 4, 1), drawn(module, rows + 40, 3, 1)):
        assert (other["M1"] != whole).mean() > 0.2


def test_equal_seeds_give_equal_bits(module):
    _, X, y = data_for(module, 50)
    run = [module.Trainer(max_iter=5, random_state=s).fit(X, y) for s in (3, 3, 4)]
    assert run[0].loss_curve_ == run[1].loss_curve_ != run[2].loss_curve_
    steps = module.Trainer(random_state=3)
    for _ in range(5):
        steps.partial_fit(X, y)
    assert steps.loss_curve_ == run[0].loss_curve_


def test_wrong_masks_are_refused(module):
    weights, X, y = data_for(module, 4)
    for masks, message in (
        ({"m": np.ones((4, 3))}, "masks has no M1"),
        ({"m": np.ones((3, 3)), "M1": np.ones((4, 6))}, "numbers of samples differ: 3 and 4"),
        ({"m": np.ones((4, 2)), "M1": np.ones((4, 6))}, r"masks\['m'\] has 2 features; this network reads 3"),
    ):
        with pytest.raises(ValueError, match=message):
            module.gradient(weights, X, y, masks)


def test_digits_are_learned_with_dropout(import_trainer):
    spec = """
        input x[64]
        h[64] = dropout(relu(dense(dropout(x, 0.1))), 0.2)
        p[10] = softmax(dense(h))
        target t[10]
        loss L = cross_entropy(t, p)
    """
    X, y = load_digits(return_X_y=True)
    a, b, c, d = train_test_split(X / 16, y, test_size=0.2, random_state=0, stratify=y)
    trainer = import_trainer(spec, "digits_dropout").Trainer().fit(a, c)
    assert trainer.score(b, d) >= 0.97


def test_a_notebook_draws_a_mask_as_the_text_says() -> None:
    """Both numbers of the sentence stand in the first cell, and no other ones would do."""
    found = derive(network_of(SMALL.replace("0.2)", "1/5)")))
    cells = ipynb.written(found, "net.spec").cells
    said = next(c.source for c in cells if "Mask: " in c.source)
    zero, otherwise = re.search(r"is \$0\$ with probability \$([\d.]+)\$ and \$([\d.]+)\$ otherwise", said).groups()
    first = next(c.source for c in cells if c.cell_type == "code")
    lines = [line for line in first.splitlines() if "drawn_M1" in line or f"* {otherwise}" in line]
    assert len(lines) == 4
    start = "import numpy as np\n"
    exec(start + "\n".join(lines), {})
    for right, wrong in ((f"< {zero},", "< 0.25,"), (f"0.0, {otherwise})", "0.0, 1.3)"), (f"* {otherwise}", "* 1.3")):
        changed = "\n".join(lines).replace(right, wrong)
        assert changed != "\n".join(lines)
        with pytest.raises(AssertionError):
            exec(start + changed, {})
