"""The numbers of the notes, read back out of the LaTeX, are those of ``net.json`` to the printed digits.

``python tests/search.py numbers 1000`` looks at more random networks.
"""

from __future__ import annotations

import re

import pytest
from chains import DECIMAL, true_chain, whole_cells
from hypothesis import HealthCheck, Phase, given, settings
from networks import Made, looks, networks
from printed import agrees, check_printed, check_random, true_matrices, unknown
from test_notes import WORKED, derivation_of, tex_of

from codegen.options import Options


@pytest.mark.parametrize("name", WORKED)
def test_every_printed_result_is_the_number_of_the_json(name: str) -> None:
    derivation = derivation_of(name)
    compared = check_printed(derivation)
    assert compared > 2 * sum(w.size for w in derivation.network.weights) - 2 or len(derivation.network.samples) > 1


LOOKS = [
    Options(),
    Options(notation="cs231n", detail="full", decimals=9),
    Options(notation="mitchell", decimals=3),
    Options(notation="bishop", detail="brief"),
    Options(notation="nielsen", detail="full", colour=True),
]


@pytest.mark.parametrize(("name", "options"), [(name, LOOKS[n % 5]) for n, name in enumerate(WORKED)])
def test_every_printed_number_is_one_of_the_derivation(name: str, options: Options) -> None:
    """Those put in, those in tables, matrices and pictures, of every sample and of the next updates."""
    wrong, count = unknown(derivation_of(name), options)
    assert wrong == []
    assert count >= 10 or options.detail == "brief"


@pytest.mark.parametrize("name", ["two_two_one", "three outputs", "names with digits", "softmax", "own activation"])
def test_matrices_of_numbers_have_the_value_of_what_stands_before_them(name: str) -> None:
    assert true_matrices(tex_of(name)) >= 4


def test_a_wrong_digit_anywhere_is_found() -> None:
    """Of every tenth number, in the text, a table, a matrix or a picture."""
    derivation, text = derivation_of("two_two_one"), tex_of("two_two_one")
    start = text.index("\\section{The numbers")
    places = [m for m in DECIMAL.finditer(text, start) if re.fullmatch(r"\d\.\d{6}", m[1])]
    assert len(places) > 50
    for m in places[::10]:
        wrong = f"{text[: m.end(1) - 2]}{(int(m[1][-2]) + 5) % 10}{text[m.end(1) - 1 :]}"
        assert len(unknown(derivation, text=wrong)[0]) == 1, m


@settings(max_examples=6, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(networks(most=1), looks())
def test_those_of_any_small_network_are(made: Made, options: Options) -> None:
    check_random(made, options)


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
    true_chain("a = 2 \\cdot 0.5 = 1 \\approx 1.0000001")
    true_chain("a = \\log(0.002646) \\approx -5.93472")  # of 0.0026455
    for line in ("a = 2 \\cdot 0.5 = 1.000001", "a \\approx 1.1 \\approx 1.2", "a = \\log(0.002646) \\approx -5.93436"):
        with pytest.raises(AssertionError):
            true_chain(line)


def test_elements_of_a_matrix_on_several_lines_are_read_as_one() -> None:
    lined = "\\left[\\begin{array}{ll} -4.47 & 2 \\\\ \\quad \\cdot 10^{-3} &  \\\\ 3 & 4 \\end{array}\\right]"
    assert whole_cells(lined).split() == "\\begin{bmatrix} -4.47 \\cdot 10^{-3} & 2 \\\\ 3 & 4 \\end{bmatrix}".split()
