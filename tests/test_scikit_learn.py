"""Generated trainers in scikit-learn's hands: its checks of estimators, pipelines, searches and cross-validation."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from oracles import imported, network_of, sweep_of
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from codegen.trainer.module import render

IRIS = "input x[4]\nh[6] = tanh(dense(x))\np[3] = softmax(dense(h))\ntarget t[3]\nloss L = cross_entropy(t, p)"
CURVE = "input x[10]\nh[4] = tanh(dense(x))\ny = dense(h)\ntarget t\nloss L = (y - t)^2"

FIXED = "a network reads a fixed number of features, and says so in words of its own"
WORDS = "a TypeError in words of its own"
#: scikit-learn's checks that a generated trainer does not pass, and why.
EXCEPTIONS = {
    "check_estimators_empty_data_messages": FIXED,
    "check_n_features_in_after_fitting": FIXED,
    "check_estimators_partial_fit_n_features": FIXED,
    "check_n_features_in": FIXED,
    "check_fit2d_predict1d": FIXED,
    "check_supervised_y_2d": "targets (n, 1) are taken as (n,), without a warning",
    "check_dtype_object": WORDS,
    "check_requires_y_none": WORDS,
}


@cache
def module_of(spec: str, name: str) -> ModuleType:
    path = Path(mkdtemp(prefix="derive-tests-")) / f"{name}.py"
    text = render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name=name)
    path.write_text(text, encoding="utf-8")
    return imported(path)


@cache
def padded() -> ModuleType:
    """A module of 10 inputs whose trainers take data with fewer: scikit-learn's checks come with any number.

    Columns of zeros are added once the data are checked, so that everything else is the trainer's own.
    """
    module: Any = module_of(CURVE, "padded_trainer")
    checked = module.numbers

    def numbers(name: str, values: Any, dtype: Any) -> Any:
        array = checked(name, values, dtype)
        missing = 10 - array.shape[1] if name == "X" and array.ndim == 2 else 0
        return np.pad(array, ((0, 0), (0, missing))) if missing > 0 and array.shape[1] else array

    module.numbers = numbers
    return module


def test_a_regressor_passes_the_checks_of_estimators():
    regressor = padded().Trainer(solver="adam", learning_rate_init=0.05, max_iter=60)
    found = check_estimator(regressor, expected_failed_checks=EXCEPTIONS, on_fail=None, on_skip=None)
    failed = {check["check_name"]: check["exception"] for check in found if check["status"] == "failed"}
    assert not failed
    assert {check["check_name"] for check in found if check["status"] == "xfail"} == set(EXCEPTIONS)
    assert sum(check["status"] == "passed" for check in found) > 30


@pytest.fixture(scope="module")
def flowers():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


def trainer(**parameters: Any) -> Any:
    return module_of(IRIS, "flower_trainer").Trainer(solver="adam", learning_rate_init=0.02, max_iter=40, **parameters)


def test_what_kind_of_estimator():
    assert is_classifier(trainer())
    assert is_regressor(padded().Trainer())


def test_cross_validation_of_a_pipeline(flowers):
    """Folds are stratified, as for any classifier: the samples come sorted by their class, and all classes are seen."""
    scores = cross_val_score(make_pipeline(StandardScaler(), trainer()), *flowers, cv=3)
    assert scores.min() > 0.9


def test_a_search_over_parameters(flowers):
    pipeline = make_pipeline(StandardScaler(), trainer())
    grid = {"trainer__learning_rate_init": [1e-6, 0.02], "trainer__batch_size": [32]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(*flowers)
    assert search.best_params_["trainer__learning_rate_init"] == 0.02
    assert search.score(*flowers) > 0.9
    assert search.predict(flowers[0][:2]).tolist() == ["setosa", "setosa"]


def test_the_score_of_a_classifier_is_its_accuracy(flowers):
    X, y = flowers
    fitted = trainer().fit(X, y)
    assert fitted.score(X, y) == np.mean(fitted.predict(X) == y)
    numbered = trainer().fit(X, np.searchsorted(fitted.classes_, y))
    assert numbered.predict(X).dtype.kind == "i"
    assert numbered.score(X, np.searchsorted(fitted.classes_, y)) == fitted.score(X, y)


def test_a_clone_has_the_parameters_and_no_weights(flowers):
    fitted = trainer(batch_size=16).fit(*flowers)
    other = clone(fitted)
    assert other.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError, match="no weights yet"):
        other.predict(flowers[0])


def test_without_scikit_learn_it_is_a_value_error(monkeypatch, flowers):
    monkeypatch.delitem(sys.modules, "sklearn.exceptions")
    with pytest.raises(ValueError, match="no weights yet") as caught:
        trainer().predict(flowers[0])
    assert type(caught.value) is ValueError


def test_sparse_and_complex_data_are_refused(flowers):
    from scipy.sparse import csr_array

    X, y = flowers
    with pytest.raises(TypeError, match=r"X is sparse.*X\.toarray\(\)"):
        trainer().fit(csr_array(X), y)
    with pytest.raises(ValueError, match="Complex data not supported"):
        trainer().fit(X * 1j, y)
