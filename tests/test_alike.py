"""Nests of loops that are alike become one function: what is compiled does not grow with the layers of a network."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from networks import agree, automatic, networks
from oracles import derived, draw, feed_forward, network_of, sweep_of, trainer_of
from test_lanes import block
from test_many import lane_gradients
from test_sequence import descent

from codegen.trainer.alike import Alike
from codegen.trainer.module import render
from codegen.trainer.plans import plans


def deep(layers: int, units: int = 8) -> str:
    """A network with so many hidden layers of the same size."""
    hidden = [f"h{n}[{units}] = tanh(dense({f'h{n - 1}' if n else 'x'}))" for n in range(layers)]
    last = f"p[2] = softmax(dense(h{layers - 1}))\ntarget t[2]\nloss L = cross_entropy(t, p)"
    return "\n".join([f"input x[{units}]", *hidden, last])


def text_of(spec: str) -> str:
    return render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name="net_trainer")


def functions(text: str) -> dict[str, int]:
    """The functions for nests that are alike, and how often each is called."""
    return {name: len(re.findall(rf"^ +{name}\(", text, re.MULTILINE)) for name in re.findall(r"def (loops_\d+)", text)}


def test_the_layers_of_a_deep_network_share_their_functions():
    six, nine = (functions(text_of(deep(layers))) for layers in (6, 9))
    assert len(six) == 14  # three of whole rows, two of samples in lanes, four of networks, five of one by one
    assert six.keys() == nine.keys()
    assert all(5 <= six[name] <= 6 and nine[name] == six[name] + 3 for name in six)


def test_one_layer_more_is_little_more_text():
    """In every schedule a layer has calls, with the equations as comments, and its arrays."""
    shorter, longer = (len(text_of(deep(layers)).splitlines()) for layers in (8, 9))
    assert longer - shorter < 130


def test_small_networks_have_no_such_functions():
    assert not functions(text_of(deep(2)))
    assert "loops_" not in text_of(deep(2))
    assert functions(text_of(deep(4)))


def test_a_function_has_the_text_of_the_first_and_tells_the_others():
    text = text_of(deep(10))
    found = re.search(r"def loops_1\((.*)\):\n((?:    .*\n)+)", text)
    assert found is not None
    assert found[1] == "count, z1, b1, sum1, h0"
    assert found[2].startswith('    """(1), (2); with other arrays (3), (4); (5), (6); ')
    assert "z1[n, i] = b1[i] + sum1[n, i]" in found[2]
    third = text[text.index("def forward_") :].split("# (5) z3[i] = Σ_j W3[i,j] h1[j] + b3[i]\n", 1)[1].splitlines()
    assert [line.strip() for line in third[:2]] == ["# (6) h2[i] = tanh(z3[i])", "loops_1(count, z3, b3, sum3, h2)"]


def test_sizes_are_no_names():
    """Layers of different sizes are not alike."""
    sizes = range(3, 15)
    spec = "input x[3]\n" + "".join(f"h{n}[{n}] = tanh(dense({f'h{n - 1}' if n > 3 else 'x'}))\n" for n in sizes)
    text = text_of(spec + "y = sum(h14)\ntarget t\nloss L = (y - t)^2")
    assert all(count > 1 for count in functions(text).values())
    assert not any("tanh" in part for part in re.findall(r"def loops_\d+\(.*\):\n((?:    .*\n)+)", text))


@pytest.fixture
def every_nest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every nest of loops is a function, like another one or not."""
    monkeypatch.setattr(Alike, "several", lambda self, outlines, few: frozenset(o.key for o in outlines))


def close(found: tuple[float, dict[str, Any]], parts: list[tuple[float, dict[str, Any]]]) -> None:
    """Whether loss and gradient are the sums of the parts."""
    assert found[0] == pytest.approx(sum(loss for loss, _ in parts), rel=1e-12, abs=1e-12)
    slopes = {name: sum(part[name] for _, part in parts) for name in found[1]}
    largest = max(1.0, *(np.abs(slope).max() for slope in slopes.values()))
    for name, slope in slopes.items():
        np.testing.assert_allclose(found[1][name], slope, rtol=1e-12, atol=1e-12 * largest)


@pytest.mark.usefixtures("every_nest")
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=feed_forward())
def test_functions_for_nests_have_the_gradient_of_the_equations(spec, tmp_path):
    """In lanes of samples, in lanes of networks, and one sample after the other."""
    samples = [draw(network_of(spec), seed) for seed in range(3)]
    samples = [sample | {w.name: samples[0][w.name] for w in network_of(spec).weights} for sample in samples]
    expected = [derived(spec, sample) for sample in samples]
    assume(all(np.isfinite(slope).all() for _, slopes in expected for slope in slopes.values()))
    module = trainer_of(spec, tmp_path)
    close(descent(module, samples[0]), expected[:1])
    close(block(module, samples), expected)
    close(lane_gradients(module, [samples])[0], expected)


@pytest.mark.usefixtures("every_nest")
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=networks(4, coupled=False))
def test_functions_for_nests_agree_with_automatic_differentiation(made, tmp_path):
    """Those inside recurrences are given the step."""
    assume(plans(network_of(made.spec), sweep_of(made.spec)).lanes is not None)
    sample = made.samples[0]
    agree(block(trainer_of(made.spec, tmp_path), [sample | made.weights]), automatic(made, (sample,)))
