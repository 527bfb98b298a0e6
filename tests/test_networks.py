"""Random networks against automatic differentiation: what the derived equations give, what trainers give; the notes.

``python tests/search.py networks 10000`` looks further, and so do ``updates``, ``trainers``, ``notes`` and
``slides``.
"""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from networks import (
    Made,
    Training,
    check,
    check_cells,
    check_fit,
    check_notes,
    check_slides,
    check_trainer,
    check_updates,
    looks,
    networks,
    trainings,
)
from search import SEARCHES, random_networks

from codegen.options import Options

FEW = settings(max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@settings(max_examples=120, suppress_health_check=list(HealthCheck))
@given(networks())
def test_gradients_of_any_network_are_those_of_automatic_differentiation(made: Made) -> None:
    check(made)


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(networks(most=3), trainings())
def test_updates_of_any_network_are_those_by_hand(made: Made, training: Training) -> None:
    check_updates(made, training)


@FEW
@given(networks(most=3))
def test_trainers_of_any_network_agree(tmp_path_factory: pytest.TempPathFactory, made: Made) -> None:
    check_trainer(made, tmp_path_factory.mktemp("trainer"))


@FEW
@given(networks(most=3), trainings())
def test_any_network_is_trained_as_by_hand(
    tmp_path_factory: pytest.TempPathFactory, made: Made, training: Training
) -> None:
    check_fit(made, training, tmp_path_factory.mktemp("fit"))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@FEW
@given(networks(most=3), looks())
def test_notes_of_any_network_are_typeset(
    tmp_path_factory: pytest.TempPathFactory, made: Made, options: Options
) -> None:
    check_notes(made, options, tmp_path_factory.mktemp("notes"))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@FEW
@given(networks(most=3))
def test_slides_of_any_network_hold_it(tmp_path_factory: pytest.TempPathFactory, made: Made) -> None:
    check_slides(made, tmp_path_factory.mktemp("slides"))


@settings(FEW, max_examples=4)
@given(networks(most=3), looks())
def test_what_notebooks_assert_of_any_network_holds(made: Made, options: Options) -> None:
    check_cells(made, options)


def test_the_search_for_more_finds_what_is_wrong() -> None:
    assert [kind for kind, _, _ in SEARCHES["networks"][0](1, 0, 3)] == ["agree"] * 3
    assert [kind for kind, _, _ in SEARCHES["updates"][0](1, 0, 2)] == ["agree"] * 2

    def wrong(made: Made) -> str:
        raise AssertionError(made.batch)

    *fine, (kind, what, text) = random_networks(wrong, 1)(1, 0, 3)
    assert len(fine) == 2
    assert kind == "differs"
    assert "AssertionError" in what
    assert "loss L = " in text
