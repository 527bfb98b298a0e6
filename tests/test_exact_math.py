"""``math="exact"``: kernels with the library's elementary functions instead of the module's own."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
from oracles import trainer_of

from codegen.resources import environment
from codegen.trainer import vectormath

SPEC = "input x\nweight w\ny = tanh(w * x)\ntarget t\nloss L = (y - t)^2\ninit w = 0.7"
X = np.random.default_rng(0).normal(size=(500, 1))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return trainer_of(SPEC, tmp_path_factory.mktemp("exact"))


def test_predictions_have_the_bits_of_the_c_library(net):
    y = np.sin(X[:, 0])
    found = {}
    for kind in ("fast", "exact"):
        trainer = net.Trainer(max_iter=3, dtype="float64", math=kind).fit(X, y)
        w = float(trainer.weights_["w"])
        library = [math.tanh(w * x) for x in X[:, 0]]
        found[kind] = w, trainer.predict(X) == library, trainer.predict(X), library
    assert found["exact"][1].all()
    assert not found["fast"][1].all(), "no difference: this test could not fail"
    np.testing.assert_allclose(found["fast"][2], found["fast"][3], rtol=1e-15)
    assert found["fast"][0] == pytest.approx(found["exact"][0], rel=1e-14)
    assert found["fast"][0] != 0.7


def test_networks_trained_together_take_it_too(net):
    y = np.sin(X[:, 0])
    runs = net.fit_many(X, y, seeds=range(8), math="exact", max_iter=3, dtype="float64")
    alone = net.Trainer(math="exact", max_iter=3, dtype="float64", random_state=1).fit(X, y)
    assert float(runs.weights_["w"][1]) == pytest.approx(float(alone.weights_["w"]), rel=1e-14)
    assert (runs.trainer(1).predict(X) == [math.tanh(float(runs.weights_["w"][1]) * x) for x in X[:, 0]]).all()


def test_parameter(net):
    assert net.Trainer().get_params()["math"] == "fast"
    for wrong in ("slow", None, 1):
        with pytest.raises(ValueError, match="math must be 'fast' or 'exact', not"):
            net.Trainer(math=wrong).fit(X, X[:, 0])


@pytest.mark.parametrize("name", vectormath.available())
def test_every_function_has_the_value_and_precision_of_its_plain_form(name):
    """The text as a module has it; in single precision a result is rounded once."""
    names: dict = {"__name__": "emitted"}
    text = environment().get_template("trainer/exact.py.jinja").render()
    exec("import functools\nfrom numba import jit\nfrom types import FunctionType\n" + vectormath.source([name]), names)
    exec("from numba import njit, types\nfrom numba.extending import overload\n" + text, names)
    chosen = names["exact"](names[name])
    kernel = names["njit"](lambda x: chosen(x))
    x = (np.abs(X[:40, 0]) + 0.1).astype(np.float32)
    plain = [names[name](v) for v in x]
    np.testing.assert_allclose([kernel(v) for v in x], plain, rtol=2 * float(np.finfo(np.float32).eps))
    (result,) = kernel.overloads.values()
    assert result.signature.return_type.name == "float32"
