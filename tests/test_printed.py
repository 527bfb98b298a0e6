"""The numbers of the notes, read back out of the LaTeX, are those of ``net.json`` to the printed digits.

``python tests/search.py numbers 1000`` looks at more random networks.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from networks import Made, networks
from printed import agrees, check_printed, check_random, true_chain
from test_notes import WORKED, chain, derivation_of


@pytest.mark.parametrize("name", WORKED)
def test_every_printed_result_is_the_number_of_the_json(name: str) -> None:
    derivation = derivation_of(name)
    compared = check_printed(derivation)
    assert compared > 2 * sum(w.size for w in derivation.network.weights) - 2 or len(derivation.network.samples) > 1


@settings(max_examples=6, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(networks(most=1))
def test_those_of_any_small_network_are(made: Made) -> None:
    check_random(made)


def test_a_wrong_digit_and_a_wrong_sign_are_found() -> None:
    agrees("", "0.123457", 0.1234567, exact=False)
    agrees("", "1.2346 \\cdot 10^{-5}", 1.23457e-5, exact=False)
    for text, value, exact in (
        ("0.123456", 0.1234567, False),
        ("0.123457", 0.1234567, True),
        ("1.2346", -1.2346, True),
    ):
        with pytest.raises(AssertionError):
            agrees("", text, value, exact)
    true_chain("", chain("a = 2 \\cdot 0.5 = 1 \\approx 1.0000001"))
    for line in ("a = 2 \\cdot 0.5 = 1.000001", "a \\approx 1.1 \\approx 1.2"):
        with pytest.raises(AssertionError):
            true_chain(line, chain(line))
